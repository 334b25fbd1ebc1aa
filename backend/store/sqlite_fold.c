/* sqlite_fold.c - from the order of arrival to rows by patient and time; see sqlite.h. */
#include "store/sqlite.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"

#include <stdio.h>
#include <string.h>

const char HOUR_SELECT[] = "SELECT data FROM hour WHERE key = ?";
const char DAY_SELECT[] = "SELECT data FROM day WHERE key = ?";
static const char RAW_SELECT[] = "SELECT data FROM raw WHERE key = ?";
static const char RAW_PUT[] =
    "INSERT INTO raw(key, data) VALUES(?, ?) ON CONFLICT(key) DO UPDATE SET data = excluded.data";
static const char HOUR_PUT[] =
    "INSERT INTO hour(key, data) VALUES(?, ?) ON CONFLICT(key) DO UPDATE SET data = excluded.data";
static const char DAY_PUT[] =
    "INSERT INTO day(key, data) VALUES(?, ?) ON CONFLICT(key) DO UPDATE SET data = excluded.data";

enum { MINUTES_PER_HOUR = 60, HOURS_PER_DAY = 24 };

static struct metric conflicts =
    METRIC_COUNTER("wardscribe_store_conflicting_readings_total",
                   "Same patient, source and time with other values: the first was kept.");
static struct metric too_late =
    METRIC_COUNTER("wardscribe_store_late_readings_dropped_total",
                   "Came after the raw readings of their minute were dropped.");
static struct metric damaged_rows = METRIC_COUNTER("wardscribe_store_damaged_rows_total",
                                                   "Rows refused by their checksum.");

void note_damage(struct sqlite_engine *engine, const char *table, int64_t key, const struct err *err)
{
    metric_add(&damaged_rows, 1);
    if (atomic_fetch_add(&engine->damaged, 1) < 10) /* a broken disk must not fill the log too */
        log_error("damaged row refused", LOG_STR("table", table), LOG_INT("key", key), LOG_ERR(err));
}

bool list_reserve(struct reading_list *list, size_t room, struct err *err)
{
    if (room <= list->room)
        return true;
    struct reading *more = mem_try_resize(list->items, room + room / 2, sizeof *more);
    if (!more)
        return err_set(err, ERR_UNAVAILABLE, "no memory for %zu readings", room);
    list->items = more;
    list->room = room + room / 2;
    return true;
}

/* ---- rows ---- */

bool raw_load(struct sqlite_engine *engine, struct db *db, int64_t minute, uint32_t patient,
              struct reading_list *out, bool *out_there, struct err *err)
{
    struct err damage = { 0 };
    int64_t key = raw_key(minute, patient);
    size_t size;
    struct db_query *q = db_query(db, RAW_SELECT);
    db_bind_int(q, key);
    out->count = 0;
    if (!db_step(q, out_there, err))
        return false;
    if (!*out_there)
        return true;
    const void *data = db_blob(q, &size);
    bool ok = list_reserve(out, series_room(size), err);
    if (ok && !series_decode(data, size, minute, key, patient, out->items, &out->count, &damage))
        note_damage(engine, "raw", key, &damage);
    db_reset(q);
    return ok;
}

bool tier_load(struct sqlite_engine *engine, struct db *db, const char *sql, int64_t key,
               struct bucket out[TIER_BUCKET_MAX], size_t *out_count, struct err *err)
{
    struct err damage = { 0 };
    bool there;
    size_t size;
    struct db_query *q = db_query(db, sql);
    db_bind_int(q, key);
    *out_count = 0;
    if (!db_step(q, &there, err))
        return false;
    if (!there)
        return true;
    const void *data = db_blob(q, &size);
    if (!tier_decode(data, size, key, out, out_count, &damage))
        note_damage(engine, sql == HOUR_SELECT ? "hour" : "day", key, &damage);
    db_reset(q);
    return true;
}

static bool put(struct sqlite_engine *engine, const char *sql, int64_t key, struct err *err)
{
    struct db_query *q = db_query(engine->writer, sql);
    if (engine->row.overflow)
        return err_set(err, ERR_UNAVAILABLE, "a row outgrows %zu bytes", engine->row.limit);
    db_bind_int(q, key);
    db_bind_blob(q, engine->row.data, engine->row.length);
    return db_run(q, err);
}

static bool raw_save(struct sqlite_engine *engine, int64_t minute, uint32_t patient,
                     const struct reading *readings, size_t count, struct err *err)
{
    int64_t key = raw_key(minute, patient);
    buf_reset(&engine->row);
    series_encode(readings, count, minute, key, &engine->row);
    return put(engine, RAW_PUT, key, err);
}

static bool tier_save(struct sqlite_engine *engine, const char *sql, int64_t key,
                      const struct bucket *buckets, size_t count, struct err *err)
{
    buf_reset(&engine->row);
    tier_encode(buckets, count, key, &engine->row);
    return put(engine, sql, key, err);
}

/* Saves the hour's minutes and the day's entry for it. */
static bool hour_save(struct sqlite_engine *engine, uint32_t patient, int64_t hour,
                      const struct bucket *minutes, size_t count, struct err *err)
{
    struct bucket hours[TIER_BUCKET_MAX], sum = { 0 };
    size_t hour_count;
    int64_t day_key = tier_key(patient, hour / HOURS_PER_DAY);
    for (size_t i = 0; i < count; i++)
        bucket_merge(&sum, &minutes[i]);
    sum.index = (uint32_t)(hour % HOURS_PER_DAY);
    if (!tier_save(engine, HOUR_PUT, tier_key(patient, hour), minutes, count, err) ||
        !tier_load(engine, engine->writer, DAY_SELECT, day_key, hours, &hour_count, err))
        return false;
    hour_count = tier_put(hours, hour_count, &sum);
    return tier_save(engine, DAY_PUT, day_key, hours, hour_count, err);
}

/* ---- folding ---- */

/* One hour of one patient; `rolled` when the tiers count it already. */
struct hour_fold {
    uint32_t patient;
    int64_t hour;
    bool rolled;
    struct bucket minutes[TIER_BUCKET_MAX];
    size_t minute_count;
    size_t conflicts;
};

static bool counted(const struct hour_fold *fold, int64_t minute)
{
    for (size_t i = 0; i < fold->minute_count; i++)
        if (fold->minutes[i].index == minute % MINUTES_PER_HOUR)
            return true;
    return false;
}

static bool fold_minute(struct sqlite_engine *engine, struct hour_fold *fold, int64_t minute,
                        const struct reading *readings, size_t count, struct err *err)
{
    bool there;
    if (!raw_load(engine, engine->writer, minute, fold->patient, &engine->old, &there, err))
        return false;
    if (!there && fold->rolled && counted(fold, minute)) {
        metric_add(&too_late, (int64_t)count);
        return true;
    }
    if (engine->old.count) {
        if (!list_reserve(&engine->merged, engine->old.count + count, err))
            return false;
        count = series_merge(engine->old.items, engine->old.count, readings, count,
                             engine->merged.items, &fold->conflicts);
        readings = engine->merged.items;
        if (count == engine->old.count)
            return true; /* nothing new */
    }
    if (fold->rolled) {
        struct bucket bucket = { .index = (uint32_t)(minute % MINUTES_PER_HOUR) };
        for (size_t i = 0; i < count; i++)
            bucket_add(&bucket, &readings[i]);
        fold->minute_count = tier_put(fold->minutes, fold->minute_count, &bucket);
    }
    return raw_save(engine, minute, fold->patient, readings, count, err);
}

/* NULL: no memory. */
static uint32_t *last_hour_of(struct sqlite_engine *engine, uint32_t patient)
{
    if (patient >= engine->last_hour_count) {
        uint32_t count = patient + patient / 2 + 64;
        uint32_t *more = mem_try_resize(engine->last_hour, count, sizeof *more);
        if (!more)
            return NULL;
        for (uint32_t i = engine->last_hour_count; i < count; i++)
            more[i] = engine->last_hour_unknown;
        engine->last_hour = more;
        engine->last_hour_count = count;
    }
    return &engine->last_hour[patient];
}

static bool fold_hour(struct sqlite_engine *engine, struct hour_fold *fold, const struct reading *readings,
                      size_t count, size_t *rows, struct err *err)
{
    uint32_t *last_hour = last_hour_of(engine, fold->patient);
    if (!last_hour)
        return err_set(err, ERR_UNAVAILABLE, "no memory to fold");
    fold->minute_count = 0;
    fold->rolled = is_rolled(&engine->position, fold->patient, fold->hour);
    if (*last_hour < fold->hour)
        *last_hour = (uint32_t)fold->hour;
    if (fold->rolled && !tier_load(engine, engine->writer, HOUR_SELECT, tier_key(fold->patient, fold->hour),
                                   fold->minutes, &fold->minute_count, err))
        return false;
    for (size_t i = 0, j; i < count; i = j) {
        int64_t minute = readings[i].time_us / US_PER_MIN;
        for (j = i + 1; j < count && readings[j].time_us / US_PER_MIN == minute; j++)
            ;
        if (!fold_minute(engine, fold, minute, readings + i, j - i, err))
            return false;
        *rows += 1;
    }
    return !fold->rolled || hour_save(engine, fold->patient, fold->hour, fold->minutes, fold->minute_count, err);
}

/* `readings` in order of arrival. */
static bool fold_patient(struct sqlite_engine *engine, uint32_t patient, struct reading *readings,
                         size_t count, size_t *rows, struct err *err)
{
    struct hour_fold fold = { .patient = patient };
    count = series_unique(readings, count, &fold.conflicts);
    for (size_t i = 0, j; i < count; i = j) {
        fold.hour = readings[i].time_us / US_PER_HOUR;
        for (j = i + 1; j < count && readings[j].time_us / US_PER_HOUR == fold.hour; j++)
            ;
        if (!fold_hour(engine, &fold, readings + i, j - i, rows, err))
            return false;
    }
    if (!fold.conflicts)
        return true;
    metric_add(&conflicts, (int64_t)fold.conflicts);
    char object[48], detail[64];
    snprintf(object, sizeof object, "patient-number:%u", patient);
    snprintf(detail, sizeof detail, "{\"count\":%zu,\"kept\":\"first\"}", fold.conflicts);
    struct audit_row row = { .time_us = clock_now_us(engine->options.clock), .actor = "system",
                             .action = "reading.conflict", .detail = detail };
    memcpy(row.object, object, sizeof object);
    return audit_append(engine->writer, &engine->audit, &row, 1, err);
}

static bool fold_due(struct sqlite_engine *engine, bool now)
{
    int64_t waiting = engine->next_seq - engine->position.fold_from;
    if (!waiting)
        return false;
    return now || waiting >= FOLD_READINGS ||
           clock_monotonic_us(engine->options.clock) - engine->folded_at_us >= FOLD_PERIOD_US;
}

/* Folds patients from p->fold_patient on until the slice is full. */
static bool fold_some(struct sqlite_engine *engine, struct position *p, struct err *err)
{
    size_t rows = 0;
    uint32_t patient_max = tail_patient_max(engine->tail);
    for (; p->fold_patient <= patient_max && rows < FOLD_SLICE_ROWS; p->fold_patient++) {
        struct reading *readings;
        size_t count;
        uint32_t patient = (uint32_t)p->fold_patient;
        arena_reset(&engine->scratch);
        /* Only this thread changes the tail, so it may read without the lock. */
        if (!tail_collect(engine->tail, patient, p->fold_from, p->fold_to, &engine->scratch, &readings, &count))
            return err_set(err, ERR_UNAVAILABLE, "no memory to fold");
        if (count && !fold_patient(engine, patient, readings, count, &rows, err))
            return err_context(err, "fold");
    }
    if (p->fold_patient > patient_max) {
        p->fold_from = p->fold_to;
        p->fold_patient = 0;
    }
    return true;
}

bool fold_slice(struct sqlite_engine *engine, bool now, bool *out_more, struct err *err)
{
    struct position next = engine->position;
    struct audit_head audit = engine->audit;
    bool running = next.fold_to > next.fold_from;
    *out_more = false;
    if (!running && !fold_due(engine, now))
        return true;
    if (!running)
        next.fold_to = engine->next_seq;
    if (!db_begin(engine->writer, err))
        return false;
    if (!fold_some(engine, &next, err) || !position_save(engine->writer, &next, err)) {
        db_rollback(engine->writer);
        engine->audit = audit;
        return false;
    }
    if (!db_commit(engine->writer, err)) {
        engine->audit = audit;
        return false;
    }
    engine->position = next;
    *out_more = next.fold_to > next.fold_from;
    if (!*out_more) {
        tail_lock_write(engine->tail);
        tail_drop_before(engine->tail, next.fold_from);
        tail_unlock(engine->tail);
        engine->folded_at_us = clock_monotonic_us(engine->options.clock);
    }
    return true;
}

/* ---- rolling hours up ---- */

static bool roll_patient(struct sqlite_engine *engine, uint32_t patient, int64_t hour, struct err *err)
{
    struct bucket minutes[TIER_BUCKET_MAX];
    size_t count = 0;
    for (int m = 0; m < MINUTES_PER_HOUR; m++) {
        bool there;
        if (!raw_load(engine, engine->writer, hour * MINUTES_PER_HOUR + m, patient, &engine->old, &there, err))
            return false;
        if (!engine->old.count)
            continue;
        minutes[count] = (struct bucket){ .index = (uint32_t)m };
        for (size_t i = 0; i < engine->old.count; i++)
            bucket_add(&minutes[count], &engine->old.items[i]);
        count++;
    }
    return !count || hour_save(engine, patient, hour, minutes, count, err);
}

/* The first hour from roll_hour on that has raw rows; INT64_MAX: none. */
static bool next_raw_hour(struct sqlite_engine *engine, int64_t hour, int64_t *out, struct err *err)
{
    bool row;
    struct db_query *q = db_query(engine->writer, "SELECT key FROM raw WHERE key >= ? ORDER BY key LIMIT 1");
    db_bind_int(q, raw_key(hour * MINUTES_PER_HOUR, 0));
    if (!db_step(q, &row, err))
        return false;
    *out = row ? (db_int(q) >> PATIENT_BITS) / MINUTES_PER_HOUR : INT64_MAX;
    if (row)
        db_reset(q);
    return true;
}

/* The first patient from `patient` on with raw rows in the hour; INT64_MAX: none. */
static bool next_raw_patient(struct sqlite_engine *engine, int64_t hour, int64_t patient, int64_t *out, struct err *err)
{
    *out = INT64_MAX;
    for (int64_t minute = hour * MINUTES_PER_HOUR; minute < (hour + 1) * MINUTES_PER_HOUR; minute++) {
        bool row;
        struct db_query *q = db_query(engine->writer,
                                      "SELECT key FROM raw WHERE key >= ? AND key < ? ORDER BY key LIMIT 1");
        db_bind_int(q, raw_key(minute, (uint32_t)patient));
        db_bind_int(q, raw_key(minute + 1, 0));
        if (!db_step(q, &row, err))
            return false;
        int64_t found = row ? db_int(q) & ((INT64_C(1) << PATIENT_BITS) - 1) : INT64_MAX;
        *out = found < *out ? found : *out;
        if (row)
            db_reset(q);
    }
    return true;
}

/* Skips patients without readings in the hour; *patient INT64_MAX: the hour is done. */
static bool skip_idle_patients(struct sqlite_engine *engine, int64_t hour, int64_t *patient,
                               size_t *lookups, struct err *err)
{
    while (*patient < engine->last_hour_count && engine->last_hour[*patient] < hour)
        ++*patient;
    if (*patient < engine->last_hour_count)
        return true;
    if (hour > engine->last_hour_unknown) {
        *patient = INT64_MAX;
        return true;
    }
    /* Nothing of them was folded since the start: the table knows who they are. */
    *lookups += MINUTES_PER_HOUR;
    return next_raw_patient(engine, hour, *patient, patient, err);
}

static bool roll_some(struct sqlite_engine *engine, struct position *p, int64_t target, struct err *err)
{
    int64_t hour;
    if (!next_raw_hour(engine, p->roll_hour, &hour, err))
        return false;
    if (hour >= target || hour > p->roll_hour) {
        p->roll_hour = hour < target ? hour : target;
        p->roll_patient = 0;
        return true;
    }
    for (size_t lookups = 0; lookups < ROLL_SLICE_LOOKUPS; p->roll_patient++) {
        if (!skip_idle_patients(engine, hour, &p->roll_patient, &lookups, err))
            return false;
        if (p->roll_patient == INT64_MAX) {
            p->roll_hour++;
            p->roll_patient = 0;
            return true;
        }
        lookups += MINUTES_PER_HOUR;
        if (!roll_patient(engine, (uint32_t)p->roll_patient, hour, err))
            return err_context(err, "roll up");
    }
    return true;
}

/* One transaction of roll or drop, with the position. */
static bool save_slice(struct sqlite_engine *engine, const struct position *next, bool ok, struct err *err)
{
    if (!ok || !position_save(engine->writer, next, err)) {
        db_rollback(engine->writer);
        return false;
    }
    if (!db_commit(engine->writer, err))
        return false;
    engine->position = *next;
    return true;
}

bool roll_slice(struct sqlite_engine *engine, bool *out_more, struct err *err)
{
    struct position next = engine->position;
    int64_t target = (clock_now_us(engine->options.clock) - ROLL_GRACE_US) / US_PER_HOUR;
    *out_more = false;
    if (next.roll_hour >= target)
        return true;
    if (!db_begin(engine->writer, err))
        return false;
    if (!save_slice(engine, &next, roll_some(engine, &next, target, err), err))
        return false;
    *out_more = next.roll_hour < target;
    return true;
}

/* ---- dropping raw rows that are too old ---- */

static bool drop_some(struct sqlite_engine *engine, int64_t floor_key, bool *out_more, struct err *err)
{
    bool row;
    struct db_query *q = db_query(engine->writer, "SELECT key FROM raw WHERE key < ? ORDER BY key LIMIT 1 OFFSET ?");
    db_bind_int(q, floor_key);
    db_bind_int(q, TRIM_SLICE_ROWS);
    if (!db_step(q, &row, err))
        return false;
    int64_t until = row ? db_int(q) : floor_key;
    if (row)
        db_reset(q);
    *out_more = row;
    q = db_query(engine->writer, "DELETE FROM raw WHERE key < ?");
    db_bind_int(q, until);
    return db_run(q, err);
}

bool drop_slice(struct sqlite_engine *engine, bool *out_more, struct err *err)
{
    int64_t now = clock_monotonic_us(engine->options.clock);
    *out_more = false;
    if (now - engine->dropped_at_us < US_PER_HOUR)
        return true;
    int64_t floor = retention_floor_us(engine) / US_PER_MIN;
    int64_t rolled = engine->position.roll_hour * MINUTES_PER_HOUR;
    floor = floor < rolled ? floor : rolled;
    if (!db_begin(engine->writer, err))
        return false;
    if (!save_slice(engine, &engine->position,
                    drop_some(engine, raw_key(floor > 0 ? floor : 0, 0), out_more, err), err))
        return false;
    if (!*out_more)
        engine->dropped_at_us = now;
    return true;
}
