#include "clinical/summary_test_helper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static struct facts facts;

static void make(const struct reading *readings, size_t count, const struct alert *alerts, size_t alert_count)
{
    static struct window window;
    window = window_of(readings, count, alerts, alert_count);
    facts_make(&window, &alarm_limits_default, &facts);
}

static void trends(void **state)
{
    (void)state;
    static const struct { int values[6]; enum trend trend; } cases[] = {
        { { 80, 80, 81, 80, 79, 80 }, TREND_STABLE },
        { { 80, 84, 88, 92, 96, 100 }, TREND_RISING },
        { { 100, 96, 92, 88, 84, 80 }, TREND_FALLING },
        { { 80, 82, 81, 83, 85, 83 }, TREND_STABLE },         /* below what counts as a change */
        { { 80, 120, 80, 120, 80, 84 }, TREND_VARIABLE },
        { { 100, 70, 80, 90, 110, 101 }, TREND_VARIABLE },    /* the line rises, the ends do not show it */
        { { 80, 80, 80, 140, 80, 80 }, TREND_VARIABLE },      /* one spike is not stable */
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct reading readings[6];
        for (int i = 0; i < 6; i++)
            readings[i] = reading_of(i, cases[c].values[i], 97, 0, 0, 0, 0);
        make(readings, 6, NULL, 0);
        assert_int_equal(facts.vital[VITAL_HEART_RATE].trend, cases[c].trend);
        assert_int_equal(facts.vital[VITAL_SPO2].trend, TREND_STABLE);
        assert_int_equal(facts.vital[VITAL_SYSTOLIC].count, 0);
    }
    assert_string_equal(trend_name(TREND_VARIABLE), "variable");
}

static void values_and_marks(void **state)
{
    (void)state;
    struct reading readings[] = { reading_of(0, 88, 97, 128, 82, 370, 16), reading_of(1, 0, 20, 0, 0, 0, 0),
                                  reading_of(2, 112, 91, 92, 0, 384, 24) };
    make(readings, 3, NULL, 0);
    const struct vital_fact *spo2 = &facts.vital[VITAL_SPO2], *systolic = &facts.vital[VITAL_SYSTOLIC];
    assert_int_equal(spo2->count, 2);
    assert_int_equal(spo2->implausible, 1);
    assert_int_equal(spo2->min.milli, 91000);
    assert_int_equal(spo2->min.time_us, MINUTE(2));
    assert_true(spo2->beyond);
    assert_int_equal(systolic->first.other_milli, 82000);
    assert_int_equal(systolic->last.other_milli, VITAL_ABSENT);
    assert_false(facts_vital_normal(&facts, VITAL_SPO2));
    assert_true(facts_vital_normal(&facts, VITAL_SYSTOLIC));
    assert_false(facts_patient_stable(&facts));
    assert_int_equal(facts_moved_milli(VITAL_SPO2), 2000);
}

static void calm(void **state)
{
    (void)state;
    struct reading readings[] = { reading_of(0, 80, 97, 0, 0, 0, 16), reading_of(1, 81, 97, 0, 0, 0, 16) };
    struct alert sensor = alert_of(ALERT_SENSOR, SEVERITY_INFO, 0, 0, VITAL_ABSENT, 0),
        fever = alert_of(ALERT_FEVER, SEVERITY_WARNING, 0, 1, 38500, 0);
    make(readings, 2, NULL, 0);
    assert_true(facts_patient_stable(&facts));
    make(readings, 2, &sensor, 1);
    assert_true(facts_patient_stable(&facts));
    make(readings, 2, &fever, 1);
    assert_false(facts_patient_stable(&facts));
    struct reading nothing[] = { reading_of(0, 0, 0, 0, 0, 0, 0) };
    make(nothing, 1, NULL, 0);
    assert_false(facts_patient_stable(&facts));
}

static void alerts_grouped_and_ordered(void **state)
{
    (void)state;
    struct reading readings[] = { reading_of(0, 120, 97, 0, 0, 0, 0), reading_of(4, 125, 97, 0, 0, 0, 0) };
    struct alert alerts[] = {
        alert_of(ALERT_HYPOXIA, SEVERITY_WARNING, -9, 1, 91000, -8),
            alert_of(ALERT_HYPOXIA, SEVERITY_WARNING, 2, 3, 90000, 2),
        alert_of(ALERT_FEVER, SEVERITY_WARNING, 1, 0, 38500, 1),
            alert_of(ALERT_TACHYCARDIA, SEVERITY_CRITICAL, 0, 0, 120000, 0),
        alert_of(ALERT_HYPOTENSION, SEVERITY_CRITICAL, -5, 0, 70000, -4),
    };
    make(readings, 2, alerts, 5);
    assert_int_equal(facts.alert_count, 4);
    assert_int_equal(facts.alert[0].type, ALERT_TACHYCARDIA);
    assert_int_equal(facts.alert[1].type, ALERT_HYPOTENSION);
    assert_int_equal(facts.alert[2].type, ALERT_FEVER);
    assert_int_equal(facts.alert[3].count, 2);
    assert_int_equal(facts.alert[3].members, 3);
    assert_int_equal(facts.alert[3].peak.milli, 90000);
    assert_int_equal(facts.alert[3].onset_us, MINUTE(-9));
    assert_int_equal(facts.alert[3].end_us, MINUTE(3));
    assert_int_equal(facts.alert[0].peak.milli, 125000); /* of the window: the stored peak is older */
    assert_false(facts.alert[1].has_peak);               /* open since before the window: it may have been worse */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trends), cmocka_unit_test(values_and_marks), cmocka_unit_test(calm),
        cmocka_unit_test(alerts_grouped_and_ordered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
