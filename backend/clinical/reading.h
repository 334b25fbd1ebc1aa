/* reading.h - what a device measured on one patient at one instant.
 *
 * Identity: (patient, source, time_us).  The same identity again is the same reading: it is
 *           acknowledged again and stored once.
 * Time:     every vital in a reading was measured at time_us.  A message whose vitals have times of
 *           their own (a cuff pressure ten minutes old) becomes several readings at the door.
 * Layout:   40 bytes, no padding; the store writes it packed, the rules read it as it is.
 * Numbers:  `patient` and `source` are small integers given by the store's name tables and stable
 *           for the life of the data directory. */
#ifndef CLINICAL_READING_H
#define CLINICAL_READING_H

#include "clinical/vital.h"

/* A stamp further from the server's clock belongs to a replay or a backfill. */
#define READING_LIVE_US (INT64_C(60) * 1000 * 1000)

struct reading {
    int64_t time_us;                  /* UTC, as the device stamped it */
    int32_t value_milli[VITAL_COUNT]; /* VITAL_ABSENT where not measured */
    uint32_t patient;
    uint16_t source;
    uint8_t implausible;              /* bit per vital: present, stored, not to be believed */
    uint8_t flags;                    /* READING_* */
};
_Static_assert(sizeof(struct reading) == 40, "no padding");

enum {
    READING_SIMULATED = 1, /* from the simulator or marked so by its device */
    READING_LIVE = 2,      /* arrived within READING_LIVE_US of its stamp: wall-clock silence counts */
};

/* Why a vital was marked; one reason per (reading, vital), recomputed from the value. */
enum implausible_reason {
    PLAUSIBLE,
    IMPLAUSIBLE_ZERO,      /* 0: the sensor is off */
    IMPLAUSIBLE_LOW,
    IMPLAUSIBLE_HIGH,
    IMPLAUSIBLE_PRESSURE,  /* diastolic not below systolic: both are marked */
};
const char *implausible_reason_name(enum implausible_reason reason);
enum implausible_reason reading_vital_plausible(const struct reading *reading, enum vital vital);
void reading_mark_implausible(struct reading *reading); /* sets `implausible` from the values */
bool reading_is_empty(const struct reading *reading);

/* The value where present and plausible, else VITAL_ABSENT: what alarms, NEWS2 and charts use. */
static inline int32_t reading_usable(const struct reading *reading, enum vital vital)
{
    return reading->implausible >> vital & 1 ? VITAL_ABSENT : reading->value_milli[vital];
}

#endif
