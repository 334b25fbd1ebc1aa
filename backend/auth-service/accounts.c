#include "auth-service/accounts.h"

#include "auth-service/audit.h"
#include "auth-service/secrets.h"
#include "base/mem.h"
#include "net/access.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct accounts {
    struct store *store;
    const struct clock *clock;
    pthread_mutex_t changing;       /* one change at a time; taken before `lock` */
    pthread_rwlock_t lock;          /* of the fields below */
    struct user_row *users;         /* by id, ascending */
    size_t count, capacity;
};

_Static_assert(sizeof ((struct user_row *)0)->password_hash >= PASSWORD_HASH_SIZE, "hash");

/* ---- the table in memory ---- */

static void reserve(struct accounts *accounts, size_t count)
{
    if (count <= accounts->capacity)
        return;
    size_t capacity = accounts->capacity ? accounts->capacity : 16;
    while (capacity < count)
        capacity *= 2;
    struct user_row *users = mem_new(capacity, sizeof *users);
    if (accounts->count)
        memcpy(users, accounts->users, accounts->count * sizeof *users);
    mem_free(accounts->users);
    accounts->users = users;
    accounts->capacity = capacity;
}

static int by_id(const void *a, const void *b)
{
    int64_t x = ((const struct user_row *)a)->id, y = ((const struct user_row *)b)->id;
    return x < y ? -1 : x > y;
}

static struct user_row *locked_by_name(const struct accounts *accounts, const char *username)
{
    for (size_t i = 0; i < accounts->count; i++)
        if (strcasecmp(accounts->users[i].username, username) == 0)
            return &accounts->users[i];
    return NULL;
}

static struct user_row *locked_by_id(const struct accounts *accounts, int64_t id)
{
    struct user_row key = { .id = id };
    return accounts->count ? bsearch(&key, accounts->users, accounts->count, sizeof key, by_id) : NULL;
}

static bool copy_out(struct accounts *accounts, const struct user_row *found, struct user_row *out)
{
    if (found)
        *out = *found;
    CHECK(pthread_rwlock_unlock(&accounts->lock) == 0);
    return found != NULL;
}

bool accounts_find(struct accounts *accounts, const char *username, struct user_row *out)
{
    CHECK(pthread_rwlock_rdlock(&accounts->lock) == 0);
    return copy_out(accounts, locked_by_name(accounts, username), out);
}

bool accounts_find_id(struct accounts *accounts, int64_t id, struct user_row *out)
{
    CHECK(pthread_rwlock_rdlock(&accounts->lock) == 0);
    return copy_out(accounts, locked_by_id(accounts, id), out);
}

size_t accounts_count(struct accounts *accounts)
{
    CHECK(pthread_rwlock_rdlock(&accounts->lock) == 0);
    size_t count = accounts->count;
    CHECK(pthread_rwlock_unlock(&accounts->lock) == 0);
    return count;
}

struct user_row *accounts_list(struct accounts *accounts, struct arena *arena, size_t *out_count)
{
    CHECK(pthread_rwlock_rdlock(&accounts->lock) == 0);
    struct user_row *copy = arena_alloc(arena, (accounts->count + 1) * sizeof *copy);
    if (accounts->count)
        memcpy(copy, accounts->users, accounts->count * sizeof *copy);
    *out_count = accounts->count;
    CHECK(pthread_rwlock_unlock(&accounts->lock) == 0);
    return copy;
}

static void show(struct accounts *accounts, const struct user_row *user)
{
    CHECK(pthread_rwlock_wrlock(&accounts->lock) == 0);
    struct user_row *old = locked_by_id(accounts, user->id);
    if (!old) {
        reserve(accounts, accounts->count + 1);
        old = &accounts->users[accounts->count++];  /* a new id is the highest */
    }
    *old = *user;
    CHECK(pthread_rwlock_unlock(&accounts->lock) == 0);
}

/* ---- opening ---- */

bool accounts_reload(struct accounts *accounts, bool *out_changed, struct err *err)
{
    struct arena arena;
    struct user_row *users = NULL;
    size_t count = 0;
    arena_init(&arena, 64 << 20);
    CHECK(pthread_mutex_lock(&accounts->changing) == 0);
    bool ok = store_users(accounts->store, &arena, &users, &count, err);
    if (ok && count > USER_COUNT_MAX)
        ok = err_set(err, ERR_TOO_LARGE, "the store has %zu users, at most %d are kept", count, USER_COUNT_MAX);
    if (ok) {
        if (count)
            qsort(users, count, sizeof *users, by_id);
        CHECK(pthread_rwlock_wrlock(&accounts->lock) == 0);
        *out_changed = count != accounts->count ||
                       (count && memcmp(users, accounts->users, count * sizeof *users) != 0);
        reserve(accounts, count);
        if (count)
            memcpy(accounts->users, users, count * sizeof *users);
        accounts->count = count;
        CHECK(pthread_rwlock_unlock(&accounts->lock) == 0);
    }
    CHECK(pthread_mutex_unlock(&accounts->changing) == 0);
    arena_free(&arena);
    return ok;
}

bool accounts_open(struct store *store, const struct clock *clock, struct accounts **out, struct err *err)
{
    struct accounts *accounts = mem_new(1, sizeof *accounts);
    bool changed;
    secret_start();
    accounts->store = store;
    accounts->clock = clock;
    CHECK(pthread_mutex_init(&accounts->changing, NULL) == 0);
    CHECK(pthread_rwlock_init(&accounts->lock, NULL) == 0);
    if (!accounts_reload(accounts, &changed, err)) {
        accounts_close(accounts);
        return err_context(err, "users");
    }
    *out = accounts;
    return true;
}

void accounts_close(struct accounts *accounts)
{
    if (!accounts)
        return;
    (void)pthread_mutex_destroy(&accounts->changing);
    (void)pthread_rwlock_destroy(&accounts->lock);
    if (accounts->users)
        secret_wipe(accounts->users, accounts->capacity * sizeof *accounts->users);
    mem_free(accounts->users);
    mem_free(accounts);
}

/* ---- what is allowed ---- */

bool account_username_valid(const char *username)
{
    size_t length = strlen(username);
    return length >= 1 && length <= 63 &&
           strspn(username, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._@-") == length;
}

bool account_password_allowed(const char *username, const char *password, struct err *err)
{
    size_t length = strlen(password);
    if (length < PASSWORD_SIZE_MIN || length > PASSWORD_SIZE_MAX)
        return err_set(err, ERR_INPUT, "password: must have %d to %d bytes", PASSWORD_SIZE_MIN, PASSWORD_SIZE_MAX);
    if (strspn(password, (char[]){ password[0], '\0' }) == length)
        return err_set(err, ERR_INPUT, "password: must not be one character repeated");
    /* A name of one or two letters is in half of all passwords by chance. */
    if (strlen(username) >= 3 && strcasestr(password, username))
        return err_set(err, ERR_INPUT, "password: must not hold the username");
    return true;
}

static bool fits(const char *field, const char *text, size_t size, struct err *err)
{
    if (!text)
        return true;
    if (strlen(text) >= size)
        return err_set(err, ERR_INPUT, "%s: must have at most %zu bytes", field, size - 1);
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return err_set(err, ERR_INPUT, "%s: must not hold control characters", field);
    return str_utf8_valid(text, strlen(text)) || err_set(err, ERR_INPUT, "%s: must be UTF-8", field);
}

static bool change_allowed(const char *username, const struct account_change *change, struct err *err)
{
    if (change->role && !access_role_known(change->role))
        return err_set(err, ERR_INPUT, "role: must be one of admin, doctor, nurse, viewer, device");
    if (change->password && !account_password_allowed(username, change->password, err))
        return false;
    return fits("full_name", change->full_name, sizeof ((struct user_row *)0)->full_name, err) &&
           fits("email", change->email, sizeof ((struct user_row *)0)->email, err);
}

static bool leaves_an_admin(struct accounts *accounts, const struct user_row *changed)
{
    size_t admins = 0;
    CHECK(pthread_rwlock_rdlock(&accounts->lock) == 0);
    for (size_t i = 0; i < accounts->count; i++) {
        const struct user_row *user = accounts->users[i].id == changed->id ? changed : &accounts->users[i];
        admins += user->active && strcmp(user->role, "admin") == 0;
    }
    CHECK(pthread_rwlock_unlock(&accounts->lock) == 0);
    return admins > 0;
}

/* ---- changing ---- */

/* What was changed, without what it was changed to where that is a secret. */
static struct buf change_detail(const struct actor *actor, const struct account_change *change)
{
    struct buf detail;
    buf_init(&detail, 2048);
    struct json_writer w = json_write(&detail);
    json_put_object(&w, NULL);
    json_put_text(&w, "remote", actor->remote);
    if (change->role)
        json_put_text(&w, "role", change->role);
    if (change->active)
        json_put_bool(&w, "is_active", *change->active);
    if (change->password)
        json_put_bool(&w, "password", true);
    if (change->full_name)
        json_put_text(&w, "full_name", change->full_name);
    if (change->email)
        json_put_text(&w, "email", change->email);
    json_put_end(&w);
    return detail;
}

/* With `changing` held. */
static bool write_user(struct accounts *accounts, const struct actor *actor, const char *action,
                       const struct user_row *user,
                       const struct account_change *change, struct err *err)
{
    struct buf detail = change_detail(actor, change);
    struct audit_row row = audit_row_make(accounts->clock, actor->username, action, user->username, detail.data);
    struct store_write write = { .users = user, .user_count = 1, .audits = &row, .audit_count = 1 };
    bool ok = store_write_sync(accounts->store, &write, err);
    if (ok)
        show(accounts, user);
    buf_free(&detail);
    return ok;
}

static void apply(struct user_row *user, const struct account_change *change, const char *hash)
{
    if (change->role)
        (void)str_copy(user->role, sizeof user->role, change->role);
    if (change->full_name)
        (void)str_copy(user->full_name, sizeof user->full_name, change->full_name);
    if (change->email)
        (void)str_copy(user->email, sizeof user->email, change->email);
    if (change->active)
        user->active = *change->active;
    if (change->password)
        memcpy(user->password_hash, hash, PASSWORD_HASH_SIZE);
}

static bool add_locked(struct accounts *accounts, const struct actor *actor, struct user_row *user,
                       const struct account_change *as, struct err *err)
{
    struct user_row other;
    size_t count = accounts_count(accounts);
    if (accounts_find(accounts, user->username, &other))
        return err_set(err, ERR_CONFLICT, "username: %s exists already", other.username);
    if (count >= USER_COUNT_MAX)
        return err_set(err, ERR_CONFLICT, "there are %d users, the most that are kept", USER_COUNT_MAX);
    user->id = count ? accounts->users[count - 1].id + 1 : 1;   /* only we write, and `changing` is held */
    return write_user(accounts, actor, "user_add", user, as, err);
}

bool accounts_add(struct accounts *accounts, const struct actor *actor, const char *username,
                  const struct account_change *as, struct user_row *out, struct err *err)
{
    char hash[PASSWORD_HASH_SIZE];
    struct user_row user = { .active = true, .created_us = clock_now_us(accounts->clock) };
    if (!account_username_valid(username))
        return err_set(err, ERR_INPUT, "username: must have 1 to 63 of A-Z a-z 0-9 . _ @ -");
    if (!as->role)
        return err_set(err, ERR_INPUT, "role: is missing");
    if (!as->password)
        return err_set(err, ERR_INPUT, "password: is missing");
    if (!change_allowed(username, as, err) || !secret_password_hash(as->password, hash, err))
        return false;
    (void)str_copy(user.username, sizeof user.username, username);
    apply(&user, as, hash);
    CHECK(pthread_mutex_lock(&accounts->changing) == 0);
    bool ok = add_locked(accounts, actor, &user, as, err);
    CHECK(pthread_mutex_unlock(&accounts->changing) == 0);
    if (ok && out)
        *out = user;
    return ok;
}

static bool change_locked(struct accounts *accounts, const struct actor *actor, const char *username,
                          const struct account_change *change, const char *hash, struct user_row *user, struct err *err)
{
    if (!accounts_find(accounts, username, user))
        return err_set(err, ERR_NOT_FOUND, "User %.63s not found", username);
    bool ends_sessions = change->password || (change->role && strcmp(change->role, user->role) != 0) ||
                         (change->active && !*change->active);
    apply(user, change, hash);
    if (ends_sessions)
        user->valid_after_us = clock_now_us(accounts->clock);
    if (!leaves_an_admin(accounts, user))
        return err_set(err, ERR_CONFLICT, "this would leave no active admin");
    return write_user(accounts, actor, "user_change", user, change, err);
}

bool accounts_change(struct accounts *accounts, const struct actor *actor, const char *username,
                     const struct account_change *change, struct user_row *out, struct err *err)
{
    char hash[PASSWORD_HASH_SIZE];
    struct user_row user;
    if (!change_allowed(username, change, err) ||
        (change->password && !secret_password_hash(change->password, hash, err)))
        return false;
    CHECK(pthread_mutex_lock(&accounts->changing) == 0);
    bool ok = change_locked(accounts, actor, username, change, hash, &user, err);
    CHECK(pthread_mutex_unlock(&accounts->changing) == 0);
    if (ok && out)
        *out = user;
    return ok;
}

bool accounts_end_sessions(struct accounts *accounts, const struct actor *actor, const char *username, struct err *err)
{
    struct user_row user;
    CHECK(pthread_mutex_lock(&accounts->changing) == 0);
    bool ok = accounts_find(accounts, username, &user) || err_set(err, ERR_NOT_FOUND, "User %.63s not found", username);
    if (ok) {
        user.valid_after_us = clock_now_us(accounts->clock);
        ok = write_user(accounts, actor, "sessions_end", &user, &(struct account_change){ 0 }, err);
    }
    CHECK(pthread_mutex_unlock(&accounts->changing) == 0);
    return ok;
}

bool accounts_note_login(struct accounts *accounts, const struct actor *actor, int64_t user_id, const char *new_hash,
                         struct err *err)
{
    struct user_row user;
    CHECK(pthread_mutex_lock(&accounts->changing) == 0);
    bool ok = accounts_find_id(accounts, user_id, &user) || err_set(err, ERR_NOT_FOUND, "User not found");
    if (ok) {
        user.last_login_us = clock_now_us(accounts->clock);
        if (new_hash)
            memcpy(user.password_hash, new_hash, PASSWORD_HASH_SIZE);
        ok = write_user(accounts, actor, "login", &user, &(struct account_change){ 0 }, err);
    }
    CHECK(pthread_mutex_unlock(&accounts->changing) == 0);
    return ok;
}

void account_write(struct json_writer *w, const char *key, const struct user_row *user)
{
    json_put_object(w, key);
    json_put_int(w, "id", user->id);
    json_put_text(w, "username", user->username);
    json_put_text(w, "email", user->email[0] ? user->email : NULL);
    json_put_text(w, "full_name", user->full_name[0] ? user->full_name : NULL);
    json_put_text(w, "role", user->role);
    json_put_bool(w, "is_active", user->active);
    json_put_time(w, "created_at", user->created_us);
    json_put_time_if(w, "last_login", user->last_login_us);
    json_put_end(w);
}
