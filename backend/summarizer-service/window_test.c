#include "store/testing.h"
#include "summarizer-service/window.h"

/* The newest reading is looked for from coarse to fine: a day's point begins at midnight, whenever its reading came. */
static void a_single_reading_is_found_whatever_the_time_of_day(void **state)
{
    static const char *const engines[] = { "memory", "sqlite" };
    static const int hours[] = { 0, 1, 7, 13, 23 };
    (void)state;
    for (size_t i = 0; i < sizeof engines / sizeof *engines; i++)
        for (size_t h = 0; h < sizeof hours / sizeof *hours; h++) {
            struct test_store t;
            struct config config = { .summaries.window = 10 };
            struct err err = { 0 };
            struct window window;
            test_store_begin(&t, engines[i], 168);
            fake_clock_init(&t.clock, TEST_DAY_US + hours[h] * US_PER_HOUR + US_PER_MIN);
            struct summarizer s = { .config = &config, .clock = &t.clock.clock, .store = t.store };
            struct reading reading = test_reading(1, TEST_DAY_US + hours[h] * US_PER_HOUR, 88);
            test_put_readings(&t, &reading, 1);
            assert_true(window_load(&s, &t.arena, 1, &window, &err));
            assert_int_equal(window.reading_count, 1);
            assert_int_equal(window.to_us, reading.time_us + 1);
            test_store_end(&t);
        }
}

int main(void)
{
    static const struct CMUnitTest tests[] = { cmocka_unit_test(a_single_reading_is_found_whatever_the_time_of_day) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
