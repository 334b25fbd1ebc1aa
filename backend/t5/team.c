#include "t5/team.h"

#include "base/mem.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Spins before a member sleeps: within a job (the others' pieces take under 20 us; later than that, their CPU
 * does something else, and spinning would keep it from them), and without work (a decoder's step follows the
 * last within 100 us). */
enum { SPINS_PIECE = 1000, SPINS_IDLE = 4000 };

/* Where members sleep.  The one that changes what they wait for looks for sleepers after the change; they
 * look at it again after they have said that they sleep: one of both sees the other. */
struct bed {
    _Alignas(64) atomic_uint sleepers, calls;
};

/* The operation for which a member's share was taken last.  It only grows, so a member that is behind finds
 * nothing to take; and while a share is not taken its operation cannot be over. */
struct claim {
    _Alignas(64) atomic_uint operation;
};

/* door: number of the job << 8 | DOOR_OPEN | members inside, without member 0. */
enum { DOOR_INSIDE = 127, DOOR_OPEN = 128, DOOR_JOB = 256 };

struct team {
    int count;
    _Alignas(64) atomic_uint turn;         /* number of the operation */
    _Alignas(64) atomic_int done;          /* shares done of it */
    _Alignas(64) atomic_uint door;
    struct claim claims[TEAM_MAX];
    struct bed inside, outside;
    team_work *work;
    void *context;
    unsigned first;                        /* the job's first operation */
    atomic_bool stopping;
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

/* ---- waiting ---- */

typedef bool over_fn(struct team *team, unsigned what);

static void wait_until(struct team *team, struct bed *bed, over_fn *over, unsigned what, int spins)
{
    for (; spins > 0; spins--, relax())
        if (over(team, what))
            return;
    (void)atomic_fetch_add_explicit(&bed->sleepers, 1, memory_order_seq_cst);
    for (;;) {
        unsigned calls = atomic_load_explicit(&bed->calls, memory_order_seq_cst);
        if (over(team, what))
            break;
        (void)syscall(SYS_futex, &bed->calls, FUTEX_WAIT_PRIVATE, calls, NULL, NULL, 0);
    }
    (void)atomic_fetch_sub_explicit(&bed->sleepers, 1, memory_order_relaxed);
}

static void wake(struct bed *bed)
{
    if (atomic_load_explicit(&bed->sleepers, memory_order_seq_cst) == 0)
        return;
    (void)atomic_fetch_add_explicit(&bed->calls, 1, memory_order_seq_cst);
    (void)syscall(SYS_futex, &bed->calls, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static bool operation_over(struct team *team, unsigned operation)
{
    return atomic_load_explicit(&team->turn, memory_order_seq_cst) != operation;
}

static bool all_left(struct team *team, unsigned unused)
{
    (void)unused;
    return (atomic_load_explicit(&team->door, memory_order_seq_cst) & DOOR_INSIDE) == 0;
}

static bool job_open(struct team *team, unsigned last)
{
    unsigned door = atomic_load_explicit(&team->door, memory_order_seq_cst);
    return ((door & DOOR_OPEN) && door / DOOR_JOB != last) ||
           atomic_load_explicit(&team->stopping, memory_order_seq_cst);
}

/* ---- operations ---- */

static void finish(struct crew *crew)
{
    struct team *team = crew->team;
    int held = crew->held;
    crew->held = 0;
    if (held == 0 || atomic_fetch_add_explicit(&team->done, held, memory_order_acq_rel) + held < team->count)
        return;
    atomic_store_explicit(&team->done, 0, memory_order_relaxed);
    atomic_store_explicit(&team->turn, crew->operation + 1, memory_order_seq_cst);
    wake(&team->inside);
}

static bool claim(struct crew *crew, int share)
{
    atomic_uint *last = &crew->team->claims[share].operation;
    unsigned found = atomic_load_explicit(last, memory_order_relaxed);
    return (int)(found - crew->operation) < 0 &&
           atomic_compare_exchange_strong_explicit(last, &found, crew->operation, memory_order_acq_rel,
                                                   memory_order_relaxed);
}

static bool take_alone(struct crew *crew, int n, int *out_from, int *out_to)
{
    *out_from = 0;
    *out_to = n;
    crew->held = !crew->held;
    return crew->held;
}

bool crew_take(struct crew *crew, int n, int *out_from, int *out_to)
{
    if (crew->count == 1)
        return take_alone(crew, n, out_from, out_to);
    for (int i = 0; i < crew->count; i++) {
        int share = (crew->rank + i) % crew->count;
        if (!claim(crew, share))
            continue;
        crew->held++;
        crew->share = share;
        *out_from = share_start(n, crew->count, share);
        *out_to = share_start(n, crew->count, share + 1);
        return true;
    }
    finish(crew);
    wait_until(crew->team, &crew->team->inside, operation_over, crew->operation, SPINS_PIECE);
    crew->operation++;
    return false;
}

/* ---- jobs ---- */

static void *member_thread(void *argument)
{
    struct member *member = argument;
    struct team *team = member->team;
    for (unsigned last = 0;;) {
        wait_until(team, &team->outside, job_open, last, SPINS_IDLE);
        if (atomic_load_explicit(&team->stopping, memory_order_seq_cst))
            return NULL;
        unsigned door = atomic_load_explicit(&team->door, memory_order_relaxed);
        if (!(door & DOOR_OPEN) || !atomic_compare_exchange_strong_explicit(&team->door, &door, door + 1,
                                                                            memory_order_acq_rel, memory_order_relaxed))
            continue;
        last = door / DOOR_JOB;
        team->work(team->context, &(struct crew){ team, member->rank, team->count, member->rank, team->first, 0 });
        (void)atomic_fetch_sub_explicit(&team->door, 1, memory_order_seq_cst);
        wake(&team->inside);
    }
}

struct team *team_new(int thread_count)
{
    CHECK(thread_count >= 1 && thread_count <= TEAM_MAX);
    struct team *team = mem_pages_new(sizeof *team);   /* aligned to cache lines */
    CHECK(team != NULL);
    team->count = thread_count;
    atomic_store_explicit(&team->turn, 1, memory_order_relaxed);   /* claims start at 0: before it */
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
    atomic_store_explicit(&team->stopping, true, memory_order_seq_cst);
    wake(&team->outside);
    for (int i = 1; i < team->count; i++)
        (void)pthread_join(team->threads[i], NULL);
    mem_pages_free(team, sizeof *team);
}

int team_count(const struct team *team)
{
    return team->count;
}

void team_run(struct team *team, team_work *work, void *context)
{
    struct crew crew = { team, 0, team->count, 0, atomic_load_explicit(&team->turn, memory_order_relaxed), 0 };
    if (team->count > 1) {
        team->work = work;
        team->context = context;
        team->first = crew.operation;
        unsigned door = atomic_load_explicit(&team->door, memory_order_relaxed);
        atomic_store_explicit(&team->door, (door & ~(unsigned)DOOR_INSIDE) + DOOR_JOB + DOOR_OPEN,
                              memory_order_seq_cst);
        wake(&team->outside);
    }
    work(context, &crew);
    if (team->count > 1) {
        (void)atomic_fetch_and_explicit(&team->door, ~(unsigned)DOOR_OPEN, memory_order_seq_cst);
        wait_until(team, &team->inside, all_left, 0, SPINS_PIECE);
    }
}
