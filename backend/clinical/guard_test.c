#include "clinical/guard.h"
#include "clinical/summary_test_helper.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static struct arena arena;
static struct guard_result result;

/* HR 88 → 112 with a peak of 120; SpO2 97 → 91 → 84 (critical hypoxia, open); BP falls; T stable; RR missing. */
static const struct facts *ill(void)
{
    static struct reading readings[5];
    static struct alert alerts[4];
    static struct window window;
    static struct facts facts;
    readings[0] = reading_of(0, 88, 97, 128, 82, 370, 0);
    readings[1] = reading_of(1, 96, 95, 0, 0, 370, 0);
    readings[2] = reading_of(2, 120, 84, 110, 70, 371, 0);
    readings[3] = reading_of(3, 110, 85, 0, 0, 370, 0);
    readings[4] = reading_of(4, 112, 86, 92, 58, 370, 0);
    alerts[0] = alert_of(ALERT_HYPOXIA, SEVERITY_CRITICAL, 2, 0, 84000, 2);
    alerts[1] = alert_of(ALERT_TACHYCARDIA, SEVERITY_WARNING, 2, 0, 120000, 2);
    alerts[1].ack_us = MINUTE(3);
    alerts[2] = alert_of(ALERT_FEVER, SEVERITY_WARNING, -20, -1, 38600, -10);
    alerts[3] = alert_of(ALERT_SENSOR, SEVERITY_INFO, 1, 0, VITAL_ABSENT, 0);
    alerts[3].lost = 1 << VITAL_RESPIRATORY;
    window = window_of(readings, 5, alerts, 4);
    facts_make(&window, &alarm_limits_default, &facts);
    return &facts;
}

static const struct facts *well(void)
{
    static struct reading readings[5];
    static struct window window;
    static struct facts facts;
    for (int i = 0; i < 5; i++)
        readings[i] = reading_of(i, 70 + i % 2, 97, 120, 80, 370, 16);
    window = window_of(readings, 5, NULL, 0);
    facts_make(&window, &alarm_limits_default, &facts);
    return &facts;
}

static void check(const struct facts *facts, const char *text)
{
    guard_check(facts, text, &(struct guard_options){ .patient_id = "P001", .alias = true }, &arena, &result);
}

static int own_count(void)
{
    return result.kept.count - result.added;
}

static void true_sentences_stay(void **state)
{
    (void)state;
    static const char *const sentences[] = {
        "Heart rate rose from 88 bpm at 12:56 to 112 bpm at 13:00.",
        "HR increased from 88 to 112 bpm between 12:56 and 13:00, peaking at 120 bpm at 12:58.",
        "Trend: heart rate rising from 88 to 112 bpm",
        "Heart rate climbed from 88 bpm (12:56) to 112 bpm (13:00), while SpO2 fell from 97% at 12:56 to 86% at 13:00.",
        "Heart rate rose to 120 bpm at 12:58.",
        "BP dropped from 128/82 to 92/58 mmHg.",
        "Heart rate is rising.",
        "Blood pressure fell.",
        "SpO2 was below 90% at 12:58.",
        "SpO2 ranged from 84% (12:58) to 97% (12:56).",
        "At 12:58, heart rate was 120 bpm, SpO2 84% and blood pressure 110/70 mmHg.",
        "Currently heart rate 112 bpm, SpO2 86%.",
        "Temperature was stable at 37 °C.",
        "Stable: temperature 37-37.1 °C.",
        "Temp 37\xe2\x80\x93" "37.1 \xc2\xb0" "C was stable.",
        "Temperature was within normal limits.",
        "Critical hypoxia has been active since 12:58 (lowest SpO2 84% at 12:58); it has not been acknowledged.",
        "An unacknowledged critical hypoxia alarm has been active since 12:58.",
        "Tachycardia is active since 12:58, highest heart rate 120 bpm at 12:58; the alarm was acknowledged.",
        "Fever was present from 12:36 to 12:55, with the highest temperature of 38.6 °C at 12:46.",
        "The respiratory rate signal has been lost since 12:57.",
        "Respiratory rate was not measured.",
        "Patient X experienced tachycardia, hypoxia during the monitoring period and requires continued medical observation.",
        "Patient P001 had critical hypoxia, elevated heart rate and fever.",
        "There were 4 alarms in this period.",
        "1 critical alarm is active.",
        "Based on 5 readings from 12:56 to 13:00.",
        "The patient's heart rate increased from 88 to 112 bpm.",
        "The patient has a heart rate of 112 bpm, SpO2 86% and a temperature of 37 °C.",
        "Critical hypoxia is active with a lowest SpO2 of 84%.",
        "There is an active critical hypoxia alert since 12:58.",
        "Active alerts: critical hypoxia, tachycardia.",
        "Fever resolved at 12:55.",
        "5 readings were recorded between 12:56 and 13:00.",
        "NEWS2 is between 7 and 15, because inputs are missing.",
    };
    for (size_t i = 0; i < sizeof sentences / sizeof *sentences; i++) {
        check(ill(), sentences[i]);
        if (own_count() != 1 || result.cut_count)
            fail_msg("cut: %s: %s", sentences[i], result.cut_count ? result.cuts[0].reason : "nothing kept");
    }
    static const char *const calm[] = {
        "The patient remained stable without alarms.",
        "Patient X remained stable with no critical abnormalities detected during the monitoring period.",
        "All vital signs were normal.",
        "Heart rate, SpO2 and temperature were stable and within normal limits.",
        "No alarms were raised.",
        "Blood pressure was stable at 120/80 mmHg.",
    };
    for (size_t i = 0; i < sizeof calm / sizeof *calm; i++) {
        check(well(), calm[i]);
        if (own_count() != 1 || result.cut_count)
            fail_msg("cut: %s: %s", calm[i], result.cut_count ? result.cuts[0].reason : "nothing kept");
    }
}

static void untrue_sentences_go(void **state)
{
    (void)state;
    static const struct { const char *sentence, *reason; } cases[] = {
        { "Heart rate rose from 88 bpm at 12:56 to 113 bpm at 13:00.", "no reading shows heart rate 113 at 13:00" },
        { "Heart rate rose from 88 bpm at 12:57 to 112 bpm at 13:00.", "no reading shows heart rate 88 at 12:57" },
        { "Heart rate fell from 88 bpm at 12:56 to 112 bpm at 13:00.", "heart rate did not move that way" },
        { "Heart rate fell.", "heart rate is rising in this period" },
        { "Heart rate rose from 88 % at 12:56 to 112 % at 13:00.", "the unit does not fit heart rate" },
        { "SpO2 rose from 88 at 12:56 to 112 at 13:00.", "no reading shows SpO2" },
        { "Heart rate rose from 112 to 88 bpm.", "heart rate did not move that way" },
        { "Heart rate was stable.", "heart rate is rising in this period" },
        { "Heart rate was not rising.", NULL },
        { "Heart rate rose from 88 bpm at 12:56 to 112 bpm at 13:00, peaking at 119 bpm.", "119 is not the highest heart rate" },
        { "SpO2 was within normal limits.", "SpO2 is not normal throughout" },
        { "Heart rate rose to 110 bpm.", "heart rate did not move that way" }, /* it fell to it */
        { "Heart rate was 88 bpm.", "88 is not the last heart rate" },
        { "SpO2 remained below 90%.", "the readings of SpO2 do not show that" },
        { "SpO2 was below 89%.", "89 is neither a limit nor a value" },
        { "Stable: temperature 36.9-37.1 °C.", "is not the range of temperature" },
        { "Temperature was 37.2 °C.", "no reading shows temperature 37.2" },
        { "Temperature was not measured.", "temperature was measured" },
        { "Blood pressure fell from 128/80 to 92/58 mmHg.", "no reading shows blood pressure" },
        { "Critical tachycardia is active since 12:58.", "no such alarm: critical tachycardia" },
        { "Critical hypoxia is active since 12:57.", "no such alarm" },
        { "Critical hypotension is active since 12:58.", "no such alarm" },
        { "Critical hypoxia is active since 12:58; it was acknowledged.", "the alarm was not acknowledged" },
        { "Critical hypoxia is active since 12:58 (lowest SpO2 85% at 12:59).", "85 is not the lowest SpO2" },
        { "Fever is active since 12:36.", "no such alarm" },
        { "Fever was present from 12:36 to 12:54.", "no such alarm" },
        { "Patient X experienced bradycardia during the monitoring period.", "no such alarm: bradycardia" },
        { "Patient X remained stable with no critical abnormalities detected during the monitoring period.", "the patient was not stable" },
        { "Patient P002 had critical hypoxia.", "unknown word 'P002'" },
        { "Ada Adler had critical hypoxia.", "unknown word 'Ada'" },
        { "No alarms were raised.", "there are alarms" },
        { "There were 3 alarms in this period.", "there are 4 of these alarms" },
        { "Based on 6 readings from 12:56 to 13:00.", "there are 5 readings" },
        { "NEWS2 is 7.", "NEWS2 is 7 to 15" },
        { "The patient received 5 mg of metoprolol.", "unknown word" },
        { "Heart rate rose from 88 bpm at 12:56 to 112 bpm at 13:00 due to sepsis.", "unknown word 'due'" },
        { "Is the patient stable?", "a question" },
        { "Heart rate 112e0 bpm.", "unknown word '112e0'" },
        { "Heart rate 0112 bpm.", "unknown word" },
        { "Heart rate -112 bpm.", NULL },
        { "Heart rate 112 bpm SpO2 86%.", NULL },
        { "Heart rate was 112 bpm at 25:00.", "unknown word '25:00'" },
        { "The respiratory rate and SpO2 signals have been lost since 12:57.", "no such alarm" },
        { "Respiratory rate was stable.", "not measured twice" },
        { "Heart rate was 112 bpm \xe2\x80\xae.", "a character that no summary has" },
        { "<script>alert(1)</script>", "unknown word 'script'" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check(ill(), cases[i].sentence);
        if (own_count() != 0 || result.cut_count != 1)
            fail_msg("kept: %s", cases[i].sentence);
        if (cases[i].reason && !strstr(result.cuts[0].reason, cases[i].reason))
            fail_msg("%s: '%s' is not '%s'", cases[i].sentence, result.cuts[0].reason, cases[i].reason);
    }
}

static void critical_alert_is_added(void **state)
{
    (void)state;
    check(ill(), "Hypoxia is active since 12:58. Heart rate rose from 88 to 112 bpm.");
    assert_int_equal(result.added, 1); /* told, but not as critical */
    assert_non_null(strstr(result.kept.sentences[0].text, "ritical hypoxia"));
    assert_int_equal(result.kept.count, 3);
    check(ill(), "Critical hypoxia is active since 12:58.");
    assert_int_equal(result.added, 0);
    check(well(), "");
    assert_int_equal(result.kept.count, 0);
}

static void evidence_and_wording(void **state)
{
    (void)state;
    check(ill(), "Patient 1 experienced tachycardia. Heart rate rose from 88 bpm at 12:56 to 112 bpm at 13:00\n- Temperature was stable. Temperature was stable.");
    assert_string_equal(result.kept.sentences[1].text, "The patient experienced tachycardia.");
    const struct sentence *moved = &result.kept.sentences[2];
    assert_string_equal(moved->text, "Heart rate rose from 88 bpm at 12:56 to 112 bpm at 13:00.");
    assert_int_equal(moved->evidence_count, 2);
    assert_int_equal(moved->evidence[0].time_us, MINUTE(0));
    assert_int_equal(moved->evidence[1].time_us, MINUTE(4));
    assert_int_equal(result.cut_count, 1);
    assert_string_equal(result.cuts[0].reason, "said before");
    assert_int_equal(result.sentence_count, 4);
    /* A clinician's "patient 1" may be someone else. */
    guard_check(ill(), "Patient 1 experienced tachycardia.", &(struct guard_options){ .patient_id = "P001" }, &arena, &result);
    assert_int_equal(result.cut_count, 1);
}

/* Every word twice, every word gone: most of it is nonsense, none of it may crash or take long. */
static void long_and_odd_texts(void **state)
{
    (void)state;
    char *text = malloc(GUARD_TEXT_MAX + 100);
    for (int i = 0; i < GUARD_TEXT_MAX + 50; i++)
        text[i] = "heart rate, "[i % 12];
    text[GUARD_TEXT_MAX + 50] = '\0';
    check(ill(), text);
    assert_int_equal(own_count(), 0);
    text[900] = '\0';
    check(ill(), text);
    assert_int_equal(own_count(), 0);
    free(text);
    check(ill(), ".. . \n\n - . !?");
    assert_int_equal(own_count(), 0);
}

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, 256 << 20);
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
        cmocka_unit_test(true_sentences_stay), cmocka_unit_test(untrue_sentences_go), cmocka_unit_test(critical_alert_is_added),
        cmocka_unit_test(evidence_and_wording), cmocka_unit_test(long_and_odd_texts),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
