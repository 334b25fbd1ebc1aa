#include "store/history.h"

#define H (3600)
#define D (24 * H)
static const int32_t steps_s[] = { 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, H, 2 * H, 3 * H,
                                   6 * H, 12 * H, D, 2 * D, 7 * D, 14 * D, 28 * D, 91 * D, 364 * D, 3640 * D };
#undef H
#undef D

int64_t history_step_us(int64_t span_us, uint64_t readings, size_t points_max, bool raw_kept)
{
    if (raw_kept && readings <= points_max)
        return 0;
    size_t i = raw_kept ? 0 : 6;
    while (i + 1 < sizeof steps_s / sizeof *steps_s &&
           span_us / (steps_s[i] * US_PER_S) >= (int64_t)points_max)
        i++;
    return steps_s[i] * US_PER_S;
}

bool history_draw_begin(struct history_drawer *drawer, struct history *history, struct arena *arena,
                        int64_t step_us, int64_t from_us, int64_t to_us, size_t count_max, struct err *err)
{
    size_t room = count_max;
    if (step_us && (to_us - from_us) / step_us + 2 < (int64_t)room)
        room = (size_t)((to_us - from_us) / step_us + 2);
    *drawer = (struct history_drawer){ .history = history, .room = room, .start_us = -1 };
    *history = (struct history){ .bucket_us = step_us };
    for (int v = 0; v < VITAL_COUNT; v++) {
        history->points[v] = arena_try_alloc(arena, (room ? room : 1) * sizeof(struct history_point));
        if (!history->points[v])
            return err_set(err, ERR_TOO_LARGE, "history: %zu points do not fit", room);
    }
    return true;
}

static int32_t mean(const struct bucket_vital *v)
{
    int64_t half = v->sum_milli < 0 ? -(int64_t)v->count / 2 : (int64_t)v->count / 2;
    return (int32_t)((v->sum_milli + half) / v->count);
}

static void flush(struct history_drawer *drawer)
{
    struct history *history = drawer->history;
    if (drawer->start_us < 0)
        return;
    history->implausible_count += drawer->sum.implausible;
    for (int v = 0; v < VITAL_COUNT; v++) {
        const struct bucket_vital *s = &drawer->sum.vital[v];
        if (!s->count)
            continue;
        CHECK(history->count[v] < drawer->room);
        history->points[v][history->count[v]++] = (struct history_point){
            .time_us = drawer->start_us, .min_milli = s->min_milli, .max_milli = s->max_milli,
            .mean_milli = mean(s), .count = s->count };
    }
    drawer->start_us = -1;
    drawer->sum = (struct bucket){ 0 };
}

void history_draw_bucket(struct history_drawer *drawer, int64_t start_us, const struct bucket *bucket)
{
    int64_t at = drawer->history->bucket_us ? history_floor(start_us, drawer->history->bucket_us) : start_us;
    if (at != drawer->start_us)
        flush(drawer);
    drawer->start_us = at;
    bucket_merge(&drawer->sum, bucket);
}

void history_draw_reading(struct history_drawer *drawer, const struct reading *reading)
{
    struct bucket one = { 0 };
    bucket_add(&one, reading);
    if (!drawer->history->bucket_us)
        flush(drawer); /* two sources at one instant are two points */
    history_draw_bucket(drawer, reading->time_us, &one);
}

void history_draw_end(struct history_drawer *drawer)
{
    flush(drawer);
}
