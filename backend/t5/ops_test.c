/* ops_test.c - every plain op against a twin in double precision, on odd sizes. */
#include "t5/ops.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { N = 3, I = 37, O = 11, D = 29, S = 13, H = 3, K = 7 };

static uint64_t seed = 5;
static float next(void)   /* uniform in [-2, 2) */
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (float)(seed >> 40) / (float)(1 << 22) - 2.0f;
}

static void fill(float *x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        x[i] = next();
}

static void assert_near(const float *found, const double *expected, size_t count, double off)
{
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)found[i] - expected[i]) <= off))
            fail_msg("at %zu: %.9g, expected %.9g", i, (double)found[i], expected[i]);
}

static void test_linear(void **state)
{
    (void)state;
    float x[N * I], w[O * I], y[N * O];
    double twin[N * O] = { 0 };
    fill(x, N * I);
    fill(w, O * I);
    op_linear(x, w, N, I, O, y);
    for (size_t n = 0; n < N; n++)
        for (size_t o = 0; o < O; o++)
            for (size_t i = 0; i < I; i++)
                twin[n * O + o] += (double)x[n * I + i] * (double)w[o * I + i];
    assert_near(y, twin, N * O, 2e-5);
}

static void test_rms_norm(void **state)
{
    (void)state;
    float x[N * D], w[D], y[N * D];
    double twin[N * D];
    fill(x, N * D);
    fill(w, D);
    op_rms_norm(x, w, 1e-6f, N, D, y);
    for (size_t n = 0; n < N; n++) {
        double sum = 0;
        for (size_t i = 0; i < D; i++)
            sum += (double)x[n * D + i] * (double)x[n * D + i];
        for (size_t i = 0; i < D; i++)
            twin[n * D + i] = (double)w[i] * (double)x[n * D + i] / sqrt(sum / D + 1e-6);
    }
    assert_near(y, twin, N * D, 1e-6);
    op_rms_norm(x, w, 1e-6f, N, D, x);   /* in place */
    assert_near(x, twin, N * D, 1e-6);
}

static void test_activations(void **state)
{
    (void)state;
    float x[D], relu[D], gelu[D], gate[D], product[D];
    double twin_relu[D], twin_gelu[D], twin_product[D];
    fill(x, D);
    fill(gate, D);
    x[0] = 30, x[1] = -30, x[2] = 0;
    memcpy(relu, x, sizeof x);
    memcpy(gelu, x, sizeof x);
    memcpy(product, x, sizeof x);
    op_relu(relu, D);
    op_gelu_new(gelu, D);
    op_multiply(product, gate, D);
    for (size_t i = 0; i < D; i++) {
        double v = (double)x[i];
        twin_relu[i] = fmax(v, 0);
        twin_gelu[i] = 0.5 * v * (1 + tanh(sqrt(2 / M_PI) * (v + 0.044715 * v * v * v)));
        twin_product[i] = v * (double)gate[i];
    }
    assert_near(relu, twin_relu, D, 0);
    assert_near(gelu, twin_gelu, D, 1e-6);
    assert_near(product, twin_product, D, 1e-5);
}

static void test_embed_add_scale(void **state)
{
    (void)state;
    float table[5 * D], rows[2 * D], sum[2 * D];
    double twin[2 * D];
    fill(table, 5 * D);
    op_embed((const int32_t[]){ 4, 0 }, table, 2, D, rows);
    assert_memory_equal(rows, table + 4 * D, sizeof(float) * D);
    assert_memory_equal(rows + D, table, sizeof(float) * D);
    memcpy(sum, rows, sizeof rows);
    op_add(sum, table, 2 * D);
    op_scale(sum, 0.125f, 2 * D);
    for (size_t i = 0; i < 2 * D; i++)
        twin[i] = ((double)rows[i] + (double)table[i]) / 8;
    assert_near(sum, twin, 2 * D, 1e-7);
}

static void softmax_twin(const double *x, size_t count, double *out)
{
    double max = -(double)INFINITY, sum = 0;
    for (size_t i = 0; i < count; i++)
        max = fmax(max, x[i]);
    for (size_t i = 0; i < count; i++)
        sum += out[i] = exp(x[i] - max);
    for (size_t i = 0; i < count; i++)
        out[i] /= sum;
}

static void test_softmax(void **state)
{
    (void)state;
    float x[N * D];
    double in[N * D], twin[N * D];
    fill(x, N * D);
    x[3] = -3.4028235e38f;   /* a masked key */
    x[D] = 500;              /* the others vanish beside it */
    for (size_t i = 0; i < N * D; i++)
        in[i] = (double)x[i];
    for (size_t n = 0; n < N; n++)
        softmax_twin(in + n * D, D, twin + n * D);
    op_softmax(x, N, D);
    assert_near(x, twin, N * D, 1e-6);
    assert_true(x[3] == 0.0f);
}

static void attend_twin(const float *q, const float *kv, const float *bias, double *out)
{
    for (size_t h = 0; h < H; h++) {
        double scores[S], weights[S];
        for (size_t j = 0; j < S; j++) {
            scores[j] = bias ? (double)bias[h * (S + 2) + j] : 0;
            for (size_t i = 0; i < K; i++)
                scores[j] += (double)q[h * K + i] * (double)kv[j * H * K + h * K + i];
        }
        softmax_twin(scores, S, weights);
        for (size_t i = 0; i < K; i++) {
            out[h * K + i] = 0;
            for (size_t j = 0; j < S; j++)
                out[h * K + i] += weights[j] * (double)kv[(S + j) * H * K + h * K + i];
        }
    }
}

static void test_attend(void **state)
{
    (void)state;
    float q[H * K], kv[2 * S * H * K], bias[H * (S + 2)], scores[S], out[H * K];
    const float *keys[S], *values[S];
    double twin[H * K];
    fill(q, H * K);
    fill(kv, 2 * S * H * K);
    fill(bias, H * (S + 2));
    for (size_t j = 0; j < S; j++)
        keys[j] = kv + j * H * K, values[j] = kv + (S + j) * H * K;
    op_attend(q, keys, values, bias, S + 2, S, H, K, scores, out);
    attend_twin(q, kv, bias, twin);
    assert_near(out, twin, H * K, 1e-5);
    op_attend(q, keys, values, NULL, 0, S, H, K, scores, out);
    attend_twin(q, kv, NULL, twin);
    assert_near(out, twin, H * K, 1e-5);
}

/* T5Attention._relative_position_bucket of transformers 4.57.6, 32 buckets, distance 128: where each
 * bucket begins. */
static void test_relative_buckets(void **state)
{
    (void)state;
    static const int encoder[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91 };
    static const int decoder[32] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
                                     16, 19, 21, 24, 27, 31, 35, 40, 46, 52, 59, 67, 77, 87, 99, 113 };
    for (int distance = 0, e = 0, d = 0; distance < 2000; distance++) {
        while (e < 15 && encoder[e + 1] <= distance)
            e++;
        while (d < 31 && decoder[d + 1] <= distance)
            d++;
        assert_int_equal(relative_bucket(-distance, true, 32, 128), e);
        assert_int_equal(relative_bucket(distance, true, 32, 128), distance ? 16 + e : 0);
        assert_int_equal(relative_bucket(-distance, false, 32, 128), d);
        assert_int_equal(relative_bucket(distance, false, 32, 128), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear), cmocka_unit_test(test_rms_norm), cmocka_unit_test(test_activations),
        cmocka_unit_test(test_embed_add_scale), cmocka_unit_test(test_softmax), cmocka_unit_test(test_attend),
        cmocka_unit_test(test_relative_buckets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
