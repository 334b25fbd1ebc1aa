/* gemm_bf16.c - AVX512_BF16: a unit holds two bf16, VDPBF16PS multiplies both and adds in fp32. */
#include "t5/train/gemm_kernel.h"
#include "t5/train/turn16.h"

#include <string.h>

enum { ROWS = 6, VECTORS = 4, PANEL = 64 };

static inline __attribute__((always_inline)) __m512bh bits_bh(__m512i bits)
{
    return (__m512bh)bits;
}

static inline __mmask16 mask_of(size_t count)
{
    return (__mmask16)(count >= 16 ? 0xffff : (1u << count) - 1);
}

static inline __attribute__((always_inline)) void tile_of(const int rows, size_t columns, size_t units,
                                                          struct packed_rows a, const uint32_t *b, float *c,
                                                          size_t c_width, bool add)
{
    __m512 sum[ROWS][VECTORS];
    for (int row = 0; row < rows; row++)
        for (int i = 0; i < VECTORS; i++)
            sum[row][i] = _mm512_setzero_ps();
    for (size_t u = 0; u < units; u++, b += PANEL) {
        __m512i right[VECTORS];
        for (int i = 0; i < VECTORS; i++)
            right[i] = _mm512_loadu_si512(b + 16 * i);
        for (int row = 0; row < rows; row++) {
            __m512i left = _mm512_set1_epi32((int)a.data[row * a.row_step + u * a.unit_step]);
            for (int i = 0; i < VECTORS; i++)
                sum[row][i] = _mm512_dpbf16_ps(sum[row][i], bits_bh(left), bits_bh(right[i]));
        }
    }
    for (int row = 0; row < rows; row++)
        for (int i = 0; i < VECTORS; i++) {
            float *to = c + row * c_width + 16 * i;
            __mmask16 mask = columns > (size_t)(16 * i) ? mask_of(columns - (size_t)(16 * i)) : 0;
            __m512 before = add ? _mm512_maskz_loadu_ps(mask, to) : _mm512_setzero_ps();
            _mm512_mask_storeu_ps(to, mask, _mm512_add_ps(before, sum[row][i]));
        }
}

static void tile(int rows, size_t columns, size_t units, struct packed_rows a, const uint32_t *b, float *c,
                 size_t c_width, bool add)
{
    switch (rows) {
    case 1: tile_of(1, columns, units, a, b, c, c_width, add); return;
    case 2: tile_of(2, columns, units, a, b, c, c_width, add); return;
    case 3: tile_of(3, columns, units, a, b, c, c_width, add); return;
    case 4: tile_of(4, columns, units, a, b, c, c_width, add); return;
    case 5: tile_of(5, columns, units, a, b, c, c_width, add); return;
    default: tile_of(6, columns, units, a, b, c, c_width, add);
    }
}

/* 32 floats of k, `left` of them real, as 16 units. */
static inline __m512i pairs_at(const float *from, size_t left)
{
    __m512 low = _mm512_maskz_loadu_ps(mask_of(left), from);
    __m512 high = left > 16 ? _mm512_maskz_loadu_ps(mask_of(left - 16), from + 16) : _mm512_setzero_ps();
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

static void pack_row(const float *from, size_t k, uint32_t *to)
{
    for (size_t at = 0; at < k; at += 32)
        _mm512_mask_storeu_epi32(to + at / 2, mask_of((k - at + 1) / 2), pairs_at(from + at, k - at));
}

static void pack_pair(const float *row0, const float *row1, size_t count, uint32_t *to)
{
    for (size_t i = 0; i < count; i += 16) {
        __mmask16 mask = mask_of(count - i);
        __m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, row0 + i)));
        if (row1) {
            __m512i high = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, row1 + i)));
            low = _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
        }
        _mm512_mask_storeu_epi32(to + i, mask, low);
    }
}

static void pack_turned(const float *from, size_t step, size_t columns, size_t k, uint32_t *to)
{
    for (size_t column = 0; column < PANEL; column += 16)
        for (size_t at = 0; at < k; at += 32) {
            __m512i r[16];
            size_t units = k - at < 32 ? (k - at + 1) / 2 : 16;
            for (size_t i = 0; i < 16; i++)
                r[i] = column + i < columns ? pairs_at(from + (column + i) * step + at, k - at)
                                            : _mm512_setzero_si512();
            turn16(r);
            for (size_t i = 0; i < units; i++)
                _mm512_storeu_si512(to + (at / 2 + i) * PANEL + column, r[i]);
        }
}

const struct gemm_kernel gemm_kernel_bf16 = { "avx512-bf16", 2, ROWS, PANEL, tile, pack_row, pack_pair, pack_turned };
