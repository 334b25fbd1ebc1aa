#include "learn/habit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char usual[] = "Fever is active since $0o. Heart rate rose from $Ha to $Hb. SpO2 ($SL-$Sh) was stable. "
                            "NEWS2 is $Nl. $Wn readings.";
static const char count_first[] = "$Wn readings. Fever is active since $0o. Heart rate rose from $Ha to $Hb. SpO2 "
                                  "($SL-$Sh) was stable. NEWS2 is $Nl.";
static const char trend_first[] = "Heart rate rose from $Ha to $Hb. Fever is active since $0o. SpO2 ($SL-$Sh) was "
                                  "stable. NEWS2 is $Nl. $Wn readings.";

static void expect(const char *edit, int edits, const char *other_edit, int other_edits, const char *expected)
{
    struct habit habit = { 0 };
    struct buf out;
    for (int i = 0; i < edits; i++)
        habit_note(&habit, edit, usual);
    for (int i = 0; i < other_edits; i++)
        habit_note(&habit, other_edit, usual);
    buf_init(&out, 4096);
    habit_apply(&habit, usual, &out);
    assert_string_equal(out.data, expected);
    buf_free(&out);
}

static void what_most_readers_do_is_a_habit(void **state)
{
    (void)state;
    expect(count_first, 30, usual, 0, count_first);
    expect(trend_first, 30, usual, 5, trend_first);
    expect(trend_first, 30, usual, 20, usual);      /* no agreement */
    expect(trend_first, 10, usual, 0, usual);       /* too few */
    expect(usual, 30, usual, 0, usual);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(what_most_readers_do_is_a_habit) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
