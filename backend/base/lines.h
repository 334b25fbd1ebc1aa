/* lines.h - a text file, gzipped or not, line by line.
 *
 * Bounds:  a line of more than `size_max` bytes is ERR_TOO_LARGE.  Errors name the file and the line.
 * Owner:   a line lives until the visitor returns; it has a NUL behind it.  Empty lines are passed over. */
#ifndef BASE_LINES_H
#define BASE_LINES_H

#include "base/err.h"

#include <stddef.h>

typedef bool line_visitor(void *context, const char *line, size_t length, struct err *err);
bool lines_read(const char *path, size_t size_max, line_visitor *visit, void *context, struct err *err) MUST_CHECK;

#endif
