/* Each format on samples made here, then on the real sets, if they are there ($WARDSCRIBE_DATA). */
#include "ingest/recording.h"

#include "base/gzip.h"
#include "base/mem.h"
#include "base/str.h"
#include "ingest/lines.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define NONE VITAL_ABSENT
#define HEAD_2012 "RecordID,Age,Gender,ICUType,Time,HR,NISysABP,NIDiasABP,NIMAP,SysABP,DiasABP,MAP,Temp,RespRate,SaO2\n"
#define HEAD_2019 "HR|O2Sat|Temp|SBP|MAP|DBP|Resp|Age|Gender|Unit1|Unit2|ICULOS|SepsisLabel\n"
#define HEAD_MIMIC                                                                                                     \
    "icustay_id,subject_id,charttime,heart_rate_bpm,spo2_pct,systolic_mmHg,diastolic_mmHg,bp_source,temperature_C,"    \
    "resp_rate_bpm\n"

struct expected {
    const char *patient;
    int64_t seconds;                     /* since RECORDING_EPOCH_US */
    int32_t milli[VITAL_COUNT];          /* HR, SpO2, SBP, DBP, T, RR */
    unsigned implausible;
};

struct sample {
    const char *format, *name, *text;
    struct expected rows[6];             /* ends at patient NULL */
    int64_t rows_refused, values_refused, unreadable;
};

/* clang-format off */
static const struct sample samples[] = {
    { "bidmc", "x/bidmc_07_Numerics.csv", "Time [s], HR, PULSE, RESP, SpO2\n0,94,93,25,97\n1,NaN,93,NaN,\n2, 91.5 ,90,0,101\r\n0.5,80,80,20,96",
      { { "bidmc_07", 0, { 94000, 97000, NONE, NONE, NONE, 25000 }, 0 }, { "bidmc_07", 0, { 80000, 96000, NONE, NONE, NONE, 20000 }, 0 },
        { "bidmc_07", 1, { NONE, NONE, NONE, NONE, NONE, NONE }, 0 }, { "bidmc_07", 2, { 91500, NONE, NONE, NONE, NONE, 0 }, 1 << VITAL_RESPIRATORY } }, 0, 1, 0 },
    { "bidmc", "bidmc_08_Numerics.csv", "Time [s], HR, PULSE, RESP, SpO2\n0,94,93\nx,94,93,25,97\n-100000,94,93,25,97\n-1,94,93,25,97\n1,9x,93,25,1e2\n",
      { { "bidmc_08", -1, { 94000, 97000, NONE, NONE, NONE, 25000 }, 0 }, { "bidmc_08", 1, { NONE, 100000, NONE, NONE, NONE, 25000 }, 0 } }, 3, 0, 1 },
    { "challenge2019", "a/p000009.psv", HEAD_2019 "NaN|NaN|NaN|NaN|NaN|NaN|NaN|27.92|1|NaN|NaN|1|0\n117|99|37.25|116|97|81|20|27.92|1|0|1|2|0\n",
      { { "p000009", 3600, { NONE, NONE, NONE, NONE, NONE, NONE }, 0 }, { "p000009", 7200, { 117000, 99000, 116000, 81000, 37250, 20000 }, 0 } }, 0, 0, 0 },
    { "challenge2012", "set.csv", HEAD_2012
      "2,54,0,4,00:07,73,134,63,86.67,,,,36.3,,\n"      /* the cuff */
      "2,54,0,4,00:37,77,134,63,86.67,112,58,76,,19,\n" /* the line goes before the cuff */
      "1,-1,-1,9,00:37,77,134,63,,0,0,0,-17.8,19,95\n"  /* a line that is off; 0 degrees Fahrenheit, wrongly turned into Celsius */
      "1,-1,-1,9,48:00,0,,,,0,0,0,42.1,,\n",
      { { "challenge2012-2", 420, { 73000, NONE, 134000, 63000, 36300, NONE }, 0 },
        { "challenge2012-2", 2220, { 77000, NONE, 112000, 58000, NONE, 19000 }, 0 },
        { "challenge2012-1", 2220, { 77000, 95000, 134000, 63000, NONE, 19000 }, 0 },
        { "challenge2012-1", 172800, { 0, NONE, 0, 0, 42100, NONE }, 1 << VITAL_HEART_RATE | 1 << VITAL_SYSTOLIC | 1 << VITAL_DIASTOLIC } }, 0, 1, 0 },
    { "challenge2012", "set.csv", HEAD_2012 "2,54,0,4,7:60,73,,,,,,,,,\n2a,54,0,4,00:00,73,,,,,,,,,\n2,54,0,4,0007,73,,,,,,,,,\n2,54,0,4,07:05,73,,,,,,,,,\n",
      { { "challenge2012-2", 25500, { 73000, NONE, NONE, NONE, NONE, NONE }, 0 } }, 3, 0, 0 },
    { "mimic", "vitals.csv", HEAD_MIMIC
      "2,10076,2107-03-24 05:00:00,100,93,120,66,NIBP,,32\n"
      "1,10076,2107-03-24 04:00:00,107,99,112,140,NIBP,37.4,35\n"   /* a later stay stands first; crossed pressures */
      "3,10077,2150-01-01 00:00:00,40,,,,,,\n3,10077,2150-13-01 00:00:00,40,,,,,,\n",
      { { "mimic-10076", 0, { 107000, 99000, 112000, 140000, 37400, 35000 }, 1 << VITAL_SYSTOLIC | 1 << VITAL_DIASTOLIC },
        { "mimic-10077", 0, { 40000, NONE, NONE, NONE, NONE, NONE }, 0 },
        { "mimic-10076", 3600, { 100000, 93000, 120000, 66000, NONE, 32000 }, 0 } }, 1, 0, 0 },
    { "mimic", "f.csv", "subject_id,charttime,heart_rate_bpm,spo2_pct,systolic_kPa,diastolic_kPa,temperature_F,resp_rate_bpm\n"
      "1,2107-03-24 04:00:00,80,97,16,10.5,98.6,16\n1,2107-03-24 05:00:00,80,97,,,0,16\n",
      { { "mimic-1", 0, { 80000, 97000, 120010, 78757, 37000, 16000 }, 0 }, { "mimic-1", 3600, { 80000, 97000, NONE, NONE, NONE, 16000 }, 0 } }, 0, 1, 0 },
};
static const struct { const char *format, *text, *want; } refused[] = {
    { "bidmc",         "",                                        "empty" },
    { "bidmc",         "Time [s],HR,RESP\n0,1,2\n",               "no column SpO2" },
    { "bidmc",         "Time [s],HR,RESP,SpO2\n",                 "no reading" },
    { "bidmc",         "Time [s],HR,RESP,SpO2\n0,1\n",            "2 columns where the header has 4" },
    { "challenge2019", "HR,O2Sat\n",                              "no column HR" },
    { "challenge2012", "RecordID,Age\n",                          "no column Gender" },
    { "mimic",         "subject_id,charttime,heart_rate_bpm\n",   "no column spo2_pct" },
    { "mimic",         "subject_id,charttime,heart_rate_bpm,spo2_pct,systolic_mmHg,systolic_kPa\n", "both systolic_mmHg and systolic_kPa" },
    { "mimic",         HEAD_MIMIC "1,1,2000-01-01 00:00:00,1,,,,,,\n1,1,2100-01-01 00:00:00,1,,,,,,\n", "50 years" },
    { "vcd",           "a\n",                                     "no format" },
};
/* clang-format on */

static int64_t total(const int64_t counts[VITAL_COUNT])
{
    int64_t sum = 0;
    for (int i = 0; i < VITAL_COUNT; i++)
        sum += counts[i];
    return sum;
}

static void check_sample(const struct sample *sample)
{
    struct recording *recording;
    struct reading reading;
    struct err err = { 0 };
    struct recording_options options = { .format = sample->format };
    int count = 0;
    bool ok = recording_open_memory(&options, sample->name, sample->text, strlen(sample->text), &recording, &err);
    assert_string_equal(err.text, "");
    assert_true(ok);
    for (const struct expected *row = sample->rows; row->patient; row++, count++) {
        assert_true(recording_next(recording, &reading));
        assert_string_equal(recording_patient(recording, reading.patient)->id, row->patient);
        assert_int_equal((reading.time_us - RECORDING_EPOCH_US) / US_PER_S, row->seconds);
        for (int v = 0; v < VITAL_COUNT; v++)
            assert_int_equal(reading.value_milli[v], row->milli[v]);
        assert_int_equal(reading.implausible, row->implausible);
    }
    assert_false(recording_next(recording, &reading));
    const struct recording_counts *counts = recording_counts(recording);
    assert_int_equal(counts->readings, count);
    assert_int_equal(counts->rows, count + sample->rows_refused);
    assert_int_equal(counts->rows_refused, sample->rows_refused);
    assert_int_equal(total(counts->below) + total(counts->above), sample->values_refused);
    assert_int_equal(total(counts->unreadable), sample->unreadable);
    recording_close(recording);
}

static void test_samples(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
        check_sample(&samples[i]);
}

static void test_what_is_refused_says_why(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct recording *recording;
        struct err err = { 0 };
        struct recording_options options = { .format = refused[i].format };
        assert_false(
            recording_open_memory(&options, "file", refused[i].text, strlen(refused[i].text), &recording, &err));
        assert_non_null(strstr(err.text, refused[i].want));
    }
}

static void test_where_a_refused_row_stands(void **state)
{
    (void)state;
    static const char text[] = HEAD_2012 "2,54,0,4,00:07,73,,,,,,,,,\n2,54,0,4,noon,73,,,,,,,,,\n";
    struct recording *recording;
    struct err err = { 0 };
    struct recording_options options = { .format = "challenge2012" };
    assert_true(recording_open_memory(&options, "set-x.csv", text, sizeof text - 1, &recording, &err));
    assert_string_equal(recording_counts(recording)->first_refusal, "set-x.csv line 3: Time: \"noon\" is not hh:mm");
    assert_int_equal(recording_patient(recording, 1)->age, 54);
    assert_string_equal(recording_patient(recording, 1)->gender, "female");
    assert_string_equal(recording_patient(recording, 1)->unit, "SICU");
    recording_close(recording);
}

static void test_starts(void **state)
{
    (void)state;
    static const char text[] = HEAD_MIMIC
        "1,1,2107-01-01 00:00:00,80,,,,,,\n1,1,2107-01-01 02:00:00,80,,,,,,\n2,2,2150-01-01 00:00:00,80,,,,,,\n";
    struct recording *recording;
    struct reading reading;
    struct err err = { 0 };
    struct recording_options options = { .format = "mimic", .start = START_RECORDED };
    assert_true(recording_open_memory(&options, "x", text, sizeof text - 1, &recording, &err));
    assert_int_equal(recording_first_us(recording), INT64_C(4323283200) * US_PER_S);    /* date -u -d 2107-01-01 +%s */
    assert_int_equal(recording_last_us(recording), INT64_C(5680281600) * US_PER_S);     /* date -u -d 2150-01-01 +%s */
    recording_restart(recording, START_ENDS_AT, 50000 * US_PER_S);
    assert_int_equal(recording_first_us(recording), (50000 - 7200) * US_PER_S);
    assert_int_equal(recording_last_us(recording), 50000 * US_PER_S);
    recording_restart(recording, START_AT, 50000 * US_PER_S);
    assert_true(recording_next(recording, &reading) && reading.patient == 1 && reading.time_us == 50000 * US_PER_S);
    assert_true(recording_next(recording, &reading) && reading.patient == 2 && reading.time_us == 50000 * US_PER_S);
    recording_rewind(recording);
    assert_true(recording_next(recording, &reading) && reading.patient == 1);
    recording_close(recording);
}

static void write_text(const char *folder, const char *name, const char *text)
{
    char path[300];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    (void)fclose(file);
}

static void test_folders_and_what_stands_beside(void **state)
{
    (void)state;
    char folder[] = "/tmp/recording_test.XXXXXX", inner[64], command[128];
    struct recording *recording;
    struct err err = { 0 };
    const char *paths[] = { mkdtemp(folder) };
    struct recording_options options = { .format = "bidmc", .paths = paths, .path_count = 1 };
    assert_false(recording_open(&options, &recording, &err));
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    err_clear(&err);
    (void)snprintf(inner, sizeof inner, "%s/csv", folder);
    assert_int_equal(mkdir(inner, 0700), 0);
    write_text(inner, "bidmc_02_Numerics.csv", "Time [s],HR,RESP,SpO2\n0,70,15,97\n");
    write_text(inner, "bidmc_02_Fix.txt", "bidmc_02\nAge: 90+\nGender: F\nLocation: micu\n");
    write_text(inner, "bidmc_02_Signals.csv", "nothing of ours");
    write_text(folder, "bidmc_01_Numerics.csv", "Time [s],HR,RESP,SpO2\n0,70,15,97\n");
    write_text(folder, "bidmc_03_Numerics.csv", "Time [s],HR,RESP,SpO2\n0,70,15,97\n");
    write_text(folder, "bidmc_03_Fix.txt", "Age: NaN\nGender: ?\n");
    bool ok = recording_open(&options, &recording, &err);
    assert_string_equal(err.text, "");
    assert_true(ok);
    assert_int_equal(recording_patient_count(recording), 3);
    static const struct { const char *id, *gender, *unit; int age; } people[] = {
        { "bidmc_01", "", "", -1 }, { "bidmc_03", "", "", -1 }, { "bidmc_02", "female", "MICU", 90 },
    };
    for (uint32_t i = 0; i < 3; i++) {
        const struct recording_patient *person = recording_patient(recording, i + 1);
        assert_string_equal(person->id, people[i].id);
        assert_string_equal(person->gender, people[i].gender);
        assert_string_equal(person->unit, people[i].unit);
        assert_int_equal(person->age, people[i].age);
    }
    recording_close(recording);
    (void)snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
    assert_false(recording_open(&options, &recording, &err));
}

static void test_lines(void **state)
{
    (void)state;
    static const char text[] = "\xef\xbb\xbf" "a\r\n\nb\0c\n";
    char *line, long_text[LINE_SIZE_MAX + 10];
    struct err err = { 0 };
    struct lines *lines = lines_of_memory(text, sizeof text - 1);
    assert_true(lines_next(lines, &line, &err));
    assert_string_equal(line, "a");
    assert_true(lines_next(lines, &line, &err));
    assert_string_equal(line, "");
    assert_false(lines_next(lines, &line, &err));
    assert_string_equal(err.text, "line 3 holds a NUL byte: this is no text");
    lines_close(lines);
    memset(long_text, 'x', sizeof long_text);
    lines = lines_of_memory(long_text, sizeof long_text);
    assert_false(lines_next(lines, &line, &err));
    lines_close(lines);
    lines = lines_of_memory(long_text, LINE_SIZE_MAX - 1);
    assert_true(lines_next(lines, &line, &err));
    assert_int_equal(strlen(line), LINE_SIZE_MAX - 1);
    assert_true(lines_next(lines, &line, &err));
    assert_null(line);
    lines_close(lines);
}

/* ---- the real sets ---- */

static void check_order(struct recording *recording)
{
    struct reading reading, last = { 0 };
    int64_t count = 0;
    while (recording_next(recording, &reading)) {
        assert_true(reading.time_us > last.time_us ||
                    (reading.time_us == last.time_us && reading.patient >= last.patient));
        for (int v = 0; v < VITAL_COUNT; v++)
            assert_true(reading.value_milli[v] == VITAL_ABSENT ||
                        (reading.value_milli[v] >= 0 && reading.value_milli[v] <= vital_infos[v].accept_max_milli));
        last = reading;
        count++;
    }
    assert_int_equal(count, recording_counts(recording)->readings);
}

static void check_set(const char *format, const char *folder, uint32_t patients_min)
{
    const char *data = getenv("WARDSCRIBE_DATA");
    char path[1024];
    const char *paths[] = { path };
    struct recording *recording;
    struct err err = { 0 };
    struct recording_options options = { .format = format, .paths = paths, .path_count = 1 };
    (void)snprintf(path, sizeof path, "%s/vitals/%s", data ? data : "../shared/data", folder);
    if (access(path, F_OK) != 0) {
        print_message("SKIPPED: %s is not there\n", path);
        skip();
    }
    bool ok = recording_open(&options, &recording, &err);
    assert_string_equal(err.text, "");
    assert_true(ok);
    const struct recording_counts *counts = recording_counts(recording);
    print_message("%s: %u patients, %lld readings, %lld refused rows, %lld refused values\n", format,
                  recording_patient_count(recording), (long long)counts->readings, (long long)counts->rows_refused,
                  (long long)(total(counts->below) + total(counts->above)));
    assert_true(recording_patient_count(recording) >= patients_min);
    assert_int_equal(counts->rows_refused, 0);
    assert_int_equal(total(counts->unreadable), 0);
    check_order(recording);
    recording_close(recording);
}

static void test_real_bidmc(void **state)
{
    (void)state;
    check_set("bidmc", "bidmc", 1);
}

static void test_real_challenge2019(void **state)
{
    (void)state;
    check_set("challenge2019", "challenge2019", 1);
}

static void test_real_challenge2012(void **state)
{
    (void)state;
    check_set("challenge2012", "challenge2012", 1);
}

static void test_real_mimic(void **state)
{
    (void)state;
    check_set("mimic", "mimic3-demo", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples), cmocka_unit_test(test_what_is_refused_says_why),
        cmocka_unit_test(test_where_a_refused_row_stands), cmocka_unit_test(test_starts),
        cmocka_unit_test(test_folders_and_what_stands_beside), cmocka_unit_test(test_lines),
        cmocka_unit_test(test_real_bidmc), cmocka_unit_test(test_real_challenge2019),
        cmocka_unit_test(test_real_challenge2012), cmocka_unit_test(test_real_mimic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
