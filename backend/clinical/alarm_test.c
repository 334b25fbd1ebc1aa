#include "clinical/alarm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define S INT64_C(1000000)
#define T0 (INT64_C(1795440000) * S)

struct bed {
    struct alarm_patient state;
    struct alarm_limits limits;
    struct alarm_events events;
};

static void setup(struct bed *bed)
{
    alarm_init(&bed->state, 1);
    bed->limits = alarm_limits_default;
    bed->events.count = 0;
}

static struct reading reading_at(int64_t time_us)
{
    struct reading reading = { .time_us = time_us, .patient = 1 };
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        reading.value_milli[vital] = VITAL_ABSENT;
    return reading;
}

static void send(struct bed *bed, double second, enum vital vital, double value)
{
    struct reading reading = reading_at(T0 + (int64_t)(second * 1e6));
    reading.value_milli[vital] = (int32_t)(value * 1000 + 0.5);
    reading_mark_implausible(&reading);
    bed->events.count = 0;
    alarm_reading(&bed->state, &bed->limits, &reading, &bed->events);
}

static const struct alert *only_event(const struct bed *bed, enum alarm_change change)
{
    assert_int_equal(bed->events.count, 1);
    assert_int_equal(bed->events.items[0].change, change);
    return &bed->events.items[0].alert;
}

static bool send_ack(struct bed *bed, enum alert_type type, double second)
{
    struct alarm_command command = {
        .kind = ALARM_ACKNOWLEDGE, .type = type, .onset_us = bed->state.alerts[type].onset_us,
        .time_us = T0 + (int64_t)(second * 1e6), .user = 7,
    };
    bed->events.count = 0;
    return alarm_command(&bed->state, &bed->limits, &command, &bed->events);
}

/* Every row of the table of default limits, at its edge and one step inside. */
static const struct { enum vital vital; double value; enum alert_type type; enum alert_severity severity; } edges[] = {
    { VITAL_HEART_RATE, 100, ALERT_TACHYCARDIA, SEVERITY_NORMAL },
    { VITAL_HEART_RATE, 100.1, ALERT_TACHYCARDIA, SEVERITY_WARNING },
    { VITAL_HEART_RATE, 129.9, ALERT_TACHYCARDIA, SEVERITY_WARNING },
    { VITAL_HEART_RATE, 130, ALERT_TACHYCARDIA, SEVERITY_CRITICAL },
    { VITAL_HEART_RATE, 60, ALERT_BRADYCARDIA, SEVERITY_NORMAL },
    { VITAL_HEART_RATE, 59.9, ALERT_BRADYCARDIA, SEVERITY_WARNING },
    { VITAL_HEART_RATE, 40, ALERT_BRADYCARDIA, SEVERITY_CRITICAL },
    { VITAL_SPO2, 93, ALERT_HYPOXIA, SEVERITY_NORMAL },
    { VITAL_SPO2, 92, ALERT_HYPOXIA, SEVERITY_WARNING },
    { VITAL_SPO2, 90, ALERT_HYPOXIA, SEVERITY_WARNING },
    { VITAL_SPO2, 89.9, ALERT_HYPOXIA, SEVERITY_CRITICAL },
    { VITAL_TEMPERATURE, 38, ALERT_FEVER, SEVERITY_NORMAL },
    { VITAL_TEMPERATURE, 38.1, ALERT_FEVER, SEVERITY_WARNING },
    { VITAL_TEMPERATURE, 39, ALERT_FEVER, SEVERITY_CRITICAL },
    { VITAL_SYSTOLIC, 139, ALERT_HYPERTENSION, SEVERITY_NORMAL },
    { VITAL_SYSTOLIC, 140, ALERT_HYPERTENSION, SEVERITY_WARNING },
    { VITAL_SYSTOLIC, 180, ALERT_HYPERTENSION, SEVERITY_WARNING },
    { VITAL_SYSTOLIC, 181, ALERT_HYPERTENSION, SEVERITY_CRITICAL },
    { VITAL_SYSTOLIC, 90, ALERT_HYPOTENSION, SEVERITY_WARNING },
    { VITAL_SYSTOLIC, 80, ALERT_HYPOTENSION, SEVERITY_CRITICAL },
    { VITAL_TEMPERATURE, 35.5, ALERT_HYPOTHERMIA, SEVERITY_WARNING },
    { VITAL_TEMPERATURE, 35, ALERT_HYPOTHERMIA, SEVERITY_CRITICAL },
    { VITAL_RESPIRATORY, 24, ALERT_TACHYPNEA, SEVERITY_WARNING },
    { VITAL_RESPIRATORY, 30, ALERT_TACHYPNEA, SEVERITY_CRITICAL },
    { VITAL_RESPIRATORY, 10, ALERT_BRADYPNEA, SEVERITY_WARNING },
    { VITAL_RESPIRATORY, 8, ALERT_BRADYPNEA, SEVERITY_CRITICAL },
};

static void every_limit_raises_at_its_edge(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
        struct bed bed;
        setup(&bed);
        send(&bed, 0, edges[i].vital, edges[i].value);
        assert_int_equal(bed.events.count, edges[i].severity != SEVERITY_NORMAL);
        if (bed.events.count) {
            assert_int_equal(bed.events.items[0].alert.type, edges[i].type);
            assert_int_equal(bed.events.items[0].alert.severity, edges[i].severity);
        }
    }
}

static void an_episode_opens_once_and_closes_once(void **state)
{
    (void)state;
    struct bed bed;
    setup(&bed);
    send(&bed, 0, VITAL_HEART_RATE, 112);
    const struct alert *alert = only_event(&bed, ALARM_OPENED);
    assert_int_equal(alert->version, 1);
    send(&bed, 1, VITAL_HEART_RATE, 115);
    assert_int_equal(bed.events.count, 0);
    send(&bed, 2, VITAL_HEART_RATE, 98); /* inside, not by the hysteresis of 3 */
    assert_int_equal(bed.events.count, 0);
    send(&bed, 3, VITAL_HEART_RATE, 97);
    alert = only_event(&bed, ALARM_CLOSED);
    assert_int_equal(alert->peak_milli, 115000);
    assert_int_equal(alert->peak_us, T0 + 1 * S);
    assert_int_equal(alert->end_us, T0 + 3 * S);
    assert_int_equal(alarm_severity(&bed.state), SEVERITY_NORMAL);
}

static void the_hysteresis_of_the_patient_counts(void **state)
{
    (void)state;
    struct bed bed;
    setup(&bed);
    bed.limits.hysteresis_milli[ALERT_TACHYCARDIA] = 10000;
    send(&bed, 0, VITAL_HEART_RATE, 112);
    send(&bed, 1, VITAL_HEART_RATE, 91); /* inside by 9: the default of 3 would close it */
    assert_int_equal(bed.events.count, 0);
    send(&bed, 2, VITAL_HEART_RATE, 90);
    only_event(&bed, ALARM_CLOSED);
}

static void critical_latches_until_acknowledged(void **state)
{
    (void)state;
    struct bed bed;
    setup(&bed);
    send(&bed, 0, VITAL_HEART_RATE, 112);
    send(&bed, 1, VITAL_HEART_RATE, 142);
    const struct alert *alert = only_event(&bed, ALARM_WORSENED);
    assert_int_equal(alert->onset_us, T0);
    assert_int_equal(alert->threshold_milli, 130000);
    send(&bed, 2, VITAL_HEART_RATE, 80);
    alert = only_event(&bed, ALARM_ENDED);
    assert_int_equal(alert->state, ALERT_LATCHED);
    assert_int_equal(alarm_severity(&bed.state), SEVERITY_CRITICAL);
    assert_true(send_ack(&bed, ALERT_TACHYCARDIA, 3));
    alert = only_event(&bed, ALARM_CLOSED);
    assert_int_equal(alert->ack_by, 7);
    assert_false(send_ack(&bed, ALERT_TACHYCARDIA, 4));
}

static void no_acknowledgement_outlives_its_severity_or_a_gap(void **state)
{
    (void)state;
    struct bed bed;
    setup(&bed);
    send(&bed, 0, VITAL_SPO2, 91);
    assert_true(send_ack(&bed, ALERT_HYPOXIA, 0.5));
    only_event(&bed, ALARM_ACKNOWLEDGED);
    send(&bed, 1, VITAL_SPO2, 85);
    assert_int_equal(only_event(&bed, ALARM_WORSENED)->ack_us, 0);
    assert_true(send_ack(&bed, ALERT_HYPOXIA, 1.5));
    send(&bed, 2, VITAL_SPO2, 85);
    send(&bed, 3, VITAL_SPO2, 85); /* three gaps of a second: learned */
    send(&bed, 20, VITAL_SPO2, 85);
    bool returned = false;
    for (int i = 0; i < bed.events.count; i++)
        returned |= bed.events.items[i].change == ALARM_RETURNED;
    assert_true(returned);
    assert_int_equal(bed.state.alerts[ALERT_HYPOXIA].ack_us, 0);
}

static void a_delay_holds_warnings_but_never_critical(void **state)
{
    (void)state;
    struct bed bed;
    setup(&bed);
    bed.limits.delay_s[ALERT_HYPOXIA] = 10;
    send(&bed, 0, VITAL_SPO2, 91);
    assert_int_equal(bed.events.count, 0);
    send(&bed, 5, VITAL_SPO2, 96);
    send(&bed, 6, VITAL_SPO2, 91);
    send(&bed, 15, VITAL_SPO2, 91);
    assert_int_equal(bed.events.count, 0);
    bed.events.count = 0;
    alarm_tick(&bed.state, &bed.limits, T0 + 16 * S, &bed.events);
    const struct alert *alert = only_event(&bed, ALARM_OPENED);
    assert_int_equal(alert->onset_us, T0 + 6 * S);
    assert_int_equal(alert->raised_us, T0 + 16 * S);
    setup(&bed);
    bed.limits.delay_s[ALERT_HYPOXIA] = 10;
    send(&bed, 0, VITAL_SPO2, 85);
    only_event(&bed, ALARM_OPENED);
}

static void silence_is_noticed_on_time_and_cleared_by_the_first_good_sample(void **state)
{
    (void)state;
    struct bed bed;
    setup(&bed);
    for (int i = 0; i < 10; i++)
        send(&bed, i, VITAL_HEART_RATE, 80);
    bed.events.count = 0;
    alarm_tick(&bed.state, &bed.limits, T0 + 11 * S, &bed.events);
    assert_int_equal(bed.events.count, 0); /* 2 intervals after second 9 is second 11: not longer yet */
    alarm_tick(&bed.state, &bed.limits, T0 + 11 * S + 1, &bed.events);
    const struct alert *alert = only_event(&bed, ALARM_OPENED);
    assert_int_equal(alert->type, ALERT_SENSOR);
    assert_int_equal(alert->onset_us, T0 + 11 * S);
    assert_int_equal(alert->priority, PRIORITY_MEDIUM); /* all that is known is lost */
    send(&bed, 12, VITAL_HEART_RATE, 0); /* a zero is no value */
    assert_int_equal(bed.events.count, 0);
    send(&bed, 13, VITAL_HEART_RATE, 81);
    assert_int_equal(only_event(&bed, ALARM_CLOSED)->end_us, T0 + 13 * S);
}

static void a_restart_raises_no_flood(void **state)
{
    (void)state;
    struct bed bed;
    setup(&bed);
    for (int i = 0; i < 10; i++) {
        struct reading reading = reading_at(T0 + i * S);
        reading.value_milli[VITAL_HEART_RATE] = 80000;
        reading.flags = READING_LIVE;
        alarm_reading(&bed.state, &bed.limits, &reading, &bed.events);
    }
    struct alarm_command restarted = { .kind = ALARM_RESTARTED, .time_us = T0 + 3600 * S };
    alarm_command(&bed.state, &bed.limits, &restarted, &bed.events);
    alarm_tick(&bed.state, &bed.limits, T0 + 3600 * S + (RESTART_GRACE_S + 2) * S, &bed.events);
    assert_int_equal(bed.events.count, 0); /* devices had 5 s to connect, then 2 intervals */
    alarm_tick(&bed.state, &bed.limits, T0 + 3600 * S + (RESTART_GRACE_S + 2) * S + 1, &bed.events);
    only_event(&bed, ALARM_OPENED);
}

static void send_live(struct bed *bed, double second, enum vital vital, double value)
{
    struct reading reading = reading_at(T0 + (int64_t)(second * 1e6));
    reading.value_milli[vital] = (int32_t)(value * 1000 + 0.5);
    reading.flags = READING_LIVE;
    bed->events.count = 0;
    alarm_reading(&bed->state, &bed->limits, &reading, &bed->events);
}

static void a_clock_that_was_ahead_and_is_set_back_silences_nothing(void **state)
{
    (void)state;
    struct bed bed;
    setup(&bed);
    bed.limits.delay_s[ALERT_HYPOXIA] = 10;
    send(&bed, 300, VITAL_HEART_RATE, 80); /* five minutes in the future: not live */
    send(&bed, 300, VITAL_SPO2, 91);
    send_live(&bed, 1, VITAL_HEART_RATE, 150);
    only_event(&bed, ALARM_OPENED);
    send_live(&bed, 2, VITAL_SPO2, 91);
    bed.events.count = 0;
    alarm_tick(&bed.state, &bed.limits, T0 + 11 * S, &bed.events);
    assert_true(bed.state.open >> ALERT_HYPOXIA & 1); /* the delay is not five minutes long */
    /* Two devices a minute apart in either direction are both live, and neither moves the patient's time. */
    setup(&bed);
    send_live(&bed, 100, VITAL_HEART_RATE, 80);
    send_live(&bed, 0, VITAL_HEART_RATE, 150);
    assert_int_equal(bed.events.count, 0);
}

/* It began in a future that is taken back: what is measured now still counts, and it does not end before it began. */
static void an_alarm_that_began_before_the_clock_was_set_back_goes_on(void **state)
{
    (void)state;
    struct bed bed;
    setup(&bed);
    bed.limits.delay_s[ALERT_TACHYCARDIA] = 0;
    send(&bed, 300, VITAL_HEART_RATE, 115);
    only_event(&bed, ALARM_OPENED);
    send_live(&bed, 1, VITAL_HEART_RATE, 150);
    assert_int_equal(only_event(&bed, ALARM_WORSENED)->severity, SEVERITY_CRITICAL);
    send_live(&bed, 2, VITAL_HEART_RATE, 80);
    assert_int_equal(only_event(&bed, ALARM_ENDED)->end_us, T0 + 300 * S);
}

static void new_limits_judge_the_newest_values_at_once(void **state)
{
    (void)state;
    struct bed bed;
    setup(&bed);
    send_live(&bed, 0, VITAL_HEART_RATE, 95);
    struct alarm_command command = { .kind = ALARM_LIMITS, .time_us = T0 + S };
    bed.limits.warning_milli[ALERT_TACHYCARDIA] = 90000;
    alarm_command(&bed.state, &bed.limits, &command, &bed.events);
    assert_int_equal(only_event(&bed, ALARM_OPENED)->onset_us, T0 + S);
    bed.limits = alarm_limits_default;
    command.time_us = T0 + 2 * S;
    bed.events.count = 0;
    alarm_command(&bed.state, &bed.limits, &command, &bed.events);
    assert_int_equal(only_event(&bed, ALARM_CLOSED)->end_us, T0 + 2 * S);
}

static void losing_all_that_a_device_watches_is_more_than_information(void **state)
{
    (void)state;
    struct bed bed;
    setup(&bed);
    send(&bed, 0, VITAL_TEMPERATURE, 37); /* by hand, once */
    for (int i = 0; i < 6; i++) {
        send(&bed, i, VITAL_HEART_RATE, 80);
        send(&bed, i, VITAL_SPO2, 97);
    }
    bed.events.count = 0;
    alarm_tick(&bed.state, &bed.limits, T0 + 8 * S, &bed.events);
    assert_int_equal(only_event(&bed, ALARM_OPENED)->priority, PRIORITY_MEDIUM);
    send(&bed, 9, VITAL_SPO2, 97);
    assert_int_equal(only_event(&bed, ALARM_SENSORS)->priority, PRIORITY_LOW);
}

static void a_discharge_leaves_nothing_that_old_readings_could_wake(void **state)
{
    (void)state;
    struct bed bed;
    setup(&bed);
    send_live(&bed, 10, VITAL_HEART_RATE, 150);
    struct alarm_command command = { .kind = ALARM_DISCHARGE, .time_us = T0 + 11 * S };
    bed.events.count = 0;
    alarm_command(&bed.state, &bed.limits, &command, &bed.events);
    only_event(&bed, ALARM_CLOSED);
    send_live(&bed, 9, VITAL_HEART_RATE, 150);
    assert_int_equal(bed.events.count, 0);
    assert_true(bed.state.discharged);
    send_live(&bed, 12, VITAL_HEART_RATE, 150);
    only_event(&bed, ALARM_OPENED);
    assert_false(bed.state.discharged);
}

static void a_command_does_not_outrun_a_device_that_comes_behind(void **state)
{
    (void)state;
    struct bed bed;
    setup(&bed);
    for (int i = 0; i < 6; i++)
        send_live(&bed, i, VITAL_HEART_RATE, 110);
    struct alarm_command command = { .kind = ALARM_PAUSE, .time_us = T0 + 10 * S, .lag_us = 5 * S,
                                     .until_us = T0 + 60 * S };
    bed.events.count = 0;
    alarm_command(&bed.state, &bed.limits, &command, &bed.events);
    assert_int_equal(bed.events.count, 0);
    command.lag_us = 0;
    alarm_command(&bed.state, &bed.limits, &command, &bed.events);
    assert_int_equal(only_event(&bed, ALARM_OPENED)->type, ALERT_SENSOR);
}

/* A device that sends once a second, until the clock says that it is silent. */
static void fall_silent(struct bed *bed)
{
    struct alarm_command tick = { .kind = ALARM_TICK, .time_us = T0 + 20 * S };
    setup(bed);
    for (int i = 0; i < 6; i++)
        send_live(bed, i, VITAL_HEART_RATE, 80);
    bed->events.count = 0;
    alarm_command(&bed->state, &bed->limits, &tick, &bed->events);
    assert_int_equal(only_event(bed, ALARM_OPENED)->onset_us, T0 + 7 * S);
}

static void silences_do_not_overlap_however_late_the_readings_come(void **state)
{
    (void)state;
    struct bed bed;
    struct alarm_command tick = { .kind = ALARM_TICK, .time_us = T0 + 21 * S };
    fall_silent(&bed);
    send_live(&bed, 10, VITAL_HEART_RATE, 80); /* ten seconds late */
    assert_int_equal(only_event(&bed, ALARM_CLOSED)->end_us, T0 + 10 * S);
    bed.events.count = 0;
    alarm_command(&bed.state, &bed.limits, &tick, &bed.events);
    assert_int_equal(only_event(&bed, ALARM_OPENED)->onset_us, T0 + 12 * S);
    fall_silent(&bed);
    send_live(&bed, 6, VITAL_HEART_RATE, 80); /* there was no silence: the reading was under way */
    assert_int_equal(only_event(&bed, ALARM_CLOSED)->end_us, T0 + 7 * S);
    bed.events.count = 0;
    alarm_command(&bed.state, &bed.limits, &tick, &bed.events);
    assert_int_equal(only_event(&bed, ALARM_OPENED)->onset_us, T0 + 9 * S);
}

/* The backlog of an outage comes with old stamps.  It does not make a recording of a patient. */
static void a_device_that_dies_after_its_backlog_is_missed(void **state)
{
    (void)state;
    struct bed bed;
    struct alarm_command tick = { .kind = ALARM_TICK, .time_us = T0 + 400 * S };
    setup(&bed);
    for (int i = 0; i < 6; i++)
        send_live(&bed, i, VITAL_HEART_RATE, 80);
    for (int i = 6; i < 200; i++)
        send(&bed, i, VITAL_HEART_RATE, 80);
    bed.events.count = 0;
    alarm_command(&bed.state, &bed.limits, &tick, &bed.events);
    assert_int_equal(only_event(&bed, ALARM_OPENED)->onset_us, T0 + 201 * S);
}

static void an_unanswered_critical_alarm_escalates(void **state)
{
    (void)state;
    struct bed bed;
    setup(&bed);
    send(&bed, 0, VITAL_HEART_RATE, 150);
    bed.events.count = 0;
    alarm_tick(&bed.state, &bed.limits, T0 + 60 * S, &bed.events);
    assert_int_equal(only_event(&bed, ALARM_ESCALATED)->escalation, 1);
    bed.events.count = 0;
    alarm_tick(&bed.state, &bed.limits, T0 + 100 * 24 * 3600 * S, &bed.events);
    int escalated = 0;
    for (int i = 0; i < bed.events.count; i++)
        escalated += bed.events.items[i].change == ALARM_ESCALATED;
    assert_int_equal(escalated, 1);
    assert_int_equal(bed.state.alerts[ALERT_TACHYCARDIA].escalation, 2);
}

/* ---- random streams ---- */

static uint64_t random_next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    return *seed ^= *seed << 17;
}

static struct reading random_reading(uint64_t *seed, int64_t time_us)
{
    static const int32_t low[] = { 35, 80, 70, 40, 34, 6 }, high[] = { 150, 100, 190, 69, 40, 34 };
    struct reading reading = reading_at(time_us);
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        if (random_next(seed) % 8)
            reading.value_milli[vital] = (low[vital] +
                                          (int32_t)(random_next(seed) % (uint64_t)(high[vital] - low[vital] + 1))) *
                                         1000;
    if (random_next(seed) % 16 == 0)
        reading.value_milli[random_next(seed) % VITAL_COUNT] = 0;
    reading_mark_implausible(&reading);
    return reading;
}

struct log {
    struct alert last[4096];
    int count;
};

static void keep(struct log *log, const struct alarm_events *events)
{
    for (int i = 0; i < events->count; i++) {
        assert_true(log->count < 4096);
        log->last[log->count++] = events->items[i].alert;
    }
}

static int64_t random_gap(uint64_t *seed)
{
    return random_next(seed) % 10 == 0 ? (int64_t)(1 + random_next(seed) % 300) * S / 3 : S;
}

/* One stream, with ticks sprinkled by `tick_seed`; 0: no ticks at all. */
static void run_stream(uint64_t seed, uint64_t tick_seed, bool save_and_load, struct log *log)
{
    struct bed bed;
    setup(&bed);
    memset(log, 0, sizeof *log);
    bed.limits.delay_s[ALERT_HYPOXIA] = 10;
    bed.limits.delay_s[ALERT_TACHYPNEA] = 3;
    int64_t time_us = T0;
    for (int i = 0; i < 300; i++) {
        int64_t gap = random_gap(&seed);
        for (int ticks = tick_seed ? (int)(random_next(&tick_seed) % 4) : 0; ticks; ticks--) {
            bed.events.count = 0;
            alarm_tick(&bed.state, &bed.limits, time_us + (int64_t)(random_next(&tick_seed) % (uint64_t)(gap + 1)),
                       &bed.events);
            keep(log, &bed.events);
        }
        time_us += gap;
        struct reading reading = random_reading(&seed, time_us);
        bed.events.count = 0;
        alarm_reading(&bed.state, &bed.limits, &reading, &bed.events);
        keep(log, &bed.events);
        if (random_next(&seed) % 20 == 0) {
            send_ack(&bed, (enum alert_type)(random_next(&seed) % ALERT_TYPE_COUNT), (double)(time_us - T0) / 1e6);
            keep(log, &bed.events);
        }
        if (save_and_load) {
            unsigned char bytes[ALARM_SAVE_SIZE_MAX];
            size_t size = alarm_save(&bed.state, bytes);
            memset(&bed.state, 0xee, sizeof bed.state);
            assert_true(alarm_load(&bed.state, bytes, size, NULL));
        }
    }
}

static void alerts_do_not_depend_on_ticks_or_restarts(void **state)
{
    (void)state;
    static struct log plain, ticked, restarted;
    int total = 0;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        run_stream(seed * 77777, 0, false, &plain);
        run_stream(seed * 77777, seed * 991, false, &ticked);
        run_stream(seed * 77777, 0, true, &restarted);
        assert_int_equal(plain.count, ticked.count);
        assert_memory_equal(plain.last, ticked.last, sizeof(struct alert) * (size_t)plain.count);
        assert_int_equal(plain.count, restarted.count);
        assert_memory_equal(plain.last, restarted.last, sizeof(struct alert) * (size_t)plain.count);
        total += plain.count;
    }
    assert_true(total > 10000);
}

/* Invariants of the machine, after every step of a random life with commands. */
static void check_invariants(const struct bed *bed)
{
    for (int type = 0; type < ALERT_TYPE_COUNT; type++) {
        const struct alert *alert = &bed->state.alerts[type];
        bool open = bed->state.open >> type & 1;
        if (!open)
            continue;
        assert_true(alert->state == ALERT_ACTIVE || alert->state == ALERT_LATCHED);
        assert_true(alarm_severity(&bed->state) >= (enum alert_severity)alert->severity); /* never invisible */
        if (alert->state == ALERT_LATCHED) {
            assert_int_equal(alert->severity, SEVERITY_CRITICAL);
            assert_int_equal(alert->ack_us, 0); /* no acknowledgement outlives its condition */
            assert_true(alert->end_us != 0);
        } else {
            assert_int_equal(alert->end_us, 0);
        }
    }
}

/* A naive second opinion: a value that is critical must be shown critical at once. */
static void check_no_critical_value_goes_unalarmed(const struct bed *bed, const struct reading *reading)
{
    for (int type = 0; type < ALERT_RULE_COUNT; type++) {
        int32_t value = reading_usable(reading, alert_rules[type].vital);
        if (value == VITAL_ABSENT || limits_judge(&bed->limits, (enum alert_type)type, value) != SEVERITY_CRITICAL)
            continue;
        assert_true(bed->state.open >> type & 1);
        assert_int_equal(bed->state.alerts[type].severity, SEVERITY_CRITICAL);
    }
}

static void random_command(struct bed *bed, uint64_t *seed, int64_t time_us)
{
    struct alarm_command command = {
        .kind = (enum alarm_command_kind)(random_next(seed) % (ALARM_RESTARTED + 1)),
        .type = (enum alert_type)(random_next(seed) % ALERT_TYPE_COUNT), .time_us = time_us,
        .until_us = time_us + 60 * S,
    };
    command.onset_us = bed->state.alerts[command.type].onset_us;
    bed->events.count = 0;
    alarm_command(&bed->state, &bed->limits, &command, &bed->events);
}

static void invariants_hold_in_random_lives(void **state)
{
    (void)state;
    for (uint64_t life = 1; life <= 200; life++) {
        struct bed bed;
        setup(&bed);
        uint64_t seed = life * 1234567;
        int64_t time_us = T0;
        for (int i = 0; i < 1000; i++) {
            time_us += random_gap(&seed);
            struct reading reading = random_reading(&seed, time_us);
            reading.flags = READING_LIVE;
            bed.events.count = 0;
            alarm_reading(&bed.state, &bed.limits, &reading, &bed.events);
            check_invariants(&bed);
            check_no_critical_value_goes_unalarmed(&bed, &reading);
            if (random_next(&seed) % 5 == 0)
                random_command(&bed, &seed, time_us);
            check_invariants(&bed);
        }
    }
}

static void messages_and_ids_read_as_documented(void **state)
{
    (void)state;
    struct bed bed;
    struct buf text;
    buf_init(&text, 1000);
    setup(&bed);
    send(&bed, 0, VITAL_HEART_RATE, 142);
    alert_message(&bed.state.alerts[ALERT_TACHYCARDIA], &text);
    assert_string_equal(text.data, "Critical tachycardia detected. Heart rate: 142 bpm (threshold: >=130)");
    setup(&bed);
    buf_reset(&text);
    send(&bed, 0, VITAL_SPO2, 91);
    alert_message(&bed.state.alerts[ALERT_HYPOXIA], &text);
    assert_string_equal(text.data, "Low oxygen saturation detected: 91% (normal: >95%)");
    struct reading reading = reading_at(T0 + S);
    reading.value_milli[VITAL_SYSTOLIC] = 190000;
    reading.value_milli[VITAL_DIASTOLIC] = 110000;
    alarm_reading(&bed.state, &bed.limits, &reading, &bed.events);
    buf_reset(&text);
    alert_message(&bed.state.alerts[ALERT_HYPERTENSION], &text);
    assert_string_equal(text.data, "Hypertensive crisis! BP: 190/110 mmHg (threshold: >180)");
    char id[ALERT_ID_SIZE], patient[32];
    enum alert_type type;
    int64_t onset_ms;
    alert_id_format(&bed.state.alerts[ALERT_HYPOXIA], "P.001", id);
    assert_string_equal(id, "P.001.hypoxia.1795440000000");
    assert_true(alert_id_parse(id, patient, sizeof patient, &type, &onset_ms, NULL));
    assert_string_equal(patient, "P.001");
    assert_int_equal(type, ALERT_HYPOXIA);
    assert_int_equal(onset_ms, T0 / 1000);
    const char *wrong[] = { "", "P1", "P1.hypoxia", "P1.nothing.1", "P1.hypoxia.x", ".hypoxia.1", "P1.hypoxia.-1" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(alert_id_parse(wrong[i], patient, sizeof patient, &type, &onset_ms, NULL));
    buf_free(&text);
}

static void wrong_limits_are_named(void **state)
{
    (void)state;
    struct alarm_limits limits = alarm_limits_default;
    struct err err = { 0 };
    assert_true(limits_validate(&limits, &err));
    limits.critical_milli[ALERT_TACHYCARDIA] = 90000;
    assert_false(limits_validate(&limits, &err));
    assert_string_equal(err.text, "heart_rate.critical_high: 90 must be above warning_high 100");
    limits = alarm_limits_default;
    limits.delay_s[ALERT_FEVER] = 31;
    assert_false(limits_validate(&limits, &err));
    limits = alarm_limits_default;
    limits_apply_spo2_scale(&limits, 2);
    assert_true(limits_validate(&limits, &err));
    assert_int_equal(limits_judge(&limits, ALERT_HYPOXIA, 88000), SEVERITY_NORMAL);
    assert_int_equal(limits_judge(&limits, ALERT_HYPOXIA, 83000), SEVERITY_CRITICAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_limit_raises_at_its_edge),
        cmocka_unit_test(an_episode_opens_once_and_closes_once),
        cmocka_unit_test(the_hysteresis_of_the_patient_counts),
        cmocka_unit_test(critical_latches_until_acknowledged),
        cmocka_unit_test(no_acknowledgement_outlives_its_severity_or_a_gap),
        cmocka_unit_test(silences_do_not_overlap_however_late_the_readings_come),
        cmocka_unit_test(a_device_that_dies_after_its_backlog_is_missed),
        cmocka_unit_test(a_delay_holds_warnings_but_never_critical),
        cmocka_unit_test(silence_is_noticed_on_time_and_cleared_by_the_first_good_sample),
        cmocka_unit_test(a_restart_raises_no_flood),
        cmocka_unit_test(a_clock_that_was_ahead_and_is_set_back_silences_nothing),
        cmocka_unit_test(an_alarm_that_began_before_the_clock_was_set_back_goes_on),
        cmocka_unit_test(new_limits_judge_the_newest_values_at_once),
        cmocka_unit_test(losing_all_that_a_device_watches_is_more_than_information),
        cmocka_unit_test(a_discharge_leaves_nothing_that_old_readings_could_wake),
        cmocka_unit_test(a_command_does_not_outrun_a_device_that_comes_behind),
        cmocka_unit_test(an_unanswered_critical_alarm_escalates),
        cmocka_unit_test(alerts_do_not_depend_on_ticks_or_restarts),
        cmocka_unit_test(invariants_hold_in_random_lives),
        cmocka_unit_test(messages_and_ids_read_as_documented),
        cmocka_unit_test(wrong_limits_are_named),
    };
    return cmocka_run_group_tests_name("alarm", tests, NULL, NULL);
}
