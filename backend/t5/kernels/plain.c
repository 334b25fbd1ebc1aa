/* plain.c - the kernels as simple loops: what the others are compared with, and what runs where no
 * table fits the CPU.  A sum runs in the same order as theirs, without fused multiply-add. */
#include "base/mem.h"
#include "t5/half.h"
#include "t5/kernels/tables.h"

#include <math.h>
#include <string.h>

static const unsigned char *word_of(const struct t5_packed *w, int column, int step)
{
    size_t block = (size_t)(column / T5_BLOCK), steps = (size_t)w->steps;
    return w->data + (block * steps + (size_t)step) * T5_STEP_SIZE + (size_t)(column % T5_BLOCK) * 4;
}

static float sum_fp32(const struct t5_packed *w, const uint32_t *row, int column)
{
    float sum = 0;
    for (int s = 0; s < w->steps; s++) {
        float weight;
        memcpy(&weight, word_of(w, column, s), sizeof weight);
        sum += f32_of_bits(row[s]) * weight;
    }
    return sum;
}

static float sum_bf16(const struct t5_packed *w, const uint32_t *row, int column)
{
    float sum = 0;
    for (int s = 0; s < w->steps; s++) {
        uint16_t pair[2];
        memcpy(pair, word_of(w, column, s), sizeof pair);
        sum += bf16_to_f32((uint16_t)row[s]) * bf16_to_f32(pair[0]);
        sum += bf16_to_f32((uint16_t)(row[s] >> 16)) * bf16_to_f32(pair[1]);
    }
    return sum;
}

static float sum_int8(const struct t5_packed *w, const uint32_t *row, int column)
{
    int32_t sum = -w->column_sum[column];
    for (int s = 0; s < w->steps; s++) {
        const unsigned char *four = word_of(w, column, s);
        for (int i = 0; i < 4; i++)
            sum += (int32_t)(row[s] >> (8 * i) & 255) * (int8_t)four[i];
    }
    return (float)sum;
}

typedef float column_sum(const struct t5_packed *w, const uint32_t *row, int column);

static void product_with(const struct t5_product *p, column_sum *sum)
{
    bool int8 = p->weights->precision == T5_INT8;
    for (int row = p->row; row < p->row_end; row++)
        for (int c = p->block * T5_BLOCK; c < p->block_end * T5_BLOCK; c++) {
            float y = sum(p->weights, p->rows.data + (size_t)row * p->rows.stride, c);
            float *out = p->out + (size_t)row * p->out_stride + (c - p->out_column);
            if (int8)
                y *= p->weights->scale[c] * p->rows.scale[row];
            *out = p->add ? *out + y : y;
        }
}

static void product_fp32(const struct t5_product *product) { product_with(product, sum_fp32); }
static void product_bf16(const struct t5_product *product) { product_with(product, sum_bf16); }
static void product_int8(const struct t5_product *product) { product_with(product, sum_int8); }

static void pack_bf16(const float *x, int n, uint32_t *out)
{
    uint16_t *halves = (uint16_t *)out;
    for (int i = 0; i < n; i++)
        halves[i] = f32_to_bf16(x[i]);
    if (n & 1)
        halves[n] = 0;
}

static void pack_int8(const float *x, int n, uint32_t *out, float *out_scale)
{
    float max = 0;
    for (int i = 0; i < n; i++)
        max = fabsf(x[i]) > max ? fabsf(x[i]) : max;
    uint8_t *bytes = (uint8_t *)out;
    float inverse = max > 0 ? 127.0f / max : 0.0f;
    for (int i = 0; i < n; i++)
        bytes[i] = (uint8_t)(lrintf(x[i] * inverse) + 128);
    for (int i = n; i & 3; i++)
        bytes[i] = 128;
    *out_scale = max / 127.0f;
}

static void norm(const float *x, const float *weight, int n, float epsilon, float *out)
{
    float sum = 0;
    for (int i = 0; i < n; i++)
        sum += x[i] * x[i];
    float scale = 1.0f / sqrtf(sum / (float)n + epsilon);
    for (int i = 0; i < n; i++)
        out[i] = weight[i] * (x[i] * scale);
}

static void norm_int8(const float *x, const float *weight, int n, float epsilon, uint32_t *out, float *out_scale)
{
    float *weighted = mem_new((size_t)n, sizeof *weighted), sum = 0, scale;
    for (int i = 0; i < n; i++) {
        sum += x[i] * x[i];
        weighted[i] = weight[i] * x[i];
    }
    pack_int8(weighted, n, out, &scale);
    *out_scale = scale / sqrtf(sum / (float)n + epsilon);
    mem_free(weighted);
}

static void gelu_gate(const float *x, const float *gate, int n, float *out)
{
    for (int i = 0; i < n; i++) {
        float u = 0.7978845608028654f * (x[i] + 0.044715f * x[i] * x[i] * x[i]);
        out[i] = 0.5f * x[i] * (1.0f + tanhf(u)) * (gate ? gate[i] : 1.0f);
    }
}

static void relu_gate(const float *x, const float *gate, int n, float *out)
{
    for (int i = 0; i < n; i++)
        out[i] = (x[i] > 0 ? x[i] : 0) * (gate ? gate[i] : 1.0f);
}

/* int8: four values of a key, or one of four keys' values, are one word. */
static size_t key_place(enum t5_items items, int key, int d, int head_size)
{
    size_t block = (size_t)(key / T5_BLOCK) * (size_t)head_size, column = (size_t)(key % T5_BLOCK);
    if (items == T5_ITEMS_INT8)
        return ((block / 4 + (size_t)(d / 4)) * T5_BLOCK + column) * 4 + (size_t)(d % 4);
    return (block + (size_t)d) * T5_BLOCK + column;
}

static void keep(const float *x, int n, enum t5_items items, void *out, float *out_scale)
{
    float max = 0;
    for (int i = 0; i < n; i++)
        max = fabsf(x[i]) > max ? fabsf(x[i]) : max;
    float inverse = max > 0 ? 127.0f / max : 0.0f;
    for (int i = 0; i < n; i++)
        switch (items) {
        case T5_ITEMS_INT8: ((int8_t *)out)[i] = (int8_t)lrintf(x[i] * inverse); break;
        case T5_ITEMS_BF16: ((uint16_t *)out)[i] = f32_to_bf16(x[i]); break;
        default:            ((float *)out)[i] = x[i]; break;
        }
    if (items == T5_ITEMS_INT8)
        *out_scale = max / 127.0f;
}

static void keep_keys(const float *x, size_t stride, int first, int rows, int head_size, enum t5_items items,
                      void *keys, float *scales)
{
    size_t size = t5_item_size(items);
    for (int r = 0; r < rows; r++) {
        float key[4096 / sizeof(float)], scale = 0;
        CHECK(head_size <= (int)(sizeof key / sizeof *key));
        keep(x + (size_t)r * stride, head_size, items, key, &scale);
        for (int d = 0; d < head_size; d++)
            memcpy((unsigned char *)keys + key_place(items, first + r, d, head_size) * size,
                   (unsigned char *)key + (size_t)d * size, size);
        if (items == T5_ITEMS_INT8)
            scales[first + r] = scale;
    }
}

static size_t value_place(enum t5_items items, int key, int d, int head_size, size_t stride)
{
    if (items == T5_ITEMS_INT8)
        return ((size_t)(key / 4) * (size_t)head_size + (size_t)d) * 4 + (size_t)(key % 4);
    return (size_t)key * stride + (size_t)d;
}

static void keep_values(const float *x, size_t stride, int first, int rows, int head_size, enum t5_items items,
                        void *values, float *scales)
{
    size_t size = t5_item_size(items);
    for (int r = 0; r < rows; r++) {
        float value[4096 / sizeof(float)], scale = 0;
        CHECK(head_size <= (int)(sizeof value / sizeof *value));
        keep(x + (size_t)r * stride, head_size, items, value, &scale);
        for (int d = 0; d < head_size; d++)
            memcpy((unsigned char *)values + value_place(items, first + r, d, head_size, (size_t)head_size) * size,
                   (unsigned char *)value + (size_t)d * size, size);
        if (items == T5_ITEMS_INT8)
            scales[first + r] = scale;
    }
}

static float item_at(const void *kept, size_t i, enum t5_items items)
{
    switch (items) {
    case T5_ITEMS_INT8: return ((const int8_t *)kept)[i];
    case T5_ITEMS_BF16: return bf16_to_f32(((const uint16_t *)kept)[i]);
    default:            return ((const float *)kept)[i];
    }
}

static void softmax(float *scores, int n)
{
    float max = scores[0], sum = 0;
    for (int i = 1; i < n; i++)
        max = scores[i] > max ? scores[i] : max;
    for (int i = 0; i < n; i++)
        sum += scores[i] = expf(scores[i] - max);
    for (int i = 0; i < n; i++)
        scores[i] *= 1.0f / sum;
}

/* int8: queries are rounded as keys are, weights (the values' scales in them) to 14 bits beside the largest. */
enum { QUERY_MAX = T5_HEAD_SIZE_MAX, WEIGHT_MAX = (1 << 14) - 1 };

static const float *rounded_query(const float *query, int head_size, enum t5_items items, float *rounded)
{
    int8_t kept[QUERY_MAX];
    float scale;
    if (items != T5_ITEMS_INT8)
        return query;
    CHECK(head_size <= QUERY_MAX);
    keep(query, head_size, items, kept, &scale);
    for (int d = 0; d < head_size; d++)
        rounded[d] = (float)kept[d] * scale;
    return rounded;
}

static void round_weights(float *weights, int n)
{
    float max = 0;
    for (int k = 0; k < n; k++)
        max = weights[k] > max ? weights[k] : max;
    for (int k = 0; k < n && max > 0; k++)
        weights[k] = rintf(weights[k] * (WEIGHT_MAX / max)) * (max / WEIGHT_MAX);
}

static void attend_one(const struct t5_attention *a, int i)
{
    float rounded[QUERY_MAX];
    const float *query = rounded_query(a->query + (size_t)i * a->query_stride, a->head_size, a->items, rounded);
    float *out = a->out + (size_t)i * a->out_stride;
    for (int k = 0; k < a->key_count; k++) {
        float sum = 0;
        for (int d = 0; d < a->head_size; d++)
            sum += query[d] * item_at(a->keys, key_place(a->items, k, d, a->head_size), a->items);
        sum *= a->items == T5_ITEMS_INT8 ? a->key_scales[k] : 1.0f;
        a->scratch[k] = sum + (a->bias ? a->bias[k - i] : 0);
    }
    softmax(a->scratch, a->key_count);
    for (int k = 0; k < a->key_count && a->items == T5_ITEMS_INT8; k++)
        a->scratch[k] *= a->value_scales[k];
    if (a->items == T5_ITEMS_INT8)
        round_weights(a->scratch, a->key_count);
    for (int c = 0; c < a->head_size; c++) {
        out[c] = 0;
        for (int k = 0; k < a->key_count; k++)
            out[c] += a->scratch[k] *
                      item_at(a->values, value_place(a->items, k, c, a->head_size, a->value_stride), a->items);
    }
}

static void attention(const struct t5_attention *a)
{
    for (int i = 0; i < a->query_count; i++)
        attend_one(a, i);
}

static size_t history_place(const struct t5_history *h, int query, int position)
{
    return h->place[(size_t)query * h->place_stride + (size_t)position];
}

static void look_back(const struct t5_history *h, int i)
{
    float rounded[QUERY_MAX];
    const float *query = rounded_query(h->query + (size_t)i * h->query_stride, h->head_size, h->items, rounded);
    float *out = h->out + (size_t)i * h->out_stride;
    for (int p = 0; p < h->length; p++) {
        size_t place = history_place(h, i, p), at = place * 2 * (size_t)h->head_size;
        float sum = 0;
        for (int d = 0; d < h->head_size; d++)
            sum += query[d] * item_at(h->kept, at + (size_t)d, h->items);
        h->scratch[p] = sum * (h->items == T5_ITEMS_INT8 ? h->scales[2 * place] : 1.0f) + h->bias[p];
    }
    softmax(h->scratch, h->length);
    for (int p = 0; p < h->length && h->items == T5_ITEMS_INT8; p++)
        h->scratch[p] *= h->scales[2 * history_place(h, i, p) + 1];
    if (h->items == T5_ITEMS_INT8)
        round_weights(h->scratch, h->length);
    for (int d = 0; d < h->head_size; d++) {
        out[d] = 0;
        for (int p = 0; p < h->length; p++)
            out[d] += h->scratch[p] *
                      item_at(h->kept, (history_place(h, i, p) * 2 + 1) * (size_t)h->head_size + (size_t)d, h->items);
    }
}

static void history(const struct t5_history *h)
{
    for (int i = 0; i < h->query_count; i++)
        look_back(h, i);
}

static struct t5_log_sum log_sum(const float *x, int n)
{
    float max = x[0], sum = 0;
    for (int i = 1; i < n; i++)
        max = x[i] > max ? x[i] : max;
    for (int i = 0; i < n; i++)
        sum += expf(x[i] - max);
    return (struct t5_log_sum){ max, sum };
}

static void look(const struct t5_look *l)
{
    memset(l->above, 0, (size_t)l->rows * (size_t)l->n / 8);
    for (int r = 0; r < l->rows; r++) {
        const float *x = l->x + (size_t)r * l->stride;
        uint64_t *above = l->above + r * (l->n / 64);
        l->sums[r] = log_sum(x, l->n);
        for (int i = 0; i < l->n; i++)
            above[i / 64] |= (uint64_t)(x[i] > l->limits[r]) << i % 64;
    }
}

const struct t5_kernels t5_kernels_plain = {
    .name = "plain",
    .product_fp32 = product_fp32,
    .product_bf16 = product_bf16,
    .product_int8 = product_int8,
    .pack_bf16 = pack_bf16,
    .pack_int8 = pack_int8,
    .norm = norm,
    .norm_int8 = norm_int8,
    .gelu_gate = gelu_gate,
    .gelu_gate_rough = gelu_gate,
    .relu_gate = relu_gate,
    .keep = keep,
    .keep_keys = keep_keys,
    .keep_values = keep_values,
    .attention = attention,
    .history = history,
    .look = look,
};
