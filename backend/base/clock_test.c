#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

static const struct { const char *text; int64_t time_us; const char *back; } good[] = {
    { "1970-01-01T00:00:00Z",             0,                            "1970-01-01T00:00:00.000Z" },
    { "2026-11-23T13:20:00.000Z",         1795440000 * US_PER_S,        "2026-11-23T13:20:00.000Z" },
    { "2026-11-23T13:20:00.5+01:30",      1795434600 * US_PER_S + 500000, "2026-11-23T11:50:00.500Z" },
    { "2024-02-29 23:59:59.1234567Z",     1709251199 * US_PER_S + 123456, "2024-02-29T23:59:59.123456Z" },
    { "2038-01-19T03:14:08Z",             2147483648 * US_PER_S,        "2038-01-19T03:14:08.000Z" },
    { "9999-12-31T23:59:59Z",             253402300799 * US_PER_S,      "9999-12-31T23:59:59.000Z" },
};

static void times_go_there_and_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int64_t time_us = -1;
        char text[TIME_TEXT_SIZE];
        struct err err = { 0 };
        assert_true(time_parse(good[i].text, strlen(good[i].text), &time_us, &err));
        assert_int_equal(time_us, good[i].time_us);
        assert_string_equal(time_format(time_us, text), good[i].back);
    }
}

static void every_day_of_a_century_goes_there_and_back(void **state)
{
    (void)state;
    for (int64_t day = 0; day < 60000; day++) {
        char text[TIME_TEXT_SIZE];
        int64_t back = -1;
        time_format(day * US_PER_DAY, text);
        assert_true(time_parse(text, strlen(text), &back, NULL));
        assert_int_equal(back, day * US_PER_DAY);
    }
}

static void wrong_times_are_refused(void **state)
{
    (void)state;
    const char *wrong[] = {
        "", "2026", "2026-11-23T13:20:00", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z",
        "2026-11-23T24:00:00Z", "2026-11-23T13:20:60Z", "2026-11-23T13:20:00.Z", "1969-12-31T23:59:59Z",
        "2026-11-23T13:20:00Zx", "2026-11-23T13:20:00+0130", "1970-01-01T00:00:00+01:00", "-026-11-23T13:20:00Z",
        "2026-11-23T13:20:00.1234567890Z",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        int64_t time_us;
        assert_false(time_parse(wrong[i], strlen(wrong[i]), &time_us, NULL));
    }
}

static void a_fake_clock_moves_when_told(void **state)
{
    (void)state;
    struct fake_clock fake;
    fake_clock_init(&fake, 1000 * US_PER_S);
    int64_t start = clock_monotonic_us(&fake.clock);
    fake_clock_advance(&fake, 5 * US_PER_S);
    fake_clock_set(&fake, 10 * US_PER_S);
    assert_int_equal(clock_now_us(&fake.clock), 10 * US_PER_S);
    assert_int_equal(clock_monotonic_us(&fake.clock) - start, 5 * US_PER_S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_go_there_and_back),
        cmocka_unit_test(every_day_of_a_century_goes_there_and_back),
        cmocka_unit_test(wrong_times_are_refused),
        cmocka_unit_test(a_fake_clock_moves_when_told),
    };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
