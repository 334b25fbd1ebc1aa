/* Every table that this CPU runs against the plain one, on random shapes with odd tails, and each
 * row alone against the same row among others, bit for bit. */
#include "base/mem.h"
#include "t5/half.h"
#include "t5/kernels/kernels.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { TABLES_MAX = 8 };
static const struct t5_kernels *tables[TABLES_MAX];
static int table_count;
static uint64_t seed = 88172645463325252u;

static uint32_t random_u32(void)
{
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return (uint32_t)(seed >> 32);
}
static int random_int(int low, int high) { return low + (int)(random_u32() % (uint32_t)(high - low + 1)); }
static float random_float(void) { return (float)(random_u32() >> 8) * 0x1p-23f - 1.0f; }

static float *random_floats(size_t n)
{
    float *x = mem_new(n, sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = random_float();
    return x;
}

static void assert_close(const float *a, const float *b, size_t n, float tolerance, const char *what,
                         const char *kernel)
{
    float most = 1e-6f;
    for (size_t i = 0; i < n; i++)
        most = fmaxf(most, fabsf(b[i]));
    for (size_t i = 0; i < n; i++)
        if (!(fabsf(a[i] - b[i]) <= tolerance * most))
            fail_msg("%s of %s: item %zu is %g, plain %g", what, kernel, i, (double)a[i], (double)b[i]);
}

struct source { const float *data; int k; };
static void read_row(const void *context, int row, float *out)
{
    const struct source *s = context;
    memcpy(out, s->data + (size_t)row * (size_t)s->k, (size_t)s->k * sizeof *out);
}

static void pack_row(const struct t5_kernels *kernels, enum t5_precision precision, const float *x, int k,
                     uint32_t *out, float *scale)
{
    if (precision == T5_INT8)
        kernels->pack_int8(x, k, out, scale);
    else if (precision == T5_BF16)
        kernels->pack_bf16(x, k, out);
    else
        memcpy(out, x, (size_t)k * sizeof *x);
}

struct product_case {
    int m, n, k, width;
    enum t5_precision precision;
    struct t5_packed weights;
    size_t weights_size;
    struct t5_rows rows;
    float *x, *w, *start;
};

static void case_new(struct product_case *c, enum t5_precision precision)
{
    *c = (struct product_case){ .precision = precision, .m = random_int(1, 20), .n = random_int(1, 150),
                                .k = random_int(1, 200) };
    c->width = t5_padded(c->n);
    c->x = random_floats((size_t)c->m * (size_t)c->k);
    c->w = random_floats((size_t)c->n * (size_t)c->k);
    c->start = random_floats((size_t)c->m * (size_t)c->width);
    c->weights_size = t5_packed_size(precision, c->n, c->k);
    t5_packed_place(&c->weights, precision, c->n, c->k, mem_pages_new(c->weights_size));
    t5_packed_fill(&c->weights, 0, c->weights.blocks, read_row, &(struct source){ c->w, c->k });
    c->rows.stride = (size_t)c->weights.steps + (size_t)random_int(0, 5);
    c->rows.data = mem_new((size_t)c->m * c->rows.stride, sizeof *c->rows.data);
    c->rows.scale = mem_new((size_t)c->m, sizeof *c->rows.scale);
}

static void case_free(struct product_case *c)
{
    mem_pages_free(c->weights.data, c->weights_size);
    mem_free(c->x), mem_free(c->w), mem_free(c->start), mem_free(c->rows.data), mem_free(c->rows.scale);
}

static float *case_run(struct product_case *c, const struct t5_kernels *kernels, int row, int row_end, bool add)
{
    size_t count = (size_t)c->m * (size_t)c->width;
    float *out = mem_new(count, sizeof *out);
    memcpy(out, c->start, count * sizeof *out);
    for (int r = 0; r < c->m; r++)
        pack_row(kernels, c->precision, c->x + (size_t)r * (size_t)c->k, c->k,
                 c->rows.data + (size_t)r * c->rows.stride, c->rows.scale + r);
    t5_product(kernels, &(struct t5_product){ .weights = &c->weights, .rows = c->rows, .row = row, .row_end = row_end,
        .block = 0, .block_end = c->weights.blocks, .out = out, .out_stride = (size_t)c->width, .add = add });
    return out;
}

static void check_row_alone(struct product_case *c, const struct t5_kernels *kernels, const float *together, bool add)
{
    int row = random_int(0, c->m - 1);
    float *alone = case_run(c, kernels, row, row + 1, add);
    size_t at = (size_t)row * (size_t)c->width;
    assert_memory_equal(alone + at, together + at, (size_t)c->width * sizeof *alone);
    mem_free(alone);
}

static void check_products(enum t5_precision precision)
{
    for (int round = 0; round < 60; round++) {
        struct product_case c;
        case_new(&c, precision);
        bool add = round % 2;
        float *plain = case_run(&c, tables[0], 0, c.m, add);
        for (int t = 0; t < table_count; t++) {
            float *out = case_run(&c, tables[t], 0, c.m, add);
            assert_close(out, plain, (size_t)c.m * (size_t)c.width, 3e-6f, "product", tables[t]->name);
            check_row_alone(&c, tables[t], out, add);
            mem_free(out);
        }
        mem_free(plain);
        case_free(&c);
    }
}

static void test_product_fp32(void **state) { (void)state; check_products(T5_FP32); }
static void test_product_bf16(void **state) { (void)state; check_products(T5_BF16); }
static void test_product_int8(void **state) { (void)state; check_products(T5_INT8); }

/* int8 and bf16 are near the true product: the quantised one cannot be right by both being wrong. */
static void test_products_are_near_the_true_one(void **state)
{
    (void)state;
    static const float tolerance[] = { [T5_FP32] = 1e-6f, [T5_BF16] = 0.01f, [T5_INT8] = 0.03f };
    for (enum t5_precision p = T5_FP32; p <= T5_INT8; p++)
        for (int round = 0; round < 10; round++) {
            struct product_case c;
            case_new(&c, p);
            float *out = case_run(&c, tables[0], 0, c.m, false);
            for (int r = 0; r < c.m; r++)
                for (int n = 0; n < c.n; n++) {
                    double sum = 0, size = 1e-6;
                    for (int k = 0; k < c.k; k++) {
                        double term = (double)c.x[(size_t)r * (size_t)c.k + (size_t)k] *
                                      (double)c.w[(size_t)n * (size_t)c.k + (size_t)k];
                        sum += term, size += fabs(term);
                    }
                    assert_true(fabs((double)out[(size_t)r * (size_t)c.width + (size_t)n] - sum) <=
                                (double)tolerance[p] * size);
                }
            mem_free(out);
            case_free(&c);
        }
}

static void test_rows(void **state)
{
    (void)state;
    for (int round = 0; round < 100; round++) {
        int n = random_int(1, 300);
        float *x = random_floats((size_t)n), *w = random_floats((size_t)n);
        float *a = mem_new((size_t)n, sizeof *a), *b = mem_new((size_t)n, sizeof *b);
        for (int i = 0; i < n; i++)
            x[i] *= 12;
        for (int t = 1; t < table_count; t++) {
            tables[0]->norm(x, w, n, 1e-6f, a), tables[t]->norm(x, w, n, 1e-6f, b);
            assert_close(b, a, (size_t)n, 1e-6f, "norm", tables[t]->name);
            tables[0]->gelu_gate(x, w, n, a), tables[t]->gelu_gate(x, w, n, b);
            assert_close(b, a, (size_t)n, 1e-6f, "gelu_gate", tables[t]->name);
            tables[0]->gelu_gate(x, NULL, n, a), tables[t]->gelu_gate(x, NULL, n, b);
            assert_close(b, a, (size_t)n, 1e-6f, "gelu", tables[t]->name);
            tables[0]->gelu_gate(x, w, n, a), tables[t]->gelu_gate_rough(x, w, n, b);
            assert_close(b, a, (size_t)n, 5e-6f, "gelu_gate_rough", tables[t]->name);
            tables[0]->relu_gate(x, w, n, a), tables[t]->relu_gate(x, w, n, b);
            assert_close(b, a, (size_t)n, 0, "relu_gate", tables[t]->name);
            tables[0]->relu_gate(x, NULL, n, a), tables[t]->relu_gate(x, NULL, n, b);
            assert_close(b, a, (size_t)n, 0, "relu", tables[t]->name);
        }
        mem_free(x), mem_free(w), mem_free(a), mem_free(b);
    }
}

enum { LOOK_ROWS = 5, LOOK_N = 512, LOOK_STRIDE = LOOK_N + 16 };
struct look { struct t5_log_sum sums[LOOK_ROWS]; uint64_t above[LOOK_ROWS * LOOK_N / 64]; };

/* What lies beyond the results stays as it is. */
static struct look look(int table, const float *x, int rows, int n, const float *limits)
{
    struct look y;
    memset(&y, 77, sizeof y);
    tables[table]->look(&(struct t5_look){ .x = x, .stride = LOOK_STRIDE, .rows = rows, .n = n, .limits = limits,
                                           .sums = y.sums, .above = y.above });
    return y;
}

/* A row's results are those of the row alone, to the bit. */
static void check_look(int table, const float *x, int rows, int n, const float *limits)
{
    struct look a = look(0, x, rows, n, limits), b = look(table, x, rows, n, limits);
    assert_memory_equal(a.above, b.above, sizeof a.above);
    for (int r = 0; r < rows; r++) {
        struct look one = look(table, x + r * LOOK_STRIDE, 1, n, limits + r);
        assert_memory_equal(&one.sums[0], &b.sums[r], sizeof one.sums[0]);
        assert_true(a.sums[r].max == b.sums[r].max);
        assert_true(fabsf(a.sums[r].sum - b.sums[r].sum) <= 3e-6f * a.sums[r].sum);
    }
}

static void test_look(void **state)
{
    (void)state;
    for (int round = 0; round < 100; round++) {
        int rows = random_int(1, LOOK_ROWS), n = random_int(1, LOOK_N / 64) * 64;
        float *x = random_floats(LOOK_ROWS * LOOK_STRIDE), limits[LOOK_ROWS];
        for (int i = 0; i < LOOK_ROWS * LOOK_STRIDE; i++)
            x[i] *= round % 2 ? 12 : 300;
        for (int r = 0; r < LOOK_ROWS; r++)
            limits[r] = round % 3 ? x[r * LOOK_STRIDE + random_int(0, n - 1)] : NAN;
        for (int t = 1; t < table_count; t++)
            check_look(t, x, rows, n, limits);
        mem_free(x);
    }
}

/* A logit that no softmax sees must not make the others' sum NaN; nor must rows of nothing else. */
static void test_look_at_far_logits(void **state)
{
    (void)state;
    float x[LOOK_ROWS * LOOK_STRIDE], limits[LOOK_ROWS] = { 0 };
    const float high[LOOK_ROWS] = { 1, 1e30f, -1e30f, -3e38f, 3e38f };
    for (int r = 0; r < LOOK_ROWS; r++)
        for (int i = 0; i < 128; i++)
            x[r * LOOK_STRIDE + i] = i % 3 ? -3e38f : high[r];
    for (int t = 0; t < table_count; t++) {
        struct look y = look(t, x, LOOK_ROWS, 128, limits);
        for (int r = 0; r < LOOK_ROWS; r++)
            assert_true(y.sums[r].max == high[r] && fabsf(y.sums[r].sum - (r == 3 ? 128.0f : 43.0f)) < 5e-4f);
    }
}

/* What was packed is norm()'s row, within half a step and the rounding of floats. */
static void check_norm_int8(const float *x, const float *weight, int n, const uint8_t *packed, float scale)
{
    float *row = mem_new((size_t)n, sizeof *row);
    tables[0]->norm(x, weight, n, 1e-6f, row);
    for (int i = 0; i < n; i++)
        assert_true(fabsf((float)((int)packed[i] - 128) * scale - row[i]) <= 0.501f * scale);
    mem_free(row);
}

/* Packed rows are the same in every table, to the bit: int8 products are then equal too. */
static void test_packed_rows(void **state)
{
    (void)state;
    for (int round = 0; round < 200; round++) {
        int n = random_int(1, 300);
        float *x = random_floats((size_t)n), *w = random_floats((size_t)n), scale[2] = { 0 };
        uint32_t *a = mem_new((size_t)n, sizeof *a), *b = mem_new((size_t)n, sizeof *b);
        if (round % 20 == 0)
            memset(x, 0, (size_t)n * sizeof *x);
        for (int t = 1; t < table_count; t++) {
            tables[0]->pack_int8(x, n, a, &scale[0]), tables[t]->pack_int8(x, n, b, &scale[1]);
            assert_memory_equal(a, b, (size_t)(n + 3) / 4 * 4);
            assert_true(scale[0] == scale[1]);
            tables[0]->pack_bf16(x, n, a), tables[t]->pack_bf16(x, n, b);
            assert_memory_equal(a, b, (size_t)(n + 1) / 2 * 4);
            tables[0]->norm_int8(x, w, n, 1e-6f, a, &scale[0]), tables[t]->norm_int8(x, w, n, 1e-6f, b, &scale[1]);
            assert_memory_equal(a, b, (size_t)(n + 3) / 4 * 4);
            assert_true(fabsf(scale[0] - scale[1]) <= 1e-6f * scale[0]);
            check_norm_int8(x, w, n, (const uint8_t *)b, scale[1]);
        }
        mem_free(x), mem_free(w), mem_free(a), mem_free(b);
    }
}

/* The same bytes in every table, and the last row's where its layout says. */
static void check_keep(bool values, enum t5_items items, int rows, int first, int head)
{
    enum { STRIDE = 130, COUNT = 256 * 128 };
    float *x = random_floats((size_t)rows * STRIDE), *a = mem_new(COUNT, sizeof *a), *b = mem_new(COUNT, sizeof *b);
    float scales[2][256] = { 0 };
    for (int t = 1; t < table_count; t++) {
        (values ? tables[0]->keep_values : tables[0]->keep_keys)(x, STRIDE, first, rows, head, items, a, scales[0]);
        (values ? tables[t]->keep_values : tables[t]->keep_keys)(x, STRIDE, first, rows, head, items, b, scales[1]);
        assert_memory_equal(a, b, COUNT * sizeof *a);
        assert_memory_equal(scales[0], scales[1], sizeof scales[0]);
    }
    int key = first + rows - 1, d = head - 1;
    float expected = x[(size_t)(rows - 1) * STRIDE + (size_t)d];
    int fp32_at = values ? key * head + d : (key / 64 * head + d) * 64 + key % 64;
    int int8_at = values ? (key / 4 * head + d) * 4 + key % 4
                         : ((key / 64 * head + d / 4 * 4) / 4 * 64 + key % 64) * 4 + d % 4;
    if (items == T5_ITEMS_FP32)
        assert_true(a[fp32_at] == expected);
    if (items == T5_ITEMS_INT8)
        assert_true(fabsf((float)((int8_t *)a)[int8_at] * scales[0][key] - expected) < 0.005f);
    mem_free(x), mem_free(a), mem_free(b);
}

static void test_keep_keys(void **state)
{
    (void)state;
    for (int round = 0; round < 120; round++) {
        enum t5_items items = (enum t5_items)(round % 3);
        check_keep(false, items, random_int(1, 150), random_int(0, 100),
                   items == T5_ITEMS_INT8 ? 64 : 16 * random_int(1, 4));
    }
}

static void test_keep_values(void **state)
{
    (void)state;
    for (int round = 0; round < 60; round++) {
        enum t5_items items = (enum t5_items)(round % 3);
        check_keep(true, items, random_int(1, 50), random_int(0, 50),
                   items == T5_ITEMS_INT8 ? 64 * random_int(1, 2) : 16 * random_int(1, 8));
    }
}

/* int8: the last of the 14 bits of a weight may turn on the last bit of the softmax. */
static float attention_tolerance(enum t5_items items)
{
    return items == T5_ITEMS_INT8 ? 1e-4f : 4e-6f;
}

static void *as_items(const float *x, size_t n, enum t5_items items)
{
    unsigned char *kept = mem_new(n, sizeof(float));
    for (size_t i = 0; i < n; i++)
        switch (items) {
        case T5_ITEMS_INT8: ((int8_t *)kept)[i] = (int8_t)lrintf(x[i] * 127); break;
        case T5_ITEMS_BF16: ((uint16_t *)(void *)kept)[i] = f32_to_bf16(x[i]); break;
        default:            ((float *)(void *)kept)[i] = x[i]; break;
        }
    return kept;
}

static void check_attention(enum t5_items items)
{
    bool bytes = items == T5_ITEMS_INT8;
    int keys = random_int(1, 150), head = bytes ? 64 * random_int(1, 2) : 16 * random_int(1, 5),
        queries = random_int(1, 15);
    size_t padded = (size_t)t5_padded(keys), width = (size_t)head, value_stride = width + 16;
    float *k = random_floats(width * padded), *v = random_floats((size_t)(keys + 3) * value_stride);
    float *q = random_floats((size_t)queries * 130), *bias = random_floats((size_t)queries + padded);
    float *scratch = mem_new(t5_attention_scratch(keys), sizeof *scratch), *scales = random_floats(2 * padded);
    for (size_t i = 0; i < 2 * padded; i++)
        scales[i] = i % padded >= (size_t)keys ? 1e30f : fabsf(scales[i]) / 127;
    float *out[2] = { mem_new((size_t)queries * width, sizeof(float)),
                      mem_new((size_t)queries * width, sizeof(float)) };
    struct t5_attention a = { .keys = as_items(k, width * padded, items),
                              .values = as_items(v, (size_t)(keys + 3) * value_stride, items),
                              .value_stride = value_stride, .key_count = keys, .head_size = head, .items = items,
                              .query = q, .query_stride = 130, .key_scales = scales, .value_scales = scales + padded,
                              .query_count = queries, .bias = bias + queries, .out_stride = width, .scratch = scratch };
    for (int t = 0; t < table_count; t++) {
        a.out = out[t > 0];
        tables[t]->attention(&a);
        assert_close(a.out, out[0], (size_t)queries * width, attention_tolerance(items), "attention", tables[t]->name);
        struct t5_attention one = a;
        int i = random_int(0, queries - 1);
        float alone[128];
        one.query += i * 130, one.query_count = 1, one.bias -= i, one.out = alone;
        tables[t]->attention(&one);
        assert_memory_equal(alone, a.out + (size_t)i * width, width * sizeof *alone);
    }
    mem_free(k), mem_free(v), mem_free(q), mem_free(bias), mem_free(scratch), mem_free(scales);
    mem_free(out[0]), mem_free(out[1]);
    mem_free((void *)(uintptr_t)a.keys), mem_free((void *)(uintptr_t)a.values);
}

static void test_attention(void **state)
{
    (void)state;
    for (int round = 0; round < 100; round++)
        check_attention((enum t5_items)(round % 3));
}

static void check_history(enum t5_items items)
{
    enum { STRIDE = 7 * T5_PLACES };
    bool bytes = items == T5_ITEMS_INT8;
    int slots = random_int(1, 8), length = random_int(1, 100),
        head = bytes ? 64 * random_int(1, 2) : 16 * random_int(1, 5);
    int queries = random_int(1, slots);
    size_t count = (size_t)length * (size_t)slots * 2 * (size_t)head;
    float *kept = random_floats(count), *scales = random_floats(count), *q = random_floats((size_t)queries * 130),
          *bias = random_floats((size_t)length + T5_BLOCK);
    uint32_t *place = mem_new((size_t)queries * STRIDE, sizeof *place);
    for (size_t i = 0; i < count; i++)
        scales[i] = fabsf(scales[i]) / 127;
    for (int i = 0; i < queries * STRIDE; i++)
        place[i] = (uint32_t)((i % STRIDE < length ? i % STRIDE * slots : 0) + random_int(0, slots - 1));
    float scratch[T5_HISTORY_ROWS * 4 * 128], out[2][8 * 130];
    struct t5_history h = { .kept = as_items(kept, count, items), .scales = scales, .length = length,
                            .head_size = head, .items = items, .place = place, .place_stride = STRIDE,
                            .query = q, .query_stride = 130, .query_count = queries, .bias = bias, .out_stride = 130,
                            .scratch = scratch };
    for (int t = 0; t < table_count; t++) {
        h.out = out[t > 0];
        tables[t]->history(&h);
        for (int i = 0; i < queries; i++)
            assert_close(h.out + i * 130, out[0] + i * 130, (size_t)head, attention_tolerance(items), "history",
                         tables[t]->name);
        struct t5_history one = h;
        int i = random_int(0, queries - 1);
        float alone[130];
        one.query += i * 130, one.query_count = 1, one.place += i * STRIDE, one.out = alone;
        tables[t]->history(&one);
        assert_memory_equal(alone, h.out + i * 130, (size_t)head * sizeof *alone);
    }
    mem_free(kept), mem_free(scales), mem_free(q), mem_free(bias), mem_free(place), mem_free((void *)(uintptr_t)h.kept);
}

static void test_history(void **state)
{
    (void)state;
    for (int round = 0; round < 300; round++)
        check_history((enum t5_items)(round % 3));
}

static void test_choice(void **state)
{
    (void)state;
    struct err err;
    const struct t5_kernels *k;
    for (int t = 0; t < table_count; t++) {
        assert_true(t5_kernels_choose(tables[t]->name, &k, &err));
        assert_ptr_equal(k, tables[t]);
    }
    assert_true(t5_kernels_choose(NULL, &k, &err));
    assert_ptr_equal(k, tables[table_count - 1]);
    assert_false(t5_kernels_choose("cray", &k, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_non_null(strstr(err.text, "plain"));
}

int main(void)
{
    table_count = t5_kernels_available(tables, TABLES_MAX);
    for (int i = 0; i < table_count; i++)
        print_message("kernels: %s\n", tables[i]->name);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choice), cmocka_unit_test(test_product_fp32), cmocka_unit_test(test_product_bf16),
        cmocka_unit_test(test_product_int8), cmocka_unit_test(test_products_are_near_the_true_one),
        cmocka_unit_test(test_rows), cmocka_unit_test(test_keep_keys), cmocka_unit_test(test_keep_values),
        cmocka_unit_test(test_packed_rows), cmocka_unit_test(test_look), cmocka_unit_test(test_look_at_far_logits),
        cmocka_unit_test(test_attention), cmocka_unit_test(test_history),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
