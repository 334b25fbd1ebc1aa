#include "base/lines.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static void start(struct line_input *input, size_t size_max)
{
    input->file = NULL;
    input->memory = NULL;
    input->size_max = size_max;
    input->at = input->count = 0;
    input->number = 0;
    input->ended = false;
    buf_init(&input->line, size_max);
}

bool line_input_open(struct line_input *input, const char *path, size_t size_max, struct err *err)
{
    start(input, size_max);
    return !path || strcmp(path, "-") == 0 || gzip_file_open(path, &input->file, err);
}

void line_input_of_memory(struct line_input *input, const void *data, size_t size, size_t size_max)
{
    start(input, size_max);
    input->memory = data;
    input->memory_left = size;
}

void line_input_close(struct line_input *input)
{
    gzip_file_close(input->file);
    buf_free(&input->line);
}

static void fill_from_memory(struct line_input *input)
{
    input->count = input->memory_left < sizeof input->chunk ? input->memory_left : sizeof input->chunk;
    memcpy(input->chunk, input->memory, input->count);
    input->memory += input->count;
    input->memory_left -= input->count;
}

static bool fill(struct line_input *input, struct err *err)
{
    input->at = input->count = 0;
    if (input->file)
        return gzip_file_read(input->file, input->chunk, sizeof input->chunk, &input->count, err);
    if (input->memory) {
        fill_from_memory(input);
        return true;
    }
    ssize_t n;
    while ((n = read(STDIN_FILENO, input->chunk, sizeof input->chunk)) < 0 && errno == EINTR)
        continue;
    if (n < 0)
        return err_set_errno(err, ERR_IO, errno, "standard input");
    input->count = (size_t)n;
    return true;
}

static enum line_state finish(struct line_input *input)
{
    input->number++;
    if (input->line.overflow)
        return LINE_TOO_LONG;
    buf_add(&input->line, "", 0);
    if (input->line.length && input->line.data[input->line.length - 1] == '\r')
        input->line.data[--input->line.length] = '\0';
    return LINE_ONE;
}

enum line_state line_input_next(struct line_input *input, struct err *err)
{
    bool any = false;
    buf_reset(&input->line);
    while (!input->ended) {
        if (input->at == input->count) {
            if (!fill(input, err))
                return LINE_FAILED;
            input->ended = input->count == 0;
            continue;
        }
        const char *from = input->chunk + input->at;
        const char *end = memchr(from, '\n', input->count - input->at);
        size_t length = end ? (size_t)(end - from) : input->count - input->at;
        any = true;
        buf_add(&input->line, from, length);
        input->at += length + (end != NULL);
        if (end)
            return finish(input);
    }
    return any ? finish(input) : LINE_END;   /* the last line may lack its end */
}

static bool visit_all(struct line_input *input, line_visitor *visit, void *context, struct err *err)
{
    for (;;) {
        switch (line_input_next(input, err)) {
        case LINE_END:
            return true;
        case LINE_FAILED:
            return false;
        case LINE_TOO_LONG:
            return err_set(err, ERR_TOO_LARGE, "longer than %zu bytes", input->size_max);
        case LINE_ONE:
            if (strspn(input->line.data, " \t\r") < input->line.length &&
                !visit(context, input->line.data, input->line.length, err))
                return false;
        }
    }
}

bool lines_read(const char *path, size_t size_max, line_visitor *visit, void *context, struct err *err)
{
    struct line_input *input = mem_new(1, sizeof *input);
    bool ok = line_input_open(input, path, size_max, err);
    if (ok && !visit_all(input, visit, context, err))
        ok = err_context(err, "%s: line %lld", path, (long long)input->number);
    line_input_close(input);
    mem_free(input);
    return ok;
}
