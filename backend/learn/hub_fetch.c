/* hub_fetch.c - one file of a Hub into the cache. */
#include "learn/hub_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { HEAD_REDIRECTS_MAX = 4, FETCH_REDIRECTS_MAX = 5, ATTEMPTS_ALL_MAX = 200 };

struct remote {
    char etag[DIGEST_TEXT_SIZE];
    int64_t size;
};

/* One file on its way. */
struct download {
    const struct hub_fetch *fetch;
    const char *file;
    struct remote remote;
    char path[HUB_PATH_SIZE];     /* blobs/ETAG.incomplete */
    int fd;
    int64_t have;                 /* bytes of it on disk */
    bool resumed, disk_failed;
};

static int64_t size_max_of(const char *file)
{
    size_t length = strlen(file);
    return length > 12 && strcmp(file + length - 12, ".safetensors") == 0 ? HUB_WEIGHTS_SIZE_MAX
                                                                          : HUB_SMALL_FILE_SIZE_MAX;
}

static bool make_url(const struct hub_fetch *fetch, const char *file, char out[CLIENT_URL_SIZE], struct err *err)
{
    int length = snprintf(out, CLIENT_URL_SIZE, "%s/%s/resolve/%s/%s", fetch->session->options->endpoint, fetch->repo,
                          fetch->commit, file);
    return length < CLIENT_URL_SIZE || err_set(err, ERR_INPUT, "HF_ENDPOINT: too long");
}

/* ---- HEAD: what is it, and how large? ---- */

static bool read_remote(const struct hub_fetch *fetch, const char *file, const struct client_answer *answer,
                        struct remote *out, struct err *err)
{
    char commit[64], etag[256], size[32];
    if (client_answer_header(answer, "x-repo-commit", commit, sizeof commit) && strcasecmp(commit, fetch->commit) != 0)
        return err_set(err, ERR_CONFLICT, "%s: the Hub answers with commit %.40s instead of %s", file, commit,
                       fetch->commit);
    if (!client_answer_header(answer, "x-linked-etag", etag, sizeof etag) &&
        !client_answer_header(answer, "etag", etag, sizeof etag))
        return err_set(err, ERR_INPUT, "%s: the Hub sends no ETag", file);
    if (!hub_etag_parse(etag, out->etag))
        return err_set(err, ERR_INPUT,
                       "%s: the Hub's ETag is no SHA-256 and no git hash (%.80s), so the content cannot be proven",
                       file, etag);
    if (!client_answer_header(answer, "x-linked-size", size, sizeof size) &&
        !client_answer_header(answer, "content-length", size, sizeof size))
        return err_set(err, ERR_INPUT, "%s: the Hub does not say how large it is", file);
    if (!str_to_int(size, 0, INT64_MAX, &out->size))
        return err_set(err, ERR_INPUT, "%s: the Hub says that its size is %.20s", file, size);
    if (out->size > size_max_of(file))
        return err_set(err, ERR_TOO_LARGE, "%s: %" PRId64 " bytes; the limit is %" PRId64, file, out->size,
                       size_max_of(file));
    return true;
}

/* A relative Location stays with the Hub (a renamed model, its own cache); another host is the store of
 * large files, and what it must hold has been said already. */
static bool follow_relative(const struct hub_fetch *fetch, const struct client_answer *answer,
                            char url[CLIENT_URL_SIZE])
{
    char location[CLIENT_URL_SIZE], next[CLIENT_URL_SIZE];
    const char *endpoint = fetch->session->options->endpoint;
    if (answer->status < 300 || !client_answer_header(answer, "location", location, sizeof location))
        return false;
    size_t origin = strcspn(strstr(endpoint, "://") + 3, "/") + (size_t)(strstr(endpoint, "://") + 3 - endpoint);
    bool relative = location[0] == '/' && location[1] != '/';
    if (relative && snprintf(next, sizeof next, "%.*s%s", (int)origin, endpoint, location) < (int)sizeof next)
        return str_copy(url, CLIENT_URL_SIZE, next);
    return !relative && client_same_origin(location, endpoint) && str_copy(url, CLIENT_URL_SIZE, location);
}

static bool ask_once(const struct hub_fetch *fetch, const char *file, struct client_answer *answer, struct remote *out,
                     struct err *err)
{
    static const char *const headers[] = { "Accept-Encoding: identity",
                                           NULL }; /* the size of the file, not of a gzip */
    char url[CLIENT_URL_SIZE];
    if (!make_url(fetch, file, url, err))
        return false;
    for (int hop = 0; hop < HEAD_REDIRECTS_MAX; hop++) {
        client_answer_free(answer);
        struct client_call call = { .method = "HEAD", .url = url, .headers = headers };
        if (!hub_call(fetch->session, &call, fetch->repo, answer, err))
            return err_context(err, "%s", file);
        if (!follow_relative(fetch, answer, url))
            return read_remote(fetch, file, answer, out, err);
    }
    return err_set(err, ERR_REFUSED, "%s: the Hub redirects in circles", file);
}

static bool ask(const struct hub_fetch *fetch, const char *file, struct remote *out, struct err *err)
{
    for (int attempt = 0;; attempt++) {
        struct client_answer answer = { 0 };
        bool ok = ask_once(fetch, file, &answer, out, err);
        bool again = !ok && hub_retry(fetch->session, &answer, err, attempt);
        client_answer_free(&answer);
        if (!again)
            return ok;
    }
}

/* ---- GET ---- */

static void report(const struct download *d)
{
    const struct hub_options *options = d->fetch->session->options;
    if (options->progress)
        options->progress(options->progress_context, d->file, d->have, d->remote.size);
}

static bool cut_to(struct download *d, int64_t length, struct err *err)
{
    if (ftruncate(d->fd, length) != 0 || lseek(d->fd, length, SEEK_SET) != length) {
        d->disk_failed = true;
        return err_set_errno(err, ERR_IO, errno, "%.300s", d->path);
    }
    d->have = length;
    return true;
}

/* Does what is coming continue what is here? */
static bool on_begin(void *context, const struct client_answer *answer, struct err *err)
{
    struct download *d = context;
    char range[128];
    int64_t from = 0, total = d->remote.size;
    if (answer->status == 206) {
        if (!client_answer_header(answer, "content-range", range, sizeof range) ||
            !hub_range_parse(range, &from, &total))
            return err_set(err, ERR_INPUT, "%s: a part came without a Content-Range", d->file);
    } else if (answer->length >= 0) {
        total = answer->length;
    }
    if (total != d->remote.size)
        return err_set(err, ERR_INPUT, "%s: %" PRId64 " bytes were announced, %" PRId64 " are coming", d->file,
                       d->remote.size, total);
    if (from != 0 && from != d->have)
        return err_set(err, ERR_INPUT, "%s: bytes from %" PRId64 " were asked for, from %" PRId64 " came", d->file,
                       d->have, from);
    return from == d->have || cut_to(d, from, err);
}

static bool on_bytes(void *context, const void *data, size_t size, struct err *err)
{
    struct download *d = context;
    const char *at = data;
    if ((int64_t)size > d->remote.size - d->have)
        return err_set(err, ERR_INPUT, "%s: more than the announced %" PRId64 " bytes came", d->file, d->remote.size);
    while (size) {
        ssize_t n = write(d->fd, at, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            d->disk_failed = true;
            return err_set_errno(err, ERR_IO, errno, "%.300s", d->path);
        }
        at += n;
        size -= (size_t)n;
        d->have += n;
    }
    if (d->have < d->remote.size)   /* the end is reported when it is proven */
        report(d);
    return true;
}

static bool get_once(struct download *d, struct client_answer *answer, struct err *err)
{
    static const char *const headers[] = { "Accept-Encoding: identity", NULL };
    char url[CLIENT_URL_SIZE];
    struct client_call call = { .url = url, .headers = headers, .range_from = d->have,
                                .redirects_max = FETCH_REDIRECTS_MAX, .begin = on_begin, .sink = on_bytes,
                                .sink_context = d };
    if (!make_url(d->fetch, d->file, url, err) || !hub_call(d->fetch->session, &call, d->fetch->repo, answer, err))
        return false;
    if (answer->status >= 300)
        return err_set(err, ERR_REFUSED, "%s: redirected to nowhere", d->file);
    if (d->have == d->remote.size)
        return true;
    return err_set(err, ERR_IO, "%s: ended after %" PRId64 " of %" PRId64 " bytes", d->file, d->have, d->remote.size);
}

/* Goes on as long as something new comes. */
static bool get_all(struct download *d, struct err *err)
{
    int attempt = 0;
    for (int all = 0; d->have < d->remote.size; all++) {
        struct client_answer answer = { 0 };
        int64_t before = d->have;
        bool ok = get_once(d, &answer, err);
        if (!ok && answer.status == 416)   /* what is here goes on beyond what is there */
            ok = before > 0 && cut_to(d, 0, err);
        attempt = d->have > before ? 0 : attempt + 1;
        bool again = ok ||
                     (!d->disk_failed && all < ATTEMPTS_ALL_MAX && hub_retry(d->fetch->session, &answer, err, attempt));
        client_answer_free(&answer);
        if (!again)
            return err_context(err, "%s", d->file);
    }
    return true;
}

static bool has_room(const struct download *d, struct err *err)
{
    struct statvfs disk;
    int64_t need = d->remote.size - d->have;
    if (statvfs(d->path, &disk) != 0 || (uint64_t)need <= (uint64_t)disk.f_bavail * disk.f_frsize)
        return true;
    return err_set(err, ERR_IO, "%s: needs %" PRId64 " MB, the disk of the cache has %" PRIu64 " MB free", d->file,
                   need / 1000000 + 1, (uint64_t)disk.f_bavail * disk.f_frsize / 1000000);
}

/* Opens what an earlier run left, ours or another tool's. */
static bool open_incomplete(struct download *d, struct err *err)
{
    struct stat st;
    d->fd = open(d->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (d->fd < 0 || fstat(d->fd, &st) != 0)
        return err_set_errno(err, ERR_IO, errno, "%.300s", d->path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_REFUSED, "%.300s: not a regular file", d->path);
    bool useful = st.st_size > 0 && st.st_size <= d->remote.size;
    d->resumed = useful;
    return cut_to(d, useful ? st.st_size : 0, err) && has_room(d, err);
}

static bool is_proven(struct download *d, struct err *err)
{
    char hex[DIGEST_TEXT_SIZE];
    bool sha256 = strlen(d->remote.etag) == 64;
    if (!digest_file(d->path, sha256 ? DIGEST_SHA256 : DIGEST_GIT_BLOB, hex, NULL, err))
        return false;
    if (strcmp(hex, d->remote.etag) == 0)
        return true;
    return err_set(err, ERR_INPUT, "%s: the %s is %s, the Hub says %s; what came was thrown away", d->file,
                   sha256 ? "SHA-256" : "git hash", hex, d->remote.etag);
}

static bool keep(struct download *d, struct err *err)
{
    char blob[HUB_PATH_SIZE];
    if (!hub_cache_path(d->fetch->cache, blob, err, "blobs/%s", d->remote.etag))
        return false;
    if (fsync(d->fd) != 0 || rename(d->path, blob) != 0)
        return err_set_errno(err, ERR_IO, errno, "%.300s", blob);
    return true;
}

static bool download(struct download *d, struct err *err)
{
    if (!open_incomplete(d, err) || !get_all(d, err))
        return false;
    bool proven = is_proven(d, err);
    if (!proven && d->resumed && err->kind == ERR_INPUT) {   /* the old part may be the wrong one */
        d->resumed = false;
        proven = cut_to(d, 0, err) && get_all(d, err) && is_proven(d, err);
    }
    if (proven)
        return keep(d, err);
    if (!d->disk_failed && err->kind == ERR_INPUT)
        (void)unlink(d->path);
    return false;
}

bool hub_fetch_file(const struct hub_fetch *fetch, const char *file, struct hub_pulled *count, struct err *err)
{
    struct download d = { .fetch = fetch, .file = file, .fd = -1 };
    int lock;
    if (!ask(fetch, file, &d.remote, err) ||
        !hub_cache_path(fetch->cache, d.path, err, "blobs/%s.incomplete", d.remote.etag) ||
        !hub_cache_lock(fetch->cache, d.remote.etag, fetch->session->options->cancel, &lock, err))
        return false;
    bool cached = hub_cache_has(fetch->cache, d.remote.etag, d.remote.size);
    bool ok = cached || download(&d, err);
    if (d.fd >= 0)
        (void)close(d.fd);
    ok = ok && hub_cache_link(fetch->cache, fetch->commit, file, d.remote.etag, err);
    hub_cache_unlock(lock);
    if (!ok)
        return false;
    d.have = d.remote.size;
    report(&d);
    count->file_count++;
    count->fetched_count += !cached;
    count->fetched_bytes += cached ? 0 : d.remote.size;
    return true;
}
