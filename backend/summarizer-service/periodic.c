#include "summarizer-service/periodic.h"

#include "base/log.h"
#include "base/mem.h"
#include "summarizer-service/job.h"
#include "summarizer-service/schedule.h"

#include <pthread.h>
#include <sys/resource.h>
#include <time.h>

/* BATCH: how many the model writes at once.  LOOKS_MAX: patients looked at before the batch so far is written. */
enum { BATCH = 32, LOOKS_MAX = 1000, LOOK_EVERY_S = 1, DISCHARGED_EVERY_S = 60 };

struct periodic {
    struct summarizer *summarizer;
    struct schedule *schedule;
    struct job *jobs;                    /* BATCH of them */
    uint32_t patients[BATCH];
    int count;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping;
};

static bool is_stopping(struct periodic *p)
{
    (void)pthread_mutex_lock(&p->lock);
    bool stopping = p->stopping;
    (void)pthread_mutex_unlock(&p->lock);
    return stopping;
}

static int64_t now_s(const struct periodic *p)
{
    return clock_monotonic_us(p->summarizer->clock) / US_PER_S;
}

/* ---- who is due ---- */

/* The age of the newest stored summary; -1: there is none. */
static int64_t newest_age_s(struct summarizer *s, const char *id, struct err *err)
{
    struct arena arena;
    struct summary_row *rows;
    size_t count = 0;
    struct summary_query query = { .patient_id = id, .limit = 1 };
    arena_init(&arena, 2 * DOCUMENT_SIZE_MAX);
    bool ok = store_summaries(s->store, &arena, &query, &rows, &count, err);
    int64_t age_s = ok && count ? (clock_now_us(s->clock) - rows[0].time_us) / US_PER_S : -1;
    arena_free(&arena);
    return age_s > 0 || !count ? age_s : 0;
}

/* Seconds until the window's readings reach back far enough; alerts alone are enough. */
static int64_t too_short_by_s(const struct summarizer *s, const struct job *job)
{
    int64_t reach_us = job->window.reading_count ? job->now_us - job->window.readings[0].time_us : INT64_MAX / 2;
    int64_t left_us = s->config->summaries.first_s * US_PER_S - reach_us;
    return left_us > 0 ? (left_us + US_PER_S - 1) / US_PER_S : 0;
}

/* false: a summary of before the start, or one that was asked for, counts. */
static bool is_due(struct periodic *p, uint32_t patient, const struct patient_row *row, bool first)
{
    struct err err = { 0 };
    int64_t age_s = first ? newest_age_s(p->summarizer, row->id, &err) : -1;
    if (age_s < 0 || age_s >= p->summarizer->config->summaries.interval_s)
        return true;
    schedule_written(p->schedule, patient, now_s(p) - age_s);
    return false;
}

static void start_job(struct periodic *p, uint32_t patient, const struct patient_row *row, bool first)
{
    struct summarizer *s = p->summarizer;
    struct job *job = &p->jobs[p->count];
    struct err err = { 0 };
    bool ok = job_open(s, patient, job, &err);
    int64_t wait_s = ok && first ? too_short_by_s(s, job) : 0;
    if (ok && !wait_s) {
        job_submit(s, job, s->config->summaries.batch_deadline_ms);
        p->patients[p->count++] = patient;
        return;
    }
    job_close(job);
    if (wait_s) {
        schedule_first(p->schedule, patient,
                       now_s(p) + (wait_s < s->config->summaries.first_s ? wait_s : s->config->summaries.first_s));
        return;
    }
    schedule_retry(p->schedule, patient, now_s(p));
    if (err.kind != ERR_CONFLICT)
        log_warn("no summary", LOG_STR("patient_id", row->id), LOG_ERR(&err));
}

/* true: there may be more that are due. */
static bool fill_batch(struct periodic *p)
{
    struct registry *registry = p->summarizer->registry;
    schedule_admit(p->schedule, registry_count(registry), now_s(p));
    for (int looks = 0; looks < LOOKS_MAX && p->count < BATCH; looks++) {
        bool first;
        struct patient_row row;
        uint32_t patient = schedule_next(p->schedule, now_s(p), &first);
        if (!patient || is_stopping(p))
            return false;
        if (!registry_row(registry, patient, &row) || row.discharged)
            schedule_first(p->schedule, patient, now_s(p) + DISCHARGED_EVERY_S); /* may come back */
        else if (is_due(p, patient, &row, first))
            start_job(p, patient, &row, first);
    }
    return true;
}

/* ---- a batch ---- */

static void store_batch(struct periodic *p, const struct summary_row *rows, int count)
{
    struct store_write write = { .summaries = rows, .summary_count = (size_t)count };
    struct err err = { 0 };
    bool ok = !count || store_write_sync(p->summarizer->store, &write, &err);
    if (!ok)
        log_warn("summaries were not stored", LOG_INT("count", count),
                 LOG_STR("patient_id", rows[0].patient_id), LOG_ERR(&err));
    for (int i = 0; i < count; i++) {
        job_stored(p->summarizer, &p->jobs[i], ok);
        if (ok)
            schedule_written(p->schedule, p->patients[i], now_s(p));
        else
            schedule_retry(p->schedule, p->patients[i], now_s(p));
    }
}

static void finish_batch(struct periodic *p)
{
    struct summary_row rows[BATCH];
    struct buf documents[BATCH];
    int written = 0;
    for (; written < p->count && !is_stopping(p); written++) { /* who stops waits for nothing */
        buf_init(&documents[written], DOCUMENT_SIZE_MAX);
        job_write(p->summarizer, &p->jobs[written], &documents[written], &rows[written]);
    }
    store_batch(p, rows, written);
    for (int i = 0; i < p->count; i++)
        job_close(&p->jobs[i]);
    for (int i = 0; i < written; i++)
        buf_free(&documents[i]);
    p->count = 0;
}

/* ---- the thread ---- */

/* With the lock held. */
static void wait_a_moment(struct periodic *p)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += LOOK_EVERY_S;
    while (!p->stopping && pthread_cond_timedwait(&p->wake, &p->lock, &until) == 0)
        ;
}

static void *periodic_thread(void *argument)
{
    struct periodic *p = argument;
    (void)setpriority(PRIO_PROCESS, 0, 10); /* of this thread: nobody waits for it, alarms do not wait behind it */
    (void)pthread_mutex_lock(&p->lock);
    while (!p->stopping) {
        (void)pthread_mutex_unlock(&p->lock);
        bool more = fill_batch(p);
        finish_batch(p);
        (void)pthread_mutex_lock(&p->lock);
        if (!more)
            wait_a_moment(p);
    }
    (void)pthread_mutex_unlock(&p->lock);
    return NULL;
}

struct periodic *periodic_start(struct summarizer *summarizer)
{
    pthread_condattr_t monotonic;
    struct periodic *p = mem_new(1, sizeof *p);
    p->summarizer = summarizer;
    p->schedule = schedule_new(summarizer->config->summaries.first_s, summarizer->config->summaries.interval_s);
    p->jobs = mem_new(BATCH, sizeof *p->jobs);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    CHECK(pthread_mutex_init(&p->lock, NULL) == 0 && pthread_cond_init(&p->wake, &monotonic) == 0);
    (void)pthread_condattr_destroy(&monotonic);
    CHECK(pthread_create(&p->thread, NULL, periodic_thread, p) == 0);
    return p;
}

void periodic_stop(struct periodic *p)
{
    (void)pthread_mutex_lock(&p->lock);
    p->stopping = true;
    (void)pthread_cond_signal(&p->wake);
    (void)pthread_mutex_unlock(&p->lock);
    models_stop_waiting(p->summarizer->models);
    (void)pthread_join(p->thread, NULL);
    (void)pthread_cond_destroy(&p->wake);
    (void)pthread_mutex_destroy(&p->lock);
    schedule_free(p->schedule);
    mem_free(p->jobs);
    mem_free(p);
}
