/* file.h - a file as a whole: read into a buffer, written so that it is on the disk when the call returns.
 *
 * Errors:  name the path.   Threads: any. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/err.h"
#include "base/str.h"

/* Initialises `out`; buf_free() ends it, after a failure too, where it is empty.  A text that was read is never NULL
 * and has a NUL behind it.  ERR_NOT_FOUND, ERR_TOO_LARGE (more than size_max bytes), ERR_IO. */
bool file_read(const char *path, size_t size_max, struct buf *out, struct err *err) MUST_CHECK;
/* The same from what is open; `name` is for the errors. */
bool file_read_fd(int fd, const char *name, size_t size_max, struct buf *out, struct err *err) MUST_CHECK;

/* Makes the file or writes over it, and syncs it: for a folder that is renamed when it is whole. */
bool file_write(const char *path, const void *data, size_t size, struct err *err) MUST_CHECK;
/* Written beside `path`, synced and renamed: whoever reads finds the old content or the new one. */
bool file_replace(const char *path, const void *data, size_t size, struct err *err) MUST_CHECK;

#endif
