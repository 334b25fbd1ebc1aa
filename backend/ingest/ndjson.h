/* ndjson.h - a body of readings, and the answer that names what was refused.
 *
 * Body:   NDJSON (a reading a line), one JSON object (also printed over several lines), or a JSON
 *         array of objects.  LF or CRLF, empty lines, a byte order mark, no line end at the last line.
 * Line:   `line` in the answer counts lines from 1 (empty ones too); in an array: items from 1.
 * Errors: a bad line is refused by name, the others are kept.
 * Bounds: LINE_COUNT_MAX readings; beyond it the whole body fails with ERR_TOO_LARGE before the
 *         caller has taken anything: collect in the visitor, use after ndjson_parse() said true.
 * Threads: pure; the answer belongs to its caller. */
#ifndef INGEST_NDJSON_H
#define INGEST_NDJSON_H

#include "base/err.h"
#include "base/str.h"
#include "ingest/json_reading.h"

struct ingest_answer {
    int64_t accepted, rejected;     /* lines */
    struct buf rejects;             /* the JSON of the array's items */
};
void ingest_answer_init(struct ingest_answer *answer);
void ingest_answer_free(struct ingest_answer *answer);
void ingest_answer_reject(struct ingest_answer *answer, size_t line, const char *field, const char *detail);
int ingest_answer_status(const struct ingest_answer *answer);  /* 200 all, 207 some, 400 none */
/* {"accepted":9,"rejected":[{"line":7,"field":"heartRate","detail":"…"}]} */
void ingest_answer_write(const struct ingest_answer *answer, struct buf *out);

/* false: refuses this line with what it wrote to `error` (json_reading_fail). */
typedef bool ndjson_visitor(void *context, size_t line, const struct json_reading *reading,
                            struct json_reading_error *error);
/* Counts into `answer`: accepted are the lines for which visit() said true. */
bool ndjson_parse(const char *body, size_t size, int64_t now_us, ndjson_visitor *visit, void *context,
                  struct ingest_answer *answer, struct err *err) MUST_CHECK;

#endif
