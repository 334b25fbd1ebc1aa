/* store.h - what is kept: readings, patients, alerts, summaries, users, audit, keys.
 *
 * Engines:  store/sqlite.c (default) and store/memory.c (tests, --store memory), each a const
 *           struct store_engine.  Callers see this header only.
 * Writing:  a struct store_write is one atomic unit.  store_submit() queues it; ONE writer thread
 *           commits many units together (group commit, synchronous=FULL) and then calls done() for
 *           each.  done(ok=true) means: on disk.  Units are committed in the order of submission.
 *           Order matters: the journal of readings and commands is the truth, everything else is
 *           derived from it or written beside it.
 * Owner:    what a store_write points to belongs to the caller until done() has been called.
 * Threads:  any thread may submit and read.  done() runs on the writer thread: keep it short.
 * Bounds:   STORE_QUEUE_ITEMS_MAX units wait at most; beyond it store_submit() says ERR_BUSY.
 * Failure:  a failed commit fails every unit in it with ERR_UNAVAILABLE (nothing of it is stored), health
 *           turns `degraded`, the writer backs off and goes on with the next; it never retries an fsync.
 * Tests:    store_step() commits what is queued on the caller's thread (no writer thread is
 *           started when options.threaded is false), so that one seed repeats a whole run. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/arena.h"
#include "base/bounds.h"
#include "base/clock.h"
#include "base/err.h"
#include "clinical/alarm.h"
#include "clinical/reading.h"

struct store;

struct store_options {
    const char *engine;      /* "sqlite" or "memory" */
    const char *data_dir;    /* sqlite: DIR/wardscribe.db, created 0700/0600 */
    const char *vfs;         /* SQLite VFS by name; NULL: the system's.  Tests: a crash VFS */
    const struct clock *clock;
    bool threaded;
    int raw_retention_h;     /* readings older than this are dropped; buckets stay (default 168) */
    bool read_only;          /* sqlite: an existing database, also beside a running server: no writer, no
                              * lock, no checkpoint; sees what was stored when it was opened.
                              * store_submit() says ERR_UNAVAILABLE */
    int checkpoint_pages;    /* sqlite: pages of log before they are copied; 0: CHECKPOINT_PAGES */
};

bool store_open(const struct store_options *options, struct store **out, struct err *err) MUST_CHECK;
void store_close(struct store *store);      /* commits what is queued, folds, then closes */
bool store_step(struct store *store);       /* true: something was done.  Not with `threaded` */
/* Folds and drops everything that is due now; waits for it. */
bool store_fold(struct store *store, struct err *err) MUST_CHECK;
/* A consistent copy while the store is in use. */
bool store_backup(struct store *store, const char *path, struct err *err) MUST_CHECK;
/* One line for /health: "ok" or what is wrong (in `text`), and the engine's version. */
bool store_health(struct store *store, char *text, size_t size);

/* ---- rows ---- */

struct patient_row {
    uint32_t number;                    /* stable; given by the registry, from 1 */
    char id[PATIENT_ID_SIZE], name[PATIENT_NAME_SIZE];
    char bed[24], gender[16], diagnosis[96], physician[64];
    int16_t age;                        /* years, -1 unknown */
    bool simulated, discharged;
    int64_t admitted_us;
};

struct source_row {
    uint16_t number;
    char name[SOURCE_SIZE];
};

/* Limits are stored as the engine's own bytes; `version` is the writer's format. */
struct limits_row {
    uint32_t patient;
    struct alarm_limits limits;
};

struct summary_row {
    char id[64], patient_id[PATIENT_ID_SIZE];
    int64_t time_us, window_start_us, window_end_us;
    const char *document;               /* the whole JSON object as served */
};

/* What a reader thought of a summary; kept as it was said, whether it is learned from or not. */
struct feedback_row {
    char id[96], summary_id[64], patient_id[PATIENT_ID_SIZE];
    int64_t time_us;
    const char *document;               /* the whole JSON object */
};

struct user_row {
    int64_t id;
    char username[64], full_name[96], email[128], role[16];
    char password_hash[128];            /* argon2id, crypto_pwhash_str */
    bool active;
    int64_t created_us, last_login_us;  /* last_login 0: never */
    int64_t valid_after_us;             /* tokens issued before are refused (logout all, role change) */
};

struct audit_row {
    int64_t seq, time_us;
    char actor[64], action[48], object[96];
    const char *detail;                 /* JSON object or "" */
    uint8_t hash[32];                   /* BLAKE2b(previous hash, fields); made by the store */
};

/* A small named value: signing keys, epoch, revoked tokens. */
struct setting_row {
    const char *key;
    const void *value;                  /* NULL deletes */
    size_t size;
};

enum journal_kind { JOURNAL_READINGS = 1, JOURNAL_COMMAND = 2 };

/* A piece of the vitals stream: `count` readings or one command, records seq … seq+count-1. */
struct journal_batch {
    int64_t seq;
    enum journal_kind kind;
    uint32_t count;
    const struct reading *readings;
    const struct alarm_command *command;
    uint32_t command_patient;
};

/* The alert-engine's whole state for one patient, as of the journal's `seq` (see journal_read). */
struct snapshot_row {
    uint32_t patient;
    const void *state;
    size_t size;
};

struct store_write {
    struct store_write *next;           /* the queue's */
    void (*done)(struct store_write *write, bool ok, const struct err *err);

    const struct journal_batch *journal;   size_t journal_count;
    const struct patient_row *patients;    size_t patient_count;   /* upsert by number */
    const struct source_row *sources;      size_t source_count;
    const struct limits_row *limits;       size_t limits_count;    /* upsert by patient */
    /* upsert by (patient, type, onset); an older version never replaces a newer one */
    const struct alert *alerts;            size_t alert_count;
    const struct summary_row *summaries;   size_t summary_count;   /* upsert by id */
    const struct feedback_row *feedbacks;  size_t feedback_count;  /* upsert by id */
    const struct user_row *users;          size_t user_count;      /* upsert by id; id 0 inserts */
    const struct audit_row *audits;        size_t audit_count;     /* appended; seq and hash are made here */
    const struct setting_row *settings;    size_t setting_count;
    const struct snapshot_row *snapshots;  size_t snapshot_count;
    int64_t snapshot_seq;                  /* with snapshots: all journal records < seq are in them */
};

bool store_submit(struct store *store, struct store_write *write, struct err *err) MUST_CHECK;
/* Submits and waits for the commit.  Not from the writer thread. */
bool store_write_sync(struct store *store, struct store_write *write, struct err *err) MUST_CHECK;

/* ---- reading back.  Results live in `arena`. ---- */

bool store_patients(struct store *store, struct arena *arena, struct patient_row **out, size_t *out_count,
                    struct err *err) MUST_CHECK;
bool store_sources(struct store *store, struct arena *arena, struct source_row **out, size_t *out_count,
                   struct err *err) MUST_CHECK;
bool store_limits(struct store *store, struct arena *arena, struct limits_row **out, size_t *out_count,
                  struct err *err) MUST_CHECK;

/* One bucket of one vital; a raw reading is a bucket of count 1. */
struct history_point {
    int64_t time_us;                    /* start of the bucket, or the reading's own time */
    int32_t min_milli, max_milli, mean_milli;
    uint32_t count;
};
struct history {
    int64_t bucket_us;                  /* 0: raw */
    struct history_point *points[VITAL_COUNT];
    size_t count[VITAL_COUNT];
    uint64_t implausible_count;         /* marked values in the range, kept out of the points */
};
/* At most about `points_max` points per vital: picks raw, minute or hour data and merges buckets;
 * costs time in proportion to what is drawn, whatever the range. */
bool store_history(struct store *store, struct arena *arena, uint32_t patient, int64_t from_us,
                   int64_t to_us, size_t points_max, struct history *out, struct err *err) MUST_CHECK;
/* Every stored reading with from <= time < to, by time, then source; at most `limit`, each once. */
bool store_readings(struct store *store, struct arena *arena, uint32_t patient, int64_t from_us,
                    int64_t to_us, size_t limit, struct reading **out, size_t *out_count, struct err *err) MUST_CHECK;

struct alert_query {
    uint32_t patient;                   /* 0: all */
    bool open_only;                     /* state is not closed */
    int64_t from_us, to_us;             /* onset in [from, to); to 0: no end */
    size_t limit;                       /* newest first */
};
bool store_alerts(struct store *store, struct arena *arena, const struct alert_query *query,
                  struct alert **out, size_t *out_count, struct err *err) MUST_CHECK;

struct summary_query {
    const char *patient_id;             /* NULL: all patients */
    int64_t from_us, to_us;             /* written in [from, to); to 0: no end */
    size_t limit;                       /* newest first */
};
bool store_summaries(struct store *store, struct arena *arena, const struct summary_query *query,
                     struct summary_row **out, size_t *out_count, struct err *err) MUST_CHECK;
/* *out is NULL when there is none with this id. */
bool store_summary(struct store *store, struct arena *arena, const char *id, struct summary_row **out,
                   struct err *err) MUST_CHECK;
/* Those with from <= time < to, oldest first. */
bool store_feedbacks(struct store *store, struct arena *arena, int64_t from_us, int64_t to_us, size_t limit,
                     struct feedback_row **out, size_t *out_count, struct err *err) MUST_CHECK;
bool store_users(struct store *store, struct arena *arena, struct user_row **out, size_t *out_count,
                 struct err *err) MUST_CHECK;
/* Newest first, seq < before (0: no bound). */
bool store_audits(struct store *store, struct arena *arena, int64_t before, size_t limit,
                  struct audit_row **out, size_t *out_count, struct err *err) MUST_CHECK;
/* Walks the whole chain; false with the first broken row's seq in `err`. */
bool store_audit_verify(struct store *store, int64_t *out_count, struct err *err) MUST_CHECK;
/* *out is NULL when there is none. */
bool store_setting(struct store *store, struct arena *arena, const char *key, void **out, size_t *out_size,
                   struct err *err) MUST_CHECK;

/* Recovery: the newest snapshot set, then every journal batch from its seq on, in order. */
bool store_snapshots(struct store *store, struct arena *arena, struct snapshot_row **out, size_t *out_count,
                     int64_t *out_seq, struct err *err) MUST_CHECK;
typedef bool journal_visitor(void *context, const struct journal_batch *batch, struct err *err);
bool store_journal_read(struct store *store, int64_t from_seq, journal_visitor *visit, void *context,
                        struct err *err) MUST_CHECK;
int64_t store_journal_next_seq(struct store *store);   /* the seq the next record gets */

#endif
