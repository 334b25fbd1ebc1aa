/* schedule.h - whose summary is written next.
 *
 * Rule:    a patient's first summary once `first_s` have passed since the patient was seen here, then one every
 *          `interval_s`.  Who has none goes before all others; among equals it goes round by number, so that a
 *          writer that is slower than its ward still comes to everybody.
 * Nothing to write: an attempt that finds too little is put off, twice as long each time up to `interval_s`,
 *          so that beds without a device cost no more than those with one.
 * Owner:   the summarizer's periodic thread.  Pure: time comes in.
 * Bounds:  8 bytes per patient up to PATIENT_COUNT_MAX.   Units: seconds on any monotonic clock. */
#ifndef SUMMARIZER_SERVICE_SCHEDULE_H
#define SUMMARIZER_SERVICE_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

struct schedule;

struct schedule *schedule_new(int first_s, int interval_s);
void schedule_free(struct schedule *schedule);
/* Patients 1 … count are there; those not seen before wait for their first summary. */
void schedule_admit(struct schedule *schedule, uint32_t count, int64_t now_s);
/* 0: nobody is due.  The patient is not due again until one of the three below was called for it. */
uint32_t schedule_next(struct schedule *schedule, int64_t now_s, bool *out_first);
void schedule_written(struct schedule *schedule, uint32_t patient, int64_t at_s);  /* at_s may lie before now */
void schedule_retry(struct schedule *schedule, uint32_t patient, int64_t now_s);
void schedule_first(struct schedule *schedule, uint32_t patient, int64_t due_s);   /* has none; look again then */

#endif
