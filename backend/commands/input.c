#include "commands/input.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

bool input_open(struct input *input, const char *path, size_t size_max, struct err *err)
{
    input->file = NULL;
    input->size_max = size_max;
    input->at = input->count = 0;
    input->number = 0;
    input->ended = false;
    buf_init(&input->line, size_max);
    return !path || strcmp(path, "-") == 0 || gzip_file_open(path, &input->file, err);
}

void input_close(struct input *input)
{
    gzip_file_close(input->file);
    buf_free(&input->line);
}

static bool fill(struct input *input, struct err *err)
{
    input->at = input->count = 0;
    if (input->file)
        return gzip_file_read(input->file, input->chunk, sizeof input->chunk, &input->count, err);
    ssize_t n;
    while ((n = read(STDIN_FILENO, input->chunk, sizeof input->chunk)) < 0 && errno == EINTR)
        continue;
    if (n < 0)
        return err_set_errno(err, ERR_IO, errno, "standard input");
    input->count = (size_t)n;
    return true;
}

static enum input_state finish(struct input *input)
{
    input->number++;
    if (input->line.overflow)
        return INPUT_TOO_LONG;
    buf_add(&input->line, "", 0);
    if (input->line.length && input->line.data[input->line.length - 1] == '\r')
        input->line.data[--input->line.length] = '\0';
    return INPUT_ONE;
}

enum input_state input_next(struct input *input, struct err *err)
{
    bool any = false;
    buf_reset(&input->line);
    while (!input->ended) {
        if (input->at == input->count) {
            if (!fill(input, err))
                return INPUT_FAILED;
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
    return any ? finish(input) : INPUT_END;   /* the last line may lack its end */
}
