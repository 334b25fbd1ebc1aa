#include "clinical/news2.h"

#include <limits.h>

struct band {
    int from, to, score;
};
enum { BANDS_MAX = 8 };

/* Read off chart 1 from left to right; temperature in tenths.  The last row of each is marked by INT_MAX. */
static const struct band bands[NEWS2_INPUT_COUNT][BANDS_MAX] = {
    /* clang-format off */
    [NEWS2_RESPIRATORY] = { {0, 8, 3}, {9, 11, 1}, {12, 20, 0}, {21, 24, 2}, {25, INT_MAX, 3} },
    [NEWS2_SPO2]        = { {0, 91, 3}, {92, 93, 2}, {94, 95, 1}, {96, INT_MAX, 0} },
    [NEWS2_SYSTOLIC]    = { {0, 90, 3}, {91, 100, 2}, {101, 110, 1}, {111, 219, 0}, {220, INT_MAX, 3} },
    [NEWS2_PULSE]       = { {0, 40, 3}, {41, 50, 1}, {51, 90, 0}, {91, 110, 1}, {111, 130, 2}, {131, INT_MAX, 3} },
    [NEWS2_TEMPERATURE] = { {0, 350, 3}, {351, 360, 1}, {361, 380, 0}, {381, 390, 1}, {391, INT_MAX, 2} },
    /* clang-format on */
};
static const struct band spo2_scale2_air[] = { { 0, 83, 3 }, { 84, 85, 2 }, { 86, 87, 1 }, { 88, INT_MAX, 0 } };
static const struct band spo2_scale2_oxygen[] = {
    { 0, 83, 3 }, { 84, 85, 2 }, { 86, 87, 1 }, { 88, 92, 0 }, { 93, 94, 1 }, { 95, 96, 2 }, { 97, INT_MAX, 3 },
};

static int look_up(const struct band *rows, int value)
{
    while (value > rows->to)
        rows++;
    return rows->score;
}

int news2_vital_score(enum news2_input input, int32_t value_milli, int spo2_scale, bool on_oxygen)
{
    int value = input == NEWS2_TEMPERATURE ? (value_milli + 50) / 100 : (value_milli + 500) / 1000;
    if (input == NEWS2_SPO2 && spo2_scale == 2)
        return look_up(on_oxygen ? spo2_scale2_oxygen : spo2_scale2_air, value);
    return look_up(bands[input], value);
}

/* What one input can contribute at least and at most. */
struct range {
    int low, high;
};

static struct range vital_range(enum news2_input input, int32_t value_milli, const struct alarm_limits *limits)
{
    if (value_milli == VITAL_ABSENT)
        return (struct range){ 0, 3 };
    if (input != NEWS2_SPO2 || limits->spo2_scale != 2 || limits->on_oxygen != 2) {
        int score = news2_vital_score(input, value_milli, limits->spo2_scale, limits->on_oxygen == 1);
        return (struct range){ score, score };
    }
    int air = news2_vital_score(input, value_milli, 2, false), oxygen = news2_vital_score(input, value_milli, 2, true);
    return (struct range){ air < oxygen ? air : oxygen, air > oxygen ? air : oxygen };
}

static enum news2_band band_of(int total, bool single_three)
{
    return total >= 7 ? NEWS2_HIGH : total >= 5 ? NEWS2_MEDIUM : single_three ? NEWS2_LOW_MEDIUM : NEWS2_LOW;
}

static void add(struct news2 *out, enum news2_input input, struct range range, bool missing)
{
    out->low = (uint8_t)(out->low + range.low);
    out->high = (uint8_t)(out->high + range.high);
    if (missing)
        out->missing |= (uint8_t)(1u << input);
    else if (range.low == 3)
        out->single_three = true;
}

struct news2 news2_score(const int32_t value_milli[VITAL_COUNT], const struct alarm_limits *limits)
{
    static const struct { enum news2_input input; enum vital vital; } vitals[] = {
        { NEWS2_RESPIRATORY, VITAL_RESPIRATORY }, { NEWS2_SPO2, VITAL_SPO2 }, { NEWS2_SYSTOLIC, VITAL_SYSTOLIC },
        { NEWS2_PULSE, VITAL_HEART_RATE }, { NEWS2_TEMPERATURE, VITAL_TEMPERATURE },
    };
    struct news2 out = { .scale = limits->spo2_scale };
    for (unsigned i = 0; i < sizeof vitals / sizeof *vitals; i++) {
        int32_t value = value_milli[vitals[i].vital];
        struct range range = vital_range(vitals[i].input, value, limits);
        if (value == VITAL_ABSENT && vitals[i].input == NEWS2_TEMPERATURE)
            range.high = 3; /* <= 35.0 scores 3 */
        add(&out, vitals[i].input, range, value == VITAL_ABSENT);
    }
    bool oxygen_known = limits->on_oxygen != 2, alert_known = limits->consciousness != 0;
    int oxygen = limits->on_oxygen == 1 ? 2 : 0, confused = limits->consciousness == 'A' ? 0 : 3;
    add(&out, NEWS2_OXYGEN, oxygen_known ? (struct range){ oxygen, oxygen } : (struct range){ 0, 2 }, !oxygen_known);
    add(&out, NEWS2_CONSCIOUSNESS, alert_known ? (struct range){ confused, confused } : (struct range){ 0, 3 },
        !alert_known);
    bool high_three = out.single_three || (out.missing & ~(1u << NEWS2_OXYGEN));
    enum news2_band low = band_of(out.low, out.single_three), high = band_of(out.high, high_three);
    out.band = (uint8_t)(low == high ? low : NEWS2_UNKNOWN);
    return out;
}

const char *news2_input_name(enum news2_input input)
{
    static const char *const names[] = { "respiratory", "spO2", "oxygen", "systolic", "heartRate", "consciousness",
                                         "temperature" };
    return names[input];
}

const char *news2_band_name(enum news2_band band)
{
    static const char *const names[] = { "low", "low-medium", "medium", "high", "unknown" };
    return names[band];
}
