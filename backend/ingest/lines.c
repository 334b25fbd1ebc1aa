#include "ingest/lines.h"

#include "base/gzip.h"
#include "base/mem.h"

#include <string.h>

struct lines {
    struct gzip_file *file;       /* NULL: memory */
    const char *memory;
    size_t memory_left;
    size_t number, start, end;    /* bytes of `data` that are not handed out yet */
    bool ended;
    char data[2 * LINE_SIZE_MAX];
};

bool lines_open(const char *path, struct lines **out, struct err *err)
{
    struct lines *lines = mem_new(1, sizeof *lines);
    if (!gzip_file_open(path, &lines->file, err)) {
        mem_free(lines);
        return false;
    }
    *out = lines;
    return true;
}

struct lines *lines_of_memory(const void *data, size_t size)
{
    struct lines *lines = mem_new(1, sizeof *lines);
    lines->memory = data;
    lines->memory_left = size;
    return lines;
}

void lines_close(struct lines *lines)
{
    if (!lines)
        return;
    gzip_file_close(lines->file);
    mem_free(lines);
}

static bool fill(struct lines *lines, struct err *err)
{
    size_t got = 0, room;
    memmove(lines->data, lines->data + lines->start, lines->end - lines->start);
    lines->end -= lines->start;
    lines->start = 0;
    room = sizeof lines->data - lines->end;
    if (lines->file) {
        if (!gzip_file_read(lines->file, lines->data + lines->end, room, &got, err))
            return err_context(err, "behind line %zu", lines->number);
    } else {
        got = lines->memory_left < room ? lines->memory_left : room;
        if (got)
            memcpy(lines->data + lines->end, lines->memory, got);
        lines->memory += got;
        lines->memory_left -= got;
    }
    lines->ended = got == 0;
    lines->end += got;
    return true;
}

/* The text's end becomes its NUL; the line's end before it goes. */
static char *take(struct lines *lines, size_t length, size_t used)
{
    char *line = lines->data + lines->start;
    lines->start += used;
    while (length && line[length - 1] == '\r')
        length--;
    line[length] = '\0';
    return line;
}

static bool check(const struct lines *lines, const char *text, size_t length, struct err *err)
{
    if (length >= LINE_SIZE_MAX)
        return err_set(err, ERR_INPUT, "line %zu has more than %d bytes", lines->number, LINE_SIZE_MAX - 1);
    return !memchr(text, '\0', length) || err_set(err, ERR_INPUT, "line %zu holds a NUL byte: this is no text", lines->number);
}

static void skip_mark(struct lines *lines)
{
    if (lines->end - lines->start >= 3 && memcmp(lines->data + lines->start, "\xef\xbb\xbf", 3) == 0)
        lines->start += 3;
}

bool lines_next(struct lines *lines, char **out, struct err *err)
{
    for (;;) {
        char *text = lines->data + lines->start;
        size_t left = lines->end - lines->start;
        char *newline = left ? memchr(text, '\n', left) : NULL;
        if (newline || left >= LINE_SIZE_MAX || (lines->ended && left)) {
            size_t length = newline ? (size_t)(newline - text) : left;
            lines->number++;
            if (!check(lines, text, length, err))
                return false;
            *out = take(lines, length, length + (newline != NULL));
            return true;
        }
        *out = NULL;
        if (lines->ended)
            return true;
        bool first = lines->number == 0 && left == 0;
        if (!fill(lines, err))
            return false;
        if (first)
            skip_mark(lines);
    }
}

size_t lines_number(const struct lines *lines)
{
    return lines->number;
}
