/* The client against a server of canned answers on a real socket: cuts, slowness and redirects are
 * exact here.  tests/test_commands_data.py runs it against the real server. */
#include "base/mem.h"
#include "net/client.h"

#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { REQUEST_MAX = 256 << 10 };

static struct {
    int listener[2], port[2];
    pthread_t thread[2];
    atomic_int connections;
    char last[REQUEST_MAX];   /* the request as it came */
    size_t last_length;
    pthread_mutex_t lock;
} server = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void send_text(int fd, const char *text)
{
    (void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static void nap_ms(long ms)
{
    (void)nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

/* false: close the connection. */
static bool answer(int fd, const char *path)
{
    char text[512];
    if (strcmp(path, "/plain") == 0)
        send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Name: va: lue \r\n\r\nhello");
    else if (strcmp(path, "/continue") == 0)
        send_text(fd, "HTTP/1.1 100 Continue\r\nX-Name: first\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n");
    else if (strcmp(path, "/range") == 0)
        send_text(fd, "HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\nContent-Range: bytes 2-4/5\r\n\r\nllo");
    else if (strcmp(path, "/cut") == 0)
        return send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"), false;
    else if (strcmp(path, "/silent") == 0)
        return nap_ms(1500), false;
    else if (strcmp(path, "/stalls") == 0)
        return send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"), nap_ms(1500), false;
    else if (strcmp(path, "/busy") == 0)
        send_text(fd,
                  "HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\nContent-Length: 22\r\n\r\n{\"detail\": \"too fast\"}");
    else if (strcmp(path, "/hub") == 0)
        send_text(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 18\r\n\r\n{\"error\": \"no rp\"}");
    else if (strcmp(path, "/broken") == 0)
        send_text(fd, "HTTP/1.1 502 Bad\r\nContent-Length: 3\r\n\r\n<x>");
    else if (strcmp(path, "/here") == 0)
        send_text(fd, "HTTP/1.1 302 Found\r\nLocation: /plain\r\nContent-Length: 4\r\n\r\ngone");
    else if (strcmp(path, "/loop") == 0)
        send_text(fd, "HTTP/1.1 307 Loop\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n");
    else if (strcmp(path, "/file") == 0)
        send_text(fd, "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n");
    else if (strcmp(path, "/307") == 0)
        send_text(fd, "HTTP/1.1 307 Again\r\nLocation: /plain\r\nContent-Length: 0\r\n\r\n");
    else if (strcmp(path, "/away") == 0) {
        (void)snprintf(text, sizeof text,
                       "HTTP/1.1 307 Away\r\nLocation: http://127.0.0.1:%d/plain\r\nContent-Length: 0\r\n\r\n",
                       server.port[1]);
        send_text(fd, text);
    } else if (strcmp(path, "/headers") == 0) {
        send_text(fd, "HTTP/1.1 200 OK\r\n");
        for (int i = 0; i < 1000; i++)
            send_text(fd, "X-Much: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n");
        send_text(fd, "Content-Length: 0\r\n\r\n");
    }
    return true;
}

static size_t content_length(const char *head)
{
    const char *at = strcasestr(head, "content-length:");
    return at ? (size_t)atoi(at + 15) : 0;
}

/* Reads one request into server.last; false at the end of the connection. */
static bool read_request(int fd, char *text, size_t *out_length)
{
    size_t length = 0;
    for (;;) {
        ssize_t n = recv(fd, text + length, REQUEST_MAX - 1 - length, 0);
        if (n <= 0)
            return false;
        length += (size_t)n;
        text[length] = '\0';
        char *end = strstr(text, "\r\n\r\n");
        if (!end)
            continue;
        bool chunked = strcasestr(text, "transfer-encoding: chunked");
        size_t body = length - (size_t)(end + 4 - text);
        if (chunked ? strstr(end, "\r\n0\r\n\r\n") != NULL : body >= content_length(text))
            break;
    }
    *out_length = length;
    return true;
}

static void serve(int fd)
{
    char *text = malloc(REQUEST_MAX), path[64];
    size_t length;
    while (read_request(fd, text, &length)) {
        (void)pthread_mutex_lock(&server.lock);
        memcpy(server.last, text, length + 1);
        server.last_length = length;
        (void)pthread_mutex_unlock(&server.lock);
        if (sscanf(text, "%*s %63s", path) != 1 || !answer(fd, path))
            break;
    }
    free(text);
    (void)close(fd);
}

static void *connection_thread(void *argument)
{
    serve((int)(intptr_t)argument);
    return NULL;
}

static void *server_thread(void *argument)
{
    int listener = *(int *)argument, fd;
    while ((fd = accept(listener, NULL, NULL)) >= 0) {
        pthread_t thread;
        atomic_fetch_add(&server.connections, 1);
        assert_int_equal(pthread_create(&thread, NULL, connection_thread, (void *)(intptr_t)fd), 0);
        (void)pthread_detach(thread);
    }
    return NULL;
}

static int start_server(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof address;
        server.listener[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (bind(server.listener[i], (struct sockaddr *)&address, size) != 0 || listen(server.listener[i], 8) != 0 ||
            getsockname(server.listener[i], (struct sockaddr *)&address, &size) != 0)
            return -1;
        server.port[i] = ntohs(address.sin_port);
        assert_int_equal(pthread_create(&server.thread[i], NULL, server_thread, &server.listener[i]), 0);
    }
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        (void)shutdown(server.listener[i], SHUT_RDWR);
        (void)pthread_join(server.thread[i], NULL);
        (void)close(server.listener[i]);
    }
    return 0;
}

/* ---- helpers ---- */

static struct client *client;
static struct client_answer got;
static struct err err;

static int open_client(void **state)
{
    (void)state;
    client = client_new(&(struct client_options){ .connect_timeout_ms = 2000, .idle_timeout_ms = 400 });
    err = (struct err){ 0 };
    return 0;
}

static int close_client(void **state)
{
    (void)state;
    client_answer_free(&got);
    client_free(client);
    return 0;
}

static const char *url(const char *path)
{
    static char text[128];
    (void)snprintf(text, sizeof text, "http://127.0.0.1:%d%s", server.port[0], path);
    return text;
}

static bool call(struct client_call what)
{
    client_answer_free(&got);
    return client_call(client, &what, &got, &err);
}

static bool last_has(const char *text)
{
    (void)pthread_mutex_lock(&server.lock);
    bool has = strcasestr(server.last, text) != NULL;
    (void)pthread_mutex_unlock(&server.lock);
    return has;
}

static const char *header(const char *name)
{
    static char text[64];
    return client_answer_header(&got, name, text, sizeof text) ? text : NULL;
}

/* ---- tests ---- */

static void test_get_keeps_the_connection(void **state)
{
    (void)state;
    int before = atomic_load(&server.connections);
    for (int i = 0; i < 3; i++) {
        assert_true(call((struct client_call){ .url = url("/plain"), .bearer = "abc",
                                               .headers = (const char *const[]){ "X-Own: 1", NULL } }));
        assert_int_equal(got.status, 200);
        assert_string_equal(got.body.data, "hello");
        assert_string_equal(header("x-NAME"), "va: lue");
        assert_null(header("x-nam"));
        assert_int_equal(got.length, 5);
        assert_int_equal(got.received, 5);
        assert_true(last_has("Authorization: Bearer abc\r\n") && last_has("X-Own: 1\r\n"));
    }
    assert_int_equal(atomic_load(&server.connections) - before, 1);
    assert_true(call((struct client_call){ .url = url("/continue") }));
    assert_int_equal(got.status, 204);
    assert_null(header("x-name"));
}

static int64_t ten_times(void *context, void *to, size_t size)
{
    int *left = context;
    assert_true(size >= 3);
    memcpy(to, "abc", 3);
    return (*left)-- > 0 ? 3 : 0;
}

static void test_bodies(void **state)
{
    (void)state;
    char path[] = "/tmp/client_test.XXXXXX";
    int fd = mkstemp(path), left = 10;
    assert_int_equal(write(fd, "0123456789", 10), 10);
    (void)close(fd);
    assert_true(call((struct client_call){ .method = "POST", .url = url("/plain"), .body = "{}", .body_size = 2 }));
    assert_true(last_has("POST /plain ") && last_has("Content-Length: 2\r\n") && last_has("\r\n\r\n{}"));
    assert_true(call((struct client_call){ .method = "PUT", .url = url("/plain"), .body_file = path, .file_offset = 3,
                                           .file_size = 4 }));
    assert_true(last_has("PUT /plain ") && last_has("Content-Length: 4\r\n") && last_has("\r\n\r\n3456"));
    assert_true(call((struct client_call){ .method = "POST", .url = url("/plain"), .read_body = ten_times,
                                           .body_context = &left }));
    assert_true(last_has("Transfer-Encoding: chunked") && last_has("abc"));
    assert_true(call((struct client_call){ .method = "POST", .url = url("/plain") }));
    assert_true(last_has("Content-Length: 0\r\n"));
    assert_false(call((struct client_call){ .method = "PUT", .url = url("/plain"), .body_file = path,
                                            .file_size = 11 }));
    assert_false(call((struct client_call){ .method = "PUT", .url = url("/plain"), .body_file = "/nowhere" }));
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    (void)unlink(path);
}

struct sunk {
    char text[64];
    size_t length;
    int begun;
    bool refuse;
};

static bool begin(void *context, const struct client_answer *answer_now, struct err *error)
{
    struct sunk *sunk = context;
    (void)error;
    assert_in_range(answer_now->status, 200, 206);
    return ++sunk->begun == 1;
}

static bool sink(void *context, const void *data, size_t size, struct err *error)
{
    struct sunk *sunk = context;
    if (sunk->refuse)
        return err_set(error, ERR_IO, "disk full");
    memcpy(sunk->text + sunk->length, data, size);
    sunk->length += size;
    return true;
}

static void test_sink_and_range(void **state)
{
    (void)state;
    struct sunk sunk = { 0 };
    assert_true(call((struct client_call){ .url = url("/range"), .range_from = 2, .begin = begin, .sink = sink,
                                           .sink_context = &sunk }));
    assert_true(last_has("Range: bytes=2-\r\n"));
    assert_int_equal(got.status, 206);
    assert_int_equal(sunk.begun, 1);
    assert_memory_equal(sunk.text, "llo", 3);
    assert_int_equal(got.body.length, 0);
    sunk = (struct sunk){ 0 };   /* an error's body does not go to the sink */
    assert_true(call((struct client_call){ .url = url("/busy"), .begin = begin, .sink = sink, .sink_context = &sunk }));
    assert_int_equal(sunk.begun + (int)sunk.length, 0);
    assert_int_equal(got.body.length, 22);
    sunk = (struct sunk){ .refuse = true };
    assert_false(call((struct client_call){ .url = url("/plain"), .sink = sink, .sink_context = &sunk }));
    assert_string_equal(err.text, "disk full");
    assert_true(call((struct client_call){ .url = url("/plain"), .range_from = 2, .range_to = 4 }));
    assert_true(last_has("Range: bytes=2-4\r\n"));
}

static void test_status_becomes_an_error(void **state)
{
    (void)state;
    assert_true(call((struct client_call){ .url = url("/busy") }));
    assert_false(client_answer_check(&got, &err));
    assert_int_equal(err.kind, ERR_BUSY);
    assert_non_null(strstr(err.text, "/busy answered 429: too fast"));
    assert_int_equal(client_answer_retry_after_s(&got, 1, 60), 7);
    assert_int_equal(client_answer_retry_after_s(&got, 1, 5), 5);
    assert_true(call((struct client_call){ .url = url("/hub") }));
    assert_false(client_answer_check(&got, &err));
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "no rp"));
    assert_true(call((struct client_call){ .url = url("/broken") }));
    assert_false(client_answer_check(&got, &err));
    assert_int_equal(err.kind, ERR_UNAVAILABLE);
    static const struct { int status; enum err_kind kind; } rows[] = {
        { 200, ERR_NONE }, { 207, ERR_NONE }, { 302, ERR_REFUSED }, { 400, ERR_INPUT }, { 401, ERR_AUTH },
        { 403, ERR_FORBIDDEN }, { 409, ERR_CONFLICT }, { 413, ERR_TOO_LARGE }, { 418, ERR_INPUT }, { 500, ERR_IO },
        { 503, ERR_UNAVAILABLE }, { 504, ERR_TIMEOUT },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(client_status_kind(rows[i].status), rows[i].kind);
}

static void test_what_the_network_does(void **state)
{
    (void)state;
    assert_false(call((struct client_call){ .url = url("/cut") }));
    assert_int_equal(err.kind, ERR_IO);
    assert_int_equal(got.received, 5);
    assert_false(call((struct client_call){ .url = url("/silent") }));
    assert_int_equal(err.kind, ERR_TIMEOUT);
    assert_false(call((struct client_call){ .url = url("/stalls") }));
    assert_int_equal(err.kind, ERR_TIMEOUT);
    assert_false(call((struct client_call){ .url = url("/silent"), .timeout_ms = 50 }));
    assert_non_null(strstr(err.text, "50 ms"));
    assert_false(call((struct client_call){ .url = "http://127.0.0.1:1/" }));
    assert_int_equal(err.kind, ERR_UNAVAILABLE);
    assert_false(call((struct client_call){ .url = url("/headers") }));
    assert_int_equal(err.kind, ERR_TOO_LARGE);
    assert_false(call((struct client_call){ .url = url("/plain"), .answer_max = 4 }));
    assert_int_equal(err.kind, ERR_TOO_LARGE);
    assert_true(call((struct client_call){ .url = url("/plain"), .answer_max = 5 }));
    static const char *const wrong[] = { "file:///etc/passwd", "ftp://127.0.0.1/", "http://user:pw@127.0.0.1/",
                                         "no url", "" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(call((struct client_call){ .url = wrong[i] }));
        assert_true(err.kind == ERR_INPUT || err.kind == ERR_UNAVAILABLE);
        assert_int_equal(got.body.length, 0);
    }
    assert_false(call((struct client_call){ .url = url("/plain"),
                                            .headers = (const char *const[]){ "A: b\r\nC: d", NULL } }));
    assert_false(call((struct client_call){ .url = url("/plain"), .bearer = "a\nb" }));
}

static bool only_first(void *context, const char *where, int hop, struct err *error)
{
    (void)context;
    return hop == 0 || err_set(error, ERR_REFUSED, "not to %s", where);
}

static void test_redirects(void **state)
{
    (void)state;
    assert_true(call((struct client_call){ .url = url("/here") }));
    assert_int_equal(got.status, 302);
    assert_true(call((struct client_call){ .url = url("/here"), .redirects_max = 3, .bearer = "abc" }));
    assert_int_equal(got.status, 200);
    assert_string_equal(got.body.data, "hello");
    assert_non_null(strstr(got.url, "/plain"));
    assert_true(last_has("Bearer abc"));
    assert_false(call((struct client_call){ .url = url("/loop"), .redirects_max = 3 }));
    assert_int_equal(err.kind, ERR_REFUSED);
    assert_false(call((struct client_call){ .url = url("/file"), .redirects_max = 3 }));
    assert_false(call((struct client_call){ .url = url("/here"), .redirects_max = 3, .allow = only_first }));
    assert_non_null(strstr(err.text, "/plain"));
    assert_true(call((struct client_call){ .method = "POST", .url = url("/here"), .redirects_max = 3, .body = "x",
                                           .body_size = 1 }));
    assert_true(last_has("GET /plain "));
    assert_true(call((struct client_call){ .method = "POST", .url = url("/307"), .redirects_max = 3, .body = "x",
                                           .body_size = 1 }));
    assert_true(last_has("POST /plain ") && last_has("\r\n\r\nx"));
    /* Another port is another origin: what is secret stays. */
    assert_true(
        call((struct client_call){ .url = url("/away"),
                                   .redirects_max = 3,
                                   .bearer = "abc",
                                   .headers = (const char *const[]){ "Authorization: secret", "X-Own: 1", NULL } }));
    assert_int_equal(got.status, 200);
    assert_true(last_has("X-Own: 1") && !last_has("Authorization"));
}

static void test_cancel(void **state)
{
    (void)state;
    atomic_bool cancel = true;
    struct client *other = client_new(&(struct client_options){ .cancel = &cancel });
    client_answer_free(&got);
    assert_false(client_call(other, &(struct client_call){ .url = url("/silent") }, &got, &err));
    assert_int_equal(err.kind, ERR_REFUSED);
    client_free(other);
}

static void test_escape_and_origin(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 256);
    client_escape(&out, "a/b c%\xc3\xa9?~", true);
    assert_string_equal(out.data, "a/b%20c%25%C3%A9%3F~");
    buf_reset(&out);
    client_escape(&out, "a/b", false);
    assert_string_equal(out.data, "a%2Fb");
    buf_free(&out);
    assert_true(client_same_origin("https://a.example/x", "HTTPS://A.example:443/y"));
    assert_false(client_same_origin("https://a.example/x", "http://a.example/x"));
    assert_false(client_same_origin("https://a.example", "https://a.example.evil"));
    assert_false(client_same_origin("nothing", "nothing"));
}

/* curl itself says that every name below .localhost is this machine: a name, not an address, so the
 * check when the socket opens is what refuses it. */
static void test_private_addresses(void **state)
{
    static const struct { const char *host, *origin; bool reached; } cases[] = {
        { "127.0.0.1", NULL, true },
        { "127.0.0.1", "https://hub.example", false },
        { "localhost", "https://hub.example", false },
        { "x.localhost", NULL, true },
        { "x.localhost", "https://hub.example", false },
        { "127.0.0.1", "http://localhost:9", true },
        { "x.localhost", "http://127.0.0.1:9", true },
        { "10.0.0.1", "http://127.0.0.1:9", false },
        { "169.254.169.254", "https://hub.example", false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char target[128];
        (void)snprintf(target, sizeof target, "http://%s:%d/plain", cases[i].host, server.port[0]);
        bool reached = call((struct client_call){ .url = target, .private_origin = cases[i].origin });
        assert_int_equal(reached, cases[i].reached);
        if (!reached) {
            assert_int_equal(err.kind, ERR_REFUSED);
            assert_non_null(strstr(err.text, "private address"));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_client, close_client)
        TEST(test_get_keeps_the_connection),
        TEST(test_bodies),
        TEST(test_sink_and_range),
        TEST(test_status_becomes_an_error),
        TEST(test_what_the_network_does),
        TEST(test_redirects),
        TEST(test_cancel),
        TEST(test_escape_and_origin),
        TEST(test_private_addresses),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
