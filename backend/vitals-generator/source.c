/* source.c - the built-in source of readings: the simulator, once a second, through the same stream. */
#include "base/log.h"
#include "base/mem.h"
#include "ingest/simulator.h"
#include "vitals-generator/vitals.h"

#include <pthread.h>
#include <semaphore.h>
#include <string.h>

struct vitals_source {
    struct vitals *vitals;
    struct simulator *simulator;
    struct reading *readings;
    uint32_t *numbers;
    uint16_t source;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping;
};

static bool admit(struct vitals_source *source, uint32_t index, struct patient_row *out, struct err *err)
{
    struct registry *registry = source->vitals->registry;
    struct patient_row person, known;
    bool unsaved;
    simulator_person(source->simulator, index, &person);
    if (!registry_admit(registry, person.id, clock_now_us(source->vitals->clock), &person.number, &unsaved, err))
        return false;
    source->numbers[index] = person.number;
    (void)registry_row(registry, person.number, &known);
    person.admitted_us = known.admitted_us;
    if (!unsaved) /* from an earlier run, and perhaps edited since */
        person = known;
    registry_update(registry, &person);
    *out = person;
    return true;
}

/* All patients and the source's name, durable before the first reading. */
static bool admit_all(struct vitals_source *source, struct err *err)
{
    struct vitals *vitals = source->vitals;
    uint32_t count = simulator_count(source->simulator);
    struct patient_row *rows = mem_new(count, sizeof *rows);
    struct source_row name = { .name = "simulator" };
    bool unsaved, ok = registry_source(vitals->registry, name.name, &source->source, &unsaved, err);
    name.number = source->source;
    for (uint32_t i = 0; ok && i < count; i++)
        ok = admit(source, i, &rows[i], err);
    struct store_write write = { .patients = rows, .patient_count = count, .sources = &name, .source_count = 1 };
    ok = ok && store_write_sync(vitals->store, &write, err);
    for (uint32_t i = 0; ok && i < count; i++)
        registry_saved(vitals->registry, rows[i].number);
    if (ok)
        registry_source_saved(vitals->registry, source->source);
    mem_free(rows);
    return ok;
}

static void step_all(struct vitals_source *source, int64_t now_us)
{
    struct err err = { 0 };
    uint32_t count = simulator_count(source->simulator);
    for (uint32_t i = 0; i < count; i++) {
        simulator_step(source->simulator, i, now_us, &source->readings[i], NULL);
        source->readings[i].patient = source->numbers[i];
        source->readings[i].source = source->source;
        source->readings[i].flags |= READING_LIVE;
    }
    if (!stream_publish_readings(source->vitals->stream, source->readings, count, NULL, NULL, NULL, &err))
        log_warn("simulated readings were refused", LOG_ERR(&err));
}

static void *source_thread(void *argument)
{
    struct vitals_source *source = argument;
    struct timespec next;
    (void)clock_gettime(CLOCK_MONOTONIC, &next);
    (void)pthread_mutex_lock(&source->lock);
    while (!source->stopping) {
        (void)pthread_mutex_unlock(&source->lock);
        int64_t now_us = clock_now_us(source->vitals->clock);
        step_all(source, now_us - now_us % US_PER_MS);
        next.tv_sec++;
        (void)pthread_mutex_lock(&source->lock);
        while (!source->stopping && pthread_cond_timedwait(&source->wake, &source->lock, &next) == 0)
            ;
    }
    (void)pthread_mutex_unlock(&source->lock);
    return NULL;
}

bool vitals_start_source(struct vitals *vitals, struct err *err)
{
    if (strcmp(vitals->config->ingest.source, "none") == 0 || !vitals->config->ingest.patients)
        return true;
    uint32_t count = (uint32_t)vitals->config->ingest.patients;
    pthread_condattr_t monotonic;
    struct vitals_source *source = vitals->source = mem_new(1, sizeof *source);
    source->vitals = vitals;
    source->simulator = simulator_new(count, (uint64_t)vitals->config->ingest.seed);
    simulator_add_faults(source->simulator);
    source->readings = mem_new(count, sizeof *source->readings);
    source->numbers = mem_new(count, sizeof *source->numbers);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    CHECK(pthread_mutex_init(&source->lock, NULL) == 0 && pthread_cond_init(&source->wake, &monotonic) == 0);
    (void)pthread_condattr_destroy(&monotonic);
    if (!admit_all(source, err))
        return false;
    CHECK(pthread_create(&source->thread, NULL, source_thread, source) == 0);
    return true;
}

void vitals_stop_source(struct vitals *vitals)
{
    struct vitals_source *source = vitals->source;
    if (!source)
        return;
    (void)pthread_mutex_lock(&source->lock);
    source->stopping = true;
    (void)pthread_cond_signal(&source->wake);
    (void)pthread_mutex_unlock(&source->lock);
    if (source->thread)
        (void)pthread_join(source->thread, NULL);
    (void)pthread_cond_destroy(&source->wake);
    (void)pthread_mutex_destroy(&source->lock);
    simulator_free(source->simulator);
    mem_free(source->readings);
    mem_free(source->numbers);
    mem_free(source);
    vitals->source = NULL;
}
