/* gemm_plain.c - any CPU: four lanes are what SSE2 and NEON have. */
#define KERNEL gemm_kernel_plain
#define NAME "plain"
#define LANES 4
#define VECTORS 2
#define ROWS 4
#include "t5/train/gemm_tile.inc"
