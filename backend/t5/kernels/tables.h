/* tables.h - the tables of kernels that this build has; not all of them run on every CPU. */
#ifndef T5_KERNELS_TABLES_H
#define T5_KERNELS_TABLES_H

#include "t5/kernels/kernels.h"

extern const struct t5_kernels t5_kernels_plain;
#if defined(__x86_64__)
extern const struct t5_kernels t5_kernels_avx2, t5_kernels_avx512, t5_kernels_avx512_vnni, t5_kernels_avx512_bf16;
#elif defined(__aarch64__)
extern const struct t5_kernels t5_kernels_neon;
#endif

#endif
