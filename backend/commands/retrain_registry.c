/* retrain_registry.c - the commands on the registry: promote, rollback, history, diff, push, log. */
#include "base/json.h"
#include "base/lines.h"
#include "commands/model.h"
#include "commands/retrain.h"
#include "learn/exam.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static int fail(const struct err *err)
{
    (void)fprintf(stderr, "wardscribe retrain: %s\n", err->text);
    return err_exit_status(err->kind);
}

static void tell(struct retrain_arguments *a, enum retrain_step step, const char *version, const char *detail)
{
    struct retrain_event event = { step, RETRAIN_DONE, version, detail, clock_now_us(clock_system()), 0 };
    struct buf line;
    buf_init(&line, 8192);
    retrain_event_write(&event, &line);
    if (a->json)
        (void)printf("%s\n", line.data);
    else
        (void)printf("%s\n", detail);
    buf_free(&line);
    if (a->events_url)
        retrain_event_send(a, &event);
}

static int promote(struct retrain_arguments *a, struct model_registry *registry)
{
    char detail[128];
    struct err err = { 0 };
    if (!model_registry_promote(registry, a->words[1], a->run.by, a->reason ? a->reason : "by hand", &err))
        return fail(&err);
    (void)snprintf(detail, sizeof detail, "version %s serves", model_registry_current(registry));
    tell(a, RETRAIN_PROMOTE, model_registry_current(registry), detail);
    return 0;
}

static int rollback(struct retrain_arguments *a, struct model_registry *registry)
{
    char version[VERSION_SIZE], detail[128];
    struct err err = { 0 };
    if (!model_registry_rollback(registry, a->words[1], a->run.by, a->reason ? a->reason : "by hand", version, &err))
        return fail(&err);
    (void)snprintf(detail, sizeof detail, "version %s serves again", version);
    tell(a, RETRAIN_PROMOTE, version, detail);
    return 0;
}

static void print_step(const struct retrain_arguments *a, const struct registry_step *step, bool current)
{
    char stamp[TIME_TEXT_SIZE];
    struct buf line;
    if (!a->json) {
        (void)printf("%4lld  %.19s  %-9s %s%s  %-12s %s\n", (long long)step->seq, time_format(step->time_us, stamp),
                     registry_event_name(step->event), step->version, current ? " *" : "  ", step->by, step->reason);
        return;
    }
    buf_init(&line, 16384);
    struct json_writer w = json_write(&line);
    json_put_object(&w, NULL);
    json_put_int(&w, "seq", step->seq);
    json_put_time(&w, "time", step->time_us);
    json_put_text(&w, "event", registry_event_name(step->event));
    json_put_text(&w, "version", step->version);
    json_put_text(&w, "before", step->before);
    json_put_text(&w, "by", step->by);
    json_put_text(&w, "reason", step->reason);
    json_put_bool(&w, "serves", current);
    json_put_end(&w);
    (void)printf("%s\n", line.data);
    buf_free(&line);
}

static int history(struct retrain_arguments *a, struct model_registry *registry)
{
    const char *current = model_registry_current(registry);
    for (size_t i = 0; i < model_registry_step_count(registry); i++) {
        const struct registry_step *step = model_registry_step(registry, i);
        print_step(a, step, strcmp(step->version, current) == 0);
    }
    return 0;
}

/* ---- diff ---- */

struct side {
    struct model_version about;
    struct exam exam;
    bool has_exam;
};

static bool load_side(struct model_registry *registry, const char *version, struct arena *arena, struct side *out,
                      struct err *err)
{
    if (!model_registry_find(registry, version, arena, &out->about, err))
        return false;
    out->has_exam = out->about.exam && exam_read(out->about.exam, strlen(out->about.exam), arena, &out->exam, NULL);
    return true;
}

static double rate(int64_t part, int64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : (double)NAN;
}

static void print_row(const char *name, double a, double b, const char *unit)
{
    char left[32] = "-", right[32] = "-", change[32] = "";
    if (!isnan(a))
        (void)snprintf(left, sizeof left, "%.2f%s", a, unit);
    if (!isnan(b))
        (void)snprintf(right, sizeof right, "%.2f%s", b, unit);
    if (!isnan(a) && !isnan(b))
        (void)snprintf(change, sizeof change, "%+.2f", b - a);
    (void)printf("%-44s %16s %16s  %s\n", name, left, right, change);
}

static void print_exam_rows(const struct side *a, const struct side *b)
{
    print_row("total", a->has_exam ? 100 * a->exam.total : (double)NAN, b->has_exam ? 100 * b->exam.total : (double)NAN,
              "");
    for (int slice = 0; slice < SLICE_COUNT; slice++)
        for (int row = 0; row < ROW_COUNT; row++) {
            char name[96];
            const struct exam_slice_sum *x = &a->exam.sums[slice], *y = &b->exam.sums[slice];
            (void)snprintf(name, sizeof name, "%s: %s right", exam_slice_name((enum exam_slice)slice),
                           exam_row_name((enum exam_row)row));
            if (x->windows || y->windows)
                print_row(name, rate(x->right[row], x->windows), rate(y->right[row], y->windows), " %");
        }
}

static int diff(struct retrain_arguments *arguments, struct model_registry *registry)
{
    struct arena arena;
    struct side a = { .has_exam = false }, b = { .has_exam = false };
    struct err err = { 0 };
    if (!arguments->words[1] || !arguments->words[2])
        return fail(&(struct err){ ERR_USAGE, "diff needs two versions; see wardscribe retrain history" });
    arena_init(&arena, 256 << 20);
    bool ok = load_side(registry, arguments->words[1], &arena, &a, &err) &&
              load_side(registry, arguments->words[2], &arena, &b, &err);
    if (ok) {
        (void)printf("%-44s %16s %16s\n", "version", a.about.version, b.about.version);
        (void)printf("%-44s %16s %16s\n", "parent", a.about.parent, b.about.parent);
        (void)printf("%-44s %16.12s %16.12s\n", "data", a.about.data_hash, b.about.data_hash);
        (void)printf("%-44s %16s %16s\n", "made by", a.about.by, b.about.by);
        (void)printf("%-44s %16s %16s\n", "let through by its gate", a.about.gate_passed ? "yes" : "no",
                     b.about.gate_passed ? "yes" : "no");
        print_exam_rows(&a, &b);
    }
    arena_free(&arena);
    return ok ? 0 : fail(&err);
}

/* ---- push, log ---- */

static int push(struct retrain_arguments *a, struct model_registry *registry)
{
    static char name[] = "wardscribe retrain push", option[] = "--message";
    char path[REGISTRY_PATH_SIZE], target[512], message[512];
    struct err err = { 0 };
    const char *version = a->words[2] ? a->words[2] : model_registry_current(registry);
    if (!a->words[1] || !*version)
        return fail(&(struct err){ ERR_USAGE, "push needs a name (ORG/NAME), and a version that serves or is named" });
    if (!model_registry_path(registry, version, path, &err))
        return fail(&err);
    (void)snprintf(target, sizeof target, "%s", a->words[1]);
    (void)snprintf(message, sizeof message, "%s", a->reason ? a->reason : "Retrained");
    char *arguments[] = { name, path, target, option, message, NULL };
    return model_push(5, arguments);
}

static bool send_line(void *context, const char *line, size_t length, struct err *err)
{
    struct retrain_arguments *a = context;
    struct json *root = NULL;
    const char *step = "", *status = "", *version = "", *detail = "";
    struct retrain_event event = { .step = RETRAIN_COLLECT };
    bool ok = json_parse_object(line, length, 16384, &root, err) &&
              json_get_time(root, "@timestamp", JSON_REQUIRED, &event.time_us, err) &&
              json_get_text(root, "step", JSON_REQUIRED, 0, 32, &step, err) &&
              json_get_text(root, "status", JSON_REQUIRED, 0, 32, &status, err) &&
              json_get_text(root, "model_version", 0, 0, 64, &version, err) &&
              json_get_text(root, "detail", JSON_MULTILINE, 0, 4096, &detail, err) &&
              json_get_int(root, "took_ms", 0, 0, INT64_MAX, &event.took_ms, err);
    for (int i = 0; ok && i < RETRAIN_STEP_COUNT; i++)
        if (strcmp(step, retrain_step_name((enum retrain_step)i)) == 0)
            event.step = (enum retrain_step)i;
    for (int i = RETRAIN_STARTED; ok && i <= RETRAIN_KEPT; i++)
        if (strcmp(status, retrain_status_name((enum retrain_status)i)) == 0)
            event.status = (enum retrain_status)i;
    event.model_version = version;
    event.detail = detail;
    if (ok && a->events_url)
        retrain_event_send(a, &event);
    else if (ok)
        (void)printf("%s\n", line);
    json_free(root);
    return ok;
}

static int log_events(struct retrain_arguments *a)
{
    char path[PATH_MAX];
    struct err err = { 0 };
    (void)snprintf(path, sizeof path, "%.4000s/events.jsonl", a->run.work);
    return lines_read(path, 16384, send_line, a, &err) ? 0 : fail(&err);
}

bool retrain_registry_command(struct retrain_arguments *a, int *out_status)
{
    static const struct {
        const char *name;
        int (*run)(struct retrain_arguments *arguments, struct model_registry *registry);
    } commands[] = {
        { "promote", promote }, { "rollback", rollback }, { "history", history }, { "diff", diff }, { "push", push }
    };
    struct model_registry *registry = NULL;
    struct err err = { 0 };
    if (strcmp(a->words[0], "log") == 0) {
        *out_status = log_events(a);
        return true;
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(a->words[0], commands[i].name) != 0)
            continue;
        *out_status = model_registry_open(a->run.registry_dir, clock_system(), &registry, &err)
                          ? commands[i].run(a, registry)
                          : fail(&err);
        model_registry_close(registry);
        return true;
    }
    return false;
}
