/* sqlite.h - the SQLite engine's parts, for its own files only.
 *
 * Tables of the series (the plain ones are in sqlite_schema.c):
 *   journal   seq -> readings as they came, up to JOURNAL_ROW_READINGS a row, or one command.
 *             Written in order: one page per 100 readings, whatever the number of patients.
 *   raw       minute << 24 | patient -> the readings of that patient and minute (series.h).
 *             By minute first: a fold writes at the end of the table, and dropping what is too old
 *             frees whole pages at its beginning.
 *   hour      patient << 28 | hour -> up to 60 minute buckets;  for charts of hours to weeks
 *   day       patient << 28 | day  -> up to 24 hour buckets;    for charts of months to years
 * Fold: moves the tail (tail.h) from the journal into `raw`, patient by patient, in slices of one
 *       transaction each.  `position` is saved in the same transaction, so a crash continues where
 *       it was: a record is in `raw` if seq < fold_from, or seq < fold_to and patient < fold_patient.
 * Roll: when an hour is over it is summed up into `hour` and `day`, again patient by patient:
 *       rolled if hour < roll_hour, or hour == roll_hour and patient < roll_patient.  Readings that
 *       come later correct `raw`, `hour` and `day` in one transaction: charts of rolled hours show
 *       them from the next fold on (a minute at most), charts of single readings at once.
 * Late and twice: identity decides in `raw`.  Where `raw` was dropped and `hour` still counts
 *       that minute, a late reading cannot be told from a repetition: it is not counted again. */
#ifndef STORE_SQLITE_H
#define STORE_SQLITE_H

#include "store/db.h"
#include "store/engine.h"
#include "store/series.h"
#include "store/tail.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    /* 100 * 40 bytes and the row's header stay within one 4 KB page (4,061 bytes, SQLite's file
     * format, 1.6): a longer row would take an overflow page. */
    JOURNAL_ROW_READINGS = 100,
    /* 600,000 readings are 26 MB of tail and about 20 a patient at 30,000 patients. */
    FOLD_READINGS = 600000,
    FOLD_SLICE_ROWS = 2000,     /* raw rows a transaction: about 15 ms */
    ROLL_SLICE_LOOKUPS = 6000,
    TRIM_SLICE_ROWS = 2000,
    CHECKPOINT_PAGES = 2000,    /* 8 MB of log */
    READER_COUNT = 4,           /* more readers than cores only wait for each other */
    PATIENT_BITS = 24, PERIOD_BITS = 28,
};
#define FOLD_PERIOD_US US_PER_MIN
/* Most readings of an hour are folded when it is rolled up; the others correct it. */
#define ROLL_GRACE_US (2 * US_PER_MIN)

struct position {
    int64_t fold_from, fold_to, fold_patient;
    int64_t roll_hour, roll_patient;
    int64_t snapshot_seq;
};

struct audit_head {
    int64_t seq;
    uint8_t hash[32];
};

struct reading_list {
    struct reading *items;
    size_t count, room;
};

struct sqlite_engine {
    struct store_options options;
    char path[4096];
    struct db *writer;                  /* NULL: recover() has not managed yet */
    struct tail *tail;
    struct position position;           /* as committed */
    _Atomic int64_t next_seq;
    struct audit_head audit;
    _Atomic uint64_t damaged;

    int64_t folded_at_us, dropped_at_us, trimmed_seq; /* monotonic; seq */
    uint32_t *last_hour;                /* by patient: no raw row is newer */
    uint32_t last_hour_count, last_hour_unknown;
    struct reading_list old, merged;    /* scratch */
    struct buf row;
    struct arena scratch;

    pthread_mutex_t pool_mutex;
    pthread_cond_t pool_free;
    struct db *pool[READER_COUNT];
    size_t pool_count;                  /* idle ones, at the front */
    size_t pool_opened;
};

static inline int64_t raw_key(int64_t minute, uint32_t patient)
{
    return minute << PATIENT_BITS | patient;
}
static inline int64_t tier_key(uint32_t patient, int64_t period)
{
    return (int64_t)patient << PERIOD_BITS | period;
}
static inline bool is_rolled(const struct position *p, uint32_t patient, int64_t hour)
{
    return hour < p->roll_hour || (hour == p->roll_hour && patient < p->roll_patient);
}

/* sqlite_schema.c */
struct migration {
    int version;
    const char *sql;
};
/* Brings the database to the last row's version: a copy aside first, then one transaction each. */
bool schema_migrate(struct db *db, const char *path, const char *vfs, const struct migration *table,
                    size_t count, struct err *err) MUST_CHECK;
bool schema_open(struct db *db, const char *path, const char *vfs, struct err *err) MUST_CHECK;
/* For reading: the version must be ours. */
bool schema_check(struct db *db, const char *path, struct err *err) MUST_CHECK;
bool position_load(struct db *db, struct position *out, struct err *err) MUST_CHECK;
bool position_save(struct db *db, const struct position *position, struct err *err) MUST_CHECK;

/* sqlite_rows.c: the plain tables.  The writing half runs in the writer's transaction. */
bool rows_write(struct sqlite_engine *engine, const struct store_write *write, struct err *err) MUST_CHECK;
bool rows_patients(void *engine, struct arena *, struct patient_row **, size_t *, struct err *);
bool rows_sources(void *engine, struct arena *, struct source_row **, size_t *, struct err *);
bool rows_limits(void *engine, struct arena *, struct limits_row **, size_t *, struct err *);
bool rows_summaries(void *engine, struct arena *, const struct summary_query *, struct summary_row **,
                    size_t *, struct err *);
bool rows_summary(void *engine, struct arena *, const char *, struct summary_row **, size_t *, struct err *);
bool rows_feedbacks(void *engine, struct arena *, int64_t, int64_t, size_t, struct feedback_row **,
                    size_t *, struct err *);
bool rows_users(void *engine, struct arena *, struct user_row **, size_t *, struct err *);
bool rows_setting(void *engine, struct arena *, const char *, void **, size_t *, struct err *);
bool rows_snapshots(void *engine, struct arena *, struct snapshot_row **, size_t *, int64_t *, struct err *);

/* sqlite_alerts.c */
bool alerts_write(struct db *db, const struct alert *alerts, size_t count, struct err *err) MUST_CHECK;
bool alerts_read(void *engine, struct arena *, const struct alert_query *, struct alert **, size_t *, struct err *);

/* sqlite_audit.c */
bool audit_load_head(struct db *db, struct audit_head *out, struct err *err) MUST_CHECK;
bool audit_append(struct db *db, struct audit_head *head, const struct audit_row *rows, size_t count,
                  struct err *err) MUST_CHECK;
bool audit_read(void *engine, struct arena *, int64_t before, size_t limit, struct audit_row **,
                size_t *, struct err *);
bool audit_verify(void *engine, int64_t *out_count, struct err *err);

/* sqlite_journal.c */
bool journal_write(struct db *db, const struct store_write *first, struct err *err) MUST_CHECK;
/* Before the commit: what is on disk then fits into the tail. */
bool journal_reserve_tail(struct sqlite_engine *engine, const struct store_write *first, struct err *err) MUST_CHECK;
void journal_to_tail(struct sqlite_engine *engine, const struct store_write *first);
bool journal_load_tail(struct sqlite_engine *engine, struct db *db, struct err *err) MUST_CHECK;
bool journal_read(void *engine, int64_t from_seq, journal_visitor *visit, void *context, struct err *err);
bool journal_end(struct db *db, int64_t *out_seq, struct err *err) MUST_CHECK;
bool journal_trim(struct sqlite_engine *engine, bool *out_more, struct err *err) MUST_CHECK;

/* sqlite_fold.c */
bool fold_slice(struct sqlite_engine *engine, bool now, bool *out_more, struct err *err) MUST_CHECK;
bool roll_slice(struct sqlite_engine *engine, bool *out_more, struct err *err) MUST_CHECK;
bool drop_slice(struct sqlite_engine *engine, bool *out_more, struct err *err) MUST_CHECK;
/* An absent row gives no readings; a damaged one is counted, logged and gives none. */
bool raw_load(struct sqlite_engine *engine, struct db *db, int64_t minute, uint32_t patient,
              struct reading_list *out, bool *out_there, struct err *err) MUST_CHECK;
bool tier_load(struct sqlite_engine *engine, struct db *db, const char *sql, int64_t key,
               struct bucket out[TIER_BUCKET_MAX], size_t *out_count, struct err *err) MUST_CHECK;
extern const char HOUR_SELECT[], DAY_SELECT[];
bool list_reserve(struct reading_list *list, size_t room, struct err *err) MUST_CHECK;
void note_damage(struct sqlite_engine *engine, const char *table, int64_t key, const struct err *err);
static inline int64_t retention_floor_us(const struct sqlite_engine *engine)
{
    return clock_now_us(engine->options.clock) - engine->options.raw_retention_h * US_PER_HOUR;
}

/* sqlite_history.c */
bool history_read(void *engine, struct arena *, uint32_t patient, int64_t from_us, int64_t to_us,
                  size_t points_max, struct history *, struct err *);
bool readings_read(void *engine, struct arena *, uint32_t patient, int64_t from_us, int64_t to_us,
                   size_t limit, struct reading **, size_t *, struct err *);

/* sqlite.c: a reader's connection; waits for a free one. */
bool reader_take(struct sqlite_engine *engine, struct db **out, struct err *err) MUST_CHECK;
void reader_give(struct sqlite_engine *engine, struct db *db);

#endif
