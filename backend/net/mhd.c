/* mhd.c - HTTP/1.1 by libmicrohttpd: one daemon per port, epoll, its threads inside.
 *
 * A request's life on its connection's thread:
 *   first call   headers are in: route, authorize, Content-Length against the bound.  A "no" is
 *                answered here, before any of the body is read.
 *   more calls   the body, piece by piece, into one buffer.
 *   last call    gunzip, then the handler; ROUTE_SLOW, ROUTE_WRITES and deferred requests are suspended
 *                and come back here with their reply written. */
#include "base/gzip.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "net/transport.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PORTS_MAX = 8, TABLES_MAX = 8, REPLY_SIZE_MAX = 256 << 20, ARENA_LIMIT = 64 << 20 };

static struct metric requests_2xx = { .name = "wardscribe_http_requests_total",
                                      .help = "Answered requests by status class.",
                                      .kind = METRIC_KIND_COUNTER, .labels = "class=\"2xx\"" };
static struct metric requests_4xx = { .name = "wardscribe_http_requests_total",
                                      .help = "Answered requests by status class.",
                                      .kind = METRIC_KIND_COUNTER, .labels = "class=\"4xx\"" };
static struct metric requests_5xx = { .name = "wardscribe_http_requests_total",
                                      .help = "Answered requests by status class.",
                                      .kind = METRIC_KIND_COUNTER, .labels = "class=\"5xx\"" };
static struct metric request_time = METRIC_HISTOGRAM("wardscribe_http_request_seconds",
                                                     "From headers read to reply queued.");

struct port {
    struct http_server *server;
    struct MHD_Daemon *daemon;
    struct http_routes tables[TABLES_MAX];
    size_t table_count;
    bool with_static;
};

struct http_server {
    struct http_server_options options;
    struct port ports[PORTS_MAX];
    int port_count;
    struct static_files *files;
    struct http_pool *pool, *write_pool;  /* ROUTE_SLOW, ROUTE_WRITES */
    struct live *live;
    atomic_int in_flight;
    atomic_bool stopping;                 /* new requests are told to go elsewhere */
};

enum phase { PHASE_BODY, PHASE_WAITING, PHASE_ANSWER };

struct mhd_request {
    struct http_transport_request base;   /* first */
    struct http_request request;
    struct http_reply reply;
    struct buf reply_body, body, plain_body;
    struct arena arena;
    struct port *port;
    struct MHD_Connection *connection;
    void *context;                        /* of the route's table */
    size_t body_limit, body_discarded;
    enum phase phase;
    bool too_large, deferred, in_pool;
    char remote[64];
};

static struct mhd_request *of(const struct http_request *request)
{
    return (struct mhd_request *)request->transport;
}

static const char *mhd_header(const struct http_request *request, const char *name)
{
    return MHD_lookup_connection_value(of(request)->connection, MHD_HEADER_KIND, name);
}

static const char *mhd_query(const struct http_request *request, const char *name)
{
    return MHD_lookup_connection_value(of(request)->connection, MHD_GET_ARGUMENT_KIND, name);
}

static void suspend(struct mhd_request *r)
{
    r->phase = PHASE_WAITING;
    MHD_suspend_connection(r->connection);
}

static void mhd_defer(struct http_request *request)
{
    struct mhd_request *r = of(request);
    r->deferred = true;
    if (!r->in_pool)
        suspend(r);
}

static struct http_reply *mhd_reply(struct http_request *request)
{
    return &of(request)->reply;
}

static void mhd_finish(struct http_request *request)
{
    struct mhd_request *r = of(request);
    r->phase = PHASE_ANSWER;
    MHD_resume_connection(r->connection);
}

static const struct http_transport transport = { mhd_header, mhd_query, mhd_defer, mhd_reply, mhd_finish };

/* ---- one request ---- */

static void remember_remote(struct mhd_request *r)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    r->remote[0] = '\0';
    if (info && info->client_addr->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)info->client_addr;
        (void)inet_ntop(AF_INET, &in->sin_addr, r->remote, sizeof r->remote);
    } else if (info && info->client_addr->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)info->client_addr;
        (void)inet_ntop(AF_INET6, &in6->sin6_addr, r->remote, sizeof r->remote);
    }
}

static struct mhd_request *request_new(struct port *port, struct MHD_Connection *connection)
{
    struct mhd_request *r = mem_try_new(1, sizeof *r);
    if (!r)
        return NULL;
    r->base.transport = &transport;
    r->port = port;
    r->connection = connection;
    arena_init(&r->arena, ARENA_LIMIT);
    buf_init(&r->reply_body, REPLY_SIZE_MAX);
    r->reply = (struct http_reply){ .body = &r->reply_body };
    r->request = (struct http_request){
        .transport = &r->base, .arena = &r->arena, .remote = r->remote,
        .received_us = clock_monotonic_us(port->server->options.clock),
    };
    remember_remote(r);
    atomic_fetch_add(&port->server->in_flight, 1);
    return r;
}

static void request_free(struct mhd_request *r)
{
    atomic_fetch_sub(&r->port->server->in_flight, 1);
    arena_free(&r->arena);
    buf_free(&r->reply_body);
    buf_free(&r->body);
    buf_free(&r->plain_body);
    mem_free(r);
}

static void count_answer(const struct mhd_request *r, int status)
{
    metric_add(status < 400 ? &requests_2xx : status < 500 ? &requests_4xx : &requests_5xx, 1);
    metric_observe_us(&request_time, clock_monotonic_us(r->port->server->options.clock) - r->request.received_us);
}

static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
    if (value)
        (void)MHD_add_response_header(response, name, value);
}

static enum MHD_Result send_reply(struct mhd_request *r)
{
    struct http_reply *reply = &r->reply;
    int status = reply->status ? reply->status : 200;
    struct MHD_Response *response = MHD_create_response_from_buffer(
        r->reply_body.length, r->reply_body.data ? r->reply_body.data : (char[]){ "" }, MHD_RESPMEM_PERSISTENT);
    if (!response)
        return MHD_NO;
    add_header(response, "Content-Type", reply->content_type ? reply->content_type : "application/json");
    add_header(response, "Cache-Control", reply->cache_control ? reply->cache_control : "no-store");
    add_header(response, "X-Content-Type-Options", "nosniff");
    add_header(response, "Location", reply->location);
    if (reply->retry_after_s > 0) {
        char text[16];
        (void)snprintf(text, sizeof text, "%d", reply->retry_after_s);
        add_header(response, "Retry-After", text);
    }
    if (status == 401)
        add_header(response, "WWW-Authenticate", "Bearer");
    count_answer(r, status);
    enum MHD_Result result = MHD_queue_response(r->connection, (unsigned)status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result send_error(struct mhd_request *r, const struct err *err)
{
    http_reply_error(&r->reply, err);
    return send_reply(r);
}

static enum MHD_Result send_not_allowed(struct mhd_request *r, unsigned allowed)
{
    struct err err;
    err_set(&err, ERR_INPUT, "%s is not allowed on %s", http_method_name(r->request.method), r->request.path);
    http_reply_error(&r->reply, &err);
    buf_reset(&r->reply_body);
    buf_printf(&r->reply_body, "{\"detail\":\"%s is not allowed here\",\"type\":\"about:blank\","
                               "\"title\":\"Method Not Allowed\",\"status\":405}", http_method_name(r->request.method));
    r->reply.status = 405;
    struct buf allow;
    buf_init(&allow, 200);
    for (int m = 0; m < HTTP_METHOD_COUNT; m++)
        if (allowed >> m & 1)
            buf_printf(&allow, "%s%s", allow.length ? ", " : "", http_method_name((enum http_method)m));
    struct MHD_Response *response = MHD_create_response_from_buffer(r->reply_body.length,
                                                                    r->reply_body.data, MHD_RESPMEM_MUST_COPY);
    add_header(response, "Content-Type", "application/problem+json");
    add_header(response, "Allow", allow.data);
    count_answer(r, 405);
    enum MHD_Result result = MHD_queue_response(r->connection, 405, response);
    MHD_destroy_response(response);
    buf_free(&allow);
    return result;
}

/* ---- the dashboard's files ---- */

static enum MHD_Result send_file(struct mhd_request *r, const struct static_file *file)
{
    const char *accepts = http_header(&r->request, "Accept-Encoding"),
                          *known = http_header(&r->request, "If-None-Match");
    bool gzip = file->gzip && accepts && strstr(accepts, "gzip");
    bool same = known && strcmp(known, file->etag) == 0;
    const char *data = same ? "" : gzip ? file->gzip : file->data;
    size_t size = same ? 0 : gzip ? file->gzip_size : file->size;
    struct MHD_Response *response = MHD_create_response_from_buffer(size, (void *)(uintptr_t)data,
                                                                    MHD_RESPMEM_PERSISTENT);
    if (!response)
        return MHD_NO;
    add_header(response, "Content-Type", file->content_type);
    add_header(response, "ETag", file->etag);
    add_header(response, "Vary", "Accept-Encoding");
    add_header(response, "Cache-Control", file->immutable ? "public, max-age=31536000, immutable" : "no-cache");
    add_header(response, "X-Content-Type-Options", "nosniff");
    add_header(response, "Referrer-Policy", "no-referrer");
    add_header(response, "X-Frame-Options", "DENY");
    add_header(response, "Content-Security-Policy", r->port->server->options.content_security_policy);
    if (gzip && !same)
        add_header(response, "Content-Encoding", "gzip");
    count_answer(r, 200);
    enum MHD_Result result = MHD_queue_response(r->connection, same ? 304 : 200, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result send_nothing_found(struct mhd_request *r)
{
    struct err err;
    const char *path = r->request.path;
    if (r->port->with_static && r->request.method == HTTP_GET && !str_starts(path, "/api/") &&
        !str_starts(path, "/ws/")) {
        const struct static_file *file = static_files_find(r->port->server->files, path);
        if (file)
            return send_file(r, file);
    }
    err_set(&err, ERR_NOT_FOUND, "No such path: %.200s", path);
    return send_error(r, &err);
}

/* ---- WebSocket handshake, RFC 6455 section 4.2 ---- */

static void accept_key(const char *key, char out[32])
{
    unsigned char digest[SHA_DIGEST_LENGTH];
    char text[128];
    int n = snprintf(text, sizeof text, "%.60s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    SHA1((const unsigned char *)text, (size_t)n, digest);
    (void)EVP_EncodeBlock((unsigned char *)out, digest, sizeof digest);
}

static bool origin_allowed(const struct mhd_request *r)
{
    const char *origin = http_header(&r->request, "Origin"), *host = http_header(&r->request, "Host");
    if (!origin)
        return true;
    const char *after = strstr(origin, "://");
    if (after && host && strcmp(after + 3, host) == 0)
        return true;
    const char *const *allowed = r->port->server->options.allowed_origins;
    for (; allowed && *allowed; allowed++)
        if (strcmp(*allowed, origin) == 0)
            return true;
    return false;
}

/* Authorization header, `Sec-WebSocket-Protocol: bearer, TOKEN`, or ?token=. */
static const char *websocket_token(struct mhd_request *r)
{
    const char *header = http_header(&r->request, "Authorization"),
                         *protocols = http_header(&r->request, "Sec-WebSocket-Protocol");
    if (header && strncasecmp(header, "Bearer ", 7) == 0)
        return header + 7;
    if (protocols && strncmp(protocols, "bearer,", 7) == 0)
        return protocols + 7 + strspn(protocols + 7, " ");
    return http_query(&r->request, "token");
}

struct ws_handoff {
    struct mhd_request *r;
    bool authenticated;
    int refuse_code;
};

static void give_back(void *handle)
{
    (void)MHD_upgrade_action(handle, MHD_UPGRADE_ACTION_CLOSE);
}

static void upgraded(void *cls, struct MHD_Connection *connection, void *con_cls, const char *extra, size_t extra_size,
                     MHD_socket fd, struct MHD_UpgradeResponseHandle *handle)
{
    (void)connection;
    (void)con_cls;
    struct ws_handoff *handoff = cls;
    struct mhd_request *r = handoff->r;
    struct ws_start start = {
        .fd = fd, .early = extra, .early_size = extra_size, .route = r->request.route, .context = r->context,
        .request = &r->request, .authenticated = handoff->authenticated, .refuse_code = handoff->refuse_code,
        .close = give_back, .handle = handle,
    };
    live_add(r->port->server->live, &start);
    mem_free(handoff);
}

static enum MHD_Result begin_websocket(struct mhd_request *r)
{
    struct err err = { 0 };
    const char *upgrade = http_header(&r->request, "Upgrade"), *key = http_header(&r->request, "Sec-WebSocket-Key");
    const char *version = http_header(&r->request, "Sec-WebSocket-Version");
    if (!upgrade || strcasecmp(upgrade, "websocket") != 0 || !key || strlen(key) != 24 || !str_equal(version, "13")) {
        err_set(&err, ERR_INPUT, "This path is a WebSocket (RFC 6455, version 13)");
        return send_error(r, &err);
    }
    if (!origin_allowed(r)) {
        err_set(&err, ERR_FORBIDDEN, "This origin may not open a WebSocket here");
        return send_error(r, &err);
    }
    struct ws_handoff *handoff = mem_new(1, sizeof *handoff);
    handoff->r = r;
    const char *token = websocket_token(r);
    if (token) {
        const struct http_server_options *options = &r->port->server->options;
        handoff->authenticated = options->authorize(options->authorize_context, &r->request, token,
                                                    r->request.route->right, &err);
        handoff->refuse_code = handoff->authenticated ? 0 : err.kind == ERR_FORBIDDEN ? 4403 : 4401;
    }
    struct MHD_Response *response = MHD_create_response_for_upgrade(upgraded, handoff);
    char accept[32];
    accept_key(key, accept);
    add_header(response, "Upgrade", "websocket");
    add_header(response, "Sec-WebSocket-Accept", accept);
    const char *protocols = http_header(&r->request, "Sec-WebSocket-Protocol");
    if (protocols && str_starts(protocols, "bearer"))
        add_header(response, "Sec-WebSocket-Protocol", "bearer");
    enum MHD_Result result = MHD_queue_response(r->connection, MHD_HTTP_SWITCHING_PROTOCOLS, response);
    MHD_destroy_response(response);
    return result;
}

/* ---- phases ---- */

static bool parse_method(const char *text, enum http_method *out)
{
    if (strcmp(text, "HEAD") == 0)
        text = "GET";
    for (int m = 0; m < HTTP_METHOD_COUNT; m++)
        if (strcmp(text, http_method_name((enum http_method)m)) == 0) {
            *out = (enum http_method)m;
            return true;
        }
    return false;
}

static bool authorize(struct mhd_request *r, struct err *err)
{
    const struct http_server_options *options = &r->port->server->options;
    const char *header = http_header(&r->request, "Authorization");
    const char *token = header && strncasecmp(header, "Bearer ", 7) == 0 ? header + 7 : NULL;
    return !options->authorize || options->authorize(options->authorize_context, &r->request, token,
                                                     r->request.route->right, err);
}

/* A body that is somewhat too large is read and thrown away: a client that is still sending when the
 * connection closes never sees why (its kernel drops the answer with the reset). */
static bool body_fits(struct mhd_request *r, struct err *err)
{
    r->body_limit = r->request.route->flags & ROUTE_BIG_BODY ? HTTP_BODY_SIZE_MAX : HTTP_JSON_BODY_MAX;
    buf_init(&r->body, r->body_limit);
    const char *text = http_header(&r->request, "Content-Length"), *expect = http_header(&r->request, "Expect");
    int64_t length = 0;
    if (!text || !str_to_int(text, 0, INT64_MAX, &length) || (uint64_t)length <= r->body_limit)
        return true;
    r->too_large = true;
    if (length <= HTTP_BODY_DISCARD_MAX && !expect)
        return true;
    return err_set(err, ERR_TOO_LARGE, "The body of %lld bytes is above %zu", (long long)length, r->body_limit);
}

/* Headers are in.  MHD_YES without a queued reply: go on with the body. */
static enum MHD_Result begin(struct mhd_request *r, const char *url, const char *method)
{
    struct err err = { 0 };
    r->request.path = arena_copy(&r->arena, url, strlen(url));
    if (atomic_load(&r->port->server->stopping)) {
        err_set(&err, ERR_UNAVAILABLE, "The server is stopping");
        return send_error(r, &err);
    }
    if (!parse_method(method, &r->request.method)) {
        err_set(&err, ERR_INPUT, "Unknown method");
        return send_error(r, &err);
    }
    struct http_match match = http_router_find(r->port->tables, r->port->table_count, &r->request);
    if (!match.route)
        return match.allowed ? send_not_allowed(r, match.allowed) : send_nothing_found(r);
    r->request.route = match.route;
    r->context = match.context;
    if (match.route->flags & ROUTE_WS)
        return begin_websocket(r);
    if (!authorize(r, &err) || !body_fits(r, &err))
        return send_error(r, &err);
    return MHD_YES;
}

static bool gunzip(struct mhd_request *r, struct err *err)
{
    buf_init(&r->plain_body, r->body_limit);
    return gzip_unpack(r->body.data, r->body.length, HTTP_BODY_GZIP_RATIO, &r->plain_body, err) ||
           err_context(err, "The body");
}

static bool take_body(struct mhd_request *r, struct err *err)
{
    if (r->too_large || r->body.overflow)
        return err_set(err, ERR_TOO_LARGE, "The body is above %zu bytes", r->body_limit);
    const char *encoding = http_header(&r->request, "Content-Encoding");
    struct buf *body = &r->body;
    if (encoding && strcasecmp(encoding, "identity") != 0) {
        if (strcasecmp(encoding, "gzip") != 0)
            return err_set(err, ERR_INPUT, "Content-Encoding: only gzip is known");
        if (!gunzip(r, err))
            return false;
        body = &r->plain_body;
    }
    r->request.body = body->data ? body->data : "";
    r->request.body_size = body->length;
    return true;
}

static void run_slow(void *work)
{
    struct mhd_request *r = work;
    r->request.route->handler(r->context, &r->request, &r->reply);
    if (!r->deferred)
        mhd_finish(&r->request);
}

static enum MHD_Result run(struct mhd_request *r)
{
    struct err err = { 0 };
    if (!take_body(r, &err))
        return send_error(r, &err);
    if (r->request.route->flags & (ROUTE_SLOW | ROUTE_WRITES)) {
        const struct http_server *server = r->port->server;
        r->in_pool = true;
        suspend(r);
        if (http_pool_submit(r->request.route->flags & ROUTE_WRITES ? server->write_pool : server->pool, run_slow, r))
            return MHD_YES;
        err_set(&err, ERR_BUSY, "Too many slow requests wait already");
        http_reply_error(&r->reply, &err);
        mhd_finish(&r->request);
        return MHD_YES;
    }
    r->phase = PHASE_ANSWER;
    r->request.route->handler(r->context, &r->request, &r->reply);
    return r->deferred ? MHD_YES : send_reply(r);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *upload, size_t *upload_size, void **con_cls)
{
    (void)version;
    struct mhd_request *r = *con_cls;
    if (!r) {
        *con_cls = r = request_new(cls, connection);
        return r ? begin(r, url, method) : MHD_NO;
    }
    if (r->phase == PHASE_ANSWER)
        return send_reply(r);
    if (r->phase == PHASE_WAITING)
        return MHD_YES;
    if (!*upload_size)
        return run(r);
    if (r->too_large)
        r->body_discarded += *upload_size;
    else
        buf_add(&r->body, upload, *upload_size);
    r->too_large |= r->body.overflow;
    /* A sender that goes on far beyond the bound is cut off. */
    if (r->body_discarded > HTTP_BODY_DISCARD_MAX)
        return MHD_NO;
    *upload_size = 0;
    return MHD_YES;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
                         enum MHD_RequestTerminationCode why)
{
    (void)cls;
    (void)connection;
    (void)why;
    if (*con_cls)
        request_free(*con_cls);
    *con_cls = NULL;
}

/* ---- the server ---- */

bool http_server_new(const struct http_server_options *options, struct http_server **out, struct err *err)
{
    struct http_server *server = mem_new(1, sizeof *server);
    server->options = *options;
    if (options->static_dir && !static_files_load(options->static_dir, &server->files, err)) {
        mem_free(server);
        return false;
    }
    server->pool = http_pool_new(options->pool_threads > 0 ? options->pool_threads : 2);
    server->write_pool = http_pool_new(options->pool_threads > 0 ? options->pool_threads : 2);
    server->live = live_new(server, options->clock);
    metric_register(&requests_2xx);
    metric_register(&requests_4xx);
    metric_register(&requests_5xx);
    *out = server;
    return true;
}

__attribute__((format(printf, 2, 0)))
static void on_mhd_log(void *cls, const char *format, va_list args)
{
    char text[256];
    (void)cls;
    (void)vsnprintf(text, sizeof text, format, args);
    log_debug("http", LOG_STR("detail", text));
}

static bool resolve(const char *bind, int port, struct sockaddr_storage *out, bool *out_v6, struct err *err)
{
    char service[16];
    struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
                              .ai_socktype = SOCK_STREAM }, *found;
    (void)snprintf(service, sizeof service, "%d", port);
    int code = getaddrinfo(bind, service, &hints, &found);
    if (code)
        return err_set(err, ERR_CONFIG, "http.bind: %s: %s", bind, gai_strerror(code));
    memcpy(out, found->ai_addr, found->ai_addrlen);
    *out_v6 = found->ai_family == AF_INET6;
    freeaddrinfo(found);
    return true;
}

bool http_server_listen(struct http_server *server, int port, const struct http_routes *tables, size_t table_count,
                        bool with_static, struct err *err)
{
    CHECK(server->port_count < PORTS_MAX && table_count <= TABLES_MAX);
    struct port *p = &server->ports[server->port_count];
    *p = (struct port){ .server = server, .table_count = table_count, .with_static = with_static && server->files };
    memcpy(p->tables, tables, table_count * sizeof *tables);
    struct sockaddr_storage address = { 0 };
    bool v6 = false;
    if (!resolve(server->options.bind, port, &address, &v6, err))
        return false;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE | MHD_USE_ITC |
                     MHD_USE_ERROR_LOG | (v6 ? MHD_USE_DUAL_STACK : 0);
    unsigned threads = server->options.threads > 1 ? (unsigned)server->options.threads : 0;
    errno = 0;
    p->daemon = MHD_start_daemon(
        flags, (uint16_t)port, NULL, NULL, on_request, p,
        MHD_OPTION_EXTERNAL_LOGGER, on_mhd_log, NULL, /* first, so that start errors go through it */
        MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTP_CONNECTION_COUNT_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)HTTP_IDLE_TIMEOUT_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)(2 * HTTP_HEADER_SIZE_MAX),
        MHD_OPTION_STRICT_FOR_CLIENT, 1, /* and no ADDRESS_REUSE: it is SO_REUSEPORT, two servers would share a port */
        threads ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, threads, MHD_OPTION_END);
    if (!p->daemon)
        return err_set(err, ERR_CONFIG, "cannot listen on %s port %d (%s); is another Wardscribe running? "
                       "--port-offset N moves all ports", server->options.bind, port,
                           errno ? strerror(errno) : "in use");
    server->port_count++;
    return true;
}

void http_server_stop(struct http_server *server, int grace_ms)
{
    /* Not MHD_quiesce_daemon(): with a thread pool, 0.9.75 takes the listening socket out of a thread's
     * epoll set from two threads at once, and aborts when the second finds it gone (seen in tests). */
    atomic_store(&server->stopping, true);
    live_stop(server->live, grace_ms < 1000 ? grace_ms : 1000);
    for (int waited = 0; waited < grace_ms && atomic_load(&server->in_flight) > 0; waited += 10)
        (void)usleep(10 * 1000);
    for (int i = 0; i < server->port_count; i++)
        MHD_stop_daemon(server->ports[i].daemon);
    server->port_count = 0;
}

void http_server_free(struct http_server *server)
{
    if (!server)
        return;
    http_pool_free(server->pool);
    http_pool_free(server->write_pool);
    live_free(server->live);
    static_files_free(server->files);
    mem_free(server);
}

bool http_authorize_token(struct http_server *server, const char *token, int right,
                          struct http_identity *out, struct err *err)
{
    struct http_request request = { .method = HTTP_GET, .path = "" };
    const struct http_server_options *options = &server->options;
    if (!options->authorize(options->authorize_context, &request, token, right, err))
        return false;
    *out = request.identity;
    return true;
}

struct live *http_server_live(struct http_server *server)
{
    return server->live;
}

const struct http_server_options *http_server_get_options(const struct http_server *server)
{
    return &server->options;
}

void live_add_tick(struct http_server *server, int interval_ms, live_tick *tick, void *context)
{
    live_tick_add(server->live, interval_ms, tick, context);
}

void http_server_start_live(struct http_server *server)
{
    live_start(server->live);
}

void live_wake(struct http_server *server)
{
    live_notify(server->live);
}
