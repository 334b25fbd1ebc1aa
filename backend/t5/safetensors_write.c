#include "base/bounds.h"
#include "base/json.h"
#include "base/mem.h"
#include "t5/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DATA_ALIGNMENT = 64 };   /* a cache line, and the widest vector */

static size_t size_of(const struct tensor *tensor)
{
    return tensor->count * tensor_type_size(tensor->type);
}

/* Wide items first, so that every tensor is aligned; then by name. */
static int by_width_and_name(const void *a, const void *b)
{
    const struct tensor *x = *(const struct tensor *const *)a, *y = *(const struct tensor *const *)b;
    size_t width_x = tensor_type_size(x->type), width_y = tensor_type_size(y->type);
    return width_x != width_y ? (width_x < width_y ? 1 : -1) : strcmp(x->name, y->name);
}

static void put_tensor(struct json_writer *writer, const struct tensor *tensor, size_t begin)
{
    json_put_object(writer, tensor->name);
    json_put_text(writer, "dtype", tensor_type_name(tensor->type));
    json_put_array(writer, "shape");
    for (int i = 0; i < tensor->rank; i++)
        json_put_int(writer, NULL, (int64_t)tensor->shape[i]);
    json_put_end(writer);
    json_put_array(writer, "data_offsets");
    json_put_int(writer, NULL, (int64_t)begin);
    json_put_int(writer, NULL, (int64_t)(begin + size_of(tensor)));
    json_put_end(writer);
    json_put_end(writer);
}

/* `out` holds the length, the header and its padding. */
static void make_header(const struct tensor *const *sorted, size_t count, const struct safetensors_note *notes,
                        size_t note_count, struct buf *out)
{
    uint8_t length[8] = { 0 };
    size_t begin = 0;
    buf_add(out, length, sizeof length);
    struct json_writer writer = json_write(out);
    json_put_object(&writer, NULL);
    json_put_object(&writer, "__metadata__");
    json_put_text(&writer, "format", "pt");
    for (size_t i = 0; i < note_count; i++)
        json_put_text(&writer, notes[i].key, notes[i].value);
    json_put_end(&writer);
    for (size_t i = 0; i < count; begin += size_of(sorted[i++]))
        put_tensor(&writer, sorted[i], begin);
    json_put_end(&writer);
    while (out->length % DATA_ALIGNMENT && !out->overflow)
        buf_add_char(out, ' ');
    for (size_t i = 0; i < sizeof length; i++)
        out->data[i] = (char)((out->length - sizeof length) >> (8 * i) & 0xff);
}

static bool write_all(int fd, const void *data, size_t size, struct err *err)
{
    const char *at = data;
    while (size > 0) {
        ssize_t written = write(fd, at, size > (1 << 30) ? 1 << 30 : size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return err_set_errno(err, ERR_IO, written ? errno : ENOSPC, "cannot write");
        at += written;
        size -= (size_t)written;
    }
    return true;
}

static bool sync_folder(const char *path, struct err *err)
{
    char *copy = mem_copy_string(path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    if (!ok)
        err_set_errno(err, ERR_IO, errno, "cannot sync its folder");
    if (fd >= 0)
        close(fd);
    mem_free(copy);
    return ok;
}

static bool write_file(const char *path, const struct buf *header, const struct tensor *const *sorted, size_t count,
                       struct err *err)
{
    char temporary[4096];
    if (snprintf(temporary, sizeof temporary, "%s.part", path) >= (int)sizeof temporary)
        return err_set(err, ERR_INPUT, "the path is too long");
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_set_errno(err, ERR_IO, errno, "cannot create %s", temporary);
    bool ok = write_all(fd, header->data, header->length, err);
    for (size_t i = 0; ok && i < count; i++)
        ok = write_all(fd, sorted[i]->data, size_of(sorted[i]), err);
    if (ok && fsync(fd) != 0)
        ok = err_set_errno(err, ERR_IO, errno, "cannot sync");
    if (close(fd) != 0 && ok)
        ok = err_set_errno(err, ERR_IO, errno, "cannot close");
    if (ok && rename(temporary, path) != 0)
        ok = err_set_errno(err, ERR_IO, errno, "cannot rename");
    if (!ok)
        unlink(temporary);
    return ok && sync_folder(path, err);
}

bool safetensors_write(const char *path, const struct tensor *tensors, size_t count,
                       const struct safetensors_note *notes, size_t note_count, struct err *err)
{
    struct buf header;
    const struct tensor **sorted = mem_new(count ? count : 1, sizeof *sorted);
    for (size_t i = 0; i < count; i++)
        sorted[i] = &tensors[i];
    qsort(sorted, count, sizeof *sorted, by_width_and_name);
    buf_init(&header, SAFETENSORS_HEADER_SIZE_MAX);
    make_header(sorted, count, notes, note_count, &header);
    bool ok = header.overflow ? err_set(err, ERR_TOO_LARGE, "the header is over %d bytes", SAFETENSORS_HEADER_SIZE_MAX)
                              : write_file(path, &header, sorted, count, err);
    buf_free(&header);
    mem_free(sorted);
    return ok || err_context(err, "%s", path);
}
