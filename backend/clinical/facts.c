#include "clinical/facts.h"

/* Below this a change over a window is noise: half of the distance between two NEWS2 bands, or the
 * monitor's own accuracy where that is larger (SpO2: 2 %, ISO 80601-2-61; cuff: 5 mmHg, ISO 81060-2). */
static const int32_t moved_milli[VITAL_COUNT] = {
    [VITAL_HEART_RATE] = 8000, [VITAL_SPO2] = 2000, [VITAL_SYSTOLIC] = 10000,
    [VITAL_DIASTOLIC] = 8000, [VITAL_TEMPERATURE] = 300, [VITAL_RESPIRATORY] = 3000,
};

/* Sums for the least-squares slope, time in seconds since the first value. */
struct line {
    double n, t, v, tt, tv;
};

static enum trend trend_of(const struct line *line, double span_s, int32_t moved)
{
    double spread = line->n * line->tt - line->t * line->t;
    if (line->n < 2 || spread <= 0)
        return TREND_STABLE;
    double change = (line->n * line->tv - line->t * line->v) / spread * span_s;
    return change >= moved ? TREND_RISING : change <= -moved ? TREND_FALLING : TREND_STABLE;
}

static void take(struct vital_fact *fact, struct line *line, const struct reading *reading, int32_t milli)
{
    struct fact_value value = { milli, reading->time_us, reading->source };
    if (!fact->count++)
        fact->first = fact->min = fact->max = value;
    fact->last = value;
    if (milli < fact->min.milli)
        fact->min = value;
    if (milli > fact->max.milli)
        fact->max = value;
    double t = (double)(reading->time_us - fact->first.time_us) / 1e6;
    line->n += 1;
    line->t += t;
    line->v += milli;
    line->tt += t * t;
    line->tv += t * milli;
}

static void make_vital(const struct window *window, enum vital vital, struct vital_fact *out)
{
    struct line line = { 0 };
    *out = (struct vital_fact){ 0 };
    for (size_t i = 0; i < window->reading_count; i++) {
        const struct reading *reading = &window->readings[i];
        int32_t milli = reading_usable(reading, vital);
        out->implausible += reading->implausible >> vital & 1;
        if (milli != VITAL_ABSENT)
            take(out, &line, reading, milli);
    }
    if (out->count)
        out->trend = trend_of(&line, (double)(out->last.time_us - out->first.time_us) / 1e6, moved_milli[vital]);
}

void facts_make(const struct window *window, const struct alarm_limits *limits, struct facts *out)
{
    int32_t last[VITAL_COUNT];
    out->window = window;
    for (int vital = 0; vital < VITAL_COUNT; vital++) {
        make_vital(window, (enum vital)vital, &out->vital[vital]);
        last[vital] = out->vital[vital].count ? out->vital[vital].last.milli : VITAL_ABSENT;
    }
    out->news2 = news2_score(last, limits);
}

bool facts_has_value(const struct facts *facts, enum vital vital, int32_t milli)
{
    for (size_t i = 0; i < facts->window->reading_count; i++)
        if (reading_usable(&facts->window->readings[i], vital) == milli)
            return true;
    return false;
}

const char *trend_name(enum trend trend)
{
    static const char *const names[] = { "stable", "rising", "falling" };
    return names[trend];
}
