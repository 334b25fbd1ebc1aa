/* transport.h - inside net/ only: what a transport gives a request, and how a route is found. */
#ifndef NET_TRANSPORT_H
#define NET_TRANSPORT_H

#include "net/http.h"

struct http_transport {
    const char *(*header)(const struct http_request *request, const char *name);
    const char *(*query)(const struct http_request *request, const char *name);
    void (*defer)(struct http_request *request);
    struct http_reply *(*reply)(struct http_request *request);
    void (*finish)(struct http_request *request);
};

/* The transport's own struct begins with this. */
struct http_transport_request {
    const struct http_transport *transport;
};

struct http_match {
    const struct http_route *route;
    void *context;
    unsigned allowed;    /* bit per method that this path knows */
};
/* Fills request->parameters.  route NULL: 404, or 405 when `allowed` is not 0. */
struct http_match http_router_find(const struct http_routes *tables, size_t table_count, struct http_request *request);
const char *http_method_name(enum http_method method);

/* ---- static files, static.c ---- */
struct static_files;
struct static_file {
    const char *data, *gzip;             /* gzip NULL: none */
    size_t size, gzip_size;
    const char *content_type, *etag;
    bool immutable;                      /* its name holds a hash */
};
bool static_files_load(const char *dir, struct static_files **out, struct err *err) MUST_CHECK;
void static_files_free(struct static_files *files);
/* The file of `path`; index.html for paths without a dot; NULL: none. */
const struct static_file *static_files_find(const struct static_files *files, const char *path);

/* ---- a pool for ROUTE_SLOW or ROUTE_WRITES, pool.c ---- */
struct http_pool;
typedef void http_pool_work(void *work);
struct http_pool *http_pool_new(int threads);
bool http_pool_submit(struct http_pool *pool, http_pool_work *run, void *work); /* false: full */
void http_pool_free(struct http_pool *pool);   /* finishes what is queued */

/* ---- live.c ---- */
struct live;
struct live *live_new(struct http_server *server, const struct clock *clock);
/* Takes over a socket after the handshake.  `close` gives the socket back to its transport. */
struct ws_start {
    int fd;
    const char *early;                   /* bytes that came behind the handshake */
    size_t early_size;
    const struct http_route *route;
    void *context;                       /* of the route's table */
    const struct http_request *request;  /* copied: path, parameters, query, identity */
    bool authenticated;
    int refuse_code;                     /* not 0: close at once with it */
    void (*close)(void *handle);
    void *handle;
};
void live_add(struct live *live, const struct ws_start *start);
void live_tick_add(struct live *live, int interval_ms, live_tick *tick, void *context);
void live_start(struct live *live);
void live_notify(struct live *live);
void live_stop(struct live *live, int grace_ms);
void live_free(struct live *live);

struct live *http_server_live(struct http_server *server);
const struct http_server_options *http_server_get_options(const struct http_server *server);

#endif
