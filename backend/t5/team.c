#include "t5/team.h"

#include "base/mem.h"

#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Spins before a member sleeps: at a meeting (usually under 5 us late; later than that, the other's CPU does
 * something else, and spinning would keep it from ours), and without work (a decoder's step follows the last
 * within 100 us). */
enum { SPINS_MEETING = 1000, SPINS_IDLE = 4000 };

struct team {
    int count;
    _Alignas(64) atomic_uint arrived;
    _Alignas(64) atomic_uint meeting;      /* counts the meetings that are over */
    atomic_uint sleepers;                  /* at the meeting */
    _Alignas(64) atomic_uint job;          /* counts the jobs that were started */
    team_work *work;
    void *context;
    atomic_bool stopping;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t threads[TEAM_MAX];
    struct member { struct team *team; int rank; } members[TEAM_MAX];
};

static inline void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void sleep_until_over(struct team *team, unsigned now)
{
    (void)atomic_fetch_add_explicit(&team->sleepers, 1, memory_order_seq_cst);
    while (atomic_load_explicit(&team->meeting, memory_order_seq_cst) == now)
        (void)syscall(SYS_futex, &team->meeting, FUTEX_WAIT_PRIVATE, now, NULL, NULL, 0);
    (void)atomic_fetch_sub_explicit(&team->sleepers, 1, memory_order_relaxed);
}

void team_wait(struct team *team)
{
    unsigned now = atomic_load_explicit(&team->meeting, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&team->arrived, 1, memory_order_acq_rel) + 1 == (unsigned)team->count) {
        atomic_store_explicit(&team->arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&team->meeting, now + 1, memory_order_seq_cst);
        if (atomic_load_explicit(&team->sleepers, memory_order_seq_cst))
            (void)syscall(SYS_futex, &team->meeting, FUTEX_WAKE_PRIVATE, team->count, NULL, NULL, 0);
        return;
    }
    for (int spins = 0; spins < SPINS_MEETING; spins++) {
        if (atomic_load_explicit(&team->meeting, memory_order_acquire) != now)
            return;
        relax();
    }
    sleep_until_over(team, now);
}

static bool spin_for_job(struct team *team, unsigned seen)
{
    for (int spins = 0; spins < SPINS_IDLE; spins++) {
        if (atomic_load_explicit(&team->job, memory_order_acquire) != seen)
            return true;
        relax();
    }
    return false;
}

static void sleep_for_job(struct team *team, unsigned seen)
{
    (void)pthread_mutex_lock(&team->lock);
    while (atomic_load_explicit(&team->job, memory_order_acquire) == seen)
        (void)pthread_cond_wait(&team->wake, &team->lock);
    (void)pthread_mutex_unlock(&team->lock);
}

static void *member_thread(void *argument)
{
    struct member *member = argument;
    struct team *team = member->team;
    for (unsigned seen = 0;; seen++) {
        if (!spin_for_job(team, seen))
            sleep_for_job(team, seen);
        if (atomic_load_explicit(&team->stopping, memory_order_acquire))
            return NULL;
        team->work(team->context, member->rank);
        team_wait(team);
    }
}

static void start_job(struct team *team)
{
    (void)pthread_mutex_lock(&team->lock);
    (void)atomic_fetch_add_explicit(&team->job, 1, memory_order_release);
    (void)pthread_cond_broadcast(&team->wake);
    (void)pthread_mutex_unlock(&team->lock);
}

struct team *team_new(int thread_count)
{
    CHECK(thread_count >= 1 && thread_count <= TEAM_MAX);
    struct team *team = mem_pages_new(sizeof *team);   /* aligned to cache lines */
    CHECK(team != NULL);
    team->count = thread_count;
    CHECK(pthread_mutex_init(&team->lock, NULL) == 0 && pthread_cond_init(&team->wake, NULL) == 0);
    for (int i = 1; i < thread_count; i++) {
        team->members[i] = (struct member){ team, i };
        CHECK(pthread_create(&team->threads[i], NULL, member_thread, &team->members[i]) == 0);
    }
    return team;
}

void team_free(struct team *team)
{
    if (!team)
        return;
    atomic_store_explicit(&team->stopping, true, memory_order_release);
    start_job(team);
    for (int i = 1; i < team->count; i++)
        (void)pthread_join(team->threads[i], NULL);
    (void)pthread_cond_destroy(&team->wake);
    (void)pthread_mutex_destroy(&team->lock);
    mem_pages_free(team, sizeof *team);
}

int team_count(const struct team *team)
{
    return team->count;
}

void team_run(struct team *team, team_work *work, void *context)
{
    if (team->count == 1) {
        work(context, 0);
        return;
    }
    team->work = work;
    team->context = context;
    start_job(team);
    work(context, 0);
    team_wait(team);
}
