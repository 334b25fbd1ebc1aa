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
    UNIT_ALERTS_MAX = 2000,      /* alerts per store unit, each with its patient's state: 2 MB, some 20 ms */
    COMMAND_WAIT_S = 10,
    CATCH_UP_MS = 250,
};
#define SNAPSHOT_EVERY_US (30 * US_PER_S)
#define SLICE_EVERY_US (100 * US_PER_MS) /* readings that wait for the disk must not wait for all states */
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
};

/* What goes to the store at once: alerts, the states they come from, patients whom the store does not know yet,
 * and a slice of a cycle.  The alarms do not wait for it. */
struct unit {
    struct store_write write;     /* first: done() gets it back */
    struct engine *engine;
    bool last;                    /* of its cycle */
    size_t alert_count, patient_count, state_count, used; /* used: bytes */
    atomic_int outcome;           /* enum outcome */
    struct alert *alerts;
    struct patient_row *patients;
    struct snapshot_row *states;
    unsigned char *bytes;
};
enum outcome { OUTCOME_NONE, OUTCOME_SAVED, OUTCOME_FAILED };
enum { STATE_SIZE_MAX = ALARM_SAVE_SIZE_MAX + sizeof(int64_t) };

struct changes {
    struct alert *items;
    size_t count, capacity;
    size_t tidied;                /* of these each episode is there once, in order */
};

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
    struct unit *unit;            /* the one that is under way; NULL: none is */
    int64_t retry_us, slice_us;   /* not before, after one that failed; of the last slice */
    atomic_bool in_flight;        /* the store has not answered it */
    struct alarm_limits defaults;
    atomic_llong looked_us;
    int64_t ticked_us, tick_seq;  /* tick_seq: of the newest tick in the stream */
    atomic_bool stopping;
    bool recovered;               /* the journal has been read: readings come live from now on */
    struct changes outbox;        /* of the batch at hand */
    struct changes unwritten;     /* in no unit yet */
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

static void add_changes(struct changes *to, const struct alert *alerts, size_t count)
{
    if (to->count + count > to->capacity) {
        size_t capacity = 2 * to->capacity + count + 256;
        struct alert *bigger = mem_try_resize(to->items, capacity, sizeof *bigger);
        CHECK(bigger != NULL);
        to->items = bigger;
        to->capacity = capacity;
    }
    if (count)
        memcpy(to->items + to->count, alerts, count * sizeof *alerts);
    to->count += count;
}

static int by_identity(const void *a, const void *b)
{
    const struct alert *x = a, *y = b;
    if (x->patient != y->patient)
        return x->patient < y->patient ? -1 : 1;
    if (x->onset_us != y->onset_us)
        return x->onset_us < y->onset_us ? -1 : 1;
    if (x->type != y->type)
        return (int)x->type - (int)y->type;
    return x->version < y->version ? -1 : x->version > y->version;
}

static bool same_episode(const struct alert *a, const struct alert *b)
{
    return a->patient == b->patient && a->onset_us == b->onset_us && a->type == b->type;
}

/* The newest version of each, in order. */
static void keep_newest(struct changes *changes)
{
    struct alert *items = changes->items;
    size_t count = 0;
    if (changes->count > 1)
        qsort(items, changes->count, sizeof *items, by_identity);
    for (size_t i = 0; i < changes->count; i++)
        if (i + 1 == changes->count || !same_episode(&items[i], &items[i + 1]))
            items[count++] = items[i];
    changes->count = changes->tidied = count;
}

/* While a disk stands still an episode may change many times: only its newest version has to wait. */
static void add_unwritten(struct engine *engine, const struct alert *alerts, size_t count)
{
    struct changes *unwritten = &engine->unwritten;
    add_changes(unwritten, alerts, count);
    if (unwritten->count > 2 * unwritten->tidied + UNIT_ALERTS_MAX)
        keep_newest(unwritten);
}

static void keep_events(struct engine *engine, struct slot *slot, const struct alarm_events *events)
{
    slot->dirty = true;
    for (int i = 0; i < events->count; i++) {
        enum alarm_change change = events->items[i].change;
        metric_add(&opened_total, change == ALARM_OPENED);
        metric_add(&open_now, (change == ALARM_OPENED) - (change == ALARM_CLOSED));
        add_changes(&engine->outbox, &events->items[i].alert, 1);
    }
}

static void send_outbox(struct engine *engine)
{
    struct err err = { 0 };
    if (!engine->outbox.count)
        return;
    if (!stream_publish_alerts(engine->service->stream, engine->outbox.items, (uint32_t)engine->outbox.count, &err))
        log_error("alerts not published", LOG_ERR(&err));
    add_unwritten(engine, engine->outbox.items, engine->outbox.count);
    engine->outbox.count = 0;
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

/* ---- the store: what was said, and the states it comes from (a state is seq_done, then alarm_save's bytes) ---- */

/* How many go into the next unit: all of a patient or none. */
static size_t pick_alerts(struct changes *unwritten)
{
    keep_newest(unwritten);
    size_t count = unwritten->count, picked = count < UNIT_ALERTS_MAX ? count : UNIT_ALERTS_MAX;
    while (picked && picked < count && unwritten->items[picked].patient == unwritten->items[picked - 1].patient)
        picked++;
    return picked;
}

static struct unit *new_unit(struct engine *engine, size_t alerts, size_t states)
{
    struct unit *unit = mem_new(1, sizeof *unit);
    unit->engine = engine;
    unit->alerts = mem_new(alerts + 1, sizeof *unit->alerts);
    unit->patients = mem_new(states + 1, sizeof *unit->patients);
    unit->states = mem_new(states + 1, sizeof *unit->states);
    unit->bytes = mem_new(states + 1, STATE_SIZE_MAX);
    return unit;
}

static void free_unit(struct unit *unit)
{
    if (!unit)
        return;
    mem_free(unit->alerts);
    mem_free(unit->patients);
    mem_free(unit->states);
    mem_free(unit->bytes);
    mem_free(unit);
}

static void take_alerts(struct unit *unit, struct changes *unwritten, size_t count)
{
    if (count)
        memcpy(unit->alerts, unwritten->items, count * sizeof *unit->alerts);
    unit->alert_count = count;
    unwritten->count -= count;
    unwritten->tidied = unwritten->count;
    if (unwritten->count)
        memmove(unwritten->items, unwritten->items + count, unwritten->count * sizeof *unit->alerts);
}

/* A patient whom the disk refused comes along: a later process must not give the number to another. */
static void add_state(struct unit *unit, uint32_t patient)
{
    struct slot *slot = slot_of(unit->engine, patient);
    unsigned char *bytes = unit->bytes + unit->used;
    memcpy(bytes, &slot->seq_done, sizeof slot->seq_done);
    size_t size = sizeof slot->seq_done + alarm_save(&slot->state, bytes + sizeof slot->seq_done);
    unit->states[unit->state_count++] = (struct snapshot_row){ patient, bytes, size };
    unit->used += size;
    slot->dirty = false;
    const struct registry *registry = unit->engine->service->registry;
    unit->patient_count += registry_unsaved(registry, patient, &unit->patients[unit->patient_count]);
}

static void add_states_of_alerts(struct unit *unit)
{
    for (size_t i = 0; i < unit->alert_count; i++)
        if (!i || unit->alerts[i].patient != unit->alerts[i - 1].patient)
            add_state(unit, unit->alerts[i].patient);
}

static void add_slice(struct unit *unit)
{
    struct engine *engine = unit->engine;
    for (size_t added = 0; engine->cycle_at <= engine->count && added < SNAPSHOT_SLICE; engine->cycle_at++)
        if (slot_of(engine, engine->cycle_at)->dirty) {
            add_state(unit, engine->cycle_at);
            added++;
        }
    unit->last = engine->cycle_at > engine->count;
}

static void on_written(struct store_write *write, bool ok, const struct err *err)
{
    struct unit *unit = (struct unit *)write;
    struct engine *engine = unit->engine;
    if (!ok)
        log_warn("alerts and alarm states not written, will be tried again",
                 LOG_INT("alerts", (int64_t)unit->alert_count), LOG_INT("states", (int64_t)unit->state_count),
                 LOG_ERR(err));
    atomic_store(&unit->outcome, ok ? OUTCOME_SAVED : OUTCOME_FAILED);
    stream_wake(engine->consumer);
    atomic_store(&engine->in_flight, false);
}

static void submit(struct engine *engine, struct unit *unit)
{
    struct err err = { 0 };
    unit->write = (struct store_write){ .done = on_written, .alerts = unit->alerts, .alert_count = unit->alert_count,
                                        .patients = unit->patients, .patient_count = unit->patient_count,
                                        .snapshots = unit->states, .snapshot_count = unit->state_count,
                                        .snapshot_seq = unit->last ? engine->cycle_seq : engine->snapshot_seq };
    atomic_store(&engine->in_flight, true);
    if (!unit->state_count)
        on_written(&unit->write, true, NULL);
    else if (!store_submit(engine->service->store, &unit->write, &err))
        on_written(&unit->write, false, &err);
}

/* An alert and the state it comes from are one unit, so the store never has one without the other: whatever the disk
 * refuses before or afterwards (a reading, a tick, an answer), the next process goes on from where the alerts are.
 * The last slice of a cycle says from where it must read the journal. */
static void start_unit(struct engine *engine, bool slice)
{
    size_t alerts = pick_alerts(&engine->unwritten);
    slice = slice && alerts == engine->unwritten.count; /* states behind their alerts only */
    struct unit *unit = engine->unit = new_unit(engine, alerts, alerts + (slice ? SNAPSHOT_SLICE : 0));
    take_alerts(unit, &engine->unwritten, alerts);
    add_states_of_alerts(unit);
    if (slice)
        add_slice(unit);
    submit(engine, unit);
}

static void finish_unit(struct engine *engine, int64_t now_us)
{
    struct unit *unit = engine->unit;
    if (atomic_load(&unit->outcome) == OUTCOME_FAILED) {
        add_unwritten(engine, unit->alerts, unit->alert_count);
        for (size_t i = 0; i < unit->state_count; i++)
            slot_of(engine, unit->states[i].patient)->dirty = true;
        engine->cycle_at = 0;
        engine->retry_us = now_us + RETRY_EVERY_US;
    } else if (unit->last) {
        engine->snapshot_seq = engine->cycle_seq;
        engine->cycle_at = 0;
    }
    engine->unit = NULL;
    free_unit(unit);
}

static void save(struct engine *engine, int64_t now_us)
{
    if (atomic_load(&engine->in_flight))
        return;
    if (engine->unit)
        finish_unit(engine, now_us);
    if (!engine->cycle_at && now_us - engine->snapshot_us >= SNAPSHOT_EVERY_US) {
        engine->snapshot_us = now_us;
        engine->cycle_seq = engine->processed_seq;
        engine->cycle_at = 1;
    }
    bool slice = engine->cycle_at && now_us - engine->slice_us >= SLICE_EVERY_US;
    if (now_us < engine->retry_us || (!engine->unwritten.count && !slice))
        return;
    engine->slice_us = slice ? now_us : engine->slice_us;
    start_unit(engine, slice);
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
    if (now_us - engine->ticked_us >= TICK_MS * US_PER_MS) {
        engine->ticked_us = now_us;
        tick(engine);
    }
    save(engine, now_us);
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

/* Reads the journal until `seq`, or until its end where the newest records never came to the disk. */
static void take_until(struct engine *engine, int64_t seq)
{
    const struct stream_batch *batch;
    int64_t from_seq = engine->processed_seq, began_us = clock_monotonic_us(engine->service->clock), said_us = began_us;
    while (engine->processed_seq < seq && (batch = stream_next(engine->consumer, 0))) {
        take_batch(engine, batch);
        stream_release(engine->consumer, batch);
        int64_t now_us = clock_monotonic_us(engine->service->clock);
        save(engine, now_us);
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

/* Everything that the journal still holds goes through the states before the first request comes. */
static bool recover(struct engine *engine, struct err *err)
{
    int64_t target = store_journal_next_seq(engine->service->store);
    skip_lost_numbers(engine);
    engine->processed_seq = engine->snapshot_seq;
    if (!stream_subscribe(engine->service->stream, "alert-engine", 1u << STREAM_VITALS, engine->snapshot_seq,
                          &engine->consumer, err))
        return false;
    take_until(engine, target);
    if (engine->processed_seq < target)
        engine->processed_seq = target;
    metric_set(&open_now, (int64_t)count_open(engine, 1, engine->count));
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
    CHECK(pthread_mutex_init(&engine->lock, NULL) == 0);
    CHECK(pthread_cond_init(&engine->processed, NULL) == 0);
    metric_register(&opened_total);
    metric_register(&open_now);
    *out = engine;
    engine->snapshot_us = clock_monotonic_us(service->clock);
    if (!load_states(engine, err) || !recover(engine, err))
        return false;
    engine->recovered = true;
    atomic_store(&engine->looked_us, clock_monotonic_us(service->clock));
    CHECK(service->unthreaded || pthread_create(&engine->thread, NULL, engine_thread, engine) == 0);
    return true;
}

/* What was said is written before the end, however slow the disk is; one that refuses is not tried again. */
static void write_the_rest(struct engine *engine)
{
    do {
        while (atomic_load(&engine->in_flight))
            (void)nanosleep(&(struct timespec){ .tv_nsec = 10 * 1000 * 1000 }, NULL);
        engine->snapshot_us = clock_monotonic_us(engine->service->clock);
        save(engine, engine->snapshot_us);
    } while (engine->unit);
}

void engine_close(struct engine *engine)
{
    if (!engine)
        return;
    atomic_store(&engine->stopping, true);
    if (engine->thread) {
        stream_wake(engine->consumer);
        (void)pthread_join(engine->thread, NULL);
    }
    if (!engine->service->unthreaded)
        write_the_rest(engine); /* also after a start that failed: the store may still hold a unit */
    if (engine->consumer)
        stream_unsubscribe(engine->consumer);
    for (uint32_t number = 1; number <= engine->count; number++)
        mem_free(slot_of(engine, number)->limits);
    for (int i = 0; i < PAGE_COUNT; i++)
        mem_free(engine->pages[i]);
    free_unit(engine->unit);
    mem_free(engine->outbox.items);
    mem_free(engine->unwritten.items);
    (void)pthread_cond_destroy(&engine->processed);
    (void)pthread_mutex_destroy(&engine->lock);
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
