#include "clinical/reading.h"

const char *implausible_reason_name(enum implausible_reason reason)
{
    static const char *const names[] = { "plausible", "zero", "too low", "too high", "diastolic not below systolic" };
    return names[reason];
}

static bool pressures_crossed(const struct reading *reading)
{
    int32_t systolic = reading->value_milli[VITAL_SYSTOLIC], diastolic = reading->value_milli[VITAL_DIASTOLIC];
    return systolic != VITAL_ABSENT && diastolic != VITAL_ABSENT && diastolic >= systolic;
}

enum implausible_reason reading_vital_plausible(const struct reading *reading, enum vital vital)
{
    int32_t value = reading->value_milli[vital];
    if (value == VITAL_ABSENT)
        return PLAUSIBLE;
    if (value == 0)
        return IMPLAUSIBLE_ZERO;
    if (value < vital_infos[vital].plausible_min_milli)
        return IMPLAUSIBLE_LOW;
    if (value > vital_infos[vital].plausible_max_milli)
        return IMPLAUSIBLE_HIGH;
    if ((vital == VITAL_SYSTOLIC || vital == VITAL_DIASTOLIC) && pressures_crossed(reading))
        return IMPLAUSIBLE_PRESSURE;
    return PLAUSIBLE;
}

void reading_mark_implausible(struct reading *reading)
{
    reading->implausible = 0;
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        if (reading_vital_plausible(reading, (enum vital)vital) != PLAUSIBLE)
            reading->implausible |= (uint8_t)(1u << vital);
}

bool reading_is_empty(const struct reading *reading)
{
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        if (reading->value_milli[vital] != VITAL_ABSENT)
            return false;
    return true;
}
