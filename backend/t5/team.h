/* team.h - a few threads that do one job together, many times a second.
 *
 * team_run() lets every member run `work` once; the caller is member 0.  Inside, team_wait() lets
 * them meet: it spins, because the pieces between two meetings last microseconds and a wake-up through
 * the kernel costs as much.  A member that finds the others late gives its CPU away; between jobs
 * members sleep.
 *
 * Owner:   one thread calls team_run() at a time.
 * Bounds:  TEAM_MAX threads. */
#ifndef T5_TEAM_H
#define T5_TEAM_H

#include "base/err.h"

enum { TEAM_MAX = 64 };

struct team;
typedef void team_work(void *context, int rank);

struct team *team_new(int thread_count);          /* 1 … TEAM_MAX, the caller counted */
void team_free(struct team *team);
int team_count(const struct team *team);
void team_run(struct team *team, team_work *work, void *context);
void team_wait(struct team *team);                /* inside work only, by every member */

/* Who does a piece of work: `count` members that meet, or one on its own. */
struct crew {
    struct team *team;
    int rank, count;
};
static inline void crew_wait(const struct crew *crew)
{
    if (crew->count > 1)
        team_wait(crew->team);
}
/* This member's share of n pieces: [*from, *to). */
static inline void crew_share(const struct crew *crew, int n, int *from, int *to)
{
    *from = (int)((long)n * crew->rank / crew->count);
    *to = (int)((long)n * (crew->rank + 1) / crew->count);
}

#endif
