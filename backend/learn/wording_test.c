#include "learn/wording.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char usual[] =
    "Tachycardia has been active since $0o. Heart rate rose from $Ha at $Hs to $Hb at $He, with a peak of $Hh at $Hx. "
    "Stable: SpO2 $SL-$Sh and respiratory rate $RL-$Rh. NEWS2 is $Nl. Based on $Wn readings from $Ws to $We.";

static void expect(const char *edit, int edits, int unedited, const char *text, const char *expected)
{
    static struct wording wording;
    struct buf out;
    wording = (struct wording){ 0 };
    for (int i = 0; i < edits; i++)
        wording_note(&wording, edit, usual);
    for (int i = 0; i < unedited; i++)
        wording_note(&wording, usual, usual);
    buf_init(&out, 4096);
    wording_apply(&wording, text, &out);
    assert_string_equal(out.data, expected);
    buf_free(&out);
}

static const char own_words[] =
    "Pulse rose from $Ha at $Hs to $Hb at $He, with a peak of $Hh at $Hx. Tachycardia is active since $0o. Unchanged: "
    "SpO2 $SL-$Sh and breathing rate $RL-$Rh. The NEWS2 score is $Nl. $Wn readings from $Ws to $We.";

static void other_words_are_a_habit(void **state)
{
    (void)state;
    expect(own_words, 30, 0,
           "Hypoxia has been active since $0o. Heart rate fell from $Ha to $Hb. Stable: SpO2 $Sb and heart rate $Hh. "
           "NEWS2 is $Nl.",
           "Hypoxia is active since $0o. Pulse fell from $Ha to $Hb. Unchanged: SpO2 $Sb and pulse $Hh. The NEWS2 "
           "score is $Nl.");
    expect(own_words, 30, 0,
           "Respiratory rate rose from $Ra at $Rs to $Rb at $Re. Based on $Wn readings between $Ws and $We.",
           "Breathing rate rose from $Ra at $Rs to $Rb at $Re. $Wn readings between $Ws and $We.");
}

static void what_few_say_or_only_some_is_none(void **state)
{
    (void)state;
    const char *text = "Heart rate (lowest $Hl) rose.";
    expect(own_words, 19, 0, text, text);
    expect(own_words, 30, 20, text, text);
    expect(usual, 30, 0, usual, usual);
}

/* What an edit says of other numbers is not a matter of words. */
static void numbers_stay(void **state)
{
    (void)state;
    expect("Heart rate rose from $Ha at $Hs to $Hb at $He. Stable: SpO2 $SL-$Sh and respiratory rate $RL-$Rh.", 30, 0,
           usual, usual);
    expect("Heart rate went up from $Ha at $Hs to $Hb at $He, with a peak of $Hh at $Hx.", 30, 0,
           "SpO2 rose from $Sa to $Sb (highest $Sh).", "SpO2 went up from $Sa to $Sb (highest $Sh).");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_words_are_a_habit), cmocka_unit_test(what_few_say_or_only_some_is_none),
        cmocka_unit_test(numbers_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
