#include "net/client.h"

#include "base/json.h"
#include "base/mem.h"
#include "net/address.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { POLL_MS = 100, ERROR_BODY_MAX = 64 << 10 };

struct client {
    CURLM *multi;     /* owns the kept connections */
    CURL *easy;
    struct client_options options;
};

/* One hop of one call. */
struct transfer {
    const struct client_options *options;
    const struct client_call *call;
    struct client_answer *answer;
    struct err *err;
    const char *method;
    struct curl_slist *headers;
    int body_fd;
    int64_t body_left;        /* of a file; -1: to its end */
    size_t body_at;
    int64_t moved, moved_ms;  /* bytes both ways, and when they last changed */
    bool redirected, began, to_sink;
    bool failed;              /* by us: the reason is in err */
    char text[CURL_ERROR_SIZE];
};

static int64_t monotonic_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void global_init(void)
{
    CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    (void)signal(SIGPIPE, SIG_IGN); /* TLS writes without MSG_NOSIGNAL: a peer that leaves would end us */
}

struct client *client_new(const struct client_options *options)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, global_init);
    struct client *client = mem_new(1, sizeof *client);
    client->options = *options;
    client->options.connect_timeout_ms = options->connect_timeout_ms ? options->connect_timeout_ms : 10000;
    client->options.idle_timeout_ms = options->idle_timeout_ms ? options->idle_timeout_ms : 60000;
    client->multi = curl_multi_init();
    client->easy = curl_easy_init();
    CHECK(client->multi && client->easy);
    return client;
}

void client_free(struct client *client)
{
    if (!client)
        return;
    curl_easy_cleanup(client->easy);
    (void)curl_multi_cleanup(client->multi);
    mem_free(client);
}

/* ---- errors ---- */

static const struct { CURLcode code; enum err_kind kind; } code_kinds[] = {
    { CURLE_UNSUPPORTED_PROTOCOL,     ERR_INPUT },
    { CURLE_URL_MALFORMAT,            ERR_INPUT },
    { CURLE_LOGIN_DENIED,             ERR_INPUT },
    { CURLE_COULDNT_RESOLVE_PROXY,    ERR_UNAVAILABLE },
    { CURLE_COULDNT_RESOLVE_HOST,     ERR_UNAVAILABLE },
    { CURLE_COULDNT_CONNECT,          ERR_UNAVAILABLE },
    { CURLE_OPERATION_TIMEDOUT,       ERR_TIMEOUT },
    { CURLE_PEER_FAILED_VERIFICATION, ERR_AUTH },
    { CURLE_SSL_CERTPROBLEM,          ERR_AUTH },
    { CURLE_SSL_CACERT_BADFILE,       ERR_CONFIG },
    { CURLE_SSL_CONNECT_ERROR,        ERR_UNAVAILABLE },
};

static enum err_kind code_kind(CURLcode code)
{
    for (size_t i = 0; i < sizeof code_kinds / sizeof *code_kinds; i++)
        if (code_kinds[i].code == code)
            return code_kinds[i].kind;
    return ERR_IO;
}

static const struct { int status; enum err_kind kind; } status_kinds[] = {
    { 401, ERR_AUTH },        { 403, ERR_FORBIDDEN },   { 404, ERR_NOT_FOUND }, { 408, ERR_TIMEOUT },
    { 409, ERR_CONFLICT },    { 410, ERR_NOT_FOUND },   { 413, ERR_TOO_LARGE }, { 429, ERR_BUSY },
    { 502, ERR_UNAVAILABLE }, { 503, ERR_UNAVAILABLE }, { 504, ERR_TIMEOUT },
};

enum err_kind client_status_kind(int status)
{
    for (size_t i = 0; i < sizeof status_kinds / sizeof *status_kinds; i++)
        if (status_kinds[i].status == status)
            return status_kinds[i].kind;
    if (status >= 200 && status < 300)
        return ERR_NONE;
    return status >= 500 ? ERR_IO : status >= 400 ? ERR_INPUT : ERR_REFUSED; /* a redirect that is not followed */
}

/* What the server says: {"detail": …} as ours and RFC 9457, {"error": …} as hubs. */
static void describe_body(const struct buf *body, char *out, size_t size)
{
    struct json *root;
    const char *text = NULL;
    out[0] = '\0';
    if (!body->length || !json_parse_object(body->data, body->length, ERROR_BODY_MAX, &root, NULL))
        return;
    if (!json_get_text(root, "detail", JSON_MULTILINE, 1, 4096, &text, NULL) || !text)
        (void)!json_get_text(root, "error", JSON_MULTILINE, 1, 4096, &text, NULL);
    if (text)
        (void)str_copy(out, size, text);
    json_free(root);
}

bool client_answer_check(const struct client_answer *answer, struct err *err)
{
    char detail[256];
    enum err_kind kind = client_status_kind(answer->status);
    if (kind == ERR_NONE)
        return true;
    describe_body(&answer->body, detail, sizeof detail);
    return err_set(err, kind, "%.200s answered %d%s%s", answer->url, answer->status, detail[0] ? ": " : "", detail);
}

/* ---- callbacks ---- */

static void begin_answer(struct transfer *t)
{
    buf_reset(&t->answer->headers);
    buf_reset(&t->answer->body);
    t->answer->received = 0;
}

static size_t too_many_headers(struct transfer *t)
{
    err_set(t->err, ERR_TOO_LARGE, "%.200s: the headers have more than %d bytes", t->answer->url, CLIENT_HEADERS_MAX);
    buf_reset(&t->answer->headers); /* the last line is cut: none is shown */
    t->failed = true;
    return 0;
}

/* A name in lower case, ": ", the value, a line end; a status line starts anew (100, then 200). */
static size_t on_header(char *data, size_t one, size_t size, void *context)
{
    struct transfer *t = context;
    size_t total = one * size, length = total;
    (void)one;
    while (length && data[length - 1] && strchr(" \t\r\n", data[length - 1]))
        length--;
    const char *colon = memchr(data, ':', length);
    if (length > 5 && strncasecmp(data, "HTTP/", 5) == 0) {
        begin_answer(t);
        return total;
    }
    if (!colon)
        return total;
    for (const char *p = data; p < colon; p++)
        buf_add_char(&t->answer->headers, *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p);
    const char *value = colon + 1;
    while (value < data + length && (*value == ' ' || *value == '\t'))
        value++;
    buf_add_text(&t->answer->headers, ": ");
    buf_add(&t->answer->headers, value, (size_t)(data + length - value));
    buf_add_char(&t->answer->headers, '\n');
    return t->answer->headers.overflow ? too_many_headers(t) : total;
}

static const char *find_header(const struct client_answer *answer, const char *name)
{
    size_t length = strlen(name);
    for (const char *line = answer->headers.data; line && *line; line = strchr(line, '\n') + 1)
        if (strncasecmp(line, name, length) == 0 && line[length] == ':')
            return line + length + 2;
    return NULL;
}

static bool start_body(struct transfer *t, struct client *client)
{
    long status = 0;
    curl_off_t length = -1;
    t->began = true;
    (void)curl_easy_getinfo(client->easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(client->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    t->answer->status = (int)status;
    t->answer->length = length;
    bool moved = status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
    t->redirected = moved && t->call->redirects_max > 0 && find_header(t->answer, "location");
    bool good = status >= 200 && status < 300;
    t->to_sink = good && t->call->sink;
    if (good && t->call->begin && !t->call->begin(t->call->sink_context, t->answer, t->err))
        t->failed = true;
    return !t->failed;
}

struct receiver {
    struct transfer *transfer;
    struct client *client;
};

static size_t on_data(char *data, size_t one, size_t size, void *context)
{
    struct receiver *receiver = context;
    struct transfer *t = receiver->transfer;
    (void)one;
    if (!t->began && !start_body(t, receiver->client))
        return 0;
    t->answer->received += (int64_t)size;
    if (t->redirected)
        return size; /* a page that says "moved" */
    if (t->to_sink) {
        if (!t->call->sink(t->call->sink_context, data, size, t->err))
            t->failed = true;
    } else {
        buf_add(&t->answer->body, data, size);
        if (t->answer->body.overflow) {
            err_set(t->err, ERR_TOO_LARGE, "the answer of %.200s has more than %zu bytes",
                    t->answer->url, t->answer->body.limit);
            t->failed = true;
        }
    }
    return t->failed ? 0 : size;
}

static size_t read_memory(struct transfer *t, char *to, size_t room)
{
    size_t left = t->call->body_size - t->body_at, count = left < room ? left : room;
    if (count)
        memcpy(to, (const char *)t->call->body + t->body_at, count);
    t->body_at += count;
    return count;
}

static size_t read_file(struct transfer *t, char *to, size_t room)
{
    if (t->body_left >= 0 && (int64_t)room > t->body_left)
        room = (size_t)t->body_left;
    ssize_t count = room ? read(t->body_fd, to, room) : 0;
    if (count < 0) {
        err_set_errno(t->err, ERR_IO, errno, "%s", t->call->body_file);
        t->failed = true;
        return CURL_READFUNC_ABORT;
    }
    if (t->body_left >= 0)
        t->body_left -= count;
    return (size_t)count;
}

static size_t on_read(char *to, size_t one, size_t room, void *context)
{
    struct transfer *t = context;
    room *= one;
    if (t->body_fd >= 0)
        return read_file(t, to, room);
    if (!t->call->read_body)
        return read_memory(t, to, room);
    int64_t count = t->call->read_body(t->call->body_context, to, room);
    if (count >= 0)
        return (size_t)count;
    err_set(t->err, ERR_IO, "the body for %.200s could not be read", t->answer->url);
    t->failed = true;
    return CURL_READFUNC_ABORT;
}

/* A kept connection that the server had closed: the request is sent again from its start. */
static int on_seek(void *context, curl_off_t offset, int origin)
{
    struct transfer *t = context;
    if (origin != SEEK_SET || offset != 0 || t->call->read_body)
        return CURL_SEEKFUNC_CANTSEEK;
    t->body_at = 0;
    t->body_left = t->call->file_size ? t->call->file_size : -1;
    bool ok = t->body_fd < 0 || lseek(t->body_fd, t->call->file_offset, SEEK_SET) >= 0;
    return ok ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

/* ---- one hop ---- */

static bool host_is(const char *url, bool (*test)(const char *host))
{
    char *host = NULL;
    CURLU *parts = curl_url();
    bool is = parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
              curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK && test(host);
    curl_free(host);
    curl_url_cleanup(parts);
    return is;
}

bool client_is_local(const char *url)
{
    return host_is(url, host_is_loopback);
}

static bool refuse_private(struct transfer *t)
{
    t->failed = true;
    return err_set(t->err, ERR_REFUSED, "%.200s: %.200s leads to a private address", t->call->url, t->answer->url);
}

static curl_socket_t on_open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct transfer *t = context;
    (void)purpose;
    bool allowed = !address_is_private(&address->addr) ||
                   (address_is_loopback(&address->addr) && client_is_local(t->call->private_origin));
    if (!allowed)
        (void)refuse_private(t);
    return allowed ? socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol) : CURL_SOCKET_BAD;
}

static bool has_proxy(void)
{
    static const char *const names[] = { "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (getenv(names[i]) && *getenv(names[i]))
            return true;
    return false;
}

/* What a proxy reaches for us is its own business; what the URL says outright is not. */
static bool guard_address(struct transfer *t, CURL *easy)
{
    const char *url = t->answer->url, *origin = t->call->private_origin;
    if (!origin || client_same_origin(origin, url) || (client_is_local(origin) && client_is_local(url)))
        return true;
    if (host_is(url, host_is_private_literal) || client_is_local(url))
        return refuse_private(t);
    if (has_proxy())
        return true;
    (void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    (void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, t);
    (void)curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L); /* a kept connection was opened unasked */
    return true;
}

static bool add_header(struct transfer *t, const char *line)
{
    if (strpbrk(line, "\r\n"))
        return err_set(t->err, ERR_INPUT, "a header may not hold a line end");
    struct curl_slist *longer = curl_slist_append(t->headers, line);
    CHECK(longer != NULL);
    t->headers = longer;
    return true;
}

static bool add_bearer(struct transfer *t)
{
    struct buf line;
    buf_init(&line, 16 << 10);
    buf_printf(&line, "Authorization: Bearer %s", t->call->bearer);
    bool ok = !line.overflow || err_set(t->err, ERR_INPUT, "the token is too long");
    ok = ok && add_header(t, line.data);
    if (line.data)
        explicit_bzero(line.data, line.length);
    buf_free(&line);
    return ok;
}

static bool make_headers(struct transfer *t, bool same_origin)
{
    for (const char *const *line = t->call->headers; line && *line; line++)
        if (same_origin || strncasecmp(*line, "authorization:", 14) != 0)
            if (!add_header(t, *line))
                return false;
    if (t->call->bearer && same_origin && !add_bearer(t))
        return false;
    return add_header(t, "Expect:"); /* no round trip before a body */
}

static bool open_body(struct transfer *t, int64_t *out_size)
{
    struct stat info;
    if (!t->call->body_file) {
        *out_size = t->call->read_body && !t->call->body_size ? -1 : (int64_t)t->call->body_size;
        return true;
    }
    t->body_fd = open(t->call->body_file, O_RDONLY | O_CLOEXEC);
    if (t->body_fd < 0 || fstat(t->body_fd, &info) != 0 || lseek(t->body_fd, t->call->file_offset, SEEK_SET) < 0)
        return err_set_errno(t->err, ERR_NOT_FOUND, errno, "%s", t->call->body_file);
    int64_t rest = info.st_size - t->call->file_offset;
    *out_size = t->call->file_size ? t->call->file_size : rest;
    t->body_left = *out_size;
    return *out_size <= rest && rest >= 0 ? true : err_set(t->err, ERR_INPUT,
                                                           "%s: shorter than asked for", t->call->body_file);
}

#define SET(option, value) CHECK(curl_easy_setopt(easy, (option), (value)) == CURLE_OK)

static bool has_body(const struct client_call *call)
{
    return call->body || call->body_file || call->read_body;
}

static bool set_body(struct transfer *t, CURL *easy)
{
    int64_t size = 0;
    bool body = has_body(t->call) && strcmp(t->method, "GET") != 0 && strcmp(t->method, "HEAD") != 0;
    bool empty = !body && (strcmp(t->method, "POST") == 0 || strcmp(t->method, "PUT") == 0);
    if (strcmp(t->method, "HEAD") == 0)
        SET(CURLOPT_NOBODY, 1L);
    if (body && !open_body(t, &size))
        return false;
    if (body || empty) { /* an empty one says Content-Length: 0 */
        SET(CURLOPT_UPLOAD, 1L);
        SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)size);
    }
    if (strcmp(t->method, "GET") != 0 && strcmp(t->method, "HEAD") != 0)
        SET(CURLOPT_CUSTOMREQUEST, t->method);
    return true;
}

static void set_range(const struct client_call *call, CURL *easy)
{
    char range[64];
    if (!call->range_from && !call->range_to)
        return;
    if (call->range_to)
        (void)snprintf(range, sizeof range, "%lld-%lld", (long long)call->range_from, (long long)call->range_to);
    else
        (void)snprintf(range, sizeof range, "%lld-", (long long)call->range_from);
    SET(CURLOPT_RANGE, range);
}

static bool set_up(struct transfer *t, struct receiver *receiver, CURL *easy, bool same_origin)
{
    curl_easy_reset(easy); /* the kept connections stay */
    if (curl_easy_setopt(easy, CURLOPT_URL, t->answer->url) != CURLE_OK)
        return err_set(t->err, ERR_INPUT, "not a URL: %.200s", t->answer->url);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)t->options->connect_timeout_ms);
    SET(CURLOPT_ERRORBUFFER, t->text);
    SET(CURLOPT_USERAGENT, "wardscribe/" WARDSCRIBE_VERSION);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, t);
    SET(CURLOPT_WRITEFUNCTION, on_data);
    SET(CURLOPT_WRITEDATA, receiver);
    SET(CURLOPT_READFUNCTION, on_read);
    SET(CURLOPT_READDATA, t);
    SET(CURLOPT_SEEKFUNCTION, on_seek);
    SET(CURLOPT_SEEKDATA, t);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    if (t->options->ca_file)
        SET(CURLOPT_CAINFO, t->options->ca_file);
    if (client_is_local(t->answer->url))
        SET(CURLOPT_PROXY, "");
    if (!guard_address(t, easy))
        return false;
    if (t->call->compressed)
        SET(CURLOPT_ACCEPT_ENCODING, "gzip");
    set_range(t->call, easy);
    if (!make_headers(t, same_origin) || !set_body(t, easy))
        return false;
    SET(CURLOPT_HTTPHEADER, t->headers);
    return true;
}

/* true: go on waiting. */
static bool may_wait(struct transfer *t, CURL *easy, int64_t started_ms)
{
    curl_off_t in = 0, out = 0, connected = 0;
    int64_t now_ms = monotonic_ms();
    (void)curl_easy_getinfo(easy, CURLINFO_SIZE_DOWNLOAD_T, &in);
    (void)curl_easy_getinfo(easy, CURLINFO_SIZE_UPLOAD_T, &out);
    (void)curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &connected);
    int64_t moved = in + out + (connected > 0);
    if (moved != t->moved) {
        t->moved = moved;
        t->moved_ms = now_ms;
    }
    if (t->options->cancel && atomic_load(t->options->cancel))
        return err_set(t->err, ERR_REFUSED, "cancelled");
    if (t->call->timeout_ms && now_ms - started_ms >= t->call->timeout_ms)
        return err_set(t->err, ERR_TIMEOUT, "%.200s has not answered within %d ms",
                       t->answer->url, t->call->timeout_ms);
    /* Before a connection stands the connect time-out is in charge. */
    if (connected > 0 && now_ms - t->moved_ms >= t->options->idle_timeout_ms)
        return err_set(t->err, ERR_TIMEOUT, "%.200s: nothing came for %d ms", t->answer->url,
                       t->options->idle_timeout_ms);
    return true;
}

static int poll_ms(const struct transfer *t, int64_t started_ms)
{
    int64_t left = t->call->timeout_ms ? started_ms + t->call->timeout_ms - monotonic_ms() : POLL_MS;
    return left < 1 ? 1 : left < POLL_MS ? (int)left : POLL_MS;
}

static bool run(struct transfer *t, struct client *client, int64_t started_ms)
{
    int running = 1, queued;
    CURLcode code = CURLE_OK;
    t->moved_ms = monotonic_ms();
    CHECK(curl_multi_add_handle(client->multi, client->easy) == CURLM_OK);
    bool ok = true;
    while (ok && running) {
        CHECK(curl_multi_perform(client->multi, &running) == CURLM_OK);
        if (!running)
            break;
        ok = may_wait(t, client->easy, started_ms);
        if (ok)
            (void)curl_multi_poll(client->multi, NULL, 0, poll_ms(t, started_ms), NULL);
    }
    for (CURLMsg *message; (message = curl_multi_info_read(client->multi, &queued)) != NULL;)
        if (message->msg == CURLMSG_DONE)
            code = message->data.result;
    if (ok && !t->failed && code == CURLE_OK && !t->began)
        ok = start_body(t, client); /* an answer without a body */
    (void)curl_multi_remove_handle(client->multi, client->easy);
    if (!ok || t->failed)
        return false;
    if (code != CURLE_OK)
        return err_set(t->err, code_kind(code), "%.200s: %s", t->answer->url,
                       t->text[0] ? t->text : curl_easy_strerror(code));
    return true;
}

/* ---- redirects ---- */

static bool same_part(CURLU *a, CURLU *b, CURLUPart part)
{
    char *x = NULL, *y = NULL;
    bool same = curl_url_get(a, part, &x, CURLU_DEFAULT_PORT) == CURLUE_OK &&
                curl_url_get(b, part, &y, CURLU_DEFAULT_PORT) == CURLUE_OK && strcasecmp(x, y) == 0;
    curl_free(x);
    curl_free(y);
    return same;
}

bool client_same_origin(const char *url, const char *other)
{
    CURLU *a = curl_url(), *b = curl_url();
    bool same = a && b && curl_url_set(a, CURLUPART_URL, url, 0) == CURLUE_OK &&
                curl_url_set(b, CURLUPART_URL, other, 0) == CURLUE_OK && same_part(a, b, CURLUPART_SCHEME) &&
                same_part(a, b, CURLUPART_HOST) && same_part(a, b, CURLUPART_PORT);
    curl_url_cleanup(a);
    curl_url_cleanup(b);
    return same;
}

/* Puts where to go next into t->answer->url. */
static bool turn(struct transfer *t, struct client *client, int hop)
{
    char *next = NULL;
    (void)curl_easy_getinfo(client->easy, CURLINFO_REDIRECT_URL, &next);
    if (!next || !t->redirected)
        return false;
    if (hop >= t->call->redirects_max)
        return err_set(t->err, ERR_REFUSED, "%.200s: more than %d redirects", t->call->url, t->call->redirects_max);
    if (strncasecmp(t->answer->url, "https:", 6) == 0 && strncasecmp(next, "https:", 6) != 0)
        return err_set(t->err, ERR_REFUSED, "%.120s redirects away from https, to %.120s", t->answer->url, next);
    int status = t->answer->status;
    if (status == 303 || ((status == 301 || status == 302) && strcmp(t->method, "POST") == 0))
        t->method = strcmp(t->method, "HEAD") == 0 ? "HEAD" : "GET"; /* RFC 9110, 15.4 */
    else if (t->call->read_body && strcmp(t->method, "GET") != 0)
        return err_set(t->err, ERR_REFUSED, "%.200s redirects, and the body cannot be sent again", t->answer->url);
    if (!str_copy(t->answer->url, sizeof t->answer->url, next))
        return err_set(t->err, ERR_TOO_LARGE, "%.200s redirects to a URL of more than %d bytes",
                       t->call->url, CLIENT_URL_SIZE - 1);
    return true;
}

static bool hop_once(struct client *client, const struct client_call *call, struct transfer *t,
                     int hop, int64_t started_ms)
{
    struct receiver receiver = { t, client };
    bool same = hop == 0 || client_same_origin(call->url, t->answer->url);
    if (call->allow && !call->allow(call->allow_context, t->answer->url, hop, t->err))
        return false;
    t->body_fd = -1;
    t->body_left = -1;
    t->body_at = 0;
    t->redirected = t->began = t->to_sink = t->failed = false;
    t->headers = NULL;
    t->text[0] = '\0';
    begin_answer(t);
    bool ok = set_up(t, &receiver, client->easy, same) && run(t, client, started_ms);
    (void)curl_easy_setopt(client->easy, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(t->headers);
    if (t->body_fd >= 0)
        (void)close(t->body_fd);
    return ok;
}

bool client_call(struct client *client, const struct client_call *call, struct client_answer *out, struct err *err)
{
    struct err own = { 0 };
    struct transfer t = { .options = &client->options, .call = call, .answer = out, .err = err ? err : &own,
                          .method = call->method ? call->method : "GET", .body_fd = -1 };
    int64_t started_ms = monotonic_ms();
    *out = (struct client_answer){ .length = -1 };
    buf_init(&out->body, call->answer_max ? call->answer_max : CLIENT_ANSWER_MAX);
    buf_init(&out->headers, CLIENT_HEADERS_MAX);
    if (!str_copy(out->url, sizeof out->url, call->url))
        return err_set(err, ERR_INPUT, "the URL has more than %d bytes", CLIENT_URL_SIZE - 1);
    for (int hop = 0;; hop++) {
        if (!hop_once(client, call, &t, hop, started_ms))
            return false;
        if (!t.redirected)
            return true;
        if (!turn(&t, client, hop))
            return false;
    }
}

/* ---- the answer ---- */

void client_answer_free(struct client_answer *answer)
{
    buf_free(&answer->body);
    buf_free(&answer->headers);
}

bool client_answer_header(const struct client_answer *answer, const char *name, char *out, size_t size)
{
    const char *value = find_header(answer, name);
    size_t length = value ? strcspn(value, "\n") : 0;
    if (!value || length >= size)
        return false;
    memcpy(out, value, length);
    out[length] = '\0';
    return true;
}

int client_answer_retry_after_s(const struct client_answer *answer, int fallback, int max)
{
    char text[32];
    int64_t seconds = fallback;
    if (client_answer_header(answer, "retry-after", text, sizeof text) && !str_to_int(text, 0, INT32_MAX, &seconds))
        seconds = fallback;
    return seconds > max ? max : (int)seconds;
}

void client_escape(struct buf *out, const char *text, bool keep_slash)
{
    for (const char *p = text; *p; p++) {
        bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                     (*p >= '0' && *p <= '9') || strchr("-._~", *p) ||
                     (keep_slash && *p == '/');
        if (plain)
            buf_add_char(out, *p);
        else
            buf_printf(out, "%%%02X", (unsigned char)*p);
    }
}
