/* dir_lock.h - one process per data directory.
 *
 * flock() on DIR/lock: it ends with the process, however that ends.  The file holds the pid of who
 * has it, for the message.  Owner: whoever took it; the file stays, only the lock goes. */
#ifndef BASE_DIR_LOCK_H
#define BASE_DIR_LOCK_H

#include "base/err.h"

struct dir_lock {
    int fd;
};

/* DIR must exist.  ERR_CONFIG: "DIR is in use by another Wardscribe (process 1234)". */
bool dir_lock_take(const char *dir, struct dir_lock *out, struct err *err) MUST_CHECK;
void dir_lock_release(struct dir_lock *lock);

#endif
