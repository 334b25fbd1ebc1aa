/* vital.h - the six vital signs, their names, units and what is plausible.
 *
 * Units:  a value is an int32 in thousandths of the vital's unit (`_milli`): 112 /min is 112000,
 *         38.4 Cel is 38400.  Integers make every comparison with a limit exact and every replay
 *         repeat bit for bit; three decimals are more than any monitor sends.
 * Absent: VITAL_ABSENT, said, never guessed: not 0, not the last value. */
#ifndef CLINICAL_VITAL_H
#define CLINICAL_VITAL_H

#include <stdbool.h>
#include <stdint.h>

enum vital {
    VITAL_HEART_RATE,   /* /min  */
    VITAL_SPO2,         /* %     */
    VITAL_SYSTOLIC,     /* mmHg  */
    VITAL_DIASTOLIC,    /* mmHg  */
    VITAL_TEMPERATURE,  /* Cel   */
    VITAL_RESPIRATORY,  /* /min  */
    VITAL_COUNT
};

#define VITAL_ABSENT INT32_MIN

struct vital_info {
    const char *json_name;     /* heartRate: REST, WebSocket, ingest */
    const char *document_name; /* heart_rate: Elasticsearch, NDJSON of scripts */
    const char *label;         /* "Heart rate": people */
    const char *unit;          /* "bpm", "%", "mmHg", "°C", "/min" */
    int decimals;              /* shown to people */
    int32_t accept_max_milli;  /* above it (or below 0) the field is an error: no device means it */
    int32_t plausible_min_milli, plausible_max_milli; /* outside: stored, marked, kept out of alarms and charts */
};
extern const struct vital_info vital_infos[VITAL_COUNT];

struct json_writer;
/* In the vital's unit; VITAL_ABSENT: null. */
void vital_put_json(struct json_writer *writer, const char *key, int32_t milli);

#endif
