#include "commands/data_dir.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

extern char **environ;

bool data_dir_config(struct config *config, const char *file, const char *dir, struct err *err)
{
    config_defaults(config);
    return (!file || config_read_file(config, file, err)) && config_read_env(config, environ, err) &&
           (!dir || config_set(config, "store.data_dir", dir, CONFIG_FROM_FLAG, err)) && config_validate(config, err);
}

bool data_dir_open(const struct config *config, struct data_dir *out, struct err *err)
{
    char path[CONFIG_PATH_SIZE + 16];
    struct store_options options = { .engine = "sqlite", .data_dir = config->store.data_dir, .clock = clock_system(),
                                     .threaded = true, .raw_retention_h = config->store.raw_retention_h };
    (void)snprintf(path, sizeof path, "%s/wardscribe.db", config->store.data_dir);
    if (access(path, F_OK) != 0)
        return err_set_errno(err, ERR_NOT_FOUND, errno, "no database at %s (--data-dir DIR?)", path);
    if (!dir_lock_take(config->store.data_dir, &out->lock, err))
        return false;
    if (store_open(&options, &out->store, err))
        return true;
    dir_lock_release(&out->lock);
    return false;
}

void data_dir_close(struct data_dir *data)
{
    store_close(data->store);
    dir_lock_release(&data->lock);
}

int data_dir_fail(const char *command, const struct err *err)
{
    (void)fprintf(stderr, "wardscribe %s: %s\n", command, err->text);
    return err_exit_status(err->kind);
}
