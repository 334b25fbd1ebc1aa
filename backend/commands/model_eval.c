/* model_eval.c - `wardscribe model eval`: how well a T5 folder writes what pairs ask for. */
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/progress.h"
#include "commands/model.h"
#include "commands/option.h"
#include "t5/train/evaluate.h"

#include <argp.h>
#include <stdio.h>
#include <string.h>

static const char doc[] =
    "Measures the T5 in DIR on the pairs of a file: the loss per token, the share of tokens that are the model's "
    "first choice when it is led, and of the texts it writes on its own the share that is exactly the expected one, "
    "and ROUGE-L (F1 over words, longest common subsequence; Lin 2004).\vTexts are written as the folder's "
    "generation_config.json says.\n\n"
    "Example:\n  wardscribe model eval models/mine --data held-out.jsonl --json";

enum { KEY_THREADS = 256, KEY_LIMIT, KEY_NO_TEXT, KEY_QUIET, KEY_BATCH, KEY_INPUT_MAX, KEY_TARGET_MAX, KEY_TEXTS,
       KEY_PRECISION };

struct arguments {
    struct evaluate_options evaluate;
    bool json, quiet;
};

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    struct evaluate_options *o = &arguments->evaluate;
    switch (key) {
    case 'd': o->data_path = value; return 0;
    case 'j': arguments->json = true; return 0;
    case KEY_QUIET: arguments->quiet = true; return 0;
    case KEY_THREADS: o->threads = (int)option_integer(state, key, value, 1, 64); return 0;
    case KEY_BATCH: o->batch = (size_t)option_integer(state, key, value, 1, 4096); return 0;
    case KEY_INPUT_MAX: o->input_max = (size_t)option_integer(state, key, value, 2, 4096); return 0;
    case KEY_TARGET_MAX: o->target_max = (size_t)option_integer(state, key, value, 2, 4096); return 0;
    case KEY_TEXTS: o->texts_path = value; return 0;
    case KEY_NO_TEXT: o->no_text = true; return 0;
    case KEY_PRECISION:
        if (!t5_precision_parse(value, &o->precision))
            argp_error(state, "--precision: '%s' is not one of: auto, fp32, bf16, int8", value);
        return 0;
    case ARGP_KEY_ARG: o->model_dir = value; return 0;
    case ARGP_KEY_END:
        if (!o->model_dir || !o->data_path)
            argp_error(state, "DIR and --data are needed");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static void put_double(struct json_writer *w, const char *key, double value)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%.9g", value);
    json_put_raw(w, key, text);
}

static void print_json(const struct arguments *arguments, const struct evaluate_result *r)
{
    struct buf out;
    buf_init(&out, 4096);
    struct json_writer w = json_write(&out);
    json_put_object(&w, NULL);
    json_put_text(&w, "folder", arguments->evaluate.model_dir);
    json_put_int(&w, "pairs", (int64_t)r->pairs);
    json_put_int(&w, "tokens", (int64_t)r->tokens);
    put_double(&w, "loss", r->loss);
    put_double(&w, "token_accuracy", r->token_accuracy);
    if (!arguments->evaluate.no_text) {
        put_double(&w, "exact_match", r->exact_match);
        put_double(&w, "rouge_l", r->rouge_l);
        put_double(&w, "texts_per_s", r->texts_per_s);
    }
    json_put_end(&w);
    (void)printf("%s\n", out.data);
    buf_free(&out);
}

static void show_progress(void *context, size_t done, size_t total)
{
    struct progress *progress = context;
    progress->total = (int64_t)total;
    progress_update(progress, (int64_t)done, NULL);
}

int model_eval(int argc, char **argv)
{
    static const struct argp_option options[] = {
        { "data", 'd', "FILE", 0, "The pairs, gzipped or not", 1 },
        { "texts", KEY_TEXTS, "FILE", 0, "Write what the model wrote: {\"input\", \"summary\", \"written\"} per line",
          1 },
        { "no-text", KEY_NO_TEXT, NULL, 0, "Only the loss: nothing is generated", 2 },
        { "max-input", KEY_INPUT_MAX, "N", 0, "Tokens of an input (512)", 2 },
        { "max-target", KEY_TARGET_MAX, "N", 0, "Tokens of a summary, for the loss (512)", 2 },
        { "batch", KEY_BATCH, "N", 0, "Pairs that are computed together (16)", 2 },
        { "threads", KEY_THREADS, "N", 0, "As many as CPUs when not given", 2 },
        { "precision", KEY_PRECISION, "NAME", 0, "Of generation: auto, fp32, bf16, int8", 2 },
        { "json", 'j', NULL, 0, "One JSON object", 3 },
        { "quiet", KEY_QUIET, NULL, 0, "No progress on standard error", 3 },
        { 0 },
    };
    static const struct argp argp = { .options = options, .parser = parse_option, .args_doc = "DIR --data FILE",
                                      .doc = doc };
    struct arguments arguments = { .evaluate = { .input_max = 512, .target_max = 512, .batch = 16 } };
    struct evaluate_result result;
    struct progress progress;
    struct err err = { 0 };
    if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) != 0)
        return 64;
    progress_start(&progress, "eval", "pairs", 0);
    if (arguments.quiet)
        progress_quiet(&progress);
    if (!evaluate(&arguments.evaluate, show_progress, &progress, &result, &err))
        return model_fail("eval", &err);
    progress_end(&progress, (int64_t)result.pairs, NULL);
    if (arguments.json)
        print_json(&arguments, &result);
    else {
        (void)printf("%zu pairs: loss %.4f per token, %.2f %% of tokens right\n", result.pairs, result.loss,
                     100 * result.token_accuracy);
        if (!arguments.evaluate.no_text)
            (void)printf("written alone: %.2f %% exactly as expected, ROUGE-L %.4f, %.1f texts/s\n",
                         100 * result.exact_match, result.rouge_l, result.texts_per_s);
    }
    return 0;
}
