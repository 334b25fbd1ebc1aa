/* kernels.h - the arithmetic of T5 for one CPU, as a table of functions per instruction set.
 *
 * Every instruction set fills the same table: plain (reference, simple loops), avx2, avx512 with its
 * VNNI and BF16 sub-variants, neon.  One is chosen at start from CPUID, or by name.
 *
 * Packed weights.  A matrix of N outputs and K inputs is cut into blocks of 64 outputs.  A block is a
 * row of `steps`; a step is 256 bytes: one 32-bit word for each of the 64 outputs, which holds
 *     fp32: 1 input           bf16: 2 inputs, the first low        int8: 4 inputs, the first low.
 * Rows of activations are packed the same way, a word for each step, so all three products are one
 * loop: broadcast a row's word, multiply it into 64 sums.  In int8 activations are unsigned
 * (q + 128, the shape of VNNI's instruction); the 128 is taken out again through `column_sum`.
 *
 * Order.   A sum runs over the steps from first to last in one accumulator, whatever the number of
 *          rows, so a row's result does not depend, bit for bit, on which rows are computed with it.
 * Padding. Outputs are padded to 64, steps to whole words, with zeros; buffers for results have
 *          strides of whole blocks (t5_padded).
 * Threads: pure functions; callers split rows and blocks.
 * Source:  the block layout follows the operand order of VPDPBUSD, VDPBF16PS and SDOT. */
#ifndef T5_KERNELS_KERNELS_H
#define T5_KERNELS_KERNELS_H

#include "base/err.h"
#include "t5/t5.h"

#include <stddef.h>
#include <stdint.h>

/* A head of T5's largest models has 128 values. */
enum { T5_BLOCK = 64, T5_STEP_SIZE = 256, T5_ALIGN = 64, T5_HEAD_SIZE_MAX = 512 };

static inline int t5_padded(int n)      /* to whole blocks */
{
    return (n + T5_BLOCK - 1) / T5_BLOCK * T5_BLOCK;
}

/* Weights of one product, [N, K], packed. */
struct t5_packed {
    enum t5_precision precision;
    int n, k, steps, blocks;
    unsigned char *data;         /* blocks * steps * 256 bytes; the two below follow it */
    float *scale;                /* int8: of each output, padded */
    int32_t *column_sum;         /* int8: 128 * sum of the output's weights */
};

static inline int t5_steps(enum t5_precision precision, int k)
{
    int per_step = precision == T5_INT8 ? 4 : precision == T5_BF16 ? 2 : 1;
    return (k + per_step - 1) / per_step;
}

/* Rows of activations, packed: row r starts at data + r * stride words. */
struct t5_rows {
    uint32_t *data;
    size_t stride;               /* words, at least the steps of the product */
    float *scale;                /* int8: of each row */
};

/* Memory that is read after a product and asked for during it, region by region: arithmetic leaves memory idle. */
struct t5_region { const void *at; size_t size; };
struct t5_ahead {
    const struct t5_region *regions;
    int count, region;           /* region: the next one; `count` when all is asked for */
    size_t offset;               /* in it */
};

/* A rectangle of one product: rows [row, row_end) times blocks [block, block_end).
 * Column c of block b lands in out[r * out_stride + b * 64 + c - out_column]. */
struct t5_product {
    const struct t5_packed *weights;
    struct t5_rows rows;
    int row, row_end, block, block_end;
    float *out;
    size_t out_stride;
    int out_column;
    bool add;                    /* onto what is there: the residual */
    struct t5_ahead *ahead;      /* NULL, or what to ask for; a kernel may leave it */
};

/* How keys and values are kept.  int8: each vector with a scale of its own, value = item * scale. */
enum t5_items { T5_ITEMS_FP32, T5_ITEMS_BF16, T5_ITEMS_INT8 };

static inline size_t t5_item_size(enum t5_items items)
{
    return items == T5_ITEMS_FP32 ? 4 : items == T5_ITEMS_BF16 ? 2 : 1;
}

/* Attention of one head over keys and values that several queries share.
 *     weights = softmax(q k + bias),   out = weights v
 * T5 does not scale the scores.  Keys are in blocks of 64, each [head_size][64]: key k's value d is at
 * ((k / 64) * head_size + d) * 64 + k % 64; what lies behind key_count in the last block may be anything
 * finite.  Values are [key_count][head_size], rows value_stride apart.  head_size is a multiple of 16.
 * int8: a block of keys is [head_size / 4][64][4], values are [key_count / 4, rounded up][head_size][4], so that
 * four are one word, as in packed weights; queries and weights are rounded too; head_size is a multiple of 64. */
struct t5_attention {
    const void *keys, *values;
    const float *key_scales, *value_scales;     /* int8: [padded key_count], the pad finite */
    size_t value_stride;         /* not in int8 */
    const void *next;            /* NULL, or the next call's keys: asked for ahead */
    int key_count, head_size;
    enum t5_items items;
    const float *query;          /* query_count rows */
    size_t query_stride;
    int query_count;
    const float *bias;           /* NULL, or of query 0, key 0 …; query i reads bias - i, a block beyond key_count */
    float *out;                  /* head_size floats a row */
    size_t out_stride;
    float *scratch;              /* t5_attention_scratch() floats */
};
enum { T5_ATTENTION_ROWS = 6 };
/* Scores of each row, and two bytes for each. */
static inline size_t t5_attention_scratch(int key_count)
{
    return T5_ATTENTION_ROWS * (size_t)t5_padded(key_count) * 3 / 2;
}

/* Self-attention of new tokens over what their rows wrote so far: position p of query i has its key at
 * kept + place[i * place_stride + p] * 2 * head_size, and its value right behind it.
 * bias[p] belongs to position p; a block more may be read.  Places are padded to T5_PLACES with any that are kept. */
enum { T5_PLACES = 16 };
struct t5_history {
    const void *kept;
    const float *scales;         /* int8: of key and value, two for each place */
    const void *next;            /* NULL, or the next call's `kept`: asked for ahead, as are its scales */
    const float *next_scales;
    int length, head_size;
    enum t5_items items;
    const uint32_t *place;
    size_t place_stride;
    const float *query, *bias;
    size_t query_stride;
    int query_count;
    float *out;
    size_t out_stride;
    float *scratch;              /* t5_history_scratch() floats */
};
enum { T5_HISTORY_ROWS = 4 };
static inline size_t t5_history_scratch(int length)
{
    return T5_HISTORY_ROWS * 4 * (size_t)t5_padded(length);
}

/* What the choice of tokens asks of rows of n logits, n a multiple of 64; what lies behind a row's end is -3e38. */
struct t5_log_sum { float max, sum; };          /* the largest, and the sum of exp(x - max) */
struct t5_look {
    const float *x;
    size_t stride;
    int rows, n;
    const float *limits;         /* of each row */
    struct t5_log_sum *sums;     /* of each row */
    uint64_t *above;             /* [rows][n / 64]: a bit for each logit, set where it is above the row's limit */
};

struct t5_kernels {
    const char *name;
    void (*product_fp32)(const struct t5_product *product);
    void (*product_bf16)(const struct t5_product *product);
    void (*product_int8)(const struct t5_product *product);
    /* n floats to words; whatever lies behind n in the last word is zero. */
    void (*pack_bf16)(const float *x, int n, uint32_t *out);
    void (*pack_int8)(const float *x, int n, uint32_t *out, float *out_scale);
    /* out[i] = weight[i] * x[i] / sqrt(mean(x^2) + epsilon) */
    void (*norm)(const float *x, const float *weight, int n, float epsilon, float *out);
    /* The two at once: norm() packed, without ever being floats. */
    void (*norm_int8)(const float *x, const float *weight, int n, float epsilon, uint32_t *out, float *out_scale);
    /* f(x) * gate, or f(x) where gate is NULL; in place is fine */
    void (*gelu_gate)(const float *x, const float *gate, int n, float *out);  /* gelu_new */
    /* The same within 5e-6, for what is rounded afterwards. */
    void (*gelu_gate_rough)(const float *x, const float *gate, int n, float *out);
    void (*relu_gate)(const float *x, const float *gate, int n, float *out);
    /* n floats as a vector of items. */
    void (*keep)(const float *x, int n, enum t5_items items, void *out, float *out_scale);
    /* Keys [rows][head_size] become keys first, first + 1, … of t5_attention's blocks. */
    void (*keep_keys)(const float *x, size_t stride, int first, int rows, int head_size, enum t5_items items,
                      void *keys, float *scales);
    /* The same for values. */
    void (*keep_values)(const float *x, size_t stride, int first, int rows, int head_size, enum t5_items items,
                        void *values, float *scales);
    void (*attention)(const struct t5_attention *attention);
    void (*history)(const struct t5_history *history);
    void (*look)(const struct t5_look *look);
};

/* NULL or "": the best of this CPU.  An unknown name, or one this CPU cannot run, is ERR_INPUT; the
 * message lists what it can. */
bool t5_kernels_choose(const char *name, const struct t5_kernels **out, struct err *err) MUST_CHECK;
/* The tables this CPU can run, slowest first; for tests. */
int t5_kernels_available(const struct t5_kernels *out[], int count_max);

void t5_product(const struct t5_kernels *kernels, const struct t5_product *product);

/* Row `row` of weights [n, k]: floats of output `row`. */
typedef void t5_row_reader(const void *context, int row, float *out);

/* What [n, k] takes in `precision`; `memory` (64-byte aligned, zeroed) then becomes the matrix's, and its
 * blocks may be filled by several threads. */
size_t t5_packed_size(enum t5_precision precision, int n, int k);
void t5_packed_place(struct t5_packed *packed, enum t5_precision precision, int n, int k, void *memory);
void t5_packed_fill(struct t5_packed *packed, int block, int block_end, t5_row_reader *read, const void *context);

#endif
