#include "t5/train/pool.h"

#include "base/err.h"
#include "base/mem.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

enum { SPIN_COUNT = 4000, THREADS_MAX = 256 };

struct pool {
    int threads;
    pthread_t thread[THREADS_MAX];
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pool_item *run;
    void *context;
    int count;
    bool stop;
    atomic_uint round;                   /* a new loop or the end: one more */
    atomic_int next, busy;               /* next item; helpers that have not finished this round */
};

struct helper {
    struct pool *pool;
    int index;
};

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void work(struct pool *pool, int thread)
{
    for (int item; (item = atomic_fetch_add(&pool->next, 1)) < pool->count;)
        pool->run(pool->context, item, thread);
}

static void wait_round(struct pool *pool, unsigned seen)
{
    for (int i = 0; i < SPIN_COUNT; i++) {
        if (atomic_load(&pool->round) != seen)
            return;
        relax();
    }
    pthread_mutex_lock(&pool->lock);
    while (atomic_load(&pool->round) == seen)
        pthread_cond_wait(&pool->wake, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

static void *help(void *argument)
{
    struct helper helper = *(struct helper *)argument;
    mem_free(argument);
    for (unsigned seen = 0;; seen++) {
        wait_round(helper.pool, seen);
        if (helper.pool->stop)
            return NULL;
        work(helper.pool, helper.index);
        atomic_fetch_sub(&helper.pool->busy, 1);
    }
}

static int cpu_count(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

struct pool *pool_new(int threads)
{
    struct pool *pool = mem_new(1, sizeof *pool);
    pool->threads = threads ? threads : cpu_count();
    if (pool->threads > THREADS_MAX)
        pool->threads = THREADS_MAX;
    CHECK(pthread_mutex_init(&pool->lock, NULL) == 0 && pthread_cond_init(&pool->wake, NULL) == 0);
    for (int i = 1; i < pool->threads; i++) {
        struct helper *helper = mem_new(1, sizeof *helper);
        *helper = (struct helper){ pool, i };
        CHECK(pthread_create(&pool->thread[i], NULL, help, helper) == 0);
    }
    return pool;
}

/* Under the lock, so that a helper between its last look and its sleep cannot miss it. */
static void start_round(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add(&pool->round, 1);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
}

void pool_free(struct pool *pool)
{
    if (!pool)
        return;
    pool->stop = true;
    start_round(pool);
    for (int i = 1; i < pool->threads; i++)
        pthread_join(pool->thread[i], NULL);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    mem_free(pool);
}

int pool_threads(const struct pool *pool)
{
    return pool->threads;
}

void pool_run(struct pool *pool, pool_item *run, void *context, int count)
{
    pool->run = run;
    pool->context = context;
    pool->count = count;
    atomic_store(&pool->next, 0);
    if (pool->threads > 1 && count > 1) {
        atomic_store(&pool->busy, pool->threads - 1);
        start_round(pool);
    }
    work(pool, 0);
    for (int spins = 0; atomic_load(&pool->busy) > 0; spins++)
        spins < SPIN_COUNT ? relax() : (void)sched_yield();
}
