/* internal.h - inside auth-service/ only. */
#ifndef AUTH_INTERNAL_H
#define AUTH_INTERNAL_H

#include "auth-service/accounts.h"
#include "auth-service/denied.h"
#include "auth-service/service.h"
#include "auth-service/throttle.h"
#include "auth-service/token.h"
#include "auth-service/verified.h"
#include "auth-service/worker.h"

#include <pthread.h>

#define KEYS_SETTING "auth.keys"
enum { KEYS_SIZE_MAX = 64 << 10, DENIED_SIZE_MAX = 1 << 20 };

struct auth {
    struct store *store;
    const struct clock *clock;
    bool key_is_given;              /* by the configuration: not stored, not rotated */
    int64_t token_us;
    struct accounts *accounts;
    struct denied *denied;
    struct throttle *throttle;
    struct verified *verified;
    struct worker *worker;
    pthread_mutex_t settings;       /* one writer of keys or denied tokens; taken before key_lock */
    pthread_rwlock_t key_lock;      /* of `keys` */
    struct token_keys *keys;
};

/* Who a token is, rights aside. */
bool auth_identify(struct auth *auth, const char *token, struct token_claims *out, struct err *err) MUST_CHECK;
bool auth_issue(struct auth *auth, const struct user_row *user, char token[TOKEN_SIZE_MAX + 1],
                struct err *err) MUST_CHECK;
/* Denies this token, writes that down with its audit row. */
bool auth_logout(struct auth *auth, const struct actor *actor, const struct token_claims *claims,
                 struct err *err) MUST_CHECK;
bool auth_rotate(struct auth *auth, const struct actor *actor, char kid[TOKEN_KID_SIZE], struct err *err) MUST_CHECK;

#endif
