/* routes.c - the requests of /api/auth and /api/audit.
 *
 * What hashes a password is put aside (http_defer) and runs on worker.h's threads; what only waits
 * for the disk runs on a pool of the server (ROUTE_WRITES); the rest answers at once. */
#include "auth-service/audit.h"
#include "auth-service/internal.h"
#include "auth-service/secrets.h"
#include "base/json.h"
#include "base/log.h"
#include "base/metric.h"
#include "net/access.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { BODY_SIZE_MAX = 4096, ARENA_SIZE_MAX = 64 << 20 };

static struct metric logins = METRIC_COUNTER("wardscribe_auth_logins_total", "Logins that succeeded.");
static struct metric failed_logins = METRIC_COUNTER("wardscribe_auth_logins_failed_total",
                                                    "Logins with a wrong name or password.");
static struct metric throttled_logins = METRIC_COUNTER("wardscribe_auth_logins_throttled_total",
                                                       "Logins that came too soon.");

static struct actor actor_of(const struct http_request *request)
{
    return (struct actor){ request->identity.username, request->remote };
}

/* The body as an object that has no other fields than `known`; NULL: `err` is answered. */
static struct json *body_of(const struct http_request *request, struct http_reply *reply, const char *const *known)
{
    struct json *root = NULL;
    struct err err = { 0 };
    if (json_parse_object(request->body ? request->body : "", request->body_size, BODY_SIZE_MAX, &root, &err) &&
        json_only(root, known, &err))
        return root;
    json_free(root);
    http_reply_error(reply, &err);
    return NULL;
}

static char *keep(struct http_request *request, const char *text)
{
    return text ? arena_copy(request->arena, text, strlen(text)) : NULL;
}

static void answer_busy(struct http_reply *reply, int retry_after_s, const char *text)
{
    struct err err;
    err_set(&err, ERR_BUSY, "%s", text);
    reply->retry_after_s = retry_after_s;
    http_reply_error(reply, &err);
}

static void put_aside(struct auth *auth, struct http_request *request, struct http_reply *reply, worker_run *run,
                      void *input)
{
    if (!worker_reserve(auth->worker)) {
        answer_busy(reply, 2, "Too many logins at this moment");
        return;
    }
    http_defer(request);
    worker_push(auth->worker, run, request, input);
}

static void answer_ok(struct http_reply *reply)
{
    buf_add_text(reply->body, "{\"status\":\"ok\"}");
}

static void answer_user(struct http_reply *reply, int status, const struct user_row *user)
{
    struct json_writer w = json_write(reply->body);
    account_write(&w, NULL, user);
    reply->status = status;
}

static void wipe_text(char *text)
{
    if (text)
        secret_wipe(text, strlen(text));
}

/* ---- login ---- */

struct login {
    char *username, *password;
};

static void answer_session(struct auth *auth, struct http_reply *reply, const struct user_row *user, const char *token)
{
    struct json_writer w = json_write(reply->body);
    json_put_object(&w, NULL);
    json_put_text(&w, "access_token", token);
    json_put_text(&w, "token_type", "bearer");
    json_put_int(&w, "expires_in", auth->token_us / US_PER_S);
    account_write(&w, "user", user);
    json_put_end(&w);
}

/* The same words and the same work whether the name, the password or the account is wrong. */
static void refuse_login(struct auth *auth, struct http_reply *reply, const struct actor *actor, bool known)
{
    struct err err;
    metric_add(&failed_logins, 1);
    audit_later(auth->store, auth->clock, actor, "login_failed", known ? actor->username : "(unknown)");
    err_set(&err, ERR_AUTH, "Wrong username or password");
    http_reply_error(reply, &err);
}

static void accept_login(struct auth *auth, struct http_request *request, struct http_reply *reply,
                         struct user_row *user, const char *password)
{
    char token[TOKEN_SIZE_MAX + 1], hash[PASSWORD_HASH_SIZE];
    struct actor actor = { user->username, request->remote };
    struct err err = { 0 };
    bool better = secret_password_outdated(user->password_hash) && secret_password_hash(password, hash, &err);
    /* A full disk must not keep a nurse from the screens: the login goes on, the loss is shouted. */
    if (!accounts_note_login(auth->accounts, &actor, user->id, better ? hash : NULL, &err))
        audit_lost("login", &err);
    /* Anew: the role may have changed while the password was hashed. */
    if (!accounts_find_id(auth->accounts, user->id, user) || !user->active) {
        refuse_login(auth, reply, &actor, true);
        return;
    }
    if (!auth_issue(auth, user, token, &err)) {
        http_reply_error(reply, &err);
        return;
    }
    throttle_forget(auth->throttle, user->username, request->remote);
    metric_add(&logins, 1);
    answer_session(auth, reply, user, token);
    secret_wipe(token, sizeof token);
}

static void run_login(void *context, struct http_request *request, struct http_reply *reply, void *input)
{
    struct auth *auth = context;
    struct login *login = input;
    struct user_row user;
    bool known = accounts_find(auth->accounts, login->username, &user);
    bool right = secret_password_verify(known ? user.password_hash : NULL, login->password);
    if (right && user.active) {
        accept_login(auth, request, reply, &user, login->password);
    } else {
        struct actor actor = { known ? user.username : "(unknown)", request->remote };
        refuse_login(auth, reply, &actor, known);
    }
    wipe_text(login->password);
    secret_wipe(&user, sizeof user);
}

/* false: answered. */
static bool may_try(struct auth *auth, struct http_request *request, struct http_reply *reply, const char *username)
{
    int wait_s;
    bool first;
    struct user_row user;
    if (throttle_try(auth->throttle, username, request->remote, clock_monotonic_us(auth->clock), &wait_s, &first))
        return true;
    metric_add(&throttled_logins, 1);
    if (first) {    /* not once per guess: the log would be the attacker's to fill */
        const char *name = accounts_find(auth->accounts, username, &user) ? user.username : "(unknown)";
        audit_later(auth->store, auth->clock, &(struct actor){ name, request->remote }, "login_throttled", name);
    }
    answer_busy(reply, wait_s, "Too many failed logins; wait before the next");
    return false;
}

static void handle_login(void *context, struct http_request *request, struct http_reply *reply)
{
    static const char *const known[] = { "username", "password", NULL };
    const char *username = NULL, *password = NULL;
    struct err err = { 0 };
    struct json *root = body_of(request, reply, known);
    if (!root)
        return;
    if (!json_get_text(root, "username", JSON_REQUIRED, 1, 63, &username, &err) ||
        !json_get_text(root, "password", JSON_REQUIRED, 1, PASSWORD_SIZE_MAX, &password, &err)) {
        http_reply_error(reply, &err);
    } else if (may_try(context, request, reply, username)) {
        struct login *login = arena_alloc(request->arena, sizeof *login);
        *login = (struct login){ keep(request, username), keep(request, password) };
        put_aside(context, request, reply, run_login, login);
    }
    json_free(root);
}

/* ---- the own session ---- */

static const char *token_of(const struct http_request *request)
{
    const char *header = http_header(request, "Authorization");
    return header && strncasecmp(header, "Bearer ", 7) == 0 ? header + 7 : NULL;
}

static void handle_logout(void *context, struct http_request *request, struct http_reply *reply)
{
    struct auth *auth = context;
    struct token_claims claims;
    struct err err = { 0 };
    struct actor actor = actor_of(request);
    const char *token = token_of(request);
    bool ok = token ? auth_identify(auth, token, &claims, &err) && auth_logout(auth, &actor, &claims, &err)
                    : err_set(&err, ERR_AUTH, "A token is needed");
    if (ok)
        answer_ok(reply);
    else
        http_reply_error(reply, &err);
}

static void handle_verify(void *context, struct http_request *request, struct http_reply *reply)
{
    (void)context;
    struct json_writer w = json_write(reply->body);
    json_put_object(&w, NULL);
    json_put_bool(&w, "valid", true);
    json_put_text(&w, "username", request->identity.username);
    json_put_text(&w, "role", request->identity.role);
    json_put_time(&w, "expires_at", request->identity.expires_us);
    json_put_end(&w);
}

static void handle_me(void *context, struct http_request *request, struct http_reply *reply)
{
    struct auth *auth = context;
    struct user_row user;
    struct err err;
    if (accounts_find_id(auth->accounts, request->identity.user_id, &user)) {
        answer_user(reply, 200, &user);
    } else {
        err_set(&err, ERR_AUTH, "The token is no longer valid");
        http_reply_error(reply, &err);
    }
}

struct password_change {
    char *old, *next;
};

static bool change_password(struct auth *auth, struct http_request *request, const struct password_change *change,
                            struct err *err)
{
    struct user_row user;
    struct actor actor = actor_of(request);
    if (!accounts_find_id(auth->accounts, request->identity.user_id, &user))
        return err_set(err, ERR_AUTH, "The token is no longer valid");
    if (!secret_password_verify(user.password_hash, change->old))
        return err_set(err, ERR_FORBIDDEN, "old: is not your password");
    throttle_forget(auth->throttle, user.username, request->remote);
    if (strcmp(change->old, change->next) == 0)
        return err_set(err, ERR_INPUT, "new: must differ from the old one");
    if (!account_password_allowed(user.username, change->next, err))
        return err_context(err, "new");
    bool ok = accounts_change(auth->accounts, &actor, user.username,
                              &(struct account_change){ .password = change->next }, NULL, err);
    verified_forget_all(auth->verified);
    return ok;
}

static void run_password(void *context, struct http_request *request, struct http_reply *reply, void *input)
{
    struct password_change *change = input;
    struct err err = { 0 };
    if (change_password(context, request, change, &err))
        answer_ok(reply);
    else
        http_reply_error(reply, &err);
    wipe_text(change->old);
    wipe_text(change->next);
}

static void handle_password(void *context, struct http_request *request, struct http_reply *reply)
{
    static const char *const known[] = { "old", "new", NULL };
    const char *old = NULL, *next = NULL;
    struct err err = { 0 };
    struct json *root = body_of(request, reply, known);
    if (!root)
        return;
    if (!json_get_text(root, "old", JSON_REQUIRED, 1, PASSWORD_SIZE_MAX, &old, &err) ||
        !json_get_text(root, "new", JSON_REQUIRED, PASSWORD_SIZE_MIN, PASSWORD_SIZE_MAX, &next, &err)) {
        http_reply_error(reply, &err);
    } else if (may_try(context, request, reply, request->identity.username)) {
        /* a stolen token is no key to guess with */
        struct password_change *change = arena_alloc(request->arena, sizeof *change);
        *change = (struct password_change){ keep(request, old), keep(request, next) };
        put_aside(context, request, reply, run_password, change);
    }
    json_free(root);
}

/* ---- users, for admins ---- */

static void handle_users(void *context, struct http_request *request, struct http_reply *reply)
{
    struct auth *auth = context;
    size_t count;
    struct user_row *users = accounts_list(auth->accounts, request->arena, &count);
    struct json_writer w = json_write(reply->body);
    json_put_array(&w, NULL);
    for (size_t i = 0; i < count; i++)
        account_write(&w, NULL, &users[i]);
    json_put_end(&w);
    secret_wipe(users, count * sizeof *users);
}

struct user_input {
    char *username, *role, *password, *full_name, *email;
    bool active_given, active;
};

static bool read_user(struct http_request *request, const struct json *root, unsigned how, struct user_input *out,
                      struct err *err)
{
    const char *role = NULL, *password = NULL, *full_name = NULL, *email = NULL;
    if (!json_get_text(root, "role", how, 1, 15, &role, err) ||
        !json_get_text(root, "password", how, PASSWORD_SIZE_MIN, PASSWORD_SIZE_MAX, &password, err) ||
        !json_get_text(root, "full_name", JSON_NULLABLE, 0, 95, &full_name, err) ||
        !json_get_text(root, "email", JSON_NULLABLE, 0, 127, &email, err) ||
        !json_get_bool(root, "is_active", 0, &out->active, err))
        return false;
    out->active_given = json_has(root, "is_active");
    out->role = keep(request, role);
    out->password = keep(request, password);
    out->full_name = keep(request, json_has_null(root, "full_name") ? "" : full_name);
    out->email = keep(request, json_has_null(root, "email") ? "" : email);
    return true;
}

static struct account_change change_of(const struct user_input *input)
{
    return (struct account_change){ input->role, input->password, input->full_name, input->email,
                                    input->active_given ? &input->active : NULL };
}

static void finish_user(struct auth *auth, struct http_reply *reply, struct user_input *input, bool ok, int status,
                        const struct user_row *user, const struct err *err)
{
    verified_forget_all(auth->verified);
    wipe_text(input->password);
    if (ok)
        answer_user(reply, status, user);
    else
        http_reply_error(reply, err);
}

static void run_add_user(void *context, struct http_request *request, struct http_reply *reply, void *input)
{
    struct auth *auth = context;
    struct user_input *user = input;
    struct account_change as = change_of(user);
    struct actor actor = actor_of(request);
    struct user_row made;
    struct err err = { 0 };
    bool ok = accounts_add(auth->accounts, &actor, user->username, &as, &made, &err);
    finish_user(auth, reply, user, ok, 201, &made, &err);
}

static void handle_add_user(void *context, struct http_request *request, struct http_reply *reply)
{
    static const char *const known[] = { "username", "password", "role", "full_name", "email", NULL };
    const char *username = NULL;
    struct err err = { 0 };
    struct json *root = body_of(request, reply, known);
    if (!root)
        return;
    struct user_input *input = arena_alloc(request->arena, sizeof *input);
    if (json_get_text(root, "username", JSON_REQUIRED, 1, 63, &username, &err) &&
        read_user(request, root, JSON_REQUIRED, input, &err)) {
        input->username = keep(request, username);
        put_aside(context, request, reply, run_add_user, input);
    } else {
        http_reply_error(reply, &err);
    }
    json_free(root);
}

static void run_change_user(void *context, struct http_request *request, struct http_reply *reply, void *input)
{
    struct auth *auth = context;
    struct user_input *user = input;
    struct account_change change = change_of(user);
    struct actor actor = actor_of(request);
    struct user_row changed;
    struct err err = { 0 };
    bool ok = accounts_change(auth->accounts, &actor, user->username, &change, &changed, &err);
    finish_user(auth, reply, user, ok, 200, &changed, &err);
}

static void handle_change_user(void *context, struct http_request *request, struct http_reply *reply)
{
    static const char *const known[] = { "role", "is_active", "password", "full_name", "email", NULL };
    struct err err = { 0 };
    struct json *root = body_of(request, reply, known);
    if (!root)
        return;
    struct user_input *input = arena_alloc(request->arena, sizeof *input);
    bool ok = json_count(root) > 0
                  ? read_user(request, root, 0, input, &err)
                  : err_set(&err, ERR_INPUT, "one of role, is_active, password, full_name, email is needed");
    if (ok) {
        input->username = keep(request, http_parameter(request, "username"));
        put_aside(context, request, reply, run_change_user, input);
    } else {
        http_reply_error(reply, &err);
    }
    json_free(root);
}

/* ---- keys ---- */

static void handle_rotate(void *context, struct http_request *request, struct http_reply *reply)
{
    char kid[TOKEN_KID_SIZE];
    struct err err = { 0 };
    struct actor actor = actor_of(request);
    if (!auth_rotate(context, &actor, kid, &err)) {
        http_reply_error(reply, &err);
        return;
    }
    struct json_writer w = json_write(reply->body);
    json_put_object(&w, NULL);
    json_put_text(&w, "status", "ok");
    json_put_text(&w, "kid", kid);
    json_put_end(&w);
}

static void handle_jwks(void *context, struct http_request *request, struct http_reply *reply)
{
    (void)request;
    struct auth *auth = context;
    CHECK(pthread_rwlock_rdlock(&auth->key_lock) == 0);
    token_keys_jwks(auth->keys, reply->body);
    CHECK(pthread_rwlock_unlock(&auth->key_lock) == 0);
    reply->cache_control = "public, max-age=60";
}

/* ---- the audit log ---- */

static void handle_audit(void *context, struct http_request *request, struct http_reply *reply)
{
    struct auth *auth = context;
    struct err err = { 0 };
    struct audit_row *rows = NULL;
    int64_t limit, before;
    size_t count = 0;
    if (!http_query_int(request, "limit", 1, 1000, 100, &limit, &err) ||
        !http_query_int(request, "before", 1, INT64_MAX, 0, &before, &err) ||
        !store_audits(auth->store, request->arena, before, (size_t)limit, &rows, &count, &err)) {
        http_reply_error(reply, &err);
        return;
    }
    struct json_writer w = json_write(reply->body);
    json_put_array(&w, NULL);
    for (size_t i = 0; i < count; i++)
        audit_write_json(&w, &rows[i]);
    json_put_end(&w);
}

static void handle_audit_verify(void *context, struct http_request *request, struct http_reply *reply)
{
    (void)request;
    struct auth *auth = context;
    struct err err = { 0 };
    int64_t count = 0;
    bool valid = store_audit_verify(auth->store, &count, &err);
    struct json_writer w = json_write(reply->body);
    json_put_object(&w, NULL);
    json_put_bool(&w, "valid", valid);
    json_put_int(&w, "count", count);
    if (!valid)
        json_put_text(&w, "detail", err.text);
    json_put_end(&w);
}

static const struct http_route routes[] = {
    { HTTP_POST, "/api/auth/login", RIGHT_PUBLIC, 0, handle_login, NULL },
    { HTTP_POST, "/api/auth/logout", RIGHT_SELF, ROUTE_WRITES, handle_logout, NULL },
    { HTTP_GET, "/api/auth/verify", RIGHT_SELF, 0, handle_verify, NULL },
    { HTTP_GET, "/api/auth/me", RIGHT_SELF, 0, handle_me, NULL },
    { HTTP_POST, "/api/auth/password", RIGHT_SELF, 0, handle_password, NULL },
    { HTTP_GET, "/api/auth/users", RIGHT_ADMIN, 0, handle_users, NULL },
    { HTTP_POST, "/api/auth/users", RIGHT_ADMIN, 0, handle_add_user, NULL },
    { HTTP_PATCH, "/api/auth/users/{username}", RIGHT_ADMIN, 0, handle_change_user, NULL },
    { HTTP_POST, "/api/auth/keys/rotate", RIGHT_ADMIN, ROUTE_WRITES, handle_rotate, NULL },
    { HTTP_GET, "/api/auth/jwks", RIGHT_PUBLIC, 0, handle_jwks, NULL },
    { HTTP_GET, "/api/audit", RIGHT_ADMIN, ROUTE_SLOW, handle_audit, NULL },
    { HTTP_GET, "/api/audit/verify", RIGHT_ADMIN, ROUTE_SLOW, handle_audit_verify, NULL },
};

struct http_routes auth_routes(struct auth *auth)
{
    return (struct http_routes){ routes, sizeof routes / sizeof *routes, auth };
}
