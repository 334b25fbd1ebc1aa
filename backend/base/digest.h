/* digest.h - SHA-256 and git's SHA-1, piece by piece.
 *
 * Owner:   whoever called digest_start(); digest_end() ends it, on every path.
 * Threads: one digest belongs to one thread.
 * Speed:   libcrypto's, which uses the CPU's SHA instructions where it has them. */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum digest_kind {
    DIGEST_SHA256,
    DIGEST_GIT_BLOB,    /* SHA-1 of "blob SIZE\0" and the content: git's name of a file */
};
enum { DIGEST_TEXT_SIZE = 65 };   /* 64 hex digits, or 40 for git, and the NUL */

struct digest;
/* `size` is the whole content's length; only git needs it, 0 will do for SHA-256. */
struct digest *digest_start(enum digest_kind kind, uint64_t size);
void digest_add(struct digest *digest, const void *data, size_t length);
/* Writes lower-case hex and frees.  `out` may be NULL: only frees. */
void digest_end(struct digest *digest, char out[DIGEST_TEXT_SIZE]);

/* Of a regular file.  `out_size` may be NULL. */
bool digest_file(const char *path, enum digest_kind kind, char out[DIGEST_TEXT_SIZE], uint64_t *out_size,
                 struct err *err) MUST_CHECK;

#endif
