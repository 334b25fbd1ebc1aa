#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

/* ---- reading ---- */

bool file_read_fd(int fd, const char *name, size_t size_max, struct buf *out, struct err *err)
{
    char piece[16 << 10];
    ssize_t n;
    buf_init(out, size_max);
    buf_add(out, "", 0);
    do {
        n = read(fd, piece, sizeof piece);
        buf_add(out, piece, n > 0 ? (size_t)n : 0);
    } while (!out->overflow && (n > 0 || (n < 0 && errno == EINTR)));
    if (n == 0)
        return true;
    int reason = errno;
    buf_free(out);
    return n < 0 ? err_set_errno(err, ERR_IO, reason, "%.300s", name)
                 : err_set(err, ERR_TOO_LARGE, "%.300s: more than %zu bytes", name, size_max);
}

bool file_read(const char *path, size_t size_max, struct buf *out, struct err *err)
{
    buf_init(out, 0);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND : ERR_IO, errno, "%.300s", path);
    bool ok = file_read_fd(fd, path, size_max, out, err);
    (void)close(fd);
    return ok;
}

/* ---- writing ---- */

static bool write_all(int fd, const char *data, size_t size)
{
    while (size) {
        ssize_t n = write(fd, data, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        data += n;
        size -= (size_t)n;
    }
    return true;
}

bool file_write(const char *path, const void *data, size_t size, struct err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool ok = fd >= 0 && write_all(fd, data, size) && fsync(fd) == 0;
    int reason = errno;
    if (fd >= 0 && close(fd) != 0 && ok) {
        reason = errno;
        ok = false;
    }
    return ok || err_set_errno(err, ERR_IO, reason, "%.300s", path);
}

bool file_replace(const char *path, const void *data, size_t size, struct err *err)
{
    char beside[PATH_MAX];
    if (snprintf(beside, sizeof beside, "%s.new", path) >= (int)sizeof beside)
        return err_set(err, ERR_INPUT, "%.300s: the path is too long", path);
    bool ok = file_write(beside, data, size, err);
    if (ok && rename(beside, path) != 0)
        ok = err_set_errno(err, ERR_IO, errno, "%.300s", path);
    if (!ok)
        (void)unlink(beside);
    return ok;
}
