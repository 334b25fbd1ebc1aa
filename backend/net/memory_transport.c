#include "net/memory_transport.h"

#include "base/mem.h"
#include "net/transport.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

struct memory_exchange {
    struct http_transport_request base; /* first */
    const struct memory_http *http;
    struct memory_call call;
    struct http_request request;
    struct http_reply reply;
    struct arena arena;
    struct buf body;
    char *copy, *query;                 /* of the call's body; behind the '?' */
    bool deferred;
    atomic_int status;
};

static struct memory_exchange *exchange_of(const struct http_request *request)
{
    return (struct memory_exchange *)request->transport;
}

static const char *header(const struct http_request *request, const char *name)
{
    const struct memory_exchange *x = exchange_of(request);
    if (strcasecmp(name, "Content-Type") == 0)
        return x->call.content_type;
    return NULL;
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

static char *decode(struct arena *arena, const char *text, size_t length)
{
    char *out = arena_alloc(arena, length + 1), *to = out;
    for (size_t i = 0; i < length; i++) {
        bool escaped = text[i] == '%' && i + 2 < length && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0;
        *to++ = escaped ? (char)(hex(text[i + 1]) << 4 | hex(text[i + 2])) : text[i] == '+' ? ' ' : text[i];
        i += escaped ? 2 : 0;
    }
    return out;
}

static const char *query(const struct http_request *request, const char *name)
{
    const struct memory_exchange *x = exchange_of(request);
    size_t length = strlen(name);
    for (const char *p = x->query; p && *p; p += strcspn(p, "&"), p += *p == '&')
        if (strncmp(p, name, length) == 0 && p[length] == '=')
            return decode(request->arena, p + length + 1, strcspn(p + length + 1, "&"));
    return NULL;
}

static void defer(struct http_request *request)
{
    exchange_of(request)->deferred = true;
}

static struct http_reply *reply(struct http_request *request)
{
    return &exchange_of(request)->reply;
}

static void finish(struct http_request *request)
{
    struct memory_exchange *x = exchange_of(request);
    int status = x->reply.status ? x->reply.status : 200;
    atomic_store(&x->status, status);
    if (x->http->answered)
        x->http->answered(x->call.context, status);
}

static const struct http_transport transport = { header, query, defer, reply, finish };

static void fail(struct memory_exchange *x, const struct err *err)
{
    http_reply_error(&x->reply, err);
    finish(&x->request);
}

static void run(struct memory_exchange *x)
{
    const struct memory_http *http = x->http;
    struct err err = { 0 };
    struct http_match match = http_router_find(http->tables, http->table_count, &x->request);
    if (!match.route || match.route->flags & ROUTE_WS) {
        err_set(&err, ERR_NOT_FOUND, "No such path: %.200s", x->request.path);
        fail(x, &err);
        return;
    }
    x->request.route = match.route;
    size_t limit = match.route->flags & ROUTE_BIG_BODY ? HTTP_BODY_SIZE_MAX : HTTP_JSON_BODY_MAX;
    bool ok = !http->authorize || http->authorize(http->authorize_context, &x->request, x->call.token,
                                                  match.route->right, &err);
    if (ok && x->call.body_size > limit)
        ok = err_set(&err, ERR_TOO_LARGE, "The body is above %zu bytes", limit);
    if (!ok) {
        fail(x, &err);
        return;
    }
    x->request.body = x->copy;
    x->request.body_size = x->call.body_size;
    match.route->handler(match.context, &x->request, &x->reply);
    if (!x->deferred)
        finish(&x->request);
}

static struct memory_exchange *new_exchange(const struct memory_http *http, const struct memory_call *call)
{
    struct memory_exchange *x = mem_new(1, sizeof *x);
    x->base.transport = &transport;
    x->http = http;
    x->call = *call;
    arena_init(&x->arena, 64 << 20);
    buf_init(&x->body, 64 << 20);
    x->copy = mem_new(call->body_size + 1, 1);
    if (call->body_size)
        memcpy(x->copy, call->body, call->body_size);
    size_t path = strcspn(call->target, "?");
    x->query = call->target[path] ? arena_copy(&x->arena, call->target + path + 1,
                                               strlen(call->target + path + 1)) : NULL;
    x->reply.body = &x->body;
    x->request = (struct http_request){ .method = call->method,
                                        .path = decode(&x->arena, call->target, path), .remote = "memory",
                                        .arena = &x->arena, .received_us = clock_monotonic_us(http->clock),
                                            .transport = &x->base };
    return x;
}

struct memory_exchange *memory_http_call(const struct memory_http *http, const struct memory_call *call)
{
    struct memory_exchange *x = new_exchange(http, call);
    run(x);
    return x;
}

static void close_end(void *handle)
{
    (void)close((int)(intptr_t)handle);
}

static void start_socket(struct http_server *server, struct memory_exchange *x, const struct http_match *match, int fd)
{
    const struct memory_http *http = x->http;
    struct err err = { 0 };
    struct ws_start start = { .fd = fd, .early = "", .route = match->route,
                              .context = match->context, .request = &x->request,
                              .close = close_end, .handle = (void *)(intptr_t)fd };
    if (x->call.token) {
        start.authenticated = http->authorize(http->authorize_context, &x->request, x->call.token,
                                              match->route->right, &err);
        start.refuse_code = start.authenticated ? 0 : err.kind == ERR_FORBIDDEN ? 4403 : 4401;
    }
    live_add(http_server_live(server), &start);
}

int memory_ws_open(struct http_server *server, const struct memory_http *http, const char *target, const char *token)
{
    int ends[2] = { -1, -1 };
    struct memory_call call = { .method = HTTP_GET, .target = target, .token = token };
    struct memory_exchange *x = new_exchange(http, &call);
    struct http_match match = http_router_find(http->tables, http->table_count, &x->request);
    x->request.route = match.route;
    if (match.route && match.route->flags & ROUTE_WS) {
        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        start_socket(server, x, &match, ends[0]);
    }
    memory_http_free(x);
    return ends[1];
}

int memory_http_status(const struct memory_exchange *exchange)
{
    return atomic_load(&exchange->status);
}

const char *memory_http_body(const struct memory_exchange *exchange)
{
    return memory_http_status(exchange) && exchange->body.data ? exchange->body.data : "";
}

void memory_http_free(struct memory_exchange *exchange)
{
    arena_free(&exchange->arena);
    buf_free(&exchange->body);
    mem_free(exchange->copy);
    mem_free(exchange);
}
