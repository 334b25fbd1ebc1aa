/* download.h - a file of known size and hash, fetched until it is whole.
 *
 * Resumes: what has come lies in PATH.part; a connection that breaks, or a process that ends, goes on
 *          from there with a Range request.  PATH appears when size and SHA-256 are right, never before.
 * Wrong:   a file with another hash is taken away again, and once more fetched from its beginning when it
 *          was put together from several answers; then it is an error that names both hashes.
 * Again:   a file that is there and right is not fetched.
 * Threads: the client's. */
#ifndef NET_DOWNLOAD_H
#define NET_DOWNLOAD_H

#include "net/client.h"

enum { DOWNLOAD_ATTEMPTS = 6 };   /* without progress in between: 0.2 + 0.4 + … = 12 s */

struct download {
    const char *url, *path;
    int64_t size;
    const char *sha256;                                  /* lower-case hex */
    void (*progress)(void *context, int64_t have);       /* bytes of this file; may be NULL */
    void *context;
};

enum download_result { DOWNLOAD_FETCHED, DOWNLOAD_THERE };

/* ERR_NOT_FOUND: the server does not have it.  ERR_CONFLICT: size or hash are not those. */
bool download_file(struct client *client, const struct download *what, enum download_result *out,
                   struct err *err) MUST_CHECK;
/* Is the file at `path` this one?  *out_there tells whether there is one at all. */
bool download_check(const struct download *what, bool *out_there, struct err *err) MUST_CHECK;

#endif
