#include "t5/train/trainer.h"

#include "base/bounds.h"
#include "base/mem.h"
#include "base/str.h"
#include "t5/train/dropout.h"
#include "t5/train/folder.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAIRS_MIN = 10, RUN_TEXT_SIZE = 640 };   /* docs/api.md: "refuse fewer than 10 samples" */

struct trainer {
    struct trainer_options options;
    struct layout *layout;
    struct pool *pool;
    struct net *net;
    struct pairs *pairs;
    struct pairs_batch batch;
    struct net_limits limits;
    real *params, *grads, *state;
    size_t state_items;
    uint32_t *order;
    uint64_t order_epoch;                /* UINT64_MAX: none yet */
    int64_t done, epoch_steps;
    enum gemm_precision precision;
    char run_text[RUN_TEXT_SIZE];
};

struct trainer_options trainer_defaults(void)
{
    return (struct trainer_options){
        .batch = 4, .accumulate = 1, .input_max = 512, .target_max = 128, .dropout = -1, .save_type = TENSOR_F32,
        .optimizer = { .kind = OPTIMIZER_ADAMW, .schedule = SCHEDULE_LINEAR, .lr = 5e-5, .beta1 = 0.9, .beta2 = 0.999,
                       .eps = 1e-8, .weight_decay = 0.01, .clip_norm = 1 },
    };
}

/* ---- opening ---- */

/* What must be the same for a run to go on. */
static void describe_run(struct trainer *trainer)
{
    const struct trainer_options *o = &trainer->options;
    const struct optimizer_options *a = &o->optimizer;
    (void)snprintf(
        trainer->run_text, sizeof trainer->run_text,
        "pairs %zu %016" PRIx64 " steps %" PRId64 " batch %zu x %zu tokens %zu %zu seed %" PRIu64
        " optimizer %d schedule %d lr %.17g betas %.17g %.17g eps %.17g decay %.17g clip %.17g warmup %" PRId64
        " dropout %.9g kernel %s parameters %zu",
        trainer->pairs->count, trainer->pairs->hash, a->total_steps, o->batch, o->accumulate, o->input_max,
        o->target_max, o->seed, (int)a->kind, (int)a->schedule, a->lr, a->beta1, a->beta2, a->eps, a->weight_decay,
        a->clip_norm, a->warmup_steps, (double)trainer->layout->config.dropout_rate, net_kernel_name(trainer->net),
        trainer->layout->total);
}

static bool check_options(const struct trainer_options *o, struct err *err)
{
    if ((o->steps > 0) == (o->epochs > 0))
        return err_set(err, ERR_USAGE, "either steps or epochs must be given");
    if (o->batch < 1 || o->batch > TRAIN_BATCH_MAX || o->accumulate < 1 || o->accumulate > TRAIN_BATCH_MAX)
        return err_set(err, ERR_USAGE, "batch and accumulate must be between 1 and %d", TRAIN_BATCH_MAX);
    if (o->input_max < 2 || o->input_max > T5_TOKENS_MAX || o->target_max < 2 || o->target_max > T5_TOKENS_MAX)
        return err_set(err, ERR_USAGE, "the longest input and target must be between 2 and %d tokens", T5_TOKENS_MAX);
    if (o->dropout >= 1)
        return err_set(err, ERR_USAGE, "dropout must be below 1");
    if (o->precision == TRAIN_BF16 && !gemm_has_bf16())
        return err_set(err, ERR_USAGE, "this CPU has no AVX512_BF16; use fp32");
    return true;
}

static bool read_pairs(struct trainer *trainer, struct err *err)
{
    char path[PATH_MAX];
    struct t5_tokenizer *tokenizer;
    const struct trainer_options *o = &trainer->options;
    struct pairs_options options = { o->input_max, o->target_max, PAIRS_MIN };
    if (snprintf(path, sizeof path, "%s/spiece.model", o->model_dir) >= (int)sizeof path)
        return err_set(err, ERR_INPUT, "%s: the path is too long", o->model_dir);
    if (!t5_tokenizer_open(path, &tokenizer, err))
        return false;
    bool ok = pairs_read(o->data_path, tokenizer, &options, &trainer->pairs, err);
    t5_tokenizer_close(tokenizer);
    for (size_t i = 0; ok && i < trainer->pairs->ids_count; i++)
        if ((size_t)trainer->pairs->ids[i] >= trainer->layout->V)
            ok = err_set(err, ERR_INPUT, "%s: the vocabulary has piece %d, the model only %zu", path,
                         trainer->pairs->ids[i], trainer->layout->V);
    return ok;
}

static bool allocate(struct trainer *trainer, struct err *err)
{
    struct trainer_options *o = &trainer->options;
    size_t batch = o->batch < trainer->pairs->count ? o->batch : trainer->pairs->count;
    trainer->limits = pairs_limits(trainer->pairs, batch);
    trainer->precision = o->precision == TRAIN_FP32 || !gemm_has_bf16() ? GEMM_F32 : GEMM_BF16;
    struct net_options net = { .limits = trainer->limits, .precision = trainer->precision, .recompute = o->recompute };
    trainer->pool = pool_new(o->threads);
    trainer->net = net_new(trainer->layout, trainer->pool, &net);
    trainer->state_items = optimizer_state_items(trainer->layout, o->optimizer.kind);
    trainer->grads = mem_try_new_large(trainer->layout->total, sizeof *trainer->grads);
    trainer->state = mem_try_new_large(trainer->state_items, sizeof *trainer->state);
    trainer->order = mem_new(trainer->pairs->count, sizeof *trainer->order);
    trainer->order_epoch = UINT64_MAX;
    pairs_batch_init(&trainer->batch, trainer->limits);
    if (!trainer->grads || !trainer->state)
        return err_set(err, ERR_TOO_LARGE, "gradients and optimizer state do not fit the memory");
    size_t per_step = o->batch * o->accumulate;
    trainer->epoch_steps = (int64_t)((trainer->pairs->count + per_step - 1) / per_step);
    o->optimizer.total_steps = o->steps > 0 ? o->steps : o->epochs * trainer->epoch_steps;
    return true;
}

static bool make_out_dir(const char *dir, struct err *err)
{
    if (mkdir(dir, 0755) != 0 && errno != EEXIST)
        return err_set_errno(err, ERR_IO, errno, "%s", dir);
    return access(dir, W_OK) == 0 || err_set_errno(err, ERR_IO, errno, "%s", dir);
}

static bool state_path(const struct trainer *trainer, char out[PATH_MAX], struct err *err)
{
    return snprintf(out, PATH_MAX, "%s/training-state.safetensors", trainer->options.out_dir) < PATH_MAX ||
           err_set(err, ERR_INPUT, "%s: the path is too long", trainer->options.out_dir);
}

static bool load_block(const struct safetensors *file, const char *name, real *to, size_t items, struct err *err)
{
    const struct tensor *tensor = safetensors_find(file, name);
    if (!tensor || tensor->type != TENSOR_F32 || tensor->count != items)
        return err_set(err, ERR_INPUT, "%s: missing, or not %zu numbers", name, items);
    tensor_read_f32(tensor, 0, items, to);
    return true;
}

static bool load_state(struct trainer *trainer, struct err *err)
{
    char path[PATH_MAX];
    struct safetensors *file;
    if (!state_path(trainer, path, err))
        return false;
    if (access(path, F_OK) != 0)
        return true;                     /* nothing to go on with: a fresh run */
    if (!safetensors_open(path, &file, err))
        return false;
    const char *run = safetensors_metadata(file, "run"), *step = safetensors_metadata(file, "step");
    bool ok = (run && step && str_to_int(step, 0, trainer->options.optimizer.total_steps, &trainer->done)) ||
              err_set(err, ERR_INPUT, "%s: not the state of a training run", path);
    if (ok && strcmp(run, trainer->run_text) != 0)
        ok = err_set(err, ERR_CONFLICT, "%s belongs to another run; it was: %s", path, run);
    ok = ok && load_block(file, "parameters", trainer->params, trainer->layout->total, err) &&
         load_block(file, "optimizer", trainer->state, trainer->state_items, err);
    safetensors_close(file);
    return ok;
}

bool trainer_open(const struct trainer_options *options, struct trainer **out, struct err *err)
{
    if (!check_options(options, err))
        return false;
    struct trainer *trainer = mem_new(1, sizeof *trainer);
    trainer->options = *options;
    bool ok = folder_read(options->model_dir, &trainer->layout, &trainer->params, err) && read_pairs(trainer, err) &&
              make_out_dir(options->out_dir, err);
    if (ok && options->dropout >= 0)
        trainer->layout->config.dropout_rate = (float)options->dropout;
    ok = ok && allocate(trainer, err);
    if (ok)
        describe_run(trainer);
    ok = ok && (!options->resume || load_state(trainer, err));
    if (!ok) {
        trainer_close(trainer);
        return false;
    }
    *out = trainer;
    return true;
}

void trainer_close(struct trainer *trainer)
{
    if (!trainer)
        return;
    net_free(trainer->net);
    pool_free(trainer->pool);
    layout_free(trainer->layout);
    pairs_free(trainer->pairs);
    pairs_batch_free(&trainer->batch);
    mem_free(trainer->params);
    mem_free(trainer->grads);
    mem_free(trainer->state);
    mem_free(trainer->order);
    mem_free(trainer);
}

void trainer_figures(const struct trainer *trainer, struct trainer_figures *out)
{
    size_t total = trainer->layout->total;
    *out = (struct trainer_figures){
        .parameter_count = total, .pair_count = trainer->pairs->count, .cut_count = trainer->pairs->cut_count,
        .parameter_bytes = total * sizeof(real), .gradient_bytes = total * sizeof(real),
        .optimizer_bytes = trainer->state_items * sizeof(real), .activation_bytes = net_activation_size(trainer->net),
        .steps = trainer->options.optimizer.total_steps, .threads = pool_threads(trainer->pool),
        .kernel = net_kernel_name(trainer->net),
    };
}

int64_t trainer_done(const struct trainer *trainer)
{
    return trainer->done;
}

/* ---- a step ---- */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Labels of pairs order[from, to). */
static size_t labels_in(const struct trainer *trainer, size_t from, size_t to)
{
    size_t labels = 0;
    for (size_t i = from; i < to; i++)
        labels += trainer->pairs->end_at[trainer->order[i]] - trainer->pairs->target_at[trainer->order[i]];
    return labels;
}

bool trainer_step(struct trainer *trainer, struct trainer_step *out, struct err *err)
{
    const struct trainer_options *o = &trainer->options;
    uint64_t epoch = (uint64_t)(trainer->done / trainer->epoch_steps);
    size_t from = (size_t)(trainer->done % trainer->epoch_steps) * o->batch * o->accumulate;
    size_t to = least(from + o->batch * o->accumulate, trainer->pairs->count);
    if (trainer->order_epoch != epoch)
        pairs_shuffle(trainer->pairs, o->seed, epoch, trainer->order);
    trainer->order_epoch = epoch;
    double labels = (double)labels_in(trainer, from, to), loss = 0;
    *out = (struct trainer_step){ .samples = to - from };
    for (size_t at = from; at < to; at += o->batch) {
        pairs_batch_fill(trainer->pairs, &trainer->layout->config, trainer->order + at, least(o->batch, to - at),
                         &trainer->batch);
        uint64_t key = mix64(o->seed ^ mix64((uint64_t)trainer->done)) + at;
        loss += net_step(trainer->net, trainer->params, &trainer->batch.net, key, 1 / labels, at > from,
                         trainer->grads);
        out->tokens += trainer->batch.token_count;
    }
    out->loss = loss / labels;
    out->rate = optimizer_rate(&o->optimizer, trainer->done);
    out->grad_norm = optimizer_step(trainer->layout, trainer->pool, &o->optimizer, trainer->done, trainer->grads,
                                    trainer->params, trainer->state);
    if (!isfinite(out->loss) || !isfinite(out->grad_norm))
        return err_set(err, ERR_REFUSED,
                       "step %" PRId64 ": the loss is no number any more; use a smaller learning rate or clip",
                       trainer->done + 1);
    out->step = ++trainer->done;
    out->epoch = (double)trainer->done / (double)trainer->epoch_steps;
    out->last = trainer->done >= o->optimizer.total_steps;
    if (o->save_every > 0 && !out->last && trainer->done % o->save_every == 0)
        return trainer_save_state(trainer, err);
    return true;
}

/* ---- saving ---- */

bool trainer_save_state(const struct trainer *trainer, struct err *err)
{
    char path[PATH_MAX], step[32];
    if (!state_path(trainer, path, err))
        return false;
    (void)snprintf(step, sizeof step, "%" PRId64, trainer->done);
    struct tensor tensors[] = {
        tensor_of("parameters", TENSOR_F32, trainer->params, 1, trainer->layout->total),
        tensor_of("optimizer", TENSOR_F32, trainer->state, 1, trainer->state_items),
    };
    struct safetensors_note notes[] = { { "run", trainer->run_text }, { "step", step } };
    return safetensors_write(path, tensors, 2, notes, 2, err);
}

bool trainer_finish(struct trainer *trainer, struct err *err)
{
    char path[PATH_MAX];
    const struct trainer_options *o = &trainer->options;
    if (!state_path(trainer, path, err))
        return false;
    if (!folder_write(o->out_dir, o->model_dir, trainer->layout, trainer->params, o->save_type, err))
        return false;
    if (unlink(path) != 0 && errno != ENOENT)
        return err_set_errno(err, ERR_IO, errno, "%s", path);
    return true;
}
