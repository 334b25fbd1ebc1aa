/* audit.h - rows of the audit log, made and written.
 *
 * Actions:  login, login_failed, login_throttled, logout, user_add, user_change, sessions_end,
 *           password_change, keys_rotate.  The object is the user or key it is about.
 * Secrets:  never in a row.  A failed login under a name that nobody has is noted as "(unknown)":
 *           people type passwords into the name field. */
#ifndef AUTH_AUDIT_H
#define AUTH_AUDIT_H

#include "auth-service/accounts.h"

/* `detail` must outlive the row: JSON or "". */
struct audit_row audit_row_make(const struct clock *clock, const char *actor, const char *action, const char *object,
                                const char *detail);
/* {"remote": …}; the caller frees it with buf_free(). */
struct buf audit_detail(const char *remote);

/* Queues a row; nobody waits.  If the store is full or gone, a log line and a metric say so. */
void audit_later(struct store *store, const struct clock *clock, const struct actor *actor,
                 const char *action, const char *object);
/* Writes a row, with settings (may be none), and waits. */
bool audit_now(struct store *store, const struct clock *clock, const struct actor *actor, const char *action,
               const char *object, const struct setting_row *settings, size_t setting_count,
                   struct err *err) MUST_CHECK;
/* The row as the API and exports show it: an item of an array, or the root. */
struct json_writer;
void audit_write_json(struct json_writer *writer, const struct audit_row *row);
void audit_lost(const char *action, const struct err *err);

#endif
