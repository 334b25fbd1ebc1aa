#include "store/store.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "store/engine.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* One commit takes what waits, up to this: 20,000 readings are 800 KB of journal, about 10 ms. */
enum { GROUP_COST_MAX = 20000 };
/* After a failed commit: 100 ms, doubled to 2 s.  trust.md A5 wants to be back within 5 s of the
 * disk's return; a loop without a pause spun 88,585 times in 6 s on a full disk. */
#define BACKOFF_MIN_US (100 * US_PER_MS)
#define BACKOFF_MAX_US (2 * US_PER_S)
#define IDLE_WAIT_US   (200 * US_PER_MS)

struct store {
    const struct store_engine *engine;
    void *impl;
    const struct clock *clock;
    bool threaded, read_only;
    pthread_t thread;

    pthread_mutex_t mutex;              /* of all below */
    pthread_cond_t wake, folded;
    struct store_write *first, **last;
    size_t queue_items, queue_cost;
    bool stopping;
    uint64_t fold_wanted, fold_done;    /* tickets of store_fold() */
    bool failing;
    struct err failure, fold_error;
    int64_t backoff_us, retry_at_us;    /* monotonic */
};

static struct metric commits = METRIC_COUNTER("wardscribe_store_commits_total", "Groups committed.");
static struct metric commit_failures =
    METRIC_COUNTER("wardscribe_store_commit_failures_total", "Groups that failed; nothing of them is stored.");
static struct metric commit_seconds =
    METRIC_HISTOGRAM("wardscribe_store_commit_seconds", "Time to make a group durable.");
static struct metric slice_seconds =
    METRIC_HISTOGRAM("wardscribe_store_fold_slice_seconds", "Time the writer is away for one slice of folding.");
static struct metric queue_depth = METRIC_GAUGE("wardscribe_store_queue_units", "Units that wait for the writer.");
static struct metric journal_readings =
    METRIC_COUNTER("wardscribe_store_readings_total", "Readings made durable, repetitions included.");

/* ---- what a unit may hold ---- */

/* Year 9999: what time_parse() takes. */
#define TIME_US_MAX (INT64_C(253402300800) * US_PER_S)

static bool batch_valid(const struct journal_batch *batch, struct err *err)
{
    if (batch->seq < 0)
        return err_set(err, ERR_INPUT, "journal: sequence number %lld", (long long)batch->seq);
    if (batch->kind == JOURNAL_COMMAND)
        return batch->count == 1 || err_set(err, ERR_INPUT, "journal: a command counts 1");
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct reading *r = &batch->readings[i];
        if (r->patient == 0 || r->patient > PATIENT_COUNT_MAX)
            return err_set(err, ERR_INPUT, "reading: patient number %u", r->patient);
        if (r->time_us < 0 || r->time_us >= TIME_US_MAX)
            return err_set(err, ERR_INPUT, "reading: time outside 1970 to 9999");
    }
    return true;
}

bool store_write_valid(const struct store_write *write, struct err *err)
{
    for (size_t i = 0; i < write->journal_count; i++)
        if (!batch_valid(&write->journal[i], err))
            return false;
    for (size_t i = 0; i < write->patient_count; i++)
        if (write->patients[i].number == 0 || write->patients[i].number > PATIENT_COUNT_MAX)
            return err_set(err, ERR_INPUT, "patient number %u", write->patients[i].number);
    return true;
}

static size_t cost_of(const struct store_write *write)
{
    size_t cost = 1 + write->patient_count + write->source_count + write->limits_count +
                  write->alert_count + write->summary_count + write->feedback_count + write->user_count +
                  write->audit_count + write->setting_count + write->snapshot_count;
    for (size_t i = 0; i < write->journal_count; i++)
        cost += write->journal[i].count;
    return cost;
}

/* ---- the queue ---- */

bool store_submit(struct store *store, struct store_write *write, struct err *err)
{
    if (store->read_only)
        return err_set(err, ERR_UNAVAILABLE, "the store is open for reading only");
    if (!store_write_valid(write, err))
        return false;
    size_t cost = cost_of(write);
    CHECK(pthread_mutex_lock(&store->mutex) == 0);
    bool full = store->stopping || store->queue_items >= STORE_QUEUE_ITEMS_MAX ||
                (store->queue_items && store->queue_cost + cost > STORE_QUEUE_COST_MAX);
    if (!full) {
        write->next = NULL;
        *store->last = write;
        store->last = &write->next;
        store->queue_items++;
        store->queue_cost += cost;
        if (store->queue_items == 1)
            pthread_cond_signal(&store->wake);
    }
    CHECK(pthread_mutex_unlock(&store->mutex) == 0);
    return !full || err_set(err, ERR_BUSY, "the store's queue is full");
}

/* With the mutex held.  The units stay linked by `next`. */
static struct store_write *take_group(struct store *store)
{
    struct store_write *group = store->first, *end = NULL;
    size_t cost = 0, items = 0;
    for (struct store_write *w = store->first; w; end = w, w = w->next) {
        size_t more = cost_of(w);
        if (items && cost + more > GROUP_COST_MAX)
            break;
        cost += more;
        items++;
    }
    if (!group)
        return NULL;
    store->first = end->next;
    end->next = NULL;
    if (!store->first)
        store->last = &store->first;
    store->queue_items -= items;
    store->queue_cost -= cost;
    metric_set(&queue_depth, (int64_t)store->queue_items);
    return group;
}

/* ---- committing ---- */

static bool storage_failed(const struct err *err)
{
    return err->kind == ERR_IO || err->kind == ERR_UNAVAILABLE;
}

static void note_failure(struct store *store, const struct err *err)
{
    CHECK(pthread_mutex_lock(&store->mutex) == 0);
    bool first = !store->failing;
    store->failing = true;
    store->failure = *err;
    int64_t twice = store->backoff_us * 2;
    store->backoff_us = twice < BACKOFF_MIN_US ? BACKOFF_MIN_US : twice > BACKOFF_MAX_US ? BACKOFF_MAX_US : twice;
    store->retry_at_us = clock_monotonic_us(store->clock) + store->backoff_us;
    CHECK(pthread_mutex_unlock(&store->mutex) == 0);
    if (first)
        log_error("the store cannot write", LOG_ERR(err));
}

static void note_success(struct store *store)
{
    CHECK(pthread_mutex_lock(&store->mutex) == 0);
    bool first = store->failing;
    store->failing = false;
    store->backoff_us = store->retry_at_us = 0;
    CHECK(pthread_mutex_unlock(&store->mutex) == 0);
    if (first)
        log_info("the store writes again");
}

static void finish(struct store_write *group, bool ok, const struct err *err)
{
    for (struct store_write *w = group, *next; w; w = next) {
        next = w->next; /* done() may free the unit */
        for (size_t i = 0; ok && i < w->journal_count; i++)
            metric_add(&journal_readings, w->journal[i].kind == JOURNAL_READINGS ? w->journal[i].count : 0);
        if (w->done)
            w->done(w, ok, err);
    }
}

/* What failed stays failed: after a failed fsync the kernel may call the same pages clean, so the
 * same commit is never tried again; a new connection starts from what is on disk. */
static void after_storage_failure(struct store *store, const struct err *err)
{
    struct err again = { 0 };
    metric_add(&commit_failures, 1);
    note_failure(store, err);
    if (!store->engine->recover(store->impl, &again))
        log_warn("the store does not come back yet", LOG_ERR(&again));
}

static bool commit_list(struct store *store, struct store_write *group, struct err *err)
{
    int64_t start = clock_monotonic_us(store->clock);
    bool ok = store->engine->commit(store->impl, group, err);
    if (ok) {
        metric_add(&commits, 1);
        metric_observe_us(&commit_seconds, clock_monotonic_us(store->clock) - start);
        note_success(store);
    } else if (storage_failed(err)) {
        after_storage_failure(store, err);
        err->kind = ERR_UNAVAILABLE; /* to who waits: 503, send it again */
    }
    return ok;
}

static void commit_group(struct store *store, struct store_write *group)
{
    struct err err = { 0 };
    bool ok = commit_list(store, group, &err);
    if (ok || storage_failed(&err) || !group->next) {
        finish(group, ok, ok ? NULL : &err);
        return;
    }
    /* One unit is wrong (a name that exists already): the others must not pay for it. */
    while (group) {
        struct store_write *one = group;
        group = group->next;
        one->next = NULL;
        err_clear(&err);
        ok = commit_list(store, one, &err);
        finish(one, ok, ok ? NULL : &err);
        if (!ok && storage_failed(&err)) {
            finish(group, false, &err);
            return;
        }
    }
}

/* ---- folding ---- */

/* Returns true if there is more to do at once. */
static bool maintain(struct store *store, enum maintain how)
{
    struct err err = { 0 };
    bool more = false;
    int64_t start = clock_monotonic_us(store->clock);
    bool ok = store->engine->maintain(store->impl, how, &more, &err);
    if (!ok)
        after_storage_failure(store, &err);
    else if (more)
        metric_observe_us(&slice_seconds, clock_monotonic_us(store->clock) - start);
    CHECK(pthread_mutex_lock(&store->mutex) == 0);
    if (how == MAINTAIN_NOW && (!ok || !more) && store->fold_done < store->fold_wanted) {
        store->fold_done = store->fold_wanted;
        store->fold_error = err;
        pthread_cond_broadcast(&store->folded);
    }
    CHECK(pthread_mutex_unlock(&store->mutex) == 0);
    return ok && more;
}

bool store_step(struct store *store)
{
    if (store->read_only)
        return false;
    CHECK(pthread_mutex_lock(&store->mutex) == 0);
    bool wait = clock_monotonic_us(store->clock) < store->retry_at_us && !store->stopping;
    struct store_write *group = wait ? NULL : take_group(store);
    /* A fold ticket is served only after what was queued before it. */
    bool fold = !store->first && store->fold_done < store->fold_wanted;
    CHECK(pthread_mutex_unlock(&store->mutex) == 0);
    if (wait)
        return false;
    if (group)
        commit_group(store, group);
    bool more = maintain(store, fold ? MAINTAIN_NOW : MAINTAIN_IF_DUE);
    return group || more;
}

static bool idle(struct store *store)
{
    bool fold = store->fold_done < store->fold_wanted;
    bool blocked = clock_monotonic_us(store->clock) < store->retry_at_us;
    return !store->stopping && (blocked || (!store->first && !fold));
}

static void wait_for_work(struct store *store)
{
    CHECK(pthread_mutex_lock(&store->mutex) == 0);
    if (idle(store)) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        int64_t left = store->retry_at_us - clock_monotonic_us(store->clock);
        int64_t us = left > 0 && left < IDLE_WAIT_US ? left : IDLE_WAIT_US;
        int64_t ns = until.tv_nsec + us * 1000;
        until.tv_sec += ns / 1000000000;
        until.tv_nsec = ns % 1000000000;
        pthread_cond_timedwait(&store->wake, &store->mutex, &until);
    }
    CHECK(pthread_mutex_unlock(&store->mutex) == 0);
}

static bool stop_wanted(struct store *store)
{
    CHECK(pthread_mutex_lock(&store->mutex) == 0);
    bool stop = store->stopping;
    CHECK(pthread_mutex_unlock(&store->mutex) == 0);
    return stop;
}

static void *writer_main(void *context)
{
    struct store *store = context;
    pthread_setname_np(pthread_self(), "store-writer");
    while (!stop_wanted(store))
        if (!store_step(store))
            wait_for_work(store);
    return NULL;
}

bool store_fold(struct store *store, struct err *err)
{
    if (store->read_only)
        return err_set(err, ERR_UNAVAILABLE, "the store is open for reading only");
    CHECK(pthread_mutex_lock(&store->mutex) == 0);
    uint64_t ticket = ++store->fold_wanted;
    pthread_cond_signal(&store->wake);
    while (store->threaded && store->fold_done < ticket)
        pthread_cond_wait(&store->folded, &store->mutex);
    CHECK(pthread_mutex_unlock(&store->mutex) == 0);
    while (!store->threaded && store->fold_done < ticket)
        if (!store_step(store) && store->fold_done < ticket)
            return err_set(err, ERR_UNAVAILABLE, "the store backs off");
    CHECK(pthread_mutex_lock(&store->mutex) == 0);
    struct err failure = store->fold_error;
    CHECK(pthread_mutex_unlock(&store->mutex) == 0);
    return failure.kind == ERR_NONE || err_set(err, failure.kind, "%s", failure.text);
}

/* ---- waiting for one unit ---- */

struct sync_write {
    struct store_write write;           /* first: done() gets this address back */
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool finished, ok;
    struct err err;
};

static void sync_done(struct store_write *write, bool ok, const struct err *err)
{
    struct sync_write *sync = (struct sync_write *)write;
    CHECK(pthread_mutex_lock(&sync->mutex) == 0);
    sync->finished = true;
    sync->ok = ok;
    if (!ok)
        sync->err = *err;
    pthread_cond_signal(&sync->cond);
    CHECK(pthread_mutex_unlock(&sync->mutex) == 0);
}

bool store_write_sync(struct store *store, struct store_write *write, struct err *err)
{
    struct sync_write sync = { .write = *write, .mutex = PTHREAD_MUTEX_INITIALIZER,
                               .cond = PTHREAD_COND_INITIALIZER };
    sync.write.done = sync_done;
    if (!store_submit(store, &sync.write, err))
        return false;
    while (!store->threaded && !sync.finished) {
        if (!store_step(store) && !sync.finished) { /* backing off; its time comes by itself */
            struct timespec pause = { .tv_nsec = 1000000 };
            nanosleep(&pause, NULL);
            CHECK(pthread_mutex_lock(&store->mutex) == 0);
            store->retry_at_us = 0;
            CHECK(pthread_mutex_unlock(&store->mutex) == 0);
        }
    }
    CHECK(pthread_mutex_lock(&sync.mutex) == 0);
    while (!sync.finished)
        pthread_cond_wait(&sync.cond, &sync.mutex);
    CHECK(pthread_mutex_unlock(&sync.mutex) == 0);
    return sync.ok || err_set(err, sync.err.kind, "%s", sync.err.text);
}

/* ---- opening and closing ---- */

static const struct store_engine *engine_by_name(const char *name)
{
    static const struct store_engine *const engines[] = { &store_engine_sqlite, &store_engine_memory };
    for (size_t i = 0; i < sizeof engines / sizeof *engines; i++)
        if (strcmp(engines[i]->name, name) == 0)
            return engines[i];
    return NULL;
}

static void init_threads(struct store *store)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    CHECK(pthread_mutex_init(&store->mutex, NULL) == 0);
    CHECK(pthread_cond_init(&store->wake, &monotonic) == 0);
    CHECK(pthread_cond_init(&store->folded, NULL) == 0);
    pthread_condattr_destroy(&monotonic);
}

static void free_store(struct store *store)
{
    pthread_cond_destroy(&store->folded);
    pthread_cond_destroy(&store->wake);
    pthread_mutex_destroy(&store->mutex);
    mem_free(store);
}

bool store_open(const struct store_options *options, struct store **out, struct err *err)
{
    struct store_options filled = *options;
    const struct store_engine *engine = engine_by_name(options->engine);
    if (!engine)
        return err_set(err, ERR_CONFIG, "store: no engine '%s' (sqlite, memory)", options->engine);
    if (filled.raw_retention_h <= 0)
        filled.raw_retention_h = 168;
    struct store *store = mem_new(1, sizeof *store);
    *store = (struct store){ .engine = engine, .clock = options->clock, .read_only = options->read_only,
                             .threaded = options->threaded && !options->read_only };
    store->last = &store->first;
    init_threads(store);
    if (!engine->open(&filled, &store->impl, err)) {
        free_store(store);
        return err_context(err, "store");
    }
    if (store->threaded && pthread_create(&store->thread, NULL, writer_main, store) != 0) {
        engine->close(store->impl);
        free_store(store);
        return err_set(err, ERR_UNAVAILABLE, "store: no thread for the writer");
    }
    *out = store;
    return true;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    CHECK(pthread_mutex_lock(&store->mutex) == 0);
    store->stopping = true;
    pthread_cond_signal(&store->wake);
    CHECK(pthread_mutex_unlock(&store->mutex) == 0);
    if (store->threaded)
        pthread_join(store->thread, NULL);
    store->retry_at_us = 0;
    for (struct store_write *group; (group = take_group(store));)
        commit_group(store, group);
    while (!store->read_only && !store->failing && maintain(store, MAINTAIN_NOW))
        ;
    store->engine->close(store->impl);
    free_store(store);
}

bool store_health(struct store *store, char *text, size_t size)
{
    CHECK(pthread_mutex_lock(&store->mutex) == 0);
    bool failing = store->failing;
    struct err failure = store->failure;
    CHECK(pthread_mutex_unlock(&store->mutex) == 0);
    unsigned long long damaged = store->engine->damaged_count(store->impl);
    const char *version = store->engine->version();
    if (failing)
        snprintf(text, size, "cannot write: %s (%s)", failure.text, version);
    else if (damaged)
        snprintf(text, size, "%llu damaged rows were refused (%s)", damaged, version);
    else
        snprintf(text, size, "ok (%s)", version);
    return !failing && !damaged;
}

/* ---- reading: the engine's own ---- */

bool store_backup(struct store *store, const char *path, struct err *err)
{
    return store->engine->backup(store->impl, path, err);
}

bool store_patients(struct store *store, struct arena *arena, struct patient_row **out,
                    size_t *out_count, struct err *err)
{
    return store->engine->patients(store->impl, arena, out, out_count, err);
}

bool store_sources(struct store *store, struct arena *arena, struct source_row **out,
                   size_t *out_count, struct err *err)
{
    return store->engine->sources(store->impl, arena, out, out_count, err);
}

bool store_limits(struct store *store, struct arena *arena, struct limits_row **out, size_t *out_count, struct err *err)
{
    return store->engine->limits(store->impl, arena, out, out_count, err);
}

bool store_history(struct store *store, struct arena *arena, uint32_t patient, int64_t from_us,
                   int64_t to_us, size_t points_max, struct history *out, struct err *err)
{
    *out = (struct history){ 0 };
    from_us = from_us > 0 ? from_us : 0;
    to_us = to_us < TIME_US_MAX ? to_us : TIME_US_MAX;
    if (from_us >= to_us)
        return true;
    return store->engine->history(store->impl, arena, patient, from_us, to_us,
                                  points_max ? points_max : 1, out, err);
}

bool store_readings(struct store *store, struct arena *arena, uint32_t patient, int64_t from_us,
                    int64_t to_us, size_t limit, struct reading **out, size_t *out_count, struct err *err)
{
    *out = NULL, *out_count = 0;
    from_us = from_us > 0 ? from_us : 0;
    to_us = to_us < TIME_US_MAX ? to_us : TIME_US_MAX;
    if (from_us >= to_us || !limit)
        return true;
    return store->engine->readings(store->impl, arena, patient, from_us, to_us, limit, out, out_count, err);
}

bool store_alerts(struct store *store, struct arena *arena, const struct alert_query *query,
                  struct alert **out, size_t *out_count, struct err *err)
{
    return store->engine->alerts(store->impl, arena, query, out, out_count, err);
}

bool store_summaries(struct store *store, struct arena *arena, const struct summary_query *query,
                     struct summary_row **out, size_t *out_count, struct err *err)
{
    struct summary_query bounded = *query;
    bounded.to_us = query->to_us ? query->to_us : INT64_MAX;
    return store->engine->summaries(store->impl, arena, &bounded, out, out_count, err);
}

bool store_summary(struct store *store, struct arena *arena, const char *id, struct summary_row **out, struct err *err)
{
    size_t count = 0;
    if (!store->engine->summary(store->impl, arena, id, out, &count, err))
        return false;
    if (!count)
        *out = NULL;
    return true;
}

bool store_feedbacks(struct store *store, struct arena *arena, int64_t from_us, int64_t to_us, size_t limit,
                     struct feedback_row **out, size_t *out_count, struct err *err)
{
    return store->engine->feedbacks(store->impl, arena, from_us, to_us, limit, out, out_count, err);
}

bool store_users(struct store *store, struct arena *arena, struct user_row **out, size_t *out_count, struct err *err)
{
    return store->engine->users(store->impl, arena, out, out_count, err);
}

bool store_audits(struct store *store, struct arena *arena, int64_t before, size_t limit,
                  struct audit_row **out, size_t *out_count, struct err *err)
{
    return store->engine->audits(store->impl, arena, before, limit, out, out_count, err);
}

bool store_audit_verify(struct store *store, int64_t *out_count, struct err *err)
{
    return store->engine->audit_verify(store->impl, out_count, err);
}

bool store_setting(struct store *store, struct arena *arena, const char *key, void **out,
                   size_t *out_size, struct err *err)
{
    return store->engine->setting(store->impl, arena, key, out, out_size, err);
}

bool store_snapshots(struct store *store, struct arena *arena, struct snapshot_row **out, size_t *out_count,
                     int64_t *out_seq, struct err *err)
{
    return store->engine->snapshots(store->impl, arena, out, out_count, out_seq, err);
}

bool store_journal_read(struct store *store, int64_t from_seq, journal_visitor *visit, void *context, struct err *err)
{
    return store->engine->journal_read(store->impl, from_seq, visit, context, err);
}

int64_t store_journal_next_seq(struct store *store)
{
    return store->engine->journal_next_seq(store->impl);
}
