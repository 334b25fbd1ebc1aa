/* data_dir.h - opening a data directory from the command line, when no server has it. */
#ifndef COMMANDS_DATA_DIR_H
#define COMMANDS_DATA_DIR_H

#include "base/config.h"
#include "base/dir_lock.h"
#include "store/store.h"

#include <argp.h>

/* Where it is: --config and --data-dir, as a child of a command's own argp. */
struct data_dir_place {
    const char *config_file, *dir;       /* NULL: the defaults and the environment */
};
extern const struct argp data_dir_argp;  /* input: struct data_dir_place * */

struct data_dir {
    struct dir_lock lock;
    struct store *store;
};

/* defaults, the file, the environment, then the folder as store.data_dir. */
bool data_dir_config(const struct data_dir_place *place, struct config *config, struct err *err) MUST_CHECK;
/* Refuses a folder without a database, and one that a server has open. */
bool data_dir_open(const struct data_dir_place *place, struct data_dir *out, struct err *err) MUST_CHECK;
void data_dir_close(struct data_dir *data);
/* Prints "wardscribe NAME: text" and returns the exit status. */
int data_dir_fail(const char *command, const struct err *err);

#endif
