/* The scanner against jansson on random lines: same accept or refuse, same values.
 *
 * Each line is put together from pieces (good and bad fields, numbers, texts) and then, half of the
 * time, damaged in one to three places.  jansson reads it into a tree, from which reference() makes
 * the reading by the rules of json_reading.h, slowly.  `json_differential_test N [SEED]` runs N lines.
 *
 * Where the two may differ, and are not compared: numbers that jansson refuses because they do not
 * fit in int64 or double (ours: cut, and refused by the limit, or skipped); a duplicate key in a
 * field that is not read (ours: skipped).  Doubles: a value within 1e-9 of a half thousandth, or of a
 * limit, may fall on either side. */
#include "base/clock.h"
#include "ingest/json_reading.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW INT64_C(1795440000000000)

static uint64_t random_state;

static uint32_t random_below(uint32_t n)   /* PCG-XSH-RR's multiplier; O'Neill 2014 */
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((random_state >> 33) % n);
}

/* ---- lines ---- */

static const char *const keys[] = {
    "heartRate", "heart_rate", "spO2", "spo2", "systolic", "systolic_bp", "diastolic", "diastolic_bp",
    "temperature", "respiratory", "respiratory_rate", "bloodPressure", "blood_pressure", "times",
    "source", "simulated", "patientId", "@timestamp", "service", "note", "heartrate", "\\u0073pO2", "",
};
static const char *const values[] = {
    "112", "91", "38.4", "0", "-0", "null", "1e2", "1.5E+1", "36.6005", "0.0005", "400", "400.0006", "401",
    "-100", "1e999", "9007199254740993", "99999999999999999999", "\"112\"", "true", "false", "NaN", "1,5", "[]",
    "{}", "[1,2]", "{\"systolic\":120,\"diastolic\":80}", "{\"systolic\":null}", "{\"x\":{\"y\":[]}}", "\"monitor-7\"",
    "\"P002\"", "\"2026-11-23T13:20:00Z\"", "\"2026-11-23T13:26:00Z\"", "{\"spo2\":\"2026-11-23T13:10:00Z\"}",
    "{\"bloodPressure\":\"2026-11-23T13:10:00Z\"}", "\"a b\"", "\"\\ud83d\\ude00\"", "\"\\ud83d\"", "\"\xc3\xa9\"",
    "[[[[[[[]]]]]]]", "[[[[[[[[]]]]]]]]", "\"\"", "-", "1e", "99.99951", "100.0004", "59.9999999999999999999",
};
#define PICK(table) (table)[random_below((uint32_t)(sizeof(table) / sizeof(table)[0]))]

static size_t damage(char *line, size_t length, size_t size)
{
    static const char bytes[] = "{}[]\",:.eE-+0123456789\\untrlfasbx \t\r\n\x01\x80\xc3\xff";
    for (uint32_t n = random_below(2) ? 1 + random_below(3) : 0; n > 0 && length > 0; n--) {
        size_t at = random_below((uint32_t)length);
        switch (random_below(3)) {
        case 0:
            line[at] = bytes[random_below(sizeof bytes - 1)];
            break;
        case 1:
            memmove(line + at, line + at + 1, --length - at);
            break;
        default:
            if (length + 1 < size) {
                memmove(line + at + 1, line + at, length++ - at);
                line[at] = bytes[random_below(sizeof bytes - 1)];
            }
        }
    }
    return length;
}

static size_t make_line(char *line, size_t size)
{
    size_t used = (size_t)snprintf(line, size, "{\"patient_id\":\"P001\",\"timestamp\":\"2026-11-23T13:20:00.000Z\"");
    for (uint32_t n = 1 + random_below(5), start = random_below(11); n > 0; n--) {
        const char *key = PICK(keys);
        if (random_below(4))   /* mostly right, and mostly another vital: else few lines are accepted */
            used += (size_t)snprintf(line + used, size - used, ",\"%s\":%u.%u", keys[(start + 2 * n) % 11],
                                     random_below(101), random_below(100000));
        else
            used += (size_t)snprintf(line + used, size - used, "%s\"%s\":%s", random_below(40) ? "," : ", ",
                                     key, PICK(values));
    }
    used += (size_t)snprintf(line + used, size - used, "}");
    return damage(line, used, size);
}

/* ---- the reading by jansson ---- */

struct reference {
    bool accept, unsure;       /* unsure: accept and refuse are both right */
    int64_t time_us[VITAL_COUNT];
    double value[VITAL_COUNT]; /* NAN: absent */
    char patient[32];
};

static json_t *one_of(const json_t *object, struct reference *r, const char *a, const char *b)
{
    json_t *x = json_object_get(object, a), *y = b ? json_object_get(object, b) : NULL;
    if (x && y)
        r->accept = false;
    return x ? x : y;
}

static bool name_ok(const json_t *value)
{
    const char *text = json_string_value(value);
    size_t length = json_string_length(value);
    return text && length >= 1 && length <= 31 &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == length;
}

static bool time_ok(const json_t *value, int64_t *out)
{
    const char *text = json_string_value(value);
    return text && strlen(text) < 48 && strlen(text) == json_string_length(value) &&
           time_parse(text, strlen(text), out, NULL) && *out <= NOW + INGEST_FUTURE_MAX_US;
}

static void take_vital(struct reference *r, const json_t *value, int v, bool *any)
{
    if (!value)
        return;
    *any = true;
    if (json_is_null(value))
        return;
    if (!isnan(r->value[v]) || !json_is_number(value)) {
        r->accept = false;
        return;
    }
    double x = json_number_value(value), limit = vital_infos[v].accept_max_milli / 1000.0;
    r->value[v] = x;
    if (fabs(x - (limit + 0.0005)) < 1e-9 || fabs(x + 0.0005) < 1e-9)
        r->unsure = true;
    else if (x > limit + 0.0005 || x < -0.0005)
        r->accept = false;
}

static void take_pressure(struct reference *r, const json_t *pressure, bool *any)
{
    static const char *const names[2][2] = { { "systolic", "systolic_bp" }, { "diastolic", "diastolic_bp" } };
    if (!pressure)
        return;
    *any = true;
    if (json_is_null(pressure))
        return;
    if (!json_is_object(pressure))
        r->accept = false;
    for (int i = 0; i < 2; i++)
        take_vital(r, one_of(pressure, r, names[i][0], names[i][1]), VITAL_SYSTOLIC + i, any);
}

static void take_times(struct reference *r, json_t *times)
{
    static const struct { const char *name; int from, to; } known[] = {
        { "heartRate", 0, 0 }, { "heart_rate", 0, 0 }, { "spO2", 1, 1 }, { "spo2", 1, 1 }, { "systolic", 2, 2 },
        { "systolic_bp", 2, 2 }, { "diastolic", 3, 3 }, { "diastolic_bp", 3, 3 }, { "temperature", 4, 4 },
        { "respiratory", 5, 5 }, { "respiratory_rate", 5, 5 }, { "bloodPressure", 2, 3 }, { "blood_pressure", 2, 3 },
    };
    const char *key;
    json_t *value;
    if (times && !json_is_null(times) && !json_is_object(times))
        r->accept = false;
    json_object_foreach(times, key, value) {
        int64_t time_us = 0;
        size_t k = 0;
        while (k < sizeof known / sizeof known[0] && strcmp(known[k].name, key) != 0)
            k++;
        if (k == sizeof known / sizeof known[0] || (!json_is_null(value) && !time_ok(value, &time_us))) {
            r->accept = false;
            return;
        }
        for (int v = known[k].from; v <= known[k].to && !json_is_null(value); v++) {
            if (r->time_us[v] != INT64_MIN)
                r->accept = false;
            r->time_us[v] = time_us;
        }
    }
}

static int depth_of(json_t *value)
{
    int deepest = 0;
    const char *key;
    json_t *item;
    size_t i;
    json_object_foreach(value, key, item)
        deepest = depth_of(item) > deepest ? depth_of(item) : deepest;
    json_array_foreach(value, i, item)
        deepest = depth_of(item) > deepest ? depth_of(item) : deepest;
    return json_is_object(value) || json_is_array(value) ? deepest + 1 : 0;
}

/* A field given twice under its two names, one of them null, is also twice. */
static void read_fields(struct reference *r, json_t *root)
{
    static const char *const names[VITAL_COUNT][2] = {
        { "heartRate", "heart_rate" }, { "spO2", "spo2" }, { "systolic", "systolic_bp" },
        { "diastolic", "diastolic_bp" }, { "temperature", NULL }, { "respiratory", "respiratory_rate" },
    };
    json_t *patient = one_of(root, r, "patient_id", "patientId");
    json_t *timestamp = one_of(root, r, "timestamp", "@timestamp");
    json_t *source = json_object_get(root, "source"), *simulated = json_object_get(root, "simulated");
    json_t *pressure = one_of(root, r, "bloodPressure", "blood_pressure");
    int64_t time_us = 0;
    bool any = false;
    if (!name_ok(patient) || !time_ok(timestamp, &time_us) || (source && !json_is_null(source) && !name_ok(source)) ||
        (simulated && !json_is_null(simulated) && !json_is_boolean(simulated)) || depth_of(root) > JSON_DEPTH_MAX)
        r->accept = false;
    for (int v = 0; v < VITAL_COUNT; v++) {
        r->value[v] = (double)NAN;
        r->time_us[v] = INT64_MIN;
        json_t *value = one_of(root, r, names[v][0], names[v][1]);
        if (value && json_is_object(pressure) && (v == VITAL_SYSTOLIC || v == VITAL_DIASTOLIC) &&
            (json_object_get(pressure, names[v][0]) || json_object_get(pressure, names[v][1])))
            r->accept = false;
        take_vital(r, value, v, &any);
    }
    take_pressure(r, pressure, &any);
    take_times(r, json_object_get(root, "times"));
    if (!any)
        r->accept = false;
    for (int v = 0; v < VITAL_COUNT; v++)
        if (r->time_us[v] == INT64_MIN)
            r->time_us[v] = time_us;
    if (r->accept)
        snprintf(r->patient, sizeof r->patient, "%s", json_string_value(patient));
}

static struct reference reference(const char *line, size_t length)
{
    struct reference r = { .accept = true };
    json_error_t error;
    json_t *root = json_loadb(line, length, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(root))
        r.accept = false;
    if (!root && (strstr(error.text, "too big") || strstr(error.text, "overflow") || strstr(error.text, "duplicate")))
        r.unsure = true;
    if (r.accept)
        read_fields(&r, root);
    json_decref(root);
    return r;
}

/* ---- compare ---- */

static bool same_value(double wanted, int32_t milli)
{
    double thousand = wanted * 1000, rounded = nearbyint(thousand);
    if (isnan(wanted) || milli == VITAL_ABSENT)
        return isnan(wanted) && milli == VITAL_ABSENT;
    bool tie = fabs(fabs(thousand - floor(thousand)) - 0.5) < 1e-6;
    return tie ? fabs(thousand - milli) < 0.6 : (double)milli == rounded;
}

static bool same_readings(const struct reference *r, const struct json_reading *got)
{
    int present = 0;
    if (strcmp(r->patient, got->patient_id) != 0)
        return false;
    for (size_t i = 0; i < got->reading_count; i++) {
        if (i > 0 && got->readings[i].time_us <= got->readings[i - 1].time_us)
            return false;
        for (int v = 0; v < VITAL_COUNT; v++) {
            if (got->readings[i].value_milli[v] == VITAL_ABSENT)
                continue;
            present++;
            if (got->readings[i].time_us != r->time_us[v] || !same_value(r->value[v], got->readings[i].value_milli[v]))
                return false;
        }
    }
    for (int v = 0; v < VITAL_COUNT; v++)
        present -= !isnan(r->value[v]);
    return present == 0;
}

int main(int argc, char **argv)
{
    long count = argc > 1 ? atol(argv[1]) : 200000, accepted = 0, unsure = 0;
    random_state = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    for (long i = 0; i < count; i++) {
        char line[4096];
        size_t length = make_line(line, sizeof line);
        struct json_reading got;
        struct json_reading_error error;
        bool ok = json_reading_parse(line, length, NOW, &got, &error);
        struct reference r = reference(line, length);
        accepted += ok;
        unsure += r.unsure;
        if (r.unsure)
            continue;
        if (ok != r.accept || (ok && !same_readings(&r, &got))) {
            printf("line %ld differs: scanner %s, jansson %s\n%.*s\n", i,
                   ok ? "accepts" : error.detail, r.accept ? "accepts" : "refuses", (int)length, line);
            return 1;
        }
    }
    printf("%ld lines: %ld accepted, %ld not comparable, 0 differences\n", count, accepted, unsure);
    return accepted < count / 20 || unsure > count / 4;   /* else the lines are no test */
}
