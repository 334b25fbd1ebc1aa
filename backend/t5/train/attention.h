/* attention.h - T5's attention over sequences that lie one behind the other.
 *
 *     S = Q K^T + bias[key - query];  P = softmax(S);  context = dropout(P) V
 *
 * No 1 / sqrt(d_kv): T5 has it in its initialisation.  P is not kept: the backward computes it again.
 * Shapes:  B sequences; sequence b has queries [query_start[b], query_start[b+1]) and keys likewise;
 *          q, k, v, context are [tokens, H * d_kv] with their own row widths.
 * Bias:    relative, [H, 2 span - 1], index key - query + span - 1; NULL: none (cross-attention).
 * Source:  Raffel et al. 2020, arXiv:1910.10683, 2.1; Vaswani et al. 2017.
 * Scratch: two matrices [longest query, longest key] per thread.
 * Checked: attention_test.c, against central differences in double. */
#ifndef T5_TRAIN_ATTENTION_H
#define T5_TRAIN_ATTENTION_H

#include "t5/train/dropout.h"
#include "t5/train/gemm.h"

struct attention {
    struct pool *pool;
    struct gemm *gemm;
    size_t B, H, d_kv;
    const size_t *query_start, *key_start;
    const real *q, *k, *v;
    size_t q_width, k_width, v_width, context_width;
    const real *bias;
    size_t span;                         /* longest sequence the bias was made for */
    bool causal;                         /* a query sees keys up to its own place */
    uint64_t dropout_key;
    double dropout_rate;
    real *scratch;                       /* [threads][2][scratch_size] */
    size_t scratch_size;
};

void attention_forward(const struct attention *attention, real *context);
/* dq, dk, dv have the widths of q, k, v.  dbias [H, 2 span - 1] += (NULL with no bias);
 * partial [B * H, 2 span - 1] is scratch. */
void attention_backward(const struct attention *attention, const real *dcontext, real *dq, real *dk, real *dv,
                        real *dbias, real *partial);

/* The bucket of a distance key - query.  Source: T5Attention._relative_position_bucket of transformers. */
int attention_bucket(int distance, bool bidirectional, int bucket_count, int distance_max);

#endif
