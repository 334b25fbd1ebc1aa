/* lines.h - a text file (gzipped or not), standard input or a piece of memory, line by line: pushed to a visitor, or
 *          pulled one by one.
 *
 * Bounds:  a line of more than `size_max` bytes is skipped to its end and reported; the ones behind it are read as
 *          usual (lines_read() stops there).  Errors of lines_read() name the file and the line.
 * Owner:   a line lives until the visitor returns or the next is taken; it has a NUL behind it, and no line end.
 * Standard input gives a line as soon as it is there: what a person types is answered at once. */
#ifndef BASE_LINES_H
#define BASE_LINES_H

#include "base/gzip.h"

#include <stdint.h>

/* Empty lines are passed over.  ERR_TOO_LARGE: a line is too long. */
typedef bool line_visitor(void *context, const char *line, size_t length, struct err *err);
bool lines_read(const char *path, size_t size_max, line_visitor *visit, void *context, struct err *err) MUST_CHECK;

struct line_input {
    struct gzip_file *file;      /* NULL, and no memory: standard input, as it is */
    const char *memory;
    size_t memory_left;
    size_t size_max;
    struct buf line;
    char chunk[64 << 10];
    size_t at, count;
    int64_t number;              /* of the line last given; the first is 1 */
    bool ended;
};

/* NULL or "-": standard input. */
bool line_input_open(struct line_input *input, const char *path, size_t size_max, struct err *err) MUST_CHECK;
/* `data`, not NULL, stays the caller's. */
void line_input_of_memory(struct line_input *input, const void *data, size_t size, size_t size_max);
void line_input_close(struct line_input *input);
enum line_state { LINE_ONE, LINE_TOO_LONG, LINE_END, LINE_FAILED };
/* LINE_ONE: input->line holds it, empty or not, until the next call. */
enum line_state line_input_next(struct line_input *input, struct err *err);

#endif
