/* sqlite_history.c - a patient's past: raw readings and charts over any range.
 *
 * A chart picks the coarsest rows that still give the points asked for: raw minutes, hour rows (a
 * bucket a minute) or day rows (a bucket an hour), so its cost goes with what is drawn. */
#include "store/sqlite.h"

#include "base/mem.h"
#include "store/history.h"

#include <string.h>

/* What a query sees of one patient: one moment of position and tail, and a read transaction. */
struct view {
    struct sqlite_engine *engine;
    struct db *db;
    struct position position;
    struct reading *tail;               /* not folded yet, sorted, each once */
    size_t tail_count;
    uint32_t patient;
    struct reading_list raw, merged;
};

static void view_end(struct view *view)
{
    mem_free(view->raw.items);
    mem_free(view->merged.items);
    db_rollback(view->db);
    reader_give(view->engine, view->db);
}

/* The tail is copied before the database's snapshot is taken: what is folded in between is seen
 * twice, and merged away by identity; nothing is missed. */
static bool view_begin(struct view *view, struct sqlite_engine *engine, struct arena *arena,
                       uint32_t patient, struct err *err)
{
    size_t conflicts = 0;
    *view = (struct view){ .engine = engine, .patient = patient };
    tail_lock_read(engine->tail);
    bool ok = tail_collect(engine->tail, patient, 0, INT64_MAX, arena, &view->tail, &view->tail_count);
    tail_unlock(engine->tail);
    if (!ok)
        return err_set(err, ERR_TOO_LARGE, "the newest readings do not fit into the memory for an answer");
    view->tail_count = series_unique(view->tail, view->tail_count, &conflicts);
    if (!reader_take(engine, &view->db, err))
        return false;
    ok = db_exec(view->db, "BEGIN", err) && position_load(view->db, &view->position, err);
    if (!ok)
        view_end(view);
    return ok;
}

/* Tail readings with from <= time < to. */
static void tail_range(const struct view *view, int64_t from_us, int64_t to_us, size_t *first, size_t *end)
{
    for (*first = 0; *first < view->tail_count && view->tail[*first].time_us < from_us; ++*first)
        ;
    for (*end = *first; *end < view->tail_count && view->tail[*end].time_us < to_us; ++*end)
        ;
}

/* One minute, raw and tail together, in view->merged. */
static bool minute_load(struct view *view, int64_t minute, struct err *err)
{
    bool there;
    size_t first, end, conflicts = 0;
    if (!raw_load(view->engine, view->db, minute, view->patient, &view->raw, &there, err))
        return false;
    tail_range(view, minute * US_PER_MIN, (minute + 1) * US_PER_MIN, &first, &end);
    if (!list_reserve(&view->merged, view->raw.count + (end - first) + 1, err))
        return false;
    view->merged.count = series_merge(view->raw.items, view->raw.count, view->tail + first, end - first,
                                      view->merged.items, &conflicts);
    return true;
}

/* The first minute from `minute` on in which this patient's tail, or anybody's rows, have something. */
static bool seek_minute(struct view *view, int64_t minute, int64_t *out, struct err *err)
{
    bool row;
    size_t first, end;
    struct db_query *q = db_query(view->db, "SELECT key FROM raw WHERE key >= ? ORDER BY key LIMIT 1");
    db_bind_int(q, raw_key(minute, 0));
    if (!db_step(q, &row, err))
        return false;
    *out = row ? db_int(q) >> PATIENT_BITS : INT64_MAX;
    if (row)
        db_reset(q);
    tail_range(view, minute * US_PER_MIN, INT64_MAX, &first, &end);
    if (first < end && view->tail[first].time_us / US_PER_MIN < *out)
        *out = view->tail[first].time_us / US_PER_MIN;
    return true;
}

/* Empty minutes are looked up one by one (2 us each) so many times before the gap is jumped over. */
enum { EMPTY_MINUTES = 60 };

/* Minutes of one patient lie apart in `raw` (by minute first): one look-up each. */
static bool each_reading(struct view *view, int64_t from_us, int64_t to_us, size_t limit,
                         bool (*take)(void *context, const struct reading *reading), void *context, struct err *err)
{
    int64_t end = (to_us + US_PER_MIN - 1) / US_PER_MIN;
    size_t taken = 0;
    int empty = 0;
    for (int64_t minute = from_us / US_PER_MIN; minute < end && taken < limit; minute++) {
        if (empty > EMPTY_MINUTES) {
            empty = 0;
            if (!seek_minute(view, minute, &minute, err))
                return false;
            if (minute >= end)
                break;
        }
        if (!minute_load(view, minute, err))
            return false;
        empty = view->merged.count ? 0 : empty + 1;
        for (size_t i = 0; i < view->merged.count && taken < limit; i++) {
            const struct reading *reading = &view->merged.items[i];
            if (reading->time_us < from_us || reading->time_us >= to_us)
                continue;
            if (!take(context, reading))
                return err_set(err, ERR_TOO_LARGE, "the readings do not fit into the memory for an answer");
            taken++;
        }
    }
    return true;
}

/* The range cut to where there can be raw readings: after the retention's floor, before the newest. */
static void clip_to_raw(struct view *view, int64_t *from_us, int64_t *to_us)
{
    bool row;
    struct err err = { 0 };
    struct db_query *q = db_query(view->db, "SELECT (SELECT min(key) FROM raw), (SELECT max(key) FROM raw)");
    int64_t low = INT64_MAX, high = 0;
    if (db_step(q, &row, &err) && row) {
        int64_t min_key = db_int(q), max_key = db_int(q);
        if (max_key) {
            low = (min_key >> PATIENT_BITS) * US_PER_MIN;
            high = ((max_key >> PATIENT_BITS) + 1) * US_PER_MIN;
        }
        db_reset(q);
    }
    if (view->tail_count) {
        int64_t first = view->tail[0].time_us, last = view->tail[view->tail_count - 1].time_us + 1;
        low = first < low ? first : low;
        high = last > high ? last : high;
    }
    *from_us = *from_us > low ? *from_us : low;
    *to_us = *to_us < high ? *to_us : high;
}

struct reading_sink {
    struct arena *arena;
    struct reading *items;
    size_t count, room;
};

static bool sink_take(void *context, const struct reading *reading)
{
    struct reading_sink *sink = context;
    if (sink->count == sink->room) {
        sink->room = sink->room ? sink->room * 2 : 256;
        struct reading *more = arena_try_alloc(sink->arena, sink->room * sizeof *more);
        if (!more)
            return false;
        if (sink->count)
            memcpy(more, sink->items, sink->count * sizeof *more);
        sink->items = more;
    }
    sink->items[sink->count++] = *reading;
    return true;
}

bool readings_read(void *impl, struct arena *arena, uint32_t patient, int64_t from_us, int64_t to_us, size_t limit,
                   struct reading **out, size_t *out_count, struct err *err)
{
    struct view view;
    struct reading_sink sink = { .arena = arena };
    if (!view_begin(&view, impl, arena, patient, err))
        return false;
    clip_to_raw(&view, &from_us, &to_us);
    bool ok = each_reading(&view, from_us, to_us, limit, sink_take, &sink, err);
    view_end(&view);
    *out = sink.items;
    *out_count = sink.count;
    return ok;
}

/* ---- charts ---- */

static bool draw_reading(void *context, const struct reading *reading)
{
    history_draw_reading(context, reading);
    return true;
}

static bool draw_raw(struct view *view, struct history_drawer *drawer, int64_t from_us, int64_t to_us, struct err *err)
{
    clip_to_raw(view, &from_us, &to_us);
    return each_reading(view, from_us, to_us, SIZE_MAX, draw_reading, drawer, err);
}

/* Draws [from, to) of what has been rolled up, from rows of `unit_us` buckets. */
static bool draw_tier(struct view *view, struct history_drawer *drawer, const char *sql,
                      int64_t row_us, int64_t unit_us,
                      int64_t from_us, int64_t to_us, struct err *err)
{
    struct bucket buckets[TIER_BUCKET_MAX];
    size_t count;
    for (int64_t period = from_us / row_us; period * row_us < to_us; period++) {
        if (!tier_load(view->engine, view->db, sql, tier_key(view->patient, period), buckets, &count, err))
            return false;
        for (size_t i = 0; i < count; i++) {
            int64_t start_us = period * row_us + buckets[i].index * unit_us;
            if (start_us >= from_us && start_us < to_us)
                history_draw_bucket(drawer, start_us, &buckets[i]);
        }
    }
    return true;
}

/* The first moment of this patient that the tiers do not hold yet. */
static int64_t rolled_until_us(const struct view *view)
{
    int64_t hour = view->position.roll_hour + (view->patient < view->position.roll_patient);
    return hour * US_PER_HOUR;
}

/* Where the patient's tiers begin: charts of "everything" need not walk from 1970. */
static int64_t first_tier_us(struct view *view, struct err *err)
{
    bool row;
    int64_t first = INT64_MAX;
    struct db_query *q = db_query(view->db, "SELECT key FROM day WHERE key >= ? AND key < ? ORDER BY key LIMIT 1");
    db_bind_int(q, tier_key(view->patient, 0));
    db_bind_int(q, tier_key(view->patient + 1, 0));
    if (db_step(q, &row, err) && row) {
        first = (db_int(q) & ((INT64_C(1) << PERIOD_BITS) - 1)) * US_PER_DAY;
        db_reset(q);
    }
    return first;
}

static bool draw_rolled(struct view *view, struct history_drawer *drawer, int64_t step_us, int64_t from_us,
                        int64_t to_us, struct err *err)
{
    int64_t rolled_us = rolled_until_us(view), first_us = first_tier_us(view, err);
    int64_t tier_from = from_us > first_us ? from_us : first_us, tier_to = to_us < rolled_us ? to_us : rolled_us;
    bool ok = true;
    if (tier_from < tier_to)
        ok = step_us >= US_PER_HOUR
                 ? draw_tier(view, drawer, DAY_SELECT, US_PER_DAY, US_PER_HOUR, tier_from, tier_to, err)
                 : draw_tier(view, drawer, HOUR_SELECT, US_PER_HOUR, US_PER_MIN, tier_from, tier_to, err);
    int64_t raw_from = from_us > rolled_us ? from_us : rolled_us;
    return ok && (raw_from >= to_us || draw_raw(view, drawer, raw_from, to_us, err));
}

/* How many readings the range holds, by the rows that say so cheaply; exact where that is small. */
static bool count_readings(struct view *view, int64_t from_us, int64_t to_us, uint64_t enough,
                           uint64_t *out, struct err *err)
{
    clip_to_raw(view, &from_us, &to_us);
    *out = 0;
    for (int64_t minute = from_us / US_PER_MIN; minute * US_PER_MIN < to_us && *out <= enough; minute++) {
        if (!minute_load(view, minute, err))
            return false;
        *out += view->merged.count;
    }
    return true;
}

static bool draw(struct view *view, struct arena *arena, int64_t from_us, int64_t to_us, size_t points_max,
                 struct history *out, struct err *err)
{
    struct history_drawer drawer;
    uint64_t readings = 0;
    bool raw_kept = from_us >= retention_floor_us(view->engine) || from_us >= rolled_until_us(view);
    /* Counting costs as much as drawing raw; beyond a day the answer is known: too many, or sparse
     * enough that minutes lose nothing. */
    bool countable = raw_kept && to_us - from_us <= US_PER_DAY;
    if (countable && !count_readings(view, from_us, to_us, points_max, &readings, err))
        return false;
    int64_t step_us = history_step_us(to_us - from_us, countable ? readings : UINT64_MAX, points_max, countable);
    if (step_us) {
        from_us = history_floor(from_us, step_us);
        to_us = history_ceil(to_us, step_us);
    }
    size_t count_max = step_us ? (size_t)((to_us - from_us) / step_us + 2) : (size_t)readings + 1;
    if (!history_draw_begin(&drawer, out, arena, step_us, from_us, to_us, count_max, err))
        return false;
    bool ok = step_us < US_PER_MIN ? draw_raw(view, &drawer, from_us, to_us, err)
                                   : draw_rolled(view, &drawer, step_us, from_us, to_us, err);
    history_draw_end(&drawer);
    return ok;
}

bool history_read(void *impl, struct arena *arena, uint32_t patient, int64_t from_us, int64_t to_us, size_t points_max,
                  struct history *out, struct err *err)
{
    struct view view;
    if (!view_begin(&view, impl, arena, patient, err))
        return false;
    bool ok = draw(&view, arena, from_us, to_us, points_max, out, err);
    view_end(&view);
    return ok;
}
