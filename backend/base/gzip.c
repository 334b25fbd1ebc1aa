#include "base/gzip.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { GZIP_FORMAT = 15 + 16 };   /* the largest window, with gzip's header */

void gzip_pack(const void *data, size_t size, struct buf *out)
{
    z_stream z = { .next_in = (unsigned char *)(uintptr_t)data, .avail_in = (unsigned)size };
    unsigned char piece[16384];
    CHECK(size <= UINT32_MAX && deflateInit2(&z, 1, Z_DEFLATED, GZIP_FORMAT, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    int result = Z_OK;
    while (result == Z_OK) {
        z.next_out = piece;
        z.avail_out = sizeof piece;
        result = deflate(&z, Z_FINISH);
        buf_add(out, piece, sizeof piece - z.avail_out);
    }
    CHECK(result == Z_STREAM_END);
    (void)deflateEnd(&z);
}

bool gzip_unpack(const void *data, size_t size, size_t ratio, struct buf *out, struct err *err)
{
    z_stream z = { .next_in = (unsigned char *)(uintptr_t)data, .avail_in = (unsigned)size };
    unsigned char piece[16384];
    size_t start = out->length;
    CHECK(size <= UINT32_MAX);
    if (inflateInit2(&z, GZIP_FORMAT) != Z_OK)
        return err_set(err, ERR_IO, "gzip: no memory");
    int result = Z_OK;
    while (result == Z_OK && !out->overflow && out->length - start <= size * ratio) {
        z.next_out = piece;
        z.avail_out = sizeof piece;
        result = inflate(&z, Z_NO_FLUSH);
        buf_add(out, piece, sizeof piece - z.avail_out);
    }
    (void)inflateEnd(&z);
    if (out->overflow || out->length - start > size * ratio)
        return err_set(err, ERR_TOO_LARGE, "it unpacks to more than %zu bytes, or more than %zu:1", out->limit, ratio);
    return result == Z_STREAM_END || err_set(err, ERR_INPUT, "it is not whole gzip data");
}

/* ---- files ---- */

struct gzip_file {
    gzFile gz;
};

bool gzip_file_open(const char *path, struct gzip_file **out, struct err *err)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, "%s", path);
    if (fstat(fd, &info) == 0 && S_ISDIR(info.st_mode)) {
        (void)close(fd);
        return err_set(err, ERR_INPUT, "%s: is a folder", path);
    }
    struct gzip_file *file = mem_new(1, sizeof *file);
    file->gz = gzdopen(fd, "rb");
    CHECK(file->gz != NULL);
    (void)gzbuffer(file->gz, 64 << 10);
    *out = file;
    return true;
}

bool gzip_file_read(struct gzip_file *file, void *to, size_t size, size_t *out_size, struct err *err)
{
    int got = gzread(file->gz, to, (unsigned)(size < INT32_MAX ? size : INT32_MAX)), code = Z_OK;
    const char *text = gzerror(file->gz, &code);
    if (got < 0 || code == Z_BUF_ERROR) /* BUF_ERROR: it stops in the middle */
        return err_set(err, code == Z_ERRNO ? ERR_IO : ERR_INPUT, "gzip: %s", text);
    *out_size = (size_t)got;
    return true;
}

void gzip_file_close(struct gzip_file *file)
{
    if (!file)
        return;
    (void)gzclose_r(file->gz);
    mem_free(file);
}
