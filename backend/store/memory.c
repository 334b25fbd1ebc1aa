/* memory.c - the memory engine: committing, the journal, upkeep.  What lies where: memory.h. */
#include "store/memory.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define FOLD_PERIOD_US US_PER_MIN
#define ROLL_GRACE_US (2 * US_PER_MIN) /* as in sqlite.h */

static const char *version(void)
{
    return "memory";
}

static bool engine_open(const struct store_options *options, void **out, struct err *err)
{
    if (options->read_only)
        return err_set(err, ERR_CONFIG, "store.engine is memory: there is nothing to read from another process");
    struct memory_engine *e = mem_new(1, sizeof *e);
    e->options = *options;
    e->journal_last = &e->journal_first;
    e->folded_at_us = clock_monotonic_us(options->clock);
    e->dropped_at_us = e->folded_at_us - US_PER_HOUR;
    rows_memory_init(e);
    CHECK(pthread_rwlock_init(&e->lock, NULL) == 0);
    *out = e;
    return true;
}

static void free_journal(struct memory_journal *first)
{
    for (struct memory_journal *next; first; first = next) {
        next = first->next;
        mem_free(first);
    }
}

static void engine_close(void *impl)
{
    struct memory_engine *e = impl;
    free_journal(e->journal_first);
    series_memory_free(e);
    rows_memory_free(e);
    (void)pthread_rwlock_destroy(&e->lock);
    mem_free(e);
}

/* ---- committing: everything that can fail comes first ---- */

static struct memory_journal *copy_batch(const struct journal_batch *batch)
{
    size_t count = batch->kind == JOURNAL_READINGS ? batch->count : 0;
    struct memory_journal *copy = mem_try_new(1, sizeof *copy + count * sizeof *copy->readings);
    if (!copy)
        return NULL;
    copy->batch = *batch;
    if (batch->kind == JOURNAL_COMMAND)
        copy->command = *batch->command;
    else if (count)
        memcpy(copy->readings, batch->readings, count * sizeof *copy->readings);
    copy->batch.readings = copy->readings;
    copy->batch.command = &copy->command;
    return copy;
}

/* Copies the unit's batches behind *last, and takes the room their readings need. */
static bool stage_journal(struct memory_engine *e, const struct store_write *w, int64_t *next_seq,
                          struct memory_journal ***last, struct err *err)
{
    for (size_t i = 0; i < w->journal_count; i++) {
        const struct journal_batch *batch = &w->journal[i];
        if (batch->seq < *next_seq)
            return err_set(err, ERR_CONFLICT, "journal: record %lld is there already", (long long)batch->seq);
        if (batch->kind == JOURNAL_READINGS && !series_memory_reserve(e, batch, err))
            return false;
        struct memory_journal *copy = copy_batch(batch);
        if (!copy)
            return err_set(err, ERR_UNAVAILABLE, "the memory store has no memory");
        **last = copy;
        *last = &copy->next;
        *next_seq = batch->seq + batch->count;
    }
    return true;
}

static bool stage_all(struct memory_engine *e, struct store_write *first,
                      struct memory_journal **staged, struct err *err)
{
    int64_t next_seq = e->next_seq;
    struct memory_journal **last = staged;
    for (struct store_write *w = first; w; w = w->next)
        if (!stage_journal(e, w, &next_seq, &last, err) || !rows_memory_write(e, w, err))
            return false;
    return true;
}

static void take_journal(struct memory_engine *e, struct memory_journal *staged)
{
    for (struct memory_journal *next; staged; staged = next) {
        next = staged->next;
        if (staged->batch.kind == JOURNAL_READINGS)
            for (uint32_t i = 0; i < staged->batch.count; i++)
                series_memory_put(e, &staged->readings[i]);
        *e->journal_last = staged;
        e->journal_last = &staged->next;
        e->next_seq = staged->batch.seq + staged->batch.count;
        staged->next = NULL;
    }
}

static bool commit(void *impl, struct store_write *first, struct err *err)
{
    struct memory_engine *e = impl;
    struct memory_journal *staged = NULL;
    (void)pthread_rwlock_wrlock(&e->lock);
    int64_t last_user = e->last_user;
    bool ok = stage_all(e, first, &staged, err);
    if (ok) {
        memory_undo_keep(&e->undo);
        take_journal(e, staged);
        for (struct store_write *w = first; w; w = w->next)
            if (w->snapshot_count && w->snapshot_seq > e->snapshot_seq)
                e->snapshot_seq = w->snapshot_seq;
    } else {
        memory_undo_back(&e->undo);
        e->last_user = last_user;
        free_journal(staged);
        series_memory_forget_reserved(e);
    }
    (void)pthread_rwlock_unlock(&e->lock);
    return ok;
}

static bool recover(void *impl, struct err *err)
{
    (void)impl, (void)err;
    return true;
}

/* ---- upkeep, with the write lock held ---- */

static bool fold(struct memory_engine *e, enum maintain how, struct err *err)
{
    int64_t now = clock_monotonic_us(e->options.clock);
    if (how == MAINTAIN_IF_DUE && now - e->folded_at_us < FOLD_PERIOD_US)
        return true;
    e->folded_at_us = now;
    for (uint32_t i = 0; i < e->series_count; i++) {
        struct memory_series *s = e->series[i];
        if (!s || !s->conflicts)
            continue;
        char detail[64];
        struct audit_row row = { .time_us = clock_now_us(e->options.clock), .actor = "system",
                                 .action = "reading.conflict", .detail = detail };
        (void)snprintf(row.object, sizeof row.object, "patient-number:%u", i);
        (void)snprintf(detail, sizeof detail, "{\"count\":%zu,\"kept\":\"first\"}", s->conflicts);
        if (!rows_memory_audit(e, &row, err)) {
            memory_undo_back(&e->undo);
            return false;
        }
        memory_undo_keep(&e->undo);
        s->conflicts = 0;
    }
    return true;
}

/* The first hour from `hour` on that somebody has readings in; `target`: none before it. */
static int64_t next_hour(const struct memory_engine *e, int64_t hour, int64_t target)
{
    int64_t next = target;
    for (uint32_t i = 0; i < e->series_count; i++) {
        const struct memory_series *s = e->series[i];
        for (size_t low = 0, high = s ? s->count : 0; low < high;) { /* the first at or after `hour` */
            size_t middle = low + (high - low) / 2;
            int64_t at = s->readings[middle].time_us / US_PER_HOUR;
            if (at < hour) {
                low = middle + 1;
            } else {
                next = at < next ? at : next;
                high = middle;
            }
        }
    }
    return next;
}

static bool roll(struct memory_engine *e, bool *out_more, struct err *err)
{
    *out_more = false;
    int64_t target = (clock_now_us(e->options.clock) - ROLL_GRACE_US) / US_PER_HOUR;
    if (e->roll_hour >= target)
        return true;
    if (e->roll_patient == 0)
        e->roll_hour = next_hour(e, e->roll_hour, target);
    if (e->roll_hour >= target)
        return true;
    for (int i = 0; i < MEMORY_SLICE_PATIENTS && e->roll_patient < e->series_count; i++, e->roll_patient++)
        if (!series_memory_roll(e, e->roll_patient, e->roll_hour, err))
            return false;
    if (e->roll_patient >= e->series_count) {
        e->roll_hour++;
        e->roll_patient = 0;
    }
    return *out_more = true;
}

static void drop(struct memory_engine *e)
{
    int64_t now = clock_monotonic_us(e->options.clock);
    int64_t floor = memory_retention_floor_us(e) / US_PER_MIN, rolled = e->roll_hour * 60;
    if (now - e->dropped_at_us < US_PER_HOUR)
        return;
    series_memory_drop(e, floor < rolled ? floor : rolled);
    e->dropped_at_us = now;
}

static void trim_journal(struct memory_engine *e)
{
    int64_t bound = e->snapshot_seq, cap = e->next_seq - JOURNAL_RECORDS_MAX;
    bound = bound > cap ? bound : cap;
    while (e->journal_first && e->journal_first->batch.seq + e->journal_first->batch.count <= bound) {
        struct memory_journal *gone = e->journal_first;
        e->journal_first = gone->next;
        if (!e->journal_first)
            e->journal_last = &e->journal_first;
        mem_free(gone);
    }
}

static bool maintain(void *impl, enum maintain how, bool *out_more, struct err *err)
{
    struct memory_engine *e = impl;
    (void)pthread_rwlock_wrlock(&e->lock);
    bool ok = fold(e, how, err);
    *out_more = false;
    ok = ok && roll(e, out_more, err);
    if (ok && !*out_more) {
        drop(e);
        trim_journal(e);
    }
    (void)pthread_rwlock_unlock(&e->lock);
    return ok;
}

static bool backup(void *impl, const char *path, struct err *err)
{
    (void)impl;
    return err_set(err, ERR_REFUSED,
                   "%s: the store is in memory (store.engine: memory); there is nothing on disk to copy", path);
}

static uint64_t damaged_count(void *impl)
{
    (void)impl;
    return 0;
}

/* ---- the journal back ---- */

static bool visit_from(const struct memory_journal *record, int64_t from_seq, journal_visitor *visit,
                       void *context, struct err *err)
{
    struct journal_batch batch = record->batch;
    int64_t skip = from_seq > batch.seq ? from_seq - batch.seq : 0;
    if (skip >= batch.count)
        return true;
    if (batch.kind == JOURNAL_READINGS)
        batch.readings += skip;
    batch.seq += skip;
    batch.count -= (uint32_t)skip;
    return visit(context, &batch, err);
}

static bool journal_read(void *impl, int64_t from_seq, journal_visitor *visit, void *context, struct err *err)
{
    struct memory_engine *e = impl;
    bool ok = true;
    (void)pthread_rwlock_rdlock(&e->lock);
    for (const struct memory_journal *record = e->journal_first; ok && record; record = record->next)
        ok = visit_from(record, from_seq, visit, context, err);
    (void)pthread_rwlock_unlock(&e->lock);
    return ok;
}

static int64_t journal_next_seq(void *impl)
{
    return atomic_load(&((struct memory_engine *)impl)->next_seq);
}

const struct store_engine store_engine_memory = {
    .name = "memory", .version = version, .open = engine_open, .close = engine_close,
    .commit = commit, .recover = recover, .maintain = maintain, .backup = backup, .damaged_count = damaged_count,
    .patients = rows_memory_patients, .sources = rows_memory_sources, .limits = rows_memory_limits,
    .history = series_memory_history, .readings = series_memory_readings, .alerts = rows_memory_alerts,
    .summaries = rows_memory_summaries, .summary = rows_memory_summary, .feedbacks = rows_memory_feedbacks,
    .users = rows_memory_users, .audits = rows_memory_audits,
    .audit_verify = rows_memory_audit_verify, .setting = rows_memory_setting, .snapshots = rows_memory_snapshots,
    .journal_read = journal_read, .journal_next_seq = journal_next_seq,
};
