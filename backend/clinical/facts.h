/* facts.h - what a window of one patient's readings and alerts says, as facts that can be proven.
 *
 * Window:   readings in order of time (usable values only count) and the alerts that were open in it.
 *           No name, no diagnosis: a writer, or a model, never sees who the patient is.
 * Trend:    the least-squares line over the window; a vital moved when the line's ends differ by more
 *           than its threshold (facts.c), so that noise is "stable" and a slow drift is not, and its
 *           first and last value show it too.  What swings widely without a direction is "variable":
 *           never "stable".
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

static inline bool window_has_alert(const struct window *window, const struct alert *alert)
{
    return alert->onset_us < window->to_us && (alert->state != ALERT_CLOSED || alert->end_us >= window->from_us);
}

enum trend { TREND_STABLE, TREND_RISING, TREND_FALLING, TREND_VARIABLE };

/* A value and the reading it stands in. */
struct fact_value {
    int32_t milli;
    int32_t other_milli;                 /* systolic: the diastolic beside it, else VITAL_ABSENT */
    int64_t time_us;
    uint16_t source;
};

struct vital_fact {
    uint32_t count, implausible;         /* usable values; marked ones */
    struct fact_value first, last, min, max;
    bool beyond;                         /* some value was beyond a warning limit */
    enum trend trend;
};

/* An open alert, or those of one type and severity that are over and closed, as one. */
struct alert_fact {
    enum alert_type type;
    enum alert_severity severity;
    enum alert_state state;
    uint64_t members;                    /* bit per alert of the window */
    int count;
    uint8_t lost;                        /* sensor */
    bool acknowledged;
    int64_t onset_us, end_us;            /* earliest onset, latest end; end 0: it goes on */
    bool has_peak;
    struct fact_value peak;              /* the worst value known; none where an earlier, worse one may exist */
};
enum { WINDOW_ALERTS_MAX = 64 };         /* more are not looked at: a bit of `members` each */

struct facts {
    const struct window *window;
    const struct alarm_limits *limits;
    struct alert_fact alert[WINDOW_ALERTS_MAX]; /* open before over, critical before warning, else by onset */
    int alert_count;
    struct vital_fact vital[VITAL_COUNT]; /* count 0: nothing was measured */
    struct news2 news2;                   /* from the last values */
};

void facts_make(const struct window *window, const struct alarm_limits *limits, struct facts *out);
/* The worst value of an alert's condition.  A stored alert's own peak is that of its last change, so for one
 * that is open the window's readings count too; one that is open since before the window has none: what
 * happened between its last change and the window is not known here. */
bool facts_alert_peak(const struct window *window, const struct alert *alert, struct fact_value *out);
const char *trend_name(enum trend trend);
bool facts_same_minute(int64_t a_us, int64_t b_us);     /* of one day: told as one time */
int32_t facts_moved_milli(enum vital vital); /* a change of less is noise */
/* Every value of the vital was inside the warning limits. */
bool facts_vital_normal(const struct facts *facts, enum vital vital);
/* No physiological alarm, nothing beyond a warning limit, nothing moved or swung; something was measured twice. */
bool facts_patient_stable(const struct facts *facts);

#endif
