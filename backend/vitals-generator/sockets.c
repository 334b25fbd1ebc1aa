/* sockets.c - /ws/ward and /ws/vitals/{id}.  All on the live loop's thread.
 *
 * A ward client is a cursor into the ward's sequence of changes.  When its socket has taken what was
 * sent, it gets everything changed since, newest state only; a slow one simply gets it less often. */
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
    int64_t sent_us, heartbeat_us;
};

struct vitals_sockets {
    struct vitals *vitals;
    struct client *clients;
    struct buf frame;
    char epoch[17];                      /* changes with each start: a sequence number means nothing across */
    atomic_bool alarms_ok;
};

static struct vitals_sockets *sockets_of(void *context)
{
    return ((struct vitals *)context)->sockets;
}

static void send_frame(struct vitals_sockets *sockets, struct client *client, struct json_writer *w)
{
    json_put_end(w);
    if (sockets->frame.overflow) {
        log_error("a frame did not fit", LOG_INT("limit", FRAME_SIZE_MAX));
        return;
    }
    metric_add(&frames_total, 1);
    ws_send(client->ws, sockets->frame.data, sockets->frame.length);
}

static struct json_writer begin_frame(struct vitals_sockets *sockets, const char *type)
{
    buf_reset(&sockets->frame);
    struct json_writer w = json_write(&sockets->frame);
    json_put_object(&w, NULL);
    json_put_text(&w, "type", type);
    json_put_text(&w, "epoch", sockets->epoch);
    json_put_time(&w, "timestamp", clock_now_us(sockets->vitals->clock));
    return w;
}

/* The first frame is the snapshot; when the ward does not fit, the rest follows as changes. */
static void send_changes(struct vitals_sockets *sockets, struct client *client, int64_t now_us)
{
    bool snapshot = !client->started;
    if (!snapshot && client->cursor == ward_sequence(sockets->vitals->ward))
        return;
    struct json_writer w = begin_frame(sockets, snapshot ? "snapshot" : "changes");
    json_put_array(&w, "patients");
    size_t count = ward_write_changes(sockets->vitals->ward, &client->cursor, FRAME_SIZE_SOFT, &w);
    json_put_end(&w);
    json_put_int(&w, "seq", (int64_t)client->cursor);
    client->started = true;
    client->sent_us = now_us;
    if (count || snapshot)
        send_frame(sockets, client, &w);
}

static void send_heartbeat(struct vitals_sockets *sockets, struct client *client, int64_t now_us)
{
    struct json_writer w = begin_frame(sockets, "heartbeat");
    json_put_int(&w, "seq", (int64_t)client->cursor);
    json_put_text(&w, "alarms", atomic_load(&sockets->alarms_ok) ? "ok" : "down");
    client->heartbeat_us = now_us;
    send_frame(sockets, client, &w);
}

static void send_patient(struct vitals_sockets *sockets, struct client *client, int64_t now_us)
{
    buf_reset(&sockets->frame);
    client->sent_us = now_us;
    if (ward_write_live(sockets->vitals->ward, client->patient, &sockets->frame))
        ws_send(client->ws, sockets->frame.data, sockets->frame.length);
}

static void serve_client(struct vitals_sockets *sockets, struct client *client, int64_t now_us)
{
    if (ws_unsent(client->ws))
        return;
    if (client->patient) {
        if (now_us - client->sent_us >= PATIENT_EVERY_US)
            send_patient(sockets, client, now_us);
        return;
    }
    /* A burst of small changes becomes one frame, not one each. */
    if (!client->started || now_us - client->sent_us >= TICK_MS / 2 * US_PER_MS)
        send_changes(sockets, client, now_us);
    if (now_us - client->heartbeat_us >= HEARTBEAT_US)
        send_heartbeat(sockets, client, now_us);
}

static void on_tick(void *context, int64_t now_us)
{
    struct vitals_sockets *sockets = context;
    for (struct client *client = sockets->clients; client; client = client->next)
        serve_client(sockets, client, now_us);
}

static void on_drained(void *context, struct ws *ws)
{
    struct vitals_sockets *sockets = sockets_of(context);
    struct client *client = ws_data(ws);
    if (client)
        serve_client(sockets, client, clock_monotonic_us(sockets->vitals->clock));
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
        serve_client(sockets, client, clock_monotonic_us(sockets->vitals->clock));
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
    live_add_tick(vitals->server, TICK_MS, on_tick, sockets);
    return true;
}

void vitals_sockets_stop(struct vitals *vitals)
{
    if (!vitals->sockets)
        return;
    buf_free(&vitals->sockets->frame);
    mem_free(vitals->sockets);
    vitals->sockets = NULL;
}

void vitals_set_alarms_ok(struct vitals *vitals, bool ok)
{
    atomic_store(&vitals->sockets->alarms_ok, ok);
}
