#include "base/mem.h"
#include "net/transport.h"

#include <pthread.h>

/* Slow requests that may wait; beyond it 429.  At 5 ms each two threads clear it in 1.3 s. */
enum { QUEUE_MAX = 512, THREADS_MAX = 64 };

struct http_pool {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t threads[THREADS_MAX];
    int thread_count;
    struct { http_pool_work *run; void *work; } queue[QUEUE_MAX];
    int first, count;
    bool stopping;
};

static void *pool_thread(void *argument)
{
    struct http_pool *pool = argument;
    (void)pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (!pool->count && !pool->stopping)
            (void)pthread_cond_wait(&pool->wake, &pool->lock);
        if (!pool->count)
            break;
        int at = pool->first;
        pool->first = (pool->first + 1) % QUEUE_MAX;
        pool->count--;
        http_pool_work *run = pool->queue[at].run;
        void *work = pool->queue[at].work;
        (void)pthread_mutex_unlock(&pool->lock);
        run(work);
        (void)pthread_mutex_lock(&pool->lock);
    }
    (void)pthread_mutex_unlock(&pool->lock);
    return NULL;
}

struct http_pool *http_pool_new(int threads)
{
    struct http_pool *pool = mem_new(1, sizeof *pool);
    CHECK(threads >= 1 && threads <= THREADS_MAX);
    CHECK(pthread_mutex_init(&pool->lock, NULL) == 0 && pthread_cond_init(&pool->wake, NULL) == 0);
    for (pool->thread_count = 0; pool->thread_count < threads; pool->thread_count++)
        CHECK(pthread_create(&pool->threads[pool->thread_count], NULL, pool_thread, pool) == 0);
    return pool;
}

bool http_pool_submit(struct http_pool *pool, http_pool_work *run, void *work)
{
    (void)pthread_mutex_lock(&pool->lock);
    bool room = pool->count < QUEUE_MAX && !pool->stopping;
    if (room) {
        int at = (pool->first + pool->count++) % QUEUE_MAX;
        pool->queue[at].run = run;
        pool->queue[at].work = work;
        (void)pthread_cond_signal(&pool->wake);
    }
    (void)pthread_mutex_unlock(&pool->lock);
    return room;
}

void http_pool_free(struct http_pool *pool)
{
    if (!pool)
        return;
    (void)pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    (void)pthread_cond_broadcast(&pool->wake);
    (void)pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->thread_count; i++)
        (void)pthread_join(pool->threads[i], NULL);
    (void)pthread_cond_destroy(&pool->wake);
    (void)pthread_mutex_destroy(&pool->lock);
    mem_free(pool);
}
