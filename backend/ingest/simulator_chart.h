/* simulator_chart.h - simulated patients, written down as the recordings' patients are.
 *
 * A nurse or a monitor charts a row now and then; in it some vitals are missing, for a row or for a stretch,
 * some patients never have one of them, temperature has a schedule, some values are means of several or
 * nonsense.  How often is measured: charting_fits in simulator_fit.h.
 * Pressure and temperature are taken when the row is written, not when the simulator's own cuff is due.
 * Repeats:  the same simulator and seed give the same rows.   Threads: one. */
#ifndef INGEST_SIMULATOR_CHART_H
#define INGEST_SIMULATOR_CHART_H

#include "ingest/simulator.h"
#include "ingest/simulator_fit.h"

struct simulator_chart {
    const struct charting_fit *fit;
    struct simulator *simulator;
    uint32_t bed;
    int interval_s;                      /* 0: as the fit says */
    int64_t time_us;
    uint64_t random;
    unsigned never, missing;             /* bit per vital */
    int every[VITAL_COUNT], row;
};

/* `interval_s` 0: the style's own.  A style whose patients never have some vitals is drawn once per chart. */
void simulator_chart_begin(struct simulator_chart *chart, enum charting_style style, int interval_s,
                           struct simulator *simulator, uint32_t bed, int64_t start_us, uint64_t seed);
/* Lives on to the next row and writes it; the row may hold nothing. */
void simulator_chart_next(struct simulator_chart *chart, struct reading *out);

bool charting_style_find(const char *name, enum charting_style *out);

#endif
