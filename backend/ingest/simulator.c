#include "ingest/simulator.h"

#include "base/mem.h"
#include "base/random.h"
#include "base/str.h"
#include "ingest/simulator_fit.h"

#include <stdio.h>

enum { CUFF_EVERY_S = 300, TEMPERATURE_EVERY_S = 60, SWING_EVERY_S = 60, FULL = 1000, PULSE_MIN_MILLI = 8000 };

static const char *const condition_names[CONDITION_COUNT] = { "stable", "moderate", "sepsis", "hypoxia", "bleeding",
                                                              "arrhythmia" };

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

/* Who lies in the beds.  The recordings' patients have all the spread and, for days, few crises; a ward is
 * for looking at: patients from the middle of the spread, whose conditions come within the hour. */
static const struct mix {
    int resting_permille, swing_permille; /* of the recordings' spread between patients, and of their swings */
    int stable_factor;                   /* how much longer than courses[] says a patient stays stable */
    int peak_min_permille;               /* an episode reaches this severity to full */
    bool as_listed;                      /* the beds begin as first_condition() lists them */
} mixes[MIX_COUNT] = {
    [MIX_WARD]     = { 400, 400, 1, FULL, true },
    [MIX_RECORDED] = { FULL, FULL, 30, 200, false },
};

struct bed {
    uint64_t random;
    const struct mix *mix;
    int32_t base_milli[VITAL_COUNT], fast_micro[VITAL_COUNT], average_micro[VITAL_COUNT];
    int32_t medium_micro[VITAL_COUNT], slow_micro[VITAL_COUNT];
    int32_t swing_from_milli[VITAL_COUNT], swing_to_milli[VITAL_COUNT]; /* of this minute */
    int restless_permille;               /* how much of the fast noise is this patient's */
    enum condition condition;
    int severity, peak, step_s, phase_left_s; /* severity in thousandths */
    int direction;                       /* +1 growing, 0 holding, -1 receding */
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
    struct innovation { int32_t fast_micro, medium_micro, slow_micro; } innovations[VITAL_COUNT];
    struct bed beds[];
};

static int32_t between(uint64_t *state, int32_t low, int32_t high)
{
    return low + (int32_t)(random_next(state) % (uint64_t)(high - low + 1));
}

/* About normal, standard deviation `size`: the sum of four uniform numbers of 16 bits, which has 37837. */
static int32_t noise(uint64_t *state, int32_t size)
{
    uint64_t z = random_next(state);
    int64_t sum = -131070;
    for (int i = 0; i < 4; i++, z >>= 16)
        sum += (int64_t)(z & 0xffff);
    return (int32_t)(sum * size / 37837);
}

static void correlated(uint64_t *state, const int16_t triangle_permille[VITAL_COUNT][VITAL_COUNT],
                       int32_t out_permille[VITAL_COUNT])
{
    int32_t own[VITAL_COUNT];
    for (int i = 0; i < VITAL_COUNT; i++) {
        int32_t sum = 0;
        own[i] = noise(state, FULL);
        for (int j = 0; j <= i; j++)
            sum += triangle_permille[i][j] * own[j];
        out_permille[i] = sum / FULL;
    }
}

static int32_t limit(int32_t value, int32_t low, int32_t high)
{
    return value < low ? low : value > high ? high : value;
}

static bool one_in(uint64_t *state, uint32_t n)
{
    return random_next(state) % n == 0;
}

const char *truth_mark_name(unsigned bit)
{
    static const char *const names[TRUTH_MARK_COUNT] = { "motion", "sensor_off", "cuff", "cuff_failed", "leads_off",
                                                         "line_flush" };
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
    bed->peak = between(&bed->random, bed->mix->peak_min_permille, FULL);
    bed->phase_left_s = courses[condition].hold_s / 2 + between(&bed->random, 0, courses[condition].hold_s);
    if (condition == CONDITION_STABLE)
        bed->phase_left_s *= bed->mix->stable_factor;
}

/* The default ward begins with something to see: every third bed is not well. */
static enum condition first_condition(uint32_t index)
{
    static const enum condition order[] = { CONDITION_MODERATE, CONDITION_STABLE, CONDITION_STABLE, CONDITION_HYPOXIA,
                                            CONDITION_STABLE, CONDITION_STABLE, CONDITION_SEPSIS, CONDITION_STABLE,
                                            CONDITION_STABLE, CONDITION_ARRHYTHMIA };
    return order[index % (sizeof order / sizeof *order)];
}

/* The resting value of a patient `deviate` standard deviations from the median one: linear between the
 * measured points and beyond them. */
static int32_t resting(int vital, int32_t deviate_permille)
{
    const int32_t *milli = vital_fits[vital].resting_milli, *at = resting_points_permille;
    int i = 1;
    while (i < RESTING_POINTS - 1 && deviate_permille > at[i])
        i++;
    int64_t step = (int64_t)(milli[i] - milli[i - 1]) * (deviate_permille - at[i - 1]) / (at[i] - at[i - 1]);
    return milli[i - 1] + (int32_t)step;
}

static void swing(struct bed *bed, const struct innovation innovations[VITAL_COUNT]);

static void init_vitals(struct bed *bed, const struct innovation innovations[VITAL_COUNT])
{
    /* Root mean square 1; BIDMC's patients differ about so. */
    static const int restless[] = { 300, 500, 700, 900, 1300, 1700 };
    int32_t deviates[VITAL_COUNT];
    correlated(&bed->random, between_permille, deviates);
    for (int vital = 0; vital < VITAL_COUNT; vital++) {
        bed->base_milli[vital] = resting(vital, deviates[vital] * bed->mix->resting_permille / FULL);
        bed->medium_micro[vital] = noise(&bed->random, vital_fits[vital].medium_milli) * 1000;
    }
    correlated(&bed->random, within_permille, deviates);
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        bed->slow_micro[vital] = deviates[vital] * vital_fits[vital].slow_milli;
    bed->restless_permille = restless[random_next(&bed->random) % 6];
    swing(bed, innovations);
    swing(bed, innovations);
}

static void init_bed(struct bed *bed, const struct mix *mix, const struct innovation innovations[VITAL_COUNT],
                     uint64_t seed, uint32_t index)
{
    bed->random = seed * 0x2545f4914f6cdd1du + index;
    bed->mix = mix;
    init_vitals(bed, innovations);
    bed->arterial_line = index % 3 == 0;
    begin_condition(bed, mix->as_listed ? first_condition(index) : CONDITION_STABLE);
    if (!mix->as_listed)
        bed->phase_left_s = between(&bed->random, 0, bed->phase_left_s); /* it began before we look */
    /* Some beds are well into it when the ward opens. */
    if (bed->condition == CONDITION_MODERATE)
        bed->severity = FULL;
    else if (bed->condition == CONDITION_ARRHYTHMIA)
        bed->severity = FULL / 2;
}

static int64_t square_root(int64_t value)
{
    int64_t root = 0;
    for (int64_t bit = INT64_C(1) << 30; bit; bit >>= 1)
        if ((root + bit) * (root + bit) <= value)
            root += bit;
    return root;
}

/* x' = x - x / n + e keeps the standard deviation s if e has s sqrt(2 n - 1) / n. */
static int32_t innovation_micro(int32_t deviation_milli, int steps)
{
    return (int32_t)(deviation_milli * square_root(INT64_C(1000000) * (2 * steps - 1)) / steps);
}

struct simulator *simulator_new_mix(uint32_t patients, uint64_t seed, enum simulator_mix mix)
{
    struct simulator *simulator = mem_new(1, sizeof *simulator + patients * sizeof(struct bed));
    simulator->count = patients;
    simulator->seed = seed;
    for (int vital = 0; vital < VITAL_COUNT; vital++) {
        const struct vital_fit *fit = &vital_fits[vital];
        simulator->innovations[vital] = (struct innovation){
            innovation_micro(fit->fast_milli, fit->fast_s),
            innovation_micro(fit->medium_milli, SWING_MEDIUM_S / SWING_EVERY_S),
            innovation_micro(fit->slow_milli, fit->slow_s / SWING_EVERY_S),
        };
    }
    for (uint32_t i = 0; i < patients; i++)
        init_bed(&simulator->beds[i], &mixes[mix], simulator->innovations, seed, i);
    return simulator;
}

struct simulator *simulator_new(uint32_t patients, uint64_t seed)
{
    return simulator_new_mix(patients, seed, MIX_WARD);
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
    static const char *const given[] = { "Ada", "Ben", "Chidi", "Dana", "Elif", "Farid", "Grace", "Hugo", "Ines", "Jun",
                                         "Kofi", "Lena", "Mila", "Noor", "Omar", "Petra" };
    static const char *const family[] = { "Adler", "Baker", "Costa", "Diallo", "Evans", "Fischer", "Garcia", "Hansen",
                                          "Ito", "Jensen", "Kaya", "Lopez", "Mensah", "Novak", "Okafor", "Patel",
                                          "Rossi", "Silva" };
    static const char *const diagnoses[] = { "Pneumonia", "Post-operative care", "Heart failure", "COPD exacerbation",
                                             "Urinary sepsis", "Gastrointestinal bleeding", "Atrial fibrillation",
                                             "Stroke", "Diabetic ketoacidosis", "Trauma" };
    static const char *const physicians[] = { "Dr. Amara Reyes", "Dr. Tomas Lind", "Dr. Wei Chen", "Dr. Sofia Marino" };
    uint64_t random = simulator->seed * 31 + index * 7919u + 17;
    *out = (struct patient_row){ .simulated = true };
    (void)snprintf(out->id, sizeof out->id, "P%03u", index + 1);
    (void)snprintf(out->bed, sizeof out->bed, "ICU-%u", 101 + index);
    (void)snprintf(out->name, sizeof out->name, "%s %s", given[random_next(&random) % 16],
                   family[random_next(&random) % 18]);
    (void)str_copy(out->gender, sizeof out->gender, random_next(&random) % 2 ? "female" : "male");
    (void)str_copy(out->diagnosis, sizeof out->diagnosis, diagnoses[random_next(&random) % 10]);
    (void)str_copy(out->physician, sizeof out->physician, physicians[random_next(&random) % 4]);
    out->age = (int16_t)between(&random, 24, 91);
}

/* ---- one second ---- */

static enum condition next_condition(struct bed *bed)
{
    /* Most of the time a bed is stable: about one in three changes leads into trouble. */
    static const enum condition often[] = { CONDITION_STABLE, CONDITION_STABLE, CONDITION_STABLE, CONDITION_STABLE,
                                            CONDITION_MODERATE, CONDITION_SEPSIS, CONDITION_HYPOXIA,
                                            CONDITION_BLEEDING, CONDITION_ARRHYTHMIA };
    return often[random_next(&bed->random) % (sizeof often / sizeof *often)];
}

static void evolve(struct bed *bed)
{
    const struct course *course = &courses[bed->condition];
    if (bed->direction) {
        /* Fractions of a thousandth per second are carried by chance, so that slow onsets work. */
        int step = FULL / course->onset_s + (between(&bed->random, 0, course->onset_s - 1) < FULL % course->onset_s);
        bed->severity += bed->direction * step;
        if (bed->severity >= bed->peak || bed->severity <= 0) {
            bed->severity = bed->severity >= bed->peak ? bed->peak : 0;
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

static void step_towards_zero(int32_t *micro, int steps, int32_t deviate_permille, int32_t innovation_micro)
{
    *micro += (int32_t)((int64_t)deviate_permille * innovation_micro / FULL) - *micro / steps;
}

/* The next minute of the swings over hours and minutes. */
static void swing(struct bed *bed, const struct innovation innovations[VITAL_COUNT])
{
    int32_t medium[VITAL_COUNT], slow[VITAL_COUNT];
    correlated(&bed->random, within_permille, medium);
    correlated(&bed->random, within_permille, slow);
    for (int v = 0; v < VITAL_COUNT; v++) {
        step_towards_zero(&bed->medium_micro[v], SWING_MEDIUM_S / SWING_EVERY_S, medium[v],
                          innovations[v].medium_micro);
        step_towards_zero(&bed->slow_micro[v], vital_fits[v].slow_s / SWING_EVERY_S, slow[v],
                          innovations[v].slow_micro);
        int64_t both_micro = (int64_t)bed->medium_micro[v] + bed->slow_micro[v];
        bed->swing_from_milli[v] = bed->swing_to_milli[v];
        bed->swing_to_milli[v] = (int32_t)(both_micro * bed->mix->swing_permille / FULL / 1000);
    }
}

static int32_t true_value(struct bed *bed, const struct innovation *innovation, int vital)
{
    const struct vital_fit *fit = &vital_fits[vital];
    int32_t shift = (int32_t)((int64_t)courses[bed->condition].shift_milli[vital] * bed->severity / FULL);
    int32_t from = bed->swing_from_milli[vital], to = bed->swing_to_milli[vital], base = bed->base_milli[vital];
    bed->fast_micro[vital] += noise(&bed->random, innovation->fast_micro) - bed->fast_micro[vital] / fit->fast_s;
    bed->average_micro[vital] += (bed->fast_micro[vital] - bed->average_micro[vital]) / fit->average_s;
    int64_t swing = from + (to - from) * (bed->step_s % SWING_EVERY_S) / SWING_EVERY_S;
    int64_t fast = (int64_t)bed->average_micro[vital] * bed->restless_permille / FULL / 1000;
    int32_t value = base + shift + (int32_t)((swing + fast) * base / fit->resting_milli[RESTING_POINTS / 2]);
    if (bed->condition == CONDITION_ARRHYTHMIA && vital == VITAL_HEART_RATE)
        value += noise(&bed->random, (int32_t)((int64_t)8000 * bed->severity / FULL));
    return limit(value, vital_infos[vital].plausible_min_milli, vital_infos[vital].plausible_max_milli);
}

int32_t vital_shown(int vital, int32_t milli)
{
    int32_t unit = vital == VITAL_TEMPERATURE ? 100 : 1000;
    return (milli + unit / 2) / unit * unit;
}

/* Of SpO2.  In BIDMC's 4.4 hours it fell by 3 to 5 for 1 to 11 s five times, and was blank 11 times for 1 to 25 s;
 * those recordings were chosen for their quality, so that here motion is a little more frequent and deeper,
 * and one loss in eight is a probe that fell off and waits for a nurse. */
enum {
    MOTION_EVERY_S = 2400, MOTION_DEPTH_MIN_MILLI = 2000, MOTION_DEPTH_MAX_MILLI = 8000,
    PROBE_LOST_EVERY_S = 1800, PROBE_FELL_ONE_IN = 8,
};

static unsigned artefacts(struct bed *bed)
{
    if (!bed->motion_left_s && one_in(&bed->random, MOTION_EVERY_S))
        bed->motion_left_s = between(&bed->random, 2, 12);
    if (!bed->off_left_s && one_in(&bed->random, PROBE_LOST_EVERY_S)) {
        bool fell = one_in(&bed->random, PROBE_FELL_ONE_IN);
        bed->off_left_s = fell ? between(&bed->random, 20, 120) : between(&bed->random, 1, 25);
        bed->off_as_zero = fell && one_in(&bed->random, 2);
    }
    unsigned marks = (bed->motion_left_s ? TRUTH_MOTION : 0u) | (bed->off_left_s ? TRUTH_SENSOR_OFF : 0u);
    bed->motion_left_s -= bed->motion_left_s > 0;
    bed->off_left_s -= bed->off_left_s > 0;
    return marks;
}

static void show(struct bed *bed, const struct truth *truth, bool cuff, bool temperature, struct reading *out)
{
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        out->value_milli[vital] = vital_shown(vital, truth->value_milli[vital]);
    if (!cuff)
        out->value_milli[VITAL_SYSTOLIC] = out->value_milli[VITAL_DIASTOLIC] = VITAL_ABSENT;
    if (!temperature)
        out->value_milli[VITAL_TEMPERATURE] = VITAL_ABSENT;
    if (truth->marks & TRUTH_MOTION) {
        int32_t depth_milli = between(&bed->random, MOTION_DEPTH_MIN_MILLI, MOTION_DEPTH_MAX_MILLI);
        out->value_milli[VITAL_SPO2] = limit(out->value_milli[VITAL_SPO2] - vital_shown(VITAL_SPO2, depth_milli),
                                             60000, 100000);
    }
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
        out->value_milli[VITAL_HEART_RATE] = out->value_milli[VITAL_RESPIRATORY] =
            bed->leads_as_zero ? 0 : VITAL_ABSENT;
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

static int less(int left_s, int by_s)
{
    return left_s > by_s ? left_s - by_s : 0;
}

void simulator_pass_minute(struct simulator *simulator, uint32_t index)
{
    struct bed *bed = &simulator->beds[index];
    for (int s = 0; s < SWING_EVERY_S; s++)
        evolve(bed);
    swing(bed, simulator->innovations);
    bed->motion_left_s = less(bed->motion_left_s, SWING_EVERY_S);
    bed->off_left_s = less(bed->off_left_s, SWING_EVERY_S);
    bed->leads_left_s = less(bed->leads_left_s, SWING_EVERY_S);
    bed->flush_left_s = less(bed->flush_left_s, SWING_EVERY_S);
    bed->step_s += SWING_EVERY_S;
}

void simulator_step(struct simulator *simulator, uint32_t index, int64_t time_us, struct reading *out,
                    struct truth *truth)
{
    struct bed *bed = &simulator->beds[index];
    struct truth own;
    truth = truth ? truth : &own;
    evolve(bed);
    if (bed->step_s % SWING_EVERY_S == 0)
        swing(bed, simulator->innovations);
    *truth = (struct truth){ .time_us = time_us, .condition = bed->condition, .severity_permille = bed->severity };
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        truth->value_milli[vital] = true_value(bed, &simulator->innovations[vital], vital);
    if (truth->value_milli[VITAL_DIASTOLIC] > truth->value_milli[VITAL_SYSTOLIC] - PULSE_MIN_MILLI)
        truth->value_milli[VITAL_DIASTOLIC] = truth->value_milli[VITAL_SYSTOLIC] - PULSE_MIN_MILLI;
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
