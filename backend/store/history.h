/* history.h - how finely a chart is drawn, and buckets becoming points.  Shared by the engines. */
#ifndef STORE_HISTORY_H
#define STORE_HISTORY_H

#include "store/series.h"
#include "store/store.h"

/* The step for about `points_max` points over a range that holds `readings` readings; 0: each
 * reading by itself.  Steps are round (1, 2, 5, 10 … s, min, h, days) and begin at multiples of
 * themselves since 1970.  Below a minute only where `raw_kept`: buckets on disk are minutes. */
int64_t history_step_us(int64_t span_us, uint64_t readings, size_t points_max, bool raw_kept);

/* Takes buckets or readings in order of time and merges them into points of one step. */
struct history_drawer {
    struct history *history;
    size_t room;                        /* points per vital */
    int64_t start_us;                   /* of the point in the making; -1: none */
    struct bucket sum;
};
/* `count_max`: how many readings or buckets will come at most. */
bool history_draw_begin(struct history_drawer *drawer, struct history *history, struct arena *arena,
                        int64_t step_us, int64_t from_us, int64_t to_us, size_t count_max, struct err *err) MUST_CHECK;
void history_draw_bucket(struct history_drawer *drawer, int64_t start_us, const struct bucket *bucket);
void history_draw_reading(struct history_drawer *drawer, const struct reading *reading);
void history_draw_end(struct history_drawer *drawer);

/* [from, to) widened to whole steps, so that a point never stands for a part of its bucket. */
static inline int64_t history_floor(int64_t time_us, int64_t step_us)
{
    return time_us - time_us % step_us;
}
static inline int64_t history_ceil(int64_t time_us, int64_t step_us)
{
    return history_floor(time_us + step_us - 1, step_us);
}

#endif
