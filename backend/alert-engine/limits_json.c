/* limits_json.c - alarm limits as the API reads and writes them. */
#include "alert-engine/engine.h"
#include "base/json.h"

#include <string.h>

/* One object per vital; a side without a rule has no fields. */
static const struct group {
    const char *name;
    int high, low;               /* enum alert_type; -1: no such side */
} groups[] = {
    { "heart_rate",       ALERT_TACHYCARDIA,  ALERT_BRADYCARDIA },
    { "spo2",             -1,                 ALERT_HYPOXIA },
    { "systolic",         ALERT_HYPERTENSION, ALERT_HYPOTENSION },
    { "temperature",      ALERT_FEVER,        ALERT_HYPOTHERMIA },
    { "respiratory_rate", ALERT_TACHYPNEA,    ALERT_BRADYPNEA },
};
enum { GROUP_COUNT = sizeof groups / sizeof *groups };

static const struct field {
    const char *name;
    bool high, critical;
} fields[] = {
    { "warning_high", true, false }, { "critical_high", true, true },
    { "warning_low", false, false }, { "critical_low", false, true },
};

static int rule_of(const struct group *group, const struct field *field)
{
    return field->high ? group->high : group->low;
}

static int32_t *threshold(struct alarm_limits *limits, int rule, bool critical)
{
    return critical ? &limits->critical_milli[rule] : &limits->warning_milli[rule];
}

static void put_milli(struct json_writer *w, const char *key, int32_t milli)
{
    if (milli == LIMIT_OFF)
        json_put_null(w, key);
    else
        json_put_decimal(w, key, milli, 3);
}

static void put_group(struct json_writer *w, const struct group *group, const struct alarm_limits *limits)
{
    struct alarm_limits copy = *limits;
    json_put_object(w, group->name);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (rule_of(group, &fields[i]) >= 0)
            put_milli(w, fields[i].name, *threshold(&copy, rule_of(group, &fields[i]), fields[i].critical));
    json_put_int(w, "delay_s", limits->delay_s[group->low]);
    json_put_end(w);
}

void limits_write_json(struct buf *out, const struct alarm_limits *limits)
{
    struct json_writer w = json_write(out);
    char consciousness[2] = { limits->consciousness, '\0' };
    json_put_object(&w, NULL);
    for (size_t i = 0; i < GROUP_COUNT; i++)
        put_group(&w, &groups[i], limits);
    json_put_int(&w, "spo2_scale", limits->spo2_scale);
    if (limits->on_oxygen == 2)
        json_put_null(&w, "on_oxygen");
    else
        json_put_bool(&w, "on_oxygen", limits->on_oxygen == 1);
    json_put_text(&w, "consciousness", limits->consciousness ? consciousness : NULL);
    json_put_object(&w, "expected_interval_s");
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        if (limits->expected_interval_s[vital])
            json_put_int(&w, vital_infos[vital].document_name, limits->expected_interval_s[vital]);
        else
            json_put_null(&w, vital_infos[vital].document_name);
    json_put_end(&w);
    json_put_end(&w);
}

static bool read_threshold(const struct json *object, const char *name, int32_t *out, struct err *err)
{
    int64_t value = *out;
    if (json_has_null(object, name)) {
        *out = LIMIT_OFF;
        return true;
    }
    if (!json_get_scaled(object, name, 0, 3, 0, 400000, &value, err))
        return false;
    *out = (int32_t)value;
    return true;
}

static bool read_group(const struct json *root, const struct group *group, struct alarm_limits *limits, struct err *err)
{
    static const char *const both[] = { "warning_high", "critical_high", "warning_low", "critical_low", "delay_s", NULL };
    static const char *const low_only[] = { "warning_low", "critical_low", "delay_s", NULL };
    const struct json *object = NULL;
    int64_t delay_s = limits->delay_s[group->low];
    if (!json_get_object(root, group->name, JSON_NULLABLE, &object, err))
        return false;
    if (!object)
        return true;
    bool ok = json_only(object, group->high < 0 ? low_only : both, err) &&
              json_get_int(object, "delay_s", 0, 0, DELAY_S_MAX, &delay_s, err);
    for (size_t i = 0; ok && i < sizeof fields / sizeof *fields; i++)
        if (rule_of(group, &fields[i]) >= 0)
            ok = read_threshold(object, fields[i].name, threshold(limits, rule_of(group, &fields[i]), fields[i].critical), err);
    limits->delay_s[group->low] = (uint8_t)delay_s;
    if (group->high >= 0)
        limits->delay_s[group->high] = (uint8_t)delay_s;
    return ok || err_context(err, "%s", group->name);
}

static bool read_state(const struct json *root, struct alarm_limits *limits, struct err *err)
{
    static const char *const levels[] = { "A", "C", "V", "P", "U", NULL };
    int64_t scale = limits->spo2_scale;
    bool oxygen = limits->on_oxygen == 1;
    int level = -1;
    if (!json_get_int(root, "spo2_scale", 0, 1, 2, &scale, err) || !json_get_bool(root, "on_oxygen", JSON_NULLABLE, &oxygen, err) ||
        !json_get_choice(root, "consciousness", JSON_NULLABLE, levels, &level, err))
        return false;
    if (scale != limits->spo2_scale)
        limits_apply_spo2_scale(limits, (uint8_t)scale);
    if (json_has(root, "on_oxygen"))
        limits->on_oxygen = json_has_null(root, "on_oxygen") ? 2 : oxygen;
    if (json_has(root, "consciousness"))
        limits->consciousness = level < 0 ? '\0' : levels[level][0];
    return true;
}

static bool read_intervals(const struct json *root, struct alarm_limits *limits, struct err *err)
{
    const struct json *object = NULL;
    if (!json_get_object(root, "expected_interval_s", JSON_NULLABLE, &object, err))
        return false;
    for (int vital = 0; object && vital < VITAL_COUNT; vital++) {
        const char *name = vital_infos[vital].document_name;
        int64_t value = limits->expected_interval_s[vital];
        if (!json_get_int(object, name, JSON_NULLABLE, 1, EXPECTED_INTERVAL_S_MAX, &value, err))
            return err_context(err, "expected_interval_s");
        limits->expected_interval_s[vital] = json_has_null(object, name) ? 0 : (uint32_t)value;
    }
    return true;
}

bool limits_read_json(const char *text, size_t size, struct alarm_limits *limits, struct err *err)
{
    static const char *const known[] = { "heart_rate", "spo2", "systolic", "temperature", "respiratory_rate", "spo2_scale",
                                         "on_oxygen", "consciousness", "expected_interval_s", NULL };
    struct json *root = NULL;
    /* The scale first: it brings its own default limits, which named ones then replace. */
    bool ok = json_parse_object(text, size, HTTP_JSON_BODY_MAX, &root, err) && json_only(root, known, err) &&
              read_state(root, limits, err) && read_intervals(root, limits, err);
    for (size_t i = 0; ok && i < GROUP_COUNT; i++)
        ok = read_group(root, &groups[i], limits, err);
    json_free(root);
    return ok && limits_validate(limits, err);
}
