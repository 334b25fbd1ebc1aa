/* Routes and WebSockets without TCP: what a test of a service can rely on. */
#include "net/access.h"
#include "net/memory_transport.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct http_request *waiting;

static void echo(void *context, struct http_request *request, struct http_reply *reply)
{
    const char *query = http_query(request, "text");
    buf_printf(reply->body, "%s|%s|%s|%.*s", (const char *)context, http_parameter(request, "id"), query ? query : "-",
               (int)request->body_size, request->body);
}

static void later(void *context, struct http_request *request, struct http_reply *reply)
{
    (void)context, (void)reply;
    http_defer(request);
    waiting = request;
}

static bool ws_open(void *context, struct ws *ws, const struct http_request *request)
{
    (void)context;
    char text[64];
    int n = snprintf(text, sizeof text, "hello %s", http_parameter(request, "id"));
    ws_send(ws, text, (size_t)n);
    return true;
}

static void ws_message(void *context, struct ws *ws, const char *text, size_t length)
{
    (void)context;
    ws_send(ws, text, length);
}

static void ws_nothing(void *context, struct ws *ws)
{
    (void)context, (void)ws;
}

static const struct ws_handler socket_handler = { ws_open, ws_message, ws_nothing, ws_nothing };
static const struct http_route routes[] = {
    { HTTP_POST, "/echo/{id}", RIGHT_READ, 0, echo, NULL },
    { HTTP_GET, "/later", RIGHT_PUBLIC, 0, later, NULL },
    { HTTP_GET, "/ws/{id}", RIGHT_READ, ROUTE_WS, NULL, &socket_handler },
};
static char context_text[] = "context";
static const struct http_routes table = { routes, 3, context_text };

static bool authorize(void *context, struct http_request *request, const char *token, int right, struct err *err)
{
    (void)context, (void)request;
    if (right == RIGHT_PUBLIC || (token && strcmp(token, "good") == 0))
        return true;
    return token && strcmp(token, "weak") == 0 ? err_set(err, ERR_FORBIDDEN, "no right")
                                               : err_set(err, ERR_AUTH, "no token");
}

static struct memory_http http_of(void)
{
    return (struct memory_http){ .tables = &table, .table_count = 1, .clock = clock_system(), .authorize = authorize };
}

static void a_call_goes_through_route_right_and_handler(void **state)
{
    static const struct { const char *target, *token; int status; const char *body; } cases[] = {
        { "/echo/a", "good", 200, "context|a|-|hey" },
        { "/echo/a%20b?x=1&text=c%2Bd+e", "good", 200, "context|a b|c+d e|hey" },
        { "/echo/a", NULL, 401, "no token" },
        { "/echo/a", "weak", 403, "no right" },
        { "/nowhere", "good", 404, "No such path" },
        { "/ws/a", "good", 404, "No such path" },
    };
    struct memory_http http = http_of();
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct memory_call call = { .method = i == 5 ? HTTP_GET : HTTP_POST, .target = cases[i].target,
                                    .token = cases[i].token, .body = "hey", .body_size = 3 };
        struct memory_exchange *x = memory_http_call(&http, &call);
        assert_int_equal(memory_http_status(x), cases[i].status);
        assert_non_null(strstr(memory_http_body(x), cases[i].body));
        memory_http_free(x);
    }
}

static void a_deferred_call_is_answered_when_it_is_finished(void **state)
{
    struct memory_http http = http_of();
    struct memory_call call = { .method = HTTP_GET, .target = "/later" };
    (void)state;
    struct memory_exchange *x = memory_http_call(&http, &call);
    assert_int_equal(memory_http_status(x), 0);
    http_deferred_reply(waiting)->status = 202;
    buf_add_text(http_deferred_reply(waiting)->body, "done");
    http_finish(waiting);
    assert_int_equal(memory_http_status(x), 202);
    assert_string_equal(memory_http_body(x), "done");
    memory_http_free(x);
}

/* ---- frames of RFC 6455, short ones ---- */

static void read_all(int fd, unsigned char *out, size_t size)
{
    for (size_t at = 0; at < size;) {
        struct pollfd wait = { .fd = fd, .events = POLLIN };
        assert_int_equal(poll(&wait, 1, 5000), 1);
        ssize_t n = read(fd, out + at, size - at);
        assert_true(n > 0);
        at += (size_t)n;
    }
}

/* Returns the opcode. */
static int read_frame(int fd, char out[126])
{
    unsigned char head[2];
    read_all(fd, head, 2);
    assert_true(head[1] < 126);
    read_all(fd, (unsigned char *)out, head[1]);
    out[head[1]] = '\0';
    return head[0] & 15;
}

static void send_frame(int fd, const char *text)
{
    unsigned char frame[140] = { 0x81 };
    size_t length = strlen(text);
    frame[1] = (unsigned char)(0x80 | length); /* masked with zeros */
    memcpy(frame + 6, text, length);
    assert_int_equal(write(fd, frame, length + 6), length + 6);
}

static int close_code(int fd)
{
    char text[126];
    int opcode = read_frame(fd, text);
    if (opcode != 8)
        fail_msg("not a close but opcode %d: %s", opcode, text);
    return (unsigned char)text[0] << 8 | (unsigned char)text[1];
}

static void a_socket_needs_no_network(void **state)
{
    struct memory_http http = http_of();
    struct http_server_options options = { .clock = clock_system(), .bind = "127.0.0.1", .threads = 1,
                                           .pool_threads = 1, .authorize = authorize };
    struct http_server *server;
    struct err err = { 0 };
    char text[126];
    (void)state;
    assert_true(http_server_new(&options, &server, &err));
    http_server_start_live(server);
    int known = memory_ws_open(server, &http, "/ws/P1", "good"),
        later_known = memory_ws_open(server, &http, "/ws/P2", NULL);
    int weak = memory_ws_open(server, &http, "/ws/P3", "weak"),
        unknown = memory_ws_open(server, &http, "/ws/P4", "other");
    assert_int_equal(read_frame(known, text), 1);
    assert_string_equal(text, "hello P1");
    send_frame(known, "and back");
    assert_int_equal(read_frame(known, text), 1);
    assert_string_equal(text, "and back");
    send_frame(later_known, "{\"type\":\"auth\",\"token\":\"good\"}");
    assert_int_equal(read_frame(later_known, text), 1);
    assert_string_equal(text, "hello P2");
    assert_int_equal(read_frame(later_known, text), 1); /* the first message is the handler's too: it may say more */
    assert_int_equal(close_code(weak), 4403);
    assert_int_equal(close_code(unknown), 4401);
    assert_int_equal(memory_ws_open(server, &http, "/echo/a", "good"), -1);
    (void)close(known), (void)close(weak), (void)close(unknown);
    http_server_stop(server, 100);
    assert_int_equal(close_code(later_known), 1001);
    http_server_free(server);
    (void)close(later_known);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_goes_through_route_right_and_handler),
        cmocka_unit_test(a_deferred_call_is_answered_when_it_is_finished),
        cmocka_unit_test(a_socket_needs_no_network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
