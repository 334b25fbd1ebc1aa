/* client.h - HTTP requests to other servers: a Wardscribe, a model hub, a publisher of recordings.
 *
 *     struct client *client = client_new(&(struct client_options){ .idle_timeout_ms = 30000 });
 *     struct client_answer answer;
 *     bool ok = client_call(client, &(struct client_call){ .url = url, .bearer = token }, &answer, &err)
 *               && client_answer_check(&answer, &err);
 *     …answer.body.data…
 *     client_answer_free(&answer);   // always, also when the call failed
 *
 * Owner:     a client is one keep-alive connection pool and belongs to one thread.
 * Answer:    client_call() says true when a whole answer came, whatever its status: the caller looks
 *            at it, or lets client_answer_check() turn everything but 2xx into an error.
 * Security:  http and https only; certificates are always verified; no password in a URL; the bearer
 *            token and an Authorization header go to the first origin only, not to where it redirects.
 * Redirects: not followed unless `redirects_max` is set; never from https to http; `allow` may refuse
 *            any hop, the first included; with `private_origin`, other origins must be public addresses.
 * Bounds:    an answer in memory holds at most `answer_max` bytes (ERR_TOO_LARGE beyond), headers
 *            CLIENT_HEADERS_MAX.  A sink gets any length.
 * Errors:    ERR_UNAVAILABLE: no connection; ERR_TIMEOUT; ERR_IO: cut in the middle; ERR_AUTH: the
 *            certificate is not valid; ERR_INPUT: no such URL; ERR_REFUSED: cancelled, or a hop refused.
 * Proxy:     http_proxy, https_proxy, no_proxy of the environment; never for this machine itself. */
#ifndef NET_CLIENT_H
#define NET_CLIENT_H

#include "base/err.h"
#include "base/str.h"

#include <stdatomic.h>
#include <stdint.h>

enum { CLIENT_URL_SIZE = 4096, CLIENT_HEADERS_MAX = 32 << 10, CLIENT_ANSWER_MAX = 8 << 20 };

struct client;

struct client_options {
    int connect_timeout_ms;      /* 0: 10 s, DNS and TLS included */
    int idle_timeout_ms;         /* nothing moves, in or out; 0: 60 s */
    const char *ca_file;         /* PEM; NULL: the system's */
    const atomic_bool *cancel;   /* looked at every 100 ms at least; NULL: never */
};
struct client *client_new(const struct client_options *options);
void client_free(struct client *client);   /* NULL is fine */

struct client_answer;
/* At most `size` bytes of the body into `to`; 0: the end; -1: give up. */
typedef int64_t client_body(void *context, void *to, size_t size);
/* false: give up, with the reason in `err`. */
typedef bool client_sink(void *context, const void *data, size_t size, struct err *err);
/* Before the first byte of a 2xx answer goes to the sink, and also when it has none. */
typedef bool client_begin(void *context, const struct client_answer *answer, struct err *err);
/* May this URL be asked?  `hop` is 0 for the first. */
typedef bool client_allow(void *context, const char *url, int hop, struct err *err);

struct client_call {
    const char *method;              /* NULL: GET */
    const char *url;
    const char *const *headers;      /* "Name: value", NULL-terminated; NULL: none */
    const char *bearer;              /* token; NULL: none */
    int timeout_ms;                  /* for the whole call; 0: none */

    /* The body: memory, a file from `file_offset` on, or a callback; none: all zero. */
    const void *body;
    size_t body_size;
    const char *body_file;
    int64_t file_offset, file_size;  /* file_size 0: to its end */
    client_body *read_body;          /* with body_size, or body_size 0: chunked, of any length */
    void *body_context;

    int64_t range_from;              /* "Range: bytes=FROM-" unless 0 and range_to 0 */
    int64_t range_to;                /* last byte, inclusive; 0: to the end */
    bool compressed;                 /* gzip asked for, and taken off again */

    int redirects_max;
    client_allow *allow;
    void *allow_context;
    /* Not NULL: only this origin may lie at a private address (net/address.h); when it is this machine,
     * others on this machine may too.  Looked at when the socket opens, so that no DNS answer gets
     * around it; behind a proxy, which connects for us, only addresses written into the URL are. */
    const char *private_origin;

    size_t answer_max;               /* 0: CLIENT_ANSWER_MAX */
    client_begin *begin;
    client_sink *sink;               /* gets the body of a 2xx answer; others stay in memory */
    void *sink_context;              /* begin's too */
};

struct client_answer {
    int status;
    struct buf body;                 /* what did not go to the sink */
    struct buf headers;              /* "name: value\n" lines of the last answer */
    int64_t length;                  /* Content-Length; -1: not said */
    int64_t received;                /* body bytes, also those that the sink got */
    char url[CLIENT_URL_SIZE];       /* that answered, behind all redirects */
};

bool client_call(struct client *client, const struct client_call *call, struct client_answer *out,
                 struct err *err) MUST_CHECK;
void client_answer_free(struct client_answer *answer);
/* The value of a header, by any case; false: absent (or cut off by `size`). */
bool client_answer_header(const struct client_answer *answer, const char *name, char *out, size_t size);
/* true for 2xx.  Else the error's kind is that of the status, and its text has the URL, the status and
 * what the server says ("detail" or "error" of a JSON body). */
bool client_answer_check(const struct client_answer *answer, struct err *err) MUST_CHECK;
/* Seconds of Retry-After, at most `max`; `fallback` when absent or a date. */
int client_answer_retry_after_s(const struct client_answer *answer, int fallback, int max);

enum err_kind client_status_kind(int status);   /* ERR_NONE for 2xx */
bool client_is_local(const char *url);          /* its host is this machine: localhost, 127.x.y.z, [::1] */
/* Same scheme, host and port. */
bool client_same_origin(const char *url, const char *other);
/* Bytes as %XX unless unreserved (RFC 3986), '/' kept when `keep_slash`. */
void client_escape(struct buf *out, const char *text, bool keep_slash);

#endif
