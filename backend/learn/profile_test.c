#include "learn/profile.h"

#include "ingest/recording.h"
#include "learn/windows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct adding {
    struct profile *profile;
    const struct profile *known;
    const char *text;
    int32_t warmer_milli;
    int cuts;
};

static bool add(void *context, const struct window *window, const struct alarm_limits *limits, struct err *err)
{
    static struct facts facts;
    static struct reading readings[1024];
    struct adding *a = context;
    struct window own = *window;
    (void)err;
    for (size_t i = 0; i < own.reading_count; i++) {
        readings[i] = window->readings[i];
        if (readings[i].value_milli[VITAL_TEMPERATURE] != VITAL_ABSENT)
            readings[i].value_milli[VITAL_TEMPERATURE] += a->warmer_milli;
    }
    own.readings = readings;
    facts_make(&own, limits, &facts);
    profile_add(a->profile, &facts, a->text, a->cuts, a->known);
    return true;
}

static void fill(struct profile *out, const struct profile *known, uint64_t seed, const char *text,
                 int32_t warmer_milli, int cuts)
{
    struct adding a = { out, known, text, warmer_milli, cuts };
    profile_init(out);
    assert_true(windows_simulated(seed, 400, add, &a, NULL));
}

static void drift_is_found_where_it_is(void **state)
{
    static struct profile base, same, warm, wordy, cut;
    struct drift drift;
    (void)state;
    fill(&base, NULL, 1, "Heart rate was stable.", 0, 0);
    fill(&same, &base, 1, "Heart rate was stable.", 0, 0);
    profile_compare(&base, &same, &drift);
    assert_false(drift.changed);
    assert_true(drift.psi[drift.worst] < 1e-9);
    fill(&warm, &base, 1, "Heart rate was stable.", 1500, 0);
    profile_compare(&base, &warm, &drift);
    assert_true(drift.changed);
    assert_int_equal(drift.worst, PROFILE_TEMPERATURE);
    fill(&wordy, &base, 1, "Heart beat seemed steady.", 0, 0);
    profile_compare(&base, &wordy, &drift);
    assert_int_equal(drift.worst, PROFILE_VOCABULARY);
    fill(&cut, &base, 1, "Heart rate was stable.", 0, 2);
    profile_compare(&base, &cut, &drift);
    assert_int_equal(drift.worst, PROFILE_GUARD_CUTS);
    assert_true(drift.changed);
}

static bool add_window(void *context, const struct window *window, const struct alarm_limits *limits, struct err *err)
{
    static struct facts facts;
    (void)err;
    facts_make(window, limits, &facts);
    profile_add(context, &facts, "", 0, NULL);
    return true;
}

static void add_recorded(struct profile *profile, const char *format, const char *folder, size_t per_patient)
{
    char path[4096];
    const char *data = getenv("WARDSCRIBE_DATA"), *paths[] = { path };
    struct recording *recording;
    struct err err = { 0 };
    (void)snprintf(path, sizeof path, "%s/vitals/%s", data ? data : "../shared/data", folder);
    if (access(path, F_OK) != 0) {
        print_message("SKIPPED: %s is not there\n", path);
        skip();
    }
    struct recording_options options = { .format = format, .paths = paths, .path_count = 1 };
    if (!recording_open(&options, &recording, &err) ||
        !windows_recorded(recording, 1, per_patient, add_window, profile, &err))
        fail_msg("%s", err.text);
    recording_close(recording);
}

/* What the default model learns from is, vital by vital, what the charted recordings hold; about as many
 * windows of each set, 200, 2000 and 70 patients.  Alarms are more frequent than recorded, on purpose. */
static void simulated_windows_resemble_recorded_ones(void **state)
{
    static struct profile recorded, simulated;
    struct drift drift;
    (void)state;
    profile_init(&recorded);
    profile_init(&simulated);
    add_recorded(&recorded, "challenge2019", "challenge2019", 12);
    add_recorded(&recorded, "challenge2012", "challenge2012", 1);
    add_recorded(&recorded, "mimic", "mimic3-demo", 34);
    assert_true(windows_simulated(5, 8000, add_window, &simulated, NULL));
    profile_compare(&recorded, &simulated, &drift);
    for (int row = PROFILE_HEART_RATE; row <= PROFILE_RESPIRATORY; row++)
        if (drift.psi[row] > PSI_CHANGED)
            fail_msg("%s: PSI %.3f", profile_row_name((enum profile_row)row), drift.psi[row]);
}

static void a_profile_survives_its_file(void **state)
{
    static struct profile made, read;
    struct buf text;
    struct err err = { 0 };
    (void)state;
    fill(&made, NULL, 3, "Heart rate was stable.", 0, 1);
    buf_init(&text, 1 << 20);
    profile_write(&made, &text);
    assert_true(profile_read(text.data, text.length, &read, &err));
    assert_memory_equal(&made, &read, sizeof made);
    *strstr(text.data, "spo2") = 'x';
    assert_false(profile_read(text.data, text.length, &read, &err));
    assert_non_null(strstr(err.text, "spo2"));
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drift_is_found_where_it_is),
        cmocka_unit_test(simulated_windows_resemble_recorded_ones),
        cmocka_unit_test(a_profile_survives_its_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
