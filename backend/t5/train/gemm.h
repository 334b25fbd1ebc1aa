/* gemm.h - matrix products of training: C = A B or C += A B, in fp32 or in bf16 with fp32 sums.
 *
 *     C[m,n] (+)= sum over k of A[m,k] B[k,n]
 *
 * A and B are read through strides, of which one must be 1, so that x W^T, dy W and dy^T x are all
 * the same call; they are packed (and rounded to bf16, where asked for) into blocks that fit the
 * caches.  Sums run over k in ascending order in every kernel, in blocks of GEMM_K_UNITS, so the
 * result does not depend on the number of threads.
 * Source:  Goto & van de Geijn 2008, ACM TOMS 34(3): packing and blocking.  bf16: VDPBF16PS adds
 *          two products in fp32, denormals taken as zero (Intel SDM, AVX512_BF16).
 * Scratch: allocated once by gemm_new(); no allocation in a product.
 * Threads: gemm() runs on the whole pool; gemm_alone() inside a pool item, on that item's thread. */
#ifndef T5_TRAIN_GEMM_H
#define T5_TRAIN_GEMM_H

#include "t5/train/pool.h"
#include "t5/train/real.h"

#include <stdbool.h>
#include <stddef.h>

enum gemm_precision { GEMM_F32, GEMM_BF16 };
/* of k in one block: 512 in fp32, 1024 in bf16; a packed panel of 64 is 128 KB */
enum { GEMM_K_UNITS = 512 };

struct matrix {
    const real *data;
    size_t row_step, column_step;        /* items from one row, one column to the next; one of them is 1 */
};

static inline struct matrix matrix_rows(const real *data, size_t width)      /* as it lies: row-major */
{
    return (struct matrix){ data, width, 1 };
}

static inline struct matrix matrix_turned(const real *data, size_t width)    /* its transpose */
{
    return (struct matrix){ data, 1, width };
}

struct gemm;

/* gemm() takes products where min(m, n) <= side_max, gemm_alone() where m <= alone_max.
 * GEMM_BF16 needs gemm_has_bf16().  `kernel` NULL: the best of this CPU; else "plain", "avx2", "avx512". */
struct gemm *gemm_new(struct pool *pool, enum gemm_precision precision, const char *kernel, size_t side_max,
                      size_t alone_max);
void gemm_free(struct gemm *gemm);       /* NULL is fine */
bool gemm_has_bf16(void);
const char *gemm_kernel_name(const struct gemm *gemm);   /* "avx512-bf16" */
size_t gemm_scratch_size(const struct gemm *gemm);       /* bytes */

void gemm(struct gemm *gemm, size_t m, size_t n, size_t k, struct matrix a, struct matrix b, real *c, size_t c_width,
          bool add);
void gemm_alone(struct gemm *gemm, int thread, size_t m, size_t n, size_t k, struct matrix a, struct matrix b,
                real *c, size_t c_width, bool add);

#endif
