#include "auth-service/service.h"

#include "auth-service/audit.h"
#include "auth-service/internal.h"
#include "auth-service/secrets.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "net/access.h"

#include <string.h>

static struct metric refusals = METRIC_COUNTER("wardscribe_auth_tokens_refused_total",
                                               "Tokens that were not accepted.");

/* ---- tokens ---- */

/* A token says who somebody was when it was issued; this is who they are now. */
static bool user_still_is(struct auth *auth, const struct token_claims *claims)
{
    struct user_row user;
    return accounts_find_id(auth->accounts, claims->user_id, &user) && user.active &&
           strcmp(user.username, claims->username) == 0 && strcmp(user.role, claims->role) == 0 &&
           claims->issued_us > user.valid_after_us && !denied_has(auth->denied, claims->jti);
}

static bool verify_anew(struct auth *auth, const char *token, size_t length, struct token_claims *out, struct err *err)
{
    const char *reason = NULL;
    CHECK(pthread_rwlock_rdlock(&auth->key_lock) == 0);
    bool ok = token_verify(auth->keys, token, length, clock_now_us(auth->clock), out, &reason, err);
    CHECK(pthread_rwlock_unlock(&auth->key_lock) == 0);
    if (ok && !user_still_is(auth, out)) {
        reason = "user or logout";
        ok = err_set(err, ERR_AUTH, "The token is no longer valid");
    }
    if (!ok) {
        metric_add(&refusals, 1);
        log_debug("token refused", LOG_STR("check", reason));
    }
    return ok;
}

bool auth_identify(struct auth *auth, const char *token, struct token_claims *out, struct err *err)
{
    struct verified_ticket ticket;
    size_t length = strnlen(token, TOKEN_SIZE_MAX + 1);
    const struct token_claims *known = verified_get(auth->verified, token, length, clock_now_us(auth->clock), &ticket);
    if (known) {
        *out = *known;
        return true;
    }
    if (!verify_anew(auth, token, length, out, err))
        return false;
    verified_put(auth->verified, &ticket, out);
    return true;
}

bool auth_authorize(void *context, struct http_request *request, const char *token, int right, struct err *err)
{
    struct token_claims claims;
    CHECK(right >= 0 && right < RIGHT_COUNT);
    if (right == RIGHT_PUBLIC)
        return true;
    if (!token)
        return err_set(err, ERR_AUTH, "A token is needed: Authorization: Bearer TOKEN");
    if (!auth_identify(context, token, &claims, err))
        return false;
    request->identity.user_id = claims.user_id;
    request->identity.expires_us = claims.expires_us;
    memcpy(request->identity.username, claims.username, sizeof claims.username);
    memcpy(request->identity.role, claims.role, sizeof claims.role);
    if (!access_allowed(claims.role, (enum right)right))
        return err_set(err, ERR_FORBIDDEN, "The role %s may not do this", claims.role);
    return true;
}

bool auth_issue(struct auth *auth, const struct user_row *user, char token[TOKEN_SIZE_MAX + 1], struct err *err)
{
    struct token_claims claims = { .user_id = user->id };
    int64_t now = clock_now_us(auth->clock);
    claims.issued_us = now > user->valid_after_us ? now : user->valid_after_us + 1;
    claims.expires_us = claims.issued_us / US_PER_S * US_PER_S + auth->token_us;
    (void)str_copy(claims.username, sizeof claims.username, user->username);
    (void)str_copy(claims.role, sizeof claims.role, user->role);
    token_make_jti(claims.issued_us, claims.jti);
    CHECK(pthread_rwlock_rdlock(&auth->key_lock) == 0);
    bool ok = token_sign(auth->keys, &claims, token, err);
    CHECK(pthread_rwlock_unlock(&auth->key_lock) == 0);
    return ok;
}

/* ---- logout ---- */

bool auth_logout(struct auth *auth, const struct actor *actor, const struct token_claims *claims, struct err *err)
{
    if (!denied_add(auth->denied, claims->jti, claims->expires_us, clock_now_us(auth->clock))) {
        bool ok = accounts_end_sessions(auth->accounts, actor, claims->username, err);
        verified_forget_all(auth->verified);
        return ok;
    }
    verified_forget_all(auth->verified);
    struct buf text;
    buf_init(&text, DENIED_SIZE_MAX);
    CHECK(pthread_mutex_lock(&auth->settings) == 0);
    denied_write(auth->denied, &text);
    struct setting_row row = { DENIED_SETTING, text.data, text.length };
    bool ok = !text.overflow && audit_now(auth->store, auth->clock, actor, "logout", claims->username, &row, 1, err);
    CHECK(pthread_mutex_unlock(&auth->settings) == 0);
    buf_free(&text);
    return ok;
}

static bool load_denied(struct auth *auth, struct err *err)
{
    struct arena arena;
    void *text = NULL;
    size_t size = 0;
    arena_init(&arena, DENIED_SIZE_MAX + 4096);
    bool ok = store_setting(auth->store, &arena, DENIED_SETTING, &text, &size, err) &&
              (!text || denied_read(auth->denied, text, size, err));
    arena_free(&arena);
    return ok;
}

/* ---- keys ---- */

static bool save_keys(struct auth *auth, const struct token_keys *keys, const struct actor *actor,
                      const char *action, struct err *err)
{
    struct buf text;
    buf_init(&text, KEYS_SIZE_MAX);
    token_keys_write(keys, &text);
    struct setting_row row = { KEYS_SETTING, text.data, text.length };
    bool ok = !text.overflow && audit_now(auth->store, auth->clock, actor, action,
                                          token_keys_signing_kid(keys), &row, 1, err);
    if (text.data)
        secret_wipe(text.data, text.capacity);
    buf_free(&text);
    return ok;
}

/* *out is NULL when none are stored. */
static bool load_keys(struct auth *auth, struct token_keys **out, struct err *err)
{
    struct arena arena;
    void *text = NULL;
    size_t size = 0;
    *out = NULL;
    arena_init(&arena, KEYS_SIZE_MAX + 4096);
    bool ok = store_setting(auth->store, &arena, KEYS_SETTING, &text, &size, err);
    if (ok && text) {
        *out = token_keys_new();
        ok = token_keys_read(*out, text, size, err);
        secret_wipe(text, size);
    }
    arena_free(&arena);
    if (!ok) {
        token_keys_free(*out);
        *out = NULL;
    }
    return ok;
}

static void use_keys(struct auth *auth, struct token_keys *keys)
{
    CHECK(pthread_rwlock_wrlock(&auth->key_lock) == 0);
    struct token_keys *old = auth->keys;
    auth->keys = keys;
    CHECK(pthread_rwlock_unlock(&auth->key_lock) == 0);
    token_keys_free(old);
    verified_forget_all(auth->verified);
}

/* Written first, then used: a token must never outlive the only copy of its key. */
static bool rotate_locked(struct auth *auth, const struct actor *actor, char kid[TOKEN_KID_SIZE], struct err *err)
{
    struct token_keys *next = NULL;
    if (!load_keys(auth, &next, err))
        return false;
    if (!next)
        next = token_keys_new();
    if (!token_keys_rotate(next, clock_now_us(auth->clock), err) || !save_keys(auth, next, actor, "keys_rotate", err)) {
        token_keys_free(next);
        return false;
    }
    (void)str_copy(kid, TOKEN_KID_SIZE, token_keys_signing_kid(next));
    use_keys(auth, next);
    return true;
}

bool auth_rotate(struct auth *auth, const struct actor *actor, char kid[TOKEN_KID_SIZE], struct err *err)
{
    if (auth->key_is_given)
        return err_set(err, ERR_CONFLICT, "The signing key comes from the configuration; change it there");
    CHECK(pthread_mutex_lock(&auth->settings) == 0);
    bool ok = rotate_locked(auth, actor, kid, err);
    CHECK(pthread_mutex_unlock(&auth->settings) == 0);
    return ok;
}

static bool start_keys(struct auth *auth, const struct auth_options *options, struct err *err)
{
    static const struct actor self = { "system", "start" };
    struct token_keys *stored;
    char kid[TOKEN_KID_SIZE];
    auth->key_is_given = options->signing_key && options->signing_key[0];
    if (!load_keys(auth, &stored, err))
        return false;
    use_keys(auth, stored ? stored : token_keys_new());
    if (auth->key_is_given)
        return token_keys_use(auth->keys, options->signing_key, clock_now_us(auth->clock), err);
    if (token_keys_signing_kid(auth->keys))
        return true;
    if (!options->owner)
        return err_set(err, ERR_CONFIG,
                       "there is no signing key yet: give auth.signing_key, or start the auth-service first");
    return auth_rotate(auth, &self, kid, err);
}

/* ---- start ---- */

static bool make_admin(struct auth *auth, const char *given, struct auth_first_start *out, struct err *err)
{
    static const struct actor self = { "system", "first start" };
    const char *password = given && given[0] ? given : out->password;
    if (password != given)
        secret_generate_password(out->password);
    struct account_change as = { .role = "admin", .password = password };
    if (!accounts_add(auth->accounts, &self, "admin", &as, NULL, err)) {
        secret_wipe(out, sizeof *out);
        return err_context(err, "first admin");
    }
    (void)str_copy(out->username, sizeof out->username, "admin");
    return true;
}

bool auth_start(const struct auth_options *options, struct auth **out,
                struct auth_first_start *out_first, struct err *err)
{
    struct auth *auth = mem_new(1, sizeof *auth);
    memset(out_first, 0, sizeof *out_first);
    CHECK(options->token_minutes > 0 && options->token_minutes * 60 <= TOKEN_LIFE_MAX_S);
    auth->store = options->store;
    auth->clock = options->clock;
    auth->token_us = options->token_minutes * US_PER_MIN;
    auth->denied = denied_new();
    auth->throttle = throttle_new();
    auth->verified = verified_new();
    CHECK(pthread_mutex_init(&auth->settings, NULL) == 0);
    CHECK(pthread_rwlock_init(&auth->key_lock, NULL) == 0);
    bool ok = accounts_open(options->store, options->clock, &auth->accounts, err) && load_denied(auth, err) &&
              start_keys(auth, options, err);
    if (ok && options->owner && accounts_count(auth->accounts) == 0)
        ok = make_admin(auth, options->admin_password, out_first, err);
    if (!ok) {
        auth_stop(auth);
        return err_context(err, "auth-service");
    }
    auth->worker = worker_start(auth);
    *out = auth;
    return true;
}

void auth_stop(struct auth *auth)
{
    if (!auth)
        return;
    worker_stop(auth->worker);
    verified_free(auth->verified);
    throttle_free(auth->throttle);
    denied_free(auth->denied);
    accounts_close(auth->accounts);
    token_keys_free(auth->keys);
    (void)pthread_rwlock_destroy(&auth->key_lock);
    (void)pthread_mutex_destroy(&auth->settings);
    mem_free(auth);
}

bool auth_refresh(struct auth *auth, struct err *err)
{
    bool changed = false;
    struct token_keys *stored = NULL;
    if (!accounts_reload(auth->accounts, &changed, err) || !load_denied(auth, err))
        return false;
    if (!auth->key_is_given && !load_keys(auth, &stored, err))
        return false;
    if (stored)
        use_keys(auth, stored);
    verified_forget_all(auth->verified);
    return true;
}
