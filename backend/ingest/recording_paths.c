#include "ingest/recording_paths.h"

#include "base/bounds.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool add(struct path_list *list, const char *path, struct err *err)
{
    if (list->count == RECORDING_FILES_MAX)
        return err_set(err, ERR_TOO_LARGE, "more than %d files", RECORDING_FILES_MAX);
    if (list->count == list->room) {
        list->room = list->room ? list->room * 2 : 64;
        char **more = mem_try_resize(list->items, list->room, sizeof *more);
        CHECK(more != NULL);
        list->items = more;
    }
    list->items[list->count++] = mem_copy_string(path);
    return true;
}

static bool has_suffix(const char *name, const char *const *suffixes)
{
    size_t length = strlen(name);
    for (; *suffixes; suffixes++) {
        size_t size = strlen(*suffixes);
        if (length >= size && strcmp(name + length - size, *suffixes) == 0)
            return true;
    }
    return false;
}

static bool walk(const char *folder, const char *const *suffixes, int depth, struct path_list *out, struct err *err)
{
    char path[4096];
    struct stat info;
    bool ok = true;
    DIR *entries = opendir(folder);
    if (!entries)
        return err_set_errno(err, ERR_IO, errno, "%s", folder);
    for (struct dirent *entry; ok && (entry = readdir(entries)) != NULL;) {
        if (entry->d_name[0] == '.' ||
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= (int)sizeof path || stat(path, &info) != 0)
            continue;
        if (S_ISDIR(info.st_mode) && depth < PATHS_DEPTH_MAX)
            ok = walk(path, suffixes, depth + 1, out, err);
        else if (S_ISREG(info.st_mode) && has_suffix(entry->d_name, suffixes))
            ok = add(out, path, err);
    }
    (void)closedir(entries);
    return ok;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool expand_one(const char *path, const char *const *suffixes, struct path_list *out, struct err *err)
{
    char folder[4096];
    struct stat info;
    size_t before = out->count;
    if (stat(path, &info) != 0)
        return err_set_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, "%s", path);
    if (!S_ISDIR(info.st_mode))
        return add(out, path, err);
    (void)snprintf(folder, sizeof folder, "%s", path);
    for (size_t length = strlen(folder); length > 1 && folder[length - 1] == '/'; length--)
        folder[length - 1] = '\0';
    if (!walk(folder, suffixes, 1, out, err))
        return false;
    if (out->count == before)
        return err_set(err, ERR_NOT_FOUND, "%s: no file *%s in this folder", path, suffixes[0]);
    qsort(out->items + before, out->count - before, sizeof *out->items, by_path);
    return true;
}

bool paths_expand(const char *const *paths, size_t count, const char *const *suffixes, struct path_list *out,
                  struct err *err)
{
    for (size_t i = 0; i < count; i++)
        if (!expand_one(paths[i], suffixes, out, err))
            return false;
    return out->count > 0 || err_set(err, ERR_USAGE, "no files");
}

void paths_free(struct path_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        mem_free(list->items[i]);
    mem_free(list->items);
    *list = (struct path_list){ 0 };
}
