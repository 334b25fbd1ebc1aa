/* memory.h - the memory engine's parts, for its own files only.
 *
 * The twin of the SQLite engine: the same answers, nothing on disk, the plainest data structures.
 * Tables are sorted vectors (memory_table.h).  A patient's readings are one vector sorted by time,
 * each once; hours that are over are summed up into minute and hour buckets, as in sqlite.h, so that
 * a chart's cost goes with what is drawn and outlives the readings.
 * Bounds:  40 bytes a reading for raw_retention_h; then 160 bytes a minute and an hour with readings.
 *          What is over forgets at the end of the process.
 * Threads: one writer, many readers: `lock`. */
#ifndef STORE_MEMORY_H
#define STORE_MEMORY_H

#include "store/engine.h"
#include "store/memory_table.h"
#include "store/series.h"

#include <pthread.h>
#include <stdatomic.h>

enum { MEMORY_SLICE_PATIENTS = 500 };   /* rolled up per slice: at 1 Hz 500 * 3,600 readings, about 20 ms */

/* What one minute or one hour says; `at` counts minutes or hours since 1970. */
struct memory_bucket {
    int64_t at;
    struct bucket sum;
};
struct memory_tier {
    struct memory_bucket *buckets;      /* sorted by `at` */
    size_t count, room;
};

struct memory_series {
    struct reading *readings;           /* sorted by time, then source; each once */
    size_t count, room;
    size_t incoming;                    /* of the commit at hand */
    struct memory_tier minutes, hours;  /* of what is rolled up */
    size_t conflicts;                   /* since the last fold */
};

struct memory_journal {
    struct journal_batch batch;
    struct memory_journal *next;
    struct alarm_command command;
    struct reading readings[];
};

struct memory_engine {
    struct store_options options;
    pthread_rwlock_t lock;              /* of all below */
    struct memory_table patients, patient_ids, sources, source_names, limits, alerts;
    struct memory_table summaries, summary_times, feedbacks, users, usernames, settings, snapshots, audits;
    struct memory_undo undo;
    int64_t last_user, snapshot_seq;

    struct memory_journal *journal_first, **journal_last;
    _Atomic int64_t next_seq;

    struct memory_series **series;      /* by patient */
    uint32_t series_count;
    int64_t roll_hour;                  /* hours before are rolled up, this one up to roll_patient */
    uint32_t roll_patient;
    int64_t folded_at_us, dropped_at_us; /* monotonic */
};

/* memory_series.c.  Reserve takes all the memory a commit needs; put cannot fail after it. */
bool series_memory_reserve(struct memory_engine *engine, const struct journal_batch *batch, struct err *err) MUST_CHECK;
void series_memory_put(struct memory_engine *engine, const struct reading *reading);
void series_memory_forget_reserved(struct memory_engine *engine);
bool series_memory_roll(struct memory_engine *engine, uint32_t patient, int64_t hour, struct err *err) MUST_CHECK;
void series_memory_drop(struct memory_engine *engine, int64_t floor_minute);
bool series_memory_history(void *engine, struct arena *, uint32_t patient, int64_t from_us, int64_t to_us,
                           size_t points_max, struct history *, struct err *);
bool series_memory_readings(void *engine, struct arena *, uint32_t patient, int64_t from_us, int64_t to_us,
                            size_t limit, struct reading **, size_t *, struct err *);
void series_memory_free(struct memory_engine *engine);
static inline int64_t memory_retention_floor_us(const struct memory_engine *engine)
{
    return clock_now_us(engine->options.clock) - engine->options.raw_retention_h * US_PER_HOUR;
}

/* memory_rows.c: the plain tables. */
void rows_memory_init(struct memory_engine *engine);
void rows_memory_free(struct memory_engine *engine);
bool rows_memory_write(struct memory_engine *engine, const struct store_write *write, struct err *err) MUST_CHECK;
bool rows_memory_audit(struct memory_engine *engine, const struct audit_row *row, struct err *err) MUST_CHECK;
bool rows_memory_patients(void *, struct arena *, struct patient_row **, size_t *, struct err *);
bool rows_memory_sources(void *, struct arena *, struct source_row **, size_t *, struct err *);
bool rows_memory_limits(void *, struct arena *, struct limits_row **, size_t *, struct err *);
bool rows_memory_alerts(void *, struct arena *, const struct alert_query *, struct alert **, size_t *, struct err *);
bool rows_memory_summaries(void *, struct arena *, const struct summary_query *, struct summary_row **,
                           size_t *, struct err *);
bool rows_memory_summary(void *, struct arena *, const char *, struct summary_row **, size_t *, struct err *);
bool rows_memory_feedbacks(void *, struct arena *, int64_t, int64_t, size_t, struct feedback_row **,
                           size_t *, struct err *);
bool rows_memory_users(void *, struct arena *, struct user_row **, size_t *, struct err *);
bool rows_memory_audits(void *, struct arena *, int64_t before, size_t, struct audit_row **, size_t *, struct err *);
bool rows_memory_audit_verify(void *, int64_t *, struct err *);
bool rows_memory_setting(void *, struct arena *, const char *, void **, size_t *, struct err *);
bool rows_memory_snapshots(void *, struct arena *, struct snapshot_row **, size_t *, int64_t *, struct err *);

#endif
