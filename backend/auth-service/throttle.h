/* throttle.h - how often somebody may try to log in.
 *
 * Rule:    per (username, remote address): 5 tries, then each waits twice as long as the one before,
 *          1 s up to 5 min.  15 quiet minutes or a success forget it.  So 1,000 guesses a minute
 *          become about 14 in the first quarter of an hour, while a nurse who mistypes waits seconds.
 *          By the pair, so that nobody can lock a nurse out from elsewhere.
 * A try counts when it begins: many at once gain nothing.
 * Bounds:  THROTTLE_SLOTS pairs; a full set drops its mildest entry, so that noise does not wash
 *          out a guesser.  Keys are hashed with a secret, so that nobody can aim at a set.
 * Threads: any; one short lock.   Time: monotonic microseconds, comes in. */
#ifndef AUTH_THROTTLE_H
#define AUTH_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

enum { THROTTLE_SLOTS = 4096, THROTTLE_FREE_TRIES = 5, THROTTLE_DELAY_MAX_S = 300 };

struct throttle;
struct throttle *throttle_new(void);
void throttle_free(struct throttle *throttle);
/* false: not yet; *out_wait_s (>= 1) says how long.  *out_first: the first refusal of this row of them. */
bool throttle_try(struct throttle *throttle, const char *username, const char *remote, int64_t now_us,
                  int *out_wait_s, bool *out_first);
void throttle_forget(struct throttle *throttle, const char *username, const char *remote);

#endif
