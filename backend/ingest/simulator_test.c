#include "ingest/simulator.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

enum { BEDS = 10, SECONDS = 1800 };

static uint64_t hash_run(uint64_t seed)
{
    struct simulator *simulator = simulator_new(BEDS, seed);
    uint64_t hash = 0;
    for (int s = 0; s < SECONDS; s++)
        for (uint32_t i = 0; i < BEDS; i++) {
            struct reading reading;
            simulator_step(simulator, i, s * US_PER_S, &reading, NULL);
            hash = str_hash64(&reading, sizeof reading, hash);
        }
    simulator_free(simulator);
    return hash;
}

static void one_seed_repeats_exactly(void **state)
{
    (void)state;
    assert_int_equal(hash_run(1), hash_run(1));
    assert_int_not_equal(hash_run(1), hash_run(2));
}

static void a_ward_has_stable_warning_and_critical_beds(void **state)
{
    (void)state;
    struct simulator *simulator = simulator_new(BEDS, 1);
    int beds[4] = { 0 };
    bool first_three_seconds = false;
    for (uint32_t i = 0; i < BEDS; i++) {
        enum alert_severity worst = SEVERITY_NORMAL;
        for (int s = 0; s < SECONDS; s++) {
            struct reading reading;
            simulator_step(simulator, i, s * US_PER_S, &reading, NULL);
            for (int rule = 0; rule < ALERT_RULE_COUNT; rule++) {
                int32_t value = reading_usable(&reading, alert_rules[rule].vital);
                enum alert_severity severity = value == VITAL_ABSENT ? SEVERITY_NORMAL : limits_judge(&alarm_limits_default, (enum alert_type)rule, value);
                worst = severity > worst ? severity : worst;
                first_three_seconds |= s < 3 && severity >= SEVERITY_WARNING;
            }
        }
        beds[worst]++;
    }
    assert_true(beds[SEVERITY_CRITICAL] >= 1);
    assert_true(beds[SEVERITY_WARNING] + beds[SEVERITY_NORMAL] >= 3);
    assert_true(first_three_seconds);
    simulator_free(simulator);
}

static void the_truth_tells_artefacts_apart(void **state)
{
    (void)state;
    struct simulator *simulator = simulator_new(1, 5);
    int off = 0, motion = 0;
    for (int s = 0; s < 24 * 3600; s++) {
        struct reading reading;
        struct truth truth;
        simulator_step(simulator, 0, s * US_PER_S, &reading, &truth);
        off += (truth.marks & TRUTH_SENSOR_OFF) != 0;
        motion += (truth.marks & TRUTH_MOTION) != 0;
        if (truth.marks & TRUTH_SENSOR_OFF)
            assert_int_equal(reading_usable(&reading, VITAL_SPO2), VITAL_ABSENT);
        for (int vital = 0; vital < VITAL_COUNT; vital++) /* the patient itself is always possible */
            assert_in_range(truth.value_milli[vital], vital_infos[vital].plausible_min_milli, vital_infos[vital].plausible_max_milli);
    }
    assert_true(off > 60 && motion > 60);
    simulator_free(simulator);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_seed_repeats_exactly),
        cmocka_unit_test(a_ward_has_stable_warning_and_critical_beds),
        cmocka_unit_test(the_truth_tells_artefacts_apart),
    };
    return cmocka_run_group_tests_name("simulator", tests, NULL, NULL);
}
