/* gemm_avx2.c - 256 bits with FMA: 6 x 2 of 16 registers hold sums. */
#define KERNEL gemm_kernel_avx2
#define NAME "avx2"
#define LANES 8
#define VECTORS 2
#define ROWS 6
#include "t5/train/gemm_tile.inc"
