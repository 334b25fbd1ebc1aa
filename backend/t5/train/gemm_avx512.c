/* gemm_avx512.c - 512 bits: 6 x 4 of 32 registers hold sums. */
#include "t5/train/turn16.h"

#include <stddef.h>
#include <stdint.h>

static void pack_turned16(const float *from, size_t step, size_t columns, size_t k, uint32_t *to)
{
    for (size_t column = 0; column < 64; column += 16)
        for (size_t at = 0; at < k; at += 16) {
            __m512i r[16];
            size_t left = k - at < 16 ? k - at : 16;
            __mmask16 mask = (__mmask16)(0xffff >> (16 - left));
            for (size_t i = 0; i < 16; i++)
                r[i] = column + i < columns ? _mm512_maskz_loadu_epi32(mask, from + (column + i) * step + at)
                                            : _mm512_setzero_si512();
            turn16(r);
            for (size_t i = 0; i < left; i++)
                _mm512_storeu_si512(to + (at + i) * 64 + column, r[i]);
        }
}

#define PACK_TURNED pack_turned16
#define KERNEL gemm_kernel_avx512
#define NAME "avx512"
#define LANES 16
#define VECTORS 4
#define ROWS 6
#include "t5/train/gemm_tile.inc"
