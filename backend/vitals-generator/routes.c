/* routes.c - patients and their vitals over REST. */
#include "base/log.h"
#include "net/access.h"
#include "vitals-generator/vitals.h"

#include <string.h>

enum { LIST_MAX = 5000, HISTORY_POINTS = 600, HISTORY_POINTS_MAX = 2000, RAW_MAX = 10000 };
enum { ANSWER_ARENA = 64 << 20 };

bool vitals_find(struct vitals *vitals, const struct http_request *request, uint32_t *out, struct err *err)
{
    const char *id = http_parameter(request, "id");
    *out = registry_find(vitals->registry, id);
    return *out || err_set(err, ERR_NOT_FOUND, "Patient %s not found", id);
}

static void list_patients(void *context, struct http_request *request, struct http_reply *reply)
{
    struct vitals *vitals = context;
    struct err err = { 0 };
    int64_t offset, limit;
    if (!http_query_int(request, "offset", 0, PATIENT_COUNT_MAX, 0, &offset, &err) ||
        !http_query_int(request, "limit", 1, LIST_MAX, LIST_MAX, &limit, &err)) {
        http_reply_error(reply, &err);
        return;
    }
    struct json_writer w = json_write(reply->body);
    json_put_array(&w, NULL);
    (void)ward_write_all(vitals->ward, (size_t)offset, (size_t)limit, &w);
    json_put_end(&w);
}

static void get_patient(void *context, struct http_request *request, struct http_reply *reply)
{
    struct vitals *vitals = context;
    struct err err = { 0 };
    uint32_t number;
    if (!vitals_find(vitals, request, &number, &err)) {
        http_reply_error(reply, &err);
        return;
    }
    struct json_writer w = json_write(reply->body);
    (void)ward_write_patient(vitals->ward, number, &w, NULL);
}

static void get_vitals(void *context, struct http_request *request, struct http_reply *reply)
{
    struct vitals *vitals = context;
    struct err err = { 0 };
    uint32_t number;
    if (vitals_find(vitals, request, &number, &err))
        (void)ward_write_vitals(vitals->ward, number, reply->body);
    else
        http_reply_error(reply, &err);
}

/* ---- history ---- */

static void put_points(struct json_writer *w, const struct history *history, int vital)
{
    json_put_array(w, vital_infos[vital].json_name);
    for (size_t i = 0; i < history->count[vital]; i++) {
        const struct history_point *point = &history->points[vital][i];
        json_put_object(w, NULL);
        json_put_time(w, "timestamp", point->time_us);
        json_put_decimal(w, "value", point->mean_milli, 3);
        if (history->bucket_us) {
            json_put_decimal(w, "min", point->min_milli, 3);
            json_put_decimal(w, "max", point->max_milli, 3);
            json_put_int(w, "count", point->count);
        }
        json_put_end(w);
    }
    json_put_end(w);
}

static bool answer_history(struct vitals *vitals, struct arena *arena, uint32_t number, int64_t from_us, int64_t to_us,
                           size_t points, struct buf *out, struct err *err)
{
    struct history history = { 0 };
    if (!store_history(vitals->store, arena, number, from_us, to_us, points, &history, err))
        return false;
    struct json_writer w = json_write(out);
    json_put_object(&w, NULL);
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        put_points(&w, &history, vital);
    json_put_int(&w, "bucket_s", history.bucket_us / US_PER_S);
    json_put_object(&w, "implausible");
    json_put_int(&w, "count", (int64_t)history.implausible_count);
    json_put_end(&w);
    json_put_end(&w);
    return true;
}

static void put_raw(struct json_writer *w, const struct vitals *vitals, const struct reading *reading)
{
    json_put_object(w, NULL);
    json_put_time(w, "timestamp", reading->time_us);
    json_put_text(w, "source", registry_source_name(vitals->registry, reading->source));
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        vital_put_json(w, vital_infos[vital].json_name, reading->value_milli[vital]);
    if (reading->flags & READING_SIMULATED)
        json_put_bool(w, "simulated", true);
    json_put_object(w, "implausible");
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        if (reading->implausible >> vital & 1)
            json_put_text(w, vital_infos[vital].json_name,
                          implausible_reason_name(reading_vital_plausible(reading, (enum vital)vital)));
    json_put_end(w);
    json_put_end(w);
}

static bool answer_raw(struct vitals *vitals, struct arena *arena, uint32_t number, int64_t from_us, int64_t to_us,
                       size_t limit, struct buf *out, struct err *err)
{
    struct reading *readings;
    size_t count;
    if (!store_readings(vitals->store, arena, number, from_us, to_us, limit, &readings, &count, err))
        return false;
    struct json_writer w = json_write(out);
    json_put_object(&w, NULL);
    json_put_array(&w, "readings");
    for (size_t i = 0; i < count; i++)
        put_raw(&w, vitals, &readings[i]);
    json_put_end(&w);
    json_put_end(&w);
    return true;
}

/* The range: `from` and `to`, or the last `hours` (of the patient's own time when it lives in a replay). */
static bool history_range(struct vitals *vitals, const struct http_request *request, int64_t *from_us, int64_t *to_us,
                          struct err *err)
{
    int64_t hours, now_us = clock_now_us(vitals->clock) + US_PER_S;
    if (!http_query_int(request, "hours", 1, 24, 1, &hours, err) ||
        !http_query_time(request, "to", now_us, to_us, err) ||
        !http_query_time(request, "from", *to_us - hours * US_PER_HOUR, from_us, err))
        return false;
    return *from_us < *to_us || err_set(err, ERR_INPUT, "from: must be before to");
}

static void get_history(void *context, struct http_request *request, struct http_reply *reply)
{
    struct vitals *vitals = context;
    struct err err = { 0 };
    struct arena arena;
    uint32_t number;
    int64_t from_us, to_us, points, limit;
    const char *raw = http_query(request, "raw");
    arena_init(&arena, ANSWER_ARENA);
    bool ok = vitals_find(vitals, request, &number, &err) && history_range(vitals, request, &from_us, &to_us, &err) &&
              http_query_int(request, "points", 1, HISTORY_POINTS_MAX, HISTORY_POINTS, &points, &err) &&
              http_query_int(request, "limit", 1, RAW_MAX, 1000, &limit, &err);
    if (ok && raw && strcmp(raw, "true") == 0)
        ok = answer_raw(vitals, &arena, number, from_us, to_us, (size_t)limit, reply->body, &err);
    else if (ok)
        ok = answer_history(vitals, &arena, number, from_us, to_us, (size_t)points, reply->body, &err);
    arena_free(&arena);
    if (!ok)
        http_reply_error(reply, &err);
}

/* ---- admit and edit ---- */

static bool take_text(const struct json *root, const char *key, char *to, size_t size, struct err *err)
{
    const char *text = NULL;
    if (!json_get_text(root, key, JSON_NULLABLE, 0, size - 1, &text, err))
        return false;
    if (text)
        (void)str_copy(to, size, text);
    return true;
}

static bool take_person(const struct json *root, struct patient_row *row, struct err *err)
{
    static const char *const known[] = { "id", "name", "bedNumber", "age", "gender", "diagnosis", "attendingPhysician",
                                         NULL };
    int64_t age = row->age;
    if (!json_only(root, known, err) || !take_text(root, "name", row->name, sizeof row->name, err) ||
        !take_text(root, "bedNumber", row->bed, sizeof row->bed, err) ||
        !take_text(root, "gender", row->gender, sizeof row->gender, err) ||
        !take_text(root, "diagnosis", row->diagnosis, sizeof row->diagnosis, err) ||
        !take_text(root, "attendingPhysician", row->physician, sizeof row->physician, err) ||
        !json_get_int(root, "age", JSON_NULLABLE, 0, 130, &age, err))
        return false;
    row->age = (int16_t)age;
    return true;
}

static bool save_person(struct vitals *vitals, const struct http_request *request, const struct patient_row *row,
                        const char *action, struct err *err)
{
    struct audit_row audit = { .time_us = clock_now_us(vitals->clock), .detail = "" };
    (void)str_copy(audit.actor, sizeof audit.actor, request->identity.username);
    (void)str_copy(audit.action, sizeof audit.action, action);
    (void)str_copy(audit.object, sizeof audit.object, row->id);
    struct store_write write = { .patients = row, .patient_count = 1, .audits = &audit, .audit_count = 1 };
    if (!store_write_sync(vitals->store, &write, err))
        return false;
    registry_update(vitals->registry, row);
    registry_saved(vitals->registry, row->number);
    ward_touch(vitals->ward, row->number);
    live_wake(vitals->server);
    return true;
}

static void edit_patient(void *context, struct http_request *request, struct http_reply *reply)
{
    struct vitals *vitals = context;
    struct err err = { 0 };
    struct json *root = NULL;
    struct patient_row row;
    uint32_t number;
    bool ok = vitals_find(vitals, request, &number, &err) && registry_row(vitals->registry, number, &row) &&
              json_parse_object(request->body, request->body_size, HTTP_JSON_BODY_MAX, &root, &err) &&
              take_person(root, &row, &err) && save_person(vitals, request, &row, "patient.edit", &err);
    json_free(root);
    if (!ok) {
        http_reply_error(reply, &err);
        return;
    }
    struct json_writer w = json_write(reply->body);
    (void)ward_write_patient(vitals->ward, number, &w, NULL);
}

static void admit_patient(void *context, struct http_request *request, struct http_reply *reply)
{
    struct vitals *vitals = context;
    struct err err = { 0 };
    struct json *root = NULL;
    struct patient_row row;
    const char *id = NULL;
    uint32_t number = 0;
    bool unsaved;
    bool ok = json_parse_object(request->body, request->body_size, HTTP_JSON_BODY_MAX, &root, &err) &&
              json_get_text(root, "id", JSON_REQUIRED, 1, PATIENT_ID_SIZE - 1, &id, &err);
    ok = ok && take_person(root, &(struct patient_row){ 0 }, &err) && /* nobody is admitted by a wrong request */
         registry_admit(vitals->registry, id, clock_now_us(vitals->clock), &number, &unsaved, &err);
    if (ok && !unsaved)
        ok = err_set(&err, ERR_CONFLICT, "Patient %s is admitted already", id);
    ok = ok && registry_row(vitals->registry, number, &row) && take_person(root, &row, &err) &&
         save_person(vitals, request, &row, "patient.admit", &err);
    json_free(root);
    if (!ok) {
        http_reply_error(reply, &err);
        return;
    }
    reply->status = 201;
    struct json_writer w = json_write(reply->body);
    (void)ward_write_patient(vitals->ward, number, &w, NULL);
}

static const struct http_route routes[] = {
    /* clang-format off */
    { HTTP_GET,   "/api/patients",                       RIGHT_READ,         ROUTE_SLOW,     list_patients, NULL },
    { HTTP_POST,  "/api/patients",                       RIGHT_PATIENT_EDIT, ROUTE_WRITES,   admit_patient, NULL },
    { HTTP_GET,   "/api/patients/{id}",                  RIGHT_READ,         0,              get_patient,   NULL },
    { HTTP_PATCH, "/api/patients/{id}",                  RIGHT_PATIENT_EDIT, ROUTE_WRITES,   edit_patient,  NULL },
    { HTTP_GET,   "/api/patients/{id}/vitals",           RIGHT_READ,         0,              get_vitals,    NULL },
    { HTTP_GET,   "/api/patients/{id}/vitals/history",   RIGHT_READ,         ROUTE_SLOW,     get_history,   NULL },
    { HTTP_POST,  "/api/ingest/vitals",                  RIGHT_INGEST,       ROUTE_BIG_BODY, vitals_ingest, NULL },
    { HTTP_GET,   "/ws/vitals/{id}",                     RIGHT_READ,         ROUTE_WS,       NULL, &vitals_patient_socket },
    { HTTP_GET,   "/ws/ward",                            RIGHT_READ,         ROUTE_WS,       NULL, &vitals_ward_socket },
    /* clang-format on */
};

struct http_routes vitals_routes(struct vitals *vitals)
{
    return (struct http_routes){ routes, sizeof routes / sizeof *routes, vitals };
}
