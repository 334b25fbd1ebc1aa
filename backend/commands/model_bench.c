/* model_bench.c - `wardscribe model bench`: how fast, how large, and how near the machine's limits. */
#include "base/bounds.h"
#include "base/clock.h"
#include "base/mem.h"
#include "commands/model.h"
#include "commands/model_arguments.h"
#include "commands/option.h"
#include "commands/roofline.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const char doc[] =
    "Measures a model on this machine and prints one line.\v"
    "Every request has --input-tokens made-up tokens and writes exactly --output-tokens: the end token is "
    "forbidden until then.  Latency is the median of single requests, throughput that of --requests at once; both "
    "after a warm-up, without opening the model.  Other parameters are those of docs/api: repetition penalty 2.5, "
    "no 3-gram twice, early stopping; change them with flags.\n\n"
    "The roofline says which share of the machine's own peak was reached: of its multiply-adds per second in this "
    "precision at full throughput, and of its memory bandwidth by the weights that the decoder reads for one "
    "request alone (above 1 when the last cache holds them).\n\n"
    "Examples:\n"
    "  wardscribe model bench models/ward-t5\n"
    "  wardscribe model bench DIR --input-tokens 180 --output-tokens 64 --beams 4 --requests 32 --threads 2 "
    "--precision int8 --json";

enum { OPTION_INPUT = 0x100, OPTION_OUTPUT, OPTION_REQUESTS, OPTION_REPEAT, OPTION_NO_ROOFLINE };
enum { REPEAT_MAX = 1000, LATENCY_RUNS_MIN = 5 };

struct arguments {
    const char *dir;
    struct model_runtime runtime;
    int input_tokens, output_tokens, requests, repeat;
    bool json, no_roofline;
};

struct figures {
    double open_s, latency_s, first_token_s, decode_s, requests_per_s, rss_mb, peak_mb;
    double cpu_s, latency_cpu_s;       /* of the whole process: all --requests, one request */
    int threads;
};

struct bench {
    const struct arguments *arguments;
    struct t5_model *model;
    struct t5_engine *engine;
    struct t5_params params;
    int32_t *ids;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int open_count;                    /* under the lock, as the two below */
    int64_t first_token_us, decode_us; /* of the last answer */
    int wrong_count;                   /* answers of another length, or none */
    struct figures figures;
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
    case 'j': a->json = true; return 0;
    case OPTION_NO_ROOFLINE: a->no_roofline = true; return 0;
    case OPTION_INPUT: a->input_tokens = (int)option_integer(state, key, value, 1, T5_TOKENS_MAX); return 0;
    case OPTION_OUTPUT: a->output_tokens = (int)option_integer(state, key, value, 1, T5_TOKENS_MAX - 1); return 0;
    case OPTION_REQUESTS: a->requests = (int)option_integer(state, key, value, 1, T5_QUEUE_MAX); return 0;
    case OPTION_REPEAT: a->repeat = (int)option_integer(state, key, value, 1, REPEAT_MAX); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* ---- measuring ---- */

static void on_done(void *context, const struct t5_result *result)
{
    struct bench *bench = context;
    (void)pthread_mutex_lock(&bench->lock);
    bench->wrong_count += result->status != T5_DONE || result->count != (size_t)bench->arguments->output_tokens + 1;
    bench->first_token_us = result->first_token_us;
    bench->decode_us = result->decode_us;
    bench->open_count--;
    (void)pthread_cond_signal(&bench->changed);
    (void)pthread_mutex_unlock(&bench->lock);
}

/* Made-up ids, the same in bench/t5: different for every request, no special token but the last. */
static void make_ids(const struct bench *bench, int request)
{
    const struct arguments *a = bench->arguments;
    int64_t span = t5_model_config(bench->model)->vocab_size - 103;
    for (int64_t i = 0; i < a->input_tokens - 1; i++)
        bench->ids[i] = (int32_t)(3 + (i * 7919 + (int64_t)request * 104729) % (span > 0 ? span : 1));
    bench->ids[a->input_tokens - 1] = t5_model_config(bench->model)->eos_id;
}

/* User and system time of all threads. */
static double cpu_seconds(void)
{
    struct rusage u;
    (void)getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* `count` requests at once; how long until the last is answered. */
static bool run_requests(struct bench *bench, int count, double *out_s, struct err *err)
{
    const struct clock *clock = clock_system();
    int64_t began = clock_monotonic_us(clock);
    bool ok = true;
    for (int i = 0; ok && i < count; i++) {
        uint64_t ticket;
        make_ids(bench, i);
        struct t5_request request = { .input_ids = bench->ids, .input_count = (size_t)bench->arguments->input_tokens,
                                      .params = bench->params, .done = on_done, .context = bench };
        (void)pthread_mutex_lock(&bench->lock);
        bench->open_count++;
        (void)pthread_mutex_unlock(&bench->lock);
        ok = t5_submit(bench->engine, &request, &ticket, err);
        if (!ok) {
            (void)pthread_mutex_lock(&bench->lock);
            bench->open_count--;
            (void)pthread_mutex_unlock(&bench->lock);
        }
    }
    (void)pthread_mutex_lock(&bench->lock);
    while (bench->open_count > 0)
        (void)pthread_cond_wait(&bench->changed, &bench->lock);
    (void)pthread_mutex_unlock(&bench->lock);
    *out_s = (double)(clock_monotonic_us(clock) - began) / 1e6;
    return ok;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, by_size);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static double status_mb(const char *name)
{
    char line[256];
    double mb = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof line, file))
        if (str_starts(line, name))
            mb = (double)strtoll(line + strlen(name), NULL, 10) * 1024 / 1e6;
    if (file)
        (void)fclose(file);
    return mb;
}

static bool measure(struct bench *bench, struct err *err)
{
    const struct arguments *a = bench->arguments;
    struct figures *f = &bench->figures;
    int singles = a->repeat > LATENCY_RUNS_MIN ? a->repeat : LATENCY_RUNS_MIN;
    double seconds[REPEAT_MAX], first[REPEAT_MAX], decode[REPEAT_MAX], cpu[REPEAT_MAX], warm, before;
    bool ok = run_requests(bench, 1, &warm, err);
    for (int i = 0; ok && i < singles; i++) {
        before = cpu_seconds();
        ok = run_requests(bench, 1, &seconds[i], err);
        cpu[i] = cpu_seconds() - before;
        first[i] = (double)bench->first_token_us / 1e6;
        decode[i] = (double)bench->decode_us / 1e6;
    }
    if (!ok)
        return false;
    f->latency_s = median(seconds, singles);
    f->first_token_s = median(first, singles);
    f->decode_s = median(decode, singles);
    f->latency_cpu_s = median(cpu, singles);
    for (int i = 0; ok && i < a->repeat; i++) {
        before = cpu_seconds();
        ok = run_requests(bench, a->requests, &seconds[i], err);
        cpu[i] = cpu_seconds() - before;
    }
    if (!ok)
        return false;
    f->requests_per_s = a->requests / median(seconds, a->repeat);
    f->cpu_s = median(cpu, a->repeat);
    f->rss_mb = status_mb("VmRSS:");
    f->peak_mb = status_mb("VmHWM:");
    return bench->wrong_count == 0 ||
           err_set(err, ERR_IO, "%d answers had another length than %d tokens", bench->wrong_count, a->output_tokens);
}

/* ---- what is printed ---- */

static void cpu_name(char *out, size_t size)
{
    char line[512], model[128] = "", family[16] = "", number[16] = "", vendor[64] = "";
    FILE *file = fopen("/proc/cpuinfo", "re");
    const struct { const char *key; char *to; size_t size; } rows[] = {
        { "model name", model, sizeof model }, { "cpu family", family, sizeof family },
        { "vendor_id", vendor, sizeof vendor }, { "model\t", number, sizeof number },
    };
    while (file && fgets(line, sizeof line, file) && line[0] != '\n') {
        char *colon = strchr(line, ':');
        line[strcspn(line, "\n")] = '\0';
        for (size_t i = 0; colon && i < sizeof rows / sizeof *rows; i++)
            if (str_starts(line, rows[i].key))
                (void)str_copy(rows[i].to, rows[i].size, colon + 1 + (colon[1] == ' '));
    }
    if (file)
        (void)fclose(file);
    (void)snprintf(out, size, model[0] ? "%s (%s family %s model %s)" : "unknown", model, vendor, family, number);
}

static void put(struct json_writer *w, const char *key, double value, int decimals)
{
    json_put_decimal(w, key, llround(value * pow(10, decimals)), decimals);
}

static void put_roofline(struct json_writer *w, const struct bench *bench, const struct roofline *r)
{
    const struct arguments *a = bench->arguments;
    const struct figures *f = &bench->figures;
    const struct t5_config *config = t5_model_config(bench->model);
    double work = roofline_work(config, a->input_tokens, a->output_tokens, bench->params.num_beams);
    double rate = work * f->requests_per_s,
           bytes = roofline_step_bytes(config, t5_model_precision(bench->model)) * a->output_tokens / f->decode_s;
    json_put_object(w, "roofline");
    put(w, "request_gmac", work / 1e9, 3);
    put(w, "gmac_per_s", rate / 1e9, 1);
    if (r->instruction) {
        json_put_text(w, "instruction", r->instruction);
        put(w, "peak_gmac_per_s", r->multiply_adds_per_s / 1e9, 1);
        put(w, "compute_share", rate / r->multiply_adds_per_s, 3);
        put(w, "latency_compute_share", work / f->latency_s / r->multiply_adds_per_s, 3);
    }
    put(w, "weights_gb_per_s", bytes / 1e9, 2);
    put(w, "memory_gb_per_s", r->bytes_per_s / 1e9, 2);
    put(w, "bandwidth_share", bytes / r->bytes_per_s, 3);
    json_put_end(w);
}

static void print_json(const struct bench *bench, const char *cpu, const struct roofline *r)
{
    const struct arguments *a = bench->arguments;
    const struct figures *f = &bench->figures;
    struct buf out;
    buf_init(&out, 64 << 10);
    struct json_writer w = json_write(&out);
    json_put_object(&w, NULL);
    put(&w, "requests_per_s", f->requests_per_s, 4);
    put(&w, "latency_s", f->latency_s, 6);
    put(&w, "first_token_s", f->first_token_s, 6);
    put(&w, "cpu_s", f->cpu_s, 4);
    put(&w, "latency_cpu_s", f->latency_cpu_s, 6);
    put(&w, "open_s", f->open_s, 4);
    put(&w, "rss_mb", f->rss_mb, 1);
    put(&w, "rss_peak_mb", f->peak_mb, 1);
    json_put_text(&w, "precision", t5_precision_name(t5_model_precision(bench->model)));
    json_put_text(&w, "kernel", t5_model_kernel(bench->model));
    json_put_text(&w, "cpu", cpu);
    json_put_int(&w, "threads", f->threads);
    json_put_int(&w, "input_tokens", a->input_tokens);
    json_put_int(&w, "output_tokens", a->output_tokens);
    json_put_int(&w, "beams", bench->params.num_beams);
    json_put_int(&w, "requests", a->requests);
    json_put_int(&w, "repeat", a->repeat);
    json_put_text(&w, "version", WARDSCRIBE_VERSION);
    if (!a->no_roofline)
        put_roofline(&w, bench, r);
    json_put_end(&w);
    (void)printf("%s\n", out.data);
    buf_free(&out);
}

static void print_text(const struct bench *bench, const char *cpu, const struct roofline *r)
{
    const struct figures *f = &bench->figures;
    (void)printf("%.2f requests/s at %d, %.1f ms for one, %.0f MB (%s, %s, %d threads, %s)\n", f->requests_per_s,
                 bench->arguments->requests, f->latency_s * 1000, f->rss_mb,
                 t5_precision_name(t5_model_precision(bench->model)), t5_model_kernel(bench->model), f->threads, cpu);
    if (bench->arguments->no_roofline || !r->instruction)
        return;
    double rate = f->requests_per_s * roofline_work(t5_model_config(bench->model), bench->arguments->input_tokens,
                                                    bench->arguments->output_tokens, bench->params.num_beams);
    (void)printf("%.0f of %.0f G multiply-adds/s (%.0f %% of %s)\n", rate / 1e9, r->multiply_adds_per_s / 1e9,
                 100 * rate / r->multiply_adds_per_s, r->instruction);
}

/* ---- start and end ---- */

static int thread_count(int asked)
{
    cpu_set_t cpus;
    return asked ? asked : sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
}

static bool open_bench(struct bench *bench, struct err *err)
{
    const struct arguments *a = bench->arguments;
    struct t5_engine_options engine = a->runtime.engine;
    int64_t began = clock_monotonic_us(clock_system());
    engine.queue_max = a->requests > 1024 ? a->requests : 0;
    if (!t5_model_open(a->dir, &a->runtime.model, &bench->model, err))
        return false;
    bench->params = (struct t5_params){ .num_beams = 4, .length_penalty = 1, .repetition_penalty = 2.5f,
                                        .no_repeat_ngram_size = 3, .early_stopping = T5_EARLY_TRUE };
    model_flags_apply(&a->runtime.flags, &bench->params);
    bench->params.min_length = bench->params.max_length = a->output_tokens + 1;
    bench->ids = mem_new((size_t)a->input_tokens, sizeof *bench->ids);
    bool ok = t5_params_check(&bench->params, err) && t5_engine_start(bench->model, &engine, &bench->engine, err);
    bench->figures.open_s = (double)(clock_monotonic_us(clock_system()) - began) / 1e6;
    bench->figures.threads = thread_count(a->runtime.engine.threads);
    return ok;
}

static int run_bench(const struct arguments *arguments)
{
    struct bench *bench = mem_new(1, sizeof *bench);
    struct roofline roofline = { 0 };
    struct err err = { 0 };
    char cpu[256];
    bench->arguments = arguments;
    CHECK(pthread_mutex_init(&bench->lock, NULL) == 0 && pthread_cond_init(&bench->changed, NULL) == 0);
    bool ok = open_bench(bench, &err) && measure(bench, &err);
    if (ok) {
        cpu_name(cpu, sizeof cpu);
        if (!arguments->no_roofline)
            roofline_measure(t5_model_precision(bench->model), bench->figures.threads, &roofline);
        (arguments->json ? print_json : print_text)(bench, cpu, &roofline);
    }
    t5_engine_stop(bench->engine);
    t5_model_close(bench->model);
    mem_free(bench->ids);
    mem_free(bench);
    return ok ? 0 : model_fail("bench", &err);
}

int model_bench(int argc, char **argv)
{
    static const struct argp_option options[] = {
        { "input-tokens", OPTION_INPUT, "N", 0, "Tokens in (180)", 1 },
        { "output-tokens", OPTION_OUTPUT, "N", 0, "Tokens out (64)", 1 },
        { "requests", OPTION_REQUESTS, "N", 0, "Requests at once for the throughput (32)", 1 },
        { "repeat", OPTION_REPEAT, "N", 0, "Throughput runs; the median counts (3)", 1 },
        { "json", 'j', NULL, 0, "One JSON object", 1 },
        { "no-roofline", OPTION_NO_ROOFLINE, NULL, 0, "Do not measure the machine itself", 1 },
        { 0 },
    };
    static const struct argp_child children[] = { { .argp = &model_dir_argp }, { .argp = &model_runtime_argp }, { 0 } };
    static const struct argp argp = { .options = options, .parser = parse_option, .args_doc = "DIR", .doc = doc,
                                      .children = children };
    static struct arguments arguments = { .input_tokens = 180, .output_tokens = 64, .requests = 32, .repeat = 3 };
    if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) != 0)
        return 64;
    return run_bench(&arguments);
}
