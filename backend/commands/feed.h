/* feed.h - readings on their way to a running server: NDJSON batches over HTTP, until they are on disk.
 *
 * Sent again: the server answers 200 when a batch is on disk.  When it does not answer (429, 503, a
 *             connection that breaks, a server that is restarted) the same batch is sent again, as
 *             Retry-After says or after 0.2 to 5 s, for `patience_s` at most.  A reading has an identity,
 *             so the server keeps it once however often it comes.
 * Refused:    a line that the server refuses is counted and the first one is kept for the report.
 * Threads:    one. */
#ifndef COMMANDS_FEED_H
#define COMMANDS_FEED_H

#include "base/progress.h"
#include "clinical/reading.h"
#include "net/client.h"

/* 4,000 lines are about 700 KB before gzip: a tenth of the server's limit, and 15 ms of its work. */
enum { FEED_BATCH_MAX = 4000, FEED_PATIENCE_S = 300 };

struct feed_options {
    const char *url;             /* "http://127.0.0.1:8001" */
    const char *token_file;      /* "-": standard input */
    const char *source;          /* the readings' source, "replay-bidmc" */
    int patience_s;              /* 0: FEED_PATIENCE_S */
    const atomic_bool *cancel;
    struct progress *progress;   /* taken away while something is said; NULL: none */
};

struct feed {
    struct feed_options options;
    struct client *client;
    char *token;
    struct buf batch, packed;
    uint32_t in_batch;
    int64_t sent, accepted, rejected, retries, admitted;
    bool may_not_admit;          /* the token's role may not: said once */
    char first_rejection[256];
};

bool feed_open(struct feed *feed, const struct feed_options *options, struct err *err) MUST_CHECK;
void feed_close(struct feed *feed);
/* Who the patient is; one that the server has already stays as it is.  Empty texts and age -1 are left out. */
bool feed_admit(struct feed *feed, const char *id, const char *name, int age, const char *gender, const char *bed,
                struct err *err) MUST_CHECK;
/* Sends the batch when it is full. */
bool feed_reading(struct feed *feed, const struct reading *reading, const char *patient_id, struct err *err) MUST_CHECK;
bool feed_flush(struct feed *feed, struct err *err) MUST_CHECK;

/* The first line of a file, or of standard input for "-". */
bool feed_read_token(const char *path, char **out, struct err *err) MUST_CHECK;

#endif
