/* summarizer.c - windows become summaries, on demand and every summaries.interval_s. */
#include "summarizer-service/summarizer.h"

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "clinical/writer.h"
#include "net/access.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { LIST_DEFAULT = 50, LIST_MAX = 500, ARENA_SIZE = 32 << 20, WINDOW_READINGS_MAX = 4000 };
/* What "recent" means for a patient whose device sends every second: the last quarter of an hour. */
#define WINDOW_US (15 * US_PER_MIN)

static struct metric written_total = METRIC_COUNTER("wardscribe_summaries_total", "Summaries written.");
static struct metric write_time = METRIC_HISTOGRAM("wardscribe_summary_seconds", "From window to stored summary.");

struct summarizer_thread {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping;
};

/* ---- the window ---- */

static bool newest_time(struct summarizer *s, struct arena *arena, uint32_t patient, int64_t *out, struct err *err)
{
    struct history history;
    int64_t now_us = clock_now_us(s->clock);
    *out = 0;
    if (!store_history(s->store, arena, patient, now_us - 400 * US_PER_DAY, now_us + US_PER_HOUR, 500, &history, err))
        return false;
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        for (size_t i = 0; i < history.count[vital]; i++) {
            int64_t end = history.points[vital][i].time_us + (history.bucket_us ? history.bucket_us : 1);
            *out = end > *out ? end : *out;
        }
    return true;
}

static bool load_alerts(struct summarizer *s, struct arena *arena, struct window *window, struct err *err)
{
    struct alert_query query = { .patient = window->patient, .limit = WINDOW_ALERTS_MAX };
    struct alert *alerts;
    size_t count, kept = 0;
    if (!store_alerts(s->store, arena, &query, &alerts, &count, err))
        return false;
    for (size_t i = 0; i < count; i++)
        if (window_has_alert(window, &alerts[i]))
            alerts[kept++] = alerts[i];
    window->alerts = alerts;
    window->alert_count = kept;
    return true;
}

/* The last quarter of an hour; where charting is sparser, the newest `summaries.window` readings. */
static bool load_window(struct summarizer *s, struct arena *arena, uint32_t patient, struct window *out, struct err *err)
{
    struct reading *readings;
    size_t count;
    int64_t now_us = clock_now_us(s->clock);
    *out = (struct window){ .patient = patient, .from_us = now_us - WINDOW_US, .to_us = now_us + US_PER_S };
    if (!store_readings(s->store, arena, patient, out->from_us, out->to_us, WINDOW_READINGS_MAX, &readings, &count, err))
        return false;
    size_t wanted = (size_t)s->config->summaries.window;
    if (count < wanted) {
        int64_t newest_us;
        if (!newest_time(s, arena, patient, &newest_us, err))
            return false;
        out->to_us = newest_us;
        for (int64_t span = US_PER_HOUR; newest_us && count < wanted && span <= 48 * US_PER_HOUR; span *= 4) {
            out->from_us = newest_us - span;
            if (!store_readings(s->store, arena, patient, out->from_us, out->to_us, WINDOW_READINGS_MAX, &readings, &count, err))
                return false;
        }
        if (count > wanted) {
            readings += count - wanted;
            count = wanted;
            out->from_us = readings[0].time_us;
        }
    }
    out->readings = readings;
    out->reading_count = count;
    return load_alerts(s, arena, out, err);
}

/* ---- the document ---- */

static void put_sentences(struct json_writer *w, const struct summarizer *s, const struct summary_text *text, const char *patient_id)
{
    json_put_array(w, "sentences");
    for (int i = 0; i < text->count; i++) {
        json_put_object(w, NULL);
        json_put_text(w, "text", text->sentences[i].text);
        json_put_array(w, "evidence");
        for (int e = 0; e < text->sentences[i].evidence_count; e++) {
            const struct evidence *evidence = &text->sentences[i].evidence[e];
            struct alert alert = { .type = evidence->alert_type, .onset_us = evidence->time_us };
            char id[ALERT_ID_SIZE], stamp[TIME_TEXT_SIZE];
            if (!evidence->is_alert)
                (void)snprintf(id, sizeof id, "%s@%s", registry_source_name(s->registry, evidence->source),
                               time_format(evidence->time_us, stamp));
            json_put_text(w, NULL, evidence->is_alert ? alert_id_format(&alert, patient_id, id) : id);
        }
        json_put_end(w);
        json_put_end(w);
    }
    json_put_end(w);
}

static void add_active_alerts(struct buf *out, const struct window *window)
{
    bool any = false;
    for (int severity = SEVERITY_CRITICAL; severity >= SEVERITY_INFO; severity--)
        for (size_t i = 0; i < window->alert_count; i++) {
            if (window->alerts[i].severity != severity || window->alerts[i].state == ALERT_CLOSED)
                continue;
            buf_printf(out, "%s\n- [%s] ", any ? "" : "\n\nActive alerts:", severity_name((enum alert_severity)severity));
            alert_message(&window->alerts[i], out);
            any = true;
        }
}

struct texts {
    struct buf ml, full;
};

static void compose(struct texts *texts, const char *name, const struct summary_text *text, const struct window *window)
{
    buf_init(&texts->ml, 16 << 10);
    buf_init(&texts->full, 32 << 10);
    for (int i = 0; i < text->count; i++)
        buf_printf(&texts->ml, "%s%s", i ? " " : "", text->sentences[i].text);
    buf_printf(&texts->full, "**Clinical Summary for %s**\n\n%s", name, texts->ml.data ? texts->ml.data : "");
    add_active_alerts(&texts->full, window);
}

static size_t open_count(const struct window *window)
{
    size_t count = 0;
    for (size_t i = 0; i < window->alert_count; i++)
        count += window->alerts[i].state != ALERT_CLOSED;
    return count;
}

static void write_document(const struct summarizer *s, const struct patient_row *row, const struct window *window,
                           const struct summary_text *text, const char *id, int64_t now_us, int64_t started_us, struct buf *out)
{
    struct texts texts;
    compose(&texts, row->name, text, window);
    struct json_writer w = json_write(out);
    json_put_object(&w, NULL);
    json_put_text(&w, "id", id);
    json_put_text(&w, "patient_id", row->id);
    json_put_text(&w, "patient_name", row->name);
    json_put_text(&w, "text", texts.full.data);
    json_put_text(&w, "ml_summary", texts.ml.data ? texts.ml.data : "");
    json_put_int(&w, "vitals_count", (int64_t)window->reading_count);
    json_put_int(&w, "alerts_count", (int64_t)open_count(window));
    json_put_decimal(&w, "processing_time_ms", clock_monotonic_us(s->clock) - started_us, 3);
    json_put_time(&w, "timestamp", now_us);
    json_put_text(&w, "model_name", "deterministic-writer");
    json_put_text(&w, "model_version", WARDSCRIBE_VERSION);
    json_put_text(&w, "writer", "deterministic");
    put_sentences(&w, s, text, row->id);
    json_put_array(&w, "removed");
    json_put_end(&w);
    json_put_time(&w, "window_start", window->from_us);
    json_put_time(&w, "window_end", window->to_us);
    json_put_end(&w);
    buf_free(&texts.ml);
    buf_free(&texts.full);
}

static bool limits_of(struct summarizer *s, struct arena *arena, uint32_t patient, struct alarm_limits *out, struct err *err)
{
    struct limits_row *rows;
    size_t count;
    *out = alarm_limits_default;
    if (!store_limits(s->store, arena, &rows, &count, err))
        return false;
    for (size_t i = 0; i < count; i++)
        if (rows[i].patient == patient)
            *out = rows[i].limits;
    return true;
}

/* Writes, stores, and leaves the document in `out`. */
static bool summarize(struct summarizer *s, uint32_t patient, struct buf *out, struct err *err)
{
    struct arena arena;
    struct window window;
    struct patient_row row;
    struct alarm_limits limits;
    int64_t started_us = clock_monotonic_us(s->clock), now_us = clock_now_us(s->clock);
    arena_init(&arena, ARENA_SIZE);
    bool ok = (registry_row(s->registry, patient, &row) || err_set(err, ERR_NOT_FOUND, "Patient not found")) &&
              load_window(s, &arena, patient, &window, err) && limits_of(s, &arena, patient, &limits, err);
    if (ok && !window.reading_count && !window.alert_count)
        ok = err_set(err, ERR_CONFLICT, "Patient %s has no readings to summarize", row.id);
    if (ok) {
        struct facts facts;
        struct summary_text *text = arena_alloc(&arena, sizeof *text);
        struct summary_row stored = { .time_us = now_us, .window_start_us = window.from_us, .window_end_us = window.to_us };
        facts_make(&window, &limits, &facts);
        writer_write(&facts, (uint64_t)now_us, &arena, text);
        (void)snprintf(stored.id, sizeof stored.id, "%s.summary.%lld", row.id, (long long)(now_us / US_PER_MS));
        (void)str_copy(stored.patient_id, sizeof stored.patient_id, row.id);
        write_document(s, &row, &window, text, stored.id, now_us, started_us, out);
        stored.document = out->data;
        struct store_write write = { .summaries = &stored, .summary_count = 1 };
        ok = store_write_sync(s->store, &write, err);
    }
    arena_free(&arena);
    metric_add(&written_total, ok);
    metric_observe_us(&write_time, clock_monotonic_us(s->clock) - started_us);
    return ok;
}

/* ---- periodic ---- */

static void summarize_everyone(struct summarizer *s)
{
    uint32_t count = registry_count(s->registry);
    for (uint32_t patient = 1; patient <= count; patient++) {
        struct buf document;
        struct err err = { 0 };
        struct patient_row row;
        (void)pthread_mutex_lock(&s->thread->lock);
        bool stopping = s->thread->stopping;
        (void)pthread_mutex_unlock(&s->thread->lock);
        if (stopping)
            return;
        if (!registry_row(s->registry, patient, &row) || row.discharged)
            continue;
        buf_init(&document, 128 << 10);
        if (!summarize(s, patient, &document, &err) && err.kind != ERR_CONFLICT)
            log_warn("no summary", LOG_STR("patient_id", row.id), LOG_ERR(&err));
        buf_free(&document);
    }
}

static void *periodic_thread(void *argument)
{
    struct summarizer *s = argument;
    struct timespec until;
    (void)pthread_mutex_lock(&s->thread->lock);
    while (!s->thread->stopping) {
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += s->config->summaries.interval_s;
        if (pthread_cond_timedwait(&s->thread->wake, &s->thread->lock, &until) == 0)
            continue;
        (void)pthread_mutex_unlock(&s->thread->lock);
        summarize_everyone(s);
        (void)pthread_mutex_lock(&s->thread->lock);
    }
    (void)pthread_mutex_unlock(&s->thread->lock);
    return NULL;
}

bool summarizer_start(struct summarizer *s, struct err *err)
{
    pthread_condattr_t monotonic;
    (void)err;
    s->thread = mem_new(1, sizeof *s->thread);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    CHECK(pthread_mutex_init(&s->thread->lock, NULL) == 0 && pthread_cond_init(&s->thread->wake, &monotonic) == 0);
    (void)pthread_condattr_destroy(&monotonic);
    CHECK(pthread_create(&s->thread->thread, NULL, periodic_thread, s) == 0);
    return true;
}

void summarizer_stop(struct summarizer *s)
{
    if (!s->thread)
        return;
    (void)pthread_mutex_lock(&s->thread->lock);
    s->thread->stopping = true;
    (void)pthread_cond_signal(&s->thread->wake);
    (void)pthread_mutex_unlock(&s->thread->lock);
    (void)pthread_join(s->thread->thread, NULL);
    (void)pthread_cond_destroy(&s->thread->wake);
    (void)pthread_mutex_destroy(&s->thread->lock);
    mem_free(s->thread);
    s->thread = NULL;
}

/* ---- routes ---- */

static void list_summaries(struct summarizer *s, const struct http_request *request, struct http_reply *reply, const char *patient_id)
{
    struct arena arena;
    struct summary_row *rows;
    size_t count;
    int64_t limit;
    struct err err = { 0 };
    arena_init(&arena, ARENA_SIZE);
    if (http_query_int(request, "limit", 1, LIST_MAX, LIST_DEFAULT, &limit, &err) &&
        store_summaries(s->store, &arena, patient_id, (size_t)limit, &rows, &count, &err)) {
        struct json_writer w = json_write(reply->body);
        json_put_array(&w, NULL);
        for (size_t i = 0; i < count; i++)
            json_put_raw(&w, NULL, rows[i].document);
        json_put_end(&w);
    } else {
        http_reply_error(reply, &err);
    }
    arena_free(&arena);
}

static void get_all(void *context, struct http_request *request, struct http_reply *reply)
{
    list_summaries(context, request, reply, NULL);
}

static void get_patient(void *context, struct http_request *request, struct http_reply *reply)
{
    struct summarizer *s = context;
    struct err err = { 0 };
    const char *id = http_parameter(request, "patient_id");
    if (registry_find(s->registry, id)) {
        list_summaries(s, request, reply, id);
        return;
    }
    err_set(&err, ERR_NOT_FOUND, "Patient %s not found", id);
    http_reply_error(reply, &err);
}

static void trigger(void *context, struct http_request *request, struct http_reply *reply)
{
    struct summarizer *s = context;
    struct json *root = NULL;
    struct buf document;
    struct err err = { 0 };
    const char *id = NULL;
    uint32_t patient = 0;
    buf_init(&document, 128 << 10);
    bool ok = json_parse_object(request->body, request->body_size, HTTP_JSON_BODY_MAX, &root, &err) &&
              json_get_text(root, "patientId", JSON_REQUIRED, 1, PATIENT_ID_SIZE - 1, &id, &err);
    if (ok && !(patient = registry_find(s->registry, id)))
        ok = err_set(&err, ERR_NOT_FOUND, "Patient %s not found", id);
    ok = ok && summarize(s, patient, &document, &err);
    json_free(root);
    if (ok) {
        struct json_writer w = json_write(reply->body);
        json_put_object(&w, NULL);
        json_put_text(&w, "status", "ok");
        json_put_raw(&w, "summary", document.data);
        json_put_end(&w);
    } else {
        http_reply_error(reply, &err);
    }
    buf_free(&document);
}

static void model_info(void *context, struct http_request *request, struct http_reply *reply)
{
    (void)context;
    (void)request;
    struct json_writer w = json_write(reply->body);
    json_put_object(&w, NULL);
    json_put_text(&w, "name", "deterministic-writer");
    json_put_text(&w, "version", WARDSCRIBE_VERSION);
    json_put_text(&w, "full_name", "Wardscribe deterministic writer");
    json_put_bool(&w, "loaded", true);
    json_put_text(&w, "type", "rules");
    json_put_text(&w, "description", "Writes every sentence from proven facts; no language model is loaded.");
    json_put_null(&w, "lastUpdated");
    json_put_end(&w);
}

static const struct http_route routes[] = {
    { HTTP_GET,  "/api/summaries",              RIGHT_READ,    ROUTE_SLOW, get_all,     NULL },
    { HTTP_GET,  "/api/summaries/{patient_id}", RIGHT_READ,    ROUTE_SLOW, get_patient, NULL },
    { HTTP_POST, "/api/model/trigger-summary",  RIGHT_SUMMARY, ROUTE_SLOW, trigger,     NULL },
    { HTTP_GET,  "/api/model/info",             RIGHT_READ,    0,          model_info,  NULL },
};

struct http_routes summarizer_routes(struct summarizer *s)
{
    return (struct http_routes){ routes, sizeof routes / sizeof *routes, s };
}
