/* simd.h - the kernels of one instruction set, written once over vectors of the compiler.
 *
 * A file per instruction set defines the macros below, includes this, and has its table:
 *     SIMD_LANES               fp32 lanes of a vector: 16, 8, 4
 *     SIMD_TILE_VECTORS        vectors of outputs a register tile holds beside SIMD_TILE_ROWS rows
 *     SIMD_DOT_INT8(sum, a, w) sum + the four products of each lane; a unsigned (q + 128), w signed
 *     SIMD_START_INT8(c)       where a sum starts, c being column_sum: -c where DOT takes a as it is
 *     SIMD_DOT_BF16(sum, a, w) sum + the two products of each lane
 *     SIMD_WIDEN(p)            a vector of floats from the bf16 at p, anywhere
 *     SIMD_NEAREST(v)          integers, rounded to nearest, ties to even
 *     SIMD_SUM(v)              the sum of the lanes
 *     SIMD_SUMS(v)             a vector: lane i is the sum of the lanes of v[i]
 *     SIMD_ABOVE(v, x)         an integer: bit i is set where lane i is above the float x
 *     SIMD_TURN_BYTES(v)       vi v[4]: within each 16 bytes, word i of v[j] becomes byte 4 j + i of each of the four
 *     SIMD_LARGER(a, b), SIMD_LARGEST(v)  optional: the larger of each lane; the largest lane
 *     SIMD_WHOLE(v), SIMD_TIMES_POWER(v, n)   optional: the nearest whole numbers; v * 2^n, n whole
 *     SIMD_TABLE, SIMD_NAME    the table's symbol and name
 * A tile is 6 rows times SIMD_TILE_VECTORS vectors of sums, which stay in registers over all steps. */
#ifndef T5_KERNELS_SIMD_H
#define T5_KERNELS_SIMD_H

#include "t5/kernels/kernels.h"

#include <math.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

enum { LANES = SIMD_LANES, TILE_ROWS = T5_ATTENTION_ROWS, TILE_VECTORS = SIMD_TILE_VECTORS };
enum { BLOCK_VECTORS = T5_BLOCK / LANES };
enum { KEEP_HEAD_SIZE_MAX = T5_HEAD_SIZE_MAX };

typedef float vf __attribute__((vector_size(LANES * 4)));
typedef int32_t vi __attribute__((vector_size(LANES * 4)));
typedef uint32_t vu __attribute__((vector_size(LANES * 4)));
typedef uint16_t vh __attribute__((vector_size(LANES * 2)));
typedef uint8_t vb __attribute__((vector_size(LANES)));
/* The same anywhere in memory. */
typedef float vf_any __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef int32_t vi_any __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef uint16_t vh_any __attribute__((vector_size(LANES * 2), aligned(2), may_alias));
typedef uint8_t vb_any __attribute__((vector_size(LANES), aligned(1), may_alias));

/* What a vector of weights holds: packed words, or the items of keys and values. */
enum words { WORDS_FP32, WORDS_BF16, WORDS_INT8, HALVES };

INLINE size_t vector_size(enum words words) { return words == HALVES ? LANES * 2 : LANES * 4; }

INLINE vf load(const float *p) { return *(const vf_any *)p; }
INLINE void store(float *p, vf v) { *(vf_any *)p = v; }
INLINE vi spread(int32_t x) { return (vi){ 0 } + x; }
INLINE vf spread_f(float x)
{
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (vf)spread(bits);
}
INLINE vf pick(vi mask, vf yes, vf no) { return (vf)((mask & (vi)yes) | (~mask & (vi)no)); }
#ifdef SIMD_LARGER
INLINE vf larger(vf a, vf b) { return SIMD_LARGER(a, b); }
#else
INLINE vf larger(vf a, vf b) { return pick((vi)(a > b), a, b); }
#endif
INLINE vf smaller(vf a, vf b) { return pick((vi)(a < b), a, b); }

/* ---- the product ---- */

INLINE vf load_weights(enum words words, const unsigned char *w)
{
    if (words == HALVES)
        return SIMD_WIDEN(w);
    return (vf)*(const vi_any *)(const void *)w;
}

INLINE vf multiply(enum words words, vf sum, int32_t a, vf w)
{
    switch (words) {
    case WORDS_BF16: return SIMD_DOT_BF16(sum, spread(a), (vi)w);
    default:         return sum + (vf)spread(a) * w;
    }
}

/* Keys and values in bf16 and int8 are read once a step, from memory: they are asked for 4 KB ahead, which
 * is more than memory's latency at 64 to 128 bytes in 10 cycles. */
enum { AHEAD = 4096, FEW_ROWS = 4 };

/* sums[rows][vectors] += rows of words times `steps` rows of weights, step_size bytes apart.  next: NULL, or
 * what is asked for meanwhile, a cache line a step. */
INLINE void tile(enum words words, int rows, int vectors, const uint32_t *a, size_t a_stride, const unsigned char *w,
                 const unsigned char *next, size_t step_size, int steps, vf sums[TILE_ROWS][TILE_VECTORS])
{
    const size_t size = vector_size(words);
    for (int s = 0; s < steps; s++, w += step_size) {
        vf weights[TILE_VECTORS];
        if (next)
            __builtin_prefetch(next + (size_t)s * 64, 0, 2);
        UNROLL
        for (int v = 0; v < vectors; v++) {
            weights[v] = load_weights(words, w + (size_t)v * size);
            if (words == HALVES && (size_t)v * size % 64 == 0)
                __builtin_prefetch(w + (size_t)v * size + AHEAD);
        }
        UNROLL
        for (int r = 0; r < rows; r++) {
            int32_t word = (int32_t)a[(size_t)r * a_stride + (size_t)s];
            UNROLL
            for (int v = 0; v < vectors; v++)
                sums[r][v] = multiply(words, sums[r][v], word, weights[v]);
        }
    }
}

/* The same for int8.  Its sums are integers from start to end: a compiler that has to turn vectors of
 * floats into integers and back at each step keeps them in memory. */
INLINE void tile_int8(int rows, bool ahead, const uint32_t *a, size_t a_stride, const unsigned char *w,
                      const unsigned char *next, int steps, vi sums[TILE_ROWS][TILE_VECTORS])
{
    for (int s = 0; s < steps; s++, w += T5_STEP_SIZE) {
        if (!ahead)
            __builtin_prefetch(next + (size_t)s * 64, 0, 2);
        vi weights[TILE_VECTORS];
        UNROLL
        for (int v = 0; v < TILE_VECTORS; v++)
            weights[v] = *(const vi_any *)(const void *)(w + (size_t)v * LANES * 4);
        UNROLL
        for (int line = 0; ahead && line < TILE_VECTORS * LANES * 4; line += 64)
            __builtin_prefetch(w + line + AHEAD);
        UNROLL
        for (int r = 0; r < rows; r++) {
            vi word = spread((int32_t)a[(size_t)r * a_stride + (size_t)s]);
            UNROLL
            for (int v = 0; v < TILE_VECTORS; v++)
                sums[r][v] = SIMD_DOT_INT8(sums[r][v], word, weights[v]);
        }
    }
}

INLINE void clear_tile(vf sums[TILE_ROWS][TILE_VECTORS])
{
    UNROLL
    for (int r = 0; r < TILE_ROWS; r++)
        UNROLL
        for (int v = 0; v < TILE_VECTORS; v++)
            sums[r][v] = (vf){ 0 };
}

INLINE const unsigned char *tile_weights(const struct t5_packed *weights, int block, int part)
{
    return weights->data + (size_t)block * (size_t)weights->steps * T5_STEP_SIZE
         + (size_t)part * TILE_VECTORS * LANES * 4;
}

/* The next `size` bytes of what the caller asked for; NULL: nothing is left. */
INLINE const unsigned char *take_ahead(struct t5_ahead *ahead, size_t size)
{
    if (!ahead || ahead->region == ahead->count)
        return NULL;
    const struct t5_region *region = &ahead->regions[ahead->region];
    const unsigned char *at = (const unsigned char *)region->at + ahead->offset;
    ahead->offset += size;
    if (ahead->offset >= region->size) {
        ahead->region++;
        ahead->offset = 0;
    }
    return at;
}

/* What a tile asks for meanwhile, a cache line a step: the first four tiles of rows the whole next block, later ones
 * what the caller wants, or again the last quarter, which costs nothing. */
INLINE const unsigned char *tile_ahead(const struct t5_product *p, int row, int block)
{
    int tile = (row - p->row) / TILE_ROWS, quarter = tile < 3 ? tile : 3;
    const unsigned char *wanted = tile > 3 ? take_ahead(p->ahead, (size_t)p->weights->steps * 64) : NULL;
    return wanted ? wanted
                  : p->weights->data +
                        ((size_t)(block + 1) * T5_STEP_SIZE + (size_t)quarter * 64) * (size_t)p->weights->steps;
}

/* Where a tile's results go: `add` is a constant, so that no store asks for it. */
INLINE float *tile_out(const struct t5_product *p, int row, int column)
{
    return p->out + (size_t)row * p->out_stride + (column - p->out_column);
}

INLINE void put(bool add, float *out, vf y)
{
    store(out, add ? load(out) + y : y);
}

INLINE void product_tile(enum words words, bool add, int rows, const struct t5_product *p, int row, int block, int part)
{
    vf sums[TILE_ROWS][TILE_VECTORS];
    clear_tile(sums);
    tile(words, rows, TILE_VECTORS, p->rows.data + (size_t)row * p->rows.stride, p->rows.stride,
         tile_weights(p->weights, block, part), tile_ahead(p, row, block), T5_STEP_SIZE, p->weights->steps, sums);
    const size_t stride = p->out_stride;
    float *out = tile_out(p, row, block * T5_BLOCK + part * TILE_VECTORS * LANES);
    UNROLL
    for (int r = 0; r < rows; r++, out += stride)
        UNROLL
        for (int v = 0; v < TILE_VECTORS; v++)
            put(add, out + v * LANES, sums[r][v]);
}

INLINE void product_tile_int8(bool add, int rows, const struct t5_product *p, int row, int block, int part)
{
    int column = block * T5_BLOCK + part * TILE_VECTORS * LANES;
    vi sums[TILE_ROWS][TILE_VECTORS];
    UNROLL
    for (int v = 0; v < TILE_VECTORS; v++) {
        vi start = SIMD_START_INT8(*(const vi_any *)(p->weights->column_sum + column + v * LANES));
        UNROLL
        for (int r = 0; r < rows; r++)
            sums[r][v] = start;
    }
    tile_int8(rows, p->row_end - p->row <= FEW_ROWS && rows <= FEW_ROWS, p->rows.data + (size_t)row * p->rows.stride,
              p->rows.stride, tile_weights(p->weights, block, part), tile_ahead(p, row, block), p->weights->steps,
              sums);
    const float *scales = p->weights->scale + column, *row_scales = p->rows.scale + row;
    const size_t stride = p->out_stride;
    float *out = tile_out(p, row, column);
    UNROLL
    for (int r = 0; r < rows; r++, out += stride) {
        vf row_scale = spread_f(row_scales[r]);
        UNROLL
        for (int v = 0; v < TILE_VECTORS; v++)
            put(add, out + v * LANES, __builtin_convertvector(sums[r][v], vf) * (load(scales + v * LANES) * row_scale));
    }
}

INLINE void product_rows(enum words words, bool add, int rows, const struct t5_product *p, int row, int block, int part)
{
    if (words == WORDS_INT8)
        product_tile_int8(add, rows, p, row, block, part);
    else
        product_tile(words, add, rows, p, row, block, part);
}

/* A block's weights stay in the first-level cache while all rows pass. */
INLINE void product_blocks(enum words words, bool add, const struct t5_product *p)
{
    for (int block = p->block; block < p->block_end; block++)
        for (int part = 0; part < BLOCK_VECTORS / TILE_VECTORS; part++)
            for (int row = p->row; row < p->row_end; row += TILE_ROWS)
                switch (p->row_end - row) {
                case 1:  product_rows(words, add, 1, p, row, block, part); break;
                case 2:  product_rows(words, add, 2, p, row, block, part); break;
                case 3:  product_rows(words, add, 3, p, row, block, part); break;
                case 4:  product_rows(words, add, 4, p, row, block, part); break;
                case 5:  product_rows(words, add, 5, p, row, block, part); break;
                default: product_rows(words, add, 6, p, row, block, part); break;
                }
}

INLINE void product_of(enum words words, const struct t5_product *p)
{
    if (p->add)
        product_blocks(words, true, p);
    else
        product_blocks(words, false, p);
}

static void product_fp32(const struct t5_product *product) { product_of(WORDS_FP32, product); }
static void product_bf16(const struct t5_product *product) { product_of(WORDS_BF16, product); }
static void product_int8(const struct t5_product *product) { product_of(WORDS_INT8, product); }

/* ---- functions of a vector ---- */

/* Adding 1.5 * 2^23 leaves the nearest integer in the low bits of a float below 2^22. */
#define ROUNDER 12582912.0f
enum { ROUNDER_BITS = 0x4b400000 };

/* e^x within 2 ulp: x = n ln 2 + r, |r| <= ln 2 / 2, polynomial of Cephes' expf; 0 below -87. */
INLINE vf exponential_near(vf r)     /* |r| <= ln 2 / 2 */
{
    vf y = r * 1.9875691500e-4f + 1.3981999507e-3f;
    y = y * r + 8.3334519073e-3f;
    y = y * r + 4.1665795894e-2f;
    y = y * r + 1.6666665459e-1f;
    y = y * r + 5.0000001201e-1f;
    return y * (r * r) + r + 1.0f;
}

#ifdef SIMD_TIMES_POWER
INLINE vf exponential(vf x)
{
    x = larger(x, spread_f(-150.0f));       /* 2^n is 0 there by itself; -3e38 would become NaN */
    vf n = SIMD_WHOLE(x * 1.44269504088896341f);
    vf r = x - n * 0.693359375f;
    return SIMD_TIMES_POWER(exponential_near(r + n * 2.12194440e-4f), n);
}
#else
INLINE vf exponential(vf x)
{
    vi tiny = (vi)(x < -87.0f);
    x = smaller(larger(x, spread_f(-87.0f)), spread_f(88.0f));
    vf shifted = x * 1.44269504088896341f + ROUNDER;
    vi n = (vi)shifted - ROUNDER_BITS;
    vf whole = shifted - ROUNDER;
    vf r = x - whole * 0.693359375f;
    r = r + whole * 2.12194440e-4f;
    vf y = (vf)((vi)exponential_near(r) + (n << 23));
    return (vf)(~tiny & (vi)y);
}
#endif

/* e^x for x <= 0 within 3e-6, for weights that are rounded to 14 bits and for the logits' sum, whose logarithm then
 * is that near: 2^n * 2^f, |f| <= 1/2, least largest relative error of degree 4, fitted by weighted least squares.
 * Below -2e38, where n and f are not numbers, SCALEF gives 0. */
#ifdef SIMD_TIMES_POWER
INLINE vf exponential_rough(vf x)
{
    vf t = x * 1.44269504088896341f, n = SIMD_WHOLE(t), f = t - n;
    vf y = f * 0.009570102f + 0.05591786f;
    y = y * f + 0.24024744f;
    y = y * f + 0.6931218f;
    return SIMD_TIMES_POWER(y * f + 0.9999993f, n);
}
#else
INLINE vf exponential_rough(vf x) { return exponential(x); }
#endif

#ifdef SIMD_LARGEST
INLINE float lane_max(vf v) { return SIMD_LARGEST(v); }
#else
INLINE float lane_max(vf v)
{
    float lanes[LANES], max;
    store(lanes, v);
    max = lanes[0];
    for (int i = 1; i < LANES; i++)
        max = lanes[i] > max ? lanes[i] : max;
    return max;
}
#endif

/* ---- rows ---- */

INLINE uint16_t bf16_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

static void pack_bf16(const float *x, int n, uint32_t *out)
{
    uint16_t *halves = (uint16_t *)out;
    int i = 0;
    for (; i + LANES <= n; i += LANES) {
        vu bits = (vu)load(x + i);
        bits = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
        *(vh_any *)(halves + i) = __builtin_convertvector(bits, vh);
    }
    for (; i < n; i++)
        halves[i] = bf16_of(x[i]);
    if (n & 1)
        halves[n] = 0;
}

static float largest_magnitude(const float *x, int n)
{
    vf most = { 0 }, other = { 0 };      /* two: one would wait for itself */
    int i = 0;
    for (; i + 2 * LANES <= n; i += 2 * LANES) {
        most = larger(most, (vf)((vi)load(x + i) & 0x7fffffff));
        other = larger(other, (vf)((vi)load(x + i + LANES) & 0x7fffffff));
    }
    float max = lane_max(larger(most, other));
    for (; i < n; i++)
        max = fabsf(x[i]) > max ? fabsf(x[i]) : max;
    return max;
}

static void pack_int8(const float *x, int n, uint32_t *out, float *out_scale)
{
    float max = largest_magnitude(x, n), inverse = max > 0 ? 127.0f / max : 0.0f;
    uint8_t *bytes = (uint8_t *)out;
    int i = 0;
    for (; i + LANES <= n; i += LANES) {
        vi q = SIMD_NEAREST(load(x + i) * inverse) + 128;
        *(vb_any *)(bytes + i) = __builtin_convertvector(q, vb);
    }
    for (; i < n; i++)
        bytes[i] = (uint8_t)(lrintf(x[i] * inverse) + 128);
    for (; i & 3; i++)
        bytes[i] = 128;
    *out_scale = max / 127.0f;
}

static void norm(const float *x, const float *weight, int n, float epsilon, float *out)
{
    vf squares = { 0 };
    int i = 0;
    for (; i + LANES <= n; i += LANES)
        squares += load(x + i) * load(x + i);
    float sum = SIMD_SUM(squares);
    for (; i < n; i++)
        sum += x[i] * x[i];
    float scale = 1.0f / sqrtf(sum / (float)n + epsilon);
    for (i = 0; i + LANES <= n; i += LANES)
        store(out + i, load(weight + i) * (load(x + i) * scale));
    for (; i < n; i++)
        out[i] = weight[i] * (x[i] * scale);
}

/* A row's scale goes into the scale of the packed row: once over the row to measure it, once to round it. */
static void norm_int8(const float *x, const float *weight, int n, float epsilon, uint32_t *out, float *out_scale)
{
    vf squares = { 0 }, most = { 0 };
    int i = 0;
    for (; i + LANES <= n; i += LANES) {
        vf v = load(x + i);
        squares += v * v;
        most = larger(most, (vf)((vi)(load(weight + i) * v) & 0x7fffffff));
    }
    float sum = SIMD_SUM(squares), max = lane_max(most);
    for (; i < n; i++) {
        sum += x[i] * x[i];
        max = fabsf(weight[i] * x[i]) > max ? fabsf(weight[i] * x[i]) : max;
    }
    float inverse = max > 0 ? 127.0f / max : 0.0f;
    uint8_t *bytes = (uint8_t *)out;
    for (i = 0; i + LANES <= n; i += LANES) {
        vi q = SIMD_NEAREST(load(weight + i) * load(x + i) * inverse) + 128;
        *(vb_any *)(bytes + i) = __builtin_convertvector(q, vb);
    }
    for (; i < n; i++)
        bytes[i] = (uint8_t)(lrintf(weight[i] * x[i] * inverse) + 128);
    for (; i & 3; i++)
        bytes[i] = 128;
    *out_scale = max / 127.0f / sqrtf(sum / (float)n + epsilon);
}

/* gelu_new(x) = x/2 (1 + tanh u) = x / (1 + e^-2u),  u = sqrt(2/pi) (x + 0.044715 x^3) */
INLINE vf gelu_new(bool rough, vf x)
{
    vf minus_twice_u = x * (-1.5957691216057308f - 0.07135481627f * (x * x));
    return x / (1.0f + (rough ? exponential_rough(minus_twice_u) : exponential(minus_twice_u)));
}

INLINE void gelu_gate_of(bool rough, const float *x, const float *gate, int n, float *out)
{
    int i = 0;
    for (; i + LANES <= n; i += LANES)
        store(out + i, gelu_new(rough, load(x + i)) * (gate ? load(gate + i) : spread_f(1.0f)));
    for (; i < n; i++)
        out[i] = gelu_new(rough, spread_f(x[i]))[0] * (gate ? gate[i] : 1.0f);
}

static void gelu_gate(const float *x, const float *gate, int n, float *out) { gelu_gate_of(false, x, gate, n, out); }
static void gelu_gate_rough(const float *x, const float *gate, int n, float *out)
{
    gelu_gate_of(true, x, gate, n, out);
}

static void relu_gate(const float *x, const float *gate, int n, float *out)
{
    for (int i = 0; i < n; i++)
        out[i] = (x[i] > 0 ? x[i] : 0) * (gate ? gate[i] : 1.0f);
}

static void keep(const float *x, int n, enum t5_items items, void *out, float *out_scale)
{
    if (items == T5_ITEMS_BF16) {
        pack_bf16(x, n, out);
        return;
    }
    if (items == T5_ITEMS_FP32) {
        memcpy(out, x, (size_t)n * sizeof *x);
        return;
    }
    float max = largest_magnitude(x, n), inverse = max > 0 ? 127.0f / max : 0.0f;
    for (int i = 0; i < n; i += LANES) {        /* n: a multiple of 16 */
        vi q = SIMD_NEAREST(load(x + i) * inverse);
        *(vb_any *)((uint8_t *)out + i) = __builtin_convertvector(q, vb);
    }
    *out_scale = max / 127.0f;
}

/* Items of `size` bytes from rows to a block's columns. */
INLINE void turn(size_t size, const unsigned char *rows, size_t row_size, int n, int head_size, unsigned char *out)
{
    for (int d = 0; d < head_size; d++)
        for (int i = 0; i < n; i++)
            memcpy(out + ((size_t)d * T5_BLOCK + (size_t)i) * size, rows + (size_t)i * row_size + (size_t)d * size,
                   size);
}

static void keep_keys(const float *x, size_t stride, int first, int rows, int head_size, enum t5_items items,
                      void *keys, float *scales)
{
    unsigned char kept[T5_BLOCK * KEEP_HEAD_SIZE_MAX * sizeof(float)];
    size_t size = t5_item_size(items), row_size = (size_t)head_size * size;
    CHECK(head_size <= KEEP_HEAD_SIZE_MAX);
    for (int r = 0, n; r < rows; r += n) {
        int key = first + r, place = key % T5_BLOCK;
        n = T5_BLOCK - place < rows - r ? T5_BLOCK - place : rows - r;
        for (int i = 0; i < n; i++)
            keep(x + (size_t)(r + i) * stride, head_size, items, kept + (size_t)i * row_size,
                 scales ? scales + key + i : NULL);
        unsigned char *out = (unsigned char *)keys + (size_t)(key / T5_BLOCK) * row_size * T5_BLOCK;
        switch (items) {
        case T5_ITEMS_INT8: turn(4, kept, row_size, n, head_size / 4, out + place * 4); break;
        case T5_ITEMS_BF16: turn(2, kept, row_size, n, head_size, out + place * 2); break;
        default:            turn(4, kept, row_size, n, head_size, out + place * 4); break;
        }
    }
}

/* Four values, rows of bytes, to words of one byte of each. */
INLINE void turn_values(int8_t kept[4][KEEP_HEAD_SIZE_MAX], int head_size, unsigned char *out)
{
    for (int d = 0; d < head_size; d += LANES * 4) {
        vi v[4];
        UNROLL
        for (int i = 0; i < 4; i++)
            v[i] = *(const vi_any *)(const void *)(kept[i] + d);
        SIMD_TURN_BYTES(v);
        UNROLL
        for (int i = 0; i < 4; i++)
            for (int part = 0; part < LANES / 4; part++)
                memcpy(out + (size_t)(d + 16 * part + 4 * i) * 4, (const unsigned char *)&v[i] + 16 * part, 16);
    }
}

/* head_size: a multiple of 64 */
static void keep_byte_values(const float *x, size_t stride, int first, int rows, int head_size, unsigned char *values,
                             float *scales)
{
    int8_t kept[4][KEEP_HEAD_SIZE_MAX];
    for (int key = first, end = first + rows, n; key < end; key += n, x += (size_t)n * stride) {
        n = 4 - key % 4 < end - key ? 4 - key % 4 : end - key;
        unsigned char *out = values + (size_t)(key / 4) * 4 * (size_t)head_size;
        for (int i = 0; i < n; i++)
            keep(x + (size_t)i * stride, head_size, T5_ITEMS_INT8, kept[i], &scales[key + i]);
        if (n == 4)
            turn_values(kept, head_size, out);
        for (int i = 0; i < n && n < 4; i++)
            for (int d = 0; d < head_size; d++)
                out[d * 4 + key % 4 + i] = (unsigned char)kept[i][d];
    }
}

static void keep_values(const float *x, size_t stride, int first, int rows, int head_size, enum t5_items items,
                        void *values, float *scales)
{
    size_t row_size = (size_t)head_size * t5_item_size(items);
    CHECK(head_size <= KEEP_HEAD_SIZE_MAX);
    if (items == T5_ITEMS_INT8)
        keep_byte_values(x, stride, first, rows, head_size, values, scales);
    for (int key = first; items != T5_ITEMS_INT8 && key < first + rows; key++, x += stride)
        keep(x, head_size, items, (unsigned char *)values + (size_t)key * row_size, NULL);
}

/* ---- attention ---- */

/* scores[0..n) to weights that sum to 1; the pad up to a multiple of 16 becomes 0. */
INLINE void softmax(float *scores, int n)
{
    for (int i = n; i & 15; i++)
        scores[i] = -3e38f;
    vf most = load(scores);
    for (int i = LANES; i < n; i += LANES)
        most = larger(most, load(scores + i));
    float max = lane_max(most);
    vf total = { 0 };
    for (int i = 0; i < n; i += LANES) {
        vf e = exponential(load(scores + i) - max);
        total += e;
        store(scores + i, e);
    }
    float scale = 1.0f / SIMD_SUM(total);
    for (int i = 0; i < n; i += LANES)
        store(scores + i, load(scores + i) * scale);
}

INLINE void attention_scores(enum words words, int rows, const struct t5_attention *a, int first)
{
    const size_t item = vector_size(words) / LANES, scores_stride = (size_t)t5_padded(a->key_count);
    const uint32_t *query = (const uint32_t *)(const void *)(a->query + (size_t)first * a->query_stride);
    for (int key = 0; key < a->key_count; key += TILE_VECTORS * LANES) {
        size_t place = (size_t)(key / T5_BLOCK) * (size_t)a->head_size * T5_BLOCK + (size_t)(key % T5_BLOCK);
        vf sums[TILE_ROWS][TILE_VECTORS];
        clear_tile(sums);
        tile(words, rows, TILE_VECTORS, query, a->query_stride, (const unsigned char *)a->keys + place * item,
             NULL, T5_BLOCK * item, a->head_size, sums);
        UNROLL
        for (int r = 0; r < rows; r++)
            UNROLL
            for (int v = 0; v < TILE_VECTORS; v++) {
                int column = key + v * LANES;
                vf bias = a->bias ? load(a->bias + column - (first + r)) : (vf){ 0 };
                store(a->scratch + (size_t)r * scores_stride + column, sums[r][v] + bias);
            }
    }
}

INLINE void attention_values(enum words words, int rows, int vectors, const struct t5_attention *a, int first,
                             int column)
{
    const size_t item = vector_size(words) / LANES;
    vf sums[TILE_ROWS][TILE_VECTORS];
    clear_tile(sums);
    tile(words, rows, vectors, (const uint32_t *)(const void *)a->scratch, (size_t)t5_padded(a->key_count),
         (const unsigned char *)a->values + (size_t)column * item, NULL, a->value_stride * item, a->key_count, sums);
    UNROLL
    for (int r = 0; r < rows; r++)
        UNROLL
        for (int v = 0; v < vectors; v++)
            store(a->out + (size_t)(first + r) * a->out_stride + column + v * LANES, sums[r][v]);
}

INLINE void attention_rows(enum words words, int rows, const struct t5_attention *a, int first)
{
    attention_scores(words, rows, a, first);
    for (int r = 0; r < rows; r++)
        softmax(a->scratch + (size_t)(r * t5_padded(a->key_count)), a->key_count);
    int column = 0;
    for (; column + TILE_VECTORS * LANES <= a->head_size; column += TILE_VECTORS * LANES)
        attention_values(words, rows, TILE_VECTORS, a, first, column);
    for (; column < a->head_size; column += LANES)
        attention_values(words, rows, 1, a, first, column);
}

INLINE void attention_of(enum words words, const struct t5_attention *a)
{
    for (int first = 0; first < a->query_count; first += TILE_ROWS)
        switch (a->query_count - first) {
        case 1:  attention_rows(words, 1, a, first); break;
        case 2:  attention_rows(words, 2, a, first); break;
        case 3:  attention_rows(words, 3, a, first); break;
        case 4:  attention_rows(words, 4, a, first); break;
        case 5:  attention_rows(words, 5, a, first); break;
        default: attention_rows(words, 6, a, first); break;
        }
}

static void attention_halves(const struct t5_attention *a) { attention_of(HALVES, a); }
static void attention_floats(const struct t5_attention *a) { attention_of(WORDS_FP32, a); }
static void attention_bytes(const struct t5_attention *a);
static void attention(const struct t5_attention *a)
{
    switch (a->items) {
    case T5_ITEMS_INT8: attention_bytes(a); break;
    case T5_ITEMS_BF16: attention_halves(a); break;
    default:            attention_floats(a); break;
    }
}

/* `head_size` is a constant where it is the usual 64, so that loops over it unroll. */
INLINE const unsigned char *history_at(const struct t5_history *h, const uint32_t *place, int position, size_t vector)
{
    return (const unsigned char *)h->kept + (size_t)place[position] * 2 * vector;
}

/* The value is asked for while its key is read: the weights need all keys first. */
INLINE vf history_score(enum words words, int head_size, const float *query, const unsigned char *key)
{
    const size_t item = vector_size(words) / LANES, vector = (size_t)head_size * item;
    vf sum = { 0 };
    UNROLL
    for (int i = 0; i < head_size; i += LANES)
        sum += load(query + i) * load_weights(words, key + (size_t)i * item);
    UNROLL
    for (size_t i = 0; i < vector; i += 64)
        __builtin_prefetch(key + vector + i);
    return sum;
}

INLINE void history_scores(enum words words, int head_size, const struct t5_history *h, const float *query,
                           const uint32_t *place)
{
    const size_t vector = (size_t)head_size * (vector_size(words) / LANES);
    for (int p = 0; p < h->length; p += LANES) {
        vf sums[LANES];
        int n = h->length - p < LANES ? h->length - p : LANES;
        for (int i = 0; i < n; i++)
            sums[i] = history_score(words, head_size, query, history_at(h, place, p + i, vector));
        for (int i = n; i < LANES; i++)
            sums[i] = sums[0];
        store(h->scratch + p, SIMD_SUMS(sums));
    }
    for (int p = 0; p < h->length; p++)
        h->scratch[p] += h->bias[p];
}

/* The next head's keys are asked for meanwhile: memory takes as long as a whole head's arithmetic. */
INLINE void history_values(enum words words, int head_size, int vectors, const struct t5_history *h,
                           const uint32_t *place, int column, bool ahead, float *out)
{
    const size_t item = vector_size(words) / LANES, vector = (size_t)head_size * item;
    vf sums[4] = { { 0 } };
    for (int p = 0; p < h->length; p++) {
        const unsigned char *key = history_at(h, place, p, vector), *value = key + vector + (size_t)column * item;
        for (size_t i = 0; ahead && i < vector; i += 64)
            __builtin_prefetch((const unsigned char *)h->next + (key - (const unsigned char *)h->kept) + i);
        UNROLL
        for (int v = 0; v < vectors; v++)
            sums[v] += spread_f(h->scratch[p]) * load_weights(words, value + (size_t)(v * LANES) * item);
    }
    UNROLL
    for (int v = 0; v < vectors; v++)
        store(out + column + v * LANES, sums[v]);
}

INLINE void history_of(enum words words, int head_size, const struct t5_history *h)
{
    for (int q = 0; q < h->query_count; q++) {
        const uint32_t *place = h->place + (size_t)q * h->place_stride;
        float *out = h->out + (size_t)q * h->out_stride;
        history_scores(words, head_size, h, h->query + (size_t)q * h->query_stride, place);
        softmax(h->scratch, h->length);
        int column = 0;
        for (; column + 4 * LANES <= head_size; column += 4 * LANES)
            history_values(words, head_size, 4, h, place, column, q == 0 && column == 0 && h->next, out);
        for (; column < head_size; column += LANES)
            history_values(words, head_size, 1, h, place, column, q == 0 && column == 0 && h->next, out);
    }
}

INLINE void history_any(enum words words, const struct t5_history *h)
{
    if (h->head_size == 64)
        history_of(words, 64, h);
    else
        history_of(words, h->head_size, h);
}

static void history_halves(const struct t5_history *h) { history_any(HALVES, h); }
static void history_floats(const struct t5_history *h) { history_any(WORDS_FP32, h); }
static void history_bytes(const struct t5_history *h);
static void history(const struct t5_history *h)
{
    switch (h->items) {
    case T5_ITEMS_INT8: history_bytes(h); break;
    case T5_ITEMS_BF16: history_halves(h); break;
    default:            history_floats(h); break;
    }
}

#include "t5/kernels/simd_int8.h"

/* ---- logits ---- */

INLINE vf lanes_largest(const float *x, int n)
{
    vf most = load(x);
    for (int i = LANES; i < n; i += LANES)
        most = larger(most, load(x + i));
    return most;
}

/* One sum of those of the lanes, each relative to the lane's largest. */
INLINE struct t5_log_sum lanes_sum(vf most, vf total)
{
    float max = lane_max(most);
    return (struct t5_log_sum){ max, SIMD_SUM(total * exponential(most - max)) };
}

/* A row adds up relative to the largest of each lane, which is looked for while the row before adds up: nothing waits
 * for a maximum. */
static void look(const struct t5_look *l)
{
    const float *x = l->x;
    uint64_t *above = l->above;
    vf most = lanes_largest(x, l->n);
    for (int r = 0; r < l->rows; r++, x += l->stride) {
        const float *next = r + 1 < l->rows ? x + l->stride : x;
        float limit = l->limits[r];
        vf next_most = load(next), total = { 0 };
        for (int i = 0; i < l->n; i += T5_BLOCK) {
            uint64_t bits = 0;
            UNROLL
            for (int v = 0; v < T5_BLOCK; v += LANES) {
                vf logits = load(x + i + v);
                total += exponential_rough(logits - most);
                next_most = larger(next_most, load(next + i + v));
                bits |= (uint64_t)SIMD_ABOVE(logits, limit) << v;
            }
            *above++ = bits;
        }
        l->sums[r] = lanes_sum(most, total);
        most = next_most;
    }
}

const struct t5_kernels SIMD_TABLE = {
    .name = SIMD_NAME,
    .product_fp32 = product_fp32,
    .product_bf16 = product_bf16,
    .product_int8 = product_int8,
    .pack_bf16 = pack_bf16,
    .pack_int8 = pack_int8,
    .norm = norm,
    .norm_int8 = norm_int8,
    .gelu_gate = gelu_gate,
    .gelu_gate_rough = gelu_gate_rough,
    .relu_gate = relu_gate,
    .keep = keep,
    .keep_keys = keep_keys,
    .keep_values = keep_values,
    .attention = attention,
    .history = history,
    .look = look,
};

#endif
