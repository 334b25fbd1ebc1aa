#include "learn/window_json.h"

#include "base/clock.h"
#include "base/json.h"
#include "clinical/writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- readings ---- */

static bool take_vital(const struct json *object, const char *name, enum vital vital, struct reading *out,
                       struct err *err)
{
    int64_t milli = VITAL_ABSENT;
    if (!json_get_scaled(object, name, JSON_NULLABLE, 3, 0, vital_infos[vital].accept_max_milli, &milli, err))
        return false;
    if (milli != VITAL_ABSENT)
        out->value_milli[vital] = (int32_t)milli;
    return true;
}

static bool take_vitals(const struct json *item, struct reading *out, struct err *err)
{
    const struct json *pressure = NULL;
    for (int vital = 0; vital < VITAL_COUNT; vital++) {
        out->value_milli[vital] = VITAL_ABSENT;
        if (!take_vital(item, vital_infos[vital].json_name, (enum vital)vital, out, err) ||
            (strcmp(vital_infos[vital].json_name, vital_infos[vital].document_name) != 0 &&
             !take_vital(item, vital_infos[vital].document_name, (enum vital)vital, out, err)))
            return false;
    }
    if (!json_get_object(item, "bloodPressure", JSON_NULLABLE, &pressure, err))
        return false;
    if (!pressure)
        return true;
    return (take_vital(pressure, "systolic", VITAL_SYSTOLIC, out, err) &&
            take_vital(pressure, "diastolic", VITAL_DIASTOLIC, out, err)) ||
           err_context(err, "bloodPressure");
}

struct sources {
    const char *names[256];
    size_t count;
};

static bool take_source(const struct json *item, struct arena *arena, struct sources *sources, struct reading *out,
                        struct err *err)
{
    const char *name = "file";
    if (!json_get_text(item, "source", JSON_NULLABLE, 1, SOURCE_SIZE - 1, &name, err))
        return false;
    for (size_t i = 0; i < sources->count; i++)
        if (strcmp(sources->names[i], name) == 0) {
            out->source = (uint16_t)i;
            return true;
        }
    if (sources->count == sizeof sources->names / sizeof *sources->names)
        return err_set(err, ERR_TOO_LARGE, "source: more than 256 different ones");
    out->source = (uint16_t)sources->count;
    sources->names[sources->count++] = arena_copy(arena, name, strlen(name));
    return true;
}

static bool take_reading(const struct json *item, struct arena *arena, struct sources *sources, struct reading *out,
                         struct err *err)
{
    if (json_kind_of(item) != JSON_IS_OBJECT)
        return err_set(err, ERR_INPUT, "must be an object");
    out->patient = 1;
    if (!json_get_time(item, json_has(item, "@timestamp") ? "@timestamp" : "timestamp", JSON_REQUIRED, &out->time_us,
                       err) ||
        !take_vitals(item, out, err) || !take_source(item, arena, sources, out, err))
        return false;
    reading_mark_implausible(out);
    return true;
}

static int by_time(const void *a, const void *b)
{
    const struct reading *x = a, *y = b;
    return x->time_us < y->time_us ? -1 : x->time_us > y->time_us ? 1 : (int)x->source - (int)y->source;
}

static bool take_list(const struct json *list, const char *key, struct arena *arena, struct sources *sources,
                      struct window *out, struct err *err)
{
    size_t count = json_count(list);
    struct reading *readings = arena_alloc(arena, (count + 1) * sizeof *readings);
    for (size_t i = 0; i < count; i++) {
        const struct json *item = json_item(list, i);
        if ((key && !json_get_object(item, key, JSON_REQUIRED, &item, err)) ||
            !take_reading(item, arena, sources, &readings[i], err))
            return err_context(err, "readings[%zu]", i);
    }
    qsort(readings, count, sizeof *readings, by_time);
    out->readings = readings;
    out->reading_count = count;
    return true;
}

bool window_json_readings(const struct json *array, const char *key, struct arena *arena, struct window *out,
                          struct err *err)
{
    struct sources sources = { .count = 0 };
    return take_list(array, key, arena, &sources, out, err);
}

static bool take_readings(const struct json *root, struct arena *arena, struct window_document *out, struct err *err)
{
    const struct json *list = NULL;
    struct sources *sources = arena_alloc(arena, sizeof *sources);
    out->sources = sources->names;
    return json_get_array(root, "readings", JSON_REQUIRED, WINDOW_JSON_READINGS_MAX, &list, err) &&
           take_list(list, NULL, arena, sources, &out->window, err);
}

/* ---- alerts ---- */

static int vital_named(const char *name)
{
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        if (str_equal(name, vital_infos[vital].json_name) || str_equal(name, vital_infos[vital].document_name))
            return vital;
    return -1;
}

static bool take_lost(const struct json *item, struct alert *out, struct err *err)
{
    const struct json *lost = NULL;
    if (!json_get_array(item, "lost", JSON_NULLABLE, VITAL_COUNT, &lost, err))
        return false;
    for (size_t i = 0; lost && i < json_count(lost); i++) {
        int vital = vital_named(json_text_of(json_item(lost, i)));
        if (vital < 0)
            return err_set(err, ERR_INPUT, "lost[%zu]: no such vital", i);
        out->lost |= (uint8_t)(1u << vital);
    }
    return true;
}

static bool take_times(const struct json *item, struct alert *out, struct err *err)
{
    bool acknowledged = false;
    if (!json_get_time(item, json_has(item, "onset") ? "onset" : "timestamp", JSON_REQUIRED, &out->onset_us, err) ||
        !json_get_time(item, "end", JSON_NULLABLE, &out->end_us, err) ||
            !json_get_time(item, "peak_at", JSON_NULLABLE, &out->peak_us, err) ||
        !json_get_time(item, "acknowledged_at", JSON_NULLABLE, &out->ack_us, err) ||
        !json_get_bool(item, "acknowledged", JSON_NULLABLE, &acknowledged, err))
        return false;
    if (acknowledged && !out->ack_us)
        out->ack_us = out->onset_us;
    out->raised_us = out->onset_us;
    return true;
}

static bool take_peak(const struct json *item, struct alert *out, struct err *err)
{
    int64_t value = VITAL_ABSENT, peak = VITAL_ABSENT;
    if (!json_get_scaled(item, "vital_value", JSON_NULLABLE, 3, 0, 400000, &value, err) ||
        !json_get_scaled(item, "peak_value", JSON_NULLABLE, 3, 0, 400000, &peak, err))
        return false;
    if (peak == VITAL_ABSENT) {
        peak = value;
        out->peak_us = value == VITAL_ABSENT ? 0 : out->onset_us;
    }
    out->value_milli = (int32_t)value;
    out->peak_milli = (int32_t)peak;
    return true;
}

static bool take_alert(const struct json *item, struct alert *out, struct err *err)
{
    static const char *const severities[] = { "normal", "info", "warning", "critical", NULL };
    static const char *const states[] = { "none", "active", "latched", "closed", NULL };
    const char *types[ALERT_TYPE_COUNT + 1] = { 0 };
    int type = 0, severity = SEVERITY_WARNING, state = -1;
    for (int i = 0; i < ALERT_TYPE_COUNT; i++)
        types[i] = alert_type_name((enum alert_type)i);
    if (json_kind_of(item) != JSON_IS_OBJECT)
        return err_set(err, ERR_INPUT, "must be an object");
    if (!json_get_choice(item, "type", JSON_REQUIRED, types, &type, err) ||
        !json_get_choice(item, "severity", JSON_REQUIRED, severities, &severity, err) ||
        !json_get_choice(item, "state", JSON_NULLABLE, states, &state, err) || !take_times(item, out, err) ||
            !take_peak(item, out, err) ||
        !take_lost(item, out, err))
        return false;
    out->patient = 1;
    out->type = (uint8_t)type;
    out->severity = (uint8_t)severity;
    out->state = (uint8_t)(state > 0 ? state : out->end_us ? ALERT_CLOSED : ALERT_ACTIVE);
    out->other_milli = out->threshold_milli = VITAL_ABSENT;
    return true;
}

bool window_json_alerts(const struct json *root, struct arena *arena, struct window *out, struct err *err)
{
    const struct json *list = NULL;
    if (!json_get_array(root, "alerts", JSON_NULLABLE, WINDOW_ALERTS_MAX, &list, err))
        return false;
    size_t count = list ? json_count(list) : 0;
    struct alert *alerts = arena_alloc(arena, (count + 1) * sizeof *alerts);
    for (size_t i = 0; i < count; i++)
        if (!take_alert(json_item(list, i), &alerts[i], err))
            return err_context(err, "alerts[%zu]", i);
    out->alerts = alerts;
    out->alert_count = count;
    return true;
}

/* ---- the document ---- */

static bool take_window(const struct json *root, struct arena *arena, struct window_document *out, struct err *err)
{
    const char *id = "";
    struct window *window = &out->window;
    if (!json_get_text(root, "patient_id", JSON_NULLABLE, 0, PATIENT_ID_SIZE - 1, &id, err) ||
        !take_readings(root, arena, out, err) ||
        !window_json_alerts(root, arena, window, err))
        return false;
    (void)str_copy(out->patient_id, sizeof out->patient_id, id);
    window->patient = 1;
    if (window->reading_count) {
        window->from_us = window->readings[0].time_us;
        window->to_us = window->readings[window->reading_count - 1].time_us + 1;
    }
    return json_get_time(root, "window_start", JSON_NULLABLE, &window->from_us, err) &&
        json_get_time(root, "window_end", JSON_NULLABLE, &window->to_us, err);
}

bool window_json_parse(const char *text, size_t length, struct arena *arena, struct window_document *out,
                       struct err *err)
{
    struct json *root = NULL;
    bool ok = json_parse_object(text, length, WINDOW_JSON_SIZE_MAX, &root, err) &&
        window_json_take(root, arena, out, err);
    json_free(root);
    return ok;
}

bool window_json_take(const struct json *object, struct arena *arena, struct window_document *out, struct err *err)
{
    *out = (struct window_document){ 0 };
    return take_window(object, arena, out, err);
}

/* ---- writing ---- */

static void put_milli(struct json_writer *w, const char *key, int32_t milli)
{
    if (milli != VITAL_ABSENT)
        json_put_decimal(w, key, milli, 3);
}

static void put_time(struct json_writer *w, const char *key, int64_t time_us)
{
    if (time_us)
        json_put_time(w, key, time_us);
}

static void put_reading(struct json_writer *w, const struct reading *reading)
{
    char source[16];
    (void)snprintf(source, sizeof source, "s%u", reading->source);
    json_put_object(w, NULL);
    json_put_time(w, "timestamp", reading->time_us);
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        put_milli(w, vital_infos[vital].json_name, reading->value_milli[vital]);
    json_put_text(w, "source", source);
    json_put_end(w);
}

static void put_alert(struct json_writer *w, const struct alert *alert)
{
    json_put_object(w, NULL);
    json_put_text(w, "type", alert_type_name((enum alert_type)alert->type));
    json_put_text(w, "severity", severity_name((enum alert_severity)alert->severity));
    json_put_text(w, "state", alert_state_name((enum alert_state)alert->state));
    json_put_time(w, "onset", alert->onset_us);
    put_time(w, "end", alert->end_us);
    put_time(w, "acknowledged_at", alert->ack_us);
    put_milli(w, "vital_value", alert->value_milli);
    put_milli(w, "peak_value", alert->peak_milli);
    put_time(w, "peak_at", alert->peak_us);
    json_put_array(w, "lost");
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        if (alert->lost >> vital & 1)
            json_put_text(w, NULL, vital_infos[vital].json_name);
    json_put_end(w);
    json_put_end(w);
}

void window_json_write(struct json_writer *w, const char *key, const struct window *window)
{
    json_put_object(w, key);
    json_put_array(w, "readings");
    for (size_t i = 0; i < window->reading_count; i++)
        put_reading(w, &window->readings[i]);
    json_put_end(w);
    json_put_array(w, "alerts");
    for (size_t i = 0; i < window->alert_count; i++)
        put_alert(w, &window->alerts[i]);
    json_put_end(w);
    json_put_time(w, "window_start", window->from_us);
    json_put_time(w, "window_end", window->to_us);
    json_put_end(w);
}

void evidence_id(const struct evidence *evidence, const char *patient_id, const char *source,
                 char out[EVIDENCE_ID_SIZE])
{
    struct alert alert = { .type = evidence->alert_type, .onset_us = evidence->time_us };
    char stamp[TIME_TEXT_SIZE];
    _Static_assert((int)EVIDENCE_ID_SIZE >= (int)ALERT_ID_SIZE, "an alert's id fits");
    if (evidence->is_alert)
        (void)alert_id_format(&alert, patient_id, out);
    else
        (void)snprintf(out, EVIDENCE_ID_SIZE, "%s@%s", source, time_format(evidence->time_us, stamp));
}
