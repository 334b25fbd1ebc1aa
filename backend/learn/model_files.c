#include "learn/model_files.h"

#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct listing {
    struct dirent **entries;
    int count;
};

static bool join(char out[PATH_MAX], const char *dir, const char *name, struct err *err)
{
    return snprintf(out, PATH_MAX, "%s/%s", dir, name) < PATH_MAX ||
           err_set(err, ERR_INPUT, "%s: the path is too long", dir);
}

static int belongs(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && entry->d_type != DT_DIR && strcmp(entry->d_name, VERSION_FILE) != 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name); /* alphasort follows the locale */
}

static void listing_free(struct listing *listing)
{
    for (int i = 0; i < listing->count; i++)
        free(listing->entries[i]); /* scandir's */
    free(listing->entries);
}

static bool listing_read(const char *dir, struct listing *out, struct err *err)
{
    *out = (struct listing){ 0 };
    int count = scandir(dir, &out->entries, belongs, by_bytes);
    if (count < 0)
        return err_set_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, "model folder %s", dir);
    out->count = count;
    if (count == 0)
        err_set(err, ERR_INPUT, "%s: an empty folder is no model", dir);
    else if (count > MODEL_FILE_COUNT_MAX)
        err_set(err, ERR_TOO_LARGE, "%s: %d files, a model has at most %d", dir, count, MODEL_FILE_COUNT_MAX);
    else
        return true;
    listing_free(out);
    return false;
}

bool model_files_hash(const char *dir, char out[DIGEST_TEXT_SIZE], struct err *err)
{
    struct listing listing;
    if (!listing_read(dir, &listing, err))
        return false;
    struct digest *whole = digest_start(DIGEST_SHA256, 0);
    bool ok = true;
    for (int i = 0; i < listing.count && ok; i++) {
        char path[PATH_MAX], one[DIGEST_TEXT_SIZE], line[DIGEST_TEXT_SIZE + NAME_MAX + 8];
        ok = join(path, dir, listing.entries[i]->d_name, err) && digest_file(path, DIGEST_SHA256, one, NULL, err);
        if (ok)
            digest_add(whole, line, (size_t)snprintf(line, sizeof line, "%s  %s\n", one, listing.entries[i]->d_name));
    }
    digest_end(whole, ok ? out : NULL);
    listing_free(&listing);
    return ok;
}

static bool copy_file(const char *from, const char *to, struct err *err)
{
    static const size_t piece = 1 << 20;
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = in < 0 ? -1 : open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool ok = in >= 0 && out >= 0;
    for (ssize_t n = 1; ok && n > 0;) {
        n = copy_file_range(in, NULL, out, NULL, piece, 0);
        ok = n >= 0;
    }
    ok = ok && fsync(out) == 0;
    int saved = errno;
    if (in >= 0)
        (void)close(in);
    if (out >= 0)
        (void)close(out);
    return ok || err_set_errno(err, ERR_IO, saved, "copying %s to %s", from, to);
}

bool model_files_copy(const char *from, const char *to, struct err *err)
{
    struct listing listing;
    if (!listing_read(from, &listing, err))
        return false;
    bool ok = true;
    for (int i = 0; i < listing.count && ok; i++) {
        char source[PATH_MAX], target[PATH_MAX];
        ok = join(source, from, listing.entries[i]->d_name, err) && join(target, to, listing.entries[i]->d_name, err) &&
             copy_file(source, target, err);
    }
    listing_free(&listing);
    return ok && model_files_sync_folder(to, err);
}

bool model_files_sync_folder(const char *dir, struct err *err)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    int saved = errno;
    if (fd >= 0)
        (void)close(fd);
    return ok || err_set_errno(err, ERR_IO, saved, "%s", dir);
}

void model_files_remove(const char *dir)
{
    DIR *open_dir = opendir(dir);
    if (!open_dir)
        return;
    for (struct dirent *entry; (entry = readdir(open_dir));) {
        char path[PATH_MAX];
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && join(path, dir, entry->d_name, NULL))
            (void)unlink(path);
    }
    (void)closedir(open_dir);
    (void)rmdir(dir);
}
