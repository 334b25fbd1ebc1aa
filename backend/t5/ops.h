/* ops.h - the operations of T5 in plain fp32: the reference that every fast kernel is measured against.
 *
 * Shapes: row-major; N rows (batch * time), other letters with each op.  Buffers must not overlap unless
 *         an op says "in place".  Sums run in fp32 over 8 lanes, then over the lanes.
 * Source: Raffel et al. 2020, arXiv:1910.10683; Shazeer 2020, arXiv:2002.05202 (gated feed-forward);
 *         transformers 4.57.6, models/t5/modeling_t5.py. */
#ifndef T5_OPS_H
#define T5_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* y[n][o] = sum_i x[n][i] w[o][i]        x [N, I]  w [O, I]  y [N, O].  No bias: T5 has none. */
void op_linear(const float *x, const float *w, size_t N, size_t I, size_t O, float *y);

/* y[n] = w * x[n] / sqrt(mean(x[n]^2) + eps)        x, y [N, D]  w [D].  In place is fine.
 * No mean, no bias.  Source: Zhang & Sennrich 2019, arXiv:1910.07467. */
void op_rms_norm(const float *x, const float *w, float eps, size_t N, size_t D, float *y);

/* y[n] = table[ids[n]]        table [V, D]  y [N, D] */
void op_embed(const int32_t *ids, const float *table, size_t N, size_t D, float *y);

void op_add(float *x, const float *y, size_t count);        /* x += y */
void op_scale(float *x, float factor, size_t count);
void op_relu(float *x, size_t count);                        /* max(0, x), in place */
/* 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), in place: "gelu_new".
 * Source: Hendrycks & Gimpel 2016, arXiv:1606.08415, section 2. */
void op_gelu_new(float *x, size_t count);
void op_multiply(float *x, const float *y, size_t count);    /* x *= y: the gate */
/* exp(x - max) / sum, in place over N rows of D.  A row of -inf alone is not allowed. */
void op_softmax(float *x, size_t N, size_t D);

/* Which of `buckets` learned biases stands for key - query = `relative`.
 * Near distances have a bucket each, far ones share logarithmically up to distance_max; both_ways
 * (encoder) splits the buckets by sign, else (decoder) keys after the query fall into bucket 0.
 * Computed in fp32 as torch does: T5Attention._relative_position_bucket. */
int relative_bucket(int relative, bool both_ways, int buckets, int distance_max);

/* Attention of one query over S keys, for every head; T5 does not scale the products.
 *     s[h][j] = q[h] . k[j][h] + bias[h][j],   out[h] = sum_j softmax(s[h])[j] v[j][h]
 * q, out [H * K]; keys, values: S pointers to [H * K]; bias [H, stride], NULL: none (cross-attention);
 * scores: work space of S. */
void op_attend(const float *q, const float *const *keys, const float *const *values, const float *bias, size_t stride,
               size_t S, size_t H, size_t K, float *scores, float *out);

#endif
