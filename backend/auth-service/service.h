/* service.h - auth-service: logins, tokens, users, the audit log's window; and `authorize` for all.
 *
 * Routes:   /api/auth/…, /api/audit, /api/audit/verify as in api/openapi.yaml.
 * Every process that answers requests starts it, whether or not it serves its routes: auth_authorize
 * is the one gate.  Only a process with `owner` makes what is missing (the first admin, a key); the
 * others must be given auth.signing_key, or read what the owner stored, and call auth_refresh().
 * Threads:  any for auth_authorize and handlers; start and stop on one. */
#ifndef AUTH_SERVICE_H
#define AUTH_SERVICE_H

#include "net/http.h"
#include "store/store.h"

struct auth;

struct auth_options {
    struct store *store;
    const struct clock *clock;
    bool owner;
    int token_minutes;
    const char *admin_password;     /* NULL or "": a random one at first start */
    const char *signing_key;        /* PEM or JWK; NULL or "": from the store, or made */
};

/* Whom the first start made (empty: nobody), and the password if that was made too: print it once to
 * the operator, then wipe it. */
struct auth_first_start {
    char username[64], password[32];
};

bool auth_start(const struct auth_options *options, struct auth **out, struct auth_first_start *out_first,
                struct err *err) MUST_CHECK;
/* After http_server_stop(): no handler runs any more. */
void auth_stop(struct auth *auth);
struct http_routes auth_routes(struct auth *auth);

/* http_server_options.authorize; `context` is the struct auth.  RIGHT_PUBLIC needs no token. */
bool auth_authorize(void *auth, struct http_request *request, const char *token, int right, struct err *err) MUST_CHECK;

/* Reads users, logouts and keys again from the store; every few seconds where another process owns them. */
bool auth_refresh(struct auth *auth, struct err *err) MUST_CHECK;

#endif
