/* live.c - all WebSocket clients on one epoll loop; frames, masking and close by wslay.
 *
 * A client without a token in its handshake has AUTH_TIMEOUT to send {"type":"auth","token":…}.
 * A slow client costs its kernel buffer and at most WS_SEND_BUFFER_MAX here: applications look at
 * ws_unsent() and send the newest state when drained() says so. */
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "net/transport.h"

#include <errno.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wslay/wslay.h>

enum {
    TICKS_MAX = 8,
    AUTH_TIMEOUT_US = 5 * 1000 * 1000,
    PING_INTERVAL_US = 15 * 1000 * 1000,
    DEAD_US = 40 * 1000 * 1000,        /* two pings and some */
    STUCK_US = 30 * 1000 * 1000,       /* a client that takes nothing for so long is gone */
    RECHECK_US = 30 * 1000 * 1000,     /* token expiry, revoked users: closed within 60 s */
    CLOSE_WAIT_US = 2 * 1000 * 1000,
    TOKEN_KEPT_SIZE = TOKEN_SIZE_MAX,
};

static struct metric clients_now = METRIC_GAUGE("wardscribe_websocket_clients", "Open WebSockets.");

struct ws {
    struct ws *next, *previous;
    struct live *live;
    wslay_event_context_ptr context;
    struct arena arena;
    struct http_request request;          /* a copy that lives as long as the socket */
    struct http_transport_request transport;
    struct { const char *name, *value; } queries[4];
    const struct http_route *route;
    void *route_context, *data;
    void (*give_back)(void *handle);
    void *handle;
    char *token;
    char *early;
    size_t early_size, early_at;
    int fd;
    bool authenticated, opened, closing, dead, writable_wanted, had_unsent;
    int64_t started_us, heard_us, pinged_us, drained_us, closing_us, rechecked_us;
};

struct tick_entry {
    live_tick *run;
    void *context;
    int64_t interval_us, next_us;
};

struct live {
    struct http_server *server;
    const struct clock *clock;
    pthread_t thread;
    pthread_mutex_t lock;                 /* incoming, ticks */
    struct ws *incoming, *clients;
    struct tick_entry ticks[TICKS_MAX];
    int tick_count, epoll_fd, wake_fd, client_count;
    atomic_bool stopping, stopped, woken;
};

/* ---- wslay's callbacks ---- */

static ssize_t on_recv(wslay_event_context_ptr context, uint8_t *data, size_t size, int flags, void *user)
{
    (void)flags;
    struct ws *ws = user;
    if (ws->early_at < ws->early_size) {
        size_t left = ws->early_size - ws->early_at, n = left < size ? left : size;
        memcpy(data, ws->early + ws->early_at, n);
        ws->early_at += n;
        return (ssize_t)n;
    }
    ssize_t n;
    do
        n = recv(ws->fd, data, size, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
    } else if (n <= 0) {
        ws->dead = true;
        wslay_event_set_error(context, WSLAY_ERR_CALLBACK_FAILURE);
        return -1;
    }
    return n;
}

static ssize_t on_send(wslay_event_context_ptr context, const uint8_t *data, size_t size, int flags, void *user)
{
    struct ws *ws = user;
    ssize_t n;
    do
        n = send(ws->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL | (flags & WSLAY_MSG_MORE ? MSG_MORE : 0));
    while (n < 0 && errno == EINTR);
    if (n < 0) {
        bool later = errno == EAGAIN || errno == EWOULDBLOCK;
        ws->dead |= !later;
        wslay_event_set_error(context, later ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
    }
    return n;
}

static bool authenticate(struct ws *ws, const char *token)
{
    struct err err = { 0 };
    if (http_authorize_token(ws->live->server, token, ws->route->right, &ws->request.identity, &err)) {
        ws->authenticated = true;
        ws->token = mem_copy_string(token);
        return true;
    }
    ws_close(ws, err.kind == ERR_FORBIDDEN ? 4403 : 4401, err.text);
    return false;
}

static bool first_message(struct ws *ws, const char *text, size_t length)
{
    struct json *root = NULL;
    const char *type = NULL, *token = NULL;
    bool ok = json_parse_object(text, length, WS_MESSAGE_SIZE_MAX, &root, NULL) &&
              json_get_text(root, "type", JSON_REQUIRED, 1, 20, &type, NULL) && strcmp(type, "auth") == 0 &&
              json_get_text(root, "token", JSON_REQUIRED, 1, TOKEN_SIZE_MAX, &token, NULL);
    if (ok)
        ok = authenticate(ws, token);
    else
        ws_close(ws, 4401, "the first message must be {\"type\":\"auth\",\"token\":\"...\"}");
    json_free(root);
    return ok;
}

static void open_client(struct ws *ws)
{
    ws->opened = ws->route->ws->open(ws->route_context, ws, &ws->request);
}

static void on_message(wslay_event_context_ptr context, const struct wslay_event_on_msg_recv_arg *arg, void *user)
{
    (void)context;
    struct ws *ws = user;
    ws->heard_us = clock_monotonic_us(ws->live->clock);
    if (wslay_is_ctrl_frame(arg->opcode) || ws->closing)
        return;
    const char *text = (const char *)arg->msg;
    if (!ws->authenticated) {
        if (!first_message(ws, text, arg->msg_length))
            return;
        open_client(ws);
    }
    if (ws->opened && !ws->closing && ws->route->ws->message)
        ws->route->ws->message(ws->route_context, ws, text, arg->msg_length);
}

static const struct wslay_event_callbacks callbacks = { on_recv, on_send, NULL, NULL, NULL, NULL, on_message };

/* ---- one client ---- */

static const char *no_header(const struct http_request *request, const char *name)
{
    (void)request;
    (void)name;
    return NULL;
}

static const char *kept_query(const struct http_request *request, const char *name)
{
    const struct ws *ws = (const struct ws *)((const char *)request - offsetof(struct ws, request));
    for (size_t i = 0; i < sizeof ws->queries / sizeof *ws->queries; i++)
        if (ws->queries[i].name && strcmp(ws->queries[i].name, name) == 0)
            return ws->queries[i].value;
    return NULL;
}

static const struct http_transport kept = { .header = no_header, .query = kept_query };

static void keep_request(struct ws *ws, const struct http_request *from)
{
    static const char *const query_names[] = { "seq", "epoch" };
    arena_init(&ws->arena, 64 << 10);
    ws->request = *from;
    ws->transport.transport = &kept;
    ws->request.transport = &ws->transport;
    ws->request.arena = &ws->arena;
    ws->request.path = arena_copy(&ws->arena, from->path, strlen(from->path));
    ws->request.remote = arena_copy(&ws->arena, from->remote, strlen(from->remote));
    for (int i = 0; i < 4 && from->parameters[i].name; i++) {
        ws->request.parameters[i].name = arena_copy(&ws->arena, from->parameters[i].name,
                                                    strlen(from->parameters[i].name));
        ws->request.parameters[i].value = arena_copy(&ws->arena, from->parameters[i].value,
                                                     strlen(from->parameters[i].value));
    }
    for (size_t i = 0; i < sizeof query_names / sizeof *query_names; i++) {
        const char *value = http_query(from, query_names[i]);
        if (!value)
            continue;
        ws->queries[i].name = query_names[i];
        ws->queries[i].value = arena_copy(&ws->arena, value, strlen(value));
    }
}

void live_add(struct live *live, const struct ws_start *start)
{
    struct ws *ws = mem_new(1, sizeof *ws);
    ws->live = live;
    ws->fd = start->fd;
    ws->route = start->route;
    ws->route_context = start->context;
    ws->give_back = start->close;
    ws->handle = start->handle;
    ws->authenticated = start->authenticated;
    ws->closing_us = start->refuse_code; /* read by the loop when it takes the client over */
    keep_request(ws, start->request);
    ws->early = mem_new(start->early_size + 1, 1);
    memcpy(ws->early, start->early, start->early_size);
    ws->early_size = start->early_size;
    (void)pthread_mutex_lock(&live->lock);
    ws->next = live->incoming;
    live->incoming = ws;
    (void)pthread_mutex_unlock(&live->lock);
    live_notify(live);
}

static void watch(struct ws *ws, bool writable)
{
    struct epoll_event event = { .events = EPOLLIN | (writable ? EPOLLOUT : 0), .data.ptr = ws };
    if (writable != ws->writable_wanted)
        (void)epoll_ctl(ws->live->epoll_fd, EPOLL_CTL_MOD, ws->fd, &event);
    ws->writable_wanted = writable;
}

static void flush(struct ws *ws)
{
    if (ws->dead)
        return;
    if (wslay_event_want_write(ws->context) && wslay_event_send(ws->context) != 0)
        ws->dead = true;
    size_t unsent = ws_unsent(ws);
    watch(ws, unsent > 0);
    if (unsent)
        return;
    ws->drained_us = clock_monotonic_us(ws->live->clock);
    if (ws->closing)
        ws->dead = wslay_event_get_close_received(ws->context) || ws->dead;
}

void ws_send(struct ws *ws, const char *text, size_t length)
{
    struct wslay_event_msg message = { WSLAY_TEXT_FRAME, (const uint8_t *)text, length };
    if (ws->closing || ws->dead)
        return;
    if (wslay_event_queue_msg(ws->context, &message) != 0)
        ws->dead = true;
    flush(ws);
}

size_t ws_unsent(const struct ws *ws)
{
    return wslay_event_get_queued_msg_length(ws->context) + (wslay_event_want_write(ws->context) ? 1 : 0);
}

void ws_close(struct ws *ws, int code, const char *reason)
{
    if (ws->closing || ws->dead)
        return;
    size_t length = strlen(reason) < 120 ? strlen(reason) : 120; /* a control frame holds 125 bytes */
    (void)wslay_event_queue_close(ws->context, (uint16_t)code, (const uint8_t *)reason, length);
    ws->closing = true;
    ws->closing_us = clock_monotonic_us(ws->live->clock);
    flush(ws);
}

void ws_set_data(struct ws *ws, void *data)
{
    ws->data = data;
}

void *ws_data(const struct ws *ws)
{
    return ws->data;
}

struct http_identity *ws_identity(struct ws *ws)
{
    return &ws->request.identity;
}

static void drop(struct ws *ws)
{
    struct live *live = ws->live;
    if (ws->opened)
        ws->route->ws->close(ws->route_context, ws);
    (void)epoll_ctl(live->epoll_fd, EPOLL_CTL_DEL, ws->fd, NULL);
    if (ws->previous)
        ws->previous->next = ws->next;
    else
        live->clients = ws->next;
    if (ws->next)
        ws->next->previous = ws->previous;
    metric_set(&clients_now, --live->client_count);
    wslay_event_context_free(ws->context);
    ws->give_back(ws->handle);
    arena_free(&ws->arena);
    mem_free(ws->early);
    mem_free(ws->token);
    mem_free(ws);
}

static void serve(struct ws *ws, uint32_t events)
{
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && wslay_event_recv(ws->context) != 0)
        ws->dead = true;
    if (wslay_event_get_close_received(ws->context) && !ws->closing) {
        ws->closing = true; /* wslay has queued the answer */
        ws->closing_us = clock_monotonic_us(ws->live->clock);
    }
    bool was_full = ws_unsent(ws) > 0;
    flush(ws);
    if (was_full && !ws->dead && !ws->closing && ws->opened && !ws_unsent(ws) && ws->route->ws->drained)
        ws->route->ws->drained(ws->route_context, ws);
}

static void take_over(struct live *live, struct ws *ws)
{
    int refuse_code = (int)ws->closing_us;
    ws->closing_us = 0;
    ws->previous = NULL;
    ws->next = live->clients;
    if (live->clients)
        live->clients->previous = ws;
    live->clients = ws;
    metric_set(&clients_now, ++live->client_count);
    CHECK(wslay_event_context_server_init(&ws->context, &callbacks, ws) == 0);
    wslay_event_config_set_max_recv_msg_length(ws->context, WS_MESSAGE_SIZE_MAX);
    ws->started_us = ws->heard_us = ws->pinged_us = ws->drained_us = ws->rechecked_us = clock_monotonic_us(live->clock);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = ws };
    if (epoll_ctl(live->epoll_fd, EPOLL_CTL_ADD, ws->fd, &event) != 0)
        ws->dead = true;
    else if (refuse_code)
        ws_close(ws, refuse_code, refuse_code == 4403 ? "not allowed" : "missing or bad token");
    else if (live->client_count > WS_CLIENT_COUNT_MAX)
        ws_close(ws, 1013, "too many clients");
    else if (ws->authenticated)
        open_client(ws);
    if (!ws->dead && ws->early_size)
        serve(ws, EPOLLIN);
}

static void take_incoming(struct live *live)
{
    (void)pthread_mutex_lock(&live->lock);
    struct ws *ws = live->incoming;
    live->incoming = NULL;
    (void)pthread_mutex_unlock(&live->lock);
    while (ws) {
        struct ws *next = ws->next;
        take_over(live, ws);
        ws = next;
    }
}

static void recheck(struct ws *ws, int64_t now_us)
{
    struct err err = { 0 };
    struct http_identity identity;
    ws->rechecked_us = now_us;
    if (ws->request.identity.expires_us && ws->request.identity.expires_us <= clock_now_us(ws->live->clock))
        ws_close(ws, 4401, "the token has expired");
    else if (ws->token && !http_authorize_token(ws->live->server, ws->token, ws->route->right, &identity, &err))
        ws_close(ws, 4401, "the token is not valid any more");
}

static void look_after(struct ws *ws, int64_t now_us)
{
    static const struct wslay_event_msg ping = { WSLAY_PING, (const uint8_t *)"", 0 };
    if (ws->closing)
        ws->dead |= now_us - ws->closing_us > CLOSE_WAIT_US;
    else if (!ws->authenticated && now_us - ws->started_us > AUTH_TIMEOUT_US)
        ws_close(ws, 4401, "no token came");
    else if (now_us - ws->heard_us > DEAD_US || (ws_unsent(ws) && now_us - ws->drained_us > STUCK_US))
        ws->dead = true;
    else if (now_us - ws->rechecked_us > RECHECK_US)
        recheck(ws, now_us);
    if (!ws->closing && !ws->dead && now_us - ws->pinged_us > PING_INTERVAL_US) {
        ws->pinged_us = now_us;
        (void)wslay_event_queue_msg(ws->context, &ping);
        flush(ws);
    }
}

static void sweep(struct live *live, int64_t now_us)
{
    for (struct ws *ws = live->clients, *next; ws; ws = next) {
        next = ws->next;
        if (!ws->dead)
            look_after(ws, now_us);
        if (ws->dead)
            drop(ws);
    }
}

/* ---- the loop ---- */

static int64_t run_ticks(struct live *live, bool woken)
{
    int64_t now_us = clock_monotonic_us(live->clock), next_us = now_us + US_PER_S;
    for (int i = 0; i < live->tick_count; i++) {
        struct tick_entry *tick = &live->ticks[i];
        if (now_us >= tick->next_us || woken) {
            tick->run(tick->context, now_us);
            tick->next_us = now_us + tick->interval_us;
        }
        next_us = tick->next_us < next_us ? tick->next_us : next_us;
    }
    return next_us;
}

static void *live_thread(void *argument)
{
    struct live *live = argument;
    struct epoll_event events[64];
    int64_t next_us = 0, swept_us = 0;
    while (!atomic_load(&live->stopped)) {
        int64_t now_us = clock_monotonic_us(live->clock);
        int64_t wait_us = next_us > now_us ? next_us - now_us : 0;
        int count = epoll_wait(live->epoll_fd, events, 64, (int)((wait_us + 999) / 1000));
        bool woken = false;
        for (int i = 0; i < count; i++) {
            struct ws *ws = events[i].data.ptr;
            uint64_t drained;
            if (ws)
                serve(ws, events[i].events);
            else
                woken = read(live->wake_fd, &drained, sizeof drained) > 0;
        }
        if (woken)
            atomic_store(&live->woken, false);
        take_incoming(live);
        next_us = run_ticks(live, woken);
        now_us = clock_monotonic_us(live->clock);
        bool stopping = atomic_load(&live->stopping);
        for (struct ws *ws = stopping ? live->clients : NULL; ws; ws = ws->next)
            ws_close(ws, 1001, "the server stops");
        if (now_us - swept_us > 200 * US_PER_MS || stopping || count > 0) {
            sweep(live, now_us);
            swept_us = now_us;
        }
    }
    return NULL;
}

struct live *live_new(struct http_server *server, const struct clock *clock)
{
    struct live *live = mem_new(1, sizeof *live);
    live->server = server;
    live->clock = clock;
    live->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    live->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    CHECK(live->epoll_fd >= 0 && live->wake_fd >= 0);
    struct epoll_event event = { .events = EPOLLIN };
    CHECK(epoll_ctl(live->epoll_fd, EPOLL_CTL_ADD, live->wake_fd, &event) == 0);
    CHECK(pthread_mutex_init(&live->lock, NULL) == 0);
    metric_register(&clients_now);
    return live;
}

/* The thread starts with the first tick: ticks are added before the first client comes. */
void live_tick_add(struct live *live, int interval_ms, live_tick *tick, void *context)
{
    CHECK(live->tick_count < TICKS_MAX && !live->thread);
    live->ticks[live->tick_count++] = (struct tick_entry){ tick, context, interval_ms * US_PER_MS, 0 };
}

void live_start(struct live *live)
{
    CHECK(pthread_create(&live->thread, NULL, live_thread, live) == 0);
}

void live_notify(struct live *live)
{
    uint64_t one = 1;
    if (!atomic_exchange(&live->woken, true) && write(live->wake_fd, &one, sizeof one) < 0)
        atomic_store(&live->woken, false);
}

void live_stop(struct live *live, int grace_ms)
{
    if (!live->thread)
        return;
    atomic_store(&live->stopping, true);
    live_notify(live);
    for (int waited = 0; waited < grace_ms && metric_value(&clients_now) > 0; waited += 10)
        (void)usleep(10 * 1000);
    atomic_store(&live->stopped, true);
    live_notify(live);
    (void)pthread_join(live->thread, NULL);
    live->thread = 0;
    take_incoming(live);
    while (live->clients)
        drop(live->clients);
}

void live_free(struct live *live)
{
    (void)close(live->epoll_fd);
    (void)close(live->wake_fd);
    (void)pthread_mutex_destroy(&live->lock);
    mem_free(live);
}
