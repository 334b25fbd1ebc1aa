/* summary_test_helper.h - small windows for the tests of facts, writer, model input and guard. */
#ifndef CLINICAL_SUMMARY_TEST_HELPER_H
#define CLINICAL_SUMMARY_TEST_HELPER_H

#include "base/clock.h"
#include "clinical/facts.h"

/* 2026-11-23T12:56:00Z */
#define T0 INT64_C(1795438560000000)
#define MINUTE(n) (T0 + (n) * US_PER_MIN)

/* heart rate, SpO2, systolic, diastolic, temperature in tenths, respiratory rate; 0: not measured */
static inline struct reading reading_of(int minute, int hr, int spo2, int systolic, int diastolic, int temp_deci,
                                        int resp)
{
    const int values[VITAL_COUNT] = { hr * 1000, spo2 * 1000, systolic * 1000, diastolic * 1000, temp_deci * 100,
                                      resp * 1000 };
    struct reading reading = { .time_us = MINUTE(minute), .patient = 1, .source = 1 };
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        reading.value_milli[vital] = values[vital] ? values[vital] : VITAL_ABSENT;
    reading_mark_implausible(&reading);
    return reading;
}

static inline struct window window_of(const struct reading *readings, size_t count, const struct alert *alerts,
                                      size_t alert_count)
{
    return (struct window){ .patient = 1, .from_us = readings[0].time_us,
                            .to_us = readings[count - 1].time_us + US_PER_S,
                            .readings = readings, .reading_count = count, .alerts = alerts,
                                .alert_count = alert_count };
}

static inline struct alert alert_of(enum alert_type type, enum alert_severity severity, int onset, int end,
                                    int32_t peak_milli, int peak_at)
{
    return (struct alert){ .patient = 1, .type = (uint8_t)type, .severity = (uint8_t)severity,
                           .onset_us = MINUTE(onset),
                           .end_us = end ? MINUTE(end) : 0, .state = (uint8_t)(end ? ALERT_CLOSED : ALERT_ACTIVE),
                           .peak_milli = peak_milli, .peak_us = peak_milli == VITAL_ABSENT ? 0 : MINUTE(peak_at) };
}

#endif
