#include "clinical/news2.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* Both sides of every edge of chart 1. */
static const struct { enum news2_input input; int value_tenths, scale; bool oxygen; int score; } chart[] = {
    { NEWS2_RESPIRATORY, 80, 1, 0, 3 }, { NEWS2_RESPIRATORY, 90, 1, 0, 1 }, { NEWS2_RESPIRATORY, 110, 1, 0, 1 },
    { NEWS2_RESPIRATORY, 120, 1, 0, 0 }, { NEWS2_RESPIRATORY, 200, 1, 0, 0 }, { NEWS2_RESPIRATORY, 210, 1, 0, 2 },
    { NEWS2_RESPIRATORY, 240, 1, 0, 2 }, { NEWS2_RESPIRATORY, 250, 1, 0, 3 },
    { NEWS2_SPO2, 910, 1, 0, 3 }, { NEWS2_SPO2, 920, 1, 0, 2 }, { NEWS2_SPO2, 930, 1, 0, 2 },
    { NEWS2_SPO2, 940, 1, 0, 1 }, { NEWS2_SPO2, 950, 1, 0, 1 }, { NEWS2_SPO2, 960, 1, 0, 0 },
    { NEWS2_SPO2, 1000, 1, 0, 0 },
    { NEWS2_SPO2, 830, 2, 1, 3 }, { NEWS2_SPO2, 840, 2, 1, 2 }, { NEWS2_SPO2, 850, 2, 0, 2 },
    { NEWS2_SPO2, 860, 2, 1, 1 }, { NEWS2_SPO2, 870, 2, 0, 1 }, { NEWS2_SPO2, 880, 2, 1, 0 },
    { NEWS2_SPO2, 920, 2, 1, 0 }, { NEWS2_SPO2, 930, 2, 0, 0 }, { NEWS2_SPO2, 930, 2, 1, 1 },
    { NEWS2_SPO2, 940, 2, 1, 1 }, { NEWS2_SPO2, 950, 2, 1, 2 }, { NEWS2_SPO2, 960, 2, 1, 2 },
    { NEWS2_SPO2, 970, 2, 1, 3 }, { NEWS2_SPO2, 1000, 2, 0, 0 },
    { NEWS2_SYSTOLIC, 900, 1, 0, 3 }, { NEWS2_SYSTOLIC, 910, 1, 0, 2 }, { NEWS2_SYSTOLIC, 1000, 1, 0, 2 },
    { NEWS2_SYSTOLIC, 1010, 1, 0, 1 }, { NEWS2_SYSTOLIC, 1100, 1, 0, 1 }, { NEWS2_SYSTOLIC, 1110, 1, 0, 0 },
    { NEWS2_SYSTOLIC, 2190, 1, 0, 0 }, { NEWS2_SYSTOLIC, 2200, 1, 0, 3 },
    { NEWS2_PULSE, 400, 1, 0, 3 }, { NEWS2_PULSE, 410, 1, 0, 1 }, { NEWS2_PULSE, 500, 1, 0, 1 },
    { NEWS2_PULSE, 510, 1, 0, 0 }, { NEWS2_PULSE, 900, 1, 0, 0 }, { NEWS2_PULSE, 910, 1, 0, 1 },
    { NEWS2_PULSE, 1100, 1, 0, 1 }, { NEWS2_PULSE, 1110, 1, 0, 2 }, { NEWS2_PULSE, 1300, 1, 0, 2 },
    { NEWS2_PULSE, 1310, 1, 0, 3 },
    { NEWS2_TEMPERATURE, 350, 1, 0, 3 }, { NEWS2_TEMPERATURE, 351, 1, 0, 1 }, { NEWS2_TEMPERATURE, 360, 1, 0, 1 },
    { NEWS2_TEMPERATURE, 361, 1, 0, 0 }, { NEWS2_TEMPERATURE, 380, 1, 0, 0 }, { NEWS2_TEMPERATURE, 381, 1, 0, 1 },
    { NEWS2_TEMPERATURE, 390, 1, 0, 1 }, { NEWS2_TEMPERATURE, 391, 1, 0, 2 },
};

static void every_edge_of_the_chart(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof chart / sizeof *chart; i++)
        assert_int_equal(news2_vital_score(chart[i].input, chart[i].value_tenths * 100, chart[i].scale,
                                           chart[i].oxygen),
                         chart[i].score);
    for (int32_t milli = 0; milli < 400000; milli += 10) /* every value has a band */
        for (int input = 0; input < NEWS2_INPUT_COUNT; input++)
            if (input != NEWS2_OXYGEN && input != NEWS2_CONSCIOUSNESS)
                assert_in_range(news2_vital_score((enum news2_input)input, milli, 1, false), 0, 3);
}

static void all_known_is_one_number(void **state)
{
    (void)state;
    struct alarm_limits limits = alarm_limits_default;
    limits.on_oxygen = 1;
    limits.consciousness = 'A';
    const int32_t sick[VITAL_COUNT] = { 131000, 91000, 90000, 60000, 39100, 25000 };
    struct news2 score = news2_score(sick, &limits);
    assert_int_equal(score.low, 3 + 3 + 3 + 2 + 3 + 2);
    assert_int_equal(score.high, score.low);
    assert_int_equal(score.band, NEWS2_HIGH);
    limits.on_oxygen = 0;
    const int32_t well[VITAL_COUNT] = { 70000, 98000, 120000, 80000, 36800, 16000 };
    score = news2_score(well, &limits);
    assert_int_equal(score.high, 0);
    assert_int_equal(score.band, NEWS2_LOW);
    const int32_t single[VITAL_COUNT] = { 135000, 98000, 120000, 80000, 36800, 16000 };
    assert_int_equal(news2_score(single, &limits).band, NEWS2_LOW_MEDIUM);
}

static void what_is_missing_widens_the_range_and_is_named(void **state)
{
    (void)state;
    const int32_t none[VITAL_COUNT] = { VITAL_ABSENT, VITAL_ABSENT, VITAL_ABSENT, VITAL_ABSENT, VITAL_ABSENT,
                                        VITAL_ABSENT };
    struct news2 score = news2_score(none, &alarm_limits_default);
    assert_int_equal(score.low, 0);
    assert_int_equal(score.high, 20);
    assert_int_equal(score.missing, (1 << NEWS2_INPUT_COUNT) - 1);
    assert_int_equal(score.band, NEWS2_UNKNOWN);
    struct alarm_limits limits = alarm_limits_default;
    limits.consciousness = 'A';
    limits.on_oxygen = 0;
    int32_t some[VITAL_COUNT] = { 70000, 98000, 120000, 80000, 36800, 16000 };
    some[VITAL_SPO2] = VITAL_ABSENT;
    score = news2_score(some, &limits);
    assert_int_equal(score.low, 0);
    assert_int_equal(score.high, 3);
    assert_int_equal(score.missing, 1 << NEWS2_SPO2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_edge_of_the_chart),
        cmocka_unit_test(all_known_is_one_number),
        cmocka_unit_test(what_is_missing_widens_the_range_and_is_named),
    };
    return cmocka_run_group_tests_name("news2", tests, NULL, NULL);
}
