/* optimizer.h - AdamW as PyTorch's, Adafactor as the T5 paper's, clipping, and the learning rate over time.
 *
 * AdamW:     Loshchilov & Hutter 2019, arXiv:1711.05101; the order of operations is torch.optim.AdamW's:
 *                p *= 1 - lr wd;  m += (1 - b1) (g - m);  v = b2 v + (1 - b2) g^2
 *                p -= lr / (1 - b1^t) m / (sqrt(v) / sqrt(1 - b2^t) + eps)
 * Adafactor: Shazeer & Stern 2018, arXiv:1804.04235, algorithm 4 and table 1: no momentum, second moment of
 *            a matrix as a row and a column, b2 = 1 - t^-0.8, updates clipped at an RMS of 1, steps relative
 *            to the RMS of the parameter; lr 0 means min(0.01, 1 / sqrt t).
 * Clipping:  by the norm of all gradients together, as torch.nn.utils.clip_grad_norm_.
 * Schedule:  as transformers' get_linear_ and get_cosine_schedule_with_warmup, step counted from 0: the
 *            first step of a warm-up has a rate of 0.
 * Memory:    one block of optimizer_state_items(), zero at the start; all of it is in a checkpoint.
 * Repeats:   sums over fixed chunks, in order: the same bits for any number of threads. */
#ifndef T5_TRAIN_OPTIMIZER_H
#define T5_TRAIN_OPTIMIZER_H

#include "t5/train/layout.h"
#include "t5/train/pool.h"

enum optimizer_kind { OPTIMIZER_ADAMW, OPTIMIZER_ADAFACTOR };
enum schedule_kind { SCHEDULE_CONSTANT, SCHEDULE_LINEAR, SCHEDULE_COSINE };

struct optimizer_options {
    enum optimizer_kind kind;
    enum schedule_kind schedule;
    double lr, beta1, beta2, eps, weight_decay;
    double clip_norm;                    /* 0: no clipping */
    int64_t warmup_steps, total_steps;
};

size_t optimizer_state_items(const struct layout *layout, enum optimizer_kind kind);
double optimizer_rate(const struct optimizer_options *options, int64_t step);   /* step from 0 */
/* One update; returns the norm of the gradients before clipping.  A norm that is not finite changes nothing. */
double optimizer_step(const struct layout *layout, struct pool *pool, const struct optimizer_options *options,
                      int64_t step, const real *grads, real *params, real *state);

#endif
