/* memory_series.c - readings and buckets of the memory engine; see memory.h. */
#include "store/memory.h"

#include "base/mem.h"
#include "store/history.h"

#include <string.h>

enum { MINUTES_PER_HOUR = 60 };

static bool grow(void **items, size_t *room, size_t wanted, size_t size)
{
    if (wanted <= *room)
        return true;
    void *more = mem_try_resize(*items, wanted + wanted / 2, size);
    if (!more)
        return false;
    *items = more;
    *room = wanted + wanted / 2;
    return true;
}

static struct memory_series *series_of(const struct memory_engine *e, uint32_t patient)
{
    return patient < e->series_count ? e->series[patient] : NULL;
}

static struct memory_series *make_series(struct memory_engine *e, uint32_t patient)
{
    if (patient >= e->series_count) {
        uint32_t count = patient + patient / 2 + 16;
        struct memory_series **more = mem_try_resize(e->series, count, sizeof *more);
        if (!more)
            return NULL;
        memset(more + e->series_count, 0, (count - e->series_count) * sizeof *more);
        e->series = more;
        e->series_count = count;
    }
    if (!e->series[patient])
        e->series[patient] = mem_try_new(1, sizeof(struct memory_series));
    return e->series[patient];
}

static bool is_rolled(const struct memory_engine *e, uint32_t patient, int64_t hour)
{
    return hour < e->roll_hour || (hour == e->roll_hour && patient < e->roll_patient);
}

/* A late reading may bring a bucket to an hour that is rolled up: room for one of each. */
static bool reserve_one(struct memory_series *s, bool rolled)
{
    void *readings = s->readings, *minutes = s->minutes.buckets, *hours = s->hours.buckets;
    bool ok = grow(&readings, &s->room, s->count + s->incoming + 1, sizeof *s->readings);
    if (ok && rolled)
        ok = grow(&minutes, &s->minutes.room, s->minutes.count + s->incoming + 1, sizeof *s->minutes.buckets) &&
             grow(&hours, &s->hours.room, s->hours.count + s->incoming + 1, sizeof *s->hours.buckets);
    s->readings = readings, s->minutes.buckets = minutes, s->hours.buckets = hours;
    s->incoming += ok;
    return ok;
}

bool series_memory_reserve(struct memory_engine *e, const struct journal_batch *batch, struct err *err)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct reading *r = &batch->readings[i];
        struct memory_series *s = make_series(e, r->patient);
        if (!s || !reserve_one(s, is_rolled(e, r->patient, r->time_us / US_PER_HOUR)))
            return err_set(err, ERR_UNAVAILABLE, "the memory store has no memory");
    }
    return true;
}

void series_memory_forget_reserved(struct memory_engine *e)
{
    for (uint32_t i = 0; i < e->series_count; i++)
        if (e->series[i])
            e->series[i]->incoming = 0;
}

void series_memory_free(struct memory_engine *e)
{
    for (uint32_t i = 0; i < e->series_count; i++) {
        struct memory_series *s = e->series[i];
        if (!s)
            continue;
        mem_free(s->readings);
        mem_free(s->minutes.buckets);
        mem_free(s->hours.buckets);
        mem_free(s);
    }
    mem_free(e->series);
}

/* ---- finding ---- */

/* The first reading at or after the time. */
static size_t first_from(const struct memory_series *s, int64_t time_us)
{
    size_t low = 0, high = s->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->readings[middle].time_us < time_us)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static size_t bucket_from(const struct memory_tier *tier, int64_t at)
{
    size_t low = 0, high = tier->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (tier->buckets[middle].at < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool bucket_there(const struct memory_tier *tier, int64_t at)
{
    size_t i = bucket_from(tier, at);
    return i < tier->count && tier->buckets[i].at == at;
}

static void bucket_put(struct memory_tier *tier, int64_t at, const struct bucket *sum)
{
    size_t i = bucket_from(tier, at);
    if (i == tier->count || tier->buckets[i].at != at) {
        CHECK(tier->count < tier->room);
        memmove(&tier->buckets[i + 1], &tier->buckets[i], (tier->count - i) * sizeof *tier->buckets);
        tier->count++;
    }
    tier->buckets[i] = (struct memory_bucket){ at, *sum };
}

/* ---- rolling up ---- */

static void sum_minute(struct memory_series *s, int64_t minute)
{
    struct bucket sum = { 0 };
    for (size_t i = first_from(s, minute * US_PER_MIN); i < s->count &&
         s->readings[i].time_us < (minute + 1) * US_PER_MIN; i++)
        bucket_add(&sum, &s->readings[i]);
    if (sum.readings)
        bucket_put(&s->minutes, minute, &sum);
}

static void sum_hour(struct memory_series *s, int64_t hour)
{
    struct bucket sum = { 0 };
    for (size_t i = bucket_from(&s->minutes, hour * MINUTES_PER_HOUR);
         i < s->minutes.count && s->minutes.buckets[i].at < (hour + 1) * MINUTES_PER_HOUR; i++)
        bucket_merge(&sum, &s->minutes.buckets[i].sum);
    if (sum.readings)
        bucket_put(&s->hours, hour, &sum);
}

bool series_memory_roll(struct memory_engine *e, uint32_t patient, int64_t hour, struct err *err)
{
    struct memory_series *s = series_of(e, patient);
    if (!s || first_from(s, hour * US_PER_HOUR) == first_from(s, (hour + 1) * US_PER_HOUR))
        return true;
    void *minutes = s->minutes.buckets, *hours = s->hours.buckets;
    bool room = grow(&minutes, &s->minutes.room, s->minutes.count + MINUTES_PER_HOUR, sizeof *s->minutes.buckets) &&
                grow(&hours, &s->hours.room, s->hours.count + 1, sizeof *s->hours.buckets);
    s->minutes.buckets = minutes, s->hours.buckets = hours;
    if (!room)
        return err_set(err, ERR_UNAVAILABLE, "the memory store has no memory");
    for (int64_t minute = hour * MINUTES_PER_HOUR; minute < (hour + 1) * MINUTES_PER_HOUR; minute++)
        sum_minute(s, minute);
    sum_hour(s, hour);
    return true;
}

void series_memory_put(struct memory_engine *e, const struct reading *reading)
{
    struct memory_series *s = series_of(e, reading->patient);
    int64_t minute = reading->time_us / US_PER_MIN, hour = minute / MINUTES_PER_HOUR;
    bool rolled = is_rolled(e, reading->patient, hour);
    size_t at = first_from(s, reading->time_us), before = first_from(s, minute * US_PER_MIN);
    bool minute_kept = before < s->count && s->readings[before].time_us < (minute + 1) * US_PER_MIN;
    CHECK(s->incoming > 0);
    s->incoming--;
    while (at < s->count && series_compare(&s->readings[at], reading) < 0)
        at++;
    if (at < s->count && series_compare(&s->readings[at], reading) == 0) {
        s->conflicts += memcmp(s->readings[at].value_milli, reading->value_milli, sizeof reading->value_milli) != 0;
        return;
    }
    if (rolled && !minute_kept && bucket_there(&s->minutes, minute))
        return; /* its minute was dropped: it cannot be told from a repetition */
    CHECK(s->count < s->room);
    memmove(&s->readings[at + 1], &s->readings[at], (s->count - at) * sizeof *s->readings);
    s->readings[at] = *reading;
    s->count++;
    if (rolled) {
        sum_minute(s, minute);
        sum_hour(s, hour);
    }
}

void series_memory_drop(struct memory_engine *e, int64_t floor_minute)
{
    for (uint32_t i = 0; i < e->series_count; i++) {
        struct memory_series *s = e->series[i];
        size_t gone = s ? first_from(s, floor_minute * US_PER_MIN) : 0;
        if (!gone)
            continue;
        memmove(s->readings, s->readings + gone, (s->count - gone) * sizeof *s->readings);
        s->count -= gone;
    }
}

/* ---- reading ---- */

bool series_memory_readings(void *impl, struct arena *arena, uint32_t patient, int64_t from_us, int64_t to_us,
                            size_t limit, struct reading **out, size_t *out_count, struct err *err)
{
    struct memory_engine *e = impl;
    (void)pthread_rwlock_rdlock(&e->lock);
    const struct memory_series *s = series_of(e, patient);
    size_t from = s ? first_from(s, from_us) : 0, to = s ? first_from(s, to_us) : 0;
    *out_count = to - from < limit ? to - from : limit;
    *out = arena_try_alloc(arena, (*out_count + 1) * sizeof **out);
    if (*out && *out_count)
        memcpy(*out, s->readings + from, *out_count * sizeof **out);
    (void)pthread_rwlock_unlock(&e->lock);
    return *out || err_set(err, ERR_TOO_LARGE, "the readings do not fit into the memory for an answer");
}

static void draw_raw(const struct memory_series *s, struct history_drawer *drawer, int64_t from_us, int64_t to_us)
{
    for (size_t i = first_from(s, from_us); i < s->count && s->readings[i].time_us < to_us; i++)
        history_draw_reading(drawer, &s->readings[i]);
}

static void draw_tier(const struct memory_tier *tier, struct history_drawer *drawer, int64_t unit_us,
                      int64_t from_us, int64_t to_us)
{
    for (size_t i = bucket_from(tier, (from_us + unit_us - 1) / unit_us); i < tier->count &&
         tier->buckets[i].at * unit_us < to_us; i++)
        history_draw_bucket(drawer, tier->buckets[i].at * unit_us, &tier->buckets[i].sum);
}

static void draw_rolled(const struct memory_series *s, struct history_drawer *drawer,
                        int64_t step_us, int64_t rolled_us,
                        int64_t from_us, int64_t to_us)
{
    int64_t tier_to = to_us < rolled_us ? to_us : rolled_us, raw_from = from_us > rolled_us ? from_us : rolled_us;
    if (step_us >= US_PER_HOUR)
        draw_tier(&s->hours, drawer, US_PER_HOUR, from_us, tier_to);
    else
        draw_tier(&s->minutes, drawer, US_PER_MIN, from_us, tier_to);
    draw_raw(s, drawer, raw_from, to_us);
}

static bool draw(const struct memory_engine *e, const struct memory_series *s, uint32_t patient, struct arena *arena,
                 int64_t from_us, int64_t to_us, size_t points_max, struct history *out, struct err *err)
{
    struct history_drawer drawer;
    int64_t rolled_us = (e->roll_hour + (patient < e->roll_patient)) * US_PER_HOUR;
    bool raw_kept = from_us >= memory_retention_floor_us(e) || from_us >= rolled_us;
    bool countable = raw_kept && to_us - from_us <= US_PER_DAY;
    size_t readings = first_from(s, history_ceil(to_us, US_PER_MIN)) - first_from(s,
        history_floor(from_us, US_PER_MIN));
    int64_t step_us = history_step_us(to_us - from_us, countable ? readings : UINT64_MAX, points_max, countable);
    if (step_us) {
        from_us = history_floor(from_us, step_us);
        to_us = history_ceil(to_us, step_us);
    }
    size_t count_max = step_us ? (size_t)((to_us - from_us) / step_us + 2) : readings + 1;
    if (!history_draw_begin(&drawer, out, arena, step_us, from_us, to_us, count_max, err))
        return false;
    if (step_us < US_PER_MIN)
        draw_raw(s, &drawer, from_us, to_us);
    else
        draw_rolled(s, &drawer, step_us, rolled_us, from_us, to_us);
    history_draw_end(&drawer);
    return true;
}

bool series_memory_history(void *impl, struct arena *arena, uint32_t patient, int64_t from_us, int64_t to_us,
                           size_t points_max, struct history *out, struct err *err)
{
    static const struct memory_series empty;
    struct memory_engine *e = impl;
    (void)pthread_rwlock_rdlock(&e->lock);
    const struct memory_series *s = series_of(e, patient);
    bool ok = draw(e, s ? s : &empty, patient, arena, from_us, to_us, points_max, out, err);
    (void)pthread_rwlock_unlock(&e->lock);
    return ok;
}
