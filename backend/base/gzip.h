/* gzip.h - gzip in memory, and files that may be gzipped, read piece by piece.
 *
 * Owner:   a file belongs to whoever opened it, until gzip_file_close().
 * Bounds:  unpacking is bounded by the caller, by size and by ratio: a small body can unpack to 1000
 *          times its size (a "bomb").
 * Threads: one file, one thread. */
#ifndef BASE_GZIP_H
#define BASE_GZIP_H

#include "base/err.h"
#include "base/str.h"

/* Appends to `out`, quickly rather than tightly (level 1): a batch on its way to a server. */
void gzip_pack(const void *data, size_t size, struct buf *out);
/* Appends to `out`; ERR_TOO_LARGE beyond out->limit or beyond `ratio` times `size`; ERR_INPUT when
 * the data is not whole. */
bool gzip_unpack(const void *data, size_t size, size_t ratio, struct buf *out, struct err *err) MUST_CHECK;

struct gzip_file;
/* Plain files are read as they are. */
bool gzip_file_open(const char *path, struct gzip_file **out, struct err *err) MUST_CHECK;
/* *out_size 0: the end.  A file that ends in the middle of its gzip data is an error. */
bool gzip_file_read(struct gzip_file *file, void *to, size_t size, size_t *out_size, struct err *err) MUST_CHECK;
void gzip_file_close(struct gzip_file *file);   /* NULL is fine */

#endif
