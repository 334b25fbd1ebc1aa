/* json_reading.h - one JSON reading of POST /api/ingest/vitals, scanned without a document tree.
 *
 * Format:  an object with `patient_id` (or `patientId`), `timestamp` (or `@timestamp`), optional
 *          `source` and `simulated` (true: from a simulator), and any of the vitals, by the names of
 *          the API or of the Elasticsearch documents:
 *            heartRate heart_rate · spO2 spo2 · temperature · respiratory respiratory_rate
 *            systolic systolic_bp · diastolic diastolic_bp · bloodPressure {systolic, diastolic}
 *          and `times` {name of a vital or bloodPressure: RFC 3339}: that vital was measured then.
 *          null or missing is absent.  No vital named at all is an error (a misspelt name must not
 *          vanish).  Other fields are skipped, but must be JSON.
 * Numbers: decimal text to thousandths by integer arithmetic, half to even beyond three decimals;
 *          judged after rounding: 0 <= value <= accept_max, else an error.  No double, no locale.
 *          "112" (a string), NaN, 1,5 are errors by name; nothing ever turns into a default.
 * Twice:   a field given twice, under either name, is an error.
 * Text:    UTF-8; ids are [A-Za-z0-9._-]{1,31} after unescaping.
 * Bounds:  JSON_DEPTH_MAX levels; VITAL_COUNT readings; no allocation.
 * Threads: pure; any. */
#ifndef INGEST_JSON_READING_H
#define INGEST_JSON_READING_H

#include "base/bounds.h"
#include "clinical/reading.h"

#include <stddef.h>

/* Readings from a clock that runs ahead are taken up to five minutes; beyond that the stamp is wrong
 * and would keep the true readings that follow from ever being the newest. */
#define INGEST_FUTURE_MAX_US (INT64_C(5) * 60 * 1000 * 1000)

struct json_reading {
    char patient_id[PATIENT_ID_SIZE];
    char source[SOURCE_SIZE];                 /* "": not given; the caller names one */
    size_t reading_count;                     /* 1 to VITAL_COUNT */
    struct reading readings[VITAL_COUNT];     /* by time; `patient`, `source`, `implausible` are 0: the
                                                 caller fills them (reading_mark_implausible) */
};

enum { JSON_READING_DETAIL_SIZE = 160 };
struct json_reading_error {
    const char *field;                        /* static, as the sender spelt it; "" for broken JSON */
    char detail[JSON_READING_DETAIL_SIZE];    /* "heartRate: 900 is above 400 /min" */
};
/* Always false; `field` must be static. */
bool json_reading_fail(struct json_reading_error *error, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* `now_us` judges the future: stamps above now + INGEST_FUTURE_MAX_US are errors.
 * The whole of `text` must be one object; white space around it is fine. */
bool json_reading_parse(const char *text, size_t length, int64_t now_us, struct json_reading *out,
                        struct json_reading_error *error) __attribute__((warn_unused_result));
/* As above, but stops behind the object: *out_used tells how far.  On failure it is where the
 * scanner stopped. */
bool json_reading_parse_one(const char *text, size_t length, int64_t now_us, struct json_reading *out,
                            size_t *out_used, struct json_reading_error *error) __attribute__((warn_unused_result));
/* Behind the value that starts at `text` (white space allowed in front); false: not JSON. */
bool json_reading_skip(const char *text, size_t length, size_t *out_used) __attribute__((warn_unused_result));

struct buf;
/* The opposite direction: one line of the same format with its line end, flat names of the API. */
void json_reading_write(struct buf *out, const struct reading *reading, const char *patient_id,
                        const char *source);

#endif
