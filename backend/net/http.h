/* http.h - routes, requests, replies; independent of the socket that carries them.
 *
 * Transports: net/mhd.c (libmicrohttpd, epoll, threads; HTTP/1.1) and net/memory_transport.c (a
 *             test calls the same routes without a socket, on its own thread).
 * A route:    {method, pattern, right, flags, handler}.  Patterns: "/api/alerts/{id}/acknowledge".
 *             `right` is a number that the server's `authorize` hook understands (access.h); every
 *             route has one, also public ones, so that none can be forgotten.
 * Order:      headers are read → route found → authorize() → only then is a body read (an
 *             unauthenticated body is never read beyond 16 KiB nor parsed).
 * Threads:    a handler runs on the connection's network thread and must not block; a ROUTE_SLOW
 *             handler runs on the pool; one that waits for the disk (ROUTE_WRITES) on a pool of its own,
 *             so that a disk that stalls takes no thread from what is read.  A handler may http_defer()
 *             and be answered later from any thread with http_finish().
 * Lifetime:   request, its strings and reply live in the request's arena until the reply is sent.
 * Bounds:     see bounds.h; 413 and 429 with Retry-After at the limits. */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include "base/arena.h"
#include "base/bounds.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"

struct http_server;
struct http_transport_request;   /* the transport's own part */

enum http_method { HTTP_GET, HTTP_POST, HTTP_PUT, HTTP_PATCH, HTTP_DELETE, HTTP_METHOD_COUNT };

/* Who asks; filled by authorize(). */
struct http_identity {
    int64_t user_id;
    char username[64], role[16];
    int64_t expires_us;
};

struct http_request {
    enum http_method method;
    const char *path;                 /* decoded, without query */
    const char *remote;               /* "127.0.0.1" */
    const char *body;
    size_t body_size;                 /* after gunzip when Content-Encoding: gzip */
    struct http_identity identity;
    struct arena *arena;
    int64_t received_us;              /* monotonic */
    const struct http_route *route;
    struct http_transport_request *transport;
    struct { const char *name, *value; } parameters[4]; /* of the pattern */
};

const char *http_header(const struct http_request *request, const char *name);       /* NULL: absent */
const char *http_query(const struct http_request *request, const char *name);        /* decoded; NULL: absent */
const char *http_parameter(const struct http_request *request, const char *name);    /* of the pattern */
/* The query parameter as an integer in [min, max]; `fallback` when absent; ERR_INPUT names it. */
bool http_query_int(const struct http_request *request, const char *name, int64_t min, int64_t max,
                    int64_t fallback, int64_t *out, struct err *err) MUST_CHECK;
bool http_query_time(const struct http_request *request, const char *name, int64_t fallback_us,
                     int64_t *out_us, struct err *err) MUST_CHECK;

struct http_reply {
    int status;                       /* 0: 200 */
    const char *content_type;         /* NULL: application/json */
    struct buf *body;                 /* the reply's own buffer: write the answer here */
    int retry_after_s;                /* > 0: header Retry-After */
    const char *location, *cache_control;
};
/* Answers err as problem+json with `detail`, and its status. */
void http_reply_error(struct http_reply *reply, const struct err *err);

/* After http_defer() the handler returns and the reply is sent by http_finish(), once, any thread. */
void http_defer(struct http_request *request);
struct http_reply *http_deferred_reply(struct http_request *request);
void http_finish(struct http_request *request);

typedef void http_handler(void *context, struct http_request *request, struct http_reply *reply);

/* ---- WebSocket (RFC 6455; frames by wslay) ---- */
struct ws;                            /* one client */
struct ws_handler {
    /* All run on the live loop's thread, one at a time. */
    bool (*open)(void *context, struct ws *ws, const struct http_request *request); /* false: closed already */
    void (*message)(void *context, struct ws *ws, const char *text, size_t length);
    void (*drained)(void *context, struct ws *ws);    /* everything queued was handed to the kernel */
    void (*close)(void *context, struct ws *ws);      /* last call for this ws */
};
void ws_send(struct ws *ws, const char *text, size_t length);  /* live thread only; copied */
size_t ws_unsent(const struct ws *ws);                         /* bytes not yet taken by the kernel */
void ws_close(struct ws *ws, int code, const char *reason);    /* 4401, 4403, 4004, 1001, … */
void ws_set_data(struct ws *ws, void *data);
void *ws_data(const struct ws *ws);
struct http_identity *ws_identity(struct ws *ws);
/* A function the live loop calls every `interval_ms`, and soon after live_wake(). */
typedef void live_tick(void *context, int64_t monotonic_us);
void live_add_tick(struct http_server *server, int interval_ms, live_tick *tick, void *context);
void live_wake(struct http_server *server);                    /* any thread */

/* ---- routes ---- */
enum {
    ROUTE_SLOW = 1,                   /* reads from the store, or computes */
    ROUTE_WS = 2,
    ROUTE_BIG_BODY = 4,               /* HTTP_BODY_SIZE_MAX, gzip allowed */
    ROUTE_WRITES = 8,                 /* slow, and waits until the disk has it */
};
struct http_route {
    enum http_method method;
    const char *pattern;
    int right;
    unsigned flags;
    http_handler *handler;
    const struct ws_handler *ws;
};
struct http_routes {                  /* a service's table */
    const struct http_route *routes;
    size_t count;
    void *context;
};

struct http_server_options {
    const struct clock *clock;
    const char *bind;                 /* "127.0.0.1", "0.0.0.0", "::" */
    int threads;                      /* per port */
    int pool_threads;                 /* for ROUTE_SLOW, and as many for ROUTE_WRITES */
    /* Fills identity or fails (ERR_AUTH, ERR_FORBIDDEN).  Runs before any body is read.  For ROUTE_WS
     * it is called only when a header, subprotocol or query carries a token. */
    bool (*authorize)(void *context, struct http_request *request, const char *token, int right, struct err *err);
    void *authorize_context;
    const char *const *allowed_origins;  /* NULL-terminated; beside the Host itself */
    const char *static_dir;              /* dashboard; NULL: none.  index.html for paths that name no file */
    const char *content_security_policy;
};
bool http_server_new(const struct http_server_options *options, struct http_server **out, struct err *err) MUST_CHECK;
/* Starts the live loop; ticks are added before. */
void http_server_start_live(struct http_server *server);
/* Serves these tables (several services) on `port`; with_static adds the dashboard's files. */
bool http_server_listen(struct http_server *server, int port, const struct http_routes *tables, size_t table_count,
                        bool with_static, struct err *err) MUST_CHECK;
/* Stops taking connections, answers what is in flight (at most grace_ms), closes sockets with 1001. */
void http_server_stop(struct http_server *server, int grace_ms);
void http_server_free(struct http_server *server);
/* authorize for a token that came later (first WebSocket message). */
bool http_authorize_token(struct http_server *server, const char *token, int right, struct http_identity *out,
                          struct err *err) MUST_CHECK;

#endif
