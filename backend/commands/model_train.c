/* model_train.c - `wardscribe model train`: teaches a T5 folder from pairs of texts. */
#include "base/clock.h"
#include "base/json.h"
#include "base/progress.h"
#include "commands/interrupt.h"
#include "commands/model.h"
#include "commands/option.h"
#include "t5/train/trainer.h"

#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char doc[] =
    "Trains the T5 in DIR on the pairs of a file and writes a folder that transformers and this program load.\v"
    "The file has a JSON object per line: {\"input\": \"what it reads\", \"summary\": \"what it should write\"}, with "
    "\"weight\": 3 for a pair that counts three times.\n\n"
    "The same folder, pairs, options and seed give the same bytes, for any number of threads. Ctrl-C keeps the "
    "state in DIR2; the same command with --resume goes on, bit for bit.\n\n"
    "With --json standard output has a line at the start (sizes in bytes), a line per step, and one at the end.\n\n"
    "Examples:\n"
    "  wardscribe model train models/flan-t5-small --data pairs.jsonl --out models/mine --epochs 3\n"
    "  wardscribe model train models/mine --data pairs.jsonl --out models/more --steps 500 --lr 1e-4 \\\n"
    "      --warmup 50 --schedule cosine --batch 8 --accumulate 4 --seed 7 --json";

enum { KEY_STEPS = 256, KEY_EPOCHS, KEY_BATCH, KEY_ACCUMULATE, KEY_LR, KEY_OPTIMIZER, KEY_DECAY, KEY_WARMUP,
       KEY_SCHEDULE, KEY_CLIP, KEY_DROPOUT, KEY_PRECISION, KEY_RECOMPUTE, KEY_THREADS, KEY_SEED, KEY_INPUT_MAX,
       KEY_TARGET_MAX, KEY_SAVE_EVERY, KEY_SAVE_AS, KEY_RESUME, KEY_QUIET };

static const struct argp_option options[] = {
    { "data", 'd', "FILE", 0, "The pairs, gzipped or not", 1 },
    { "out", 'o', "DIR2", 0, "Folder to write", 1 },
    { "steps", KEY_STEPS, "N", 0, "Train N steps …", 2 },
    { "epochs", KEY_EPOCHS, "N", 0, "… or see every pair N times", 2 },
    { "batch", KEY_BATCH, "N", 0, "Pairs that are computed together (4)", 2 },
    { "accumulate", KEY_ACCUMULATE, "N", 0, "Batches of one step (1)", 2 },
    { "seed", KEY_SEED, "N", 0, "Order of the pairs, and dropout (0)", 2 },
    { "max-input", KEY_INPUT_MAX, "N", 0, "Tokens of an input; longer ones are cut (512)", 2 },
    { "max-target", KEY_TARGET_MAX, "N", 0, "Tokens of a summary; longer ones are cut (128)", 2 },
    { "optimizer", KEY_OPTIMIZER, "NAME", 0, "adamw (as PyTorch's) or adafactor (as T5's paper)", 3 },
    { "lr", KEY_LR, "X", 0, "Learning rate (5e-5); adafactor with 0: relative steps", 3 },
    { "warmup", KEY_WARMUP, "N", 0, "Steps until the rate is reached (0)", 3 },
    { "schedule", KEY_SCHEDULE, "NAME", 0, "constant, linear or cosine, down to 0 at the end (linear)", 3 },
    { "weight-decay", KEY_DECAY, "X", 0, "AdamW's (0.01)", 3 },
    { "clip", KEY_CLIP, "X", 0, "Largest norm of the gradients, 0: any (1)", 3 },
    { "dropout", KEY_DROPOUT, "X", 0, "Instead of the model's", 3 },
    { "precision", KEY_PRECISION, "NAME", 0, "Of the products: fp32, bf16, or auto: bf16 where the CPU has it", 4 },
    { "recompute", KEY_RECOMPUTE, NULL, 0, "Keep only what lies between layers: a third more work, far less memory",
      4 },
    { "threads", KEY_THREADS, "N", 0, "As many as CPUs when not given", 4 },
    { "save-every", KEY_SAVE_EVERY, "N", 0, "Steps between saved states, for --resume", 5 },
    { "save-as", KEY_SAVE_AS, "NAME", 0, "fp32, bf16 or fp16 weights (fp32)", 5 },
    { "resume", KEY_RESUME, NULL, 0, "Go on with the state in DIR2 where there is one", 5 },
    { "json", 'j', NULL, 0, "JSON lines on standard output", 6 },
    { "quiet", KEY_QUIET, NULL, 0, "No progress on standard error", 6 },
    { 0 },
};

struct arguments {
    struct trainer_options train;
    bool json, quiet;
};

/* The index of `text` in a NULL-terminated list. */
static int choice(struct argp_state *state, const char *name, const char *text, const char *const *names)
{
    for (int i = 0; names[i]; i++)
        if (strcmp(text, names[i]) == 0)
            return i;
    argp_error(state, "--%s: '%s' is not one of: %s, %s%s%s", name, text, names[0], names[1], names[2] ? ", " : "",
               names[2] ? names[2] : "");
    return 0;
}

static error_t parse_rates(int key, char *value, struct argp_state *state, struct optimizer_options *o)
{
    static const char *const optimizers[] = { "adamw", "adafactor", NULL };
    static const char *const schedules[] = { "constant", "linear", "cosine", NULL };
    switch (key) {
    case KEY_OPTIMIZER: o->kind = (enum optimizer_kind)choice(state, "optimizer", value, optimizers); return 0;
    case KEY_SCHEDULE: o->schedule = (enum schedule_kind)choice(state, "schedule", value, schedules); return 0;
    case KEY_LR: o->lr = option_number(state, key, value, 0, 10); return 0;
    case KEY_DECAY: o->weight_decay = option_number(state, key, value, 0, 1); return 0;
    case KEY_CLIP: o->clip_norm = option_number(state, key, value, 0, 1e9); return 0;
    case KEY_WARMUP: o->warmup_steps = option_integer(state, key, value, 0, 1 << 30); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_sizes(int key, char *value, struct argp_state *state, struct trainer_options *o)
{
    static const char *const precisions[] = { "auto", "fp32", "bf16", NULL };
    static const char *const types[] = { "fp32", "bf16", "fp16", NULL };
    static const enum tensor_type type_of[] = { TENSOR_F32, TENSOR_BF16, TENSOR_F16 };
    switch (key) {
    case KEY_STEPS: o->steps = option_integer(state, key, value, 1, 1 << 30); return 0;
    case KEY_EPOCHS: o->epochs = option_integer(state, key, value, 1, 1 << 20); return 0;
    case KEY_BATCH: o->batch = (size_t)option_integer(state, key, value, 1, 4096); return 0;
    case KEY_ACCUMULATE: o->accumulate = (size_t)option_integer(state, key, value, 1, 4096); return 0;
    case KEY_INPUT_MAX: o->input_max = (size_t)option_integer(state, key, value, 2, 4096); return 0;
    case KEY_TARGET_MAX: o->target_max = (size_t)option_integer(state, key, value, 2, 4096); return 0;
    case KEY_SEED: o->seed = (uint64_t)option_integer(state, key, value, 0, INT64_MAX); return 0;
    case KEY_DROPOUT: o->dropout = option_number(state, key, value, 0, 0.99); return 0;
    case KEY_THREADS: o->threads = (int)option_integer(state, key, value, 1, 256); return 0;
    case KEY_SAVE_EVERY: o->save_every = option_integer(state, key, value, 1, 1 << 30); return 0;
    case KEY_PRECISION: o->precision = (enum train_precision)choice(state, "precision", value, precisions); return 0;
    case KEY_SAVE_AS: o->save_type = type_of[choice(state, "save-as", value, types)]; return 0;
    case KEY_RECOMPUTE: o->recompute = true; return 0;
    case KEY_RESUME: o->resume = true; return 0;
    default: return parse_rates(key, value, state, &o->optimizer);
    }
}

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 'd': arguments->train.data_path = value; return 0;
    case 'o': arguments->train.out_dir = value; return 0;
    case 'j': arguments->json = true; return 0;
    case KEY_QUIET: arguments->quiet = true; return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 0)
            argp_error(state, "'%s' is one argument too many", value);
        arguments->train.model_dir = value;
        return 0;
    case ARGP_KEY_END:
        if (!arguments->train.model_dir || !arguments->train.data_path || !arguments->train.out_dir)
            argp_error(state, "DIR, --data and --out are needed");
        else if ((arguments->train.steps > 0) == (arguments->train.epochs > 0))
            argp_error(state, "either --steps or --epochs is needed");
        return 0;
    default: return parse_sizes(key, value, state, &arguments->train);
    }
}

/* ---- what is printed ---- */

static void put_double(struct json_writer *w, const char *key, double value)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%.9g", value);
    json_put_raw(w, key, text);
}

static void flush_line(struct buf *out)
{
    (void)printf("%s\n", out->data);
    (void)fflush(stdout);
    buf_free(out);
}

static void print_start(const struct trainer_figures *f)
{
    struct buf out;
    buf_init(&out, 4096);
    struct json_writer w = json_write(&out);
    json_put_object(&w, NULL);
    json_put_text(&w, "event", "start");
    json_put_int(&w, "parameters", (int64_t)f->parameter_count);
    json_put_int(&w, "pairs", (int64_t)f->pair_count);
    json_put_int(&w, "cut", (int64_t)f->cut_count);
    json_put_int(&w, "steps", f->steps);
    json_put_int(&w, "threads", f->threads);
    json_put_text(&w, "kernel", f->kernel);
    json_put_object(&w, "bytes");
    json_put_int(&w, "parameters", (int64_t)f->parameter_bytes);
    json_put_int(&w, "gradients", (int64_t)f->gradient_bytes);
    json_put_int(&w, "optimizer", (int64_t)f->optimizer_bytes);
    json_put_int(&w, "activations", (int64_t)f->activation_bytes);
    json_put_end(&w);
    json_put_end(&w);
    flush_line(&out);
}

static void print_step(const struct trainer_step *s, double tokens_per_s)
{
    struct buf out;
    buf_init(&out, 4096);
    struct json_writer w = json_write(&out);
    json_put_object(&w, NULL);
    json_put_text(&w, "event", "step");
    json_put_int(&w, "step", s->step);
    put_double(&w, "epoch", s->epoch);
    put_double(&w, "loss", s->loss);
    put_double(&w, "lr", s->rate);
    put_double(&w, "grad_norm", s->grad_norm);
    json_put_int(&w, "samples", (int64_t)s->samples);
    json_put_int(&w, "tokens", (int64_t)s->tokens);
    put_double(&w, "tokens_per_s", tokens_per_s);
    json_put_end(&w);
    flush_line(&out);
}

struct totals {
    double loss_first, loss_recent;      /* recent: smoothed, what a person wants to see */
    int64_t samples, tokens, steps;
};

static void print_end(const struct arguments *arguments, const struct totals *t, double seconds, bool complete)
{
    if (!arguments->json) {
        (void)printf("%s after %" PRId64 " steps: loss %.4f, from %.4f; %.1f samples/s, %.0f tokens/s\n%s%s\n",
                     complete ? "Trained" : "Stopped", t->steps, t->loss_recent, t->loss_first,
                     (double)t->samples / seconds, (double)t->tokens / seconds,
                     complete ? "" : "Go on with the same command and --resume: ", arguments->train.out_dir);
        return;
    }
    struct buf out;
    buf_init(&out, 4096);
    struct json_writer w = json_write(&out);
    json_put_object(&w, NULL);
    json_put_text(&w, "event", complete ? "done" : "stopped");
    json_put_int(&w, "steps", t->steps);
    put_double(&w, "loss_first", t->loss_first);
    put_double(&w, "loss", t->loss_recent);
    put_double(&w, "seconds", seconds);
    put_double(&w, "samples_per_s", (double)t->samples / seconds);
    put_double(&w, "tokens_per_s", (double)t->tokens / seconds);
    json_put_text(&w, "out", arguments->train.out_dir);
    json_put_end(&w);
    flush_line(&out);
}

/* ---- the run ---- */

static bool run(const struct arguments *arguments, struct trainer *trainer, const struct trainer_figures *figures,
                struct err *err)
{
    struct progress progress;
    struct totals totals = { 0 };
    struct trainer_step step = { 0 };
    char note[96] = "";
    progress_start(&progress, "train", "steps", figures->steps);
    progress_resume(&progress, trainer_done(trainer));
    if (arguments->quiet)
        progress_quiet(&progress);
    int64_t started = clock_monotonic_us(clock_system()), before = started;
    while (trainer_done(trainer) < figures->steps && !interrupt_seen()) {
        if (!trainer_step(trainer, &step, err))
            return false;
        int64_t now = clock_monotonic_us(clock_system());
        double rate = (double)step.tokens / ((double)(now - before) / 1e6 + 1e-9);
        before = now;
        if (!totals.steps++)
            totals.loss_first = totals.loss_recent = step.loss;
        totals.loss_recent += 0.1 * (step.loss - totals.loss_recent);
        totals.samples += (int64_t)step.samples;
        totals.tokens += (int64_t)step.tokens;
        (void)snprintf(note, sizeof note, "loss %.4f, %.0f tokens/s", totals.loss_recent,
                       (double)totals.tokens / ((double)(now - started) / 1e6 + 1e-9));
        if (arguments->json)
            print_step(&step, rate);
        progress_update(&progress, step.step, note);
    }
    progress_end(&progress, trainer_done(trainer), note);
    bool complete = trainer_done(trainer) >= figures->steps;
    double seconds = (double)(clock_monotonic_us(clock_system()) - started) / 1e6 + 1e-9;
    if (!(complete ? trainer_finish(trainer, err) : trainer_save_state(trainer, err)))
        return false;
    print_end(arguments, &totals, seconds, complete);
    return true;
}

int model_train(int argc, char **argv)
{
    static const struct argp argp = { .options = options, .parser = parse_option,
                                      .args_doc = "DIR --data FILE --out DIR2", .doc = doc };
    struct arguments arguments = { .train = trainer_defaults() };
    struct trainer *trainer = NULL;
    struct trainer_figures figures;
    struct err err = { 0 };
    if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) != 0)
        return 64;
    if (!trainer_open(&arguments.train, &trainer, &err))
        return model_fail("train", &err);
    (void)interrupt_catch();
    trainer_figures(trainer, &figures);
    if (arguments.json)
        print_start(&figures);
    bool ok = run(&arguments, trainer, &figures, &err);
    trainer_close(trainer);
    return ok ? 0 : model_fail("train", &err);
}
