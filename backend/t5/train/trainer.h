/* trainer.h - a training run: a folder and pairs go in, a folder comes out.
 *
 * Memory:  parameters, gradients, optimizer state and activations are one block each, sized before the
 *          first step; trainer_figures() says how large.
 * Repeats: the same folder, pairs, options and seed give the same bytes, for any number of threads, on
 *          CPUs with the same kernel; stopped and resumed or not.
 * State:   OUT/training-state.safetensors, written beside and renamed: parameters, optimizer state, step, and
 *          what the run is made of; a run with other pairs, options or seed is refused.  It is removed when
 *          the run is complete.
 * Loss:    the mean over the labels of all micro-batches of a step, as one large batch would have.
 * Threads: one. */
#ifndef T5_TRAIN_TRAINER_H
#define T5_TRAIN_TRAINER_H

#include "t5/safetensors.h"
#include "t5/train/gemm.h"
#include "t5/train/optimizer.h"
#include "t5/train/pairs.h"

enum train_precision { TRAIN_AUTO, TRAIN_FP32, TRAIN_BF16 };

struct trainer_options {
    const char *model_dir, *data_path, *out_dir;
    int64_t steps, epochs;               /* one of them > 0 */
    size_t batch, accumulate;            /* pairs of a micro-batch; micro-batches of a step */
    size_t input_max, target_max;        /* tokens */
    struct optimizer_options optimizer;  /* total_steps is filled in */
    double dropout;                      /* < 0: the model's */
    enum train_precision precision;      /* AUTO: bf16 products where the CPU has them */
    bool recompute, resume;
    int threads;                         /* 0: all */
    uint64_t seed;
    enum tensor_type save_type;
    int64_t save_every;                  /* steps; 0: only when stopped */
};
struct trainer_options trainer_defaults(void);   /* docs/api.md "The model's contract": batch 4, AdamW 5e-5, … */

struct trainer_figures {
    size_t parameter_count, pair_count, cut_count;
    size_t parameter_bytes, gradient_bytes, optimizer_bytes, activation_bytes;
    int64_t steps;                       /* of the whole run */
    int threads;
    const char *kernel;
};

struct trainer_step {
    int64_t step;                        /* from 1 */
    double epoch, loss, rate, grad_norm;
    size_t samples, tokens;
    bool last;
};

struct trainer;

bool trainer_open(const struct trainer_options *options, struct trainer **out, struct err *err) MUST_CHECK;
void trainer_close(struct trainer *trainer);     /* NULL is fine */
void trainer_figures(const struct trainer *trainer, struct trainer_figures *out);
int64_t trainer_done(const struct trainer *trainer);    /* steps made, those of an earlier run counted */
/* One step; a loss that is no number is ERR_REFUSED.  Saves its state as the options say. */
bool trainer_step(struct trainer *trainer, struct trainer_step *out, struct err *err) MUST_CHECK;
bool trainer_save_state(const struct trainer *trainer, struct err *err) MUST_CHECK;
/* Writes the folder and removes the state. */
bool trainer_finish(struct trainer *trainer, struct err *err) MUST_CHECK;

#endif
