#include "ingest/simulator_fit.h"

/* clang-format off */

const int32_t resting_points_permille[RESTING_POINTS] = { -2326, -1282, -674, 0, 674, 1282, 2326 };

/* Resting: the patients' medians in the three charted sets, each set counted alike; temperature's spread is
 * narrowed to three quarters, since slow swings are as long as a stay and add to it, and the lowest SpO2
 * lowered so that the share of values under 92 % comes out.  Slow and medium: from the mean differences over 1 and 12
 * hours in the three; fast: over 1 and 60 s in BIDMC.  BIDMC has no pressures: theirs are a fifth of the medium, the
 * proportion of heart rate's slow one.  average_s: so that the differences over a second come out. */
const struct vital_fit vital_fits[VITAL_COUNT] = {
    /*                       1 %    10 %    25 %    50 %    75 %    90 %    99 %     slow slow_s medium  fast fast_s average_s */
    [VITAL_HEART_RATE]  = { { 56500, 69300,  78000,  87700,  95800, 107500, 125700 },  9300, 28800, 2500, 1800, 10, 1 },
    [VITAL_SPO2]        = { { 89000, 95000,  96500,  97500,  98700,  99500, 100000 },  1600, 28800, 1100,  420, 15, 4 },
    [VITAL_SYSTOLIC]    = { { 86700,100700, 108000, 118300, 132800, 146500, 166000 }, 12500, 28800, 9000, 2000, 10, 2 },
    [VITAL_DIASTOLIC]   = { { 38200, 46200,  52500,  57800,  65000,  72800,  83500 },  7100, 28800, 5500, 1300, 10, 2 },
    [VITAL_TEMPERATURE] = { { 35700, 36470,  36680,  36970,  37270,  37570,  37950 },   680, 57600,    0,    0, 10, 1 },
    [VITAL_RESPIRATORY] = { { 11300, 14300,  16300,  19000,  22000,  24500,  34000 },  2900, 28800, 2100, 1400, 20, 4 },
};

/* Correlations of the patients' means, and of the deviations from them, in the three charted sets. */
const int16_t between_permille[VITAL_COUNT][VITAL_COUNT] = {
    { 1000 },
    {  -10, 1000 },
    { -144,   81,  986 },
    {  264,   -2,  467,  844 },
    {  117,  119,  111,  -70,  977 },
    {  215, -269,  -15,  -37,  130,  929 },
};
const int16_t within_permille[VITAL_COUNT][VITAL_COUNT] = {
    { 1000 },
    { -135,  991 },
    {   78,   -2,  997 },
    {  119,   12,  622,  774 },
    {  274,    5,   23,  -89,  957 },
    {  225,  -92,   39,   -7,   17,  969 },
};

const struct charting_fit charting_fits[CHARTING_COUNT] = {
    [CHARTING_BIDMC] = { .name = "bidmc", .unit_s = 1, .interval_s_per = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 },
        /*          HR   SpO2  SBP   DBP     T    RR */
        .never = {   0,    0, 1000, 1000, 1000,    0 } },
    [CHARTING_CHALLENGE2019] = { .name = "challenge2019", .unit_s = 60,
        .interval_s_per = { 60, 60, 60, 60, 60, 60, 60, 60, 60, 60 },
        .begin = {   8,   20,   15,   20,   60,   35 },
        .stay  = { 200,  300,  400,  500,  200,  500 },
        .every = { [VITAL_TEMPERATURE] = { 1, 1, 1, 4, 4 } },
        .nonsense = { 0, 9, 27, 18, 0, 33 }, .empty = 49, .half = 100, .hundredth = 300 },
    [CHARTING_CHALLENGE2012] = { .name = "challenge2012", .unit_s = 60,
        .interval_s_per = { 15, 15, 30, 60, 60, 60, 60, 60, 60, 120 },
        .never = {   2,  560,    2,    0,    2,  722 },
        .begin = {  15,  900,   25,   20,  100,  100 },
        .stay  = { 100,  950,  200,  500,  200,  400 },
        .every = { [VITAL_TEMPERATURE] = { 1, 4, 4, 4, 5 } },
        .nonsense = { 5, 0, 35, 35, 108, 101 }, .alone = 30 },
    [CHARTING_MIMIC] = { .name = "mimic", .unit_s = 60, .interval_s_per = { 5, 15, 30, 60, 60, 60, 60, 60, 60, 120 },
        .begin = {  90,   90,  110,   20,    0,   90 },
        .stay  = { 250,  350,  350,  500,  300,  300 },
        .every = { [VITAL_TEMPERATURE] = { 3, 4, 4, 4, 4 } },
        .nonsense = { 72, 172, 76, 57, 0, 564 } },
};
/* clang-format on */
