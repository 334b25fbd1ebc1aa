/* Whatever the members' speeds, each piece is done once, and after everything of the operations before. */
#include "t5/team.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { OPERATIONS = 40, PIECES_MAX = 67, THREADS_MAX = 5 };

struct job {
    unsigned seed;
    int slow_rank;                           /* sleeps before, after and within operations; -1: nobody */
    int done[OPERATIONS][PIECES_MAX];        /* plain: TSan sees a piece that two members do */
    atomic_int wrong_count, came;
};

/* The same for every member: operation `op` of the job. */
static int piece_count(const struct job *job, int op)
{
    return 1 + (int)((job->seed * 31u + (unsigned)op * 17u) % PIECES_MAX);
}

static void rest(const struct job *job, const struct crew *crew, int op)
{
    if (crew->rank == job->slow_rank && op % 8 == 3)
        (void)usleep(200);
}

static bool before_is_done(const struct job *job, int op)
{
    for (int i = 0; op > 0 && i < piece_count(job, op - 1); i++)
        if (job->done[op - 1][i] != 1)
            return false;
    return true;
}

static void do_job(void *context, struct crew *crew)
{
    struct job *job = context;
    (void)atomic_fetch_add(&job->came, 1);
    for (int op = 0; op < OPERATIONS; op++) {
        rest(job, crew, op);
        for (int from, to; crew_take(crew, piece_count(job, op), &from, &to);) {
            rest(job, crew, op);
            if (!before_is_done(job, op))
                (void)atomic_fetch_add(&job->wrong_count, 1);
            for (int i = from; i < to; i++)
                job->done[op][i]++;
        }
    }
}

static void check_job(const struct job *job)
{
    assert_int_equal(job->wrong_count, 0);
    for (int op = 0; op < OPERATIONS; op++)
        for (int i = 0; i < PIECES_MAX; i++)
            assert_int_equal(job->done[op][i], i < piece_count(job, op));
}

static void run_jobs(int threads, int slow_rank, int jobs, int pause_us)
{
    struct team *team = team_new(threads);
    struct job *job = mem_new(1, sizeof *job);
    for (int i = 0; i < jobs; i++) {
        memset(job->done, 0, sizeof job->done);
        job->seed = (unsigned)i;
        job->slow_rank = slow_rank;
        team_run(team, do_job, job);
        check_job(job);
        if (pause_us)
            (void)usleep((useconds_t)pause_us);
    }
    assert_true(job->came >= jobs && job->came <= jobs * threads);
    mem_free(job);
    team_free(team);
}

static void test_each_piece_once(void **state)
{
    (void)state;
    for (int threads = 1; threads <= THREADS_MAX; threads++)
        run_jobs(threads, -1, 200, 0);
}

static void test_a_slow_member(void **state)
{
    (void)state;
    for (int rank = 0; rank < 3; rank++)
        run_jobs(3, rank, 20, 0);
}

/* Members sleep between the jobs and have to be woken. */
static void test_members_asleep(void **state)
{
    (void)state;
    run_jobs(3, -1, 20, 2000);
}

static void test_nobody_needs_to_come(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++)
        run_jobs(4, -1, 1, 0);
}

static void test_alone(void **state)
{
    (void)state;
    struct team *team = team_new(2);
    struct crew crew = { .team = team, .rank = 1, .count = 2 }, alone = crew_alone(&crew);
    int from, to;
    for (int i = 0; i < 3; i++) {
        assert_true(crew_take(&alone, 7, &from, &to));
        assert_int_equal(from, 0);
        assert_int_equal(to, 7);
        assert_false(crew_take(&alone, 7, &from, &to));
    }
    assert_int_equal(alone.rank, 1);
    team_free(team);
}

static void test_shares_cover_everything(void **state)
{
    (void)state;
    for (int n = 0; n < 100; n++)
        for (int parts = 1; parts < 9; parts++) {
            assert_int_equal(share_start(n, parts, 0), 0);
            assert_int_equal(share_start(n, parts, parts), n);
            for (int i = 0; i < parts; i++)
                assert_in_range(share_start(n, parts, i + 1) - share_start(n, parts, i), n / parts, n / parts + 1);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_piece_once),      cmocka_unit_test(test_a_slow_member),
        cmocka_unit_test(test_members_asleep),       cmocka_unit_test(test_nobody_needs_to_come),
        cmocka_unit_test(test_alone),                cmocka_unit_test(test_shares_cover_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
