/* memory_transport.h - HTTP without a socket: a test calls a service's routes on its own thread.
 *
 * As net/mhd.c: route, authorize, then the body; ROUTE_SLOW and ROUTE_WRITES handlers run at once.  A handler that
 * defers is answered later, when whoever finishes it does.  A WebSocket is one end of a socketpair.
 * Owner: the caller frees every exchange, after it was answered, and closes its socket. */
#ifndef NET_MEMORY_TRANSPORT_H
#define NET_MEMORY_TRANSPORT_H

#include "net/http.h"

struct memory_http {
    const struct http_routes *tables;
    size_t table_count;
    const struct clock *clock;
    bool (*authorize)(void *context, struct http_request *request, const char *token, int right,
                      struct err *err); /* NULL: all may */
    void *authorize_context;
    /* Called when an exchange is answered, on the thread that finished it.  NULL: ask for the status. */
    void (*answered)(void *context, int status);
};

struct memory_call {
    enum http_method method;
    const char *target;                 /* "/api/alerts?limit=3" */
    const char *token, *content_type;   /* NULL: none */
    const void *body;
    size_t body_size;
    void *context;                      /* for answered() */
};

struct memory_exchange;
struct memory_exchange *memory_http_call(const struct memory_http *http, const struct memory_call *call);
int memory_http_status(const struct memory_exchange *exchange);       /* 0: not answered yet */
const char *memory_http_body(const struct memory_exchange *exchange); /* "" before the answer */
void memory_http_free(struct memory_exchange *exchange);

/* The client's end of a WebSocket on the server's live loop, after the handshake; frames as in RFC 6455.
 * -1: no such path.  token NULL: the client proves itself by its first message. */
int memory_ws_open(struct http_server *server, const struct memory_http *http, const char *target, const char *token);

#endif
