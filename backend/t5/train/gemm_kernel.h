/* gemm_kernel.h - what one instruction set gives to gemm.c.
 *
 * A unit is 4 bytes of k: one float, or two bf16 (k even in the lower half, zero behind an odd end).
 * Packed A: `rows` x units, read at a[row * row_step + unit * unit_step].
 * Packed B: panels of `panel` columns, [unit][column], zero behind the last column. */
#ifndef T5_TRAIN_GEMM_KERNEL_H
#define T5_TRAIN_GEMM_KERNEL_H

#include "t5/train/gemm.h"

#include <stdint.h>

enum { GEMM_ROWS_MAX = 6, GEMM_PANEL_MAX = 64 };

struct packed_rows {
    const uint32_t *data;
    size_t row_step, unit_step;
};

struct gemm_kernel {
    const char *name;
    int unit_k;                          /* k in a unit: 1 or 2 */
    int rows, panel;                     /* of a tile of C */
    /* C[rows, columns] (+)= A B over `units`; 1 <= rows <= kernel's, 1 <= columns <= panel */
    void (*tile)(int rows, size_t columns, size_t units, struct packed_rows a, const uint32_t *b, float *c,
                 size_t c_width, bool add);
    /* one row of k contiguous floats into units; [k, 2 units) is zero */
    void (*pack_row)(const float *from, size_t k, uint32_t *to);
    /* units of `count` columns that lie side by side: to[i] is (row0[i], row1[i]); row1 NULL: zero */
    void (*pack_pair)(const float *row0, const float *row1, size_t count, uint32_t *to);
    /* a panel from columns that each lie contiguous in k: to[unit * panel + column] */
    void (*pack_turned)(const float *from, size_t step, size_t columns, size_t k, uint32_t *to);
};

extern const struct gemm_kernel gemm_kernel_plain, gemm_kernel_avx2, gemm_kernel_avx512, gemm_kernel_bf16;

#endif
