/* How many readings of five vitals does one core judge in a second: rules, state machine and NEWS2,
 * 100,000 patients in random order?  Bar: 5 million.
 *
 * Usage: alarm [ROUNDS].  In each round every patient sends one reading, a second after the last, in
 * an order shuffled anew; nine patients in ten are stable, one wanders through its limits, and one
 * in a hundred has limits of its own.  `storm` is the same with every value of every patient thrown
 * across all its limits each second, one event per reading: the worst case, without a bar.
 * A fixed seed; WARM_UP rounds; CPU time of the judging alone; one JSON line out. */
#include "base/clock.h"
#include "base/mem.h"
#include "bench/cpu.h"
#include "clinical/alarm.h"
#include "clinical/news2.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { PATIENTS = 100000, WARM_UP = 8, ROUNDS_DEFAULT = 40, AHEAD = 6 };
#define T0 INT64_C(1795440000000000)

struct ward {
    struct alarm_patient *states;
    struct alarm_limits **limits;       /* NULL: the defaults */
    int32_t (*values)[VITAL_COUNT];     /* the random walk */
    struct reading *readings;           /* of one round, in its order */
    uint64_t seed, events, scores;
    bool storm;
};

static uint64_t random_next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    return *seed ^= *seed << 17;
}

static int32_t random_between(uint64_t *seed, int32_t low, int32_t high)
{
    return low + (int32_t)(random_next(seed) % (uint64_t)(high - low + 1));
}

/*                                                HR      SpO2   sys     dia    temp   resp */
static const int32_t stable_low[VITAL_COUNT] = { 65000, 95000, 105000, 60000, 36300, 12000 };
static const int32_t stable_high[VITAL_COUNT] = { 95000, 99000, 135000, 85000, 37700, 20000 };
static const int32_t wide_low[VITAL_COUNT] = { 38000, 86000, 76000, 40000, 34800, 7000 };
static const int32_t wide_high[VITAL_COUNT] = { 135000, 99000, 185000, 74000, 39400, 31000 };
static const int32_t calm_step[VITAL_COUNT] = { 2000, 500, 2000, 1000, 50, 1000 };
static const int32_t storm_step[VITAL_COUNT] = { 20000, 5000, 30000, 10000, 1000, 8000 };

static void ward_init(struct ward *ward, bool storm)
{
    ward->storm = storm;
    ward->states = mem_new(PATIENTS, sizeof *ward->states);
    ward->limits = mem_new(PATIENTS, sizeof(struct alarm_limits *));
    ward->values = mem_new(PATIENTS, sizeof *ward->values);
    ward->readings = mem_new(PATIENTS, sizeof *ward->readings);
    ward->seed = 20261123;
    for (uint32_t p = 0; p < PATIENTS; p++) {
        alarm_init(&ward->states[p], p);
        for (int v = 0; v < VITAL_COUNT; v++)
            ward->values[p][v] = random_between(&ward->seed, stable_low[v], stable_high[v]);
        if (p % 100 != 7)
            continue;
        ward->limits[p] = mem_new(1, sizeof(struct alarm_limits));
        *ward->limits[p] = alarm_limits_default;
        ward->limits[p]->delay_s[ALERT_HYPOXIA] = 10;
    }
}

static int32_t walk(struct ward *ward, int32_t value, int v, bool wide)
{
    int32_t low = wide ? wide_low[v] : stable_low[v], high = wide ? wide_high[v] : stable_high[v];
    int32_t step = ward->storm ? storm_step[v] : calm_step[v];
    value += random_between(&ward->seed, -step, step);
    return value < low ? low : value > high ? high : value;
}

static void make_round(struct ward *ward, int round)
{
    for (uint32_t p = 0; p < PATIENTS; p++) {
        struct reading *r = &ward->readings[p];
        *r = (struct reading){ .time_us = T0 + round * US_PER_S + p % 1000 * US_PER_MS, .patient = p,
                               .flags = READING_LIVE };
        for (int v = 0; v < VITAL_COUNT; v++)
            r->value_milli[v] = ward->values[p][v] = walk(ward, ward->values[p][v], v, ward->storm || p % 10 == 3);
        reading_mark_implausible(r);
    }
    for (uint32_t i = PATIENTS - 1; i; i--) {
        uint32_t j = (uint32_t)(random_next(&ward->seed) % (i + 1));
        struct reading swap = ward->readings[i];
        ward->readings[i] = ward->readings[j];
        ward->readings[j] = swap;
    }
}

static const struct alarm_limits *limits_of(const struct ward *ward, uint32_t patient)
{
    return ward->limits[patient] ? ward->limits[patient] : &alarm_limits_default;
}

static void judge(struct ward *ward, const struct reading *reading)
{
    struct alarm_patient *state = &ward->states[reading->patient];
    const struct alarm_limits *limits = limits_of(ward, reading->patient);
    struct alarm_events events;
    events.count = 0;
    alarm_reading(state, limits, reading, &events);
    ward->events += (uint64_t)events.count;
    ward->scores += news2_score(reading->value_milli, limits).high;
}

static double cpu_s(void)
{
    struct timespec ts;
    CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts) == 0);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static double run_round(struct ward *ward)
{
    double start = cpu_s();
    for (uint32_t i = 0; i < PATIENTS; i++) {
        if (i + AHEAD < PATIENTS)
            alarm_prefetch(&ward->states[ward->readings[i + AHEAD].patient]);
        judge(ward, &ward->readings[i]);
    }
    return cpu_s() - start;
}

static int by_size(const void *a, const void *b)
{
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

/* The median round's speed. */
static double measure(struct ward *ward, int rounds, bool storm)
{
    double *seconds = mem_new((size_t)rounds, sizeof *seconds);
    ward_init(ward, storm);
    for (int round = 0; round < WARM_UP + rounds; round++) {
        make_round(ward, round);
        double took = run_round(ward);
        if (round < WARM_UP)
            ward->events = ward->scores = 0;
        else
            seconds[round - WARM_UP] = took;
    }
    qsort(seconds, (size_t)rounds, sizeof *seconds, by_size);
    double median = seconds[rounds / 2];
    mem_free(seconds);
    return PATIENTS / median;
}

static void ward_free(struct ward *ward)
{
    for (uint32_t p = 0; p < PATIENTS; p++)
        mem_free(ward->limits[p]);
    mem_free(ward->states);
    mem_free(ward->limits);
    mem_free(ward->values);
    mem_free(ward->readings);
}

int main(int argc, char **argv)
{
    struct ward calm = { 0 }, storm = { 0 };
    int rounds = argc > 1 ? atoi(argv[1]) : ROUNDS_DEFAULT;
    char cpu[CPU_NAME_SIZE];
    if (rounds < 1 || rounds > 100000)
        return fprintf(stderr, "usage: alarm [ROUNDS]\n"), 2;
    double calm_rate = measure(&calm, rounds, false);
    ward_free(&calm);
    double storm_rate = measure(&storm, rounds, true);
    ward_free(&storm);
    double count = (double)PATIENTS * rounds;
    printf("{\"bench\":\"alarm\",\"readings_per_s\":%.0f,\"bar\":5000000,\"events_per_reading\":%.4f,"
           "\"storm_readings_per_s\":%.0f,\"storm_events_per_reading\":%.2f,\"news2_mean\":%.2f,\"patients\":%d,"
           "\"rounds\":%d,\"state_bytes\":%zu,\"cpu\":\"%s\"}\n",
           calm_rate, (double)calm.events / count, storm_rate, (double)storm.events / count,
           (double)calm.scores / count, PATIENTS, rounds, sizeof(struct alarm_patient), cpu_name(cpu));
    return 0;
}
