/* Sends readings to a running server and watches its ward socket: the generator of bench/ingest.
 *
 * Usage: ingest_load PORT TOKEN PID PATIENTS RATE BATCH CONNECTIONS WARM_UP_S SECONDS WATCH
 *   RATE 0: as fast as the server answers.  WATCH 1: one dashboard on /ws/ward.
 * Every connection sends NDJSON batches, keep-alive, one after the other, over its own share of the
 * patients, each patient in turn.  A reading's timestamp is the moment its batch was written to the
 * socket, in microseconds, so that a frame tells how long its readings took.  A timestamp counts once
 * per patient; what a later reading overtook before any frame was sent is never seen, so not counted.
 * CPU of the server: utime + stime of PID from the end of the warm-up to the end; the generator's own
 * beside it.  One JSON line out. */
#include "base/clock.h"
#include "base/mem.h"
#include "bench/cpu.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 256, LINE_MAX_SIZE = 320, HISTOGRAM_SIZE = 50000 /* of 0.1 ms: up to 5 s */ };

struct options {
    int port, pid, patients, rate, batch, connections, warm_up_s, seconds, watch;
    const char *token;
};

struct sender {
    pthread_t thread;
    const struct options *options;
    int first, count, at;              /* its patients */
    uint64_t seed, refused;
    char *body;
};

static atomic_bool stopping, measuring;
static atomic_llong accepted;
static int64_t *last_seen;             /* per patient: the newest timestamp that a frame has shown */
static uint64_t histogram[HISTOGRAM_SIZE], shown, frames, frame_bytes;

static int64_t now_us(void)
{
    struct timespec ts;
    CHECK(clock_gettime(CLOCK_REALTIME, &ts) == 0);
    return ts.tv_sec * US_PER_S + ts.tv_nsec / 1000;
}

static void die(const char *what)
{
    fprintf(stderr, "ingest_load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int dial(int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        die("connect");
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void send_all(int fd, const char *data, size_t size)
{
    while (size) {
        ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
        if (n <= 0)
            die("send");
        data += n;
        size -= (size_t)n;
    }
}

/* ---- readings ---- */

static uint64_t random_next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    return *seed ^= *seed << 17;
}

static size_t format_line(char *out, int patient, const char *stamp, uint64_t random)
{
    /* One patient in ten wanders through the limits of heart rate, SpO2 and pressure. */
    bool wanders = patient % 10 == 3;
    unsigned a = random & 0xff, b = random >> 8 & 0xff, c = random >> 16 & 0xff, d = random >> 24 & 0xff;
    return (size_t)snprintf(out, LINE_MAX_SIZE,
                            "{\"patient_id\":\"P%06d\",\"timestamp\":\"%s\",\"heartRate\":%u,\"spO2\":%u,"
                            "\"bloodPressure\":{\"systolic\":%u,\"diastolic\":%u},\"temperature\":%u.%u,"
                            "\"respiratory\":%u,\"source\":\"monitor-%d\"}\n",
                            patient, stamp, wanders ? 92 + a % 12 : 66 + a % 20, wanders ? 91 + b % 6 : 95 + b % 5,
                            wanders ? 120 + c % 24 : 110 + c % 20, 62 + c % 20, 36 + d % 2, d % 10, 13 + d % 7,
                            patient % 50);
}

static size_t make_batch(struct sender *s)
{
    char stamp[TIME_TEXT_SIZE];
    size_t length = 0;
    time_format(now_us() | 1, stamp); /* odd: never whole milliseconds, so always with microseconds */
    for (int i = 0; i < s->options->batch; i++, s->at = (s->at + 1) % s->count)
        length += format_line(s->body + length, s->first + s->at, stamp, random_next(&s->seed));
    return length;
}

/* ---- one connection ---- */

/* Reads one reply; its status. */
static int read_reply(int fd)
{
    char text[4096];
    size_t have = 0;
    for (;;) {
        ssize_t n = recv(fd, text + have, sizeof text - 1 - have, 0);
        if (n <= 0)
            die("recv");
        have += (size_t)n;
        text[have] = '\0';
        char *end = strstr(text, "\r\n\r\n"), *length = strcasestr(text, "content-length:");
        if (!end)
            continue;
        size_t body = length && length < end ? (size_t)atoi(length + 15) : 0;
        for (size_t left = body - (have - (size_t)(end + 4 - text)); have < (size_t)(end + 4 - text) + body && left;
             left -= (size_t)n) {
            char rest[4096];
            n = recv(fd, rest, left < sizeof rest ? left : sizeof rest, 0);
            if (n <= 0)
                die("recv");
            have += (size_t)n;
        }
        return atoi(text + 9);
    }
}

static void pace(const struct options *o, int64_t start_us, int64_t sent)
{
    if (!o->rate)
        return;
    int64_t due_us = start_us + sent * o->connections * US_PER_S / o->rate, wait_us = due_us - now_us();
    if (wait_us > 0)
        (void)usleep((useconds_t)wait_us);
}

static void *sender_main(void *argument)
{
    struct sender *s = argument;
    const struct options *o = s->options;
    char head[2048];
    int fd = dial(o->port);
    s->body = mem_new((size_t)o->batch, LINE_MAX_SIZE);
    /* Spread over the period, as gateways are. */
    if (o->rate)
        (void)usleep(
            (useconds_t)(random_next(&s->seed) % (uint64_t)((int64_t)o->batch * o->connections * US_PER_S / o->rate)));
    int64_t start_us = now_us(), sent = 0;
    while (!atomic_load(&stopping)) {
        pace(o, start_us, sent);
        size_t size = make_batch(s);
        int n = snprintf(head, sizeof head,
                         "POST /api/ingest/vitals HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"
                         "Content-Type: application/x-ndjson\r\nContent-Length: %zu\r\n\r\n",
                         o->token, size);
        send_all(fd, head, (size_t)n);
        send_all(fd, s->body, size);
        int status = read_reply(fd);
        sent += o->batch;
        if (status == 200)
            atomic_fetch_add(&accepted, o->batch);
        else if (status != 429)
            fprintf(stderr, "ingest_load: status %d\n", status);
        s->refused += status != 200;
        if (status == 429)
            (void)usleep(100 * 1000);
    }
    (void)close(fd);
    mem_free(s->body);
    return NULL;
}

/* ---- the dashboard ---- */

static void note_latency(int64_t us)
{
    int64_t slot = us < 0 ? 0 : us / 100;
    histogram[slot < HISTOGRAM_SIZE ? slot : HISTOGRAM_SIZE - 1]++;
    shown++;
}

/* {"id":"P000007",…,"timestamp":"…" of each patient: the first timestamp behind its severity is its own. */
static void read_frame(const char *text, size_t size, int patients, int64_t received_us)
{
    static const char id[] = "{\"id\":\"P", severity[] = "\"alertSeverity\":\"", stamp[] = "\"timestamp\":\"";
    const char *end = text + size;
    for (const char *p = text; (p = memmem(p, (size_t)(end - p), id, sizeof id - 1));) {
        long patient = strtol(p + sizeof id - 1, NULL, 10);
        const char *at = memmem(p, (size_t)(end - p), severity, sizeof severity - 1);
        at = at ? memmem(at, (size_t)(end - at), stamp, sizeof stamp - 1) : NULL;
        p += sizeof id;
        if (!at || patient < 0 || patient >= patients)
            continue;
        p = at += sizeof stamp - 1;
        const char *quote = memchr(at, '"', (size_t)(end - at));
        int64_t time_us;
        struct err err = { 0 };
        if (!quote || !time_parse(at, (size_t)(quote - at), &time_us, &err) || time_us <= last_seen[patient])
            continue;
        last_seen[patient] = time_us;
        if (atomic_load(&measuring))
            note_latency(received_us - time_us);
    }
}

static void recv_all(int fd, char *out, size_t size)
{
    while (size) {
        ssize_t n = recv(fd, out, size, 0);
        if (n <= 0)
            die("ward socket");
        out += n;
        size -= (size_t)n;
    }
}

static void *watcher_main(void *argument)
{
    const struct options *o = argument;
    char head[2048];
    size_t room = 8 << 20;
    char *frame = mem_new(room, 1);
    int fd = dial(o->port);
    int n = snprintf(
        head, sizeof head,
        "GET /ws/ward HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nAuthorization: Bearer %s\r\n\r\n",
        o->token);
    send_all(fd, head, (size_t)n);
    for (size_t have = 0; have < 4 || memcmp(head + have - 4, "\r\n\r\n", 4) != 0; have++)
        recv_all(fd, head + have, 1);
    while (!atomic_load(&stopping)) {
        unsigned char start[2], more[8];
        recv_all(fd, (char *)start, 2);
        size_t size = start[1] & 0x7f, extra = size == 126 ? 2 : size == 127 ? 8 : 0;
        recv_all(fd, (char *)more, extra);
        for (size_t i = 0, value = 0; i < extra; i++)
            size = value = value << 8 | more[i];
        if (size > room)
            die("a frame above 8 MB");
        recv_all(fd, frame, size);
        int64_t received_us = now_us();
        if ((start[0] & 0xf) == 9) /* ping: a masked, empty pong */
            send_all(fd, "\x8a\x80\0\0\0\0", 6);
        if ((start[0] & 0xf) != 1)
            continue;
        frames += atomic_load(&measuring);
        frame_bytes += atomic_load(&measuring) ? size : 0;
        read_frame(frame, size, o->patients, received_us);
    }
    return NULL;
}

/* ---- figures ---- */

static double server_cpu_s(int pid)
{
    char path[64], text[1024];
    unsigned long user = 0, kernel = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file || !fgets(text, sizeof text, file))
        die(path);
    fclose(file);
    char *after = strrchr(text, ')');
    CHECK(after && sscanf(after + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &kernel) == 2);
    return (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
}

static double own_cpu_s(void)
{
    struct rusage usage;
    CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

static long server_rss_kib(int pid)
{
    char path[64], line[256];
    long kib = -1;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmRSS: %ld", &kib) == 1)
            break;
    if (file)
        fclose(file);
    return kib;
}

static double percentile_ms(double share)
{
    uint64_t want = (uint64_t)((double)shown * share), sum = 0;
    for (int i = 0; i < HISTOGRAM_SIZE; i++)
        if ((sum += histogram[i]) > want)
            return (i + 1) / 10.0;
    return 0;
}

static void report(const struct options *o, double seconds, double server_s, double own_s, int64_t count,
                   uint64_t refused)
{
    char cpu[CPU_NAME_SIZE];
    printf("{\"bench\":\"ingest\",\"patients\":%d,\"rate_wanted\":%d,\"batch\":%d,\"connections\":%d,\"watching\":%d,"
           "\"readings\":%lld,\"seconds\":%.1f,\"readings_per_s\":%.0f,\"server_cpu_s\":%.2f,\"generator_cpu_s\":%.2f,"
           "\"readings_per_cpu_s\":%.0f,\"refused_batches\":%llu,\"shown\":%llu,\"frames\":%llu,\"frame_mb\":%.1f,"
           "\"latency_p50_ms\":%.1f,\"latency_p99_ms\":%.1f,\"latency_max_ms\":%.1f,\"server_rss_mb\":%.1f,\"cpu\":\"%"
           "s\"}\n",
           o->patients, o->rate, o->batch, o->connections, o->watch, (long long)count, seconds, (double)count / seconds,
           server_s, own_s, (double)count / server_s, (unsigned long long)refused, (unsigned long long)shown,
           (unsigned long long)frames, (double)frame_bytes / 1e6, percentile_ms(0.5), percentile_ms(0.99),
           percentile_ms(1.0 - 1e-9), (double)server_rss_kib(o->pid) / 1024, cpu_name(cpu));
}

static bool read_options(int argc, char **argv, struct options *o)
{
    if (argc != 11)
        return false;
    *o = (struct options){ .port = atoi(argv[1]), .token = argv[2], .pid = atoi(argv[3]), .patients = atoi(argv[4]),
                           .rate = atoi(argv[5]), .batch = atoi(argv[6]), .connections = atoi(argv[7]),
                           .warm_up_s = atoi(argv[8]), .seconds = atoi(argv[9]), .watch = atoi(argv[10]) };
    return o->connections >= 1 && o->connections <= CONNECTIONS_MAX && o->batch >= 1 && o->patients >= o->connections &&
           o->seconds >= 1;
}

int main(int argc, char **argv)
{
    static struct sender senders[CONNECTIONS_MAX];
    struct options o;
    pthread_t watcher;
    if (!read_options(argc, argv, &o))
        return fprintf(stderr,
                       "usage: ingest_load PORT TOKEN PID PATIENTS RATE BATCH CONNECTIONS WARM_UP_S SECONDS WATCH\n"),
               2;
    last_seen = mem_new((size_t)o.patients, sizeof *last_seen);
    if (o.watch)
        CHECK(pthread_create(&watcher, NULL, watcher_main, &o) == 0);
    for (int i = 0, share = o.patients / o.connections; i < o.connections; i++) {
        senders[i] = (struct sender){ .options = &o, .first = i * share, .count = share,
                                      .seed = 20261123 + (uint64_t)i };
        CHECK(pthread_create(&senders[i].thread, NULL, sender_main, &senders[i]) == 0);
    }
    (void)sleep((unsigned)o.warm_up_s);
    double server_s = server_cpu_s(o.pid), own_s = own_cpu_s();
    int64_t start_us = now_us(), count = atomic_load(&accepted);
    atomic_store(&measuring, true);
    (void)sleep((unsigned)o.seconds);
    atomic_store(&measuring, false);
    count = atomic_load(&accepted) - count;
    double seconds = (double)(now_us() - start_us) / 1e6;
    server_s = server_cpu_s(o.pid) - server_s;
    own_s = own_cpu_s() - own_s;
    atomic_store(&stopping, true);
    uint64_t refused = 0;
    for (int i = 0; i < o.connections; i++) {
        CHECK(pthread_join(senders[i].thread, NULL) == 0);
        refused += senders[i].refused;
    }
    report(&o, seconds, server_s, own_s, count, refused);
    return 0;
}
