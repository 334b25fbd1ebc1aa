/* avx512_vnni.c - AVX-512 with VNNI (Cascade Lake, Ice Lake). */
#define SIMD_TABLE t5_kernels_avx512_vnni
#define SIMD_NAME "avx512-vnni"

#include "t5/kernels/avx512.h"
