/* An alert's words and its JSON, and the names that the API shows. */
#include "clinical/alert_json.h"
#include "clinical/news2.h"
#include "clinical/summary_test_helper.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static const char *message_of(struct alert *alert)
{
    static struct buf buf;
    buf_free(&buf);
    buf_init(&buf, 512);
    alert_message(alert, &buf);
    return buf.data;
}

static void messages(void **state)
{
    (void)state;
    static const struct { enum alert_type type; enum alert_severity severity; int32_t value, other, threshold; const char *text; } cases[] = {
        { ALERT_TACHYCARDIA, SEVERITY_CRITICAL, 142000, VITAL_ABSENT, 130000, "Critical tachycardia detected. Heart rate: 142 bpm (threshold: >=130)" },
        { ALERT_TACHYCARDIA, SEVERITY_WARNING, 112000, VITAL_ABSENT, 100000, "Elevated heart rate detected: 112 bpm (normal: 60-100)" },
        { ALERT_HYPOXIA, SEVERITY_WARNING, 91000, VITAL_ABSENT, 92000, "Low oxygen saturation detected: 91% (normal: >95%)" },
        { ALERT_HYPOXIA, SEVERITY_CRITICAL, 84000, VITAL_ABSENT, 90000, "Critical hypoxia detected. SpO2: 84% (threshold: <90)" },
        { ALERT_HYPERTENSION, SEVERITY_CRITICAL, 190000, 110000, 180000, "Hypertensive crisis! BP: 190/110 mmHg (threshold: >180)" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct alert alert = { .type = (uint8_t)cases[i].type, .severity = (uint8_t)cases[i].severity, .value_milli = cases[i].value,
                               .other_milli = cases[i].other, .threshold_milli = cases[i].threshold };
        assert_string_equal(message_of(&alert), cases[i].text);
    }
    struct alert sensor = { .type = ALERT_SENSOR, .lost = 1 << VITAL_SPO2 | 1 << VITAL_SYSTOLIC | 1 << VITAL_DIASTOLIC, .threshold_milli = 10000 };
    assert_string_equal(message_of(&sensor), "Sensor disconnected: Oxygen saturation, Blood pressure (no value for more than 10 s)");
}

static void as_json(void **state)
{
    (void)state;
    struct alert alert = alert_of(ALERT_FEVER, SEVERITY_CRITICAL, 0, 4, 39500, 2);
    struct alert_context context = { .patient_id = "P001", .patient_name = "A \"name\"", .bed_number = "ICU-1", .acknowledged_by = "ann" };
    struct buf buf;
    alert.value_milli = 39200;
    alert.threshold_milli = 39000;
    alert.other_milli = VITAL_ABSENT;
    alert.priority = PRIORITY_HIGH;
    alert.ack_us = MINUTE(1);
    alert.version = 3;
    buf_init(&buf, 4096);
    struct json_writer w = json_write(&buf);
    alert_write_json(&w, NULL, &alert, &context);
    assert_non_null(strstr(buf.data, "\"id\":\"P001.fever.1795438560000\""));
    assert_non_null(strstr(buf.data, "\"patient_name\":\"A \\\"name\\\"\""));
    assert_non_null(strstr(buf.data, "\"peak_value\":39.5,\"peak_at\":\"2026-11-23T12:58:00.000Z\",\"end\":\"2026-11-23T13:00:00.000Z\""));
    assert_non_null(strstr(buf.data, "\"acknowledged\":true,\"priority\":\"high\",\"kind\":\"physiological\",\"state\":\"closed\""));
    assert_non_null(strstr(buf.data, "\"acknowledged_by\":\"ann\""));
    buf_reset(&buf);
    struct alert sensor = alert_of(ALERT_SENSOR, SEVERITY_INFO, 0, 0, VITAL_ABSENT, 0);
    sensor.lost = 1 << VITAL_HEART_RATE;
    sensor.value_milli = VITAL_ABSENT;
    w = json_write(&buf);
    alert_write_json(&w, NULL, &sensor, &(struct alert_context){ .patient_id = "P.1" });
    assert_non_null(strstr(buf.data, "\"vital_value\":null"));
    assert_non_null(strstr(buf.data, "\"lost\":[\"heartRate\"]"));
    assert_non_null(strstr(buf.data, "\"end\":null"));
    assert_null(strstr(buf.data, "patient_name"));
    buf_free(&buf);
}

static void ids(void **state)
{
    (void)state;
    struct alert alert = alert_of(ALERT_SENSOR, SEVERITY_INFO, 0, 0, VITAL_ABSENT, 0);
    char id[ALERT_ID_SIZE], patient[32];
    enum alert_type type;
    int64_t onset_ms;
    struct err err = { 0 };
    assert_true(alert_id_parse(alert_id_format(&alert, "P.0.1", id), patient, sizeof patient, &type, &onset_ms, &err));
    assert_string_equal(patient, "P.0.1");
    assert_int_equal(type, ALERT_SENSOR);
    assert_int_equal(onset_ms, MINUTE(0) / US_PER_MS);
    static const char *const wrong[] = { "", "P1", "P1.fever", ".fever.1", "P1.fever.x", "P1.boredom.1", "P1.fever.-1", "a23456789012345678901234567890123.fever.1" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(alert_id_parse(wrong[i], patient, sizeof patient, &type, &onset_ms, &err));
}

static void names(void **state)
{
    (void)state;
    assert_string_equal(alert_state_name(ALERT_LATCHED), "latched");
    assert_string_equal(alert_priority_name(PRIORITY_MEDIUM), "medium");
    assert_string_equal(news2_input_name(NEWS2_PULSE), "heartRate");
    assert_string_equal(news2_band_name(NEWS2_LOW_MEDIUM), "low-medium");
    assert_string_equal(implausible_reason_name(IMPLAUSIBLE_ZERO), "zero");
    struct reading reading = reading_of(0, 0, 0, 0, 0, 0, 0);
    assert_true(reading_is_empty(&reading));
    reading = reading_of(0, 80, 0, 0, 0, 0, 0);
    assert_false(reading_is_empty(&reading));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(messages), cmocka_unit_test(as_json), cmocka_unit_test(ids), cmocka_unit_test(names) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
