/* denied.h - tokens that were logged out before their end.
 *
 * Kept in the store's setting "auth.denied", one "JTI EXPIRES_US" a line, so that a restart keeps it;
 * what has expired anyway is dropped when the list is written.
 * Threads: any.  Bounds: DENIED_COUNT_MAX. */
#ifndef AUTH_DENIED_H
#define AUTH_DENIED_H

#include "auth-service/token.h"

#define DENIED_SETTING "auth.denied"

struct denied;
struct denied *denied_new(void);
void denied_free(struct denied *denied);
/* false: full of tokens that still live. */
bool denied_add(struct denied *denied, const char *jti, int64_t expires_us, int64_t now_us);
bool denied_has(struct denied *denied, const char *jti);
void denied_write(struct denied *denied, struct buf *out);
/* Adds what was written; ERR_INPUT when it is not ours. */
bool denied_read(struct denied *denied, const char *text, size_t length, struct err *err) MUST_CHECK;

#endif
