/* hub_cache.c - the folders that Hugging Face's tools keep (hub.h draws them). */
#include "base/file.h"
#include "learn/hub_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

bool hub_cache_path(const struct hub_cache *cache, char *out, struct err *err, const char *format, ...)
{
    va_list list;
    int head = snprintf(out, HUB_PATH_SIZE, "%s/", cache->model);
    va_start(list, format);
    int tail = vsnprintf(out + head, (size_t)(HUB_PATH_SIZE - head), format, list);
    va_end(list);
    return head + tail < HUB_PATH_SIZE || err_set(err, ERR_TOO_LARGE, "%.200s: the path is too long", cache->model);
}

/* mkdir -p; a part that is there already may be a link: people do put caches on other disks. */
static bool make_parents(const char *path, struct err *err)
{
    char part[HUB_PATH_SIZE];
    (void)str_copy(part, sizeof part, path);
    for (char *slash = strchr(part + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash)
            *slash = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            return err_set_errno(err, ERR_IO, errno, "%.300s", part);
        if (!slash)
            return true;
        *slash = '/';
    }
}

/* A folder of our own making: a link there could lead writes to anywhere, so it is refused. */
static bool make_folder(const char *path, struct err *err)
{
    struct stat st;
    if (mkdir(path, 0777) != 0 && errno != EEXIST)
        return err_set_errno(err, ERR_IO, errno, "%.300s", path);
    if (lstat(path, &st) != 0 || !S_ISDIR(st.st_mode))
        return err_set(err, ERR_REFUSED, "%.300s: must be a folder, not a link or a file", path);
    return true;
}

bool hub_cache_look(const char *root, const char *repo, struct hub_cache *out, struct err *err)
{
    char folder[HUB_REPO_SIZE + 16];
    const char *slash = strchr(repo, '/');
    if (slash)
        (void)snprintf(folder, sizeof folder, "models--%.*s--%s", (int)(slash - repo), repo, slash + 1);
    else
        (void)snprintf(folder, sizeof folder, "models--%s", repo);
    int a = snprintf(out->model, sizeof out->model, "%s/%s", root, folder);
    int b = snprintf(out->locks, sizeof out->locks, "%s/.locks/%s", root, folder);
    return (a < HUB_PATH_SIZE && b < HUB_PATH_SIZE) ||
           err_set(err, ERR_TOO_LARGE, "%.200s: the path is too long", root);
}

bool hub_cache_open(const char *root, const char *repo, struct hub_cache *out, struct err *err)
{
    static const char *const folders[] = { "blobs", "refs", "snapshots" };
    char path[HUB_PATH_SIZE];
    if (!hub_cache_look(root, repo, out, err) || !make_parents(root, err) || !make_folder(out->model, err))
        return false;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        if (!hub_cache_path(out, path, err, "%s", folders[i]) || !make_folder(path, err))
            return false;
    return make_parents(out->locks, err);
}

bool hub_cache_lock(const struct hub_cache *cache, const char *etag, const atomic_bool *cancel, int *out_fd,
                    struct err *err)
{
    char path[HUB_PATH_SIZE];
    if (snprintf(path, sizeof path, "%s/%s.lock", cache->locks, etag) >= (int)sizeof path)
        return err_set(err, ERR_TOO_LARGE, "%.200s: the path is too long", cache->locks);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return err_set_errno(err, ERR_IO, errno, "%.300s", path);
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        bool cancelled = cancel && atomic_load(cancel);
        if (cancelled || (errno != EWOULDBLOCK && errno != EINTR)) {
            (void)(cancelled ? err_set(err, ERR_REFUSED, "cancelled while another program fetched the same file")
                             : err_set_errno(err, ERR_IO, errno, "%.300s", path));
            (void)close(fd);
            return false;
        }
        (void)nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
    }
    *out_fd = fd;
    return true;
}

void hub_cache_unlock(int fd)
{
    (void)close(fd);
}

bool hub_cache_has(const struct hub_cache *cache, const char *etag, int64_t size)
{
    char path[HUB_PATH_SIZE], hex[DIGEST_TEXT_SIZE];
    struct stat st;
    if (!hub_cache_path(cache, path, NULL, "blobs/%s", etag) || lstat(path, &st) != 0 || !S_ISREG(st.st_mode) ||
        st.st_size != size)
        return false;
    return digest_file(path, strlen(etag) == 64 ? DIGEST_SHA256 : DIGEST_GIT_BLOB, hex, NULL, NULL) &&
           strcmp(hex, etag) == 0;
}

bool hub_cache_link(const struct hub_cache *cache, const char *commit, const char *file, const char *etag,
                    struct err *err)
{
    char folder[HUB_PATH_SIZE], path[HUB_PATH_SIZE], fresh[HUB_PATH_SIZE], target[DIGEST_TEXT_SIZE + 16],
        now[DIGEST_TEXT_SIZE + 16];
    (void)snprintf(target, sizeof target, "../../blobs/%s", etag);
    if (!hub_cache_path(cache, folder, err, "snapshots/%s", commit) || !make_folder(folder, err) ||
        !hub_cache_path(cache, path, err, "snapshots/%s/%s", commit, file) ||
        !hub_cache_path(cache, fresh, err, "snapshots/%s/.%s.%ld", commit, file, (long)getpid()))
        return false;
    ssize_t length = readlink(path, now, sizeof now);
    if (length == (ssize_t)strlen(target) && memcmp(now, target, (size_t)length) == 0)
        return true;
    (void)unlink(fresh);
    if (symlink(target, fresh) != 0 || rename(fresh, path) != 0) {
        (void)err_set_errno(err, ERR_IO, errno, "%.300s", path);
        (void)unlink(fresh);
        return false;
    }
    return true;
}

bool hub_cache_ref_read(const struct hub_cache *cache, const char *revision, char commit[HUB_COMMIT_SIZE])
{
    char path[HUB_PATH_SIZE];
    struct buf text;
    if (hub_commit_valid(revision))
        return str_copy(commit, HUB_COMMIT_SIZE, revision);
    if (!hub_cache_path(cache, path, NULL, "refs/%s", revision) || !file_read(path, 64, &text, NULL))
        return false;
    while (text.length && (text.data[text.length - 1] == '\n' || text.data[text.length - 1] == ' '))
        text.data[--text.length] = '\0';
    bool ok = text.length && hub_commit_valid(text.data) && str_copy(commit, HUB_COMMIT_SIZE, text.data);
    buf_free(&text);
    return ok;
}

static bool write_whole(const char *path, const char *text, struct err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0)
        return err_set_errno(err, ERR_IO, errno, "%.300s", path);
    bool ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text) && fsync(fd) == 0;
    int error = errno;
    (void)close(fd);
    return ok || err_set_errno(err, ERR_IO, error, "%.300s", path);
}

/* A branch may have folders in its name (refs/pr/1): they are made below refs. */
static bool make_ref_folders(const struct hub_cache *cache, const char *revision, struct err *err)
{
    char path[HUB_PATH_SIZE];
    for (const char *slash = strchr(revision, '/'); slash; slash = strchr(slash + 1, '/'))
        if (!hub_cache_path(cache, path, err, "refs/%.*s", (int)(slash - revision), revision) ||
            !make_folder(path, err))
            return false;
    return true;
}

bool hub_cache_ref_write(const struct hub_cache *cache, const char *revision, const char *commit, struct err *err)
{
    char path[HUB_PATH_SIZE], fresh[HUB_PATH_SIZE];
    if (hub_commit_valid(revision))
        return true;
    if (!make_ref_folders(cache, revision, err) || !hub_cache_path(cache, path, err, "refs/%s", revision) ||
        !hub_cache_path(cache, fresh, err, "refs/.new.%ld", (long)getpid()) || !write_whole(fresh, commit, err))
        return false;
    if (rename(fresh, path) == 0)
        return true;
    (void)err_set_errno(err, ERR_IO, errno, "%.300s", path);
    (void)unlink(fresh);
    return false;
}

static bool in_snapshot(const struct hub_cache *cache, const char *commit, const char *file)
{
    char path[HUB_PATH_SIZE];
    return hub_cache_path(cache, path, NULL, "snapshots/%s/%s", commit, file) && access(path, R_OK) == 0;
}

bool hub_cache_complete(const struct hub_cache *cache, const char *commit)
{
    static _Thread_local char shards[HUB_SHARD_COUNT_MAX][HUB_FILE_SIZE];
    char path[HUB_PATH_SIZE];
    struct buf text;
    int count = 0;
    if (!in_snapshot(cache, commit, "config.json"))
        return false;
    if (in_snapshot(cache, commit, "model.safetensors"))
        return true;
    if (!hub_cache_path(cache, path, NULL, "snapshots/%s/model.safetensors.index.json", commit) ||
        !file_read(path, HUB_JSON_SIZE_MAX, &text, NULL))
        return false;
    bool ok = hub_index_parse(text.data, text.length, shards, &count, NULL);
    buf_free(&text);
    for (int i = 0; ok && i < count; i++)
        ok = in_snapshot(cache, commit, shards[i]);
    return ok;
}
