/* alert_text.c - an alert's id, its message, and the names people and programs read. */
#include "base/clock.h"
#include "clinical/alarm.h"

#include <stdio.h>
#include <string.h>

/* What is normal, as people are told.  Source: clinical.md "Message texts"; NEWS2 chart 1, score 0. */
static const char *const normal_texts[VITAL_COUNT] = {
    [VITAL_HEART_RATE] = "60-100", [VITAL_SPO2] = ">95%", [VITAL_SYSTOLIC] = "90-140",
    [VITAL_DIASTOLIC] = "60-90", [VITAL_TEMPERATURE] = "36.1-38.0", [VITAL_RESPIRATORY] = "12-20",
};

const char *alert_state_name(enum alert_state state)
{
    static const char *const names[] = { "none", "active", "latched", "closed" };
    return names[state];
}

const char *alert_priority_name(enum alert_priority priority)
{
    static const char *const names[] = { "low", "medium", "high" };
    return names[priority];
}

char *alert_id_format(const struct alert *alert, const char *patient_id, char out[ALERT_ID_SIZE])
{
    (void)snprintf(out, ALERT_ID_SIZE, "%s.%s.%lld", patient_id, alert_type_slug((enum alert_type)alert->type),
                   (long long)(alert->onset_us / US_PER_MS));
    return out;
}

/* Patient ids may hold dots: the id is read from its end. */
bool alert_id_parse(const char *id, char *patient_id, size_t patient_id_size, enum alert_type *out_type,
                    int64_t *out_onset_ms, struct err *err)
{
    const char *last = strrchr(id, '.'), *middle = NULL;
    for (const char *p = id; last && p < last; p++)
        if (*p == '.')
            middle = p;
    if (!middle || middle == id || (size_t)(middle - id) >= patient_id_size ||
        !str_to_int(last + 1, 0, INT64_MAX / US_PER_MS, out_onset_ms))
        return err_set(err, ERR_NOT_FOUND, "Alert %.80s not found", id);
    for (int type = 0; type < ALERT_TYPE_COUNT; type++) {
        const char *slug = alert_type_slug((enum alert_type)type);
        if (strlen(slug) != (size_t)(last - middle - 1) || memcmp(slug, middle + 1, strlen(slug)) != 0)
            continue;
        *out_type = (enum alert_type)type;
        memcpy(patient_id, id, (size_t)(middle - id));
        patient_id[middle - id] = '\0';
        return true;
    }
    return err_set(err, ERR_NOT_FOUND, "Alert %.80s not found", id);
}

static void add_value(struct buf *out, const struct alert *alert)
{
    const struct vital_info *vital = &vital_infos[alert_rules[alert->type].vital];
    buf_add_decimal(out, alert->value_milli, 3);
    if (alert->other_milli != VITAL_ABSENT) {
        buf_add_char(out, '/');
        buf_add_decimal(out, alert->other_milli, 3);
    }
    if (vital->unit[0] != '%')
        buf_add_char(out, ' ');
    buf_add_text(out, vital->unit);
}

static void add_lost(struct buf *out, uint8_t lost)
{
    const char *separator = "";
    for (int vital = 0; vital < VITAL_COUNT; vital++) {
        if (!(lost >> vital & 1) || (vital == VITAL_DIASTOLIC && (lost >> VITAL_SYSTOLIC & 1)))
            continue;
        buf_printf(out, "%s%s", separator, vital == VITAL_SYSTOLIC ? "Blood pressure" : vital_infos[vital].label);
        separator = ", ";
    }
}

static void sensor_message(const struct alert *alert, struct buf *out)
{
    buf_add_text(out, "Sensor disconnected: ");
    add_lost(out, alert->lost);
    buf_add_text(out, " (no value for more than ");
    buf_add_decimal(out, alert->threshold_milli, 3);
    buf_add_text(out, " s)");
}

void alert_message(const struct alert *alert, struct buf *out)
{
    if (alert->type == ALERT_SENSOR) {
        sensor_message(alert, out);
        return;
    }
    const struct alert_rule *rule = &alert_rules[alert->type];
    bool critical = alert->severity == SEVERITY_CRITICAL;
    buf_add_text(out, critical ? rule->critical_text : rule->warning_text);
    add_value(out, alert);
    if (!critical) {
        buf_printf(out, " (normal: %s)", normal_texts[rule->vital]);
        return;
    }
    buf_printf(out, " (threshold: %s%s", rule->high ? ">" : "<", rule->critical_strict ? "" : "=");
    buf_add_decimal(out, alert->threshold_milli, 3);
    buf_add_char(out, ')');
}
