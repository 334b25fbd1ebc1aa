/* service.c - start and stop, and the thread that keeps the ward up to date. */
#include "base/log.h"
#include "base/mem.h"
#include "vitals-generator/vitals.h"

#include <pthread.h>
#include <stdatomic.h>

struct vitals_consumer {
    struct vitals *vitals;
    struct stream_consumer *stream;
    pthread_t thread;
    atomic_bool stopping;
};

static void take_batch(struct vitals *vitals, const struct stream_batch *batch)
{
    switch (batch->kind) {
    case STREAM_READINGS:
        ward_readings(vitals->ward, batch->readings, batch->count);
        break;
    case STREAM_COMMAND:
        ward_command(vitals->ward, batch->command_patient, batch->command);
        break;
    case STREAM_ALERT:
        ward_alerts(vitals->ward, batch->alerts, batch->count);
        break;
    }
}

static void *consumer_thread(void *argument)
{
    struct vitals_consumer *consumer = argument;
    while (!atomic_load(&consumer->stopping)) {
        const struct stream_batch *batch = stream_next(consumer->stream, 500);
        if (!batch)
            continue;
        take_batch(consumer->vitals, batch);
        stream_release(consumer->stream, batch);
        live_wake(consumer->vitals->server);
    }
    return NULL;
}

static bool start_consumer(struct vitals *vitals, struct err *err)
{
    struct vitals_consumer *consumer = vitals->consumer = mem_new(1, sizeof *consumer);
    consumer->vitals = vitals;
    unsigned topics = 1u << STREAM_VITALS | 1u << STREAM_ALERTS;
    if (!stream_subscribe(vitals->stream, "vitals-generator", topics, -1, &consumer->stream, err))
        return false;
    CHECK(pthread_create(&consumer->thread, NULL, consumer_thread, consumer) == 0);
    return true;
}

static void stop_consumer(struct vitals *vitals)
{
    struct vitals_consumer *consumer = vitals->consumer;
    if (!consumer)
        return;
    atomic_store(&consumer->stopping, true);
    if (consumer->thread) {
        stream_wake(consumer->stream);
        (void)pthread_join(consumer->thread, NULL);
    }
    if (consumer->stream)
        stream_unsubscribe(consumer->stream);
    mem_free(consumer);
    vitals->consumer = NULL;
}

bool vitals_start(struct vitals *vitals, struct err *err)
{
    vitals->ward = ward_new(vitals->registry, vitals->clock);
    return ward_load(vitals->ward, vitals->store, err) && vitals_sockets_start(vitals, err) &&
           start_consumer(vitals, err);
}

void vitals_stop(struct vitals *vitals)
{
    vitals_stop_source(vitals);
    stop_consumer(vitals);
    vitals_sockets_stop(vitals);
    ward_free(vitals->ward);
    vitals->ward = NULL;
}
