/* verified.h - tokens whose signature and user have been checked already.
 *
 * Why:      ES256 takes about 70 us; the bar for a GET is 17 us in all.  A hit costs one hash.
 * How:      each thread has its own small table, so there is no lock and no shared line that is
 *           written; a generation number that all threads read makes every entry stale at once
 *           (user changed, logout, rotation).  A reader takes the generation BEFORE it verifies, so
 *           what changes meanwhile makes its own entry stale.
 * Key:      a secret 128-bit hash of the whole token; the token itself is not kept.
 * Bounds:   VERIFIED_SLOTS per thread, the newer token replaces the older.
 * Owner:    tables live until verified_free(); threads are as many as the server's pools. */
#ifndef AUTH_VERIFIED_H
#define AUTH_VERIFIED_H

#include "auth-service/token.h"

enum { VERIFIED_SLOTS = 2048 };    /* 360 KiB a thread; a ward has hundreds of screens */

struct verified;
struct verified_ticket { uint64_t generation, low, high; };

struct verified *verified_new(void);
void verified_free(struct verified *verified);     /* no other thread uses it any more */
void verified_forget_all(struct verified *verified);
/* NULL: not there; then verify and verified_put() with the same ticket.  The result is this
 * thread's own and good until its next call here. */
const struct token_claims *verified_get(struct verified *verified, const char *token, size_t length, int64_t now_us,
                                        struct verified_ticket *out_ticket);
void verified_put(struct verified *verified, const struct verified_ticket *ticket, const struct token_claims *claims);

#endif
