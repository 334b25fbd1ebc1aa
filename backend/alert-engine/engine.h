/* engine.h - the alert-engine: runs every patient's alarm state machine over the stream.
 *
 * Owner:     the service owns all alarm states.  One thread consumes `vitals`; requests read under a lock.
 * Durable:   an alert is written in one unit with the state it comes from, so that the next process goes on
 *            from there whatever the disk refused (docs/decisions/0015).  One unit at a time; what is said
 *            meanwhile, or could not be written, goes into the next.  All changed states are saved in a cycle
 *            (SNAPSHOT_EVERY), behind their alerts; the states and the journal behind them give the same
 *            alerts.  Ticks that change something are commands in the stream, so that a replay repeats them.
 * Sequence:  a saved state knows the record it was saved at; a replayed record before it is skipped.
 * Latency:   alerts leave before anything touches the disk. */
#ifndef ALERT_ENGINE_ENGINE_H
#define ALERT_ENGINE_ENGINE_H

#include "base/config.h"
#include "net/http.h"
#include "store/registry.h"
#include "stream/stream.h"

struct engine;

struct alert_service {
    const struct config *config;
    const struct clock *clock;
    struct store *store;
    struct stream *stream;
    struct registry *registry;
    struct engine *engine;
    bool unthreaded;                 /* no thread: engine_step() runs it, so that one seed repeats a whole run */
    /* The username of a user id, for "acknowledged_by"; NULL: unknown. */
    const char *(*username)(void *context, uint32_t user, char out[64]);
    void *username_context;
};

bool alert_start(struct alert_service *service, struct err *err) MUST_CHECK;
void alert_stop(struct alert_service *service);
struct http_routes alert_routes(struct alert_service *service);

/* ---- engine.c ---- */
bool engine_open(struct alert_service *service, struct engine **out, struct err *err) MUST_CHECK;
void engine_close(struct engine *engine);
/* One turn: the next batch if there is one (waits up to timeout_ms), then what is due.  Not beside the
 * thread.  false: there was no batch. */
bool engine_step(struct engine *engine, int timeout_ms);
bool engine_alive(struct engine *engine);     /* has looked at its queue within 2 s */
/* Waits, a moment at most, until everything that was acknowledged before this call has been judged. */
void engine_catch_up(struct engine *engine);
/* Copies of the open alerts; patient 0: all.  Worst first, then newest. */
size_t engine_open_alerts(struct engine *engine, uint32_t patient, struct arena *arena, struct alert **out);
bool engine_find(struct engine *engine, uint32_t patient, enum alert_type type, int64_t onset_ms, struct alert *out);
void engine_limits(struct engine *engine, uint32_t patient, struct alarm_limits *out);
/* What these values would raise, by themselves: changes nothing. */
size_t engine_analyze(struct engine *engine, uint32_t patient, const struct reading *reading,
                      struct alert out[ALERT_TYPE_COUNT]);
/* Publishes and waits until it is on disk and in force. */
bool engine_command(struct engine *engine, uint32_t patient, const struct alarm_command *command,
                    const struct stream_rows *rows, struct err *err) MUST_CHECK;

/* ---- limits_json.c ---- */
void limits_write_json(struct buf *out, const struct alarm_limits *limits);
/* A partial object over `limits`; validated as a whole. */
bool limits_read_json(const char *text, size_t size, struct alarm_limits *limits, struct err *err) MUST_CHECK;

#endif
