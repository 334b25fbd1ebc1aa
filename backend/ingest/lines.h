/* lines.h - a text file, or a piece of memory, line by line.
 *
 * Format:  LF or CRLF, gzip or not, a byte order mark, no line end at the last line.
 * Bounds:  LINE_SIZE_MAX bytes a line; a NUL byte is an error: the file is no text.
 * Owner:   a line lives until the next lines_next(), and may be written to.
 * Threads: one. */
#ifndef INGEST_LINES_H
#define INGEST_LINES_H

#include "base/err.h"

#include <stddef.h>

enum { LINE_SIZE_MAX = 4096 };  /* the longest line of the four recordings has 330 bytes */

struct lines;

bool lines_open(const char *path, struct lines **out, struct err *err) MUST_CHECK;
struct lines *lines_of_memory(const void *data, size_t size);   /* `data` stays the caller's */
void lines_close(struct lines *lines);                          /* NULL is fine */

/* *out NULL: the end. */
bool lines_next(struct lines *lines, char **out, struct err *err) MUST_CHECK;
size_t lines_number(const struct lines *lines);                 /* of the last line, from 1 */

#endif
