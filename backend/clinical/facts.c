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

/* Three times what is noise, peak to peak, is no stable vital. */
enum { SWING = 3 };

static enum trend trend_of(const struct vital_fact *fact, const struct line *line, int32_t moved)
{
    double spread = line->n * line->tt - line->t * line->t;
    double span_s = (double)(fact->last.time_us - fact->first.time_us) / 1e6;
    double change = line->n < 2 || spread <= 0 ? 0 : (line->n * line->tv - line->t * line->v) / spread * span_s;
    int32_t shown = fact->last.milli - fact->first.milli;
    if (change >= moved && shown >= moved / 2)
        return TREND_RISING;
    if (change <= -moved && shown <= -moved / 2)
        return TREND_FALLING;
    return fact->max.milli - fact->min.milli >= SWING * moved ? TREND_VARIABLE : TREND_STABLE;
}

static bool beyond_warning(const struct alarm_limits *limits, enum vital vital, int32_t milli)
{
    for (int rule = 0; rule < ALERT_RULE_COUNT; rule++)
        if (alert_rules[rule].vital == vital && limits_judge(limits, (enum alert_type)rule, milli) != SEVERITY_NORMAL)
            return true;
    return false;
}

static void take(struct vital_fact *fact, struct line *line, const struct reading *reading, enum vital vital)
{
    int32_t milli = reading_usable(reading, vital);
    int32_t other = vital == VITAL_SYSTOLIC ? reading_usable(reading, VITAL_DIASTOLIC) : VITAL_ABSENT;
    struct fact_value value = { milli, other, reading->time_us, reading->source };
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

static void make_vital(const struct window *window, const struct alarm_limits *limits, enum vital vital,
                       struct vital_fact *out)
{
    struct line line = { 0 };
    *out = (struct vital_fact){ 0 };
    for (size_t i = 0; i < window->reading_count; i++) {
        const struct reading *reading = &window->readings[i];
        int32_t milli = reading_usable(reading, vital);
        out->implausible += reading->implausible >> vital & 1;
        if (milli == VITAL_ABSENT)
            continue;
        take(out, &line, reading, vital);
        out->beyond |= beyond_warning(limits, vital, milli);
    }
    if (out->count)
        out->trend = trend_of(out, &line, moved_milli[vital]);
}

/* ---- alerts ---- */

static bool is_worse(const struct alert *alert, int32_t a, int32_t b)
{
    return alert_rules[alert->type].high ? a > b : a < b;
}

bool facts_alert_peak(const struct window *window, const struct alert *alert, struct fact_value *out)
{
    bool ended = alert->end_us != 0;
    if (alert->type >= ALERT_RULE_COUNT || alert->peak_milli == VITAL_ABSENT || !alert->peak_us ||
        (!ended && alert->onset_us < window->from_us))
        return false;
    *out = (struct fact_value){ .milli = alert->peak_milli, .other_milli = VITAL_ABSENT, .time_us = alert->peak_us };
    for (size_t i = 0; i < window->reading_count; i++) {
        const struct reading *reading = &window->readings[i];
        int32_t milli = reading_usable(reading, alert_rules[alert->type].vital);
        if (milli != VITAL_ABSENT && reading->time_us >= alert->onset_us &&
            (!ended || reading->time_us < alert->end_us) &&
            is_worse(alert, milli, out->milli))
            *out = (struct fact_value){ milli, VITAL_ABSENT, reading->time_us, reading->source };
    }
    return true;
}

static void join_alert(struct alert_fact *fact, const struct window *window, size_t i)
{
    const struct alert *alert = &window->alerts[i];
    struct fact_value peak;
    bool has_peak = facts_alert_peak(window, alert, &peak);
    if (has_peak && (!fact->count || (fact->has_peak && is_worse(alert, peak.milli, fact->peak.milli))))
        fact->peak = peak;
    fact->has_peak = fact->count ? fact->has_peak && has_peak : has_peak;
    fact->onset_us = !fact->count || alert->onset_us < fact->onset_us ? alert->onset_us : fact->onset_us;
    fact->end_us = alert->end_us > fact->end_us ? alert->end_us : fact->end_us;
    fact->members |= UINT64_C(1) << i;
    fact->count++;
}

static void add_alert(struct facts *out, size_t i)
{
    const struct alert *alert = &out->window->alerts[i];
    struct alert_fact *fact = NULL;
    for (int k = 0; k < out->alert_count && alert->state == ALERT_CLOSED; k++)
        if (out->alert[k].state == ALERT_CLOSED && out->alert[k].type == alert->type &&
            out->alert[k].severity == alert->severity &&
            out->alert[k].lost == alert->lost)
            fact = &out->alert[k];
    if (!fact) {
        fact = &out->alert[out->alert_count++];
        *fact = (struct alert_fact){ .type = (enum alert_type)alert->type,
                                     .severity = (enum alert_severity)alert->severity,
                                     .state = (enum alert_state)alert->state, .lost = alert->lost,
                                     .acknowledged = alert->ack_us != 0 };
    }
    join_alert(fact, out->window, i);
}

static int rank_of(const struct alert *alert)
{
    return (alert->state != ALERT_CLOSED) * (SEVERITY_CRITICAL + 1) + alert->severity;
}

static void make_alerts(struct facts *out)
{
    const struct window *window = out->window;
    size_t count = window->alert_count < WINDOW_ALERTS_MAX ? window->alert_count : WINDOW_ALERTS_MAX;
    out->alert_count = 0;
    for (int rank = 2 * SEVERITY_CRITICAL + 1; rank >= 0; rank--)
        for (size_t i = 0; i < count; i++)
            if (rank_of(&window->alerts[i]) == rank)
                add_alert(out, i);
}

void facts_make(const struct window *window, const struct alarm_limits *limits, struct facts *out)
{
    int32_t last[VITAL_COUNT];
    out->window = window;
    out->limits = limits;
    for (int vital = 0; vital < VITAL_COUNT; vital++) {
        make_vital(window, limits, (enum vital)vital, &out->vital[vital]);
        last[vital] = out->vital[vital].count ? out->vital[vital].last.milli : VITAL_ABSENT;
    }
    out->news2 = news2_score(last, limits);
    make_alerts(out);
}

bool facts_same_minute(int64_t a_us, int64_t b_us)
{
    return a_us / INT64_C(60000000) == b_us / INT64_C(60000000);
}

int32_t facts_moved_milli(enum vital vital)
{
    return moved_milli[vital];
}

bool facts_vital_normal(const struct facts *facts, enum vital vital)
{
    return facts->vital[vital].count && !facts->vital[vital].beyond;
}

static bool any_physiological_alert(const struct window *window)
{
    for (size_t i = 0; i < window->alert_count; i++)
        if (window->alerts[i].type != ALERT_SENSOR)
            return true;
    return false;
}

bool facts_patient_stable(const struct facts *facts)
{
    bool measured = false;
    for (int vital = 0; vital < VITAL_COUNT; vital++) {
        const struct vital_fact *fact = &facts->vital[vital];
        if (fact->count && (fact->beyond || fact->trend != TREND_STABLE))
            return false;
        measured |= fact->count > 1; /* one value shows no stability */
    }
    return measured && !any_physiological_alert(facts->window);
}

const char *trend_name(enum trend trend)
{
    static const char *const names[] = { "stable", "rising", "falling", "variable" };
    return names[trend];
}
