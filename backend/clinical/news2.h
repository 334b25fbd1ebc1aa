/* news2.h - the early warning score, as a range where inputs are missing or stale.
 *
 * Source:     Royal College of Physicians, National Early Warning Score (NEWS) 2, 2017, chart 1 (scores)
 *             and chart 2 (thresholds).  Adults of 16 and more, not in pregnancy.
 * Resolution: the chart's own: whole numbers, temperature to a tenth; values are rounded half up to it.
 * Honesty:    an input that is missing or stale contributes the lowest and the highest score its
 *             column allows; the result names it.  Never a single number from stale input. */
#ifndef CLINICAL_NEWS2_H
#define CLINICAL_NEWS2_H

#include "clinical/alarm_limits.h"

enum news2_input { NEWS2_RESPIRATORY, NEWS2_SPO2, NEWS2_OXYGEN, NEWS2_SYSTOLIC, NEWS2_PULSE, NEWS2_CONSCIOUSNESS,
                   NEWS2_TEMPERATURE, NEWS2_INPUT_COUNT };
enum news2_band { NEWS2_LOW, NEWS2_LOW_MEDIUM, NEWS2_MEDIUM, NEWS2_HIGH, NEWS2_UNKNOWN };

struct news2 {
    uint8_t low, high;             /* equal: the score */
    uint8_t scale;                 /* SpO2 scale, 1 or 2 */
    uint8_t missing;               /* bit per enum news2_input */
    uint8_t band;                  /* of both ends where they agree, else NEWS2_UNKNOWN */
    bool single_three;             /* one known parameter alone scores 3 */
};

/* values: VITAL_ABSENT where missing or stale. */
struct news2 news2_score(const int32_t value_milli[VITAL_COUNT], const struct alarm_limits *limits);
/* The score of one input, 0 to 3; oxygen matters for scale 2. */
int news2_vital_score(enum news2_input input, int32_t value_milli, int spo2_scale, bool on_oxygen);
const char *news2_input_name(enum news2_input input);   /* as in the API: "respiratory", "oxygen", … */
const char *news2_band_name(enum news2_band band);      /* "low", "low-medium", … */

#endif
