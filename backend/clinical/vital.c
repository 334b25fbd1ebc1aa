#include "clinical/vital.h"

#include "base/json.h"

/* accept_max: above what any bedside monitor can show.  Philips IntelliVue MP2/X2 instructions for
 * use, "Specifications": heart rate 15-350, SpO2 0-100, pressure -40-360, temperature -1-45,
 * respiration 0-170; a temperature in Fahrenheit (98.6) must be refused, never guessed.
 * plausible: outside, a sensor fault is more likely than a patient: below 30 mmHg systolic or 30 % SpO2
 * there is no pulse for a cuff or a finger probe to measure; 24 and 45 Cel bound what was survived. */
const struct vital_info vital_infos[VITAL_COUNT] = {
    /* clang-format off */
    [VITAL_HEART_RATE]  = { "heartRate",   "heart_rate",       "Heart rate",                "bpm",  0, 400000, 10000, 300000 },
    [VITAL_SPO2]        = { "spO2",        "spo2",             "Oxygen saturation",         "%",    0, 100000, 30000, 100000 },
    [VITAL_SYSTOLIC]    = { "systolic",    "systolic_bp",      "Systolic blood pressure",   "mmHg", 0, 400000, 30000, 300000 },
    [VITAL_DIASTOLIC]   = { "diastolic",   "diastolic_bp",     "Diastolic blood pressure",  "mmHg", 0, 400000, 10000, 200000 },
    [VITAL_TEMPERATURE] = { "temperature", "temperature",      "Temperature",               "°C",   1,  50000, 24000,  45000 },
    [VITAL_RESPIRATORY] = { "respiratory", "respiratory_rate", "Respiratory rate",          "/min", 0, 200000,  2000, 120000 },
    /* clang-format on */
};

void vital_put_json(struct json_writer *writer, const char *key, int32_t milli)
{
    if (milli == VITAL_ABSENT)
        json_put_null(writer, key);
    else
        json_put_decimal(writer, key, milli, 3);
}
