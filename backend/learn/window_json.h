/* window_json.h - a window as one JSON document, for files and scripts.
 *
 *     { "patient_id": "P001",
 *       "readings": [ {"timestamp": "2026-11-23T13:20:00.000Z", "heartRate": 112, "spO2": 91,
 *                      "bloodPressure": {"systolic": 148, "diastolic": 92}, "temperature": 38.4, "respiratory": 24,
 *                      "source": "monitor-7"}, … ],
 *       "alerts":   [ {"type": "Hypoxia Alert", "severity": "critical", "state": "active", "onset": "…", "end": null,
 *                      "acknowledged": false, "peak_value": 84, "peak_at": "…"}, … ],
 *       "window_start": "…", "window_end": "…" }
 *
 * Readings are those of POST /api/ingest/vitals (the snake-case names are taken too), alerts those of GET
 * /api/alerts ("timestamp" stands for a missing "onset", "vital_value" for "peak_value"; "lost" lists the
 * vitals of a sensor alert).  Fields that say nothing here are ignored.  Without start and end the window
 * is that of the readings.  Readings may come in any order. */
#ifndef LEARN_WINDOW_JSON_H
#define LEARN_WINDOW_JSON_H

#include "base/arena.h"
#include "base/bounds.h"
#include "clinical/facts.h"

enum { WINDOW_JSON_SIZE_MAX = 4 << 20, WINDOW_JSON_READINGS_MAX = 4000 };

struct window_document {
    char patient_id[PATIENT_ID_SIZE];
    struct window window;
    const char *const *sources;          /* by reading->source */
};

/* Errors name the place: "readings[3]: heartRate: …". */
bool window_json_parse(const char *text, size_t length, struct arena *arena, struct window_document *out,
                       struct err *err) MUST_CHECK;
/* As above, from an object within a document. */
struct json;
bool window_json_take(const struct json *object, struct arena *arena, struct window_document *out,
                      struct err *err) MUST_CHECK;
/* Its alerts alone ("alerts", may be missing). */
bool window_json_alerts(const struct json *object, struct arena *arena, struct window *out, struct err *err) MUST_CHECK;
/* Readings that stand in an array, each under `key` of its item (NULL: the item itself). */
bool window_json_readings(const struct json *array, const char *key, struct arena *arena, struct window *out,
                          struct err *err) MUST_CHECK;
/* The opposite direction, without a patient's id; sources are named by their numbers. */
struct json_writer;
void window_json_write(struct json_writer *writer, const char *key, const struct window *window);
/* The `alerts` of any object that has them, at most WINDOW_ALERTS_MAX. */
bool window_json_alerts(const struct json *root, struct arena *arena, struct window *out, struct err *err) MUST_CHECK;
/* "monitor-7@2026-11-23T13:20:00.000Z" or the alert's id, as the API writes evidence. */
enum { EVIDENCE_ID_SIZE = 96 };
struct evidence;
void evidence_id(const struct evidence *evidence, const char *patient_id, const char *source,
                 char out[EVIDENCE_ID_SIZE]);

#endif
