/* collect_sqlite.c - samples from a data directory. */
#include "base/mem.h"
#include "learn/collect_internal.h"
#include "store/store.h"

#include <stdlib.h>
#include <string.h>

enum { ARENA_SIZE = 1 << 30, WINDOW_READINGS = 4000, SUMMARIES_MAX = 100000 };

struct source {
    struct collecting *collecting;
    struct store *store;
    struct arena arena, scratch;         /* of the run, of one summary */
    struct limits_row *limits;
    struct collect_feedback *feedbacks;  /* by summary, then time */
    size_t limits_count, feedback_count;
};

static int by_summary(const void *a, const void *b)
{
    const struct collect_feedback *x = a, *y = b;
    int order = strcmp(x->summary_id, y->summary_id);
    return order ? order : (x->time_us > y->time_us) - (x->time_us < y->time_us);
}

static bool load_feedbacks(struct source *s, struct err *err)
{
    const struct collect_options *options = s->collecting->options;
    struct feedback_row *rows;
    if (!store_feedbacks(s->store, &s->arena, options->from_us, options->to_us, SUMMARIES_MAX, &rows,
                         &s->feedback_count, err))
        return false;
    s->feedbacks = arena_alloc(&s->arena, (s->feedback_count + 1) * sizeof *s->feedbacks);
    bool ok = true;
    for (size_t i = 0; i < s->feedback_count && ok; i++) {
        struct json *root = NULL;
        ok = json_parse_object(rows[i].document, strlen(rows[i].document), SAMPLE_LINE_MAX, &root, err) &&
             collect_parse_feedback(root, &s->arena, &s->feedbacks[i], err);
        json_free(root);
    }
    if (ok && s->feedback_count)
        qsort(s->feedbacks, s->feedback_count, sizeof *s->feedbacks, by_summary);
    return ok;
}

static size_t feedbacks_of(const struct source *s, const char *summary_id, const struct collect_feedback **out)
{
    size_t low = 0, high = s->feedback_count, count = 0;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(s->feedbacks[middle].summary_id, summary_id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *out = s->feedbacks + low;
    while (low + count < s->feedback_count && strcmp(s->feedbacks[low + count].summary_id, summary_id) == 0)
        count++;
    return count;
}

static void use_limits(const struct source *s, uint32_t patient, struct alarm_limits *out)
{
    for (size_t i = 0; i < s->limits_count; i++)
        if (s->limits[i].patient == patient)
            *out = s->limits[i].limits;
}

static bool add_summary(struct source *s, uint32_t patient, const struct summary_row *row, struct err *err)
{
    struct json *root = NULL;
    struct collect_summary summary;
    struct reading *readings = NULL;
    bool skip = false;
    arena_reset(&s->scratch);
    bool ok = json_parse_object(row->document, strlen(row->document), SAMPLE_LINE_MAX, &root, err) &&
              collect_parse_summary(root, &s->scratch, &summary, &skip, err);
    json_free(root);
    if (!ok || skip)
        return ok;
    use_limits(s, patient, &summary.limits);
    summary.window.patient = patient;
    if (!store_readings(s->store, &s->scratch, patient, summary.window.from_us, summary.window.to_us, WINDOW_READINGS,
                        &readings, &summary.window.reading_count, err))
        return false;
    summary.window.readings = readings;
    if (!summary.window.reading_count) {
        s->collecting->out->without_readings++; /* older than raw readings are kept */
        return true;
    }
    const struct collect_feedback *feedbacks;
    size_t count = feedbacks_of(s, summary.id, &feedbacks);
    collect_add(s->collecting, &summary, feedbacks, count);
    return true;
}

static bool add_patient(struct source *s, const struct patient_row *patient, struct err *err)
{
    const struct collect_options *options = s->collecting->options;
    struct arena rows_arena;
    struct summary_row *rows;
    size_t count;
    struct summary_query query = { .patient_id = patient->id, .from_us = options->from_us, .to_us = options->to_us,
                                   .limit = SUMMARIES_MAX };
    arena_init(&rows_arena, ARENA_SIZE);
    bool ok = store_summaries(s->store, &rows_arena, &query, &rows, &count, err);
    for (size_t i = count; ok && i-- > 0;) /* newest first as they come: oldest first as they go */
        ok = add_summary(s, patient->number, &rows[i], err);
    arena_free(&rows_arena);
    return ok;
}

static bool run(struct source *s, struct err *err)
{
    struct patient_row *patients;
    size_t count;
    if (!store_patients(s->store, &s->arena, &patients, &count, err) ||
        !store_limits(s->store, &s->arena, &s->limits, &s->limits_count, err) || !load_feedbacks(s, err))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!add_patient(s, &patients[i], err))
            return err_context(err, "patient %s", patients[i].id);
    return true;
}

bool collect_from_sqlite(struct collecting *collecting, struct err *err)
{
    struct store_options options = { .engine = "sqlite", .data_dir = collecting->options->from, .clock = clock_system(),
                                     .read_only = true, .raw_retention_h = 168 };
    struct source source = { .collecting = collecting };
    if (!store_open(&options, &source.store, err))
        return false;
    arena_init(&source.arena, ARENA_SIZE);
    arena_init(&source.scratch, 64 << 20);
    bool ok = run(&source, err);
    arena_free(&source.scratch);
    arena_free(&source.arena);
    store_close(source.store);
    return ok;
}
