/* model_exam.c - `wardscribe model exam`: a folder writes about windows, the guard examines it. */
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/progress.h"
#include "commands/model.h"
#include "commands/option.h"
#include "ingest/recording.h"
#include "learn/examine.h"
#include "learn/windows.h"
#include "t5/train/folder.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char doc[] = "Lets the T5 in DIR write about windows and says how much of it the guard could prove: the "
                          "frozen exam of simulated patients, or patients of recordings (FORMAT=PATH: bidmc, "
                          "challenge2019, challenge2012, mimic).\vExamples:\n"
                          "  wardscribe model exam models/wardscribe-small --windows 1000\n"
                          "  wardscribe model exam models/wardscribe-small --recordings bidmc=data/bidmc --windows 500 "
                          "--texts texts.jsonl --json";

enum { KEY_WINDOWS = 256, KEY_RECORDINGS, KEY_TEXTS, KEY_OUT, KEY_THREADS, KEY_QUIET, KEY_SEED, RECORDINGS_MAX = 8 };

struct arguments {
    const char *dir, *texts, *out, *recordings[RECORDINGS_MAX];
    int recording_count, threads;
    int64_t windows, seed;
    bool json, quiet;
};

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case 'j': a->json = true; return 0;
    case KEY_QUIET: a->quiet = true; return 0;
    case KEY_TEXTS: a->texts = value; return 0;
    case KEY_OUT: a->out = value; return 0;
    case KEY_SEED: a->seed = option_integer(state, key, value, 0, INT64_MAX); return 0;
    case KEY_WINDOWS: a->windows = option_integer(state, key, value, 1, EXAM_WINDOWS_MAX); return 0;
    case KEY_THREADS: a->threads = (int)option_integer(state, key, value, 1, 64); return 0;
    case KEY_RECORDINGS:
        if (a->recording_count == RECORDINGS_MAX || !strchr(value, '='))
            argp_error(state, "--recordings: FORMAT=PATH, at most %d times", RECORDINGS_MAX);
        else
            a->recordings[a->recording_count++] = value;
        return 0;
    case ARGP_KEY_ARG: a->dir = value; return 0;
    case ARGP_KEY_END:
        if (!a->dir)
            argp_error(state, "a folder is needed");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* ---- windows ---- */

struct taking {
    struct exam_set *set;
    size_t wanted;
};

/* False with no error: enough. */
static bool take_window(void *context, const struct window *window, const struct alarm_limits *limits, struct err *err)
{
    struct taking *taking = context;
    return taking->set->count < taking->wanted && exam_set_add(taking->set, window, limits, NULL, err);
}

static bool take_recording(const struct arguments *a, const char *argument, struct exam_set *set, struct err *err)
{
    char format[32];
    const char *path = strchr(argument, '=') + 1;
    (void)snprintf(format, sizeof format, "%.*s", (int)(path - 1 - argument < 31 ? path - 1 - argument : 31), argument);
    struct recording *recording;
    if (!recording_open(&(struct recording_options){ .format = format, .paths = &path,
                                                     .path_count = 1 }, &recording, err))
        return false;
    size_t share = (size_t)a->windows / (size_t)a->recording_count, patients = recording_patient_count(recording);
    struct taking taking = { set, set->count + share };
    bool ok = windows_recorded(recording, (uint64_t)a->seed, share / (patients ? patients : 1) + 1, take_window,
                               &taking, err) ||
              err->kind == ERR_NONE;
    recording_close(recording);
    return ok;
}

static bool make_set(const struct arguments *a, struct arena *arena, struct exam_set *set, struct err *err)
{
    if (!a->recording_count)
        return exam_set_simulated(arena, (size_t)a->windows, set, err);
    set->arena = arena;
    for (int i = 0; i < a->recording_count; i++)
        if (!take_recording(a, a->recordings[i], set, err))
            return false;
    return set->count || err_set(err, ERR_INPUT, "the recordings hold no window");
}

/* ---- what is printed ---- */

static bool write_texts(const char *path, const struct exam_set *set, const char *const *texts, const struct exam *exam,
                        struct err *err)
{
    FILE *file = fopen(path, "we");
    struct buf line;
    if (!file)
        return err_set_errno(err, ERR_IO, errno, "%s", path);
    buf_init(&line, 1 << 20);
    for (size_t i = 0; i < set->count; i++) {
        buf_reset(&line);
        struct json_writer w = json_write(&line);
        json_put_object(&w, NULL);
        json_put_text(&w, "written", texts[i]);
        json_put_text(&w, "reference", set->items[i].reference);
        json_put_int(&w, "sentences", exam->verdicts[i].sentences);
        json_put_int(&w, "cuts", exam->verdicts[i].cuts);
        json_put_end(&w);
        (void)fprintf(file, "%s\n", line.data);
    }
    buf_free(&line);
    return fclose(file) == 0 || err_set_errno(err, ERR_IO, errno, "%s", path);
}

static void print_json(const struct exam *exam)
{
    const struct exam_slice_sum *all = &exam->sums[SLICE_ALL];
    (void)printf("{\"model\":\"%s\",\"windows\":%zu,\"sentences\":%lld,\"cuts\":%lld,\"proven\":%.5f,"
                 "\"critical\":%lld,\"critical_told\":%lld,\"numbers\":%lld,\"numbers_proven\":%lld,"
                 "\"rouge_l\":%.4f,\"fact_f1\":%.4f,\"total\":%.4f,\"latency_ms_median\":%.1f,"
                 "\"latency_ms_p95\":%.1f}\n",
                 exam->model, exam->count, (long long)all->sentences, (long long)all->cuts,
                 1 - (double)all->cuts / (double)(all->sentences ? all->sentences : 1), (long long)all->critical,
                 (long long)all->critical_told, (long long)all->numbers, (long long)all->numbers_proven, all->rouge,
                 all->fact_f1, exam->total, exam->latency_ms_median, exam->latency_ms_p95);
}

static void print_text(const struct exam *exam)
{
    (void)printf("%-24s %8s %9s %9s %9s %8s\n", "", "windows", "sentences", "proven", "critical", "ROUGE-L");
    for (int slice = 0; slice < SLICE_COUNT; slice++) {
        const struct exam_slice_sum *s = &exam->sums[slice];
        if (s->windows)
            (void)printf("%-24s %8lld %9lld %8.2f%% %4lld/%-4lld %8.3f\n", exam_slice_name((enum exam_slice)slice),
                         (long long)s->windows, (long long)s->sentences,
                         100 - 100 * (double)s->cuts / (double)(s->sentences ? s->sentences : 1),
                         (long long)s->critical_told, (long long)s->critical, s->rouge);
    }
    (void)printf("total %.4f; alone %.1f ms median, %.1f ms at 95 %%\n", exam->total, exam->latency_ms_median,
                 exam->latency_ms_p95);
}

static void show_progress(void *context, int64_t done, int64_t total)
{
    struct progress *progress = context;
    progress->total = total;
    progress_update(progress, done, NULL);
}

static bool sit(const struct arguments *a, struct arena *arena, struct err *err)
{
    struct exam_set set = { 0 };
    struct exam *exam = arena_alloc(arena, sizeof *exam);
    struct progress progress;
    if (!make_set(a, arena, &set, err))
        return false;
    progress_start(&progress, "exam", "windows", (int64_t)set.count);
    if (a->quiet)
        progress_quiet(&progress);
    const char **texts = arena_alloc(arena, set.count * sizeof *texts);
    struct examine_options options = { .dir = a->dir, .name = a->dir, .threads = a->threads,
                                       .on_progress = show_progress, .context = &progress };
    bool ok = examine(&options, &set, arena, texts, exam, err);
    progress_end(&progress, (int64_t)set.count, NULL);
    if (!ok)
        return false;
    (a->json ? print_json : print_text)(exam);
    if (a->texts && !write_texts(a->texts, &set, texts, exam, err))
        return false;
    if (!a->out)
        return true;
    struct buf text;
    buf_init(&text, 64 << 20);
    exam_write(exam, &text);
    ok = file_replace(a->out, text.data, text.length, err);
    buf_free(&text);
    return ok;
}

int model_exam(int argc, char **argv)
{
    static const struct argp_option options[] = {
        { "windows", KEY_WINDOWS, "N", 0, "How many (1000)", 1 },
        { "recordings", KEY_RECORDINGS, "FORMAT=PATH", 0, "Windows of these patients; several share the number", 1 },
        { "seed", KEY_SEED, "N", 0, "Which windows of the recordings (1)", 1 },
        { "threads", KEY_THREADS, "N", 0, "As many as CPUs when not given", 2 },
        { "texts", KEY_TEXTS, "FILE", 0, "Write each text beside the writer's", 3 },
        { "out", KEY_OUT, "FILE", 0, "Write the whole exam as JSON", 3 },
        { "json", 'j', NULL, 0, "One JSON line instead of a table", 3 },
        { "quiet", KEY_QUIET, NULL, 0, "No progress on standard error", 3 },
        { 0 },
    };
    static const struct argp argp = { .options = options, .parser = parse_option, .args_doc = "DIR", .doc = doc };
    struct arguments arguments = { .windows = EXAM_WINDOWS, .seed = 1 };
    struct arena arena;
    struct err err = { 0 };
    if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) != 0)
        return 64;
    arena_init(&arena, (size_t)4 << 30);
    bool ok = sit(&arguments, &arena, &err);
    arena_free(&arena);
    return ok ? 0 : model_fail("exam", &err);
}
