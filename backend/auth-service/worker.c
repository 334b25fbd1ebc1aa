#include "auth-service/worker.h"

#include "base/mem.h"

#include <pthread.h>

struct job {
    worker_run *run;
    struct http_request *request;
    void *input;
};

struct worker {
    void *context;
    pthread_t threads[LOGIN_THREAD_COUNT];
    pthread_mutex_t mutex;              /* of all below */
    pthread_cond_t wake;
    struct job jobs[LOGIN_QUEUE_MAX];   /* a ring */
    size_t first, queued, reserved;
    bool stopping;
};

static bool next_job(struct worker *worker, struct job *out)
{
    CHECK(pthread_mutex_lock(&worker->mutex) == 0);
    while (!worker->queued && !worker->stopping)
        pthread_cond_wait(&worker->wake, &worker->mutex);
    bool found = worker->queued > 0;
    if (found) {
        *out = worker->jobs[worker->first];
        worker->first = (worker->first + 1) % LOGIN_QUEUE_MAX;
        worker->queued--;
    }
    CHECK(pthread_mutex_unlock(&worker->mutex) == 0);
    return found;
}

static void *worker_main(void *context)
{
    struct worker *worker = context;
    struct job job;
    pthread_setname_np(pthread_self(), "passwords");
    while (next_job(worker, &job)) {
        job.run(worker->context, job.request, http_deferred_reply(job.request), job.input);
        http_finish(job.request);
    }
    return NULL;
}

struct worker *worker_start(void *context)
{
    struct worker *worker = mem_new(1, sizeof *worker);
    worker->context = context;
    CHECK(pthread_mutex_init(&worker->mutex, NULL) == 0);
    CHECK(pthread_cond_init(&worker->wake, NULL) == 0);
    for (int i = 0; i < LOGIN_THREAD_COUNT; i++)
        CHECK(pthread_create(&worker->threads[i], NULL, worker_main, worker) == 0);
    return worker;
}

void worker_stop(struct worker *worker)
{
    if (!worker)
        return;
    CHECK(pthread_mutex_lock(&worker->mutex) == 0);
    worker->stopping = true;
    pthread_cond_broadcast(&worker->wake);
    CHECK(pthread_mutex_unlock(&worker->mutex) == 0);
    for (int i = 0; i < LOGIN_THREAD_COUNT; i++)
        (void)pthread_join(worker->threads[i], NULL);
    (void)pthread_cond_destroy(&worker->wake);
    (void)pthread_mutex_destroy(&worker->mutex);
    mem_free(worker);
}

bool worker_reserve(struct worker *worker)
{
    CHECK(pthread_mutex_lock(&worker->mutex) == 0);
    bool room = worker->queued + worker->reserved < LOGIN_QUEUE_MAX;
    worker->reserved += room;
    CHECK(pthread_mutex_unlock(&worker->mutex) == 0);
    return room;
}

void worker_push(struct worker *worker, worker_run *run, struct http_request *request, void *input)
{
    CHECK(pthread_mutex_lock(&worker->mutex) == 0);
    CHECK(worker->reserved > 0);
    worker->reserved--;
    worker->jobs[(worker->first + worker->queued++) % LOGIN_QUEUE_MAX] = (struct job){ run, request, input };
    pthread_cond_signal(&worker->wake);
    CHECK(pthread_mutex_unlock(&worker->mutex) == 0);
}
