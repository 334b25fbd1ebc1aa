#include "commands/data_dir.h"

#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

extern char **environ;

static error_t parse_place(int key, char *value, struct argp_state *state)
{
    struct data_dir_place *place = state->input;
    switch (key) {
    case 'c': place->config_file = value; return 0;
    case 'd': place->dir = value; return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option place_options[] = {
    { "config", 'c', "FILE", 0, "YAML configuration", 4 },
    { "data-dir", 'd', "DIR", 0, "Folder with the database (default: wardscribe-data)", 3 },
    { 0 },
};

const struct argp data_dir_argp = { .options = place_options, .parser = parse_place };

bool data_dir_config(const struct data_dir_place *place, struct config *config, struct err *err)
{
    config_defaults(config);
    return (!place->config_file || config_read_file(config, place->config_file, err)) &&
           config_read_env(config, environ, err) &&
           (!place->dir || config_set(config, "store.data_dir", place->dir, CONFIG_FROM_FLAG, err)) &&
           config_validate(config, err);
}

static bool open_store(const struct config *config, struct data_dir *out, struct err *err)
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

bool data_dir_open(const struct data_dir_place *place, struct data_dir *out, struct err *err)
{
    struct config *config = mem_new(1, sizeof *config);
    bool ok = data_dir_config(place, config, err) && open_store(config, out, err);
    mem_free(config);
    return ok;
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
