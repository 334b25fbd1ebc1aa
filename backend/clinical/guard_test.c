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
        ("Patient X experienced tachycardia, hypoxia during the monitoring period and requires continued medical "
         "observation."),
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
        "The patient is hypoxic and tachycardic.",
        "The patient was febrile.",
        "Heart rate is elevated at 112 bpm.",
        "SpO2 is low at 86%.",
        "Heart rate was elevated at 12:58.",
        "Active alerts: Hypoxia Alert, Tachycardia Alert.",
        "A critical hypoxia alert was raised at 12:58.",
        "5 readings were recorded between 12:56 and 13:00.",
        "NEWS2 is between 7 and 15, because inputs are missing.",
    };
    for (size_t i = 0; i < sizeof sentences / sizeof *sentences; i++) {
        check(ill(), sentences[i]);
        if (own_count() != 1 || result.cut_count)
            fail_msg("cut: %s: %s", sentences[i], result.cut_count ? result.cuts[0].reason : "nothing kept");
    }
    static const char *const calm[] = {
        "Respiratory rate remained above 10/min.",
        "SpO2 is above 92%.",
        "Heart rate was stable between 70 and 71 bpm.",
        "Heart rate 70-71 bpm.",
        "All measured vitals were stable.",
        "SpO2 remained at 97%.",
        "No active alarms.",
        "The patient was stable with no critical abnormalities.",
        "Blood pressure was within normal limits.",
        "There were no critical alarms in this period.",
        "Latest: heart rate 70 bpm at 13:00.",
        "There are 0 active alarms.",
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
        { "Heart rate rose from 88 bpm at 12:56 to 112 bpm at 13:00, peaking at 119 bpm.",
          "119 is not the highest heart rate" },
        { "SpO2 was within normal limits.", "SpO2 is not normal throughout" },
        { "The patient is febrile.", "no such alarm: fever" },
        { "The patient is hypotensive.", "no such alarm: hypotension" },
        { "Heart rate is low.", "heart rate is not beyond a limit on that side" },
        { "Heart rate is elevated at 120 bpm.", "120 is not the last heart rate" },
        { "Heart rate was elevated at 12:57.", "heart rate is not beyond a limit on that side" },
        { "Respiratory rate was low.", "respiratory rate was not measured" },
        { "No critical alerts are active.", "there are alarms" },
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
        { "Patient X remained stable with no critical abnormalities detected during the monitoring period.",
          "the patient was not stable" },
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
        { "SpO2 rose from 84% at 12:58 to 85% at 12:59.", "SpO2: the change is within what is noise" },
        { "Heart rate rose between 12:57 and 13:00.", "was measured from and to other times" },
        { "Heart rate rose to 113 bpm.", "no reading shows heart rate 113" },
        { "Peaking at 120 bpm.", "it is not said which vital is meant" },
        { "Lowest heart rate 88 % at 12:56.", "the unit does not fit" },
        { "Lowest heart rate 88 bpm at 12:57.", "no reading shows heart rate 88 at 12:57" },
        { "Tachycardia is active since 12:58, lowest heart rate 88 bpm.",
          "the other extreme of heart rate belongs to the alarm" },
        { "Blood pressure ranged from 92 to 128 mmHg.", "a range belongs to the systolic" },
        { "Heart rate ranged from 88 to 120 %.", "the unit does not fit" },
        { "Heart rate ranged from 88 bpm (12:57) to 120 bpm.", "no reading shows heart rate 88 at 12:57" },
        { "At 12:56, SpO2 84-97%.", "a range has no one time" },
        { "At 12:56, heart rate was 88 mmHg.", "the unit does not fit" },
        { "At 12:57, heart rate was 88 bpm.", "no reading shows heart rate 88 at 12:57" },
        { "Heart rate was 128/82.", "heart rate is a single number" },
        { "Blood pressure was 128.", "blood pressure is told as systolic/diastolic" },
        { "Blood pressure was below 90.", "the comparison does not fit" },
        { "Blood pressure was not measured.", "was measured" },
        { "2 implausible SpO2 values were left out.", "another number of SpO2 values" },
        { "Based on 5 readings from 12:55 to 13:00.", "the readings are from other times" },
        { "Tachycardia occurred 2 times between 12:57 and 12:58.", "no such alarm" },
        { "Active alerts: critical hypoxia, fever.", "no such alarm: fever" },
        { "2 critical alarms are active.", "there are 1 of these alarms" },
        { "3 warnings are active.", "there are 1 of these alarms" },
        { "4 active alarms.", "there are 3 of these alarms" },
        { "No critical alarms.", "there are alarms" },
        { "All vitals were stable.", NULL },
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
    check(ill(), "The patient had critical hypoxia.");
    assert_int_equal(result.added, 1); /* not that it goes on */
    check(ill(), "Critical hypoxia is active since 12:58.");
    assert_int_equal(result.added, 0);
    check(well(), "");
    assert_int_equal(result.kept.count, 0);
}

static void evidence_and_wording(void **state)
{
    (void)state;
    check(ill(), "Patient 1 experienced tachycardia. Heart rate rose from 88 bpm at 12:56 to 112 bpm at 13:00\n- "
                 "Temperature was stable. Temperature was stable.");
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
    guard_check(ill(), "Patient 1 experienced tachycardia.", &(struct guard_options){ .patient_id = "P001" }, &arena,
                &result);
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

/* ---- what the writer writes of random windows ---- */

static uint32_t random_next(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

static size_t random_readings(uint64_t *seed, struct reading *out, size_t max)
{
    size_t count = 1 + random_next(seed) % max;
    int drift = (int)(random_next(seed) % 5) - 2, step = random_next(seed) % 3 ? 1 : 0,
        noise = random_next(seed) % 3 ? 3 : 40;
    unsigned absent = random_next(seed) % 3 ? 0 : random_next(seed);
    for (size_t i = 0; i < count; i++) {
        int at = (int)i * drift + (int)(random_next(seed) % (unsigned)noise);
        int values[] = { 85 + at, random_next(seed) % 30 ? 96 - at / 4 : 20, 120 - at, 80 - at / 2, 370 + at / 2,
                         16 + at / 3 };
        for (int v = 0; v < 6; v++)
            if ((absent >> v & 1) || random_next(seed) % 12 == 0)
                values[v] = 0;
        out[i] = reading_of((int)i * step, values[0], values[1], values[2], values[3], values[4], values[5]);
        out[i].time_us += (int64_t)i;
    }
    return count;
}

static size_t random_alerts(uint64_t *seed, struct alert *out)
{
    size_t count = random_next(seed) % 4 ? random_next(seed) % 9 : 0;
    unsigned open = 0; /* one of a type is open at a time */
    for (size_t i = 0; i < count; i++) {
        int type = (int)(random_next(seed) % ALERT_TYPE_COUNT), onset = 2 * (int)i - 15 + (int)(random_next(seed) % 2);
        int end = random_next(seed) % 2 || (open >> type & 1) ? onset + (int)(random_next(seed) % 5) : 0;
        open |= end ? 0 : 1u << type;
        out[i] = alert_of((enum alert_type)type, random_next(seed) % 2 ? SEVERITY_CRITICAL : SEVERITY_WARNING, onset,
                          end,
                          type == ALERT_SENSOR ? VITAL_ABSENT : 100000 + (int)i * 1000, onset);
        if (end && !(open >> type & 1) && random_next(seed) % 3 == 0) {
            out[i].state = ALERT_LATCHED;
            open |= 1u << type;
        }
        out[i].ack_us = random_next(seed) % 2 ? MINUTE(onset) : 0;
        out[i].lost = type == ALERT_SENSOR ? (uint8_t)(random_next(seed) % 64) : 0;
    }
    return count;
}

static void what_the_writer_writes_is_proven(void **state)
{
    uint64_t seed = 11;
    (void)state;
    for (int round = 0; round < 1500; round++) {
        struct reading readings[12];
        struct alert alerts[8];
        size_t count = random_readings(&seed, readings, 12), alert_count = random_alerts(&seed, alerts);
        struct window window = window_of(readings, count, alerts, alert_count);
        struct facts *facts = arena_alloc(&arena, sizeof *facts);
        struct summary_text *text = arena_alloc(&arena, sizeof *text);
        facts_make(&window, &alarm_limits_default, facts);
        writer_write(facts, seed, &arena, text);
        check(facts, summary_join(text, &arena));
        if (result.cut_count || result.added)
            fail_msg("%s", result.cut_count ? arena_printf(&arena, "cut: %s: %s", result.cuts[0].text,
                                                           result.cuts[0].reason)
                                            : arena_printf(&arena, "omitted: %s in %s", result.kept.sentences[0].text,
                                                           summary_join(text, &arena)));
        arena_reset(&arena);
    }
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
        cmocka_unit_test(true_sentences_stay), cmocka_unit_test(untrue_sentences_go),
            cmocka_unit_test(critical_alert_is_added),
        cmocka_unit_test(evidence_and_wording), cmocka_unit_test(long_and_odd_texts),
            cmocka_unit_test(what_the_writer_writes_is_proven),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
