#include "alert-engine/engine.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    PAGE_SIZE = 256, PAGE_COUNT = PATIENT_COUNT_MAX / PAGE_SIZE + 1,
    TICK_MS = 100,               /* silence and delays are seen this late at most */
    SLICE = 64,                  /* readings per hold of the lock */
    TICK_SLICE = 2000,           /* patients per tick: when all devices fall silent at once, 20,000 a second */
    PREFETCH_AHEAD = 6,          /* readings; bench/alarm */
    SNAPSHOT_SLICE = 1024,       /* states per store unit: about 1 MB */
    COMMAND_WAIT_S = 10,
    CATCH_UP_MS = 250,
    KNOWN_MAX = 20000,           /* alerts that a recovery remembers: 2 MB */
};
/* How long a device holds back what was refused; the store's backoff is 2 s, a gateway's some minutes. */
#define KNOWN_US (15 * US_PER_MIN)
#define SNAPSHOT_EVERY_US (30 * US_PER_S)
#define RETRY_EVERY_US US_PER_S
#define PROGRESS_EVERY_US (2 * US_PER_S)

static struct metric opened_total = METRIC_COUNTER("wardscribe_alerts_opened_total", "Alerts opened.");
static struct metric open_now = METRIC_GAUGE("wardscribe_alerts_open", "Alerts open now.");
static struct metric reading_time = METRIC_HISTOGRAM("wardscribe_alarm_latency_seconds",
                                                     "From publishing a batch to its alerts.");

struct slot {
    struct alarm_patient state;
    struct alarm_limits *limits;  /* NULL: the ward's defaults */
    int64_t seq_done;             /* records below are in `state` */
    uint32_t lag_minute;          /* the minute of lag_ms; lag_before_ms is of the one before */
    uint16_t lag_ms, lag_before_ms;
    bool dirty;
    bool taken_over;              /* changed by what the store had open, which is in no journal */
};

/* An alert on its way to the store. */
struct pending {
    struct store_write write;     /* first: done() gets it back */
    struct engine *engine;
    struct pending *next;
    size_t count;
    struct alert alerts[];
};

/* A slice of the states on its way to the store.  The alarms do not wait for it. */
struct saving {
    struct store_write write;     /* first: done() gets it back */
    struct engine *engine;
    bool last;                    /* of its cycle */
    size_t count, used;           /* rows, bytes */
    atomic_int outcome;           /* enum outcome */
    struct snapshot_row rows[SNAPSHOT_SLICE];
    unsigned char bytes[SNAPSHOT_SLICE * (ALARM_SAVE_SIZE_MAX + sizeof(int64_t))];
};
enum outcome { OUTCOME_NONE, OUTCOME_SAVED, OUTCOME_FAILED };

struct engine {
    struct alert_service *service;
    struct stream_consumer *consumer;
    pthread_t thread;
    pthread_mutex_t lock;         /* slots, processed_seq */
    pthread_cond_t processed;
    struct slot *pages[PAGE_COUNT];
    uint32_t count;
    int64_t processed_seq, snapshot_seq, snapshot_us, cycle_seq;
    uint32_t cycle_at;            /* next patient of a running snapshot cycle; 0: none runs */
    struct saving *saving;        /* NULL: none is under way */
    struct alert *known;          /* what the store had of the time shortly before the start; sorted */
    size_t known_count;
    struct alarm_limits defaults;
    pthread_mutex_t failed_lock;
    struct pending *failed;       /* could not be written; tried again */
    int64_t retry_us;
    atomic_int in_flight;         /* units that the store has not answered */
    atomic_llong looked_us;
    int64_t ticked_us, tick_seq;  /* tick_seq: of the newest tick in the stream */
    atomic_bool stopping;
    bool recovered;               /* the journal has been read: readings come live from now on */
    struct alert *outbox;         /* changes of the slice at hand */
    uint32_t outbox_count, outbox_capacity;
};

/* ---- states ---- */

static struct slot *slot_of(struct engine *engine, uint32_t number)
{
    return &engine->pages[number / PAGE_SIZE][number % PAGE_SIZE];
}

static struct slot *make_slot(struct engine *engine, uint32_t number)
{
    CHECK(number && number <= PATIENT_COUNT_MAX);
    while (engine->count < number) {
        uint32_t next = engine->count + 1;
        if (!engine->pages[next / PAGE_SIZE])
            engine->pages[next / PAGE_SIZE] = mem_new(PAGE_SIZE, sizeof(struct slot));
        alarm_init(&slot_of(engine, next)->state, next);
        engine->count = next;
    }
    return slot_of(engine, number);
}

static const struct alarm_limits *limits_of(const struct engine *engine, const struct slot *slot)
{
    return slot->limits ? slot->limits : &engine->defaults;
}

static void set_limits(struct slot *slot, const struct alarm_limits *limits)
{
    if (!slot->limits)
        slot->limits = mem_new(1, sizeof *slot->limits);
    *slot->limits = *limits;
}

static size_t count_open(struct engine *engine, uint32_t first, uint32_t last)
{
    size_t count = 0;
    for (uint32_t number = first; number <= last; number++)
        count += (size_t)__builtin_popcount(slot_of(engine, number)->state.open);
    return count;
}

/* ---- alerts out ---- */

static int by_identity(const void *a, const void *b)
{
    const struct alert *x = a, *y = b;
    if (x->patient != y->patient)
        return x->patient < y->patient ? -1 : 1;
    if (x->onset_us != y->onset_us)
        return x->onset_us < y->onset_us ? -1 : 1;
    return (int)x->type - (int)y->type;
}

static const struct alert *known_alert(const struct engine *engine, const struct alert *alert)
{
    return engine->known_count ? bsearch(alert, engine->known, engine->known_count, sizeof *alert, by_identity) : NULL;
}

/* A reading that the disk refused, and that raised an alert and ended it, comes again after a restart and raises the
 * same alert: the store would take its first version for an old one. */
static void continue_versions(const struct engine *engine, struct slot *slot, struct alarm_events *events)
{
    for (int i = 0; engine->known_count && engine->recovered && i < events->count; i++) {
        const struct alert opened = events->items[i].alert;
        const struct alert *known = events->items[i].change == ALARM_OPENED ? known_alert(engine, &opened) : NULL;
        if (known && known->state != ALERT_CLOSED)
            continue;
        for (int j = i; known && j < events->count; j++)
            if (by_identity(&events->items[j].alert, known) == 0)
                events->items[j].alert.version += known->version;
        if (known && slot->state.alerts[known->type].onset_us == known->onset_us)
            slot->state.alerts[known->type].version += known->version;
    }
}

static void keep_events(struct engine *engine, struct slot *slot, struct alarm_events *events)
{
    slot->dirty = true;
    continue_versions(engine, slot, events);
    for (int i = 0; i < events->count; i++) {
        if (engine->outbox_count == engine->outbox_capacity) {
            uint32_t capacity = engine->outbox_capacity ? engine->outbox_capacity * 2 : 256;
            struct alert *bigger = mem_try_resize(engine->outbox, capacity, sizeof *bigger);
            CHECK(bigger != NULL);
            engine->outbox = bigger;
            engine->outbox_capacity = capacity;
        }
        enum alarm_change change = events->items[i].change;
        metric_add(&opened_total, change == ALARM_OPENED);
        metric_add(&open_now, (change == ALARM_OPENED) - (change == ALARM_CLOSED));
        engine->outbox[engine->outbox_count++] = events->items[i].alert;
    }
}

static void on_written(struct store_write *write, bool ok, const struct err *err)
{
    struct pending *pending = (struct pending *)write;
    struct engine *engine = pending->engine;
    if (ok) {
        mem_free(pending);
    } else {
        log_warn("alerts not written, will be tried again", LOG_INT("alerts", (int64_t)pending->count), LOG_ERR(err));
        (void)pthread_mutex_lock(&engine->failed_lock);
        pending->next = engine->failed;
        engine->failed = pending;
        (void)pthread_mutex_unlock(&engine->failed_lock);
    }
    atomic_fetch_sub(&engine->in_flight, 1);
}

static void write_pending(struct engine *engine, struct pending *pending)
{
    struct err err = { 0 };
    pending->write = (struct store_write){ .done = on_written, .alerts = pending->alerts,
                                           .alert_count = pending->count };
    atomic_fetch_add(&engine->in_flight, 1);
    if (!store_submit(engine->service->store, &pending->write, &err))
        on_written(&pending->write, false, &err);
}

static void send_outbox(struct engine *engine)
{
    uint32_t count = engine->outbox_count;
    struct err err = { 0 };
    if (!count)
        return;
    engine->outbox_count = 0;
    if (!stream_publish_alerts(engine->service->stream, engine->outbox, count, &err))
        log_error("alerts not published", LOG_ERR(&err));
    struct pending *pending = mem_new(1, sizeof *pending + count * sizeof *pending->alerts);
    pending->engine = engine;
    pending->count = count;
    memcpy(pending->alerts, engine->outbox, count * sizeof *pending->alerts);
    write_pending(engine, pending);
}

static void retry_failed(struct engine *engine, int64_t now_us)
{
    if (now_us - engine->retry_us < RETRY_EVERY_US)
        return;
    engine->retry_us = now_us;
    (void)pthread_mutex_lock(&engine->failed_lock);
    struct pending *list = engine->failed;
    engine->failed = NULL;
    (void)pthread_mutex_unlock(&engine->failed_lock);
    while (list) {
        struct pending *next = list->next;
        write_pending(engine, list);
        list = next;
    }
}

/* ---- the stream in ---- */

/* How long after its stamp a live reading came, at most, in this minute and the last: a device whose
 * clock is slow, or that sends ten seconds at once, is not silent in between. */
static void note_lag(struct slot *slot, const struct reading *reading, int64_t now_us)
{
    uint32_t minute = (uint32_t)(now_us / US_PER_MIN);
    int64_t lag_us = now_us - reading->time_us;
    if (!(reading->flags & READING_LIVE) || lag_us > READING_LIVE_US)
        return;
    if (slot->lag_minute != minute) {
        slot->lag_before_ms = slot->lag_minute + 1 == minute ? slot->lag_ms : 0;
        slot->lag_ms = 0;
        slot->lag_minute = minute;
    }
    if (lag_us > slot->lag_ms * US_PER_MS)
        slot->lag_ms = (uint16_t)(lag_us / US_PER_MS);
}

static int64_t lag_us_of(const struct slot *slot)
{
    return (slot->lag_ms > slot->lag_before_ms ? slot->lag_ms : slot->lag_before_ms) * US_PER_MS;
}

static void prefetch(struct engine *engine, const struct stream_batch *batch, uint32_t i)
{
    if (i < batch->count && batch->readings[i].patient <= engine->count)
        alarm_prefetch(&slot_of(engine, batch->readings[i].patient)->state);
}

static void take_readings(struct engine *engine, const struct stream_batch *batch)
{
    int64_t now_us = clock_now_us(engine->service->clock);
    for (uint32_t i = 0; i < batch->count;) {
        (void)pthread_mutex_lock(&engine->lock);
        for (uint32_t end = i + SLICE < batch->count ? i + SLICE : batch->count; i < end; i++) {
            struct slot *slot = make_slot(engine, batch->readings[i].patient);
            struct alarm_events events;
            prefetch(engine, batch, i + PREFETCH_AHEAD);
            if (batch->seq + i < slot->seq_done)
                continue;
            events.count = 0;
            if (engine->recovered)
                note_lag(slot, &batch->readings[i], now_us);
            alarm_reading(&slot->state, limits_of(engine, slot), &batch->readings[i], &events);
            keep_events(engine, slot, &events);
            slot->seq_done = batch->seq + i + 1;
        }
        engine->processed_seq = batch->seq + i;
        (void)pthread_mutex_unlock(&engine->lock);
    }
}

static void command_one(struct engine *engine, struct slot *slot, const struct stream_batch *batch)
{
    struct alarm_events events;
    if (batch->seq < slot->seq_done)
        return;
    events.count = 0;
    if (batch->command->kind == ALARM_LIMITS)
        set_limits(slot, &batch->command->limits);
    (void)alarm_command(&slot->state, limits_of(engine, slot), batch->command, &events);
    keep_events(engine, slot, &events);
    slot->seq_done = batch->seq + 1;
}

static void take_command(struct engine *engine, const struct stream_batch *batch)
{
    (void)pthread_mutex_lock(&engine->lock);
    if (batch->command_patient)
        command_one(engine, make_slot(engine, batch->command_patient), batch);
    else
        for (uint32_t number = 1; number <= engine->count; number++)
            command_one(engine, slot_of(engine, number), batch);
    engine->processed_seq = batch->seq + 1;
    (void)pthread_mutex_unlock(&engine->lock);
}

static void take_batch(struct engine *engine, const struct stream_batch *batch)
{
    if (batch->kind == STREAM_READINGS)
        take_readings(engine, batch);
    else if (batch->kind == STREAM_COMMAND)
        take_command(engine, batch);
    send_outbox(engine);
    (void)pthread_mutex_lock(&engine->lock);
    (void)pthread_cond_broadcast(&engine->processed);
    (void)pthread_mutex_unlock(&engine->lock);
    metric_observe_us(&reading_time, clock_monotonic_us(engine->service->clock) - batch->published_us);
}

struct due {
    uint32_t patient;
    int64_t lag_us;
};

static size_t collect_due(struct engine *engine, int64_t now_us, struct due out[TICK_SLICE])
{
    size_t count = 0;
    (void)pthread_mutex_lock(&engine->lock);
    for (uint32_t number = 1; number <= engine->count && count < TICK_SLICE; number++) {
        const struct slot *slot = slot_of(engine, number);
        if (slot->state.live && slot->state.due_us <= now_us - lag_us_of(slot))
            out[count++] = (struct due){ number, lag_us_of(slot) };
    }
    (void)pthread_mutex_unlock(&engine->lock);
    return count;
}

static void tick_now(struct engine *engine, uint32_t patient, const struct alarm_command *command)
{
    struct alarm_events events;
    (void)pthread_mutex_lock(&engine->lock);
    struct slot *slot = slot_of(engine, patient);
    events.count = 0;
    (void)alarm_command(&slot->state, limits_of(engine, slot), command, &events);
    keep_events(engine, slot, &events);
    (void)pthread_mutex_unlock(&engine->lock);
}

/* What falls due without a reading, for patients whose devices are live.  It goes through the stream,
 * behind the readings that wait there; where the stream takes nothing, it is done at once. */
static void tick(struct engine *engine)
{
    struct due due[TICK_SLICE];
    struct alarm_command command = { .kind = ALARM_TICK, .time_us = clock_now_us(engine->service->clock) };
    if (engine->processed_seq <= engine->tick_seq)
        return; /* the last ones still wait */
    size_t count = collect_due(engine, command.time_us, due);
    for (size_t i = 0; i < count; i++) {
        struct err err = { 0 };
        command.lag_us = due[i].lag_us;
        if (!stream_publish_command(engine->service->stream, due[i].patient, &command, NULL, NULL, NULL,
                                    &engine->tick_seq, &err))
            tick_now(engine, due[i].patient, &command);
    }
    send_outbox(engine);
}

/* ---- snapshots: seq_done, then alarm_save's bytes ---- */

static bool alerts_all_written(struct engine *engine)
{
    (void)pthread_mutex_lock(&engine->failed_lock);
    bool none_failed = engine->failed == NULL;
    (void)pthread_mutex_unlock(&engine->failed_lock);
    return none_failed && atomic_load(&engine->in_flight) == 0;
}

static void add_state(struct saving *saving, uint32_t patient, const struct slot *slot)
{
    unsigned char *bytes = saving->bytes + saving->used;
    memcpy(bytes, &slot->seq_done, sizeof slot->seq_done);
    size_t size = sizeof slot->seq_done + alarm_save(&slot->state, bytes + sizeof slot->seq_done);
    saving->rows[saving->count++] = (struct snapshot_row){ patient, bytes, size };
    saving->used += size;
}

static void collect_dirty(struct engine *engine, struct saving *saving)
{
    (void)pthread_mutex_lock(&engine->lock);
    for (; engine->cycle_at <= engine->count && saving->count < SNAPSHOT_SLICE; engine->cycle_at++) {
        struct slot *slot = slot_of(engine, engine->cycle_at);
        if (!slot->dirty)
            continue;
        add_state(saving, engine->cycle_at, slot);
        slot->dirty = false;
    }
    saving->last = engine->cycle_at > engine->count;
    (void)pthread_mutex_unlock(&engine->lock);
}

static void on_saved(struct store_write *write, bool ok, const struct err *err)
{
    struct saving *saving = (struct saving *)write;
    struct engine *engine = saving->engine;
    if (!ok)
        log_warn("alarm states not saved, will be tried again", LOG_ERR(err));
    atomic_store(&saving->outcome, ok ? OUTCOME_SAVED : OUTCOME_FAILED);
    atomic_fetch_sub(&engine->in_flight, 1);
}

/* One slice of a cycle.  The last one says from where a recovery must read the journal. */
static void start_slice(struct engine *engine)
{
    struct err err = { 0 };
    struct saving *saving = engine->saving = mem_new(1, sizeof *saving);
    saving->engine = engine;
    collect_dirty(engine, saving);
    saving->write = (struct store_write){ .done = on_saved, .snapshots = saving->rows, .snapshot_count = saving->count,
                                          .snapshot_seq = saving->last ? engine->cycle_seq : engine->snapshot_seq };
    atomic_fetch_add(&engine->in_flight, 1);
    if (!saving->count)
        on_saved(&saving->write, true, NULL);
    else if (!store_submit(engine->service->store, &saving->write, &err))
        on_saved(&saving->write, false, &err);
}

static void finish_slice(struct engine *engine)
{
    struct saving *saving = engine->saving;
    if (atomic_load(&saving->outcome) == OUTCOME_FAILED) {
        (void)pthread_mutex_lock(&engine->lock);
        for (size_t i = 0; i < saving->count; i++)
            slot_of(engine, saving->rows[i].patient)->dirty = true;
        (void)pthread_mutex_unlock(&engine->lock);
        engine->cycle_at = 0;
    } else if (saving->last) {
        engine->snapshot_seq = engine->cycle_seq;
        engine->cycle_at = 0;
    }
    engine->saving = NULL;
    mem_free(saving);
}

/* A saved state must not know of an alert that the store does not have: replaying the journal would
 * skip the record that raised it. */
static void snapshot(struct engine *engine, int64_t now_us)
{
    if (!alerts_all_written(engine))
        return;
    if (engine->saving)
        finish_slice(engine);
    if (engine->cycle_at) {
        start_slice(engine);
        return;
    }
    if (now_us - engine->snapshot_us < SNAPSHOT_EVERY_US)
        return;
    engine->snapshot_us = now_us;
    engine->cycle_seq = engine->processed_seq;
    engine->cycle_at = 1;
}

static bool load_states(struct engine *engine, struct err *err)
{
    struct arena arena;
    struct snapshot_row *rows;
    struct limits_row *limits;
    size_t count;
    arena_init(&arena, (size_t)PATIENT_COUNT_MAX * 2048);
    bool ok = store_limits(engine->service->store, &arena, &limits, &count, err);
    for (size_t i = 0; ok && i < count; i++)
        set_limits(make_slot(engine, limits[i].patient), &limits[i].limits);
    ok = ok && store_snapshots(engine->service->store, &arena, &rows, &count, &engine->snapshot_seq, err);
    for (size_t i = 0; ok && i < count; i++) {
        struct slot *slot = make_slot(engine, rows[i].patient);
        const unsigned char *bytes = rows[i].state;
        ok = rows[i].size > sizeof slot->seq_done ||
             err_set(err, ERR_IO, "alarm state of patient %u is cut", rows[i].patient);
        if (!ok)
            break;
        memcpy(&slot->seq_done, bytes, sizeof slot->seq_done);
        ok = alarm_load(&slot->state, bytes + sizeof slot->seq_done, rows[i].size - sizeof slot->seq_done, err);
    }
    arena_free(&arena);
    return ok;
}

/* ---- life ---- */

bool engine_step(struct engine *engine, int timeout_ms)
{
    const struct stream_batch *batch = stream_next(engine->consumer, timeout_ms);
    int64_t now_us = clock_monotonic_us(engine->service->clock);
    atomic_store(&engine->looked_us, now_us);
    if (batch) {
        take_batch(engine, batch);
        stream_release(engine->consumer, batch);
    }
    if (now_us - engine->ticked_us < TICK_MS * US_PER_MS)
        return batch != NULL;
    engine->ticked_us = now_us;
    tick(engine);
    retry_failed(engine, now_us);
    snapshot(engine, now_us);
    return batch != NULL;
}

static void *engine_thread(void *argument)
{
    struct engine *engine = argument;
    while (!atomic_load(&engine->stopping))
        (void)engine_step(engine, TICK_MS);
    return NULL;
}

/* States may know records that never came to the disk; their numbers must not be given again, or a
 * later recovery would take other records for done. */
static void skip_lost_numbers(struct engine *engine)
{
    int64_t seq = engine->snapshot_seq;
    for (uint32_t number = 1; number <= engine->count; number++)
        seq = slot_of(engine, number)->seq_done > seq ? slot_of(engine, number)->seq_done : seq;
    stream_skip_to(engine->service->stream, seq);
}

/* ---- alerts that the store has open, and the journal does not explain ---- */

static bool explained(const struct engine *engine, const struct alert *alert)
{
    if (alert->patient > engine->count)
        return false;
    const struct alarm_patient *state = &engine->pages[alert->patient / PAGE_SIZE][alert->patient % PAGE_SIZE].state;
    const struct alert *own = &state->alerts[alert->type];
    return (state->open >> alert->type & 1) && own->onset_us == alert->onset_us && own->version >= alert->version;
}

/* Reads the journal until `seq`, or until its end where the newest records never came to the disk. */
static void take_until(struct engine *engine, int64_t seq)
{
    const struct stream_batch *batch;
    int64_t from_seq = engine->processed_seq, began_us = clock_monotonic_us(engine->service->clock), said_us = began_us;
    while (engine->processed_seq < seq && (batch = stream_next(engine->consumer, 0))) {
        take_batch(engine, batch);
        stream_release(engine->consumer, batch);
        int64_t now_us = clock_monotonic_us(engine->service->clock);
        if (now_us - said_us < PROGRESS_EVERY_US)
            continue;
        said_us = now_us;
        log_info("the journal goes through the alarms", LOG_INT("records", engine->processed_seq - from_seq),
                 LOG_INT("of", seq - from_seq));
    }
    if (seq > from_seq)
        log_info("the alarms are as before the restart", LOG_INT("journal_records", seq - from_seq),
                 LOG_INT("took_ms", (clock_monotonic_us(engine->service->clock) - began_us) / US_PER_MS));
}

/* An alert that was shown stays shown, also when the reading that raised it was not kept. */
static void adopt_alerts(struct engine *engine, const struct alert *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) { /* newest onset first */
        struct alarm_events events;
        if (explained(engine, &rows[i]))
            continue;
        struct slot *slot = make_slot(engine, rows[i].patient);
        events.count = 0;
        alarm_adopt(&slot->state, limits_of(engine, slot), &rows[i], &events);
        keep_events(engine, slot, &events);
        slot->taken_over = true;
    }
}

/* The newest of the patient's known alerts of this type. */
static const struct alert *newest_known(const struct engine *engine, uint32_t patient, enum alert_type type)
{
    const struct alert *newest = NULL;
    size_t low = 0, high = engine->known_count;
    while (low < high) { /* the patient's first */
        size_t middle = (low + high) / 2;
        if (engine->known[middle].patient < patient)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < engine->known_count && engine->known[low].patient == patient; low++)
        if (engine->known[low].type == type)
            newest = &engine->known[low];
    return newest;
}

/* Before the store is asked for what is open: the replay has told it of the old episode. */
static void supersede_alerts(struct engine *engine)
{
    for (uint32_t number = 1; engine->known_count && number <= engine->count; number++) {
        struct slot *slot = slot_of(engine, number);
        for (unsigned left = slot->state.open; left; left &= left - 1) {
            const struct alert *own = &slot->state.alerts[__builtin_ctz(left)];
            const struct alert *newer = newest_known(engine, number, (enum alert_type)own->type),
                                        *stored = known_alert(engine, own);
            struct alarm_events events = { .count = 0 };
            if (!newer || newer->onset_us <= own->onset_us)
                continue;
            alarm_supersede(&slot->state, stored && stored->state == ALERT_CLOSED ? stored : NULL, newer, &events);
            keep_events(engine, slot, &events);
            slot->taken_over = true;
        }
    }
    send_outbox(engine);
}

static bool reassert_one(struct engine *engine, struct slot *slot, enum alert_type type,
                         struct arena *arena, struct err *err)
{
    const struct alert *own = &slot->state.alerts[type];
    struct alert_query query = { .patient = own->patient, .from_us = own->onset_us, .to_us = own->onset_us + 1,
                                 .limit = ALERT_TYPE_COUNT };
    struct alarm_events events;
    struct alert *rows;
    size_t count;
    arena_reset(arena);
    if (!store_alerts(engine->service->store, arena, &query, &rows, &count, err))
        return false;
    const struct alert *known = known_alert(engine, own); /* before the journal was replayed, and said otherwise */
    uint32_t version = own->version;
    events.count = 0;
    if (known && known->state == ALERT_CLOSED)
        alarm_reassert(&slot->state, known, &events);
    for (size_t i = 0; i < count; i++)
        if (rows[i].type == type)
            alarm_reassert(&slot->state, &rows[i], &events);
    slot->taken_over |= own->version != version;
    if (events.count)
        keep_events(engine, slot, &events);
    return true;
}

/* A command or reading that was lost may have closed an alert in the store which is open by all that was kept. */
static bool reassert_alerts(struct engine *engine, struct err *err)
{
    struct arena arena;
    bool ok = true;
    arena_init(&arena, 1 << 20);
    for (uint32_t number = 1; ok && number <= engine->count; number++) {
        struct slot *slot = slot_of(engine, number);
        for (unsigned left = slot->state.open; ok && left; left &= left - 1)
            ok = reassert_one(engine, slot, (enum alert_type)__builtin_ctz(left), &arena, err);
    }
    arena_free(&arena);
    return ok;
}

/* The states that were changed, in one unit with the alerts that say so: the journal does not know of it, and the
 * next recovery would go another way.  A disk that refuses must not keep the alarms from starting. */
static void keep_taken_over(struct engine *engine)
{
    struct saving *saving = mem_new(1, sizeof *saving);
    struct err err = { 0 };
    bool ok = true;
    for (uint32_t number = 1; ok && number <= engine->count;) {
        saving->count = saving->used = 0;
        for (; number <= engine->count && saving->count < SNAPSHOT_SLICE; number++)
            if (slot_of(engine, number)->taken_over)
                add_state(saving, number, slot_of(engine, number));
        struct store_write write = { .alerts = engine->outbox, .alert_count = engine->outbox_count,
                                     .snapshots = saving->rows,
                                     .snapshot_count = saving->count, .snapshot_seq = engine->snapshot_seq };
        ok = !saving->count || store_write_sync(engine->service->store, &write, &err);
    }
    if (!ok)
        log_warn("alarm states not saved, will be tried again", LOG_ERR(&err));
    mem_free(saving);
    send_outbox(engine);
}

/* What the replay had to say is in the store before the store is asked. */
static bool wait_until_written(struct engine *engine, struct err *err)
{
    for (int attempt = 0; attempt < 5; attempt++) {
        struct store_write nothing = { 0 };
        engine->retry_us = clock_monotonic_us(engine->service->clock) - RETRY_EVERY_US;
        retry_failed(engine, engine->retry_us + RETRY_EVERY_US);
        if (!store_write_sync(engine->service->store, &nothing, err)) /* behind all others in the queue */
            return false;
        if (alerts_all_written(engine))
            return true;
    }
    return err_set(err, ERR_UNAVAILABLE, "the alerts of the journal cannot be written");
}

static bool take_over_alerts(struct engine *engine, struct err *err)
{
    struct alert_query query = { .open_only = true, .limit = (size_t)PATIENT_COUNT_MAX * ALERT_TYPE_COUNT };
    struct alert *rows;
    struct arena arena;
    size_t count;
    arena_init(&arena, (size_t)PATIENT_COUNT_MAX * ALERT_TYPE_COUNT * 4 * sizeof *rows);
    supersede_alerts(engine);
    bool ok = wait_until_written(engine, err) &&
              store_alerts(engine->service->store, &arena, &query, &rows, &count, err);
    if (ok)
        adopt_alerts(engine, rows, count);
    ok = ok && reassert_alerts(engine, err);
    if (ok)
        keep_taken_over(engine);
    arena_free(&arena);
    metric_set(&open_now, (int64_t)count_open(engine, 1, engine->count));
    return ok;
}

/* What the store has of the last KNOWN_US before its newest alert.  Asked before the journal is replayed: the
 * replay writes its own versions. */
static bool load_known(struct engine *engine, struct err *err)
{
    struct alert_query query = { .limit = 1 };
    struct alert *rows;
    struct arena arena;
    size_t count;
    arena_init(&arena, KNOWN_MAX * 4 * sizeof *rows);
    bool ok = store_alerts(engine->service->store, &arena, &query, &rows, &count, err);
    query = (struct alert_query){ .from_us = ok && count ? rows[0].onset_us - KNOWN_US : 0, .limit = KNOWN_MAX };
    ok = ok && store_alerts(engine->service->store, &arena, &query, &rows, &count, err);
    engine->known = mem_new(ok ? count + 1 : 1, sizeof *engine->known);
    engine->known_count = ok ? count : 0;
    if (engine->known_count)
        memcpy(engine->known, rows, count * sizeof *rows);
    arena_free(&arena);
    if (engine->known_count)
        qsort(engine->known, engine->known_count, sizeof *engine->known, by_identity);
    return ok;
}

/* Everything that the journal still holds goes through the states before the first request comes. */
static bool recover(struct engine *engine, struct err *err)
{
    int64_t target = store_journal_next_seq(engine->service->store);
    skip_lost_numbers(engine);
    engine->processed_seq = engine->snapshot_seq;
    if (!stream_subscribe(engine->service->stream, "alert-engine", 1u << STREAM_VITALS, engine->snapshot_seq,
                          &engine->consumer, err))
        return false;
    if (!load_known(engine, err))
        return false;
    take_until(engine, target);
    if (engine->processed_seq < target)
        engine->processed_seq = target;
    if (!take_over_alerts(engine, err))
        return false;
    struct alarm_command restarted = { .kind = ALARM_RESTARTED, .time_us = clock_now_us(engine->service->clock) };
    return !engine->count || stream_publish_command(engine->service->stream, 0, &restarted,
                                                    NULL, NULL, NULL, NULL, err);
}

bool engine_open(struct alert_service *service, struct engine **out, struct err *err)
{
    struct engine *engine = mem_new(1, sizeof *engine);
    engine->service = service;
    engine->defaults = alarm_limits_default;
    engine->tick_seq = -1;
    CHECK(pthread_mutex_init(&engine->lock, NULL) == 0 && pthread_mutex_init(&engine->failed_lock, NULL) == 0);
    CHECK(pthread_cond_init(&engine->processed, NULL) == 0);
    metric_register(&opened_total);
    metric_register(&open_now);
    *out = engine;
    if (!load_states(engine, err) || !recover(engine, err))
        return false;
    engine->recovered = true;
    engine->snapshot_us = clock_monotonic_us(service->clock);
    atomic_store(&engine->looked_us, engine->snapshot_us);
    CHECK(service->unthreaded || pthread_create(&engine->thread, NULL, engine_thread, engine) == 0);
    return true;
}

/* However slow the disk is: what the store still holds points into the engine. */
static void wait_for_writes(struct engine *engine)
{
    while (atomic_load(&engine->in_flight))
        (void)nanosleep(&(struct timespec){ .tv_nsec = 10 * 1000 * 1000 }, NULL);
}

void engine_close(struct engine *engine)
{
    if (!engine)
        return;
    atomic_store(&engine->stopping, true);
    if (engine->thread) {
        stream_wake(engine->consumer);
        (void)pthread_join(engine->thread, NULL);
        wait_for_writes(engine);
    }
    if (engine->consumer)
        stream_unsubscribe(engine->consumer);
    while (engine->failed) {
        struct pending *next = engine->failed->next;
        mem_free(engine->failed);
        engine->failed = next;
    }
    for (uint32_t number = 1; number <= engine->count; number++)
        mem_free(slot_of(engine, number)->limits);
    for (int i = 0; i < PAGE_COUNT; i++)
        mem_free(engine->pages[i]);
    mem_free(engine->saving);
    mem_free(engine->known);
    mem_free(engine->outbox);
    (void)pthread_cond_destroy(&engine->processed);
    (void)pthread_mutex_destroy(&engine->lock);
    (void)pthread_mutex_destroy(&engine->failed_lock);
    mem_free(engine);
}

bool engine_alive(struct engine *engine)
{
    return clock_monotonic_us(engine->service->clock) - atomic_load(&engine->looked_us) < 2 * US_PER_S;
}

/* ---- questions ---- */

static int worse_first(const void *a, const void *b)
{
    const struct alert *x = a, *y = b;
    if (x->severity != y->severity)
        return y->severity - x->severity;
    if (x->onset_us != y->onset_us)
        return x->onset_us < y->onset_us ? 1 : -1;
    if (x->patient != y->patient)
        return x->patient < y->patient ? -1 : 1;
    return x->type - y->type;
}

size_t engine_open_alerts(struct engine *engine, uint32_t patient, struct arena *arena, struct alert **out)
{
    (void)pthread_mutex_lock(&engine->lock);
    uint32_t first = patient ? patient : 1, last = patient ? patient : engine->count;
    last = last > engine->count ? engine->count : last;
    size_t total = count_open(engine, first, last), count = 0;
    *out = arena_alloc(arena, total * sizeof **out);
    for (uint32_t number = first; number <= last; number++) {
        const struct alarm_patient *state = &slot_of(engine, number)->state;
        for (unsigned left = state->open; left; left &= left - 1)
            (*out)[count++] = state->alerts[__builtin_ctz(left)];
    }
    (void)pthread_mutex_unlock(&engine->lock);
    qsort(*out, count, sizeof **out, worse_first);
    return count;
}

bool engine_find(struct engine *engine, uint32_t patient, enum alert_type type, int64_t onset_ms, struct alert *out)
{
    (void)pthread_mutex_lock(&engine->lock);
    bool found = false;
    if (patient && patient <= engine->count) {
        const struct alarm_patient *state = &slot_of(engine, patient)->state;
        *out = state->alerts[type];
        found = (state->open >> type & 1) && out->onset_us / US_PER_MS == onset_ms;
    }
    (void)pthread_mutex_unlock(&engine->lock);
    return found;
}

void engine_limits(struct engine *engine, uint32_t patient, struct alarm_limits *out)
{
    (void)pthread_mutex_lock(&engine->lock);
    bool known = patient && patient <= engine->count;
    *out = known ? *limits_of(engine, slot_of(engine, patient)) : engine->defaults;
    (void)pthread_mutex_unlock(&engine->lock);
}

size_t engine_analyze(struct engine *engine, uint32_t patient, const struct reading *reading,
                      struct alert out[ALERT_TYPE_COUNT])
{
    struct alarm_patient state;
    struct alarm_limits limits;
    struct alarm_events events = { 0 };
    size_t count = 0;
    engine_limits(engine, patient, &limits);
    memset(limits.delay_s, 0, sizeof limits.delay_s); /* a dry run does not wait */
    alarm_init(&state, patient);
    alarm_reading(&state, &limits, reading, &events);
    for (int i = 0; i < events.count; i++)
        if (events.items[i].change == ALARM_OPENED)
            out[count++] = events.items[i].alert;
    return count;
}

struct durable_wait {
    sem_t sem;
    bool ok;
    struct err err;
};

static void on_durable(void *context, bool ok, const struct err *err)
{
    struct durable_wait *wait = context;
    wait->ok = ok;
    if (!ok)
        wait->err = *err;
    (void)sem_post(&wait->sem);
}

/* Until the records below `end` are done. */
static bool wait_processed(struct engine *engine, int64_t end, int64_t for_us)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    int64_t ns = until.tv_nsec + for_us * 1000;
    until.tv_sec += ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    int result = 0;
    (void)pthread_mutex_lock(&engine->lock);
    while (engine->processed_seq < end && !result)
        result = pthread_cond_timedwait(&engine->processed, &engine->lock, &until);
    bool done = engine->processed_seq >= end;
    (void)pthread_mutex_unlock(&engine->lock);
    return done;
}

void engine_catch_up(struct engine *engine)
{
    (void)wait_processed(engine, stream_end(engine->service->stream), CATCH_UP_MS * US_PER_MS);
}

static bool wait_in_force(struct engine *engine, int64_t seq, struct err *err)
{
    return wait_processed(engine, seq + 1, COMMAND_WAIT_S * US_PER_S) ||
           err_set(err, ERR_TIMEOUT, "the alert-engine has not answered within %d s", COMMAND_WAIT_S);
}

bool engine_command(struct engine *engine, uint32_t patient, const struct alarm_command *command,
                    const struct stream_rows *rows, struct err *err)
{
    struct durable_wait wait = { 0 };
    struct alarm_command lagging = *command;
    int64_t seq = 0;
    CHECK(sem_init(&wait.sem, 0, 0) == 0);
    (void)pthread_mutex_lock(&engine->lock);
    lagging.lag_us = patient && patient <= engine->count ? lag_us_of(slot_of(engine, patient)) : 0;
    (void)pthread_mutex_unlock(&engine->lock);
    bool ok = stream_publish_command(engine->service->stream, patient, &lagging, rows, on_durable, &wait, &seq, err);
    if (ok) {
        while (sem_wait(&wait.sem) != 0)
            ;
        ok = wait.ok && wait_in_force(engine, seq, err);
        if (!wait.ok && err)
            *err = wait.err;
    }
    (void)sem_destroy(&wait.sem);
    return ok;
}
