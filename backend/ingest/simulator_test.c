#include "ingest/simulator.h"

#include "base/clock.h"
#include "clinical/alarm.h"

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
                enum alert_severity severity = value == VITAL_ABSENT
                                                   ? SEVERITY_NORMAL
                                                   : limits_judge(&alarm_limits_default, (enum alert_type)rule, value);
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

/* Eight hours of a ward under the real alarm machine, with a nurse who answers after two minutes. */
struct ward_alarms {
    int64_t raised, critical, sensor, bed_seconds, calm_seconds, most_beds, moments;
};

static void answer(struct alarm_patient *patient, int64_t now_us, struct alarm_events *events)
{
    for (int type = 0; type < ALERT_TYPE_COUNT; type++) {
        const struct alert *alert = &patient->alerts[type];
        if (!(patient->open >> type & 1) || alert->ack_us || now_us - alert->raised_us < 120 * US_PER_S)
            continue;
        struct alarm_command command = { .time_us = now_us, .kind = ALARM_ACKNOWLEDGE, .type = (enum alert_type)type,
                                         .onset_us = alert->onset_us, .user = 1 };
        (void)alarm_command(patient, &alarm_limits_default, &command, events);
    }
}

static void count_events(const struct alarm_events *events, struct ward_alarms *out)
{
    for (int i = 0; i < events->count; i++) {
        const struct alarm_event *event = &events->items[i];
        bool opened = event->change == ALARM_OPENED, sensor = event->alert.type >= ALERT_RULE_COUNT;
        out->raised += opened && !sensor;
        out->sensor += opened && sensor;
        out->critical += !sensor && event->alert.severity == SEVERITY_CRITICAL &&
                         (opened || event->change == ALARM_WORSENED);
    }
}

static struct ward_alarms run_ward(uint64_t seed, int hours)
{
    static struct alarm_patient patients[BEDS];
    struct ward_alarms out = { 0 };
    struct simulator *simulator = simulator_new(BEDS, seed);
    simulator_add_faults(simulator);
    for (uint32_t i = 0; i < BEDS; i++)
        alarm_init(&patients[i], i + 1);
    for (int s = 1; s <= hours * 3600; s++) {
        int beds = 0;
        for (uint32_t i = 0; i < BEDS; i++) {
            struct reading reading;
            struct alarm_events events = { 0 };
            simulator_step(simulator, i, s * US_PER_S, &reading, NULL);
            reading.patient = i + 1;
            alarm_reading(&patients[i], &alarm_limits_default, &reading, &events);
            answer(&patients[i], s * US_PER_S, &events);
            count_events(&events, &out);
            bool calm = !(patients[i].open & ((1u << ALERT_RULE_COUNT) - 1));
            out.calm_seconds += calm;
            out.bed_seconds++;
            beds += !calm;
        }
        out.most_beds = beds > out.most_beds ? beds : out.most_beds;
        out.moments += beds > BEDS * 7 / 10;
    }
    simulator_free(simulator);
    return out;
}

/* A ward to look at: some beds are calm, some are not, and no nurse is called each minute. */
static void a_ward_is_not_all_in_alarm(void **state)
{
    enum { HOURS = 8, SEEDS = 3 };
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct ward_alarms ward = run_ward(seed, HOURS);
        double bed_hours = (double)ward.bed_seconds / 3600, calm = (double)ward.calm_seconds / (double)ward.bed_seconds;
        print_message("seed %llu: %.1f alarms per bed and hour, %.1f critical, %.2f of a sensor; %.0f %% of the time "
                      "calm; at most %lld of %d beds at once, more than seven %.1f %% of the time\n",
                      (unsigned long long)seed, (double)ward.raised / bed_hours, (double)ward.critical / bed_hours,
                      (double)ward.sensor / bed_hours, 100 * calm, (long long)ward.most_beds, BEDS,
                      100.0 * (double)ward.moments / (HOURS * 3600));
        assert_true(calm > 0.4 && calm < 0.9);
    }
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
            assert_in_range(truth.value_milli[vital], vital_infos[vital].plausible_min_milli,
                            vital_infos[vital].plausible_max_milli);
    }
    assert_true(off > 60 && motion > 60);
    simulator_free(simulator);
}

/* The patients' own values with and without faults; and what the faults do to what is shown. */
static void faults_leave_the_patients_alone(void **state)
{
    (void)state;
    struct simulator *plain = simulator_new(4, 9), *faulty = simulator_new(4, 9);
    int failed = 0, leads = 0, flush = 0, cuffs = 0;
    simulator_add_faults(faulty);
    for (int s = 0; s < 12 * 3600; s++)
        for (uint32_t i = 0; i < 4; i++) {
            struct reading a, b;
            struct truth x, y;
            simulator_step(plain, i, s * US_PER_S, &a, &x);
            simulator_step(faulty, i, s * US_PER_S, &b, &y);
            assert_memory_equal(x.value_milli, y.value_milli, sizeof x.value_milli);
            failed += (y.marks & TRUTH_CUFF_FAILED) != 0;
            leads += (y.marks & TRUTH_LEADS_OFF) != 0;
            flush += (y.marks & TRUTH_LINE_FLUSH) != 0;
            cuffs += i % 3 && (y.marks & TRUTH_CUFF);
            if (y.marks & TRUTH_LEADS_OFF)
                assert_int_equal(reading_usable(&b, VITAL_HEART_RATE), VITAL_ABSENT);
            if (y.marks & (TRUTH_LINE_FLUSH | TRUTH_CUFF_FAILED))
                assert_int_equal(reading_usable(&b, VITAL_SYSTOLIC), VITAL_ABSENT);
            if (!(y.marks & (TRUTH_CUFF_FAILED | TRUTH_LEADS_OFF | TRUTH_LINE_FLUSH)))
                assert_memory_equal(a.value_milli, b.value_milli, sizeof a.value_milli);
        }
    assert_true(leads > 60 && flush > 10);
    assert_in_range(failed, cuffs / 24, cuffs / 6);
    simulator_free(plain);
    simulator_free(faulty);
}

static int32_t mean_of(const int64_t *sums, int vital, int count)
{
    return (int32_t)(sums[vital] / count);
}

/* Each condition in full moves the vitals together, the way clinical.md's sources say. */
static void conditions_move_the_vitals_together(void **state)
{
    (void)state;
    static const struct { enum condition condition; int direction[VITAL_COUNT]; } rows[] = {
        /*                       HR SpO2 SBP DBP T RR */
        { CONDITION_SEPSIS,     { 1, -1, -1, -1, 1, 1 } },
        { CONDITION_HYPOXIA,    { 1, -1, 1, 1, 0, 1 } },
        { CONDITION_BLEEDING,   { 1, -1, -1, -1, -1, 1 } },
        { CONDITION_ARRHYTHMIA, { 1, -1, -1, -1, 0, 1 } },
    };
    enum { WARD = 40, HOURS = 8 };
    struct simulator *simulator = simulator_new(WARD, 3);
    int64_t calm[WARD][VITAL_COUNT] = { 0 }, ill[CONDITION_COUNT][VITAL_COUNT] = { 0 };
    int calm_count[WARD] = { 0 }, ill_count[CONDITION_COUNT] = { 0 };
    for (int s = 0; s < HOURS * 3600; s++)
        for (uint32_t i = 0; i < WARD; i++) {
            struct reading reading;
            struct truth truth;
            simulator_step(simulator, i, s * US_PER_S, &reading, &truth);
            bool full = truth.severity_permille == 1000 && calm_count[i] > 600;
            if (truth.condition == CONDITION_STABLE)
                calm_count[i]++;
            ill_count[truth.condition] += full;
            for (int v = 0; v < VITAL_COUNT; v++) {
                if (truth.condition == CONDITION_STABLE)
                    calm[i][v] += truth.value_milli[v];
                else if (full)
                    ill[truth.condition][v] += truth.value_milli[v] - calm[i][v] / calm_count[i];
            }
        }
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        assert_true(ill_count[rows[r].condition] > 300);
        for (int v = 0; v < VITAL_COUNT; v++)
            if (rows[r].direction[v])
                assert_true(mean_of(ill[rows[r].condition], v, ill_count[rows[r].condition]) * rows[r].direction[v] >
                            0);
    }
    simulator_free(simulator);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_seed_repeats_exactly),
        cmocka_unit_test(a_ward_has_stable_warning_and_critical_beds),
        cmocka_unit_test(a_ward_is_not_all_in_alarm),
        cmocka_unit_test(the_truth_tells_artefacts_apart),
        cmocka_unit_test(faults_leave_the_patients_alone),
        cmocka_unit_test(conditions_move_the_vitals_together),
    };
    return cmocka_run_group_tests_name("simulator", tests, NULL, NULL);
}
