/* sqlite.c - the SQLite engine: opening, committing, readers.  The tables: sqlite.h. */
#include "store/sqlite.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { ROW_SIZE_MAX = 64 << 20, SCRATCH_SIZE_MAX = 64 << 20 };

static const char *version(void)
{
    static char text[32];
    (void)snprintf(text, sizeof text, "SQLite %s", db_library_version());
    return text;
}

/* ---- readers ---- */

bool reader_take(struct sqlite_engine *engine, struct db **out, struct err *err)
{
    *out = NULL;
    (void)pthread_mutex_lock(&engine->pool_mutex);
    while (!engine->pool_count && engine->pool_opened == READER_COUNT)
        (void)pthread_cond_wait(&engine->pool_free, &engine->pool_mutex);
    if (engine->pool_count)
        *out = engine->pool[--engine->pool_count];
    else
        engine->pool_opened++;
    (void)pthread_mutex_unlock(&engine->pool_mutex);
    if (*out || db_open(engine->path, engine->options.vfs, DB_READER, out, err))
        return true;
    (void)pthread_mutex_lock(&engine->pool_mutex);
    engine->pool_opened--;
    (void)pthread_cond_signal(&engine->pool_free);
    (void)pthread_mutex_unlock(&engine->pool_mutex);
    return false;
}

void reader_give(struct sqlite_engine *engine, struct db *db)
{
    (void)pthread_mutex_lock(&engine->pool_mutex);
    engine->pool[engine->pool_count++] = db;
    (void)pthread_cond_signal(&engine->pool_free);
    (void)pthread_mutex_unlock(&engine->pool_mutex);
}

/* ---- opening ---- */

static bool make_dir(const char *dir, struct err *err)
{
    if (mkdir(dir, 0700) == 0 || errno == EEXIST)
        return true;
    return err_set_errno(err, ERR_CONFIG, errno, "data directory %s", dir);
}

static bool newest_raw_hour(struct sqlite_engine *engine, struct db *db, struct err *err)
{
    bool row;
    struct db_query *q = db_query(db, "SELECT ifnull(max(key), 0) FROM raw");
    if (!db_step(q, &row, err))
        return false;
    engine->last_hour_unknown = (uint32_t)((db_int(q) >> PATIENT_BITS) / 60);
    db_reset(q);
    return true;
}

static bool load(struct sqlite_engine *engine, struct db *db, struct err *err)
{
    int64_t next_seq;
    if (!position_load(db, &engine->position, err) || !audit_load_head(db, &engine->audit, err) ||
        !journal_end(db, &next_seq, err) || !newest_raw_hour(engine, db, err))
        return false;
    /* A number that a snapshot or a fold speaks of is not given again. */
    if (next_seq < engine->position.fold_from)
        next_seq = engine->position.fold_from;
    if (next_seq < engine->position.snapshot_seq)
        next_seq = engine->position.snapshot_seq;
    engine->next_seq = next_seq;
    return journal_load_tail(engine, db, err);
}

static bool open_writer(struct sqlite_engine *engine, struct err *err)
{
    if (!db_open(engine->path, engine->options.vfs, DB_WRITER, &engine->writer, err))
        return false;
    if (!engine->options.vfs)
        (void)chmod(engine->path, 0600);
    if (schema_open(engine->writer, engine->path, engine->options.vfs, err) && load(engine, engine->writer, err))
        return true;
    db_close(engine->writer);
    engine->writer = NULL;
    return false;
}

static bool open_reading(struct sqlite_engine *engine, struct err *err)
{
    struct db *db;
    if (!reader_take(engine, &db, err))
        return err_context(err, "%s", engine->path);
    bool ok = db_exec(db, "BEGIN", err) && schema_check(db, engine->path, err) && load(engine, db, err);
    db_rollback(db);
    reader_give(engine, db);
    return ok;
}

static void engine_close(void *impl)
{
    struct sqlite_engine *engine = impl;
    while (engine->pool_count)
        db_close(engine->pool[--engine->pool_count]);
    db_close(engine->writer);
    tail_free(engine->tail);
    mem_free(engine->last_hour);
    mem_free(engine->old.items);
    mem_free(engine->merged.items);
    buf_free(&engine->row);
    arena_free(&engine->scratch);
    (void)pthread_cond_destroy(&engine->pool_free);
    (void)pthread_mutex_destroy(&engine->pool_mutex);
    mem_free(engine);
}

static bool engine_open(const struct store_options *options, void **out, struct err *err)
{
    if (!options->vfs && !options->read_only && !make_dir(options->data_dir, err))
        return false;
    struct sqlite_engine *engine = mem_new(1, sizeof *engine);
    engine->options = *options;
    (void)snprintf(engine->path, sizeof engine->path, "%s/wardscribe.db", options->data_dir);
    engine->tail = tail_new();
    buf_init(&engine->row, ROW_SIZE_MAX);
    arena_init(&engine->scratch, SCRATCH_SIZE_MAX);
    engine->folded_at_us = clock_monotonic_us(options->clock);
    engine->dropped_at_us = engine->folded_at_us - US_PER_HOUR;
    CHECK(pthread_mutex_init(&engine->pool_mutex, NULL) == 0 && pthread_cond_init(&engine->pool_free, NULL) == 0);
    if (!(options->read_only ? open_reading(engine, err) : open_writer(engine, err))) {
        engine_close(engine);
        return false;
    }
    *out = engine;
    return true;
}

/* After a failure of the disk: everything in memory is thrown away and read again from what is there. */
static bool recover(void *impl, struct err *err)
{
    struct sqlite_engine *engine = impl;
    db_close(engine->writer);
    engine->writer = NULL;
    tail_lock_write(engine->tail);
    tail_clear(engine->tail);
    tail_unlock(engine->tail);
    return open_writer(engine, err);
}

/* ---- committing ---- */

static bool write_unit(struct sqlite_engine *engine, const struct store_write *w, struct position *position,
                       struct audit_head *audit, struct err *err)
{
    if (!rows_write(engine, w, err) || !alerts_write(engine->writer, w->alerts, w->alert_count, err) ||
        !audit_append(engine->writer, audit, w->audits, w->audit_count, err))
        return false;
    if (w->snapshot_count && w->snapshot_seq > position->snapshot_seq)
        position->snapshot_seq = w->snapshot_seq;
    return true;
}

static bool write_all(struct sqlite_engine *engine, const struct store_write *first, struct position *position,
                      struct audit_head *audit, struct err *err)
{
    if (!journal_write(engine->writer, first, err))
        return false;
    for (const struct store_write *w = first; w; w = w->next)
        if (!write_unit(engine, w, position, audit, err))
            return false;
    return position->snapshot_seq == engine->position.snapshot_seq || position_save(engine->writer, position, err);
}

static bool commit(void *impl, struct store_write *first, struct err *err)
{
    struct sqlite_engine *engine = impl;
    struct position position = engine->position;
    struct audit_head audit = engine->audit;
    if (!engine->writer && !recover(engine, err))
        return err_set(err, ERR_UNAVAILABLE, "the database is not open: %s", err->text);
    if (!journal_reserve_tail(engine, first, err) || !db_begin(engine->writer, err))
        return false;
    if (!write_all(engine, first, &position, &audit, err)) {
        db_rollback(engine->writer);
        return false;
    }
    if (!db_commit(engine->writer, err))
        return false;
    engine->position = position;
    engine->audit = audit;
    journal_to_tail(engine, first);
    return true;
}

static bool maintain(void *impl, enum maintain how, bool *out_more, struct err *err)
{
    struct sqlite_engine *engine = impl;
    int pages = engine->options.checkpoint_pages;
    *out_more = false;
    if (!engine->writer)
        return true; /* the next commit opens it */
    return fold_slice(engine, how == MAINTAIN_NOW, out_more, err) && (*out_more || roll_slice(engine, out_more, err)) &&
           (*out_more || drop_slice(engine, out_more, err)) && (*out_more || journal_trim(engine, out_more, err)) &&
           db_checkpoint(engine->writer, pages ? pages : CHECKPOINT_PAGES, err);
}

static bool backup(void *impl, const char *path, struct err *err)
{
    struct sqlite_engine *engine = impl;
    struct db *db;
    if (!reader_take(engine, &db, err))
        return false;
    bool ok = db_backup(db, path, engine->options.vfs, err);
    reader_give(engine, db);
    return ok;
}

static uint64_t damaged_count(void *impl)
{
    return atomic_load(&((struct sqlite_engine *)impl)->damaged);
}

static int64_t next_seq(void *impl)
{
    return atomic_load(&((struct sqlite_engine *)impl)->next_seq);
}

const struct store_engine store_engine_sqlite = {
    .name = "sqlite", .version = version, .open = engine_open, .close = engine_close,
    .commit = commit, .recover = recover, .maintain = maintain, .backup = backup, .damaged_count = damaged_count,
    .patients = rows_patients, .sources = rows_sources, .limits = rows_limits,
    .history = history_read, .readings = readings_read, .alerts = alerts_read, .summaries = rows_summaries,
        .summary = rows_summary,
    .feedbacks = rows_feedbacks,
    .users = rows_users, .audits = audit_read, .audit_verify = audit_verify, .setting = rows_setting,
    .snapshots = rows_snapshots, .journal_read = journal_read, .journal_next_seq = next_seq,
};
