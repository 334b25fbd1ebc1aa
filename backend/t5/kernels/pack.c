#include "base/mem.h"
#include "t5/half.h"
#include "t5/kernels/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Inputs of one output that are packed at a time; the widest real T5 (11B) has 65,536. */
enum { K_MAX = 1 << 17 };

size_t t5_packed_size(const struct t5_packed *packed)
{
    return (size_t)packed->blocks * (size_t)packed->steps * T5_STEP_SIZE;
}

/* Whole pages of its own: weights are the largest memory of the process and given back at once. */
static void *pages_new(size_t size)
{
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        return NULL;
    (void)madvise(pages, size, MADV_HUGEPAGE);   /* fewer page faults now, fewer TLB misses later */
    return pages;
}

bool t5_packed_new(struct t5_packed *packed, enum t5_precision precision, int n, int k, struct err *err)
{
    CHECK(n > 0 && k > 0);
    if (k > K_MAX)
        return err_set(err, ERR_TOO_LARGE, "a matrix of %d inputs is above %d", k, K_MAX);
    *packed = (struct t5_packed){
        .precision = precision, .n = n, .k = k, .steps = t5_steps(precision, k), .blocks = t5_padded(n) / T5_BLOCK,
    };
    packed->data = pages_new(t5_packed_size(packed));
    if (packed->data && precision == T5_INT8) {
        packed->scale = mem_try_new((size_t)t5_padded(n), sizeof *packed->scale);
        packed->column_sum = mem_try_new((size_t)t5_padded(n), sizeof *packed->column_sum);
    }
    if (packed->data && (precision != T5_INT8 || (packed->scale && packed->column_sum)))
        return true;
    t5_packed_free(packed);
    return err_set(err, ERR_UNAVAILABLE, "no memory for weights of %d x %d", n, k);
}

void t5_packed_free(struct t5_packed *packed)
{
    if (packed->data)
        (void)munmap(packed->data, t5_packed_size(packed));
    mem_free(packed->scale);
    mem_free(packed->column_sum);
    *packed = (struct t5_packed){ 0 };
}

static void words_fp32(const float *row, int k, uint32_t *words)
{
    memcpy(words, row, (size_t)k * sizeof *row);
}

static void words_bf16(const float *row, int k, uint32_t *words)
{
    for (int i = 0; i < k; i++)
        words[i / 2] |= (uint32_t)f32_to_bf16(row[i]) << (i % 2 * 16);
}

/* Symmetric, so that no weight is -128: two kernels rely on it. */
static float words_int8(const float *row, int k, uint32_t *words, int32_t *out_sum)
{
    float max = 0;
    for (int i = 0; i < k; i++)
        max = fmaxf(max, fabsf(row[i]));
    float inverse = max > 0 ? 127.0f / max : 0.0f;
    int32_t sum = 0;
    for (int i = 0; i < k; i++) {
        /* Adding 1.5 * 2^23 rounds to the nearest integer, which the low bits then hold. */
        int32_t q = (int32_t)(f32_bits(row[i] * inverse + 12582912.0f) - 0x4b400000u);
        sum += q;
        words[i / 4] |= (uint32_t)(q & 255) << (i % 4 * 8);
    }
    *out_sum = sum;
    return max / 127.0f;
}

static void fill_column(struct t5_packed *packed, int column, const float *row, uint32_t *words)
{
    memset(words, 0, (size_t)packed->steps * sizeof *words);
    if (packed->precision == T5_INT8) {
        int32_t sum;
        packed->scale[column] = words_int8(row, packed->k, words, &sum);
        packed->column_sum[column] = 128 * sum;
    } else if (packed->precision == T5_BF16) {
        words_bf16(row, packed->k, words);
    } else {
        words_fp32(row, packed->k, words);
    }
    uint32_t *out = (uint32_t *)(void *)packed->data
                  + (size_t)(column / T5_BLOCK) * (size_t)packed->steps * T5_BLOCK + column % T5_BLOCK;
    for (int s = 0; s < packed->steps; s++)
        out[(size_t)s * T5_BLOCK] = words[s];
}

void t5_packed_fill(struct t5_packed *packed, int block, int block_end, t5_row_reader *read, const void *context)
{
    float *row = mem_new((size_t)packed->k, sizeof *row);
    uint32_t *words = mem_new((size_t)packed->steps, sizeof *words);
    int end = block_end * T5_BLOCK < packed->n ? block_end * T5_BLOCK : packed->n;
    for (int column = block * T5_BLOCK; column < end; column++) {
        read(context, column, row);
        fill_column(packed, column, row, words);
    }
    mem_free(words);
    mem_free(row);
}
