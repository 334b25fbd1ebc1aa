/* accounts.h - users: who there is, and every change to them, audited.
 *
 * The store is the truth; all users are kept in memory beside it, because every token is checked
 * against its user.  A change is written first, with its audit row in the same unit, then shown.
 * Names:    [A-Za-z0-9._@-]{1,63}; "Anna" and "anna" are the same user.  Users are never deleted
 *           (the audit log names them); they are disabled.
 * Tokens:   a change of password or role, or disabling, sets valid_after_us: tokens issued until
 *           then are refused.
 * Threads:  any.  Changes go one after the other and wait for the disk; looking up never waits for it.
 * Bounds:   USER_COUNT_MAX. */
#ifndef AUTH_ACCOUNTS_H
#define AUTH_ACCOUNTS_H

#include "base/json.h"
#include "store/store.h"

struct accounts;

/* Who does it and from where; stands in the audit log. */
struct actor {
    const char *username;
    const char *remote;     /* "127.0.0.1", "command line" */
};

bool accounts_open(struct store *store, const struct clock *clock, struct accounts **out, struct err *err) MUST_CHECK;
void accounts_close(struct accounts *accounts);
/* Reads them again, for a process beside the one that changes them; *out_changed: something had. */
bool accounts_reload(struct accounts *accounts, bool *out_changed, struct err *err) MUST_CHECK;

size_t accounts_count(struct accounts *accounts);
bool accounts_find(struct accounts *accounts, const char *username, struct user_row *out);
bool accounts_find_id(struct accounts *accounts, int64_t id, struct user_row *out);
/* All of them, by id; a copy in `arena`. */
struct user_row *accounts_list(struct accounts *accounts, struct arena *arena, size_t *out_count);

bool account_username_valid(const char *username);
/* "password: …" when it may not be used: length, holds the user's name, one character repeated. */
bool account_password_allowed(const char *username, const char *password, struct err *err) MUST_CHECK;

/* What is NULL stays (or, for a new user, is empty). */
struct account_change {
    const char *role, *password, *full_name, *email;
    const bool *active;
};
/* ERR_INPUT names the field; ERR_CONFLICT: the name is taken.  Takes about 50 ms for the password. */
bool accounts_add(struct accounts *accounts, const struct actor *actor, const char *username,
                  const struct account_change *as, struct user_row *out, struct err *err) MUST_CHECK;
/* ERR_NOT_FOUND; ERR_CONFLICT: it would leave no active admin. */
bool accounts_change(struct accounts *accounts, const struct actor *actor, const char *username,
                     const struct account_change *change, struct user_row *out, struct err *err) MUST_CHECK;
/* Ends every session of the user. */
bool accounts_end_sessions(struct accounts *accounts, const struct actor *actor, const char *username,
                           struct err *err) MUST_CHECK;
/* Notes a login, also in the audit log; a better `new_hash` replaces the old one (NULL: none). */
bool accounts_note_login(struct accounts *accounts, const struct actor *actor, int64_t user_id, const char *new_hash,
                         struct err *err) MUST_CHECK;

/* {id, username, email, full_name, role, is_active, created_at, last_login}: never the hash. */
void account_write(struct json_writer *w, const char *key, const struct user_row *user);

#endif
