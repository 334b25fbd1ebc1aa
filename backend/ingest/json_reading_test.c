/* What one JSON reading becomes, and which field a wrong one is blamed on (trust.md D5, D8). */
#include "ingest/json_reading.h"

#include "base/clock.h"
#include "base/str.h"
#include "ingest/json_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define NOW INT64_C(1795440000000000) /* 2026-11-23T13:20:00Z */

static struct json_reading got;
static struct json_reading_error failed;

static bool parse(const char *text)
{
    /* A copy without a NUL behind it, so that the sanitizer sees a read too far. */
    size_t length = strlen(text);
    char *exact = malloc(length ? length : 1);
    memcpy(exact, text, length);
    bool ok = json_reading_parse(exact, length, NOW, &got, &failed);
    free(exact);
    return ok;
}

#define HEAD "{\"patient_id\":\"P001\",\"timestamp\":\"2026-11-23T13:20:00.000Z\","

static void api_example(void **state)
{
    (void)state;
    assert_true(parse("{\"patient_id\": \"P001\", \"timestamp\": \"2026-11-23T13:20:00.000Z\", \"heartRate\": 112, "
                      "\"spO2\": 91, \"bloodPressure\": {\"systolic\": 148, \"diastolic\": 92}, \"temperature\": 38.4, "
                      "\"respiratory\": 24, \"source\": \"monitor-7\"}"));
    assert_string_equal(got.patient_id, "P001");
    assert_string_equal(got.source, "monitor-7");
    assert_int_equal(got.reading_count, 1);
    const int32_t want[VITAL_COUNT] = { 112000, 91000, 148000, 92000, 38400, 24000 };
    assert_memory_equal(got.readings[0].value_milli, want, sizeof want);
    assert_int_equal(got.readings[0].time_us, NOW);
    assert_int_equal(got.readings[0].flags, 0);
}

static void document_names(void **state)
{
    (void)state;
    assert_true(
        parse("{\"@timestamp\":\"2026-11-23T14:20:00+01:00\",\"patient_id\":\"P001\",\"service\":\"x\","
              "\"heart_rate\":1.12e2,\"spo2\":9100E-2,\"systolic_bp\":148,\"diastolic_bp\":92,"
              "\"temperature\":38.40000,\"respiratory_rate\":24,\"simulated\":true,\"bed_number\":{\"a\":[1,{}]}}"));
    const int32_t want[VITAL_COUNT] = { 112000, 91000, 148000, 92000, 38400, 24000 };
    assert_memory_equal(got.readings[0].value_milli, want, sizeof want);
    assert_int_equal(got.readings[0].time_us, NOW);
    assert_int_equal(got.readings[0].flags, READING_SIMULATED);
    assert_string_equal(got.source, "");
}

static void every_name_is_found(void **state)
{
    (void)state;
    static const struct { const char *name; enum vital vital; } names[] = {
        { "heartRate", VITAL_HEART_RATE },     { "heart_rate", VITAL_HEART_RATE },
        { "spO2", VITAL_SPO2 },                { "spo2", VITAL_SPO2 },
        { "systolic", VITAL_SYSTOLIC },        { "systolic_bp", VITAL_SYSTOLIC },
        { "diastolic", VITAL_DIASTOLIC },      { "diastolic_bp", VITAL_DIASTOLIC },
        { "temperature", VITAL_TEMPERATURE },  { "respiratory", VITAL_RESPIRATORY },
        { "respiratory_rate", VITAL_RESPIRATORY },
        { "heart\\u0052ate", VITAL_HEART_RATE },   /* an escaped R is an R */
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char text[200];
        snprintf(text, sizeof text, HEAD "\"%s\":40}", names[i].name);
        assert_true(parse(text));
        for (int v = 0; v < VITAL_COUNT; v++)
            assert_int_equal(got.readings[0].value_milli[v], v == (int)names[i].vital ? 40000 : VITAL_ABSENT);
    }
    assert_true(parse("{\"patientId\":\"P-1.x_2\",\"timestamp\":\"2026-11-23T13:20:00Z\",\"blood_pressure\":"
                      "{\"systolic_bp\":120,\"diastolic_bp\":80,\"unit\":\"mmHg\"}}"));
    assert_string_equal(got.patient_id, "P-1.x_2");
    assert_int_equal(got.readings[0].value_milli[VITAL_DIASTOLIC], 80000);
}

/* D5: stored as given, or refused by name. */
static void numbers(void **state)
{
    (void)state;
    static const struct { const char *text; int32_t milli; const char *error; } cases[] = {
        { "null", VITAL_ABSENT, NULL },
        { "0", 0, NULL },
        { "-0", 0, NULL },
        { "-0.0e5", 0, NULL },
        { "0.0005", 0, NULL },             /* half to even */
        { "0.0015", 2, NULL },
        { "0.00050000000000000000000001", 1, NULL },
        { "0.000499999999999999999999999", 0, NULL },
        { "36.6005", 36600, NULL },
        { "36.6015", 36602, NULL },
        { "1e-999999999999", 0, NULL },
        { "0e999999999999", 0, NULL },
        { "0.1e2", 10000, NULL },
        { "4E+1", 40000, NULL },
        { "0.00000000000000000000000004e27", 40000, NULL },
        { "400", 400000, NULL },
        { "400.0005", 400000, NULL },
        { "400.000500001", 0, "heartRate: 400.000500001 is above 400 bpm" },
        { "401", 0, "heartRate: 401 is above 400 bpm" },
        { "1e999", 0, "heartRate: 1e999 is above 400 bpm" },
        { "9007199254740993", 0, "heartRate: 9007199254740993 is above 400 bpm" },
        { "99999999999999999999999999999999999", 0, "heartRate: 999999999999999999999999 is above 400 bpm" },
        { "-100", 0, "heartRate: -100 is below 0 bpm" },
        { "-0.001", 0, "heartRate: -0.001 is below 0 bpm" },
        { "\"112\"", 0, "heartRate: must be a number, not a string" },
        { "true", 0, "heartRate: must be a number, not true" },
        { "[112]", 0, "heartRate: must be a number, not an array" },
        { "{\"value\":112}", 0, "heartRate: must be a number, not an object" },
        { "NaN", 0, "heartRate: NaN and Infinity are not JSON; null says that there is no value" },
        { "Infinity", 0, "heartRate: NaN and Infinity are not JSON; null says that there is no value" },
        { "-Infinity", 0, "heartRate: not a JSON number (-Infinity is none)" },
        { "38,4", 0, "heartRate: a decimal comma is not JSON, write 38.4" },
        { "+5", 0, "heartRate: no JSON value behind the name" },
        { ".5", 0, "heartRate: no JSON value behind the name" },
        { "5.", 0, "heartRate: not a JSON number" },
        { "5e", 0, "heartRate: not a JSON number" },
        { "007", 0, "heartRate: a comma or } must follow its value" },
        { "0x70", 0, "heartRate: a comma or } must follow its value" },
        { "112bpm", 0, "heartRate: a comma or } must follow its value" },
        { "nul", 0, "heartRate: must be a number, not null" },
        { "", 0, "heartRate: no JSON value behind the name" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[200];
        snprintf(text, sizeof text, HEAD "\"heartRate\":%s}", cases[i].text);
        bool ok = parse(text);
        if (cases[i].error) {
            assert_false(ok);
            assert_string_equal(failed.field, "heartRate");
            assert_string_equal(failed.detail, cases[i].error);
        } else {
            assert_true(ok);
            assert_int_equal(got.readings[0].value_milli[VITAL_HEART_RATE], cases[i].milli);
        }
    }
}

static void errors_name_the_field(void **state)
{
    (void)state;
    static const struct { const char *text, *field, *detail; } cases[] = {
        { "{\"timestamp\":\"2026-11-23T13:20:00Z\",\"spo2\":91}", "patient_id", "patient_id: missing" },
        { "{\"patient_id\":\"P1\",\"spo2\":91}", "timestamp", "timestamp: missing" },
        { "{\"patient_id\":\"\",\"spo2\":91}", "patient_id",
          "patient_id: must be 1 to 31 characters of A-Z a-z 0-9 . _ -" },
        { "{\"patientId\":\"a/b\"}", "patientId", "patientId: must be 1 to 31 characters of A-Z a-z 0-9 . _ -" },
        { "{\"patient_id\":\"abcdefghijklmnopqrstuvwxyz012345\"}", "patient_id",
          "patient_id: must be 1 to 31 characters of A-Z a-z 0-9 . _ -" },
        { "{\"patient_id\":7}", "patient_id", "patient_id: must be a string, not a number" },
        { "{\"patient_id\":null}", "patient_id", "patient_id: must be a string, not null" },
        { "{\"patient_id\":\"P1\",\"patientId\":\"P2\"}", "patientId", "patientId: given twice" },
        { HEAD "\"spo2\":91,\"spO2\":91}", "spO2", "spO2: given twice" },
        { HEAD "\"systolic\":91,\"bloodPressure\":{\"systolic\":91}}", "bloodPressure.systolic",
          "bloodPressure.systolic: given twice" },
        { HEAD "\"bloodPressure\":{\"diastolic\":900}}", "bloodPressure.diastolic",
          "bloodPressure.diastolic: 900 is above 400 mmHg" },
        { HEAD "\"bloodPressure\":\"120/80\"}", "bloodPressure", "bloodPressure: must be an object, not a string" },
        { HEAD "\"source\":\"a b\",\"spo2\":91}", "source", "source: must be 1 to 31 characters of A-Z a-z 0-9 . _ -" },
        { HEAD "\"simulated\":1,\"spo2\":91}", "simulated", "simulated: must be true or false, not a number" },
        { "{\"patient_id\":\"P1\",\"timestamp\":1795440000,\"spo2\":91}", "timestamp",
          "timestamp: must be a string, not a number" },
        { "{\"patient_id\":\"P1\",\"timestamp\":\"2026-11-23 13:20\",\"spo2\":91}", "timestamp",
          "timestamp: not a time such as 2026-11-23T13:20:00.000Z" },
        { "{\"patient_id\":\"P1\",\"@timestamp\":\"2026-11-23T13:25:00.001Z\",\"spo2\":91}", "@timestamp",
          "@timestamp: 2026-11-23T13:25:00.001Z is in the future (later than 2026-11-23T13:25:00.000Z)" },
        { "{\"patient_id\":\"P1\",\"timestamp\":\"1969-12-31T23:59:59Z\",\"spo2\":91}", "timestamp",
          "timestamp: no such day or time of day" },
        { "{\"patient_id\":\"P1\",\"timestamp\":\"1970-01-01T00:00:00+00:01\",\"spo2\":91}", "timestamp",
          "timestamp: before 1970" },
        { HEAD "\"spo2\":91,\"times\":{\"pulse\":\"2026-11-23T13:20:00Z\"}}", "times",
          "times: \"pulse\" is not a vital sign" },
        { HEAD "\"spo2\":91,\"times\":{\"spo2\":\"2027-11-23T13:20:00Z\"}}", "times",
          "times: 2027-11-23T13:20:00Z is in the future (later than 2026-11-23T13:25:00.000Z)" },
        { HEAD "\"spo2\":91,\"times\":[]}", "times", "times: must be an object, not an array" },
        { HEAD "\"heartrate\":91}", "",
          "no vital sign in it (heartRate, spO2, bloodPressure, temperature, respiratory)" },
        { HEAD "\"spo2\":91", "spo2", "spo2: the JSON ends here, in the middle of the object" },
        { HEAD "\"spo2\":91}}", "", "something follows the object" },
        { HEAD "\"spo2\":91,}", "spo2", "spo2: a field name in quotes must follow" },
        { HEAD "\"x\":[[[[[[[[[]]]]]]]]],\"spo2\":91}", "",
          "not JSON, or nested too deep, in a field that is not read" },
        { HEAD "\"x\":\"\xff\",\"spo2\":91}", "", "not JSON, or nested too deep, in a field that is not read" },
        { HEAD "\"x\":\"\\ud800\",\"spo2\":91}", "", "not JSON, or nested too deep, in a field that is not read" },
        { "[]", "", "not a JSON object" },
        { "", "", "not a JSON object" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_false(parse(cases[i].text));
        assert_string_equal(failed.detail, cases[i].detail);
        assert_string_equal(failed.field, cases[i].field);
    }
}

/* A cuff pressure of ten minutes ago keeps its own time. */
static void own_times_split_the_message(void **state)
{
    (void)state;
    assert_true(parse(
        HEAD "\"heartRate\":80,\"spO2\":97,\"bloodPressure\":{\"systolic\":120,\"diastolic\":70},"
             "\"temperature\":37.1,\"times\":{\"bloodPressure\":\"2026-11-23T13:10:00Z\","
             "\"temperature\":\"2026-11-23T12:00:00Z\",\"spo2\":null,\"respiratory\":\"2026-11-23T12:00:00Z\"}}"));
    assert_int_equal(got.reading_count, 3);
    assert_int_equal(got.readings[0].time_us, NOW - 80 * US_PER_MIN);
    assert_int_equal(got.readings[0].value_milli[VITAL_TEMPERATURE], 37100);
    assert_int_equal(got.readings[0].value_milli[VITAL_SYSTOLIC], VITAL_ABSENT);
    assert_int_equal(got.readings[1].time_us, NOW - 10 * US_PER_MIN);
    assert_int_equal(got.readings[1].value_milli[VITAL_SYSTOLIC], 120000);
    assert_int_equal(got.readings[1].value_milli[VITAL_DIASTOLIC], 70000);
    assert_int_equal(got.readings[2].time_us, NOW);
    assert_int_equal(got.readings[2].value_milli[VITAL_HEART_RATE], 80000);
    assert_int_equal(got.readings[2].value_milli[VITAL_SYSTOLIC], VITAL_ABSENT);
    assert_true(parse(HEAD
                      "\"heartRate\":1,\"spO2\":2,\"systolic\":3,\"diastolic\":4,\"temperature\":5,\"respiratory\":6,"
                      "\"times\":{\"heartRate\":\"2026-11-23T13:00:06Z\",\"spO2\":\"2026-11-23T13:00:05Z\","
                      "\"systolic\":\"2026-11-23T13:00:04Z\",\"diastolic\":\"2026-11-23T13:00:03Z\","
                      "\"temperature\":\"2026-11-23T13:00:02Z\",\"respiratory\":\"2026-11-23T13:00:01Z\"}}"));
    assert_int_equal(got.reading_count, VITAL_COUNT);
    assert_int_equal(got.readings[0].value_milli[VITAL_RESPIRATORY], 6000);
    assert_int_equal(got.readings[5].value_milli[VITAL_HEART_RATE], 1000);
}

static void nothing_measured_is_a_reading(void **state)
{
    (void)state;
    assert_true(parse(HEAD "\"heartRate\":null,\"bloodPressure\":null}"));
    assert_int_equal(got.reading_count, 1);
    for (int v = 0; v < VITAL_COUNT; v++)
        assert_int_equal(got.readings[0].value_milli[v], VITAL_ABSENT);
}

static void cut_anywhere_is_refused(void **state)
{
    (void)state;
    char text[] = "{\"patient_id\":\"P001\",\"timestamp\":\"2026-11-23T13:20:00.000Z\",\"times\":{\"spo2\":"
                  "\"2026-11-23T13:00:05Z\"},\"x\":[\"\\ud83d\\ude00\",{\"y\":-1.5e-3}],\"spo2\":91.25}";
    assert_true(parse(text));
    for (size_t length = strlen(text); length-- > 0;) {
        text[length] = '\0';
        assert_false(parse(text));
    }
}

static void what_is_written_reads_back(void **state)
{
    (void)state;
    struct reading r = { .time_us = NOW - 1, .flags = READING_SIMULATED,
                         .value_milli = { 112000, VITAL_ABSENT, 148500, 92000, 38401, 0 } };
    struct buf line;
    buf_init(&line, 1000);
    for (int i = 0; i < 2; i++) {
        buf_reset(&line);
        json_reading_write(&line, &r, "P001", i ? "" : "monitor-7");
        assert_true(json_reading_parse(line.data, line.length, NOW, &got, &failed));
        assert_memory_equal(&got.readings[0], &r, sizeof r);
        assert_string_equal(got.source, i ? "" : "monitor-7");
        for (int v = 0; v < VITAL_COUNT; v++)
            r.value_milli[v] = VITAL_ABSENT;
    }
    buf_free(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(api_example),
        cmocka_unit_test(document_names),
        cmocka_unit_test(every_name_is_found),
        cmocka_unit_test(numbers),
        cmocka_unit_test(errors_name_the_field),
        cmocka_unit_test(own_times_split_the_message),
        cmocka_unit_test(nothing_measured_is_a_reading),
        cmocka_unit_test(cut_anywhere_is_refused),
        cmocka_unit_test(what_is_written_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
