#include "ingest/simulator_chart.h"

#include "base/clock.h"
#include "base/random.h"

#include <string.h>

enum { MINUTE_S = 60 };

static uint32_t below(struct simulator_chart *chart, uint32_t n)
{
    return (uint32_t)(random_next(&chart->random) >> 20) % n;
}

static bool permille(struct simulator_chart *chart, int of_1000)
{
    return (int)below(chart, 1000) < of_1000;
}

bool charting_style_find(const char *name, enum charting_style *out)
{
    for (int style = 0; style < CHARTING_COUNT; style++)
        if (strcmp(charting_fits[style].name, name) == 0) {
            *out = (enum charting_style)style;
            return true;
        }
    return false;
}

void simulator_chart_begin(struct simulator_chart *chart, enum charting_style style, int interval_s,
                           struct simulator *simulator, uint32_t bed, int64_t start_us, uint64_t seed)
{
    const struct charting_fit *fit = &charting_fits[style];
    *chart = (struct simulator_chart){ .fit = fit, .simulator = simulator, .bed = bed, .interval_s = interval_s,
                                       .time_us = start_us, .random = seed * 0x2545f4914f6cdd1du + bed };
    for (int vital = 0; vital < VITAL_COUNT; vital++) {
        chart->never |= permille(chart, fit->never[vital]) ? 1u << vital : 0u;
        chart->every[vital] = fit->every[vital][below(chart, CHARTING_EVERY)];
    }
    if (chart->never >> VITAL_SYSTOLIC & 1)
        chart->never |= 1u << VITAL_DIASTOLIC;
    chart->row = (int)below(chart, 12); /* the schedules of a ward do not begin together */
}

/* What is measured when the row is written: sensors as they show, pressure and temperature taken now. */
static void live_on(struct simulator_chart *chart, int seconds, struct reading *out)
{
    struct truth truth;
    for (; seconds >= 2 * MINUTE_S; seconds -= MINUTE_S, chart->time_us += MINUTE_S * US_PER_S)
        simulator_pass_minute(chart->simulator, chart->bed);
    for (; seconds > 0; seconds--, chart->time_us += US_PER_S)
        simulator_step(chart->simulator, chart->bed, chart->time_us, out, &truth);
    for (int vital = VITAL_SYSTOLIC; vital <= VITAL_TEMPERATURE; vital++)
        if (out->value_milli[vital] == VITAL_ABSENT && !(truth.marks & TRUTH_CUFF_FAILED && vital != VITAL_TEMPERATURE))
            out->value_milli[vital] = vital_shown(vital, truth.value_milli[vital]);
}

static bool is_missing(struct simulator_chart *chart, int vital)
{
    const struct charting_fit *fit = chart->fit;
    unsigned bit = 1u << vital;
    bool gap = permille(chart, chart->missing & bit ? fit->stay[vital] : fit->begin[vital]);
    chart->missing = gap ? chart->missing | bit : chart->missing & ~bit;
    bool due = !chart->every[vital] || chart->row % chart->every[vital] == 0;
    return gap || !due || chart->never & bit || (vital == VITAL_DIASTOLIC && chart->missing >> VITAL_SYSTOLIC & 1);
}

/* A mean of two is half a unit off; a temperature that was Fahrenheit has hundredths; a device writes 0. */
static void blemish(struct simulator_chart *chart, int vital, int32_t *milli)
{
    if (vital == VITAL_TEMPERATURE && permille(chart, chart->fit->hundredth))
        *milli += (int32_t)below(chart, 10) * 10;
    else if (vital != VITAL_TEMPERATURE && permille(chart, chart->fit->half) && *milli && *milli < 100000)
        *milli += 500;
    if ((int)below(chart, 100000) < chart->fit->nonsense[vital])
        *milli = 0;
}

/* The laboratory's saturation: where a probe shows 97 or more it is 98 in half of the samples and hardly ever
 * 100 (SaO2 of Challenge 2012; tools/fit-simulator.py). */
static int32_t of_blood(struct simulator_chart *chart, int32_t milli)
{
    static const int8_t high[] = { 97, 97, 97, 97, 97, 97, 98, 98, 98, 98, 98, 98, 98, 98, 98, 98, 99, 99, 99, 99 };
    return milli < 97000 ? milli : high[below(chart, sizeof high)] * 1000;
}

void simulator_chart_next(struct simulator_chart *chart, struct reading *out)
{
    const struct charting_fit *fit = chart->fit;
    int own_s = fit->interval_s_per[below(chart, CHARTING_INTERVALS)] * fit->unit_s;
    int interval_s = chart->interval_s ? chart->interval_s : own_s;
    bool empty = permille(chart, fit->empty), alone = permille(chart, fit->alone);
    live_on(chart, interval_s, out);
    chart->row++;
    for (int vital = 0; vital < VITAL_COUNT; vital++) {
        if (empty || (alone ? vital != VITAL_SPO2 : is_missing(chart, vital)))
            out->value_milli[vital] = VITAL_ABSENT;
        else if (out->value_milli[vital] == 0) /* nobody charts a sensor that is off */
            out->value_milli[vital] = VITAL_ABSENT;
        else if (out->value_milli[vital] != VITAL_ABSENT)
            blemish(chart, vital, &out->value_milli[vital]);
    }
    if (alone)
        out->value_milli[VITAL_SPO2] = of_blood(chart, out->value_milli[VITAL_SPO2]);
    out->implausible = 0;
    reading_mark_implausible(out);
}
