/* data_dir.h - opening a data directory from the command line, when no server has it. */
#ifndef COMMANDS_DATA_DIR_H
#define COMMANDS_DATA_DIR_H

#include "base/config.h"
#include "base/dir_lock.h"
#include "store/store.h"

struct data_dir {
    struct dir_lock lock;
    struct store *store;
};

/* defaults, `file` (NULL: none), the environment, then `dir` (NULL: none) as store.data_dir. */
bool data_dir_config(struct config *config, const char *file, const char *dir, struct err *err) MUST_CHECK;
/* Refuses a folder without a database, and one that a server has open. */
bool data_dir_open(const struct config *config, struct data_dir *out, struct err *err) MUST_CHECK;
void data_dir_close(struct data_dir *data);
/* Prints "wardscribe NAME: text" and returns the exit status. */
int data_dir_fail(const char *command, const struct err *err);

#endif
