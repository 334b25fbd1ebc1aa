#include "base/lines.h"

#include "base/gzip.h"

#include <string.h>

struct reader {
    struct buf line;
    size_t number, size_max;
    line_visitor *visit;
    void *context;
};

static bool end_line(struct reader *reader, struct err *err)
{
    const char *text = reader->line.data;
    size_t length = reader->line.length;
    reader->number++;
    bool ok = !reader->line.overflow || err_set(err, ERR_TOO_LARGE, "longer than %zu bytes", reader->size_max);
    if (ok && text && strspn(text, " \t\r") < length)
        ok = reader->visit(reader->context, text, length, err);
    buf_reset(&reader->line);
    return ok;
}

static bool take_block(struct reader *reader, const char *at, const char *end, struct err *err)
{
    for (const char *stop; at < end; at = stop + 1) {
        stop = memchr(at, '\n', (size_t)(end - at));
        buf_add(&reader->line, at, (size_t)((stop ? stop : end) - at));
        if (!stop)
            return !reader->line.overflow || end_line(reader, err);
        if (!end_line(reader, err))
            return false;
    }
    return true;
}

bool lines_read(const char *path, size_t size_max, line_visitor *visit, void *context, struct err *err)
{
    struct gzip_file *file;
    struct reader reader = { .size_max = size_max, .visit = visit, .context = context };
    char block[1 << 16];
    size_t size = 0;
    if (!gzip_file_open(path, &file, err))
        return false;
    buf_init(&reader.line, size_max);
    bool read = true, ok = true;
    while (ok && (read = gzip_file_read(file, block, sizeof block, &size, err)) && size)
        ok = take_block(&reader, block, block + size, err);
    if (ok && read && reader.line.length)
        ok = end_line(&reader, err);
    if (!ok)
        err_context(err, "%s: line %zu", path, reader.number);
    buf_free(&reader.line);
    gzip_file_close(file);
    return ok && read;
}
