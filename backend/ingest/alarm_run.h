/* alarm_run.h - the alarms of a recording, without a server: readings in, finished alerts out.
 *
 * Same:     the state machine and the limits are the alert-engine's (clinical/alarm.h, the defaults); a
 *           server that is fed the same readings keeps the same alerts, byte for byte.  What would be
 *           due after a patient's last reading is not waited for, there as here.
 * Order:    alarm_run_alerts() gives them by patient id, onset, id: that of `wardscribe export`.
 * Bounds:   ALERTS_MAX.  Threads: one. */
#ifndef INGEST_ALARM_RUN_H
#define INGEST_ALARM_RUN_H

#include "clinical/alarm.h"
#include "ingest/recording.h"

struct alarm_run;

struct alarm_run *alarm_run_new(uint32_t patients);
void alarm_run_free(struct alarm_run *run);       /* NULL is fine */
/* reading->patient is 1 … patients. */
bool alarm_run_reading(struct alarm_run *run, const struct reading *reading, struct err *err) MUST_CHECK;
/* Each alert once, as it is now; sorted by the patients' ids in `recording`. */
size_t alarm_run_alerts(struct alarm_run *run, const struct recording *recording, const struct alert **out);

#endif
