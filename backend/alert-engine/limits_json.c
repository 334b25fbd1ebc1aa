/* limits_json.c - alarm limits as the API reads and writes them. */
#include "alert-engine/engine.h"
#include "base/json.h"

#include <string.h>

/* The table of fields is clinical/alarm_limits.c's; a group is one object. */
static const char *const groups[] = { "heart_rate", "spo2", "systolic", "temperature", "respiratory_rate",
                                      "expected_interval_s" };
enum { GROUP_COUNT = sizeof groups / sizeof *groups };

static bool in_seconds(const struct limit_field *field)
{
    return field->kind == LIMIT_DELAY || field->kind == LIMIT_INTERVAL;
}

static void put_field(struct json_writer *w, const struct limit_field *field, int32_t value)
{
    bool none = field->kind == LIMIT_INTERVAL ? value == 0 : value == LIMIT_OFF;
    if (none)
        json_put_null(w, field->name);
    else if (in_seconds(field))
        json_put_int(w, field->name, value);
    else
        json_put_decimal(w, field->name, value, 3);
}

static void put_group(struct json_writer *w, const char *group, const struct alarm_limits *limits)
{
    json_put_object(w, group);
    for (int i = 0; i < LIMIT_FIELD_COUNT; i++)
        if (strcmp(limit_fields[i].group, group) == 0)
            put_field(w, &limit_fields[i], limit_field_get(limits, &limit_fields[i]));
    json_put_end(w);
}

void limits_write_json(struct buf *out, const struct alarm_limits *limits)
{
    struct json_writer w = json_write(out);
    char consciousness[2] = { limits->consciousness, '\0' };
    json_put_object(&w, NULL);
    for (size_t i = 0; i < GROUP_COUNT; i++)
        put_group(&w, groups[i], limits);
    json_put_int(&w, "spo2_scale", limits->spo2_scale);
    if (limits->on_oxygen == 2)
        json_put_null(&w, "on_oxygen");
    else
        json_put_bool(&w, "on_oxygen", limits->on_oxygen == 1);
    json_put_text(&w, "consciousness", limits->consciousness ? consciousness : NULL);
    json_put_end(&w);
}

/* Null: a warning that is off, an interval that is learned; limits_validate() refuses it elsewhere. */
static bool read_field(const struct json *object, const struct limit_field *field,
                       struct alarm_limits *limits, struct err *err)
{
    int64_t value = limit_field_get(limits, field);
    if (json_has_null(object, field->name))
        value = field->kind == LIMIT_INTERVAL ? 0 : LIMIT_OFF;
    else if (!json_has(object, field->name))
        return true;
    else if (in_seconds(field) ? !json_get_int(object, field->name, 0, field->min, field->max, &value, err)
                               : !json_get_scaled(object, field->name, 0, 3, field->min, field->max, &value, err))
        return false;
    limit_field_set(limits, field, (int32_t)value);
    return true;
}

static bool read_group(const struct json *root, const char *group, struct alarm_limits *limits, struct err *err)
{
    const char *known[LIMIT_FIELD_COUNT + 1] = { NULL };
    const struct json *object = NULL;
    int count = 0;
    if (!json_get_object(root, group, JSON_NULLABLE, &object, err))
        return false;
    if (!object)
        return true;
    for (int i = 0; i < LIMIT_FIELD_COUNT; i++)
        if (strcmp(limit_fields[i].group, group) == 0)
            known[count++] = limit_fields[i].name;
    bool ok = json_only(object, known, err);
    for (int i = 0; ok && i < LIMIT_FIELD_COUNT; i++)
        if (strcmp(limit_fields[i].group, group) == 0)
            ok = read_field(object, &limit_fields[i], limits, err);
    return ok || err_context(err, "%s", group);
}

static bool read_state(const struct json *root, struct alarm_limits *limits, struct err *err)
{
    static const char *const levels[] = { "A", "C", "V", "P", "U", NULL };
    int64_t scale = limits->spo2_scale;
    bool oxygen = limits->on_oxygen == 1;
    int level = -1;
    if (!json_get_int(root, "spo2_scale", 0, 1, 2, &scale, err) ||
        !json_get_bool(root, "on_oxygen", JSON_NULLABLE, &oxygen, err) ||
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

bool limits_read_json(const char *text, size_t size, struct alarm_limits *limits, struct err *err)
{
    static const char *const known[] = { "heart_rate", "spo2", "systolic", "temperature",
                                         "respiratory_rate", "spo2_scale",
                                         "on_oxygen", "consciousness", "expected_interval_s", NULL };
    struct json *root = NULL;
    /* The scale first: it brings its own default limits, which named ones then replace. */
    bool ok = json_parse_object(text, size, HTTP_JSON_BODY_MAX, &root, err) && json_only(root, known, err) &&
              read_state(root, limits, err);
    for (size_t i = 0; ok && i < GROUP_COUNT; i++)
        ok = read_group(root, groups[i], limits, err);
    json_free(root);
    return ok && limits_validate(limits, err);
}
