/* stream.h - the two streams that tie the services together.
 *
 *   vitals   readings and commands (acknowledge, pause, limits, …), in one order per process.
 *            Everything that changes an alarm passes through it, so a replay repeats every alarm.
 *   alerts   what the alert-engine says: alerts as they open, change and close.
 *
 * Embedded (stream/local.c): bounded queues in memory; `vitals` is journalled by the store, and
 * the publisher's done() is called when it is on disk.  Consumers do NOT wait for the disk: an
 * alarm is out before its reading is durable.  At scale Kafka takes this place (later issue).
 *
 * Sequence: every record of `vitals` has a number; a consumer that remembers "done up to seq"
 *           and asks for the rest after a restart loses nothing and repeats what is idempotent.
 * Owner:    a published batch is copied and shared by all consumers (counted references).
 * Threads:  any thread publishes; each consumer belongs to one thread.
 * Bounds:   STREAM_QUEUE_READINGS_MAX records wait per consumer; beyond it publishing says ERR_BUSY
 *           (the ingest answers 429 with Retry-After) and nobody has received anything. */
#ifndef STREAM_STREAM_H
#define STREAM_STREAM_H

#include "base/err.h"
#include "clinical/alarm.h"
#include "clinical/reading.h"
#include "store/store.h"

struct stream;
struct stream_consumer;

enum stream_topic { STREAM_VITALS, STREAM_ALERTS, STREAM_TOPIC_COUNT };

enum stream_kind { STREAM_READINGS, STREAM_COMMAND, STREAM_ALERT };

/* What alert-engine says about one patient after a record: the whole alert as it is now. */
struct stream_batch {
    enum stream_topic topic;
    enum stream_kind kind;
    int64_t seq;                      /* of the first record; STREAM_ALERTS: 0 */
    uint32_t count;
    uint32_t command_patient;         /* STREAM_COMMAND */
    int64_t published_us;             /* monotonic, for latency figures */
    const struct reading *readings;
    const struct alarm_command *command;
    const struct alert *alerts;
};

bool stream_open(struct store *store, const struct clock *clock, struct stream **out, struct err *err) MUST_CHECK;
void stream_close(struct stream *stream);      /* consumers must be closed before */

/* Called once: when durable, or when it failed.  May run on the store's writer thread. */
typedef void stream_done(void *context, bool ok, const struct err *err);

/* `with` may carry rows that belong to the same atomic unit (new patients and sources of these
 * readings); its rows are copied.  NULL done: fire and forget.  *out_seq (NULL: not wanted) is the
 * command's number: once the alert-engine has done it, the command is in force. */
struct stream_rows {
    const struct patient_row *patients; size_t patient_count;
    const struct source_row *sources;   size_t source_count;
    const struct limits_row *limits;    size_t limits_count;
    const struct audit_row *audits;     size_t audit_count;
};
bool stream_publish_readings(struct stream *stream, const struct reading *readings, uint32_t count,
                             const struct stream_rows *with, stream_done *done, void *context,
                             struct err *err) MUST_CHECK;
bool stream_publish_command(struct stream *stream, uint32_t patient, const struct alarm_command *command,
                            const struct stream_rows *with, stream_done *done, void *context,
                            int64_t *out_seq, struct err *err) MUST_CHECK;
int64_t stream_end(struct stream *stream);   /* the number that the next record of `vitals` gets */
/* Records of `vitals` from now on have numbers from `seq` on: those below are taken, kept or not. */
void stream_skip_to(struct stream *stream, int64_t seq);
bool stream_publish_alerts(struct stream *stream, const struct alert *alerts, uint32_t count,
                           struct err *err) MUST_CHECK;

/* From `from_seq` on: what the journal holds first, then live, without a gap (-1: live only). */
bool stream_subscribe(struct stream *stream, const char *name, unsigned topics /* bits */, int64_t from_seq,
                      struct stream_consumer **out, struct err *err) MUST_CHECK;
void stream_unsubscribe(struct stream_consumer *consumer);
/* Waits up to timeout_ms (0: does not wait) and returns the next batch or NULL. */
const struct stream_batch *stream_next(struct stream_consumer *consumer, int timeout_ms);
void stream_release(struct stream_consumer *consumer, const struct stream_batch *batch);
void stream_wake(struct stream_consumer *consumer);   /* lets a waiting stream_next return NULL */

#endif
