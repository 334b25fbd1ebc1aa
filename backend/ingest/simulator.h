/* simulator.h - a seeded ward: patients whose conditions evolve, and what really happened to them.
 *
 * Repeats:  the same seed and the same sequence of steps give the same readings, bit for bit, on any
 *           machine: integers and a generator of our own, no libm beyond what is exact, no clock.
 * Model:    each patient has a baseline; a condition moves the vitals together as its severity
 *           grows and recedes (sepsis: heart rate, temperature and respiration up, pressure down);
 *           on top, swings over hours and minutes, together, and noise over seconds (first-order
 *           autoregressive), of sizes measured on recordings: simulator_fit.h.
 * Sensors:  what the monitor shows of it: motion artefacts on SpO2, a probe that is off (0 or
 *           nothing), a cuff every five minutes or an arterial line every second, temperature once
 *           a minute.  The ground truth knows which is which.
 * Faults:   simulator_add_faults() adds what else goes wrong at a bedside: a cuff measurement that fails,
 *           electrodes that come off, an arterial line that is flushed or opened to the air.  They have
 *           a generator of their own: the patients live the same life with and without.
 * Threads:  one. */
#ifndef INGEST_SIMULATOR_H
#define INGEST_SIMULATOR_H

#include "store/store.h"

struct simulator;

enum condition { CONDITION_STABLE, CONDITION_MODERATE, CONDITION_SEPSIS, CONDITION_HYPOXIA, CONDITION_BLEEDING,
                 CONDITION_ARRHYTHMIA, CONDITION_COUNT };
const char *condition_name(enum condition condition);

enum {
    TRUTH_MOTION = 1, TRUTH_SENSOR_OFF = 2,      /* SpO2 */
    TRUTH_CUFF = 4,                              /* a pressure was measured */
    TRUTH_CUFF_FAILED = 8,                       /* it was time, and the cuff gave nothing */
    TRUTH_LEADS_OFF = 16,                        /* heart rate and respiration: 0 or nothing */
    TRUTH_LINE_FLUSH = 32,                       /* the arterial line shows nonsense */
};
enum { TRUTH_MARK_COUNT = 6 };
const char *truth_mark_name(unsigned bit);       /* 0 … TRUTH_MARK_COUNT - 1: "motion" … */
struct truth {
    int64_t time_us;
    enum condition condition;
    int severity_permille;               /* 0: none yet, 1000: in full */
    int32_t value_milli[VITAL_COUNT];    /* of the patient, whatever the sensor shows */
    unsigned marks;                      /* TRUTH_* */
};

/* Whose patients: of a ward to look at (one in three beds is not well, all within what a ward sees), or as
 * different from each other, and as rarely in a crisis, as those of the recordings. */
enum simulator_mix { MIX_WARD, MIX_RECORDED, MIX_COUNT };
struct simulator *simulator_new(uint32_t patients, uint64_t seed);  /* MIX_WARD */
struct simulator *simulator_new_mix(uint32_t patients, uint64_t seed, enum simulator_mix mix);
/* Before the first step. */
void simulator_add_faults(struct simulator *simulator);
void simulator_free(struct simulator *simulator);
uint32_t simulator_count(const struct simulator *simulator);
/* Who patient `index` (0 …) is: P001 in ICU-101 and so on; `number` is left 0. */
void simulator_person(const struct simulator *simulator, uint32_t index, struct patient_row *out);
/* One second of one patient.  `patient` and `source` of the reading are left 0.  `truth` may be NULL. */
void simulator_step(struct simulator *simulator, uint32_t index, int64_t time_us, struct reading *out,
                    struct truth *truth);
/* As a monitor shows it: whole numbers, temperature in tenths. */
int32_t vital_shown(int vital, int32_t milli);
/* A minute of one patient that nobody looks at: what sixty steps do to the patient, sensors aside, much faster. */
void simulator_pass_minute(struct simulator *simulator, uint32_t index);

#endif
