/* How simulated patients are written down, and the tables it is done by.  Whether the result resembles the
 * recordings is asked by tests/test_simulator_fit.py, which needs them. */
#include "ingest/simulator_chart.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

enum { BEDS = 20 };

static uint64_t hash_charts(enum charting_style style, uint64_t seed)
{
    struct simulator *simulator = simulator_new_mix(BEDS, seed, MIX_RECORDED);
    uint64_t hash = 0;
    for (uint32_t bed = 0; bed < BEDS; bed++) {
        struct simulator_chart chart;
        simulator_chart_begin(&chart, style, 0, simulator, bed, 0, seed);
        for (int row = 0; row < 100; row++) {
            struct reading reading;
            simulator_chart_next(&chart, &reading);
            hash = str_hash64(&reading, sizeof reading, hash);
        }
    }
    simulator_free(simulator);
    return hash;
}

static void one_seed_repeats_exactly(void **state)
{
    (void)state;
    for (int style = 0; style < CHARTING_COUNT; style++) {
        assert_int_equal(hash_charts((enum charting_style)style, 1), hash_charts((enum charting_style)style, 1));
        assert_int_not_equal(hash_charts((enum charting_style)style, 1), hash_charts((enum charting_style)style, 2));
    }
}

/* The deviates that a triangle makes have the variance of those that go in, and ranges ascend. */
static void the_tables_are_sound(void **state)
{
    (void)state;
    for (int vital = 0; vital < VITAL_COUNT; vital++) {
        const struct vital_fit *fit = &vital_fits[vital];
        int64_t between = 0, within = 0;
        for (int i = 0; i < VITAL_COUNT; i++) {
            between += between_permille[vital][i] * between_permille[vital][i];
            within += within_permille[vital][i] * within_permille[vital][i];
            assert_true(i <= vital || (between_permille[vital][i] == 0 && within_permille[vital][i] == 0));
        }
        assert_in_range(between, 980000, 1020000);
        assert_in_range(within, 980000, 1020000);
        for (int i = 1; i < RESTING_POINTS; i++)
            assert_true(fit->resting_milli[i] > fit->resting_milli[i - 1] &&
                        resting_points_permille[i] > resting_points_permille[i - 1]);
        assert_in_range(fit->resting_milli[0], vital_infos[vital].plausible_min_milli,
                        vital_infos[vital].plausible_max_milli);
        assert_true(fit->fast_s >= 1 && fit->average_s >= 1 && fit->slow_s >= SWING_MEDIUM_S);
    }
    enum charting_style found;
    for (int style = 0; style < CHARTING_COUNT; style++) {
        assert_true(charting_style_find(charting_fits[style].name, &found));
        assert_int_equal(found, style);
        for (int i = 0; i < CHARTING_INTERVALS; i++)
            assert_true(charting_fits[style].interval_s_per[i] >= 1);
    }
    assert_false(charting_style_find("challenge2020", &found));
}

struct lived {
    int64_t ill, squares, count;
};

/* One patient looked at once an hour for 100 hours, stepped through by the second or by the minute. */
static struct lived live(bool by_minute)
{
    enum { PATIENTS = 40, HOURS = 100, HOUR_S = 3600, LOOK_S = 60 };
    struct simulator *simulator = simulator_new(PATIENTS, 11);
    struct lived out = { 0 };
    for (uint32_t i = 0; i < PATIENTS; i++) {
        int32_t before = VITAL_ABSENT;
        for (int hour = 0; hour < HOURS; hour++) {
            struct reading reading;
            struct truth truth;
            for (int minute = 0; by_minute && minute < HOUR_S / 60 - 1; minute++)
                simulator_pass_minute(simulator, i);
            for (int s = 0; s < (by_minute ? LOOK_S : HOUR_S); s++)
                simulator_step(simulator, i, s * US_PER_S, &reading, &truth);
            int32_t value = truth.value_milli[VITAL_HEART_RATE] / 100;
            if (before != VITAL_ABSENT)
                out.squares += (int64_t)(value - before) * (value - before);
            before = value;
            out.ill += truth.condition != CONDITION_STABLE;
            out.count++;
        }
    }
    simulator_free(simulator);
    return out;
}

static void a_minute_passed_is_sixty_steps(void **state)
{
    (void)state;
    struct lived steps = live(false), minutes = live(true);
    assert_int_equal(steps.count, minutes.count);
    assert_in_range(minutes.ill * 100 / steps.ill, 90, 110);
    assert_in_range(minutes.squares * 100 / steps.squares, 80, 125);
}

/* What the style says is missing is missing, and nobody charts a sensor that is off. */
static void rows_miss_what_their_style_misses(void **state)
{
    enum { ROWS = 200 };
    (void)state;
    for (int style = 0; style < CHARTING_COUNT; style++) {
        const struct charting_fit *fit = &charting_fits[style];
        struct simulator *simulator = simulator_new_mix(BEDS, 4, MIX_RECORDED);
        int present[VITAL_COUNT] = { 0 }, zero = 0;
        for (uint32_t bed = 0; bed < BEDS; bed++) {
            struct simulator_chart chart;
            simulator_chart_begin(&chart, (enum charting_style)style, 0, simulator, bed, 0, 4);
            for (int row = 0; row < ROWS; row++) {
                struct reading reading;
                int64_t before_us = chart.time_us;
                simulator_chart_next(&chart, &reading);
                assert_true(chart.time_us > before_us && reading.time_us < chart.time_us &&
                            reading.time_us >= before_us);
                for (int vital = 0; vital < VITAL_COUNT; vital++) {
                    present[vital] += reading.value_milli[vital] != VITAL_ABSENT;
                    zero += reading.value_milli[vital] == 0;
                    assert_true(reading.value_milli[vital] != 0 || reading.implausible >> vital & 1);
                }
            }
        }
        for (int vital = 0; vital < VITAL_COUNT; vital++)
            assert_true(fit->never[vital] == 1000 ? present[vital] == 0 : present[vital] > 0);
        if (fit->every[VITAL_TEMPERATURE][0])
            assert_true(present[VITAL_TEMPERATURE] < present[VITAL_HEART_RATE]);
        assert_true(zero < BEDS * ROWS / 50);
        simulator_free(simulator);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_seed_repeats_exactly),
        cmocka_unit_test(the_tables_are_sound),
        cmocka_unit_test(a_minute_passed_is_sixty_steps),
        cmocka_unit_test(rows_miss_what_their_style_misses),
    };
    return cmocka_run_group_tests_name("simulator_chart", tests, NULL, NULL);
}
