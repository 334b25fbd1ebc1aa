#include "ingest/simulator.h"

#include "base/mem.h"
#include "base/str.h"

#include <stdio.h>

enum { CUFF_EVERY_S = 300, TEMPERATURE_EVERY_S = 60, FULL = 1000 };

static const char *const condition_names[CONDITION_COUNT] = { "stable", "moderate", "sepsis", "hypoxia", "bleeding", "arrhythmia" };

/* How far a condition in full moves each vital from the baseline, and how long it takes to come.
 * Directions: Singer 2016 (Sepsis-3), ATLS 10th ed. (haemorrhage class III), RCP NEWS2 2017; sizes are
 * chosen so that a condition in full reaches the critical limits of clinical.md. */
static const struct course {
    int32_t shift_milli[VITAL_COUNT];
    int onset_s, hold_s;                 /* to grow, and to stay, at the median */
} courses[CONDITION_COUNT] = {
    /* clang-format off */
    /*                        HR      SpO2    SBP     DBP     T     RR                     */
    [CONDITION_STABLE]     = { {     0,     0,      0,      0,    0,     0 },  600, 3600 },
    [CONDITION_MODERATE]   = { { 30000, -3000,  18000,  10000,  900,  6000 },   60, 1800 },
    [CONDITION_SEPSIS]     = { { 58000, -7000, -42000, -24000, 2400, 15000 }, 1800, 2400 },
    [CONDITION_HYPOXIA]    = { { 26000,-12000,  12000,   6000,    0, 13000 },  300,  900 },
    [CONDITION_BLEEDING]   = { { 55000, -3000, -50000, -26000, -700, 10000 }, 1200, 1800 },
    [CONDITION_ARRHYTHMIA] = { { 70000, -2000, -22000, -12000,    0,  4000 },   20,  400 },
    /* clang-format on */
};

/* Beat-to-beat noise (one standard deviation) and slow drift, thousandths.  Source: the spread of
 * second-to-second differences in 33 BIDMC recordings (Pimentel 2016): HR about 1, SpO2 0.3, RR 0.8. */
static const int32_t noise_milli[VITAL_COUNT] = { 900, 250, 2200, 1500, 20, 700 };

struct bed {
    uint64_t random;
    int32_t base_milli[VITAL_COUNT], drift_milli[VITAL_COUNT];
    enum condition condition;
    int severity, step_s, phase_left_s;  /* severity in thousandths; +1 growing, 0 holding, -1 receding */
    int direction;
    int motion_left_s, off_left_s;
    bool off_as_zero, arterial_line;
    uint64_t fault_random;
    int leads_left_s, flush_left_s;
    bool leads_as_zero, flush_as_zero;
};

struct simulator {
    uint32_t count;
    uint64_t seed;
    bool faults;
    struct bed beds[];
};

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static int32_t between(uint64_t *state, int32_t low, int32_t high)
{
    return low + (int32_t)(next_random(state) % (uint64_t)(high - low + 1));
}

/* About normal, standard deviation `size`: the sum of four uniform numbers. */
static int32_t noise(uint64_t *state, int32_t size)
{
    int64_t sum = 0;
    for (int i = 0; i < 4; i++)
        sum += between(state, -1000, 1000);
    return (int32_t)(sum * size / 1155); /* a uniform number of [-1000, 1000] has 577; four have 1155 */
}

static bool one_in(uint64_t *state, uint32_t n)
{
    return next_random(state) % n == 0;
}

const char *truth_mark_name(unsigned bit)
{
    static const char *const names[TRUTH_MARK_COUNT] = { "motion", "sensor_off", "cuff", "cuff_failed", "leads_off", "line_flush" };
    return names[bit];
}

const char *condition_name(enum condition condition)
{
    return condition_names[condition];
}

static void begin_condition(struct bed *bed, enum condition condition)
{
    bed->condition = condition;
    bed->direction = condition == CONDITION_STABLE ? 0 : 1;
    bed->phase_left_s = courses[condition].hold_s / 2 + between(&bed->random, 0, courses[condition].hold_s);
}

/* The default ward begins with something to see: every third bed is not well. */
static enum condition first_condition(uint32_t index)
{
    static const enum condition order[] = { CONDITION_MODERATE, CONDITION_STABLE, CONDITION_STABLE, CONDITION_HYPOXIA,
                                            CONDITION_STABLE, CONDITION_STABLE, CONDITION_SEPSIS, CONDITION_STABLE,
                                            CONDITION_STABLE, CONDITION_ARRHYTHMIA };
    return order[index % (sizeof order / sizeof *order)];
}

static void init_bed(struct bed *bed, uint64_t seed, uint32_t index)
{
    static const int32_t low[VITAL_COUNT] = { 64000, 96000, 108000, 64000, 36500, 13000 };
    static const int32_t high[VITAL_COUNT] = { 86000, 98500, 128000, 78000, 37200, 18000 };
    bed->random = seed * 0x2545f4914f6cdd1du + index;
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        bed->base_milli[vital] = between(&bed->random, low[vital], high[vital]);
    bed->arterial_line = index % 3 == 0;
    begin_condition(bed, first_condition(index));
    /* Some beds are well into it when the ward opens. */
    if (bed->condition == CONDITION_MODERATE)
        bed->severity = FULL;
    else if (bed->condition == CONDITION_ARRHYTHMIA)
        bed->severity = FULL / 2;
}

struct simulator *simulator_new(uint32_t patients, uint64_t seed)
{
    struct simulator *simulator = mem_new(1, sizeof *simulator + patients * sizeof(struct bed));
    simulator->count = patients;
    simulator->seed = seed;
    for (uint32_t i = 0; i < patients; i++)
        init_bed(&simulator->beds[i], seed, i);
    return simulator;
}

void simulator_add_faults(struct simulator *simulator)
{
    simulator->faults = true;
    for (uint32_t i = 0; i < simulator->count; i++)
        simulator->beds[i].fault_random = simulator->seed * 0x9e3779b97f4a7c15u + i * 0x2545f4914f6cdd1du + 1;
}

void simulator_free(struct simulator *simulator)
{
    mem_free(simulator);
}

uint32_t simulator_count(const struct simulator *simulator)
{
    return simulator->count;
}

void simulator_person(const struct simulator *simulator, uint32_t index, struct patient_row *out)
{
    static const char *const given[] = { "Ada", "Ben", "Chidi", "Dana", "Elif", "Farid", "Grace", "Hugo", "Ines", "Jun", "Kofi", "Lena", "Mila", "Noor", "Omar", "Petra" };
    static const char *const family[] = { "Adler", "Baker", "Costa", "Diallo", "Evans", "Fischer", "Garcia", "Hansen", "Ito", "Jensen", "Kaya", "Lopez", "Mensah", "Novak", "Okafor", "Patel", "Rossi", "Silva" };
    static const char *const diagnoses[] = { "Pneumonia", "Post-operative care", "Heart failure", "COPD exacerbation", "Urinary sepsis", "Gastrointestinal bleeding", "Atrial fibrillation", "Stroke", "Diabetic ketoacidosis", "Trauma" };
    static const char *const physicians[] = { "Dr. Amara Reyes", "Dr. Tomas Lind", "Dr. Wei Chen", "Dr. Sofia Marino" };
    uint64_t random = simulator->seed * 31 + index * 7919u + 17;
    *out = (struct patient_row){ .simulated = true };
    (void)snprintf(out->id, sizeof out->id, "P%03u", index + 1);
    (void)snprintf(out->bed, sizeof out->bed, "ICU-%u", 101 + index);
    (void)snprintf(out->name, sizeof out->name, "%s %s", given[next_random(&random) % 16], family[next_random(&random) % 18]);
    (void)str_copy(out->gender, sizeof out->gender, next_random(&random) % 2 ? "female" : "male");
    (void)str_copy(out->diagnosis, sizeof out->diagnosis, diagnoses[next_random(&random) % 10]);
    (void)str_copy(out->physician, sizeof out->physician, physicians[next_random(&random) % 4]);
    out->age = (int16_t)between(&random, 24, 91);
}

/* ---- one second ---- */

static enum condition next_condition(struct bed *bed)
{
    /* Most of the time a bed is stable: about one in three changes leads into trouble. */
    static const enum condition often[] = { CONDITION_STABLE, CONDITION_STABLE, CONDITION_STABLE, CONDITION_STABLE, CONDITION_MODERATE,
                                            CONDITION_SEPSIS, CONDITION_HYPOXIA, CONDITION_BLEEDING, CONDITION_ARRHYTHMIA };
    return often[next_random(&bed->random) % (sizeof often / sizeof *often)];
}

static void evolve(struct bed *bed)
{
    const struct course *course = &courses[bed->condition];
    if (bed->direction) {
        /* Fractions of a thousandth per second are carried by chance, so that slow onsets work. */
        int step = FULL / course->onset_s + (between(&bed->random, 0, course->onset_s - 1) < FULL % course->onset_s);
        bed->severity += bed->direction * step;
        if (bed->severity >= FULL || bed->severity <= 0) {
            bed->severity = bed->severity >= FULL ? FULL : 0;
            bool over = bed->direction < 0;
            bed->direction = 0;
            if (over)
                begin_condition(bed, CONDITION_STABLE);
        }
        return;
    }
    if (--bed->phase_left_s > 0)
        return;
    if (bed->condition == CONDITION_STABLE)
        begin_condition(bed, next_condition(bed));
    else
        bed->direction = -1; /* treated: it recedes */
}

static int32_t limit(int32_t value, int32_t low, int32_t high)
{
    return value < low ? low : value > high ? high : value;
}

static int32_t true_value(struct bed *bed, int vital)
{
    int32_t shift = (int32_t)((int64_t)courses[bed->condition].shift_milli[vital] * bed->severity / FULL);
    /* drift' = 0.98 drift + noise: correlated over about a minute */
    bed->drift_milli[vital] = (int32_t)((int64_t)bed->drift_milli[vital] * 98 / 100) + noise(&bed->random, noise_milli[vital] / 3);
    int32_t jitter = noise(&bed->random, noise_milli[vital] / 2);
    if (bed->condition == CONDITION_ARRHYTHMIA && vital == VITAL_HEART_RATE)
        jitter += noise(&bed->random, (int32_t)((int64_t)8000 * bed->severity / FULL));
    int32_t value = bed->base_milli[vital] + shift + bed->drift_milli[vital] + jitter;
    return limit(value, vital_infos[vital].plausible_min_milli, vital_infos[vital].plausible_max_milli);
}

/* Monitors show whole numbers, temperature tenths. */
static int32_t shown(int vital, int32_t milli)
{
    int32_t unit = vital == VITAL_TEMPERATURE ? 100 : 1000;
    return (milli + unit / 2) / unit * unit;
}

static unsigned artefacts(struct bed *bed)
{
    /* Per bed: motion some times an hour, a probe off every few hours. */
    if (!bed->motion_left_s && one_in(&bed->random, 1200))
        bed->motion_left_s = between(&bed->random, 3, 12);
    if (!bed->off_left_s && one_in(&bed->random, 7200)) {
        bed->off_left_s = between(&bed->random, 20, 120);
        bed->off_as_zero = one_in(&bed->random, 2);
    }
    unsigned marks = (bed->motion_left_s ? TRUTH_MOTION : 0u) | (bed->off_left_s ? TRUTH_SENSOR_OFF : 0u);
    bed->motion_left_s -= bed->motion_left_s > 0;
    bed->off_left_s -= bed->off_left_s > 0;
    return marks;
}

static void show(struct bed *bed, const struct truth *truth, bool cuff, bool temperature, struct reading *out)
{
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        out->value_milli[vital] = shown(vital, truth->value_milli[vital]);
    if (!cuff)
        out->value_milli[VITAL_SYSTOLIC] = out->value_milli[VITAL_DIASTOLIC] = VITAL_ABSENT;
    if (!temperature)
        out->value_milli[VITAL_TEMPERATURE] = VITAL_ABSENT;
    if (truth->marks & TRUTH_MOTION)
        out->value_milli[VITAL_SPO2] = limit(out->value_milli[VITAL_SPO2] - shown(VITAL_SPO2, between(&bed->random, 2000, 14000)), 60000, 100000);
    if (truth->marks & TRUTH_SENSOR_OFF)
        out->value_milli[VITAL_SPO2] = bed->off_as_zero ? 0 : VITAL_ABSENT;
}

/* How often: a cuff in twelve fails; electrodes come off every few hours, a line is flushed a little
 * more often, as nurses do after drawing blood.  Goerges 2009 and Drew 2014 give such causes, no rates. */
enum { CUFF_FAILS_ONE_IN = 12, LEADS_OFF_EVERY_S = 10800, FLUSH_EVERY_S = 7200 };

static void begin_faults(struct bed *bed)
{
    if (!bed->leads_left_s && one_in(&bed->fault_random, LEADS_OFF_EVERY_S)) {
        bed->leads_left_s = between(&bed->fault_random, 10, 90);
        bed->leads_as_zero = one_in(&bed->fault_random, 2);
    }
    if (bed->arterial_line && !bed->flush_left_s && one_in(&bed->fault_random, FLUSH_EVERY_S)) {
        bed->flush_left_s = between(&bed->fault_random, 3, 15);
        bed->flush_as_zero = one_in(&bed->fault_random, 2);
    }
}

static void show_faults(struct bed *bed, struct truth *truth, struct reading *out)
{
    begin_faults(bed);
    if (bed->leads_left_s > 0) {
        bed->leads_left_s--;
        truth->marks |= TRUTH_LEADS_OFF;
        out->value_milli[VITAL_HEART_RATE] = out->value_milli[VITAL_RESPIRATORY] = bed->leads_as_zero ? 0 : VITAL_ABSENT;
    }
    if (bed->flush_left_s > 0) { /* the pump's 300 mmHg, or open to the air */
        bed->flush_left_s--;
        truth->marks |= TRUTH_LINE_FLUSH;
        out->value_milli[VITAL_SYSTOLIC] = out->value_milli[VITAL_DIASTOLIC] = bed->flush_as_zero ? 0 : 300000;
    }
    if (!bed->arterial_line && (truth->marks & TRUTH_CUFF) && one_in(&bed->fault_random, CUFF_FAILS_ONE_IN)) {
        truth->marks = (truth->marks & ~(unsigned)TRUTH_CUFF) | TRUTH_CUFF_FAILED;
        out->value_milli[VITAL_SYSTOLIC] = out->value_milli[VITAL_DIASTOLIC] = VITAL_ABSENT;
    }
}

void simulator_step(struct simulator *simulator, uint32_t index, int64_t time_us, struct reading *out, struct truth *truth)
{
    struct bed *bed = &simulator->beds[index];
    struct truth own;
    truth = truth ? truth : &own;
    evolve(bed);
    *truth = (struct truth){ .time_us = time_us, .condition = bed->condition, .severity_permille = bed->severity };
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        truth->value_milli[vital] = true_value(bed, vital);
    truth->marks = artefacts(bed);
    int phase_s = bed->step_s++ + (int)(index % 60); /* cuffs of a ward do not inflate together */
    bool cuff = bed->arterial_line || phase_s % CUFF_EVERY_S == 0 || bed->step_s == 1;
    truth->marks |= cuff ? TRUTH_CUFF : 0u;
    *out = (struct reading){ .time_us = time_us, .flags = READING_SIMULATED };
    show(bed, truth, cuff, phase_s % TEMPERATURE_EVERY_S == 0 || bed->step_s == 1, out);
    if (simulator->faults)
        show_faults(bed, truth, out);
    reading_mark_implausible(out);
}
