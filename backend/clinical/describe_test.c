/* What people and programs read of an alert, a vital, a score; what is believed of a reading. */
#include "clinical/alert_json.h"
#include "clinical/news2.h"

#include "base/bounds.h"
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define T0 (INT64_C(1795440000) * US_PER_S) /* 2026-11-23T13:20:00Z */

static struct alert alert_of(enum alert_type type, enum alert_severity severity, double value, double threshold)
{
    return (struct alert){ .type = (uint8_t)type, .severity = (uint8_t)severity,
                           .value_milli = (int32_t)(value * 1000 + 0.5),
                           .threshold_milli = (int32_t)(threshold * 1000 + 0.5), .other_milli = VITAL_ABSENT,
                           .peak_milli = VITAL_ABSENT, .onset_us = T0, .raised_us = T0, .version = 1,
                           .state = ALERT_ACTIVE, .patient = 1 };
}

/* Source: clinical.md "Message texts". */
static void messages_say_value_and_threshold(void **state)
{
    static const struct {
        enum alert_type type;
        enum alert_severity severity;
        double value, threshold;
        const char *ends;
    } cases[] = {
        { ALERT_TACHYCARDIA, SEVERITY_CRITICAL, 142, 130, "142 bpm (threshold: >=130)" },
        { ALERT_TACHYCARDIA, SEVERITY_WARNING, 112, 100, "112 bpm (normal: 60-100)" },
        { ALERT_BRADYCARDIA, SEVERITY_WARNING, 48, 50, "48 bpm (normal: 60-100)" },
        { ALERT_HYPOXIA, SEVERITY_WARNING, 91, 92, "91% (normal: >95%)" },
        { ALERT_FEVER, SEVERITY_WARNING, 38.4, 38, "38.4 °C (normal: 36.1-38.0)" },
        { ALERT_TACHYPNEA, SEVERITY_WARNING, 24, 21, "24 /min (normal: 12-20)" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct alert alert = alert_of(cases[i].type, cases[i].severity, cases[i].value, cases[i].threshold);
        struct buf out;
        buf_init(&out, 512);
        alert_message(&alert, &out);
        size_t length = strlen(cases[i].ends);
        if (out.length < length || strcmp(out.data + out.length - length, cases[i].ends) != 0)
            fail_msg("'%s' does not end in '%s'", out.data, cases[i].ends);
        bool critical = cases[i].severity == SEVERITY_CRITICAL;
        const struct alert_rule *rule = &alert_rules[cases[i].type];
        assert_true(str_starts(out.data, critical ? rule->critical_text : rule->warning_text));
        buf_free(&out);
    }
}

static void a_pressure_has_both_numbers_and_a_low_side_its_sign(void **state)
{
    (void)state;
    struct alert alert = alert_of(ALERT_HYPOTENSION, SEVERITY_CRITICAL, 78, 80);
    struct buf out;
    buf_init(&out, 512);
    alert.other_milli = 41000;
    alert_message(&alert, &out);
    assert_non_null(strstr(out.data, "78/41 mmHg"));
    assert_non_null(
        strstr(out.data, alert_rules[ALERT_HYPOTENSION].critical_strict ? "(threshold: <80)" : "(threshold: <=80)"));
    buf_free(&out);
}

static void a_lost_sensor_names_what_is_lost(void **state)
{
    static const struct { uint8_t lost; const char *says; } cases[] = {
        { 1u << VITAL_SPO2, "Sensor disconnected: Oxygen saturation (no value for more than 2.5 s)" },
        { 1u << VITAL_SYSTOLIC | 1u << VITAL_DIASTOLIC,
          "Sensor disconnected: Blood pressure (no value for more than 2.5 s)" },
        { 1u << VITAL_HEART_RATE | 1u << VITAL_DIASTOLIC,
          "Sensor disconnected: Heart rate, Diastolic blood pressure (no value for more than 2.5 s)" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct alert alert = alert_of(ALERT_SENSOR, SEVERITY_WARNING, 0, 2.5);
        struct buf out;
        buf_init(&out, 512);
        alert.lost = cases[i].lost;
        alert_message(&alert, &out);
        assert_string_equal(out.data, cases[i].says);
        buf_free(&out);
    }
}

static void an_id_is_read_back_also_with_dots_in_the_patients_name(void **state)
{
    static const char *const patients[] = { "P001", "a.b.c", "x", "tachycardia", "1.fever.2" };
    struct err err;
    (void)state;
    for (size_t i = 0; i < sizeof patients / sizeof *patients; i++)
        for (int type = 0; type < ALERT_TYPE_COUNT; type++) {
            struct alert alert = alert_of((enum alert_type)type, SEVERITY_WARNING, 1, 1);
            char id[ALERT_ID_SIZE], patient[PATIENT_ID_SIZE];
            enum alert_type back;
            int64_t onset_ms;
            (void)alert_id_format(&alert, patients[i], id);
            assert_true(alert_id_parse(id, patient, sizeof patient, &back, &onset_ms, &err));
            assert_string_equal(patient, patients[i]);
            assert_int_equal(back, type);
            assert_int_equal(onset_ms, T0 / US_PER_MS);
        }
}

static void a_wrong_id_is_not_found(void **state)
{
    static const char *const ids[] = {
        "", "P001", "P001.fever", ".fever.1", "P001.fever.", "P001.fever.x", "P001.fever.-1", "P001..1",
        "P001.plague.1", "P001.fever.99999999999999999999", "a-name-of-a-patient-that-is-too-long-for-us.fever.1",
        "P001.FEVER.1", "P001.fever.1 ",
    };
    (void)state;
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        struct err err = { 0 };
        char patient[PATIENT_ID_SIZE];
        enum alert_type type;
        int64_t onset_ms;
        if (alert_id_parse(ids[i], patient, sizeof patient, &type, &onset_ms, &err))
            fail_msg("'%s' was taken", ids[i]);
        assert_int_equal(err.kind, ERR_NOT_FOUND);
    }
}

/* ---- JSON ---- */

static const char *written(struct buf *out, const struct alert *alert, const struct alert_context *context)
{
    buf_reset(out);
    struct json_writer w = json_write(out);
    alert_write_json(&w, NULL, alert, context);
    return out->data;
}

#define HAS(text, part)                                  \
    do {                                                 \
        if (!strstr(text, part))                         \
            fail_msg("%s lacks %s", text, part);         \
    } while (0)

static void an_alert_in_json_keeps_what_is_unknown_null(void **state)
{
    struct alert_context nobody = { .patient_id = "P001" }, all = { "P001", "Ada", "ICU-101", "nurse1" };
    struct buf out;
    (void)state;
    buf_init(&out, 4096);
    struct alert alert = alert_of(ALERT_TACHYCARDIA, SEVERITY_CRITICAL, 142, 130);
    const char *text = written(&out, &alert, &nobody);
    HAS(text, "\"type\":\"Tachycardia Alert\"");
    HAS(text, "\"vital_type\":\"heart_rate\",\"vital_value\":142,\"threshold\":130");
    HAS(text, "\"timestamp\":\"2026-11-23T13:20:00.000Z\",\"acknowledged\":false,\"priority\":\"low\",\"kind\":"
              "\"physiological\",\"state\":\"active\"");
    HAS(text, "\"peak_value\":null,\"peak_at\":null,\"end\":null,\"acknowledged_at\":null,\"acknowledged_by\":null");
    assert_null(strstr(text, "patient_name"));
    assert_null(strstr(text, "bed_number"));
    assert_null(strstr(text, "\"lost\""));
    alert.peak_milli = 150500, alert.peak_us = alert.end_us = alert.ack_us = T0 + US_PER_S, alert.state = ALERT_CLOSED;
    alert.priority = PRIORITY_HIGH;
    text = written(&out, &alert, &all);
    HAS(text, "\"patient_name\":\"Ada\",\"bed_number\":\"ICU-101\"");
    HAS(text, "\"acknowledged\":true,\"priority\":\"high\",\"kind\":\"physiological\",\"state\":\"closed\"");
    HAS(text, "\"peak_value\":150.5,\"peak_at\":\"2026-11-23T13:20:01.000Z\",\"end\":\"2026-11-23T13:20:01.000Z\"");
    HAS(text, "\"acknowledged_by\":\"nurse1\"");
    all.bed_number = "";
    HAS(written(&out, &alert, &all), "\"bed_number\":null");
    struct alert lost = alert_of(ALERT_SENSOR, SEVERITY_WARNING, 0, 2);
    lost.value_milli = VITAL_ABSENT, lost.lost = 1u << VITAL_SPO2 | 1u << VITAL_TEMPERATURE;
    text = written(&out, &lost, &nobody);
    HAS(text, "\"vital_type\":\"sensor\",\"vital_value\":null");
    HAS(text, "\"kind\":\"technical\"");
    HAS(text, "\"lost\":[\"spO2\",\"temperature\"]");
    buf_free(&out);
}

static void names_are_those_of_the_interface(void **state)
{
    (void)state;
    assert_string_equal(alert_state_name(ALERT_LATCHED), "latched");
    assert_string_equal(alert_priority_name(PRIORITY_MEDIUM), "medium");
    assert_string_equal(news2_band_name(NEWS2_LOW_MEDIUM), "low-medium");
    assert_string_equal(news2_band_name(NEWS2_UNKNOWN), "unknown");
    assert_string_equal(news2_input_name(NEWS2_PULSE), "heartRate");
    assert_string_equal(news2_input_name(NEWS2_TEMPERATURE), "temperature");
    assert_string_equal(implausible_reason_name(IMPLAUSIBLE_ZERO), "zero");
    for (int reason = PLAUSIBLE; reason <= IMPLAUSIBLE_PRESSURE; reason++)
        assert_true(implausible_reason_name((enum implausible_reason)reason)[0] != '\0');
}

/* ---- readings ---- */

static struct reading reading_of(enum vital vital, double value)
{
    struct reading reading = { .patient = 1, .time_us = T0 };
    for (int v = 0; v < VITAL_COUNT; v++)
        reading.value_milli[v] = VITAL_ABSENT;
    reading.value_milli[vital] = (int32_t)(value * 1000 + 0.5);
    return reading;
}

static void what_cannot_be_is_marked_with_its_reason(void **state)
{
    (void)state;
    for (int v = 0; v < VITAL_COUNT; v++) {
        const struct vital_info *info = &vital_infos[v];
        assert_true(info->plausible_min_milli > 0 && info->plausible_min_milli < info->plausible_max_milli);
        assert_true(info->plausible_max_milli <= info->accept_max_milli);
        const struct { int32_t milli; enum implausible_reason reason; } cases[] = {
            { VITAL_ABSENT, PLAUSIBLE }, { 0, IMPLAUSIBLE_ZERO }, { 1, IMPLAUSIBLE_LOW },
            { info->plausible_min_milli - 1, IMPLAUSIBLE_LOW }, { info->plausible_min_milli, PLAUSIBLE },
            { info->plausible_max_milli, PLAUSIBLE }, { info->plausible_max_milli + 1, IMPLAUSIBLE_HIGH },
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            struct reading reading = reading_of((enum vital)v, 1);
            reading.value_milli[v] = cases[i].milli;
            assert_int_equal(reading_vital_plausible(&reading, (enum vital)v), cases[i].reason);
            reading_mark_implausible(&reading);
            assert_int_equal(reading.implausible, (cases[i].reason != PLAUSIBLE) << v);
            bool believed = cases[i].reason == PLAUSIBLE && cases[i].milli != VITAL_ABSENT;
            assert_int_equal(reading_usable(&reading, (enum vital)v), believed ? cases[i].milli : VITAL_ABSENT);
            assert_int_equal(reading_is_empty(&reading), cases[i].milli == VITAL_ABSENT);
        }
    }
}

static void crossed_pressures_are_both_marked(void **state)
{
    (void)state;
    struct reading reading = reading_of(VITAL_SYSTOLIC, 90);
    reading.value_milli[VITAL_DIASTOLIC] = 90000;
    reading_mark_implausible(&reading);
    assert_int_equal(reading.implausible, 1u << VITAL_SYSTOLIC | 1u << VITAL_DIASTOLIC);
    reading.value_milli[VITAL_DIASTOLIC] = 89999;
    reading_mark_implausible(&reading);
    assert_int_equal(reading.implausible, 0);
}

/* With the oxygen not known, scale 2 is a range: a saturation above the target counts on oxygen only. */
static void scale_2_is_a_range_when_the_oxygen_is_not_known(void **state)
{
    struct alarm_limits limits = alarm_limits_default;
    int32_t values[VITAL_COUNT] = { 75000, 97000, 120000, 80000, 37000, 16000 };
    (void)state;
    limits_apply_spo2_scale(&limits, 2);
    limits.consciousness = 'A';
    limits.on_oxygen = 2;
    struct news2 score = news2_score(values, &limits);
    assert_int_equal(score.low, 0);
    assert_int_equal(score.high, 3 + 2);
    assert_int_equal(score.missing, 1u << NEWS2_OXYGEN);
    limits.on_oxygen = 1;
    score = news2_score(values, &limits);
    assert_int_equal(score.low, 5);
    assert_int_equal(score.high, 5);
}

/* ---- bytes ---- */

struct bed {
    struct alarm_patient state;
    struct alarm_events events;
};

static void send(struct bed *bed, int second, double heart_rate)
{
    struct reading reading = reading_of(VITAL_HEART_RATE, heart_rate);
    reading.time_us = T0 + second * US_PER_S;
    bed->events.count = 0;
    alarm_reading(&bed->state, &alarm_limits_default, &reading, &bed->events);
}

static struct bed new_bed(void)
{
    struct bed bed = { 0 };
    alarm_init(&bed.state, 1);
    return bed;
}

static void bytes_that_are_no_state_are_refused(void **state)
{
    static unsigned char bytes[ALARM_SAVE_SIZE_MAX];
    struct err err = { 0 };
    struct alarm_patient back;
    (void)state;
    struct bed bed = new_bed();
    send(&bed, 0, 150);
    size_t size = alarm_save(&bed.state, bytes);
    assert_true(alarm_load(&back, bytes, size, &err));
    assert_memory_equal(&back.alerts[ALERT_TACHYCARDIA], &bed.state.alerts[ALERT_TACHYCARDIA], sizeof back.alerts[0]);
    assert_false(alarm_load(&back, bytes, size - 1, &err));
    assert_false(alarm_load(&back, bytes, 1, &err));
    bytes[0] = 99;
    assert_false(alarm_load(&back, bytes, size, &err));
    assert_non_null(strstr(err.text, "version"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_say_value_and_threshold),
        cmocka_unit_test(a_pressure_has_both_numbers_and_a_low_side_its_sign),
        cmocka_unit_test(a_lost_sensor_names_what_is_lost),
        cmocka_unit_test(an_id_is_read_back_also_with_dots_in_the_patients_name),
        cmocka_unit_test(a_wrong_id_is_not_found),
        cmocka_unit_test(an_alert_in_json_keeps_what_is_unknown_null),
        cmocka_unit_test(names_are_those_of_the_interface),
        cmocka_unit_test(what_cannot_be_is_marked_with_its_reason),
        cmocka_unit_test(crossed_pressures_are_both_marked),
        cmocka_unit_test(scale_2_is_a_range_when_the_oxygen_is_not_known),
        cmocka_unit_test(bytes_that_are_no_state_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
