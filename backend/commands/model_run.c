/* model_run.c - `wardscribe model run`: lines in, lines out, many at once, in order.
 *
 * The main thread reads and submits; a second one prints each answer as soon as all before it are
 * printed; between them a ring of JOBS_MAX jobs. */
#include "base/bounds.h"
#include "base/clock.h"
#include "base/lines.h"
#include "base/mem.h"
#include "commands/model.h"
#include "commands/model_arguments.h"
#include "commands/option.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char doc[] =
    "Reads lines, writes what the model makes of each, in order.\v"
    "Lines are text; with --ids they are JSON objects {\"input_ids\": [...], \"params\": {...}} whose params have "
    "transformers' names (num_beams, max_length, min_length, length_penalty, repetition_penalty, "
    "no_repeat_ngram_size, early_stopping, max_new_tokens) and go before the flags, which go before the folder's "
    "generation_config.json.  Answers are lines of text; with --json objects with output_ids, score and times; "
    "--ids alone writes the ids, separated by spaces.  A line that is wrong is reported by number and field (with "
    "--json in its place as {\"error\": ...}, else an empty line keeps the place); the others go on.\n\n"
    "Examples:\n"
    "  echo 'translate English to German: Good morning.' | wardscribe model run flan-t5-small\n"
    "  wardscribe model run models/ward-t5 --file windows.txt --beams 4 --max-length 150 --json\n"
    "  wardscribe model run DIR --ids --json --precision fp32 < in.jsonl\n\n"
    "Exit status: 0 all answered, 65 some lines were wrong, others as in sysexits.h.";

enum { JOBS_MAX = 256, INPUT_TOKENS_DEFAULT = 512 };
enum { OPTION_IDS = 0x100, OPTION_PREFIX, OPTION_INPUT };

struct arguments {
    const char *dir, *file, *prefix;
    struct model_runtime runtime;
    int input_max;
    bool ids, json;
};

enum job_state { JOB_WAITS, JOB_ANSWERED, JOB_WRONG };

struct job {
    struct run *run;
    enum job_state state;        /* under the lock */
    int64_t line;
    size_t input_count;
    enum t5_status status;
    int32_t *ids;
    size_t count;
    float score;
    int64_t queued_us, encode_us, decode_us, first_token_us, submitted_us;
    struct err err;
};

struct run {
    const struct arguments *arguments;
    struct t5_model *model;
    struct t5_engine *engine;
    struct t5_params params;     /* the folder's, then the flags' */
    int64_t started_us;          /* when the process started, monotonic */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct job jobs[JOBS_MAX];
    uint64_t taken, printed;     /* under the lock, as the two below */
    bool ended;
    int64_t wrong_count;
    struct buf out;              /* the printing thread's */
    int32_t input[T5_TOKENS_MAX];
};

/* ---- arguments ---- */

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->dir;
        state->child_inputs[1] = &a->runtime;
        return 0;
    case 'f': a->file = value; return 0;
    case 'j': a->json = true; return 0;
    case OPTION_IDS: a->ids = true; return 0;
    case OPTION_PREFIX: a->prefix = value; return 0;
    case OPTION_INPUT: a->input_max = (int)option_integer(state, key, value, 1, T5_TOKENS_MAX); return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- answers ---- */

/* On the engine's thread. */
static void on_done(void *context, const struct t5_result *result)
{
    struct job *job = context;
    struct run *run = job->run;
    int32_t *ids = mem_new(result->count + 1, sizeof *ids);
    if (result->count)
        memcpy(ids, result->ids, result->count * sizeof *ids);
    (void)pthread_mutex_lock(&run->lock);
    job->ids = ids;
    job->count = result->count;
    job->status = result->status;
    job->score = result->score;
    job->queued_us = result->queued_us;
    job->encode_us = result->encode_us;
    job->decode_us = result->decode_us;
    job->first_token_us = result->first_token_us;
    job->state = JOB_ANSWERED;
    (void)pthread_cond_broadcast(&run->changed);
    (void)pthread_mutex_unlock(&run->lock);
}

static void fail_job(struct job *job, const struct err *err)
{
    struct run *run = job->run;
    (void)pthread_mutex_lock(&run->lock);
    job->err = *err;
    job->state = JOB_WRONG;
    run->wrong_count++;
    (void)pthread_cond_broadcast(&run->changed);
    (void)pthread_mutex_unlock(&run->lock);
}

static void put_ids(struct json_writer *w, const struct job *job)
{
    json_put_array(w, "output_ids");
    for (size_t i = 0; i < job->count; i++)
        json_put_int(w, NULL, job->ids[i]);
    json_put_end(w);
}

static void put_ms(struct json_writer *w, const char *key, int64_t us)
{
    json_put_decimal(w, key, us, 3);
}

static void write_json(struct run *run, const struct job *job, const char *text)
{
    struct json_writer w = json_write(&run->out);
    json_put_object(&w, NULL);
    if (text)
        json_put_text(&w, "text", text);
    put_ids(&w, job);
    json_put_decimal(&w, "score", llround((double)job->score * 1e7), 7);
    json_put_int(&w, "input_tokens", (int64_t)job->input_count);
    put_ms(&w, "queued_ms", job->queued_us);
    put_ms(&w, "encode_ms", job->encode_us);
    put_ms(&w, "decode_ms", job->decode_us);
    put_ms(&w, "first_token_ms", job->first_token_us);
    if (run->printed == 0 && job->first_token_us)   /* includes starting the process and opening the model */
        put_ms(&w, "start_to_first_token_ms", job->submitted_us + job->first_token_us - run->started_us);
    json_put_end(&w);
    buf_add_char(&run->out, '\n');
}

static bool write_answer(struct run *run, const struct job *job, struct err *err)
{
    char *text = NULL;
    if (!run->arguments->ids && !t5_decode(t5_model_tokenizer(run->model), job->ids, job->count, true, &text, err))
        return false;
    if (run->arguments->json)
        write_json(run, job, text);
    else if (text)
        buf_printf(&run->out, "%s\n", text);
    else
        for (size_t i = 0; i < job->count; i++)
            buf_printf(&run->out, "%d%c", job->ids[i], i + 1 < job->count ? ' ' : '\n');
    t5_text_free(text);
    return true;
}

static void write_error(struct run *run, const struct job *job, const struct err *err)
{
    (void)fprintf(stderr, "wardscribe model run: line %lld: %s\n", (long long)job->line, err->text);
    if (run->arguments->json) {
        struct json_writer w = json_write(&run->out);
        json_put_object(&w, NULL);
        json_put_int(&w, "line", job->line);
        json_put_text(&w, "error", err->text);
        json_put_end(&w);
    }
    buf_add_char(&run->out, '\n');
}

static void print_job(struct run *run, const struct job *job)
{
    struct err err = job->err;
    buf_reset(&run->out);
    if (job->state == JOB_WRONG)
        write_error(run, job, &err);
    else if (job->status != T5_DONE || !write_answer(run, job, &err))
        write_error(run, job,
                    err.text[0] ? &err : &(struct err){ ERR_UNAVAILABLE, "the engine stopped before it was answered" });
    (void)fwrite(run->out.data, 1, run->out.length, stdout);
}

static void *print_all(void *context)
{
    struct run *run = context;
    (void)pthread_mutex_lock(&run->lock);
    for (;;) {
        struct job *job = &run->jobs[run->printed % JOBS_MAX];
        if (run->printed < run->taken && job->state != JOB_WAITS) {
            (void)pthread_mutex_unlock(&run->lock);
            print_job(run, job);
            mem_free(job->ids);
            (void)pthread_mutex_lock(&run->lock);
            job->ids = NULL;
            run->printed++;
            (void)pthread_cond_broadcast(&run->changed);
            continue;
        }
        if (run->ended && run->printed == run->taken)
            break;
        (void)fflush(stdout);   /* nothing more is ready: what is, is shown */
        (void)pthread_cond_wait(&run->changed, &run->lock);
    }
    (void)pthread_mutex_unlock(&run->lock);
    (void)fflush(stdout);
    return NULL;
}

/* ---- lines ---- */

static bool read_ids(struct run *run, const struct json *root, size_t *out_count, struct err *err)
{
    const struct json *array = NULL;
    int vocab = t5_model_config(run->model)->vocab_size;
    if (!json_get_array(root, "input_ids", JSON_REQUIRED, T5_TOKENS_MAX, &array, err))
        return false;
    *out_count = json_count(array);
    for (size_t i = 0; i < *out_count; i++) {
        int64_t id = -1;
        if (!json_int_of(json_item(array, i), &id) || id < 0 || id >= vocab)
            return err_set(err, ERR_INPUT, "input_ids[%zu]: must be an integer between 0 and %d", i, vocab - 1);
        run->input[i] = (int32_t)id;
    }
    return *out_count > 0 || err_set(err, ERR_INPUT, "input_ids: must not be empty");
}

static bool parse_ids(struct run *run, const struct buf *line, struct t5_params *params, size_t *out_count,
                      struct err *err)
{
    static const char *const known[] = { "input_ids", "params", NULL };
    struct json *root;
    const struct json *object = NULL;
    if (!json_parse_object(line->data, line->length, MODEL_LINE_SIZE_MAX, &root, err))
        return false;
    bool ok = json_only(root, known, err) && read_ids(run, root, out_count, err) &&
              json_get_object(root, "params", JSON_NULLABLE, &object, err);
    if (ok && object)
        ok = model_params_json(object, params, err) || err_context(err, "params");
    json_free(root);
    return ok;
}

static bool encode_text(struct run *run, const struct buf *line, size_t *out_count, struct err *err)
{
    const struct arguments *a = run->arguments;
    struct buf text;
    buf_init(&text, 2 * MODEL_LINE_SIZE_MAX);
    buf_add_text(&text, a->prefix ? a->prefix : "");
    buf_add(&text, line->data, line->length);
    bool ok = t5_encode(t5_model_tokenizer(run->model), text.data, text.length, (size_t)a->input_max, run->input,
                        out_count, err);
    buf_free(&text);
    return ok;
}

static bool submit(struct run *run, struct job *job, const struct buf *line, struct err *err)
{
    struct t5_request request = { .input_ids = run->input, .params = run->params, .done = on_done, .context = job };
    bool ok = run->arguments->ids ? parse_ids(run, line, &request.params, &request.input_count, err)
                                  : encode_text(run, line, &request.input_count, err);
    uint64_t ticket;
    job->input_count = request.input_count;
    job->submitted_us = clock_monotonic_us(clock_system());
    return ok && t5_submit(run->engine, &request, &ticket, err);
}

static struct job *next_job(struct run *run, int64_t line)
{
    (void)pthread_mutex_lock(&run->lock);
    while (run->taken - run->printed == JOBS_MAX)
        (void)pthread_cond_wait(&run->changed, &run->lock);
    struct job *job = &run->jobs[run->taken++ % JOBS_MAX];
    *job = (struct job){ .run = run, .line = line };
    (void)pthread_mutex_unlock(&run->lock);
    return job;
}

static bool is_blank(const struct buf *line)
{
    return strspn(line->data, " \t") == line->length;
}

static bool read_all(struct run *run, struct line_input *input, struct err *err)
{
    for (;;) {
        enum line_state state = line_input_next(input, err);
        if (state == LINE_END || state == LINE_FAILED)
            return state == LINE_END;
        if (state == LINE_ONE && run->arguments->ids && is_blank(&input->line))
            continue;
        struct err wrong = { 0 };
        struct job *job = next_job(run, input->number);
        bool ok = state == LINE_ONE ? submit(run, job, &input->line, &wrong)
                                     : err_set(&wrong, ERR_TOO_LARGE, "has more than %d bytes", MODEL_LINE_SIZE_MAX);
        if (!ok)
            fail_job(job, &wrong);
    }
}

/* ---- start and end ---- */

static bool open_run(struct run *run, struct err *err)
{
    const struct arguments *a = run->arguments;
    if (!t5_model_open(a->dir, &a->runtime.model, &run->model, err))
        return false;
    if (!a->ids && !t5_model_tokenizer(run->model))
        return err_set(err, ERR_INPUT, "%s: has no spiece.model, so it cannot read text; give token ids with --ids",
                       a->dir);
    t5_params_default(run->model, &run->params);
    model_flags_apply(&a->runtime.flags, &run->params);
    return t5_params_check(&run->params, err) && t5_engine_start(run->model, &a->runtime.engine, &run->engine, err);
}

static bool run_lines(struct run *run, struct err *err)
{
    pthread_t printer;
    struct line_input *input = mem_new(1, sizeof *input);
    bool ok = line_input_open(input, run->arguments->file, MODEL_LINE_SIZE_MAX, err);
    if (ok) {
        CHECK(pthread_create(&printer, NULL, print_all, run) == 0);
        ok = read_all(run, input, err);
        (void)pthread_mutex_lock(&run->lock);
        run->ended = true;
        (void)pthread_cond_broadcast(&run->changed);
        (void)pthread_mutex_unlock(&run->lock);
        (void)pthread_join(printer, NULL);
    }
    line_input_close(input);
    mem_free(input);
    return ok;
}

static int run_model(const struct arguments *arguments)
{
    struct err err = { 0 };
    struct run *run = mem_new(1, sizeof *run);
    run->arguments = arguments;
    run->started_us = model_process_start_us();
    CHECK(pthread_mutex_init(&run->lock, NULL) == 0 && pthread_cond_init(&run->changed, NULL) == 0);
    buf_init(&run->out, 16 << 20);
    bool ok = open_run(run, &err) && run_lines(run, &err);
    t5_engine_stop(run->engine);
    t5_model_close(run->model);
    int64_t wrong_count = run->wrong_count;
    buf_free(&run->out);
    mem_free(run);
    if (!ok)
        return model_fail("run", &err);
    return wrong_count ? 65 : 0;
}

int model_run(int argc, char **argv)
{
    static const struct argp_option options[] = {
        { "file", 'f', "FILE", 0, "Lines from here, gzipped or not (default: standard input)", 1 },
        { "ids", OPTION_IDS, NULL, 0, "Token ids instead of text", 1 },
        { "json", 'j', NULL, 0, "A JSON object for each line", 1 },
        { "prefix", OPTION_PREFIX, "TEXT", 0, "In front of every line, such as 'summarize: '", 1 },
        { "input-tokens", OPTION_INPUT, "N", 0, "A longer text is cut to N tokens (512)", 1 },
        { 0 },
    };
    static const struct argp_child children[] = { { .argp = &model_dir_argp }, { .argp = &model_runtime_argp }, { 0 } };
    static const struct argp argp = { .options = options, .parser = parse_option, .args_doc = "DIR", .doc = doc,
                                      .children = children };
    static struct arguments arguments = { .input_max = INPUT_TOKENS_DEFAULT };
    if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) != 0)
        return 64;
    return run_model(&arguments);
}
