/* simulator_fit.h - the simulator's numbers that were measured on recordings of real patients.
 *
 * Source:  tools/fit-simulator.py, which prints each of them from BIDMC (Pimentel 2016; one a second),
 *          the Challenges of 2012 and 2019 and the MIMIC-III demo (charted), and compares what the
 *          simulator makes of them with the recordings; docs/decisions/0014 has the result.
 * Model:   a patient's resting values are drawn together (between patients); they swing over hours and
 *          over minutes, together (within a patient), and shiver over seconds, each on its own.  All three
 *          are first-order autoregressive: after `_s` seconds a deviation has fallen to 1/e.
 * Charts:  how a nurse or a monitor writes it down: rows minutes apart, in which vitals are missing. */
#ifndef INGEST_SIMULATOR_FIT_H
#define INGEST_SIMULATOR_FIT_H

#include "clinical/vital.h"

enum { RESTING_POINTS = 7, SWING_MEDIUM_S = 1200 };
extern const int32_t resting_points_permille[RESTING_POINTS]; /* of a standard normal deviate, in thousandths */

struct vital_fit {
    int32_t resting_milli[RESTING_POINTS];       /* at 1, 10, 25, 50, 75, 90, 99 % of the patients */
    /* Standard deviations within the median patient; another's are in proportion to the resting value. */
    int32_t slow_milli, slow_s, medium_milli, fast_milli, fast_s;
    int32_t average_s;                           /* a monitor shows a running mean */
};
extern const struct vital_fit vital_fits[VITAL_COUNT];

/* Lower triangles that turn six independent normal deviates into correlated ones, in thousandths. */
extern const int16_t between_permille[VITAL_COUNT][VITAL_COUNT], within_permille[VITAL_COUNT][VITAL_COUNT];

enum charting_style { CHARTING_BIDMC, CHARTING_CHALLENGE2019, CHARTING_CHALLENGE2012, CHARTING_MIMIC, CHARTING_COUNT };

enum { CHARTING_INTERVALS = 10, CHARTING_EVERY = 5 };
struct charting_fit {
    const char *name;
    int16_t interval_s_per[CHARTING_INTERVALS];  /* between two rows, in `unit_s`; one of them each time */
    int32_t unit_s;
    /* Of a thousand: patients that never have it; rows that begin a gap in it, rows of a gap that go on with it. */
    int16_t never[VITAL_COUNT], begin[VITAL_COUNT], stay[VITAL_COUNT];
    int8_t every[VITAL_COUNT][CHARTING_EVERY];   /* scheduled each so many rows; one of them per patient; 0: each row */
    int16_t empty;                               /* rows that measured nothing, of a thousand */
    int16_t alone;                               /* SpO2 from a blood sample: rows with nothing else, of a thousand */
    int16_t half, hundredth;                     /* values that are means of two; temperatures off the tenth */
    int16_t nonsense[VITAL_COUNT];               /* implausible values, of 100,000 */
};
extern const struct charting_fit charting_fits[CHARTING_COUNT];

#endif
