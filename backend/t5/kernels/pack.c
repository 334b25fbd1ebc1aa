#include "base/mem.h"
#include "t5/half.h"
#include "t5/kernels/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t data_size(enum t5_precision precision, int n, int k)
{
    return (size_t)(t5_padded(n) / T5_BLOCK) * (size_t)t5_steps(precision, k) * T5_STEP_SIZE;
}

size_t t5_packed_size(enum t5_precision precision, int n, int k)
{
    size_t columns = (size_t)t5_padded(n);
    return data_size(precision, n, k) + (precision == T5_INT8 ? columns * (sizeof(float) + sizeof(int32_t)) : 0);
}

void t5_packed_place(struct t5_packed *packed, enum t5_precision precision, int n, int k, void *memory)
{
    CHECK(n > 0 && k > 0 && (uintptr_t)memory % T5_ALIGN == 0);
    *packed = (struct t5_packed){
        .precision = precision, .n = n, .k = k, .steps = t5_steps(precision, k), .blocks = t5_padded(n) / T5_BLOCK,
        .data = memory,
    };
    if (precision == T5_INT8) {
        packed->scale = (float *)(void *)(packed->data + data_size(precision, n, k));
        packed->column_sum = (int32_t *)(void *)(packed->scale + t5_padded(n));
    }
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
        max = fabsf(row[i]) > max ? fabsf(row[i]) : max;
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
