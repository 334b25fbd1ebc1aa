#include "clinical/alarm_limits.h"

#include <string.h>

/* clang-format off */
const struct alert_rule alert_rules[ALERT_RULE_COUNT] = {
    [ALERT_TACHYCARDIA]  = { "Tachycardia Alert",   "tachycardia",  "Critical tachycardia detected. Heart rate: ",   "Elevated heart rate detected: ",        VITAL_HEART_RATE,  true,  true,  false, 100000, 130000, 3000 },
    [ALERT_BRADYCARDIA]  = { "Bradycardia Alert",   "bradycardia",  "Critical bradycardia detected. Heart rate: ",   "Low heart rate detected: ",             VITAL_HEART_RATE,  false, true,  false,  60000,  40000, 3000 },
    [ALERT_HYPOXIA]      = { "Hypoxia Alert",       "hypoxia",      "Critical hypoxia detected. SpO2: ",             "Low oxygen saturation detected: ",      VITAL_SPO2,        false, false, true,   92000,  90000, 1000 },
    [ALERT_HYPERTENSION] = { "Hypertensive Crisis", "hypertension", "Hypertensive crisis! BP: ",                     "Elevated blood pressure detected: ",    VITAL_SYSTOLIC,    true,  false, true,  140000, 180000, 5000 },
    [ALERT_HYPOTENSION]  = { "Hypotension Alert",   "hypotension",  "Critical hypotension detected. BP: ",           "Low blood pressure detected: ",         VITAL_SYSTOLIC,    false, false, false,  90000,  80000, 5000 },
    [ALERT_FEVER]        = { "Fever Alert",         "fever",        "High fever detected. Temperature: ",            "Elevated temperature detected: ",       VITAL_TEMPERATURE, true,  true,  false,  38000,  39000,  200 },
    [ALERT_HYPOTHERMIA]  = { "Hypothermia Alert",   "hypothermia",  "Critical hypothermia detected. Temperature: ",  "Low temperature detected: ",            VITAL_TEMPERATURE, false, false, false,  35500,  35000,  200 },
    [ALERT_TACHYPNEA]    = { "Tachypnea Alert",     "tachypnea",    "Critical tachypnea detected. Respiratory rate: ", "Elevated respiratory rate detected: ", VITAL_RESPIRATORY, true,  false, false,  24000,  30000, 1000 },
    [ALERT_BRADYPNEA]    = { "Bradypnea Alert",     "bradypnea",    "Critical bradypnea detected. Respiratory rate: ", "Low respiratory rate detected: ",      VITAL_RESPIRATORY, false, false, false,  10000,   8000, 1000 },
};

const struct alarm_limits alarm_limits_default = {
    .warning_milli  = { 100000, 60000, 92000, 140000, 90000, 38000, 35500, 24000, 10000 },
    .critical_milli = { 130000, 40000, 90000, 180000, 80000, 39000, 35000, 30000,  8000 },
    .hysteresis_milli = { 3000, 3000, 1000, 5000, 5000, 200, 200, 1000, 1000 },
    .spo2_scale = 1,
    .on_oxygen = 2,
};
/* clang-format on */

const char *alert_type_name(enum alert_type type)
{
    return type < ALERT_RULE_COUNT ? alert_rules[type].name : "Sensor Disconnection";
}

const char *alert_type_slug(enum alert_type type)
{
    return type < ALERT_RULE_COUNT ? alert_rules[type].slug : "sensor";
}

const char *alert_vital_type(enum alert_type type)
{
    static const char *const names[VITAL_COUNT] = {
        "heart_rate", "spo2", "blood_pressure", "blood_pressure", "temperature", "respiratory_rate",
    };
    return type < ALERT_RULE_COUNT ? names[alert_rules[type].vital] : "sensor";
}

const char *severity_name(enum alert_severity severity)
{
    static const char *const names[] = { "normal", "info", "warning", "critical" };
    return names[severity];
}

void limits_apply_spo2_scale(struct alarm_limits *limits, uint8_t scale)
{
    limits->spo2_scale = scale;
    limits->warning_milli[ALERT_HYPOXIA] = scale == 2 ? 87000 : alarm_limits_default.warning_milli[ALERT_HYPOXIA];
    limits->critical_milli[ALERT_HYPOXIA] = scale == 2 ? 84000 : alarm_limits_default.critical_milli[ALERT_HYPOXIA];
}

static bool beyond(const struct alert_rule *rule, bool strict, int32_t threshold, int32_t value)
{
    if (threshold == LIMIT_OFF)
        return false;
    if (value == threshold)
        return !strict;
    return rule->high ? value > threshold : value < threshold;
}

enum alert_severity limits_judge(const struct alarm_limits *limits, enum alert_type type, int32_t value_milli)
{
    const struct alert_rule *rule = &alert_rules[type];
    if (beyond(rule, rule->critical_strict, limits->critical_milli[type], value_milli))
        return SEVERITY_CRITICAL;
    if (beyond(rule, rule->warning_strict, limits->warning_milli[type], value_milli))
        return SEVERITY_WARNING;
    return SEVERITY_NORMAL;
}

/* clang-format off */
#define HIGH(type, group, vital, unit, min, max) \
    { group, "warning_high",  LIMIT_WARNING,  type, -1, vital, min, max, unit }, \
    { group, "critical_high", LIMIT_CRITICAL, type, -1, vital, min, max, unit }
#define LOW(type, group, vital, unit, min, max) \
    { group, "warning_low",   LIMIT_WARNING,  type, -1, vital, min, max, unit }, \
    { group, "critical_low",  LIMIT_CRITICAL, type, -1, vital, min, max, unit }
#define HYSTERESIS(type, group, name, vital, unit, max) { group, name, LIMIT_HYSTERESIS, type, -1, vital, 0, max, unit }
#define DELAY(type, other, group, vital) { group, "delay_s", LIMIT_DELAY, type, other, vital, 0, DELAY_S_MAX, "s" }
#define INTERVAL(vital, name) \
    { "expected_interval_s", name, LIMIT_INTERVAL, -1, -1, vital, 0, EXPECTED_INTERVAL_S_MAX, "s" }

/* Ranges: a critical limit outside of them would be an alarm that is switched off without an end (or one
 * that never stops), which no single patient needs.  Wide enough for targeted temperature management (32-36 Cel),
 * beta blockade, athletes and scale 2.  Hysteresis at most a NEWS2 band wide: beyond, an alarm outlives its cause. */
const struct limit_field limit_fields[LIMIT_FIELD_COUNT] = {
    HIGH(ALERT_TACHYCARDIA,  "heart_rate",       VITAL_HEART_RATE,  "bpm",  60000, 250000),
    LOW(ALERT_BRADYCARDIA,   "heart_rate",       VITAL_HEART_RATE,  "bpm",  15000,  90000),
    LOW(ALERT_HYPOXIA,       "spo2",             VITAL_SPO2,        "%",    50000,  99000),
    HIGH(ALERT_HYPERTENSION, "systolic",         VITAL_SYSTOLIC,    "mmHg", 90000, 280000),
    LOW(ALERT_HYPOTENSION,   "systolic",         VITAL_SYSTOLIC,    "mmHg", 30000, 150000),
    HIGH(ALERT_FEVER,        "temperature",      VITAL_TEMPERATURE, "°C",   36000,  43000),
    LOW(ALERT_HYPOTHERMIA,   "temperature",      VITAL_TEMPERATURE, "°C",   28000,  37000),
    HIGH(ALERT_TACHYPNEA,    "respiratory_rate", VITAL_RESPIRATORY, "/min", 12000,  60000),
    LOW(ALERT_BRADYPNEA,     "respiratory_rate", VITAL_RESPIRATORY, "/min",  2000,  20000),
    HYSTERESIS(ALERT_TACHYCARDIA,  "heart_rate",       "hysteresis_high", VITAL_HEART_RATE,  "bpm",  20000),
    HYSTERESIS(ALERT_BRADYCARDIA,  "heart_rate",       "hysteresis_low",  VITAL_HEART_RATE,  "bpm",  10000),
    HYSTERESIS(ALERT_HYPOXIA,      "spo2",             "hysteresis_low",  VITAL_SPO2,        "%",     3000),
    HYSTERESIS(ALERT_HYPERTENSION, "systolic",         "hysteresis_high", VITAL_SYSTOLIC,    "mmHg", 20000),
    HYSTERESIS(ALERT_HYPOTENSION,  "systolic",         "hysteresis_low",  VITAL_SYSTOLIC,    "mmHg", 10000),
    HYSTERESIS(ALERT_FEVER,        "temperature",      "hysteresis_high", VITAL_TEMPERATURE, "°C",    1000),
    HYSTERESIS(ALERT_HYPOTHERMIA,  "temperature",      "hysteresis_low",  VITAL_TEMPERATURE, "°C",    1000),
    HYSTERESIS(ALERT_TACHYPNEA,    "respiratory_rate", "hysteresis_high", VITAL_RESPIRATORY, "/min",  4000),
    HYSTERESIS(ALERT_BRADYPNEA,    "respiratory_rate", "hysteresis_low",  VITAL_RESPIRATORY, "/min",  3000),
    DELAY(ALERT_TACHYCARDIA,  ALERT_BRADYCARDIA, "heart_rate",       VITAL_HEART_RATE),
    DELAY(ALERT_HYPOXIA,      -1,                "spo2",             VITAL_SPO2),
    DELAY(ALERT_HYPERTENSION, ALERT_HYPOTENSION, "systolic",         VITAL_SYSTOLIC),
    DELAY(ALERT_FEVER,        ALERT_HYPOTHERMIA, "temperature",      VITAL_TEMPERATURE),
    DELAY(ALERT_TACHYPNEA,    ALERT_BRADYPNEA,   "respiratory_rate", VITAL_RESPIRATORY),
    INTERVAL(VITAL_HEART_RATE,  "heart_rate"),
    INTERVAL(VITAL_SPO2,        "spo2"),
    INTERVAL(VITAL_SYSTOLIC,    "systolic_bp"),
    INTERVAL(VITAL_DIASTOLIC,   "diastolic_bp"),
    INTERVAL(VITAL_TEMPERATURE, "temperature"),
    INTERVAL(VITAL_RESPIRATORY, "respiratory_rate"),
};
/* clang-format on */

const struct limit_field *limit_field_find(const char *group, const char *name)
{
    for (int i = 0; i < LIMIT_FIELD_COUNT; i++)
        if (strcmp(limit_fields[i].group, group) == 0 && strcmp(limit_fields[i].name, name) == 0)
            return &limit_fields[i];
    return NULL;
}

int32_t limit_field_get(const struct alarm_limits *limits, const struct limit_field *field)
{
    switch (field->kind) {
    case LIMIT_WARNING: return limits->warning_milli[field->rule];
    case LIMIT_CRITICAL: return limits->critical_milli[field->rule];
    case LIMIT_HYSTERESIS: return limits->hysteresis_milli[field->rule];
    case LIMIT_DELAY: return limits->delay_s[field->rule];
    case LIMIT_INTERVAL: break;
    }
    return (int32_t)limits->expected_interval_s[field->vital];
}

static void set_delay(struct alarm_limits *limits, const struct limit_field *field, int32_t value)
{
    /* Out of range must stay out of range in a byte, so that limits_validate() sees it. */
    uint8_t delay_s = value < 0 || value > UINT8_MAX ? UINT8_MAX : (uint8_t)value;
    limits->delay_s[field->rule] = delay_s;
    if (field->rule2 >= 0)
        limits->delay_s[field->rule2] = delay_s;
}

void limit_field_set(struct alarm_limits *limits, const struct limit_field *field, int32_t value)
{
    switch (field->kind) {
    case LIMIT_WARNING: limits->warning_milli[field->rule] = value; break;
    case LIMIT_CRITICAL: limits->critical_milli[field->rule] = value; break;
    case LIMIT_HYSTERESIS: limits->hysteresis_milli[field->rule] = value; break;
    case LIMIT_DELAY: set_delay(limits, field, value); break;
    case LIMIT_INTERVAL: limits->expected_interval_s[field->vital] = (uint32_t)value; break;
    }
}

static bool validate_field(const struct alarm_limits *limits, const struct limit_field *field, struct err *err)
{
    double scale = field->kind == LIMIT_DELAY || field->kind == LIMIT_INTERVAL ? 1.0 : 1000.0;
    int32_t value = limit_field_get(limits, field);
    if (value == LIMIT_OFF && field->kind == LIMIT_WARNING)
        return true;
    if (value == LIMIT_OFF)
        return err_set(err, ERR_INPUT, "%s.%s: cannot be switched off (pause the alarms instead: a pause ends)",
                       field->group, field->name);
    if (value < field->min || value > field->max)
        return err_set(err, ERR_INPUT, "%s.%s: %g is not between %g and %g %s", field->group, field->name,
                       value / scale, field->min / scale, field->max / scale, field->unit);
    return true;
}

/* A warning comes before its critical alarm, and neither at the value where the other side alarms. */
static bool validate_rule(const struct alarm_limits *limits, enum alert_type type, struct err *err)
{
    bool high = alert_rules[type].high;
    const char *side = high ? "high" : "low";
    const char *group = alert_rules[type].vital == VITAL_SYSTOLIC ? "systolic"
                                                                  : vital_infos[alert_rules[type].vital].document_name;
    int32_t warning = limits->warning_milli[type], critical = limits->critical_milli[type];
    if (warning != LIMIT_OFF && (high ? critical <= warning : critical >= warning))
        return err_set(err, ERR_INPUT, "%s.critical_%s: %g must be %s warning_%s %g", group, side, critical / 1000.0,
                       high ? "above" : "below", side, warning / 1000.0);
    return true;
}

/* The innermost threshold of a side, with its hysteresis: beyond it an alarm may be open. */
static int32_t inner_edge(const struct alarm_limits *limits, enum alert_type type)
{
    int32_t edge = limits->warning_milli[type] == LIMIT_OFF ? limits->critical_milli[type]
                                                            : limits->warning_milli[type];
    return alert_rules[type].high ? edge - limits->hysteresis_milli[type] : edge + limits->hysteresis_milli[type];
}

/* Some value must be free of both alarms, or the patient could never be well. */
static bool validate_pair(const struct alarm_limits *limits, enum alert_type high, enum alert_type low, struct err *err)
{
    int32_t upper = inner_edge(limits, high), lower = inner_edge(limits, low);
    enum vital vital = alert_rules[high].vital;
    if (upper <= lower)
        return err_set(err, ERR_INPUT,
                       "%s.warning_high: less its hysteresis (%g) must be above warning_low with its own (%g)",
                       vital == VITAL_SYSTOLIC ? "systolic" : vital_infos[vital].document_name, upper / 1000.0,
                       lower / 1000.0);
    return true;
}

/* Source: NEWS2 chart 1, SpO2 scale 2: the target of 88-92 % scores 0. */
enum { SCALE2_TARGET_MILLI = 88000 };

static bool validate_state(const struct alarm_limits *limits, struct err *err)
{
    if (limits->spo2_scale != 1 && limits->spo2_scale != 2)
        return err_set(err, ERR_INPUT, "spo2_scale: must be 1 or 2");
    if (limits->spo2_scale == 2 && inner_edge(limits, ALERT_HYPOXIA) > SCALE2_TARGET_MILLI)
        return err_set(err, ERR_INPUT,
                       "spo2.warning_low: with its hysteresis (%g) inside the target of scale 2, 88-92 %%",
                       inner_edge(limits, ALERT_HYPOXIA) / 1000.0);
    if (limits->on_oxygen > 2)
        return err_set(err, ERR_INPUT, "on_oxygen: must be true, false or null");
    if (limits->consciousness && !strchr("ACVPU", limits->consciousness))
        return err_set(err, ERR_INPUT, "consciousness: must be A, C, V, P, U or null");
    return true;
}

bool limits_validate(const struct alarm_limits *limits, struct err *err)
{
    for (int i = 0; i < LIMIT_FIELD_COUNT; i++)
        if (!validate_field(limits, &limit_fields[i], err))
            return false;
    for (int type = 0; type < ALERT_RULE_COUNT; type++)
        if (limits->delay_s[type] > DELAY_S_MAX)
            return err_set(err, ERR_INPUT, "delay_s: %d is above %d s", limits->delay_s[type], DELAY_S_MAX);
    for (int type = 0; type < ALERT_RULE_COUNT; type++)
        if (!validate_rule(limits, (enum alert_type)type, err))
            return false;
    return validate_state(limits, err) && validate_pair(limits, ALERT_TACHYCARDIA, ALERT_BRADYCARDIA, err) &&
           validate_pair(limits, ALERT_HYPERTENSION, ALERT_HYPOTENSION, err) &&
           validate_pair(limits, ALERT_FEVER, ALERT_HYPOTHERMIA, err) &&
           validate_pair(limits, ALERT_TACHYPNEA, ALERT_BRADYPNEA, err);
}
