/* input.h - a file or standard input, line by line, gzipped or not: what ingest/lines.h is for recordings, for
 * lines of any length and for input that somebody is typing.
 *
 * Bounds: a line of more than `size_max` bytes is skipped to its end and reported as too long; the ones
 *         behind it are read as usual.
 * Standard input gives a line as soon as it is there: what a person types is answered at once. */
#ifndef COMMANDS_INPUT_H
#define COMMANDS_INPUT_H

#include "base/gzip.h"

#include <stdint.h>

struct input {
    struct gzip_file *file;      /* NULL: standard input, as it is */
    size_t size_max;
    struct buf line;
    char chunk[64 << 10];
    size_t at, count;
    int64_t number;              /* of the line last given; the first is 1 */
    bool ended;
};

/* NULL or "-": standard input. */
bool input_open(struct input *input, const char *path, size_t size_max, struct err *err) MUST_CHECK;
void input_close(struct input *input);
enum input_state { INPUT_ONE, INPUT_TOO_LONG, INPUT_END, INPUT_FAILED };
/* INPUT_ONE: input->line holds it, without its end, until the next call. */
enum input_state input_next(struct input *input, struct err *err);

#endif
