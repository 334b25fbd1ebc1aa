/* sockets.c - /ws/ward and /ws/vitals/{id}.  All on the live loop's thread.
 *
 * A ward client is a cursor into the ward's sequence of changes.  When its socket has taken what was
 * sent, it gets everything changed since, newest state only; a slow one simply gets it less often.
 * Clients that keep up stand at the same cursor: a frame of changes is written once for all of them. */
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "vitals-generator/vitals.h"

#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TICK_MS = 40,                        /* with the wake-up: p99 from socket to frame under 100 ms */
    FRAME_SIZE_SOFT = 128 << 10,
    FRAME_SIZE_MAX = 4 << 20,
    FRAMES_PER_TICK = 64,                /* 8 MB a tick: 9,000 patients, then everybody else has a turn */
};
#define HEARTBEAT_US (2 * US_PER_S)
#define PATIENT_EVERY_US (US_PER_S - TICK_MS * US_PER_MS / 2)

static struct metric frames_total = METRIC_COUNTER("wardscribe_websocket_frames_total", "Frames sent to dashboards.");

struct client {
    struct client *next;
    struct ws *ws;
    uint32_t patient;                    /* 0: the whole ward */
    uint64_t cursor;
    bool started;                        /* snapshot or resume has been sent */
    bool behind;                         /* the last frame was full: more waits */
    int64_t sent_us, heartbeat_us;
};

struct vitals_sockets {
    struct vitals *vitals;
    struct client *clients;
    struct buf frame;
    struct buf changes;                  /* the last frame of changes: from, to, and whether it was full */
    uint64_t changes_from, changes_to;
    bool changes_full;
    char epoch[17];                      /* changes with each start: a sequence number means nothing across */
    atomic_bool alarms_ok;
};

static struct vitals_sockets *sockets_of(void *context)
{
    return ((struct vitals *)context)->sockets;
}

static void send_buf(struct client *client, const struct buf *frame)
{
    if (frame->overflow) {
        log_error("a frame did not fit", LOG_INT("limit", FRAME_SIZE_MAX));
        return;
    }
    metric_add(&frames_total, 1);
    ws_send(client->ws, frame->data, frame->length);
}

static struct json_writer begin_frame(struct vitals_sockets *sockets, struct buf *frame, const char *type)
{
    buf_reset(frame);
    struct json_writer w = json_write(frame);
    json_put_object(&w, NULL);
    json_put_text(&w, "type", type);
    json_put_text(&w, "epoch", sockets->epoch);
    json_put_time(&w, "timestamp", clock_now_us(sockets->vitals->clock));
    return w;
}

/* Everything from `cursor` on that fits one frame. */
static void write_changes(struct vitals_sockets *sockets, const char *type, uint64_t cursor)
{
    struct buf *frame = &sockets->changes;
    struct json_writer w = begin_frame(sockets, frame, type);
    sockets->changes_from = sockets->changes_to = cursor;
    json_put_array(&w, "patients");
    (void)ward_write_changes(sockets->vitals->ward, &sockets->changes_to, FRAME_SIZE_SOFT, &w);
    sockets->changes_full = frame->length >= FRAME_SIZE_SOFT;
    json_put_end(&w);
    json_put_int(&w, "seq", (int64_t)sockets->changes_to);
    json_put_end(&w);
}

/* The first frame is the snapshot; when the ward does not fit, the rest follows as changes. */
static void send_changes(struct vitals_sockets *sockets, struct client *client, int64_t now_us)
{
    bool snapshot = !client->started;
    if (!snapshot && client->cursor == ward_sequence(sockets->vitals->ward))
        return;
    if (snapshot || sockets->changes_from != client->cursor || sockets->changes_to == client->cursor)
        write_changes(sockets, snapshot ? "snapshot" : "changes", client->cursor);
    client->cursor = sockets->changes_to;
    client->behind = sockets->changes_full;
    client->started = true;
    client->sent_us = now_us;
    send_buf(client, &sockets->changes);
    if (snapshot)
        sockets->changes_from = sockets->changes_to; /* its type is not for others */
}

static void send_heartbeat(struct vitals_sockets *sockets, struct client *client, int64_t now_us)
{
    struct json_writer w = begin_frame(sockets, &sockets->frame, "heartbeat");
    json_put_int(&w, "seq", (int64_t)client->cursor);
    json_put_text(&w, "alarms", atomic_load(&sockets->alarms_ok) ? "ok" : "down");
    client->heartbeat_us = now_us;
    json_put_end(&w);
    send_buf(client, &sockets->frame);
}

static void send_patient(struct vitals_sockets *sockets, struct client *client, int64_t now_us)
{
    buf_reset(&sockets->frame);
    client->sent_us = now_us;
    if (ward_write_live(sockets->vitals->ward, client->patient, &sockets->frame))
        ws_send(client->ws, sockets->frame.data, sockets->frame.length);
}

/* Returns true when more waits and the socket would take it. */
static bool serve_client(struct vitals_sockets *sockets, struct client *client, int64_t now_us)
{
    if (ws_unsent(client->ws))
        return false;
    if (client->patient) {
        if (now_us - client->sent_us >= PATIENT_EVERY_US)
            send_patient(sockets, client, now_us);
        return false;
    }
    /* A burst of small changes becomes one frame, not one each. */
    if (!client->started || client->behind || now_us - client->sent_us >= TICK_MS / 2 * US_PER_MS)
        send_changes(sockets, client, now_us);
    if (now_us - client->heartbeat_us >= HEARTBEAT_US)
        send_heartbeat(sockets, client, now_us);
    return client->behind && !ws_unsent(client->ws);
}

/* Frame by frame around the clients, so that those at the same cursor share each frame. */
static void on_tick(void *context, int64_t now_us)
{
    struct vitals_sockets *sockets = context;
    bool more = true;
    for (int round = 0; more && round < FRAMES_PER_TICK; round++) {
        more = false;
        for (struct client *client = sockets->clients; client; client = client->next)
            if (!round || client->behind)
                more |= serve_client(sockets, client, now_us);
    }
}

static void on_drained(void *context, struct ws *ws)
{
    struct vitals_sockets *sockets = sockets_of(context);
    struct client *client = ws_data(ws);
    if (client)
        (void)serve_client(sockets, client, clock_monotonic_us(sockets->vitals->clock));
}

static struct client *add_client(struct vitals_sockets *sockets, struct ws *ws, uint32_t patient)
{
    struct client *client = mem_new(1, sizeof *client);
    client->ws = ws;
    client->patient = patient;
    client->next = sockets->clients;
    sockets->clients = client;
    ws_set_data(ws, client);
    return client;
}

static void on_close(void *context, struct ws *ws)
{
    struct vitals_sockets *sockets = sockets_of(context);
    struct client *client = ws_data(ws);
    for (struct client **at = &sockets->clients; *at; at = &(*at)->next)
        if (*at == client) {
            *at = client->next;
            break;
        }
    ws_set_data(ws, NULL);
    mem_free(client);
}

static bool open_patient(void *context, struct ws *ws, const struct http_request *request)
{
    struct vitals *vitals = context;
    struct err err = { 0 };
    uint32_t number;
    if (!vitals_find(vitals, request, &number, &err)) {
        ws_close(ws, 4004, err.text);
        return false;
    }
    struct client *client = add_client(vitals->sockets, ws, number);
    send_patient(vitals->sockets, client, clock_monotonic_us(vitals->clock));
    return true;
}

static void resume(struct vitals_sockets *sockets, struct client *client, const char *epoch, int64_t seq)
{
    if (epoch && strcmp(epoch, sockets->epoch) == 0 && (uint64_t)seq <= ward_sequence(sockets->vitals->ward)) {
        client->cursor = (uint64_t)seq;
        client->started = true;
    }
}

static bool open_ward(void *context, struct ws *ws, const struct http_request *request)
{
    struct vitals_sockets *sockets = sockets_of(context);
    struct client *client = add_client(sockets, ws, 0);
    int64_t seq = 0;
    if (str_to_int(http_query(request, "seq"), 0, INT64_MAX, &seq))
        resume(sockets, client, http_query(request, "epoch"), seq);
    return true;
}

/* {"type":"auth"|"resume","seq":N,"epoch":"…"}: the first changes or the snapshot follow at the next tick. */
static void ward_message(void *context, struct ws *ws, const char *text, size_t length)
{
    struct vitals_sockets *sockets = sockets_of(context);
    struct client *client = ws_data(ws);
    struct json *root = NULL;
    const char *epoch = NULL;
    int64_t seq = -1;
    struct err err = { 0 };
    if (client && json_parse_object(text, length, WS_MESSAGE_SIZE_MAX, &root, &err) &&
        json_get_int(root, "seq", JSON_NULLABLE, 0, INT64_MAX, &seq, &err) &&
        json_get_text(root, "epoch", JSON_NULLABLE, 0, 64, &epoch, &err) && seq >= 0)
        resume(sockets, client, epoch, seq);
    json_free(root);
    if (client)
        (void)serve_client(sockets, client, clock_monotonic_us(sockets->vitals->clock));
}

const struct ws_handler vitals_patient_socket = { open_patient, NULL, on_drained, on_close };
const struct ws_handler vitals_ward_socket = { open_ward, ward_message, on_drained, on_close };

bool vitals_sockets_start(struct vitals *vitals, struct err *err)
{
    if (sodium_init() < 0)
        return err_set(err, ERR_IO, "libsodium cannot start");
    struct vitals_sockets *sockets = vitals->sockets = mem_new(1, sizeof *sockets);
    unsigned char random[8];
    randombytes_buf(random, sizeof random);
    (void)sodium_bin2hex(sockets->epoch, sizeof sockets->epoch, random, sizeof random);
    sockets->vitals = vitals;
    atomic_store(&sockets->alarms_ok, true);
    buf_init(&sockets->frame, FRAME_SIZE_MAX);
    buf_init(&sockets->changes, FRAME_SIZE_MAX);
    live_add_tick(vitals->server, TICK_MS, on_tick, sockets);
    return true;
}

void vitals_sockets_stop(struct vitals *vitals)
{
    if (!vitals->sockets)
        return;
    buf_free(&vitals->sockets->frame);
    buf_free(&vitals->sockets->changes);
    mem_free(vitals->sockets);
    vitals->sockets = NULL;
}

void vitals_set_alarms_ok(struct vitals *vitals, bool ok)
{
    atomic_store(&vitals->sockets->alarms_ok, ok);
}
