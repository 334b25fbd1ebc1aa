/* net.h - the whole T5, forward and backward, over a batch without padding.
 *
 * A batch is sequences one behind the other: a token costs what it costs, a short sequence beside a
 * long one costs nothing.
 * Memory:  everything is sized by net_new() from the largest batch: activations in one block; no
 *          allocation in a step.  With `recompute` only the residual stream between layers is kept and
 *          a layer is computed again on the way back: a third more work for a fifth of the memory.
 * Head:    logits are made for at most NET_LOGIT_ROWS tokens at a time, turned into their own
 *          gradient in place.
 * Repeats: same parameters, batch and key: same bits, for any number of threads. */
#ifndef T5_TRAIN_NET_H
#define T5_TRAIN_NET_H

#include "t5/train/gemm.h"
#include "t5/train/layout.h"

enum { NET_LOGIT_ROWS = 256 };           /* 33 MB at V = 32128; the head's weights are packed once per 256 rows */

struct net_batch {
    size_t B;
    const size_t *input_start, *target_start;   /* [B + 1], in tokens */
    const int32_t *input_ids;                   /* [Ne] */
    const int32_t *decoder_ids, *labels;        /* [Nd]; a label < 0 is ignored */
};

struct net_limits {
    size_t B, Ne, Nd;                    /* of one batch */
    size_t input_longest, target_longest;
};

struct net_options {
    struct net_limits limits;
    enum gemm_precision precision;
    const char *kernel;                  /* NULL: the best */
    bool recompute;
};

struct net;

struct net *net_new(const struct layout *layout, struct pool *pool, const struct net_options *options);
void net_free(struct net *net);
size_t net_activation_size(const struct net *net);   /* bytes */
const char *net_kernel_name(const struct net *net);

/* The sum of the losses; gradients of (scale * sum) go to `grads`, added when `add`.  `key` chooses what
 * dropout drops. */
double net_step(struct net *net, const real *params, const struct net_batch *batch, uint64_t key, double scale,
                bool add, real *grads);
/* The sum of the losses, without dropout; out_right: labels whose logit is the largest (NULL: not counted). */
double net_loss(struct net *net, const real *params, const struct net_batch *batch, size_t *out_right);

/* decoder_ids from labels: shifted right behind start_id; ignored labels become pad_id. */
void net_shift_right(const int32_t *labels, size_t count, int32_t start_id, int32_t pad_id, int32_t *out);

#endif
