#include "learn/windows.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "ingest/recording.h"
#include "ingest/simulator_chart.h"

#include <string.h>

enum {
    KEPT_READINGS = 900,    /* a quarter of an hour at one a second */
    KEPT_ALERTS = 64,       /* as many as the summarizer loads */
    STREAM_READINGS = 180,  /* three times the longest usual window */
    ACK_ONE_IN = 25,
};

struct window_feed {
    struct alarm_limits limits;
    struct alarm_patient state;
    struct alarm_events events;
    struct reading readings[2 * KEPT_READINGS];  /* moved down when full: always in one piece */
    size_t reading_count;
    struct alert alerts[KEPT_ALERTS], shown[KEPT_ALERTS];
    size_t alert_count;
    uint64_t random;
};

static bool one_in(uint64_t *state, uint32_t n)
{
    return random_next(state) % n == 0;
}

/* ---- feed ---- */

struct window_feed *window_feed_new(uint32_t patient, const struct alarm_limits *limits, uint64_t seed)
{
    struct window_feed *feed = mem_new(1, sizeof *feed);
    feed->limits = *limits;
    feed->random = seed;
    alarm_init(&feed->state, patient);
    return feed;
}

void window_feed_free(struct window_feed *feed)
{
    mem_free(feed);
}

static void keep_alert(struct window_feed *feed, const struct alert *alert)
{
    for (size_t i = 0; i < feed->alert_count; i++)
        if (feed->alerts[i].type == alert->type && feed->alerts[i].onset_us == alert->onset_us) {
            feed->alerts[i] = *alert;
            return;
        }
    if (feed->alert_count == KEPT_ALERTS) /* the oldest is long over */
        memmove(feed->alerts, feed->alerts + 1, --feed->alert_count * sizeof *feed->alerts);
    feed->alerts[feed->alert_count++] = *alert;
}

static void keep_events(struct window_feed *feed)
{
    for (int i = 0; i < feed->events.count; i++)
        keep_alert(feed, &feed->events.items[i].alert);
    feed->events.count = 0;
}

static void acknowledge_some(struct window_feed *feed, int64_t now_us)
{
    for (size_t i = 0; i < feed->alert_count; i++) {
        const struct alert *alert = &feed->alerts[i];
        if (alert->state == ALERT_CLOSED || alert->ack_us || !one_in(&feed->random, ACK_ONE_IN))
            continue;
        struct alarm_command command = { .time_us = now_us, .kind = ALARM_ACKNOWLEDGE,
                                         .type = (enum alert_type)alert->type,
                                         .onset_us = alert->onset_us, .user = 1 };
        (void)alarm_command(&feed->state, &feed->limits, &command, &feed->events);
        keep_events(feed);
    }
}

void window_feed_add(struct window_feed *feed, const struct reading *reading)
{
    if (feed->reading_count == 2 * KEPT_READINGS) {
        memmove(feed->readings, feed->readings + KEPT_READINGS, KEPT_READINGS * sizeof *feed->readings);
        feed->reading_count = KEPT_READINGS;
    }
    feed->readings[feed->reading_count++] = *reading;
    alarm_reading(&feed->state, &feed->limits, reading, &feed->events);
    keep_events(feed);
    acknowledge_some(feed, reading->time_us);
}

bool window_feed_cut(struct window_feed *feed, size_t length, struct window *out)
{
    if (!feed->reading_count)
        return false;
    length = length > feed->reading_count ? feed->reading_count : length > KEPT_READINGS ? KEPT_READINGS : length;
    const struct reading *first = &feed->readings[feed->reading_count - length];
    *out = (struct window){ .patient = feed->state.patient, .from_us = first->time_us, .readings = first,
                            .reading_count = length,
                            .to_us = feed->readings[feed->reading_count - 1].time_us + US_PER_S,
                            .alerts = feed->shown };
    for (size_t i = 0; i < feed->alert_count; i++)
        if (window_has_alert(out, &feed->alerts[i]))
            feed->shown[out->alert_count++] = feed->alerts[i];
    return true;
}

/* ---- simulated streams ---- */

/* The ends of what wards have, which the recordings' spread alone would show too seldom to learn from: added
 * to a patient's values. */
static const int32_t constitutions_milli[][VITAL_COUNT] = {
    { 0 },
    /* a sleeper, an athlete, a beta blocker */
    { [VITAL_HEART_RATE] = -30000 },
    { [VITAL_RESPIRATORY] = -8500, [VITAL_SPO2] = -3000 },                    /* an opioid */
    { [VITAL_TEMPERATURE] = -2200, [VITAL_HEART_RATE] = -12000 },             /* cold after an operation */
    { [VITAL_SYSTOLIC] = 45000, [VITAL_DIASTOLIC] = 20000 },                  /* untreated hypertension */
    { [VITAL_SPO2] = -6000, [VITAL_RESPIRATORY] = 4000 },                     /* a chronic lung disease */
};
enum { CONSTITUTION_COUNT = sizeof constitutions_milli / sizeof *constitutions_milli };

/* How a patient is charted.  Each minute or less often, as the recorded sets are (simulator_chart.h); more
 * often, as monitors send: some never measure a vital, some lose readings, at rates chosen to be learnt from. */
struct charting {
    int interval_s, drop_percent, gap_left, length_max;
    unsigned absent;                     /* bit per vital never measured */
    bool decimals;
    const int32_t *constitution_milli;
    struct simulator *simulator;
    struct simulator_chart chart;
};
enum { CHARTED_FROM_S = 60, BEDS = 10, CONSTITUTION_ONE_IN = 4 };

static void choose_monitor(struct charting *charting, uint64_t *random)
{
    static const int drops[] = { 0, 0, 0, 5, 30, 60 };
    charting->drop_percent = drops[random_next(random) % 6];
    charting->decimals = one_in(random, 3);
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        if (one_in(random, 12))
            charting->absent |= 1u << vital;
}

/* Half of the streams are of the recordings' patients, half of a ward where more happens. */
static struct charting choose_charting(uint64_t *random, uint64_t seed, int64_t start_us)
{
    static const int intervals_s[] = { 1, 1, 2, 5, 10, 30, 60, 60, 60, 300, 300, 900, 3600 };
    static const enum charting_style styles[] = { CHARTING_CHALLENGE2019, CHARTING_CHALLENGE2012, CHARTING_MIMIC };
    struct charting charting = { .interval_s = intervals_s[random_next(random) % 13] };
    charting.length_max = one_in(random, 8) ? KEPT_READINGS : 60;
    charting.simulator = simulator_new_mix(BEDS, seed, one_in(random, 2) ? MIX_WARD : MIX_RECORDED);
    uint32_t bed = (uint32_t)(random_next(random) % BEDS);
    if (one_in(random, 2))
        simulator_add_faults(charting.simulator);
    bool end_of_spread = one_in(random, CONSTITUTION_ONE_IN);
    charting.constitution_milli = constitutions_milli[end_of_spread ? random_next(random) % CONSTITUTION_COUNT : 0];
    enum charting_style style = styles[random_next(random) % 3];
    simulator_chart_begin(&charting.chart, style, charting.interval_s, charting.simulator, bed, start_us, seed);
    if (charting.interval_s < CHARTED_FROM_S)
        choose_monitor(&charting, random);
    return charting;
}

static struct alarm_limits choose_limits(uint64_t *random)
{
    struct alarm_limits limits = alarm_limits_default;
    limits.on_oxygen = (uint8_t)(random_next(random) % 3);
    limits.consciousness = one_in(random, 2) ? 'A' : 0;
    if (one_in(random, 12))
        limits_apply_spo2_scale(&limits, 2);
    return limits;
}

static void add_constitution(struct reading *reading, const int32_t *constitution_milli)
{
    for (int vital = 0; vital < VITAL_COUNT; vital++) {
        int32_t *milli = &reading->value_milli[vital];
        if (*milli != VITAL_ABSENT && *milli + constitution_milli[vital] > 0 && *milli > 0)
            *milli += constitution_milli[vital];
    }
    if (reading->value_milli[VITAL_SPO2] > 100000)
        reading->value_milli[VITAL_SPO2] = 100000;
}

/* Recordings hold means of several values (98.5) and temperatures that were Fahrenheit (36.11). */
static void add_decimals(struct reading *reading, uint64_t *random)
{
    for (int vital = 0; vital < VITAL_COUNT; vital++) {
        if (reading->value_milli[vital] == VITAL_ABSENT || reading->value_milli[vital] == 0)
            continue;
        if (vital == VITAL_TEMPERATURE)
            reading->value_milli[vital] += (int32_t)(random_next(random) % 10) * 10;
        else if (one_in(random, 3) && reading->value_milli[vital] < 100000)
            reading->value_milli[vital] += 500;
    }
}

static bool chart(struct charting *charting, struct reading *reading, uint64_t *random)
{
    if (charting->gap_left > 0) {
        charting->gap_left--;
        return false;
    }
    if (one_in(random, 90))
        charting->gap_left = (int)(random_next(random) % 12);
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        if ((charting->absent >> vital & 1) || (int)(random_next(random) % 100) < charting->drop_percent)
            reading->value_milli[vital] = VITAL_ABSENT;
    add_constitution(reading, charting->constitution_milli);
    if (charting->decimals)
        add_decimals(reading, random);
    reading_mark_implausible(reading);
    return !reading_is_empty(reading);
}

/* The next reading: the row of a chart, or what the monitor shows then. */
static void next_reading(struct charting *charting, struct reading *out)
{
    struct simulator_chart *chart = &charting->chart;
    if (charting->interval_s >= CHARTED_FROM_S) {
        simulator_chart_next(chart, out);
        return;
    }
    for (int s = 0; s < charting->interval_s; s++, chart->time_us += US_PER_S)
        simulator_step(charting->simulator, chart->bed, chart->time_us, out, NULL);
}

struct run {
    window_visitor *visit;
    void *context;
    struct err *err;
    size_t wanted;
};

/* Half of the windows of a stream wait for an alarm, so that the calm ones do not crowd them out. */
static bool run_stream(struct run *run, uint64_t seed)
{
    uint64_t random = seed;
    /* in 2026 */
    int64_t start_us = INT64_C(1767225600000000) + (int64_t)(random_next(&random) % (365 * 86400)) * US_PER_S;
    struct charting charting = choose_charting(&random, seed, start_us);
    struct alarm_limits limits = choose_limits(&random);
    struct window_feed *feed = window_feed_new(1, &limits, seed);
    int readings = charting.length_max == KEPT_READINGS ? 2 * KEPT_READINGS : STREAM_READINGS;
    uint32_t every = (uint32_t)readings / WINDOWS_PER_STREAM;
    bool ok = true;
    for (int i = 0; i < readings && ok && run->wanted; i++) {
        struct reading reading;
        struct window window;
        next_reading(&charting, &reading);
        reading.patient = 1;
        reading.source = 1;
        if (!chart(&charting, &reading, &random))
            continue;
        window_feed_add(feed, &reading);
        if (!one_in(&random, feed->state.open ? every / 2 + 1 : every * 2))
            continue;
        size_t length = one_in(&random, 3) ? 5 : 1 + (size_t)(random_next(&random) % (uint64_t)charting.length_max);
        if (window_feed_cut(feed, length, &window)) {
            ok = run->visit(run->context, &window, &limits, run->err);
            run->wanted--;
        }
    }
    window_feed_free(feed);
    simulator_free(charting.simulator);
    return ok;
}

bool windows_simulated(uint64_t seed, size_t count, window_visitor *visit, void *context, struct err *err)
{
    struct run run = { visit, context, err, count };
    uint64_t streams = seed * 0x2545f4914f6cdd1du + 1;
    while (run.wanted)
        if (!run_stream(&run, random_next(&streams)))
            return false;
    return true;
}

/* ---- recordings ---- */

static bool visit_recorded(struct window_feed *feed, uint64_t *random, window_visitor *visit, void *context,
                           struct err *err)
{
    struct window window;
    size_t length = one_in(random, 3) ? 5 : 1 + (size_t)(random_next(random) % (one_in(random, 8) ? KEPT_READINGS
                                                                                : 60));
    return !window_feed_cut(feed, length, &window) || visit(context, &window, &feed->limits, err);
}

bool windows_recorded(struct recording *recording, uint64_t seed, size_t per_patient, window_visitor *visit,
                      void *context, struct err *err)
{
    uint32_t count = recording_patient_count(recording);
    struct window_feed **feeds = mem_new(count + 1, sizeof *feeds);
    uint64_t random = seed;
    struct reading reading;
    bool ok = true;
    recording_rewind(recording);
    while (ok && recording_next(recording, &reading)) {
        struct window_feed **feed = &feeds[reading.patient];
        uint32_t every = recording_patient(recording, reading.patient)->readings / (uint32_t)per_patient;
        if (!*feed) {
            struct alarm_limits limits = choose_limits(&random);
            *feed = window_feed_new(reading.patient, &limits, seed + reading.patient);
        }
        if (reading_is_empty(&reading))
            continue;
        window_feed_add(*feed, &reading);
        if (one_in(&random, every ? every : 1))
            ok = visit_recorded(*feed, &random, visit, context, err);
    }
    for (uint32_t i = 0; i <= count; i++)
        window_feed_free(feeds[i]);
    mem_free(feeds);
    return ok;
}
