/* export_directory.c - an export from a data directory that no server has open. */
#include "auth-service/audit.h"
#include "base/json.h"
#include "clinical/alert_json.h"
#include "commands/export_source.h"
#include "commands/interrupt.h"

#include <stdlib.h>
#include <string.h>

enum { PAGE_READINGS = 50000, AUDIT_PAGE = 10000, ROWS_MAX = 1 << 30 };
/* One patient's alerts or summaries of a year: 100,000 summaries of 3 KB. */
#define PAGE_ARENA ((size_t)1 << 30)

struct directory {
    const struct export_query *query;
    struct export_out *out;
    struct store *store;
    struct arena names;                     /* what lives as long as the export */
    struct patient_row *patients;
    struct source_row *sources;
    struct user_row *users;
    size_t patient_count, source_count, user_count;
};

static const char *source_name(const struct directory *d, uint16_t number)
{
    for (size_t i = 0; i < d->source_count; i++)
        if (d->sources[i].number == number)
            return d->sources[i].name;
    return "";
}

static const char *user_name(const struct directory *d, uint32_t id)
{
    for (size_t i = 0; i < d->user_count; i++)
        if (d->users[i].id == id)
            return d->users[i].username;
    return NULL;
}

static bool go_on(const struct directory *d, struct err *err)
{
    if (d->query->tick)
        d->query->tick(d->query->tick_context);
    return !interrupt_seen() || err_set(err, ERR_REFUSED, "cancelled");
}

/* How many of the page to take: not the last instant of a full page, whose rest is on the next. */
static size_t whole_instants(const struct reading *readings, size_t count, size_t full)
{
    size_t keep = count;
    if (count < full)
        return count;
    while (keep && readings[keep - 1].time_us == readings[count - 1].time_us)
        keep--;
    return keep ? keep : count; /* 50,000 sources at one instant do not occur: SOURCE_COUNT_MAX, one patient */
}

static bool readings_of(struct directory *d, const struct patient_row *patient, struct err *err)
{
    struct arena arena;
    struct reading *readings;
    size_t count = PAGE_READINGS;
    int64_t from_us = d->query->from_us;
    bool ok = true;
    arena_init(&arena, PAGE_ARENA);
    while (ok && count == PAGE_READINGS) {
        arena_reset(&arena);
        ok = store_readings(d->store, &arena, patient->number, from_us, d->query->to_us, PAGE_READINGS, &readings,
                            &count, err);
        size_t keep = ok ? whole_instants(readings, count, PAGE_READINGS) : 0;
        for (size_t i = 0; ok && i < keep; i++)
            ok = export_reading(d->out, &readings[i], patient->id, source_name(d, readings[i].source), err);
        from_us = keep ? readings[keep - 1].time_us + 1 : from_us;
        ok = ok && go_on(d, err);
    }
    arena_free(&arena);
    return ok;
}

static int by_onset(const void *a, const void *b)
{
    const struct alert *x = a, *y = b;
    if (x->onset_us != y->onset_us)
        return x->onset_us < y->onset_us ? -1 : 1;
    return strcmp(alert_type_slug((enum alert_type)x->type), alert_type_slug((enum alert_type)y->type));
}

static bool put_alert(struct directory *d, const struct patient_row *patient, const struct alert *alert,
                      struct buf *line, struct err *err)
{
    struct alert_context context = { patient->id, patient->name, patient->bed, user_name(d, alert->ack_by) };
    struct json_writer w = json_write(line);
    buf_reset(line);
    alert_write_json(&w, NULL, alert, &context);
    return export_object(d->out, line->data, line->length, err);
}

static bool alerts_of(struct directory *d, const struct patient_row *patient, struct err *err)
{
    struct arena arena;
    struct alert *alerts;
    struct buf line;
    size_t count = 0;
    struct alert_query query = { .patient = patient->number, .from_us = d->query->from_us, .to_us = d->query->to_us,
                                 .limit = ROWS_MAX };
    arena_init(&arena, PAGE_ARENA);
    buf_init(&line, 64 << 10);
    bool ok = store_alerts(d->store, &arena, &query, &alerts, &count, err);
    if (ok && count)
        qsort(alerts, count, sizeof *alerts, by_onset);
    for (size_t i = 0; ok && i < count; i++)
        ok = put_alert(d, patient, &alerts[i], &line, err);
    buf_free(&line);
    arena_free(&arena);
    return ok && go_on(d, err);
}

static bool summaries_of(struct directory *d, const struct patient_row *patient, struct err *err)
{
    struct arena arena;
    struct summary_row *rows;
    size_t count = 0;
    struct summary_query query = { .patient_id = patient->id, .from_us = d->query->from_us, .to_us = d->query->to_us,
                                   .limit = ROWS_MAX };
    arena_init(&arena, PAGE_ARENA);
    bool ok = store_summaries(d->store, &arena, &query, &rows, &count, err);
    for (size_t i = 0; ok && i < count; i++)
        ok = export_object(d->out, rows[i].document, strlen(rows[i].document), err);
    arena_free(&arena);
    return ok && go_on(d, err);
}

static bool in_range(const struct directory *d, int64_t time_us)
{
    return time_us >= d->query->from_us && time_us < d->query->to_us;
}

static bool audit_page(struct directory *d, int64_t *before, size_t *out_count, struct err *err)
{
    struct arena arena;
    struct audit_row *rows;
    struct buf line;
    arena_init(&arena, PAGE_ARENA);
    buf_init(&line, 64 << 10);
    bool ok = store_audits(d->store, &arena, *before, AUDIT_PAGE, &rows, out_count, err);
    for (size_t i = 0; ok && i < *out_count; i++) {
        struct json_writer w = json_write(&line);
        buf_reset(&line);
        audit_write_json(&w, &rows[i]);
        *before = rows[i].seq;
        if (in_range(d, rows[i].time_us))
            ok = export_object(d->out, line.data, line.length, err);
    }
    buf_free(&line);
    arena_free(&arena);
    return ok && go_on(d, err);
}

static bool all_audit(struct directory *d, struct err *err)
{
    int64_t before = 0;
    size_t count = AUDIT_PAGE;
    while (count == AUDIT_PAGE)
        if (!audit_page(d, &before, &count, err))
            return false;
    return true;
}

static int by_id(const void *a, const void *b)
{
    const struct patient_row *x = a, *y = b;
    return strcmp(x->id, y->id);
}

static bool is_wanted(const struct export_query *query, const char *id)
{
    for (size_t i = 0; i < query->patient_count; i++)
        if (strcmp(query->patients[i], id) == 0)
            return true;
    return query->patient_count == 0;
}

static bool all_known(const struct directory *d, struct err *err)
{
    for (size_t i = 0; i < d->query->patient_count; i++) {
        bool known = false;
        for (size_t j = 0; j < d->patient_count; j++)
            known |= strcmp(d->patients[j].id, d->query->patients[i]) == 0;
        if (!known)
            return err_set(err, ERR_NOT_FOUND, "Patient %s not found", d->query->patients[i]);
    }
    return true;
}

static bool all_patients(struct directory *d, struct err *err)
{
    static bool (*const each[])(struct directory *, const struct patient_row *, struct err *) = {
        [EXPORT_READINGS] = readings_of, [EXPORT_ALERTS] = alerts_of, [EXPORT_SUMMARIES] = summaries_of,
    };
    if (d->patient_count)
        qsort(d->patients, d->patient_count, sizeof *d->patients, by_id);
    for (size_t i = 0; i < d->patient_count; i++)
        if (is_wanted(d->query, d->patients[i].id) && !each[d->query->what](d, &d->patients[i], err))
            return false;
    return true;
}

bool export_from_directory(const struct export_query *query, const struct data_dir_place *place,
                           struct export_out *out, struct err *err)
{
    struct data_dir data;
    struct directory d = { .query = query, .out = out };
    if (!data_dir_open(place, &data, err))
        return false;
    d.store = data.store;
    arena_init(&d.names, PAGE_ARENA);
    bool ok = store_patients(d.store, &d.names, &d.patients, &d.patient_count, err) &&
              store_sources(d.store, &d.names, &d.sources, &d.source_count, err) &&
              store_users(d.store, &d.names, &d.users, &d.user_count, err) && all_known(&d, err) &&
              (query->what == EXPORT_AUDIT ? all_audit(&d, err) : all_patients(&d, err));
    arena_free(&d.names);
    data_dir_close(&data);
    return ok;
}
