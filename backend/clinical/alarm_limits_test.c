#include "clinical/alarm_limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

static void must_refuse(const struct alarm_limits *limits, const char *text)
{
    struct err err = { 0 };
    assert_false(limits_validate(limits, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_string_equal(err.text, text);
}

static struct alarm_limits with(const char *group, const char *name, int32_t value)
{
    struct alarm_limits limits = alarm_limits_default;
    const struct limit_field *field = limit_field_find(group, name);
    assert_non_null(field);
    limit_field_set(&limits, field, value);
    assert_int_equal(limit_field_get(&limits, field), value);
    return limits;
}

static void the_defaults_are_the_rules_and_valid(void **state)
{
    (void)state;
    struct err err = { 0 };
    assert_true(limits_validate(&alarm_limits_default, &err));
    for (int type = 0; type < ALERT_RULE_COUNT; type++) {
        assert_int_equal(alarm_limits_default.warning_milli[type], alert_rules[type].warning_milli);
        assert_int_equal(alarm_limits_default.critical_milli[type], alert_rules[type].critical_milli);
        assert_int_equal(alarm_limits_default.hysteresis_milli[type], alert_rules[type].hysteresis_milli);
    }
}

/* The table itself: every number of the limits is in it once, and each end of each range is refused by
 * one step more. */
static void the_table_covers_every_number_once(void **state)
{
    (void)state;
    int seen[5][ALERT_RULE_COUNT] = { 0 }, intervals[VITAL_COUNT] = { 0 };
    for (int i = 0; i < LIMIT_FIELD_COUNT; i++) {
        const struct limit_field *f = &limit_fields[i];
        assert_ptr_equal(limit_field_find(f->group, f->name), f);
        if (f->kind == LIMIT_INTERVAL)
            intervals[f->vital]++;
        else
            seen[f->kind][f->rule]++;
        if (f->kind == LIMIT_DELAY && f->rule2 >= 0)
            seen[f->kind][f->rule2]++;
        assert_true(f->min < f->max);
        assert_in_range(limit_field_get(&alarm_limits_default, f), f->min, f->max);
        const int32_t beyond[] = { f->min - 1, f->max + 1 };
        for (int k = 0; k < 2; k++) {
            struct alarm_limits limits = alarm_limits_default;
            struct err err = { 0 };
            limit_field_set(&limits, f, beyond[k]);
            assert_false(limits_validate(&limits, &err));
            assert_non_null(strstr(err.text, f->name));
        }
    }
    for (int kind = LIMIT_WARNING; kind <= LIMIT_DELAY; kind++)
        for (int type = 0; type < ALERT_RULE_COUNT; type++)
            assert_int_equal(seen[kind][type], 1);
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        assert_int_equal(intervals[vital], 1);
    assert_null(limit_field_find("spo2", "warning_high"));
    assert_null(limit_field_find("pulse", "warning_high"));
}

static void wrong_limits_are_named(void **state)
{
    (void)state;
    struct alarm_limits limits = with("heart_rate", "critical_high", 90000);
    must_refuse(&limits, "heart_rate.critical_high: 90 must be above warning_high 100");
    limits = with("systolic", "critical_low", 95000);
    must_refuse(&limits, "systolic.critical_low: 95 must be below warning_low 90");
    limits = with("heart_rate", "critical_high", 300000);
    must_refuse(&limits, "heart_rate.critical_high: 300 is not between 60 and 250 bpm");
    limits = with("temperature", "delay_s", 31);
    must_refuse(&limits, "temperature.delay_s: 31 is not between 0 and 30 s");
    limits = alarm_limits_default;
    limits.delay_s[ALERT_HYPOTHERMIA] = 31;
    must_refuse(&limits, "delay_s: 31 is above 30 s");
    limits = with("expected_interval_s", "temperature", 24 * 3600 + 1);
    must_refuse(&limits, "expected_interval_s.temperature: 86401 is not between 0 and 86400 s");
    limits = with("heart_rate", "warning_high", 65000);
    must_refuse(&limits,
                "heart_rate.warning_high: less its hysteresis (62) must be above warning_low with its own (63)");
    limits = alarm_limits_default;
    limits.spo2_scale = 3;
    must_refuse(&limits, "spo2_scale: must be 1 or 2");
    limits = alarm_limits_default;
    limits.on_oxygen = 3;
    must_refuse(&limits, "on_oxygen: must be true, false or null");
    limits = alarm_limits_default;
    limits.consciousness = 'X';
    must_refuse(&limits, "consciousness: must be A, C, V, P, U or null");
}

/* trust.md incident 7: no value gives a silence without an end. */
static void a_warning_can_be_off_a_critical_alarm_cannot(void **state)
{
    (void)state;
    struct err err = { 0 };
    for (int i = 0; i < LIMIT_FIELD_COUNT; i++) {
        struct alarm_limits limits = alarm_limits_default;
        if (limit_fields[i].kind != LIMIT_WARNING && limit_fields[i].kind != LIMIT_CRITICAL)
            continue;
        limit_field_set(&limits, &limit_fields[i], LIMIT_OFF);
        assert_int_equal(limits_validate(&limits, &err), limit_fields[i].kind == LIMIT_WARNING);
    }
    struct alarm_limits limits = with("heart_rate", "critical_low", LIMIT_OFF);
    must_refuse(&limits, "heart_rate.critical_low: cannot be switched off (pause the alarms instead: a pause ends)");
}

static void scale_2_never_alarms_inside_its_target(void **state)
{
    (void)state;
    struct err err = { 0 };
    struct alarm_limits limits = alarm_limits_default;
    limits.spo2_scale = 2;
    must_refuse(&limits, "spo2.warning_low: with its hysteresis (93) inside the target of scale 2, 88-92 %");
    limits_apply_spo2_scale(&limits, 2);
    assert_true(limits_validate(&limits, &err));
    for (int32_t milli = 88000; milli <= 92000; milli += 100)
        assert_int_equal(limits_judge(&limits, ALERT_HYPOXIA, milli), SEVERITY_NORMAL);
    assert_int_equal(limits_judge(&limits, ALERT_HYPOXIA, 87000), SEVERITY_WARNING);
    assert_int_equal(limits_judge(&limits, ALERT_HYPOXIA, 83900), SEVERITY_CRITICAL);
    limits.warning_milli[ALERT_HYPOXIA] = LIMIT_OFF;
    assert_true(limits_validate(&limits, &err));
    limits_apply_spo2_scale(&limits, 1);
    assert_int_equal(limits_judge(&limits, ALERT_HYPOXIA, 92000), SEVERITY_WARNING);
}

static void names_are_those_of_the_interface(void **state)
{
    (void)state;
    static const struct { enum alert_type type; const char *name, *slug, *vital; } names[] = {
        { ALERT_TACHYCARDIA, "Tachycardia Alert", "tachycardia", "heart_rate" },
        { ALERT_BRADYCARDIA, "Bradycardia Alert", "bradycardia", "heart_rate" },
        { ALERT_HYPOXIA, "Hypoxia Alert", "hypoxia", "spo2" },
        { ALERT_HYPERTENSION, "Hypertensive Crisis", "hypertension", "blood_pressure" },
        { ALERT_HYPOTENSION, "Hypotension Alert", "hypotension", "blood_pressure" },
        { ALERT_FEVER, "Fever Alert", "fever", "temperature" },
        { ALERT_HYPOTHERMIA, "Hypothermia Alert", "hypothermia", "temperature" },
        { ALERT_TACHYPNEA, "Tachypnea Alert", "tachypnea", "respiratory_rate" },
        { ALERT_BRADYPNEA, "Bradypnea Alert", "bradypnea", "respiratory_rate" },
        { ALERT_SENSOR, "Sensor Disconnection", "sensor", "sensor" },
    };
    assert_int_equal(sizeof names / sizeof *names, ALERT_TYPE_COUNT);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_string_equal(alert_type_name(names[i].type), names[i].name);
        assert_string_equal(alert_type_slug(names[i].type), names[i].slug);
        assert_string_equal(alert_vital_type(names[i].type), names[i].vital);
    }
    assert_string_equal(severity_name(SEVERITY_NORMAL), "normal");
    assert_string_equal(severity_name(SEVERITY_INFO), "info");
    assert_string_equal(severity_name(SEVERITY_WARNING), "warning");
    assert_string_equal(severity_name(SEVERITY_CRITICAL), "critical");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_defaults_are_the_rules_and_valid),
        cmocka_unit_test(the_table_covers_every_number_once),
        cmocka_unit_test(wrong_limits_are_named),
        cmocka_unit_test(a_warning_can_be_off_a_critical_alarm_cannot),
        cmocka_unit_test(scale_2_never_alarms_inside_its_target),
        cmocka_unit_test(names_are_those_of_the_interface),
    };
    return cmocka_run_group_tests_name("alarm_limits", tests, NULL, NULL);
}
