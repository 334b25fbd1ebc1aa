/* avx512_bf16.c - AVX-512 with VNNI and BF16 (Sapphire Rapids, Zen 4 and later). */
#define SIMD_TABLE t5_kernels_avx512_bf16
#define SIMD_NAME "avx512-vnni-bf16"

#include "t5/kernels/avx512.h"
