/* routes.c - alerts, limits and pauses over REST. */
#include "alert-engine/engine.h"
#include "base/json.h"
#include "clinical/alert_json.h"
#include "ingest/json_reading.h"
#include "net/access.h"

#include <string.h>

enum { LIST_DEFAULT = 100, LIST_MAX = 1000, PAUSE_MINUTES_MAX = 30, ANSWER_ARENA = 64 << 20 };

static void put_alert(struct alert_service *service, struct json_writer *w, const struct alert *alert)
{
    struct patient_row row;
    char name[64];
    if (!registry_row(service->registry, alert->patient, &row))
        return;
    const char *by = alert->ack_by && service->username
                         ? service->username(service->username_context, alert->ack_by, name)
                         : NULL;
    struct alert_context context = { row.id, row.name, row.bed, by };
    alert_write_json(w, NULL, alert, &context);
}

static void put_list(struct alert_service *service, struct http_reply *reply, const struct alert *alerts, size_t count)
{
    struct json_writer w = json_write(reply->body);
    json_put_array(&w, NULL);
    for (size_t i = 0; i < count; i++)
        put_alert(service, &w, &alerts[i]);
    json_put_end(&w);
}

static bool find_patient(struct alert_service *service, const char *id, uint32_t *out, struct err *err)
{
    *out = id ? registry_find(service->registry, id) : 0;
    return *out || err_set(err, ERR_NOT_FOUND, "Patient %s not found", id ? id : "");
}

/* patient 0: everybody's. */
static void answer_stored(struct alert_service *service, struct http_request *request, struct http_reply *reply,
                          uint32_t patient, size_t limit)
{
    struct alert *alerts;
    struct err err = { 0 };
    struct arena arena;
    size_t count;
    struct alert_query query = { .patient = patient, .limit = limit };
    arena_init(&arena, ANSWER_ARENA);
    if (http_query_time(request, "from", 0, &query.from_us, &err) &&
        http_query_time(request, "to", 0, &query.to_us, &err) &&
        store_alerts(service->store, &arena, &query, &alerts, &count, &err))
        put_list(service, reply, alerts, count);
    else
        http_reply_error(reply, &err);
    arena_free(&arena);
}

static bool read_state(const struct http_request *request, bool *out_all, struct err *err)
{
    const char *state = http_query(request, "state");
    *out_all = str_equal(state, "all");
    return !state || *out_all || str_equal(state, "open") || err_set(err, ERR_INPUT, "state: open or all");
}

static void list_ward(void *context, struct http_request *request, struct http_reply *reply)
{
    struct alert_service *service = context;
    struct alert *alerts;
    struct err err = { 0 };
    int64_t limit;
    bool all;
    if (!http_query_int(request, "limit", 1, 10000, 10000, &limit, &err) || !read_state(request, &all, &err)) {
        http_reply_error(reply, &err);
        return;
    }
    if (all) {
        answer_stored(service, request, reply, 0, (size_t)limit);
        return;
    }
    engine_catch_up(service->engine);
    size_t count = engine_open_alerts(service->engine, 0, request->arena, &alerts);
    put_list(service, reply, alerts, count < (size_t)limit ? count : (size_t)limit);
}

static void list_patient_open(void *context, struct http_request *request, struct http_reply *reply)
{
    struct alert_service *service = context;
    struct alert *alerts;
    struct err err = { 0 };
    uint32_t patient;
    int64_t limit;
    if (!find_patient(service, http_parameter(request, "patient_id"), &patient, &err) ||
        !http_query_int(request, "limit", 1, LIST_MAX, LIST_DEFAULT, &limit, &err)) {
        http_reply_error(reply, &err);
        return;
    }
    engine_catch_up(service->engine);
    size_t count = engine_open_alerts(service->engine, patient, request->arena, &alerts);
    put_list(service, reply, alerts, count < (size_t)limit ? count : (size_t)limit);
}

static void list_stored(struct alert_service *service, struct http_request *request, struct http_reply *reply,
                        const char *count_name, int64_t fallback)
{
    struct err err = { 0 };
    uint32_t patient;
    int64_t limit;
    if (find_patient(service, http_parameter(request, "patient_id"), &patient, &err) &&
        http_query_int(request, count_name, 1, LIST_MAX, fallback, &limit, &err))
        answer_stored(service, request, reply, patient, (size_t)limit);
    else
        http_reply_error(reply, &err);
}

static void list_history(void *context, struct http_request *request, struct http_reply *reply)
{
    list_stored(context, request, reply, "limit", LIST_DEFAULT);
}

static void list_recent(void *context, struct http_request *request, struct http_reply *reply)
{
    list_stored(context, request, reply, "count", 5);
}

/* ---- commands ---- */

static struct audit_row audit_of(const struct alert_service *service, const struct http_request *request,
                                 const char *action, const char *object)
{
    struct audit_row audit = { .time_us = clock_now_us(service->clock), .detail = "" };
    (void)str_copy(audit.actor, sizeof audit.actor, request->identity.username);
    (void)str_copy(audit.action, sizeof audit.action, action);
    (void)str_copy(audit.object, sizeof audit.object, object);
    return audit;
}

static bool read_version(const struct http_request *request, uint32_t *out, struct err *err)
{
    struct json *root = NULL;
    int64_t version = 0;
    if (!request->body_size)
        return true;
    bool ok = json_parse_object(request->body, request->body_size, HTTP_JSON_BODY_MAX, &root, err) &&
              json_get_int(root, "version", JSON_NULLABLE, 1, UINT32_MAX, &version, err);
    json_free(root);
    *out = (uint32_t)version;
    return ok;
}

static bool is_known(struct alert_service *service, uint32_t patient, enum alert_type type, int64_t onset_ms)
{
    struct arena arena;
    struct alert *alerts;
    size_t count = 0;
    bool found = false;
    struct alert_query query = { .patient = patient, .from_us = onset_ms * US_PER_MS,
                                 .to_us = (onset_ms + 1) * US_PER_MS, .limit = 32 };
    arena_init(&arena, 1 << 20);
    if (store_alerts(service->store, &arena, &query, &alerts, &count, NULL))
        for (size_t i = 0; i < count; i++)
            found |= alerts[i].type == type;
    arena_free(&arena);
    return found;
}

static bool acknowledge(struct alert_service *service, const struct http_request *request, const char *id,
                        struct err *err)
{
    char patient_id[PATIENT_ID_SIZE];
    struct alert alert;
    uint32_t patient, version = 0;
    enum alert_type type;
    int64_t onset_ms;
    if (!alert_id_parse(id, patient_id, sizeof patient_id, &type, &onset_ms, err) ||
        !read_version(request, &version, err))
        return false;
    patient = registry_find(service->registry, patient_id);
    if (!patient || !engine_find(service->engine, patient, type, onset_ms, &alert))
        return patient && is_known(service, patient, type, onset_ms)
                   ? err_set(err, ERR_CONFLICT, "Alert %s is over and closed", id)
                   : err_set(err, ERR_NOT_FOUND, "Alert %s not found", id);
    if (version && version != alert.version)
        return err_set(err, ERR_CONFLICT, "Alert %s has changed since (it is at version %u now): look again", id,
                       alert.version);
    if (alert.ack_us)
        return true; /* a double click is one acknowledgement, and one audit row */
    struct audit_row audit = audit_of(service, request, "alert.acknowledge", id);
    struct stream_rows rows = { .audits = &audit, .audit_count = 1 };
    struct alarm_command command = {
        .kind = ALARM_ACKNOWLEDGE, .time_us = clock_now_us(service->clock), .type = type, .onset_us = alert.onset_us,
        .version = version, .user = (uint32_t)request->identity.user_id,
    };
    return engine_command(service->engine, patient, &command, &rows, err);
}

static void acknowledge_alert(void *context, struct http_request *request, struct http_reply *reply)
{
    struct err err = { 0 };
    const char *id = http_parameter(request, "alert_id");
    if (!acknowledge(context, request, id, &err)) {
        http_reply_error(reply, &err);
        return;
    }
    struct json_writer w = json_write(reply->body);
    json_put_object(&w, NULL);
    json_put_text(&w, "status", "acknowledged");
    json_put_text(&w, "alert_id", id);
    json_put_end(&w);
}

/* The body is a vitals object: what makes it a reading is put in front of what it holds itself. */
static bool read_vitals(const struct http_request *request, const char *id, int64_t now_us, struct json_reading *out,
                        struct err *err)
{
    struct json *root = NULL;
    struct json_reading_error error = { 0 };
    char time[TIME_TEXT_SIZE];
    struct buf text;
    if (!json_parse_object(request->body, request->body_size, HTTP_JSON_BODY_MAX, &root, err))
        return false;
    bool has_id = json_has(root, "patient_id"), has_time = json_has(root, "timestamp") || json_has(root, "@timestamp");
    const char *rest = memchr(request->body, '{', request->body_size);
    rest++;
    buf_init(&text, HTTP_JSON_BODY_MAX + 200);
    buf_add_char(&text, '{');
    if (!has_id)
        buf_printf(&text, "\"patient_id\":\"%s\"", id);
    if (!has_time)
        buf_printf(&text, "%s\"timestamp\":\"%s\"", has_id ? "" : ",", time_format(now_us, time));
    if (json_count(root) && (!has_id || !has_time))
        buf_add_char(&text, ',');
    buf_add(&text, rest, (size_t)(request->body + request->body_size - rest));
    bool ok = json_reading_parse(text.data, text.length, now_us, out, &error) ||
              err_set(err, ERR_INPUT, "%s", error.detail);
    if (ok && strcmp(out->patient_id, id) != 0)
        ok = err_set(err, ERR_INPUT, "patient_id: %s in the body, %s in the path", out->patient_id, id);
    buf_free(&text);
    json_free(root);
    return ok;
}

static bool analyze_checked(struct alert_service *service, const struct http_request *request, uint32_t *out_patient,
                            struct json_reading *out, struct err *err)
{
    const char *id = http_query(request, "patient_id");
    if (!id || !id[0])
        return err_set(err, ERR_INPUT, "patient_id: is missing: POST /api/analyze?patient_id=P001");
    return find_patient(service, id, out_patient, err) &&
           read_vitals(request, id, clock_now_us(service->clock), out, err);
}

static void analyze(void *context, struct http_request *request, struct http_reply *reply)
{
    struct alert_service *service = context;
    struct err err = { 0 };
    struct json_reading parsed;
    struct alert alerts[ALERT_TYPE_COUNT];
    uint32_t patient;
    if (!analyze_checked(service, request, &patient, &parsed, &err)) {
        http_reply_error(reply, &err);
        return;
    }
    struct json_writer w = json_write(reply->body);
    json_put_object(&w, NULL);
    json_put_array(&w, "alerts");
    for (size_t r = 0; r < parsed.reading_count; r++) {
        parsed.readings[r].patient = patient;
        reading_mark_implausible(&parsed.readings[r]);
        size_t count = engine_analyze(service->engine, patient, &parsed.readings[r], alerts);
        for (size_t i = 0; i < count; i++)
            put_alert(service, &w, &alerts[i]);
    }
    json_put_end(&w);
    json_put_end(&w);
}

/* ---- limits ---- */

static void get_default_limits(void *context, struct http_request *request, struct http_reply *reply)
{
    (void)context;
    (void)request;
    limits_write_json(reply->body, &alarm_limits_default);
}

static void get_limits(void *context, struct http_request *request, struct http_reply *reply)
{
    struct alert_service *service = context;
    struct err err = { 0 };
    struct alarm_limits limits;
    uint32_t patient;
    if (!find_patient(service, http_parameter(request, "id"), &patient, &err)) {
        http_reply_error(reply, &err);
        return;
    }
    engine_limits(service->engine, patient, &limits);
    limits_write_json(reply->body, &limits);
}

static bool put_limits_checked(struct alert_service *service, const struct http_request *request,
                               struct alarm_limits *limits, struct err *err)
{
    uint32_t patient;
    const char *id = http_parameter(request, "id");
    if (!find_patient(service, id, &patient, err))
        return false;
    engine_limits(service->engine, patient, limits);
    if (!limits_read_json(request->body, request->body_size, limits, err))
        return false;
    struct buf detail;
    buf_init(&detail, 8192);
    limits_write_json(&detail, limits);
    struct audit_row audit = audit_of(service, request, "limits.change", id);
    audit.detail = detail.data;
    struct limits_row row = { patient, *limits };
    struct stream_rows rows = { .limits = &row, .limits_count = 1, .audits = &audit, .audit_count = 1 };
    struct alarm_command command = { .kind = ALARM_LIMITS, .time_us = clock_now_us(service->clock),
                                     .user = (uint32_t)request->identity.user_id, .limits = *limits };
    bool ok = engine_command(service->engine, patient, &command, &rows, err);
    buf_free(&detail);
    return ok;
}

static void put_limits(void *context, struct http_request *request, struct http_reply *reply)
{
    struct err err = { 0 };
    struct alarm_limits limits;
    if (put_limits_checked(context, request, &limits, &err))
        limits_write_json(reply->body, &limits);
    else
        http_reply_error(reply, &err);
}

/* ---- pause, resume, discharge ---- */

static bool simple_command(struct alert_service *service, const struct http_request *request, const char *action,
                           struct alarm_command *command, const char *detail, struct err *err)
{
    uint32_t patient;
    const char *id = http_parameter(request, "id");
    if (!find_patient(service, id, &patient, err))
        return false;
    struct audit_row audit = audit_of(service, request, action, id);
    audit.detail = detail;
    struct stream_rows rows = { .audits = &audit, .audit_count = 1 };
    struct patient_row row;
    if (command->kind == ALARM_DISCHARGE && registry_row(service->registry, patient, &row)) {
        row.discharged = true;
        rows.patients = &row;
        rows.patient_count = 1;
    }
    command->time_us = clock_now_us(service->clock);
    command->user = (uint32_t)request->identity.user_id;
    if (!engine_command(service->engine, patient, command, &rows, err))
        return false;
    if (rows.patient_count)
        registry_update(service->registry, &row);
    return true;
}

static void answer_status(struct http_reply *reply, const char *status, int64_t until_us)
{
    struct json_writer w = json_write(reply->body);
    json_put_object(&w, NULL);
    json_put_text(&w, "status", status);
    if (until_us)
        json_put_time(&w, "until", until_us);
    json_put_end(&w);
}

static void pause_alarms(void *context, struct http_request *request, struct http_reply *reply)
{
    struct alert_service *service = context;
    struct err err = { 0 };
    struct json *root = NULL;
    const char *reason = "";
    int64_t minutes = 0;
    /* There is no pause without an end: incidents 7 and 8 of docs/trust.md. */
    bool ok = json_parse_object(request->body, request->body_size, HTTP_JSON_BODY_MAX, &root, &err) &&
              json_get_int(root, "minutes", JSON_REQUIRED, 1, PAUSE_MINUTES_MAX, &minutes, &err) &&
              json_get_text(root, "reason", JSON_NULLABLE, 0, 200, &reason, &err);
    struct alarm_command command = { .kind = ALARM_PAUSE,
                                     .until_us = clock_now_us(service->clock) + minutes * US_PER_MIN };
    struct buf detail;
    buf_init(&detail, 2048);
    struct json_writer w = json_write(&detail);
    json_put_object(&w, NULL);
    json_put_int(&w, "minutes", minutes);
    json_put_text(&w, "reason", reason);
    json_put_end(&w);
    ok = ok && simple_command(service, request, "alarms.pause", &command, detail.data, &err);
    json_free(root);
    buf_free(&detail);
    if (ok)
        answer_status(reply, "paused", command.until_us);
    else
        http_reply_error(reply, &err);
}

static void run_simple(struct alert_service *service, struct http_request *request, struct http_reply *reply,
                       enum alarm_command_kind kind, const char *action, const char *status)
{
    struct err err = { 0 };
    struct alarm_command command = { .kind = kind };
    if (simple_command(service, request, action, &command, "", &err))
        answer_status(reply, status, 0);
    else
        http_reply_error(reply, &err);
}

static void resume_alarms(void *context, struct http_request *request, struct http_reply *reply)
{
    run_simple(context, request, reply, ALARM_RESUME, "alarms.resume", "resumed");
}

static void discharge_patient(void *context, struct http_request *request, struct http_reply *reply)
{
    run_simple(context, request, reply, ALARM_DISCHARGE, "patient.discharge", "discharged");
}

static const struct http_route routes[] = {
    /* clang-format off */
    { HTTP_GET,  "/api/alerts",                        RIGHT_READ,          ROUTE_SLOW,   list_ward,          NULL },
    { HTTP_GET,  "/api/alerts/{patient_id}",           RIGHT_READ,          ROUTE_SLOW,   list_patient_open,  NULL },
    { HTTP_GET,  "/api/alerts/{patient_id}/history",   RIGHT_READ,          ROUTE_SLOW,   list_history,       NULL },
    { HTTP_GET,  "/api/alerts/{patient_id}/recent",    RIGHT_READ,          ROUTE_SLOW,   list_recent,        NULL },
    { HTTP_POST, "/api/alerts/{alert_id}/acknowledge", RIGHT_ALARM_RESPOND, ROUTE_WRITES, acknowledge_alert,  NULL },
    { HTTP_POST, "/api/analyze",                       RIGHT_READ,          ROUTE_SLOW,   analyze,            NULL },
    { HTTP_GET,  "/api/limits/defaults",               RIGHT_READ,          0,            get_default_limits, NULL },
    { HTTP_GET,  "/api/patients/{id}/limits",          RIGHT_READ,          0,            get_limits,         NULL },
    { HTTP_PUT,  "/api/patients/{id}/limits",          RIGHT_LIMITS,        ROUTE_WRITES, put_limits,         NULL },
    { HTTP_POST, "/api/patients/{id}/pause",           RIGHT_ALARM_RESPOND, ROUTE_WRITES, pause_alarms,       NULL },
    { HTTP_POST, "/api/patients/{id}/resume",          RIGHT_ALARM_RESPOND, ROUTE_WRITES, resume_alarms,      NULL },
    { HTTP_POST, "/api/patients/{id}/discharge",       RIGHT_LIMITS,        ROUTE_WRITES, discharge_patient,  NULL },
    /* clang-format on */
};

struct http_routes alert_routes(struct alert_service *service)
{
    return (struct http_routes){ routes, sizeof routes / sizeof *routes, service };
}

bool alert_start(struct alert_service *service, struct err *err)
{
    return engine_open(service, &service->engine, err);
}

void alert_stop(struct alert_service *service)
{
    engine_close(service->engine);
    service->engine = NULL;
}
