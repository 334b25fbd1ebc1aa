/* ward.h - the ward as it is now: the newest value of every vital of every patient, and its alerts.
 *
 * Owner:    the vitals-generator.  Fed by its consumer of both streams, read by requests and sockets.
 * Change:   every change gives a patient the next sequence number and moves it to the end of a list,
 *           so "all that changed since N" is a walk from the end, whatever the number of patients,
 *           and a slow screen gets each patient's newest state once, never a queue.
 * Stale:    a vital that the alert-engine has declared lost (2 expected intervals) has no value here.
 * Threads:  any; one lock, held for microseconds.
 * Bounds:   about 200 bytes per patient, and its open alerts. */
#ifndef VITALS_GENERATOR_WARD_H
#define VITALS_GENERATOR_WARD_H

#include "base/json.h"
#include "clinical/alarm.h"
#include "store/registry.h"

struct ward;

struct ward *ward_new(const struct registry *registry, const struct clock *clock);
void ward_free(struct ward *ward);
/* What the store knows at start. */
bool ward_load(struct ward *ward, struct store *store, struct err *err) MUST_CHECK;

void ward_readings(struct ward *ward, const struct reading *readings, uint32_t count);
void ward_command(struct ward *ward, uint32_t patient, const struct alarm_command *command);
void ward_alerts(struct ward *ward, const struct alert *alerts, uint32_t count);
void ward_touch(struct ward *ward, uint32_t patient);    /* its row has changed */

uint64_t ward_sequence(struct ward *ward);               /* of the newest change */
/* Patients changed after *cursor, oldest change first, until `out` holds size_soft bytes; moves
 * *cursor.  Returns how many were written, as items of the writer's array. */
size_t ward_write_changes(struct ward *ward, uint64_t *cursor, size_t size_soft, struct json_writer *writer);
bool ward_write_patient(struct ward *ward, uint32_t patient, struct json_writer *writer, const char *key);
size_t ward_write_all(struct ward *ward, size_t offset, size_t limit, struct json_writer *writer);

/* The `vitals` object and `timestamp` of GET …/vitals. */
bool ward_write_vitals(struct ward *ward, uint32_t patient, struct buf *out);
/* The flat message of /ws/vitals/{id}. */
bool ward_write_live(struct ward *ward, uint32_t patient, struct buf *out);

#endif
