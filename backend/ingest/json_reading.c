#include "ingest/json_reading.h"

#include "base/clock.h"
#include "base/str.h"
#include "ingest/json_scan.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What a field is; below FIELD_PATIENT it is the vital of that number. */
enum {
    FIELD_PATIENT = VITAL_COUNT,
    FIELD_SOURCE,
    FIELD_TIMESTAMP,
    FIELD_SIMULATED,
    FIELD_TIMES,
    FIELD_PRESSURE,
    FIELD_UNKNOWN
};

struct field {
    const char *name;
    size_t length;
    int what;
};

/* A perfect hash of the names: one place to look at for each.  The factors were searched for; a clash
 * would be an entry that overrides another, which -Woverride-init reports. */
#define FIELD_SLOT(first, third, length) (((first) + 7 * (third) + 6 * (length)) & 63)
static const struct field fields[64] = {
    [FIELD_SLOT('s', 'O', 4)] = { "spO2", 4, VITAL_SPO2 },
    [FIELD_SLOT('s', 'o', 4)] = { "spo2", 4, VITAL_SPO2 },
    [FIELD_SLOT('t', 'm', 5)] = { "times", 5, FIELD_TIMES },
    [FIELD_SLOT('s', 'u', 6)] = { "source", 6, FIELD_SOURCE },
    [FIELD_SLOT('s', 's', 8)] = { "systolic", 8, VITAL_SYSTOLIC },
    [FIELD_SLOT('h', 'a', 9)] = { "heartRate", 9, VITAL_HEART_RATE },
    [FIELD_SLOT('t', 'm', 9)] = { "timestamp", 9, FIELD_TIMESTAMP },
    [FIELD_SLOT('d', 'a', 9)] = { "diastolic", 9, VITAL_DIASTOLIC },
    [FIELD_SLOT('p', 't', 9)] = { "patientId", 9, FIELD_PATIENT },
    [FIELD_SLOT('s', 'm', 9)] = { "simulated", 9, FIELD_SIMULATED },
    [FIELD_SLOT('p', 't', 10)] = { "patient_id", 10, FIELD_PATIENT },
    [FIELD_SLOT('h', 'a', 10)] = { "heart_rate", 10, VITAL_HEART_RATE },
    [FIELD_SLOT('@', 'i', 10)] = { "@timestamp", 10, FIELD_TIMESTAMP },
    [FIELD_SLOT('t', 'm', 11)] = { "temperature", 11, VITAL_TEMPERATURE },
    [FIELD_SLOT('r', 's', 11)] = { "respiratory", 11, VITAL_RESPIRATORY },
    [FIELD_SLOT('s', 's', 11)] = { "systolic_bp", 11, VITAL_SYSTOLIC },
    [FIELD_SLOT('d', 'a', 12)] = { "diastolic_bp", 12, VITAL_DIASTOLIC },
    [FIELD_SLOT('b', 'o', 13)] = { "bloodPressure", 13, FIELD_PRESSURE },
    [FIELD_SLOT('b', 'o', 14)] = { "blood_pressure", 14, FIELD_PRESSURE },
    [FIELD_SLOT('r', 's', 16)] = { "respiratory_rate", 16, VITAL_RESPIRATORY },
};
enum { FIELD_NAME_MAX = 16 };
static const struct field unknown = { "", 0, FIELD_UNKNOWN };
/* Names inside bloodPressure, and how an error calls them. */
static const struct field pressure_fields[] = {
    { "bloodPressure.systolic", 22, VITAL_SYSTOLIC },
    { "bloodPressure.diastolic", 23, VITAL_DIASTOLIC },
};

struct parser {
    struct json_scan scan;
    int64_t now_us, time_us;
    struct json_reading *out;
    struct json_reading_error *error;
    int32_t value_milli[VITAL_COUNT];
    int64_t vital_time_us[VITAL_COUNT];   /* NO_TIME: the reading's */
    uint32_t seen;                        /* bit per field */
    bool simulated;
};
#define NO_TIME INT64_MIN

bool json_reading_fail(struct json_reading_error *error, const char *field, const char *format, ...)
{
    va_list arguments;
    int used = *field ? snprintf(error->detail, sizeof error->detail, "%s: ", field) : 0;
    error->field = field;
    va_start(arguments, format);
    vsnprintf(error->detail + used, sizeof error->detail - (size_t)used, format, arguments);
    va_end(arguments);
    return false;
}

static bool fail(struct parser *p, const char *field, const char *detail)
{
    return json_reading_fail(p->error, field, "%s", detail);
}

static const struct field *find_field(const struct json_slice *key)
{
    char text[FIELD_NAME_MAX + 1];
    size_t length = key->length;
    const char *name = key->text;
    if (key->escaped) {
        if (!json_scan_unescape(key, text, sizeof text, &length))
            return &unknown;
        name = text;
    }
    if (length < 3)
        return &unknown;
    const struct field *field = &fields[FIELD_SLOT(name[0], name[2], length)];
    if (field->length == length && memcmp(field->name, name, length) == 0)
        return field;
    return &unknown;
}

/* ---- what stands where something else should ---- */

static bool is_null(struct parser *p)
{
    return json_scan_peek(&p->scan) == 'n' && json_scan_word(&p->scan, "null");
}

static bool wrong_kind(struct parser *p, const char *field, const char *wanted)
{
    const char *found;
    switch (json_scan_peek(&p->scan)) {
    case '"': found = "a string"; break;
    case '{': found = "an object"; break;
    case '[': found = "an array"; break;
    case 't': found = "true"; break;
    case 'f': found = "false"; break;
    case 'n': found = "null"; break;
    case 'N':
    case 'I': return fail(p, field, "NaN and Infinity are not JSON; null says that there is no value");
    case '-':
    case '0' ... '9': found = "a number"; break;
    default: return fail(p, field, "no JSON value behind the name");
    }
    return json_reading_fail(p->error, field, "must be %s, not %s", wanted, found);
}

/* What must follow a member; names the field in front of it. */
static bool wrong_separator(struct parser *p, const char *field)
{
    return fail(p, field, p->scan.p == p->scan.end ? "the JSON ends here, in the middle of the object"
                                                   : "a comma or } must follow its value");
}

/* ---- values ---- */

static bool take_number(struct parser *p, const char *field, enum vital vital)
{
    const struct vital_info *info = &vital_infos[vital];
    char first = json_scan_peek(&p->scan);
    const char *text = p->scan.p;
    int64_t milli;
    if (first != '-' && (first < '0' || first > '9'))
        return wrong_kind(p, field, "a number");
    if (!json_scan_milli(&p->scan, &milli))
        return fail(p, field, *text == '-' ? "not a JSON number (-Infinity is none)" : "not a JSON number");
    int length = p->scan.p - text > 24 ? 24 : (int)(p->scan.p - text);
    if (milli < 0)
        return json_reading_fail(p->error, field, "%.*s is below 0 %s", length, text, info->unit);
    if (milli > info->accept_max_milli)
        return json_reading_fail(p->error, field, "%.*s is above %d %s", length, text,
                                 info->accept_max_milli / 1000, info->unit);
    p->value_milli[vital] = (int32_t)milli;
    return true;
}

static bool take_string(struct parser *p, const char *field, struct json_slice *out)
{
    if (json_scan_peek(&p->scan) != '"')
        return wrong_kind(p, field, "a string");
    return json_scan_string(&p->scan, out) ||
           fail(p, field, "not a JSON string (UTF-8, closed, control characters escaped)");
}

static bool take_time(struct parser *p, const char *field, int64_t *out_us)
{
    char text[48], latest[TIME_TEXT_SIZE];
    struct json_slice slice;
    struct err err;
    if (!take_string(p, field, &slice))
        return false;
    if (slice.escaped) {   /* nobody writes a time so, but it is JSON */
        size_t length;
        if (!json_scan_unescape(&slice, text, sizeof text, &length))
            return fail(p, field, "not a time such as 2026-11-23T13:20:00.000Z");
        slice = (struct json_slice){ text, length, false };
    }
    if (!time_parse(slice.text, slice.length, out_us, &err))
        return fail(p, field, err.text);
    if (*out_us > p->now_us + INGEST_FUTURE_MAX_US)
        return json_reading_fail(p->error, field, "%.*s is in the future (later than %s)", (int)slice.length,
                                 slice.text, time_format(p->now_us + INGEST_FUTURE_MAX_US, latest));
    return true;
}

static inline bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
}

static bool take_name(struct parser *p, const char *field, char *to, size_t size)
{
    struct json_slice slice;
    size_t length;
    if (!take_string(p, field, &slice))
        return false;
    bool ok = json_scan_unescape(&slice, to, size, &length) && length > 0;
    for (size_t i = 0; ok && i < length; i++)
        ok = is_name_char(to[i]);
    return ok || fail(p, field, "must be 1 to 31 characters of A-Z a-z 0-9 . _ -");
}

static bool take_simulated(struct parser *p, const char *field)
{
    char first = json_scan_peek(&p->scan);
    p->simulated = first == 't';
    return (first == 't' && json_scan_word(&p->scan, "true")) ||
           (first == 'f' && json_scan_word(&p->scan, "false")) ||
           wrong_kind(p, field, "true or false");
}

/* ---- objects: one walk, what a member means is the caller's ---- */

typedef bool take_member(struct parser *p, const struct field *field, const struct json_slice *key);

/* The name of the member in front, where it is one of ours, makes the error readable. */
static bool walk_members(struct parser *p, const char *within, take_member *take)
{
    struct json_slice key;
    const char *name = within;
    p->scan.p++;
    if (json_scan_char(&p->scan, '}'))
        return true;
    do {
        json_scan_space(&p->scan);
        if (!json_scan_string(&p->scan, &key))
            return fail(p, name, p->scan.p < p->scan.end && *p->scan.p >= '0' && *p->scan.p <= '9'
                                     ? "a decimal comma is not JSON, write 38.4"
                                     : "a field name in quotes must follow");
        const struct field *field = find_field(&key);
        name = *within ? within : field->name;
        if (!json_scan_char(&p->scan, ':'))
            return fail(p, name, "a colon must follow the name");
        if (!take(p, field, &key))
            return false;
    } while (json_scan_char(&p->scan, ','));
    return json_scan_char(&p->scan, '}') || wrong_separator(p, name);
}

static bool skip_member(struct parser *p, int depth)
{
    return json_scan_skip(&p->scan, JSON_DEPTH_MAX - depth) ||
           fail(p, "", "not JSON, or nested too deep, in a field that is not read");
}

/* First time only; the same field under another name counts as twice. */
static bool mark_seen(struct parser *p, const struct field *field)
{
    if (p->seen >> field->what & 1)
        return fail(p, field->name, "given twice");
    p->seen |= UINT32_C(1) << field->what;
    return true;
}

static bool take_vital(struct parser *p, const struct field *field)
{
    return mark_seen(p, field) && (is_null(p) || take_number(p, field->name, (enum vital)field->what));
}

static bool pressure_member(struct parser *p, const struct field *field, const struct json_slice *key)
{
    (void)key;
    if (field->what != VITAL_SYSTOLIC && field->what != VITAL_DIASTOLIC)
        return skip_member(p, 2);
    return take_vital(p, &pressure_fields[field->what == VITAL_DIASTOLIC]);
}

static bool time_member(struct parser *p, const struct field *field, const struct json_slice *key)
{
    bool pressure = field->what == FIELD_PRESSURE;
    int64_t time_us;
    if (field->what >= VITAL_COUNT && !pressure)
        return json_reading_fail(p->error, "times", "\"%.*s\" is not a vital sign",
                                 (int)(key->length < 32 ? key->length : 32), key->text);
    if (is_null(p))
        return true;
    if (!take_time(p, "times", &time_us))
        return false;
    enum vital from = pressure ? VITAL_SYSTOLIC : (enum vital)field->what;
    enum vital to = pressure ? VITAL_DIASTOLIC : from;
    for (enum vital v = from; v <= to; v++) {
        if (p->vital_time_us[v] != NO_TIME)
            return json_reading_fail(p->error, "times", "%s given twice", field->name);
        p->vital_time_us[v] = time_us;
    }
    return true;
}

static bool take_object(struct parser *p, const struct field *field, take_member *take)
{
    if (is_null(p))
        return true;
    if (json_scan_peek(&p->scan) != '{')
        return wrong_kind(p, field->name, "an object");
    return walk_members(p, field->name, take);
}

static bool reading_member(struct parser *p, const struct field *field, const struct json_slice *key)
{
    (void)key;
    if (field->what < VITAL_COUNT)
        return take_vital(p, field);
    if (field->what == FIELD_UNKNOWN)
        return skip_member(p, 1);
    if (!mark_seen(p, field))
        return false;
    switch (field->what) {
    case FIELD_PATIENT:
        return take_name(p, field->name, p->out->patient_id, sizeof p->out->patient_id);
    case FIELD_SOURCE:
        return is_null(p) || take_name(p, field->name, p->out->source, sizeof p->out->source);
    case FIELD_TIMESTAMP:
        return take_time(p, field->name, &p->time_us);
    case FIELD_SIMULATED:
        return is_null(p) || take_simulated(p, field->name);
    case FIELD_TIMES:
        return take_object(p, field, time_member);
    default:
        return take_object(p, field, pressure_member);
    }
}

/* ---- the message as readings ---- */

static struct reading *reading_at(struct parser *p, int64_t time_us)
{
    struct json_reading *out = p->out;
    size_t i = 0;
    while (i < out->reading_count && out->readings[i].time_us < time_us)
        i++;
    if (i < out->reading_count && out->readings[i].time_us == time_us)
        return &out->readings[i];
    memmove(&out->readings[i + 1], &out->readings[i], (out->reading_count++ - i) * sizeof(struct reading));
    out->readings[i] = (struct reading){ .time_us = time_us, .flags = p->simulated ? READING_SIMULATED : 0 };
    for (int v = 0; v < VITAL_COUNT; v++)
        out->readings[i].value_milli[v] = VITAL_ABSENT;
    return &out->readings[i];
}

static void make_readings(struct parser *p)
{
    p->out->reading_count = 0;
    for (int v = 0; v < VITAL_COUNT; v++) {
        if (p->value_milli[v] == VITAL_ABSENT)
            continue;
        int64_t time_us = p->vital_time_us[v] == NO_TIME ? p->time_us : p->vital_time_us[v];
        reading_at(p, time_us)->value_milli[v] = p->value_milli[v];
    }
    if (p->out->reading_count == 0)   /* every vital is null: the device says that it measures nothing */
        reading_at(p, p->time_us);
}

static bool check_complete(struct parser *p)
{
    const uint32_t vitals = (UINT32_C(1) << VITAL_COUNT) - 1;
    if (!(p->seen >> FIELD_PATIENT & 1))
        return fail(p, "patient_id", "missing");
    if (!(p->seen >> FIELD_TIMESTAMP & 1))
        return fail(p, "timestamp", "missing");
    if (!(p->seen & (vitals | UINT32_C(1) << FIELD_PRESSURE)))
        return fail(p, "", "no vital sign in it (heartRate, spO2, bloodPressure, temperature, respiratory)");
    return true;
}

static bool parse(struct parser *p)
{
    p->error->field = "";
    p->error->detail[0] = '\0';
    for (int v = 0; v < VITAL_COUNT; v++) {
        p->value_milli[v] = VITAL_ABSENT;
        p->vital_time_us[v] = NO_TIME;
    }
    p->out->source[0] = '\0';
    if (json_scan_peek(&p->scan) != '{')
        return fail(p, "", "not a JSON object");
    if (!walk_members(p, "", reading_member) || !check_complete(p))
        return false;
    make_readings(p);
    return true;
}

bool json_reading_parse_one(const char *text, size_t length, int64_t now_us, struct json_reading *out,
                            size_t *out_used, struct json_reading_error *error)
{
    struct parser p = { .scan = { text, text + length }, .now_us = now_us, .out = out, .error = error };
    bool ok = parse(&p);
    *out_used = (size_t)(p.scan.p - text);
    return ok;
}

bool json_reading_parse(const char *text, size_t length, int64_t now_us, struct json_reading *out,
                        struct json_reading_error *error)
{
    size_t used;
    if (!json_reading_parse_one(text, length, now_us, out, &used, error))
        return false;
    struct json_scan rest = { text + used, text + length };
    json_scan_space(&rest);
    return rest.p == rest.end || json_reading_fail(error, "", "something follows the object");
}

bool json_reading_skip(const char *text, size_t length, size_t *out_used)
{
    struct json_scan scan = { text, text + length };
    bool ok = json_scan_skip(&scan, JSON_DEPTH_MAX);
    *out_used = (size_t)(scan.p - text);
    return ok;
}

/* ---- writing ---- */

void json_reading_write(struct buf *out, const struct reading *reading, const char *patient_id,
                        const char *source)
{
    char time[TIME_TEXT_SIZE];
    bool empty = true;
    buf_add_text(out, "{\"patient_id\":\"");
    buf_add_text(out, patient_id);
    buf_add_text(out, "\",\"timestamp\":\"");
    buf_add_text(out, time_format(reading->time_us, time));
    buf_add_char(out, '"');
    for (int v = 0; v < VITAL_COUNT; v++) {
        if (reading->value_milli[v] == VITAL_ABSENT)
            continue;
        empty = false;
        buf_add_text(out, ",\"");
        buf_add_text(out, vital_infos[v].json_name);
        buf_add_text(out, "\":");
        buf_add_decimal(out, reading->value_milli[v], 3);
    }
    if (empty)
        buf_add_text(out, ",\"heartRate\":null");
    if (*source) {
        buf_add_text(out, ",\"source\":\"");
        buf_add_text(out, source);
        buf_add_char(out, '"');
    }
    buf_add_text(out, reading->flags & READING_SIMULATED ? ",\"simulated\":true}\n" : "}\n");
}
