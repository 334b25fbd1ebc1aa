/* avx512.c - AVX-512 F, BW, DQ, VL (x86-64-v4: Skylake-X). */
#define SIMD_TABLE t5_kernels_avx512
#define SIMD_NAME "avx512-base"

#include "t5/kernels/avx512.h"
