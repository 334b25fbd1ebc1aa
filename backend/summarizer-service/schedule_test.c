#include "summarizer-service/schedule.h"

#include "base/bounds.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void the_first_comes_early_and_the_next_an_interval_later(void **state)
{
    (void)state;
    bool first;
    struct schedule *schedule = schedule_new(30, 300);
    schedule_admit(schedule, 1, 1000);
    assert_int_equal(schedule_next(schedule, 1029, &first), 0);
    assert_int_equal(schedule_next(schedule, 1030, &first), 1);
    assert_true(first);
    assert_int_equal(schedule_next(schedule, 9999, &first), 0); /* it is being written */
    schedule_written(schedule, 1, 1031);
    assert_int_equal(schedule_next(schedule, 1330, &first), 0);
    assert_int_equal(schedule_next(schedule, 1331, &first), 1);
    assert_false(first);
    schedule_free(schedule);
}

static void a_stored_summary_of_before_the_start_counts(void **state)
{
    (void)state;
    bool first;
    struct schedule *schedule = schedule_new(30, 300);
    schedule_admit(schedule, 2, 1000);
    assert_int_equal(schedule_next(schedule, 1030, &first), 1);
    schedule_written(schedule, 1, 900);
    assert_int_equal(schedule_next(schedule, 1030, &first), 2);
    schedule_written(schedule, 2, -5000); /* long ago: at once */
    assert_int_equal(schedule_next(schedule, 1030, &first), 2);
    assert_false(first);
    schedule_written(schedule, 2, 1030);
    assert_int_equal(schedule_next(schedule, 1199, &first), 0);
    assert_int_equal(schedule_next(schedule, 1200, &first), 1);
    schedule_free(schedule);
}

static void who_has_none_goes_first(void **state)
{
    (void)state;
    bool first;
    struct schedule *schedule = schedule_new(30, 300);
    schedule_admit(schedule, 3, 0);
    for (int i = 0; i < 3; i++)
        schedule_written(schedule, schedule_next(schedule, 30, &first), 30);
    schedule_admit(schedule, 4, 320);
    assert_int_equal(schedule_next(schedule, 360, &first), 4);
    assert_true(first);
    assert_int_equal(schedule_next(schedule, 360, &first), 1);
    schedule_free(schedule);
}

static void an_empty_bed_is_looked_at_less_and_less(void **state)
{
    (void)state;
    bool first;
    int looks = 0;
    struct schedule *schedule = schedule_new(30, 300);
    schedule_admit(schedule, 1, 0);
    for (int64_t now_s = 0; now_s < 3600; now_s++)
        if (schedule_next(schedule, now_s, &first)) {
            looks++;
            schedule_retry(schedule, 1, now_s);
        }
    assert_int_equal(looks, 15); /* 30, 60, 120, 240, 480, then every 300 s */
    schedule_first(schedule, 1, 3700);
    assert_int_equal(schedule_next(schedule, 3699, &first), 0);
    assert_int_equal(schedule_next(schedule, 3700, &first), 1);
    schedule_free(schedule);
}

/* A writer of 200 a second for 100,000 patients that want 333: everybody has had the first before anybody a second,
 * nobody waits longer than one round. */
static void a_slow_writer_comes_to_everybody(void **state)
{
    (void)state;
    enum { PATIENTS = 100000, PER_S = 200 };
    bool first;
    int64_t *last_s = mem_new(PATIENTS + 1, sizeof *last_s), wait_s_max = 0;
    struct schedule *schedule = schedule_new(30, 300);
    schedule_admit(schedule, PATIENTS, 0);
    for (int64_t now_s = 0; now_s < 30 + 3 * PATIENTS / PER_S; now_s++)
        for (int i = 0; i < PER_S; i++) {
            uint32_t patient = schedule_next(schedule, now_s, &first);
            if (!patient)
                break;
            assert_int_equal(first, last_s[patient] == 0);
            if (last_s[patient])
                wait_s_max = now_s - last_s[patient] > wait_s_max ? now_s - last_s[patient] : wait_s_max;
            last_s[patient] = now_s;
            schedule_written(schedule, patient, now_s);
        }
    for (uint32_t patient = 1; patient <= PATIENTS; patient++)
        assert_true(last_s[patient] > 0);
    assert_in_range(wait_s_max, 300, PATIENTS / PER_S);
    schedule_free(schedule);
    mem_free(last_s);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_comes_early_and_the_next_an_interval_later),
        cmocka_unit_test(a_stored_summary_of_before_the_start_counts),
        cmocka_unit_test(who_has_none_goes_first),
        cmocka_unit_test(an_empty_bed_is_looked_at_less_and_less),
        cmocka_unit_test(a_slow_writer_comes_to_everybody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
