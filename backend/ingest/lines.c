#include "ingest/lines.h"

#include "base/lines.h"
#include "base/mem.h"

#include <string.h>

struct lines {
    struct line_input input;
};

bool lines_open(const char *path, struct lines **out, struct err *err)
{
    struct lines *lines = mem_new(1, sizeof *lines);
    if (!line_input_open(&lines->input, path, LINE_SIZE_MAX - 1, err)) {
        lines_close(lines);
        return false;
    }
    *out = lines;
    return true;
}

struct lines *lines_of_memory(const void *data, size_t size)
{
    struct lines *lines = mem_new(1, sizeof *lines);
    line_input_of_memory(&lines->input, data ? data : "", size, LINE_SIZE_MAX - 1);
    return lines;
}

void lines_close(struct lines *lines)
{
    if (!lines)
        return;
    line_input_close(&lines->input);
    mem_free(lines);
}

/* Without what stands before the first line and behind each one. */
static char *bare(const struct line_input *input)
{
    size_t length = input->line.length;
    char *text = input->line.data;
    while (length && text[length - 1] == '\r')
        text[--length] = '\0';
    return input->number == 1 && strncmp(text, "\xef\xbb\xbf", 3) == 0 ? text + 3 : text;
}

bool lines_next(struct lines *lines, char **out, struct err *err)
{
    const struct line_input *input = &lines->input;
    *out = NULL;
    switch (line_input_next(&lines->input, err)) {
    case LINE_END:
        return true;
    case LINE_FAILED:
        return err_context(err, "behind line %zu", lines_number(lines));
    case LINE_TOO_LONG:
        return err_set(err, ERR_INPUT, "line %zu has more than %d bytes", lines_number(lines), LINE_SIZE_MAX - 1);
    case LINE_ONE:
        break;
    }
    if (memchr(input->line.data, '\0', input->line.length))
        return err_set(err, ERR_INPUT, "line %zu holds a NUL byte: this is no text", lines_number(lines));
    *out = bare(input);
    return true;
}

size_t lines_number(const struct lines *lines)
{
    return (size_t)lines->input.number;
}
