/* ops.h - the operations of T5 between the matrix products, each forward with its backward.
 *
 * Shapes:   N rows (tokens of all sequences, one behind the other, no padding), D d_model, F d_ff,
 *           V vocabulary; row-major.  A backward takes the gradient of the output (dy) and gives the
 *           gradient of the input (dx); where it says `+=` it adds, so that a residual's other branch
 *           is kept.
 * Repeats:  what sums over rows sums blocks of OP_ROWS rows, then the blocks in order: the same bits
 *           for any number of threads.
 * Checked:  ops_test.c, against central differences in double. */
#ifndef T5_TRAIN_OPS_H
#define T5_TRAIN_OPS_H

#include "t5/train/dropout.h"
#include "t5/train/pool.h"

#include <stdint.h>

enum { OP_ROWS = 32 };

/* Scratch for sums over rows: [ceil(N / OP_ROWS), D]. */
static inline size_t op_blocks(size_t rows)
{
    return (rows + OP_ROWS - 1) / OP_ROWS;
}

/* y = w x / rms(x), rms(x) = sqrt(mean(x^2) + eps).   x, y [N,D]; w [D].
 * Source: Zhang & Sennrich 2019, arXiv:1910.07467; no mean, no bias, as T5LayerNorm. */
void rmsnorm_forward(struct pool *pool, size_t N, size_t D, const real *x, const real *w, real eps, real *y);
/* dx += r (w dy - x r^2 mean(w dy x)), r = 1 / rms(x);   dw += sum over rows of dy x r.   partial [blocks,D]. */
void rmsnorm_backward(struct pool *pool, size_t N, size_t D, const real *x, const real *w, real eps, const real *dy,
                      real *dx, real *dw, real *partial);

/* out = x + dropout(y): the residual.   x, y, out [N,D]. */
void residual_forward(struct pool *pool, size_t N, size_t D, struct dropout drop, const real *x, const real *y,
                      real *out);
/* dy = dropout(dx), the same elements; dx stays as it is for the other branch. */
void residual_backward(struct pool *pool, size_t N, size_t D, struct dropout drop, const real *dx, real *dy);
/* y = scale * dropout(x), in place when y is x; its own backward with dx = scale * dropout(dy). */
void dropout_rows(struct pool *pool, size_t N, size_t D, struct dropout drop, real scale, const real *x, real *y);

/* Feed-forward's middle.  Gated: ab [N,2F] is (a, b), y = gelu(a) b, gelu by tanh (Hendrycks & Gimpel 2016,
 * "gelu_new"); else ab [N,F] is a, y = max(a, 0).  Then dropout.   y [N,F]. */
void activation_forward(struct pool *pool, size_t N, size_t F, bool gated, struct dropout drop, const real *ab,
                        real *y);
/* ab becomes d(ab): the values are not needed after. */
void activation_backward(struct pool *pool, size_t N, size_t F, bool gated, struct dropout drop, const real *dy,
                         real *ab);

/* x [N,D] rounded to bf16 (to nearest, ties to even), and back.   half [N,D]. */
void halve_rows(struct pool *pool, size_t N, size_t D, const real *x, uint16_t *half);
void unhalve_rows(struct pool *pool, size_t N, size_t D, const uint16_t *half, real *x);

/* x[n] = dropout(table[ids[n]]).   table [V,D]; x [N,D]. */
void embedding_forward(struct pool *pool, size_t N, size_t D, struct dropout drop, const int32_t *ids,
                       const real *table, real *x);
/* dtable[ids[n]] += dropout(dx[n]), in the order of n. */
void embedding_backward(struct pool *pool, size_t N, size_t D, struct dropout drop, const int32_t *ids, const real *dx,
                        real *dtable);

/* losses[n] = -log softmax(logits[n])[labels[n]]; a label < 0 (-100) is ignored: loss and gradient 0.
 * logits [N,V] become d(logits), times `scale` (1 / number of labels, for a mean). */
void cross_entropy(struct pool *pool, size_t N, size_t V, const int32_t *labels, real scale, real *logits,
                   real *losses);

#endif
