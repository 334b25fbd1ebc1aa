/* facts.h - what a window of one patient's readings and alerts says, as facts that can be proven.
 *
 * Window:   readings in order of time (usable values only count) and the alerts that were open in it.
 *           No name, no diagnosis: a writer, or a model, never sees who the patient is.
 * Trend:    the least-squares line over the window; a vital moved when the line's ends differ by more
 *           than its threshold (facts.c), so that noise is "stable" and a slow drift is not.
 * Units:    vital.h's thousandths.   Threads: pure. */
#ifndef CLINICAL_FACTS_H
#define CLINICAL_FACTS_H

#include "clinical/alarm.h"
#include "clinical/news2.h"

#include <stddef.h>

struct window {
    uint32_t patient;
    int64_t from_us, to_us;
    const struct reading *readings;
    size_t reading_count;
    const struct alert *alerts;          /* open at `to`, or ended within the window */
    size_t alert_count;
};

enum trend { TREND_STABLE, TREND_RISING, TREND_FALLING };

/* A value and the reading it stands in. */
struct fact_value {
    int32_t milli;
    int64_t time_us;
    uint16_t source;
};

struct vital_fact {
    uint32_t count, implausible;         /* usable values; marked ones */
    struct fact_value first, last, min, max;
    enum trend trend;
};

struct facts {
    const struct window *window;
    struct vital_fact vital[VITAL_COUNT]; /* count 0: nothing was measured */
    struct news2 news2;                   /* from the last values */
};

void facts_make(const struct window *window, const struct alarm_limits *limits, struct facts *out);
bool facts_has_value(const struct facts *facts, enum vital vital, int32_t milli); /* some reading shows it */
const char *trend_name(enum trend trend);

#endif
