/* team.h - a few threads that do one job together, many times a second.
 *
 * A job is a list of operations, an operation n pieces.  Every member goes through the same list:
 *     for (int from, to; crew_take(crew, n, grain, &from, &to);)
 *         pieces [from, to)
 * Whoever is there takes pieces; nobody has pieces of his own.  So a member whose CPU does something else
 * costs the job his help, not its progress: what is taken is waited for, what is not, others take, and who
 * comes back late passes over the operations that are finished.  A member that comes after the job's end
 * misses it.
 *
 * Order:   crew_take() is false when all pieces of the operation are done; what they wrote is seen by the
 *          pieces of later operations.  Outside pieces a member may be far behind: he must not touch what
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
    unsigned operation;
    int held;                    /* pieces taken, not yet done */
};
typedef void team_work(void *context, struct crew *crew);

struct team *team_new(int thread_count);          /* 1 … TEAM_MAX, the caller counted */
void team_free(struct team *team);
int team_count(const struct team *team);
/* Every member that comes in time runs `work` once; when it returns the job is done and they have left. */
void team_run(struct team *team, team_work *work, void *context);

/* The pieces taken before are done; the next [*out_from, *out_to) of n, at most `grain`.  n >= 1. */
bool crew_take(struct crew *crew, int n, int grain, int *out_from, int *out_to);
/* The same member without the others: takes everything. */
static inline struct crew crew_alone(const struct crew *crew)
{
    return (struct crew){ crew->team, crew->rank, 1, 0, 0 };
}
/* Where part i of n pieces in `parts` parts starts. */
static inline int share_start(int n, int parts, int i)
{
    return (int)((long)n * i / parts);
}
/* A grain with two turns for each member: one would wait for the last, many would cost more than they do. */
static inline int crew_grain(const struct crew *crew, int n)
{
    return (n + 2 * crew->count - 1) / (2 * crew->count);
}

#endif
