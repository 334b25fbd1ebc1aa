/* model_info.c - `wardscribe model info`: what a folder holds. */
#include "base/digest.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/json.h"
#include "commands/model.h"

#include <argp.h>
#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char doc[] =
    "Says what a model folder holds: every file with its size and SHA-256.\v"
    "A file that lies in a Hub cache is named by its hash; \"changed\" behind it means that its content "
    "is no longer what was pulled.\n\n"
    "Examples:\n"
    "  wardscribe model info models/ward-t5\n"
    "  wardscribe model info models/ward-t5 --json | jq .files";

enum { FILE_COUNT_MAX = 1024 };   /* a folder with more is not a model's */

struct arguments {
    const char *dir;
    bool json;
};

struct info_file {
    char name[NAME_MAX + 1], sha256[DIGEST_TEXT_SIZE];
    uint64_t size;
    bool changed;
};

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 'j':
        arguments->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 0)
            argp_error(state, "'%s' is one argument too many", value);
        arguments->dir = value;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "a folder is needed");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* In a Hub cache a file is a link to ../../blobs/HASH: SHA-256 for large files, git's name for others. */
static bool is_changed(const char *path, const struct info_file *file)
{
    char target[PATH_MAX], git[DIGEST_TEXT_SIZE];
    struct err ignored;
    ssize_t length = readlink(path, target, sizeof target - 1);
    if (length <= 0)
        return false;
    target[length] = '\0';
    const char *hash = strrchr(target, '/');
    if (!strstr(target, "/blobs/") || !hash++)
        return false;
    if (strlen(hash) == 64)
        return strcmp(hash, file->sha256) != 0;
    return strlen(hash) == 40 && digest_file(path, DIGEST_GIT_BLOB, git, NULL, &ignored) && strcmp(hash, git) != 0;
}

static bool read_file(const char *dir, const char *name, struct info_file *out, struct err *err)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path)
        return err_set(err, ERR_INPUT, "%s: the path is too long", dir);
    (void)snprintf(out->name, sizeof out->name, "%s", name);
    if (!digest_file(path, DIGEST_SHA256, out->sha256, &out->size, err))
        return false;
    out->changed = is_changed(path, out);
    return true;
}

static int wanted(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && entry->d_type != DT_DIR;
}

static bool read_folder(const char *dir, struct info_file *files, int *out_count, struct err *err)
{
    struct dirent **entries;
    int count = scandir(dir, &entries, wanted, alphasort);
    if (count < 0)
        return err_set(err, ERR_NOT_FOUND, "%s: no such folder", dir);
    bool ok = count <= FILE_COUNT_MAX || err_set(err, ERR_TOO_LARGE, "%s: more than %d files", dir, FILE_COUNT_MAX);
    for (int i = 0; i < count; i++) {
        ok = ok && read_file(dir, entries[i]->d_name, &files[i], err);
        free(entries[i]); /* scandir's */
    }
    free(entries);
    *out_count = count;
    return ok;
}

static void print_text(const struct arguments *arguments, const struct info_file *files, int count)
{
    (void)printf("%s\n", arguments->dir);
    for (int i = 0; i < count; i++)
        (void)printf("  %-32s %12" PRIu64 "  %s%s\n", files[i].name, files[i].size, files[i].sha256,
                     files[i].changed ? "  changed" : "");
}

static void print_json(const struct arguments *arguments, const struct info_file *files, int count)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    struct json_writer w = json_write(&out);
    json_put_object(&w, NULL);
    json_put_text(&w, "folder", arguments->dir);
    json_put_array(&w, "files");
    for (int i = 0; i < count; i++) {
        json_put_object(&w, NULL);
        json_put_text(&w, "name", files[i].name);
        json_put_int(&w, "size", (int64_t)files[i].size);
        json_put_text(&w, "sha256", files[i].sha256);
        json_put_bool(&w, "changed", files[i].changed);
        json_put_end(&w);
    }
    json_put_end(&w);
    json_put_end(&w);
    (void)printf("%s\n", out.data);
    buf_free(&out);
}

int model_info(int argc, char **argv)
{
    static const struct argp_option options[] = {
        { "json", 'j', NULL, 0, "One JSON object", 0 },
        { 0 },
    };
    static const struct argp argp = { .options = options, .parser = parse_option, .args_doc = "DIR", .doc = doc };
    struct arguments arguments = { 0 };
    struct err err = { 0 };
    int count = 0;
    if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) != 0)
        return 64;
    struct info_file *files = mem_new(FILE_COUNT_MAX, sizeof *files);
    bool ok = read_folder(arguments.dir, files, &count, &err);
    if (ok)
        (arguments.json ? print_json : print_text)(&arguments, files, count);
    mem_free(files);
    return ok ? 0 : model_fail("info", &err);
}
