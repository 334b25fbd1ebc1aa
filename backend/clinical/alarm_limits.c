#include "clinical/alarm_limits.h"

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

static bool validate_rule(const struct alarm_limits *limits, enum alert_type type, struct err *err)
{
    const struct alert_rule *rule = &alert_rules[type];
    const struct vital_info *vital = &vital_infos[rule->vital];
    const char *side = rule->high ? "high" : "low";
    int32_t warning = limits->warning_milli[type], critical = limits->critical_milli[type];
    const int32_t both[] = { warning, critical };
    for (int i = 0; i < 2; i++)
        if (both[i] != LIMIT_OFF && (both[i] < 0 || both[i] > vital->accept_max_milli))
            return err_set(err, ERR_INPUT, "%s.%s_%s: %g is not between 0 and %g %s", vital->document_name,
                           i ? "critical" : "warning", side, both[i] / 1000.0,
                           vital->accept_max_milli / 1000.0, vital->unit);
    if (warning != LIMIT_OFF && critical != LIMIT_OFF && (rule->high ? critical <= warning : critical >= warning))
        return err_set(err, ERR_INPUT, "%s.critical_%s: %g must be %s warning_%s %g", vital->document_name, side,
                       critical / 1000.0, rule->high ? "above" : "below", side, warning / 1000.0);
    if (limits->delay_s[type] > DELAY_S_MAX)
        return err_set(err, ERR_INPUT, "%s.delay_s: %d is above %d s", vital->document_name,
                       limits->delay_s[type], DELAY_S_MAX);
    return true;
}

/* A high limit below the low one would alarm at every value. */
static bool validate_pair(const struct alarm_limits *limits, enum alert_type high, enum alert_type low, struct err *err)
{
    int32_t upper = limits->warning_milli[high], lower = limits->warning_milli[low];
    if (upper != LIMIT_OFF && lower != LIMIT_OFF && upper <= lower)
        return err_set(err, ERR_INPUT, "%s.warning_high: %g must be above warning_low %g",
                       vital_infos[alert_rules[high].vital].document_name, upper / 1000.0, lower / 1000.0);
    return true;
}

bool limits_validate(const struct alarm_limits *limits, struct err *err)
{
    for (int type = 0; type < ALERT_RULE_COUNT; type++)
        if (!validate_rule(limits, (enum alert_type)type, err))
            return false;
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        if (limits->expected_interval_s[vital] > EXPECTED_INTERVAL_S_MAX)
            return err_set(err, ERR_INPUT, "expected_interval_s.%s: %u is above %d s",
                           vital_infos[vital].document_name, limits->expected_interval_s[vital],
                           EXPECTED_INTERVAL_S_MAX);
    if (limits->spo2_scale != 1 && limits->spo2_scale != 2)
        return err_set(err, ERR_INPUT, "spo2_scale: must be 1 or 2");
    return validate_pair(limits, ALERT_TACHYCARDIA, ALERT_BRADYCARDIA, err) &&
           validate_pair(limits, ALERT_HYPERTENSION, ALERT_HYPOTENSION, err) &&
           validate_pair(limits, ALERT_FEVER, ALERT_HYPOTHERMIA, err) &&
           validate_pair(limits, ALERT_TACHYPNEA, ALERT_BRADYPNEA, err);
}
