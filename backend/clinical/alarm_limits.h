/* alarm_limits.h - the alarm limits of one patient, and the rules they belong to.
 *
 * A rule is one physiological alert type: a vital, a side (high or low), two thresholds.  The
 * thresholds can be changed per patient; which side they are on, and whether the threshold itself
 * is still allowed, belongs to the rule and cannot.
 * Units:   thousandths, as in vital.h; seconds for delays.
 * Source:  clinical.md "Default alarm limits": product brief; Royal College of Physicians, NEWS2
 *          2017, chart 1.  Hysteresis: half a NEWS2 band or less, so that a cleared alarm is clear. */
#ifndef CLINICAL_ALARM_LIMITS_H
#define CLINICAL_ALARM_LIMITS_H

#include "base/err.h"
#include "clinical/vital.h"

enum alert_type {
    ALERT_TACHYCARDIA,
    ALERT_BRADYCARDIA,
    ALERT_HYPOXIA,
    ALERT_HYPERTENSION,
    ALERT_HYPOTENSION,
    ALERT_FEVER,
    ALERT_HYPOTHERMIA,
    ALERT_TACHYPNEA,
    ALERT_BRADYPNEA,
    ALERT_RULE_COUNT,                    /* the physiological ones */
    ALERT_SENSOR = ALERT_RULE_COUNT,     /* technical */
    ALERT_TYPE_COUNT
};

enum alert_severity { SEVERITY_NORMAL, SEVERITY_INFO, SEVERITY_WARNING, SEVERITY_CRITICAL };

struct alert_rule {
    const char *name, *slug;             /* "Tachycardia Alert", "tachycardia" */
    const char *critical_text, *warning_text; /* openings of the message */
    enum vital vital;
    bool high;                           /* raises above, else below */
    bool warning_strict, critical_strict;/* > and <, not >= and <= */
    int32_t warning_milli, critical_milli, hysteresis_milli;
};
extern const struct alert_rule alert_rules[ALERT_RULE_COUNT];

const char *alert_type_name(enum alert_type type);       /* "Sensor Disconnection" */
const char *alert_type_slug(enum alert_type type);       /* "sensor" */
const char *alert_vital_type(enum alert_type type);      /* "heart_rate", "blood_pressure", "sensor" */
const char *severity_name(enum alert_severity severity); /* "critical" */

#define LIMIT_OFF INT32_MIN              /* this threshold never raises; warnings only */
enum { DELAY_S_MAX = 30,                 /* IEC 60601-1-8 practice: clinical.md "Alarm behaviour" */
       EXPECTED_INTERVAL_S_MAX = 24 * 3600 };

struct alarm_limits {
    int32_t warning_milli[ALERT_RULE_COUNT];   /* LIMIT_OFF: no such threshold */
    int32_t critical_milli[ALERT_RULE_COUNT];  /* never off: an alarm without an end to its silence */
    int32_t hysteresis_milli[ALERT_RULE_COUNT];/* clears this much inside the threshold */
    uint32_t expected_interval_s[VITAL_COUNT]; /* 0: learned from the data */
    uint8_t delay_s[ALERT_RULE_COUNT];         /* before a warning raises; a critical one never waits */
    uint8_t spo2_scale;                        /* NEWS2: 1, or 2 (target 88-92 %) */
    uint8_t on_oxygen;                         /* 0 air, 1 oxygen, 2 not known */
    char consciousness;                        /* A C V P U, or 0: not known */
};

extern const struct alarm_limits alarm_limits_default;

/* Scale 2 with limits left at their defaults: hypoxia below the target of 88-92 %, not inside it.
 * Source: NEWS2 chart 1, SpO2 scale 2 (<= 83 scores 3, 84-85 scores 2, 86-87 scores 1). */
void limits_apply_spo2_scale(struct alarm_limits *limits, uint8_t scale);
/* Names the field and what is wrong: "heart_rate.critical_high: 90 must be above warning_high 100". */
bool limits_validate(const struct alarm_limits *limits, struct err *err) MUST_CHECK;

/* Every number of the limits that a person may change, by the names of the API. */
enum limit_kind { LIMIT_WARNING, LIMIT_CRITICAL, LIMIT_HYSTERESIS, LIMIT_DELAY, LIMIT_INTERVAL };
struct limit_field {
    const char *group, *name;            /* "heart_rate", "critical_high" */
    enum limit_kind kind;
    int rule, rule2;                     /* enum alert_type or -1; rule2: the other side of a delay */
    enum vital vital;
    int32_t min, max;                    /* thresholds: thousandths; delays and intervals: seconds */
    const char *unit;
};
enum { LIMIT_FIELD_COUNT = 3 * ALERT_RULE_COUNT + 5 + VITAL_COUNT };
extern const struct limit_field limit_fields[LIMIT_FIELD_COUNT];
const struct limit_field *limit_field_find(const char *group, const char *name); /* NULL: no such field */
int32_t limit_field_get(const struct alarm_limits *limits, const struct limit_field *field);
void limit_field_set(struct alarm_limits *limits, const struct limit_field *field, int32_t value);

/* The severity of a value by itself, without delay or hysteresis: what a dry run answers. */
enum alert_severity limits_judge(const struct alarm_limits *limits, enum alert_type rule, int32_t value_milli);

#endif
