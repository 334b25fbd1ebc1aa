/* ingest.c - POST /api/ingest/vitals: a body of readings in, an answer when they are on disk. */
#include "base/metric.h"
#include "ingest/ndjson.h"
#include "vitals-generator/vitals.h"

#include <string.h>

static struct metric accepted_total = METRIC_COUNTER("wardscribe_readings_accepted_total",
                                                     "Readings accepted over HTTP.");
static struct metric rejected_total = METRIC_COUNTER("wardscribe_readings_rejected_total", "Lines refused over HTTP.");
static struct metric durable_time = METRIC_HISTOGRAM("wardscribe_ingest_durable_seconds",
                                                     "From request to readings on disk.");

/* One request's harvest.  Lives in the request's arena until the answer is sent. */
struct harvest {
    struct vitals *vitals;
    struct http_request *request;
    struct ingest_answer answer;
    struct reading *readings;
    uint32_t count, capacity;
    struct patient_row *patients;
    uint32_t patient_count, patient_capacity;
    struct source_row *sources;
    uint32_t source_count, source_capacity;
    uint32_t last_new_patient;
    int64_t now_us;
    const char *default_source;
};

/* Grows by doubling inside the arena, which is freed as a whole. */
static void *grown(struct arena *arena, void *old, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity)
        return old;
    *capacity = *capacity ? *capacity * 2 : 64;
    void *bigger = arena_alloc(arena, *capacity * size);
    if (count)
        memcpy(bigger, old, count * size);
    return bigger;
}

static bool add_patient(struct harvest *h, const char *id, uint32_t *out_number, struct json_reading_error *error)
{
    struct err err = { 0 };
    bool unsaved;
    struct registry *registry = h->vitals->registry;
    if (!h->vitals->config->ingest.admit && !registry_is_admitted(registry, id))
        return json_reading_fail(error, "patient_id", "patient_id: %s is not admitted (ingest.admit is false)", id);
    if (!registry_admit(registry, id, h->now_us, out_number, &unsaved, &err))
        return json_reading_fail(error, "patient_id", "%s", err.text);
    if (!unsaved || *out_number == h->last_new_patient)
        return true;
    h->patients = grown(h->request->arena, h->patients, h->patient_count, &h->patient_capacity, sizeof *h->patients);
    h->last_new_patient = *out_number;
    return registry_row(registry, *out_number, &h->patients[h->patient_count++]);
}

static bool add_source(struct harvest *h, const char *name, uint16_t *out_number, struct json_reading_error *error)
{
    struct err err = { 0 };
    bool unsaved;
    if (!registry_source(h->vitals->registry, name[0] ? name : h->default_source, out_number, &unsaved, &err))
        return json_reading_fail(error, "source", "%s", err.text);
    if (!unsaved || (h->source_count && h->sources[h->source_count - 1].number == *out_number))
        return true;
    h->sources = grown(h->request->arena, h->sources, h->source_count, &h->source_capacity, sizeof *h->sources);
    struct source_row *row = &h->sources[h->source_count++];
    row->number = *out_number;
    (void)str_copy(row->name, sizeof row->name, registry_source_name(h->vitals->registry, *out_number));
    return true;
}

static bool take_line(void *context, size_t line, const struct json_reading *parsed, struct json_reading_error *error)
{
    struct harvest *h = context;
    uint32_t patient;
    uint16_t source;
    (void)line;
    if (!add_patient(h, parsed->patient_id, &patient, error) || !add_source(h, parsed->source, &source, error))
        return false;
    for (size_t i = 0; i < parsed->reading_count; i++) {
        h->readings = grown(h->request->arena, h->readings, h->count, &h->capacity, sizeof *h->readings);
        struct reading *reading = &h->readings[h->count++];
        *reading = parsed->readings[i];
        reading->patient = patient;
        reading->source = source;
        int64_t off_us = h->now_us - reading->time_us;
        if (off_us < READING_LIVE_US && off_us > -READING_LIVE_US)
            reading->flags |= READING_LIVE;
        reading_mark_implausible(reading);
    }
    return true;
}

static void write_answer(struct harvest *h, struct http_reply *reply)
{
    reply->status = ingest_answer_status(&h->answer);
    ingest_answer_write(&h->answer, reply->body);
    metric_add(&accepted_total, h->count);
    metric_add(&rejected_total, h->answer.rejected);
    ingest_answer_free(&h->answer);
}

static void fail_answer(struct harvest *h, struct http_reply *reply, const struct err *err)
{
    http_reply_error(reply, err);
    ingest_answer_free(&h->answer);
}

static void mark_saved(struct harvest *h)
{
    for (uint32_t i = 0; i < h->patient_count; i++)
        registry_saved(h->vitals->registry, h->patients[i].number);
    for (uint32_t i = 0; i < h->source_count; i++)
        registry_source_saved(h->vitals->registry, h->sources[i].number);
}

/* On the store's writer thread: durable, or not. */
static void on_durable(void *context, bool ok, const struct err *err)
{
    struct harvest *h = context;
    struct http_request *request = h->request;
    struct http_reply *reply = http_deferred_reply(request);
    metric_observe_us(&durable_time, clock_monotonic_us(h->vitals->clock) - request->received_us);
    if (ok) {
        mark_saved(h);
        write_answer(h, reply);
    } else {
        fail_answer(h, reply, err);
    }
    http_finish(request);
}

void vitals_ingest(void *context, struct http_request *request, struct http_reply *reply)
{
    struct vitals *vitals = context;
    struct err err = { 0 };
    struct harvest *h = arena_alloc(request->arena, sizeof *h);
    *h = (struct harvest){ .vitals = vitals, .request = request, .now_us = clock_now_us(vitals->clock),
                           .default_source = "http" };
    ingest_answer_init(&h->answer);
    if (!ndjson_parse(request->body, request->body_size, h->now_us, take_line, h, &h->answer, &err)) {
        fail_answer(h, reply, &err);
        return;
    }
    if (!h->count) {
        write_answer(h, reply);
        return;
    }
    struct stream_rows rows = { .patients = h->patients, .patient_count = h->patient_count,
                                .sources = h->sources, .source_count = h->source_count };
    http_defer(request);
    if (!stream_publish_readings(vitals->stream, h->readings, h->count, &rows, on_durable, h, &err)) {
        fail_answer(h, http_deferred_reply(request), &err);
        http_finish(request);
    }
}
