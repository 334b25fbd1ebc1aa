#include "net/download.h"

#include "base/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct running {
    const struct download *what;
    char part[4096];
    int fd;
    int64_t have;
    bool pieced;              /* from more than one answer */
};

bool download_check(const struct download *what, bool *out_there, struct err *err)
{
    char sha256[DIGEST_TEXT_SIZE];
    uint64_t size = 0;
    struct stat info;
    *out_there = stat(what->path, &info) == 0;
    if (!*out_there)
        return err_set(err, ERR_NOT_FOUND, "%s is not there", what->path);
    if (!digest_file(what->path, DIGEST_SHA256, sha256, &size, err))
        return false;
    return ((int64_t)size == what->size && strcmp(sha256, what->sha256) == 0) ||
           err_set(err, ERR_CONFLICT, "%s: SHA-256 is %s, must be %s", what->path, sha256, what->sha256);
}

/* ---- one answer ---- */

/* "bytes 5-9/10": may it be put behind what is there? */
static bool continues(const struct client_answer *answer, int64_t have)
{
    char range[64];
    if (!client_answer_header(answer, "content-range", range, sizeof range) || !str_starts(range, "bytes "))
        return false;
    char *end;
    long long from = strtoll(range + 6, &end, 10);
    return end != range + 6 && *end == '-' && from == have;
}

static bool on_begin(void *context, const struct client_answer *answer, struct err *err)
{
    struct running *run = context;
    if (answer->status == 206 && continues(answer, run->have)) {
        run->pieced = run->have > 0;
        return true;
    }
    if (answer->status == 206)
        return err_set(err, ERR_CONFLICT, "%s: the server sent another part than was asked for", run->what->path);
    run->have = 0; /* it sends all of it */
    run->pieced = false;
    return ftruncate(run->fd, 0) == 0 || err_set_errno(err, ERR_IO, errno, "%s", run->part);
}

static bool on_data(void *context, const void *data, size_t size, struct err *err)
{
    struct running *run = context;
    if ((int64_t)size > run->what->size - run->have)
        return err_set(err, ERR_CONFLICT, "%s: more than its %lld bytes came", run->what->path,
                       (long long)run->what->size);
    for (size_t at = 0; at < size;) {
        ssize_t n = pwrite(run->fd, (const char *)data + at, size - at, run->have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_set_errno(err, ERR_UNAVAILABLE, errno, "%s", run->part);
        at += (size_t)n;
        run->have += n;
    }
    if (run->what->progress)
        run->what->progress(run->what->context, run->have);
    return true;
}

static bool ask_once(struct client *client, struct running *run, struct err *err)
{
    struct client_answer answer;
    struct client_call call = { .url = run->what->url, .range_from = run->have,
                                .redirects_max = 5, .answer_max = 64 << 10,
                                .begin = on_begin, .sink = on_data, .sink_context = run };
    bool ok = client_call(client, &call, &answer, err);
    if (ok && answer.status == 416) /* what is there is longer than what the server has */
        ok = err_set(err, ERR_CONFLICT, "%s: the server has fewer than %lld bytes",
                     run->what->path, (long long)run->have);
    ok = ok && client_answer_check(&answer, err);
    client_answer_free(&answer);
    return ok;
}

/* ---- until it is whole ---- */

static bool is_passing(enum err_kind kind)
{
    return kind == ERR_IO || kind == ERR_TIMEOUT || kind == ERR_UNAVAILABLE || kind == ERR_BUSY;
}

static bool fetch(struct client *client, struct running *run, struct err *err)
{
    long pause_ms = 200;
    for (int attempt = 1; run->have < run->what->size; attempt++) {
        int64_t before = run->have;
        struct err now = { 0 };
        bool ok = ask_once(client, run, &now);
        if (run->have > before) {
            attempt = 1;
            pause_ms = 200;
        }
        if (ok && run->have == before)
            now = (struct err){ 0 }, ok = err_set(&now, ERR_CONFLICT, "%s: the server has fewer than %lld bytes",
                                                  run->what->path, (long long)run->what->size);
        if (!ok && (!is_passing(now.kind) || attempt >= DOWNLOAD_ATTEMPTS)) {
            if (err)
                *err = now;
            return false;
        }
        if (!ok) {
            (void)nanosleep(&(struct timespec){ .tv_sec = pause_ms / 1000,
                                                .tv_nsec = pause_ms % 1000 * 1000000 }, NULL);
            pause_ms *= 2;
        }
    }
    return true;
}

static bool open_part(struct running *run, struct err *err)
{
    struct stat info;
    if (snprintf(run->part, sizeof run->part, "%s.part", run->what->path) >= (int)sizeof run->part)
        return err_set(err, ERR_INPUT, "%.200s…: the name is too long", run->what->path);
    run->fd = open(run->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (run->fd < 0 || fstat(run->fd, &info) != 0)
        return err_set_errno(err, ERR_IO, errno, "%s", run->part);
    run->have = info.st_size < run->what->size ? info.st_size : 0;
    run->pieced = run->have > 0;
    return ftruncate(run->fd, run->have) == 0 || err_set_errno(err, ERR_IO, errno, "%s", run->part);
}

static bool prove(struct running *run, struct err *err)
{
    char sha256[DIGEST_TEXT_SIZE];
    if (!digest_file(run->part, DIGEST_SHA256, sha256, NULL, err))
        return false;
    if (strcmp(sha256, run->what->sha256) != 0)
        return err_set(err, ERR_CONFLICT, "%s: SHA-256 is %s, must be %s", run->what->path, sha256, run->what->sha256);
    return (fsync(run->fd) == 0 && rename(run->part, run->what->path) == 0) ||
           err_set_errno(err, ERR_IO, errno, "%s", run->what->path);
}

/* Wrong bytes are taken away; what was pieced together gets one more try from the beginning. */
static bool fetch_and_prove(struct client *client, struct running *run, struct err *err)
{
    for (;;) {
        bool ok = fetch(client, run, err) && prove(run, err);
        if (ok || !err || err->kind != ERR_CONFLICT)
            return ok;
        bool again = run->pieced;
        run->have = 0;
        run->pieced = false;
        if (ftruncate(run->fd, 0) != 0)
            return err_set_errno(err, ERR_IO, errno, "%s", run->part);
        if (!again) {
            (void)unlink(run->part);
            return false;
        }
        err_clear(err);
    }
}

bool download_file(struct client *client, const struct download *what, enum download_result *out, struct err *err)
{
    struct running run = { .what = what, .fd = -1 };
    struct err own = { 0 };
    bool there;
    err = err ? err : &own;
    *out = DOWNLOAD_THERE;
    if (download_check(what, &there, err))
        return true;
    err_clear(err);
    *out = DOWNLOAD_FETCHED;
    bool ok = open_part(&run, err) && fetch_and_prove(client, &run, err);
    if (run.fd >= 0)
        (void)close(run.fd);
    if (!ok && err->kind == ERR_NOT_FOUND && run.have == 0)
        (void)unlink(run.part);
    return ok;
}
