#include "summarizer-service/window.h"

/* What "recent" means for a patient whose device sends every second: the last quarter of an hour. */
#define WINDOW_US (15 * US_PER_MIN)

/* 500 points of 400 days are days, and a day's end may be 24 hours after its last reading: the newest point is drawn
 * finer until it is a minute at most. */
static bool newest_time(struct summarizer *s, struct arena *arena, uint32_t patient, int64_t *out, struct err *err)
{
    int64_t now_us = clock_now_us(s->clock), from_us = now_us - 400 * US_PER_DAY, to_us = now_us + US_PER_HOUR;
    struct history history = { .bucket_us = INT64_MAX };
    *out = 0;
    while (history.bucket_us > US_PER_MIN) {
        int64_t newest_us = 0, before_us = history.bucket_us;
        if (!store_history(s->store, arena, patient, from_us, to_us, 500, &history, err))
            return false;
        for (int vital = 0; vital < VITAL_COUNT; vital++)
            for (size_t i = 0; i < history.count[vital]; i++)
                newest_us = history.points[vital][i].time_us > newest_us ? history.points[vital][i].time_us : newest_us;
        if (!newest_us || history.bucket_us >= before_us)
            break;
        from_us = newest_us;
        *out = to_us = newest_us + (history.bucket_us ? history.bucket_us : 1);
    }
    return true;
}

/* Those that are open, however old, before the newest of those that ended within the window: a flood of short
 * alarms must not push out the one that matters. */
static bool load_alerts(struct summarizer *s, struct arena *arena, struct window *window, int64_t now_us,
                        struct err *err)
{
    struct alert *kept = arena_alloc(arena, WINDOW_ALERTS_MAX * sizeof *kept);
    struct window until_now = *window;
    until_now.to_us = now_us; /* a sensor is silent after the last reading */
    window->alerts = kept;
    for (int open = 1; open >= 0; open--) {
        struct alert_query query = { .patient = window->patient, .open_only = open, .limit = 4 * WINDOW_ALERTS_MAX };
        struct alert *alerts;
        size_t count;
        if (!store_alerts(s->store, arena, &query, &alerts, &count, err))
            return false;
        for (size_t i = 0; i < count && window->alert_count < WINDOW_ALERTS_MAX; i++)
            if ((alerts[i].state != ALERT_CLOSED) == open && window_has_alert(&until_now, &alerts[i]))
                kept[window->alert_count++] = alerts[i];
    }
    return true;
}

bool window_load(struct summarizer *s, struct arena *arena, uint32_t patient, struct window *out, struct err *err)
{
    struct reading *readings;
    size_t count;
    int64_t now_us = clock_now_us(s->clock);
    *out = (struct window){ .patient = patient, .from_us = now_us - WINDOW_US, .to_us = now_us + US_PER_S };
    if (!store_readings(s->store, arena, patient, out->from_us, out->to_us, WINDOW_READINGS_MAX, &readings, &count,
                        err))
        return false;
    size_t wanted = (size_t)s->config->summaries.window;
    if (count < wanted) {
        int64_t newest_us;
        if (!newest_time(s, arena, patient, &newest_us, err))
            return false;
        out->to_us = newest_us;
        for (int64_t span = US_PER_HOUR; newest_us && count < wanted && span <= 48 * US_PER_HOUR; span *= 4) {
            out->from_us = newest_us - span;
            if (!store_readings(s->store, arena, patient, out->from_us, out->to_us, WINDOW_READINGS_MAX, &readings,
                                &count, err))
                return false;
        }
        if (count > wanted) {
            readings += count - wanted;
            count = wanted;
            out->from_us = readings[0].time_us;
        }
    }
    out->readings = readings;
    out->reading_count = count;
    /* Ends with its last reading: one that comes while this is written must not be in it when an edit is checked. */
    if (count)
        out->to_us = readings[count - 1].time_us + 1;
    return load_alerts(s, arena, out, now_us + US_PER_S, err);
}

bool window_limits(struct summarizer *s, struct arena *arena, uint32_t patient, struct alarm_limits *out,
                   struct err *err)
{
    struct limits_row *rows;
    size_t count;
    *out = alarm_limits_default;
    if (!store_limits(s->store, arena, &rows, &count, err))
        return false;
    for (size_t i = 0; i < count; i++)
        if (rows[i].patient == patient)
            *out = rows[i].limits;
    return true;
}
