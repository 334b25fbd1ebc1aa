#include "clinical/model_input.h"
#include "clinical/summary_test_helper.h"
#include "clinical/writer.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static struct arena arena;

static const char *write_text(const struct reading *readings, size_t count, const struct alert *alerts,
                              size_t alert_count, uint64_t seed)
{
    static struct facts facts;
    static struct summary_text text;
    static struct window window;
    window = window_of(readings, count, alerts, alert_count);
    facts_make(&window, &alarm_limits_default, &facts);
    writer_write(&facts, seed, &arena, &text);
    for (int i = 0; i < text.count; i++) {
        size_t length = strlen(text.sentences[i].text);
        assert_true(length > 5 && text.sentences[i].text[length - 1] == '.');
        assert_null(strchr(text.sentences[i].text, '$'));
    }
    return summary_join(&text, &arena);
}

/* Some seed gives this sentence. */
static void assert_some(const struct reading *readings, size_t count, const struct alert *alerts, size_t alert_count,
                        const char *wanted)
{
    const char *text = "";
    for (uint64_t seed = 0; seed < 300; seed++) {
        text = write_text(readings, count, alerts, alert_count, seed);
        if (strstr(text, wanted))
            return;
    }
    fail_msg("no seed writes '%s', the last: %s", wanted, text);
}

static void moved(void **state)
{
    (void)state;
    struct reading readings[] = { reading_of(0, 88, 97, 128, 82, 370, 16), reading_of(2, 120, 97, 110, 70, 370, 17),
                                  reading_of(4, 112, 91, 92, 58, 370, 16) };
    assert_some(readings, 3, NULL, 0,
                "Heart rate rose from 88 bpm at 12:56 to 112 bpm at 13:00, peaking at 120 bpm at 12:58.");
    assert_some(readings, 3, NULL, 0, "Blood pressure fell from 128/82 mmHg at 12:56 to 92/58 mmHg at 13:00");
    assert_some(readings, 3, NULL, 0, "SpO2 decreased from 97 to 91% between 12:56 and 13:00");
    assert_some(readings, 3, NULL, 0, "Stable: temperature 37 °C and respiratory rate 16-17/min.");
    assert_some(readings, 3, NULL, 0, "Based on 3 readings from 12:56 to 13:00.");
    assert_string_equal(write_text(readings, 3, NULL, 0, 5), write_text(readings, 3, NULL, 0, 5));
}

static void one_reading_and_missing(void **state)
{
    (void)state;
    struct reading one[] = { reading_of(0, 112, 91, 148, 92, 0, 24) };
    assert_some(one, 1, NULL, 0,
                "At 12:56, heart rate was 112 bpm, SpO2 91%, blood pressure 148/92 mmHg and respiratory rate 24/min.");
    assert_some(one, 1, NULL, 0, "Temperature was not measured.");
    assert_some(one, 1, NULL, 0, "Based on one reading at 12:56.");
    struct reading marked[] = { reading_of(0, 80, 97, 0, 0, 0, 0), reading_of(1, 80, 20, 0, 0, 0, 0) };
    assert_some(marked, 2, NULL, 0, "1 implausible SpO2 value was left out.");
}

static void alarms(void **state)
{
    (void)state;
    struct reading readings[] = { reading_of(0, 80, 88, 0, 0, 370, 16), reading_of(4, 80, 84, 0, 0, 370, 17) };
    struct alert alerts[] = {
        alert_of(ALERT_FEVER, SEVERITY_WARNING, -30, -10, 38600, -20),
            alert_of(ALERT_HYPOXIA, SEVERITY_CRITICAL, 0, 0, 84000, 4),
        alert_of(ALERT_SENSOR, SEVERITY_INFO, 1, 0, VITAL_ABSENT, 0),
            alert_of(ALERT_TACHYPNEA, SEVERITY_WARNING, 1, 2, 25000, 1),
        alert_of(ALERT_TACHYPNEA, SEVERITY_WARNING, 3, 4, 27000, 3),
            alert_of(ALERT_BRADYCARDIA, SEVERITY_CRITICAL, 1, 3, 39000, 2),
    };
    alerts[2].lost = 1u << VITAL_SYSTOLIC | 1u << VITAL_DIASTOLIC;
    alerts[5].state = ALERT_LATCHED;
    assert_some(readings, 2, alerts, 6,
                "Critical hypoxia is active since 12:56, lowest SpO2 84% at 13:00; it has not been acknowledged.");
    assert_some(readings, 2, alerts, 6, "An unacknowledged critical hypoxia alarm has been active since 12:56");
    assert_some(readings, 2, alerts, 6,
                "Critical bradycardia lasted from 12:57 to 12:59 (lowest heart rate 39 bpm at 12:58); the alarm still "
                "awaits acknowledgement.");
    assert_some(readings, 2, alerts, 6, "The blood pressure signal has been lost since 12:57.");
    assert_some(readings, 2, alerts, 6,
                "Tachypnea occurred 2 times between 12:57 and 13:00, highest respiratory rate 27/min at 12:59.");
    assert_some(readings, 2, alerts, 6,
                "Fever was present from 12:26 to 12:46, with the highest temperature of 38.6 °C at 12:36.");
    alerts[1].ack_us = MINUTE(3);
    alerts[2].end_us = MINUTE(2);
    assert_some(readings, 2, alerts, 6, "; it was acknowledged.");
    assert_some(readings, 2, alerts, 6, "No values of blood pressure were received from 12:57 to 12:58.");
}

/* However many there are, every open critical one is told, and the others are counted. */
static void many_alarms(void **state)
{
    (void)state;
    struct reading readings[] = { reading_of(0, 150, 80, 70, 40, 400, 35) };
    struct alert alerts[20];
    for (int i = 0; i < 20; i++)
        alerts[i] = alert_of((enum alert_type)(i % ALERT_RULE_COUNT),
                             i < ALERT_RULE_COUNT ? SEVERITY_CRITICAL : SEVERITY_WARNING, -i, 0, VITAL_ABSENT, 0);
    const char *text = write_text(readings, 1, alerts, 20, 1);
    for (int i = 0; i < ALERT_RULE_COUNT; i++)
        assert_non_null(strstr(text, alert_word((enum alert_type)i)));
    assert_some(readings, 1, alerts, 20, "In all, 20 alarms fall in this period.");
}

static void calm(void **state)
{
    (void)state;
    struct reading readings[] = { reading_of(0, 80, 97, 120, 80, 370, 16), reading_of(4, 82, 98, 121, 80, 371, 17) };
    assert_some(
        readings, 2, NULL, 0,
        "The patient remained stable without alarms. No relevant change in heart rate (80-82 bpm), SpO2 (97-98%)");
}

static const char *input_of(const struct reading *readings, size_t count, const struct alert *alerts,
                            size_t alert_count, enum model_format format)
{
    static struct facts facts;
    static struct buf buf;
    struct window window = window_of(readings, count, alerts, alert_count);
    facts_make(&window, &alarm_limits_default, &facts);
    buf_free(&buf);
    buf_init(&buf, MODEL_INPUT_SIZE_MAX);
    model_input(&facts, format, NULL, &buf);
    return buf.data;
}

static void published_input(void **state)
{
    (void)state;
    struct reading readings[] = { reading_of(0, 60, 0, 0, 0, 0, 0), reading_of(1, 112, 91, 148, 92, 384, 24),
                                  reading_of(2, 110, 0, 148, 0, 0, 0),
                                  reading_of(3, 0, 20, 0, 0, 0, 0), reading_of(4, 109, 92, 0, 0, 0, 0),
                                      reading_of(5, 108, 0, 0, 0, 385, 0), reading_of(6, 107, 0, 150, 90, 0, 23) };
    assert_string_equal(input_of(readings, 7, NULL, 0, MODEL_FORMAT_PUBLISHED),
                        "Summarize the following medical monitoring events: Patient 1: HR=112, SpO2=91, Temp=38.4, "
                        "BP=148/92, Resp=24. Patient 1: HR=110. Patient 1: HR=109, SpO2=92. Patient 1: HR=108, "
                        "Temp=38.5. Patient 1: HR=107, BP=150/90, Resp=23.");
    assert_string_equal(input_of(readings + 3, 1, NULL, 0, MODEL_FORMAT_PUBLISHED), PUBLISHED_PREFIX);
}

static void facts_input(void **state)
{
    (void)state;
    struct reading readings[] = { reading_of(0, 88, 97, 128, 82, 0, 16), reading_of(4, 112, 20, 92, 58, 0, 16) };
    struct alert alerts[] = { alert_of(ALERT_TACHYCARDIA, SEVERITY_WARNING, 2, 0, 112000, 4),
                              alert_of(ALERT_SENSOR, SEVERITY_INFO, 1, 2, VITAL_ABSENT, 0) };
    alerts[1].lost = 1 << VITAL_SPO2;
    assert_string_equal(
        input_of(readings, 2, alerts, 2, MODEL_FORMAT_FACTS),
        "n 2 12:56 13:00 | HR rising first 88 12:56 last 112 13:00 min 88 12:56 max 112 13:00 | SpO2 one 97 12:56 bad 1"
        " | SBP falling first 128/82 12:56 last 92/58 13:00 min 92 13:00 max 128 12:56"
        " | DBP falling first 82 12:56 last 58 13:00 min 58 13:00 max 82 12:56 | T none"
        " | RR stable first 16 12:56 last 16 13:00 min 16 12:56 max 16 12:56"
        " | alarm tachycardia since 12:58 worst 112 13:00 open unacked | alarm sensor disconnection SpO2 from 12:57 to "
        "12:58 closed"
        " | NEWS2 4 12");
    enum model_format format;
    assert_true(model_format_parse("published", &format));
    assert_int_equal(format, MODEL_FORMAT_PUBLISHED);
    assert_true(model_format_parse(model_format_name(MODEL_FORMAT_FACTS), &format));
    assert_false(model_format_parse("free", &format));
}

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, 64 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moved), cmocka_unit_test(one_reading_and_missing), cmocka_unit_test(alarms),
            cmocka_unit_test(many_alarms),
        cmocka_unit_test(calm), cmocka_unit_test(published_input), cmocka_unit_test(facts_input),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
