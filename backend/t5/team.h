/* team.h - a few threads that do one job together, many times a second.
 *
 * A job is a list of operations, an operation n pieces.  Every member goes through the same list:
 *     for (int from, to; crew_take(crew, n, &from, &to);)
 *         pieces [from, to)
 * The pieces are cut into a share for each member.  A member takes its own share first, then those that
 * nobody has begun.  So a member whose CPU does something else costs the job its help, not its progress: what
 * it has begun is waited for, what it has not, others do, and when it comes back it passes over the operations
 * that are finished.  A member that comes after the job's end misses it.
 *
 * Order:   crew_take() is false when all pieces of the operation are done; what they wrote is seen by the
 *          pieces of later operations.  Outside pieces a member may be far behind: it must not touch what
 *          pieces write, and n must not depend on it.
 * Waiting: members spin at first, since an operation takes microseconds and a wake-up through the kernel
 *          as long; then they sleep.
 * Owner:   one thread calls team_run() at a time; it is member 0.
 * Bounds:  TEAM_MAX threads. */
#ifndef T5_TEAM_H
#define T5_TEAM_H

#include "base/err.h"

enum { TEAM_MAX = 64 };

struct team;

/* A member within a job, or somebody alone. */
struct crew {
    struct team *team;
    int rank, count;             /* rank: whose scratch memory */
    int share;                   /* the one taken last: its own is `rank` */
    unsigned operation;
    int held;                    /* shares taken, not yet told as done */
};
typedef void team_work(void *context, struct crew *crew);

struct team *team_new(int thread_count);          /* 1 … TEAM_MAX, the caller counted */
void team_free(struct team *team);
int team_count(const struct team *team);
/* Every member that comes in time runs `work` once; when it returns the job is done and they have left. */
void team_run(struct team *team, team_work *work, void *context);

/* The pieces taken before are done; the next are [*out_from, *out_to) of n, which may be none.  A loop must go
 * on until it is false. */
bool crew_take(struct crew *crew, int n, int *out_from, int *out_to);
/* The same member without the others: takes everything. */
static inline struct crew crew_alone(const struct crew *crew)
{
    return (struct crew){ .team = crew->team, .rank = crew->rank, .count = 1, .share = crew->rank };
}
/* Where part i of n pieces in `parts` parts starts. */
static inline int share_start(int n, int parts, int i)
{
    return (int)((long)n * i / parts);
}

#endif
