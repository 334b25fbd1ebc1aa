#include "learn/profile.h"

#include "learn/windows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

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

static void fill(struct profile *out, const struct profile *known, uint64_t seed, const char *text, int32_t warmer_milli, int cuts)
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
    const struct CMUnitTest tests[] = { cmocka_unit_test(drift_is_found_where_it_is), cmocka_unit_test(a_profile_survives_its_file) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
