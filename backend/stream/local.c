/* local.c - the embedded stream: queues in memory, journalled by the store. */
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "stream/stream.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

enum { CONSUMERS_MAX = 8, REPLAY_BATCHES = 64 };

static struct metric refused = METRIC_COUNTER("wardscribe_stream_refused_total",
                                              "Batches refused because a queue was full.");

/* Shared by the store and every consumer; the last one frees it. */
struct shared_batch {
    struct store_write write;           /* first: done() gets it back */
    struct stream_batch batch;
    struct journal_batch journal;
    struct alarm_command command;
    stream_done *done;
    void *context;
    atomic_int references;
    struct arena rows;
    _Alignas(8) unsigned char items[];  /* readings or alerts */
};

struct stream_consumer {
    struct stream *stream;
    char name[32];
    unsigned topics;
    const struct stream_batch **ring;
    size_t ring_size, first, count;
    uint64_t records;                   /* in the ring */
    bool woken;
    int64_t replay_seq, live_seq;       /* the journal is read until live_seq */
    pthread_cond_t wake;
};

struct stream {
    struct store *store;
    const struct clock *clock;
    pthread_mutex_t lock;               /* of all below, and of the order of submission */
    int64_t next_seq;
    struct stream_consumer *consumers[CONSUMERS_MAX];
    int consumer_count;
};

static struct shared_batch *shared_of(const struct stream_batch *batch)
{
    return (struct shared_batch *)((uintptr_t)batch - offsetof(struct shared_batch, batch));
}

static void drop_reference(struct shared_batch *shared)
{
    if (atomic_fetch_sub(&shared->references, 1) != 1)
        return;
    arena_free(&shared->rows);
    mem_free(shared);
}

bool stream_open(struct store *store, const struct clock *clock, struct stream **out, struct err *err)
{
    (void)err;
    struct stream *stream = mem_new(1, sizeof *stream);
    stream->store = store;
    stream->clock = clock;
    stream->next_seq = store_journal_next_seq(store);
    CHECK(pthread_mutex_init(&stream->lock, NULL) == 0);
    *out = stream;
    return true;
}

void stream_close(struct stream *stream)
{
    if (!stream)
        return;
    CHECK(stream->consumer_count == 0);
    (void)pthread_mutex_destroy(&stream->lock);
    mem_free(stream);
}

/* ---- making a batch ---- */

static struct shared_batch *make_shared(enum stream_topic topic, enum stream_kind kind, const void *items,
                                        uint32_t count, size_t size)
{
    struct shared_batch *shared = mem_try_new(1, sizeof *shared + count * size);
    if (!shared)
        return NULL;
    if (count && size)
        memcpy(shared->items, items, count * size);
    shared->batch = (struct stream_batch){ .topic = topic, .kind = kind, .count = count };
    atomic_init(&shared->references, 1);
    arena_init(&shared->rows, 64 << 20);
    return shared;
}

static const void *copied(struct arena *arena, const void *rows, size_t count, size_t size)
{
    return count ? memcpy(arena_alloc(arena, count * size), rows, count * size) : NULL;
}

static void copy_rows(struct shared_batch *shared, const struct stream_rows *with)
{
    struct store_write *w = &shared->write;
    if (!with)
        return;
    w->patients = copied(&shared->rows, with->patients, w->patient_count = with->patient_count, sizeof *with->patients);
    w->sources = copied(&shared->rows, with->sources, w->source_count = with->source_count, sizeof *with->sources);
    w->limits = copied(&shared->rows, with->limits, w->limits_count = with->limits_count, sizeof *with->limits);
    struct audit_row *audits = (void *)(uintptr_t)copied(&shared->rows, with->audits,
                                                         w->audit_count = with->audit_count, sizeof *with->audits);
    for (size_t i = 0; i < with->audit_count; i++)
        audits[i].detail = with->audits[i].detail ? arena_copy(&shared->rows, with->audits[i].detail,
                                                               strlen(with->audits[i].detail)) : "";
    w->audits = audits;
}

static void on_committed(struct store_write *write, bool ok, const struct err *err)
{
    struct shared_batch *shared = (struct shared_batch *)write;
    if (shared->done)
        shared->done(shared->context, ok, err);
    drop_reference(shared);
}

/* ---- queues, with the lock held ---- */

static bool has_room(const struct stream *stream, const struct stream_batch *batch)
{
    for (int i = 0; i < stream->consumer_count; i++) {
        const struct stream_consumer *c = stream->consumers[i];
        if ((c->topics >> batch->topic & 1) && c->records && c->records + batch->count > STREAM_QUEUE_READINGS_MAX)
            return false;
    }
    return true;
}

static void push(struct stream_consumer *consumer, struct shared_batch *shared)
{
    if (consumer->count == consumer->ring_size) {
        size_t size = consumer->ring_size ? consumer->ring_size * 2 : 64;
        const struct stream_batch **ring = mem_new(size, sizeof *ring);
        for (size_t i = 0; i < consumer->count; i++)
            ring[i] = consumer->ring[(consumer->first + i) % consumer->ring_size];
        mem_free(consumer->ring);
        consumer->ring = ring;
        consumer->ring_size = size;
        consumer->first = 0;
    }
    atomic_fetch_add(&shared->references, 1);
    consumer->ring[(consumer->first + consumer->count++) % consumer->ring_size] = &shared->batch;
    consumer->records += shared->batch.count;
    if (consumer->count == 1)
        (void)pthread_cond_signal(&consumer->wake);
}

static void push_all(struct stream *stream, struct shared_batch *shared)
{
    for (int i = 0; i < stream->consumer_count; i++)
        if (stream->consumers[i]->topics >> shared->batch.topic & 1)
            push(stream->consumers[i], shared);
}

static bool publish_vitals(struct stream *stream, struct shared_batch *shared, int64_t *out_seq, struct err *err)
{
    bool ok = true;
    (void)pthread_mutex_lock(&stream->lock);
    shared->batch.seq = shared->journal.seq = stream->next_seq;
    shared->batch.published_us = clock_monotonic_us(stream->clock);
    if (!has_room(stream, &shared->batch))
        ok = err_set(err, ERR_BUSY, "the alarm queue is full; send again");
    ok = ok && store_submit(stream->store, &shared->write, err);
    if (ok) {
        stream->next_seq += shared->batch.count;
        if (out_seq)
            *out_seq = shared->batch.seq;
        push_all(stream, shared);
    }
    (void)pthread_mutex_unlock(&stream->lock);
    if (!ok)
        metric_add(&refused, 1);
    return ok;
}

int64_t stream_end(struct stream *stream)
{
    (void)pthread_mutex_lock(&stream->lock);
    int64_t end = stream->next_seq;
    (void)pthread_mutex_unlock(&stream->lock);
    return end;
}

void stream_skip_to(struct stream *stream, int64_t seq)
{
    (void)pthread_mutex_lock(&stream->lock);
    if (stream->next_seq < seq)
        stream->next_seq = seq;
    (void)pthread_mutex_unlock(&stream->lock);
}

bool stream_publish_readings(struct stream *stream, const struct reading *readings, uint32_t count,
                             const struct stream_rows *with, stream_done *done, void *context, struct err *err)
{
    struct shared_batch *shared = make_shared(STREAM_VITALS, STREAM_READINGS, readings, count, sizeof *readings);
    if (!shared)
        return err_set(err, ERR_BUSY, "no memory for the readings; send again");
    shared->batch.readings = (const struct reading *)shared->items;
    shared->journal = (struct journal_batch){ .kind = JOURNAL_READINGS, .count = count,
                                              .readings = shared->batch.readings };
    shared->write = (struct store_write){ .done = on_committed, .journal = &shared->journal, .journal_count = 1 };
    shared->done = done;
    shared->context = context;
    copy_rows(shared, with);
    atomic_fetch_add(&shared->references, 1); /* ours, until everybody has theirs */
    bool ok = publish_vitals(stream, shared, NULL, err);
    if (!ok)
        drop_reference(shared);
    drop_reference(shared);
    return ok;
}

bool stream_publish_command(struct stream *stream, uint32_t patient, const struct alarm_command *command,
                            const struct stream_rows *with, stream_done *done, void *context, int64_t *out_seq,
                            struct err *err)
{
    struct shared_batch *shared = make_shared(STREAM_VITALS, STREAM_COMMAND, NULL, 0, 0);
    if (!shared)
        return err_set(err, ERR_BUSY, "no memory for the command; send again");
    shared->command = *command;
    shared->batch.count = 1;
    shared->batch.command = &shared->command;
    shared->batch.command_patient = patient;
    shared->journal = (struct journal_batch){ .kind = JOURNAL_COMMAND, .count = 1, .command = &shared->command,
                                              .command_patient = patient };
    shared->write = (struct store_write){ .done = on_committed, .journal = &shared->journal, .journal_count = 1 };
    shared->done = done;
    shared->context = context;
    copy_rows(shared, with);
    atomic_fetch_add(&shared->references, 1);
    bool ok = publish_vitals(stream, shared, out_seq, err);
    if (!ok)
        drop_reference(shared);
    drop_reference(shared);
    return ok;
}

bool stream_publish_alerts(struct stream *stream, const struct alert *alerts, uint32_t count, struct err *err)
{
    struct shared_batch *shared = make_shared(STREAM_ALERTS, STREAM_ALERT, alerts, count, sizeof *alerts);
    if (!shared)
        return err_set(err, ERR_BUSY, "no memory for the alerts");
    shared->batch.alerts = (const struct alert *)shared->items;
    shared->batch.published_us = clock_monotonic_us(stream->clock);
    (void)pthread_mutex_lock(&stream->lock);
    /* Alerts are never refused: there are fewer of them than readings, whose queue is bounded. */
    push_all(stream, shared);
    (void)pthread_mutex_unlock(&stream->lock);
    drop_reference(shared);
    return true;
}

/* ---- consuming ---- */

bool stream_subscribe(struct stream *stream, const char *name, unsigned topics, int64_t from_seq,
                      struct stream_consumer **out, struct err *err)
{
    pthread_condattr_t monotonic;
    struct stream_consumer *consumer = mem_new(1, sizeof *consumer);
    consumer->stream = stream;
    consumer->topics = topics;
    (void)str_copy(consumer->name, sizeof consumer->name, name);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    CHECK(pthread_cond_init(&consumer->wake, &monotonic) == 0);
    (void)pthread_condattr_destroy(&monotonic);
    (void)pthread_mutex_lock(&stream->lock);
    bool room = stream->consumer_count < CONSUMERS_MAX;
    consumer->live_seq = stream->next_seq;
    consumer->replay_seq = from_seq < 0 ? stream->next_seq : from_seq;
    if (room)
        stream->consumers[stream->consumer_count++] = consumer;
    (void)pthread_mutex_unlock(&stream->lock);
    if (!room) {
        mem_free(consumer);
        return err_set(err, ERR_UNAVAILABLE, "more than %d consumers", CONSUMERS_MAX);
    }
    *out = consumer;
    return true;
}

void stream_unsubscribe(struct stream_consumer *consumer)
{
    struct stream *stream = consumer->stream;
    (void)pthread_mutex_lock(&stream->lock);
    for (int i = 0; i < stream->consumer_count; i++)
        if (stream->consumers[i] == consumer)
            stream->consumers[i--] = stream->consumers[--stream->consumer_count];
    (void)pthread_mutex_unlock(&stream->lock);
    for (size_t i = 0; i < consumer->count; i++)
        drop_reference(shared_of(consumer->ring[(consumer->first + i) % consumer->ring_size]));
    (void)pthread_cond_destroy(&consumer->wake);
    mem_free(consumer->ring);
    mem_free(consumer);
}

/* The journal is read in pieces: some batches go into the consumer's own queue, then the reading stops. */
struct replay {
    struct stream_consumer *consumer;
    int batches;
};

static bool replay_batch(void *context, const struct journal_batch *from, struct err *err)
{
    struct replay *replay = context;
    struct stream_consumer *consumer = replay->consumer;
    bool readings = from->kind == JOURNAL_READINGS;
    if (from->seq >= consumer->live_seq || replay->batches == REPLAY_BATCHES)
        return err_set(err, ERR_BUSY, "enough for now");
    struct shared_batch *shared = readings ? make_shared(STREAM_VITALS, STREAM_READINGS, from->readings,
                                                         from->count, sizeof(struct reading))
                                           : make_shared(STREAM_VITALS, STREAM_COMMAND, NULL, 0, 0);
    if (!shared)
        return err_set(err, ERR_UNAVAILABLE, "no memory to read the journal");
    shared->batch.seq = from->seq;
    shared->batch.published_us = clock_monotonic_us(consumer->stream->clock);
    if (readings) {
        shared->batch.readings = (const struct reading *)shared->items;
    } else {
        shared->command = *from->command;
        shared->batch.count = 1;
        shared->batch.command = &shared->command;
        shared->batch.command_patient = from->command_patient;
    }
    /* In front of what has come live meanwhile: those have higher numbers, and wait in `count`. */
    replay->batches++;
    consumer->replay_seq = from->seq + shared->batch.count;
    (void)pthread_mutex_lock(&consumer->stream->lock);
    push(consumer, shared);
    (void)pthread_mutex_unlock(&consumer->stream->lock);
    drop_reference(shared);
    return true;
}

/* While a consumer reads the journal nothing else is published (services start from the top), so the
 * order in its queue is the journal's; a live batch that slips in is behind all of it by number. */
static void refill_from_journal(struct stream_consumer *consumer)
{
    struct replay replay = { consumer, 0 };
    struct err err = { 0 };
    bool whole = store_journal_read(consumer->stream->store, consumer->replay_seq, replay_batch, &replay, &err);
    if (whole || !replay.batches)
        consumer->replay_seq = consumer->live_seq;
    if (!whole && err.kind != ERR_BUSY)
        log_error("the journal cannot be read", LOG_ERR(&err));
}

static const struct stream_batch *pop(struct stream_consumer *consumer)
{
    if (!consumer->count)
        return NULL;
    const struct stream_batch *batch = consumer->ring[consumer->first];
    consumer->first = (consumer->first + 1) % consumer->ring_size;
    consumer->count--;
    consumer->records -= batch->count;
    return batch;
}

const struct stream_batch *stream_next(struct stream_consumer *consumer, int timeout_ms)
{
    struct stream *stream = consumer->stream;
    if (!consumer->count && consumer->replay_seq < consumer->live_seq)
        refill_from_journal(consumer);
    (void)pthread_mutex_lock(&stream->lock);
    if (!consumer->count && timeout_ms > 0 && !consumer->woken) {
        struct timespec until;
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        int64_t ns = until.tv_nsec + (int64_t)timeout_ms * 1000000;
        until.tv_sec += ns / 1000000000;
        until.tv_nsec = ns % 1000000000;
        while (!consumer->count && !consumer->woken &&
               pthread_cond_timedwait(&consumer->wake, &stream->lock, &until) == 0)
            ;
    }
    consumer->woken = false;
    const struct stream_batch *batch = pop(consumer);
    (void)pthread_mutex_unlock(&stream->lock);
    return batch;
}

void stream_release(struct stream_consumer *consumer, const struct stream_batch *batch)
{
    (void)consumer;
    drop_reference(shared_of(batch));
}

void stream_wake(struct stream_consumer *consumer)
{
    (void)pthread_mutex_lock(&consumer->stream->lock);
    consumer->woken = true;
    (void)pthread_cond_signal(&consumer->wake);
    (void)pthread_mutex_unlock(&consumer->stream->lock);
}
