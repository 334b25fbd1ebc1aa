#include "learn/rouge.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Lin 2004, section 3.1: reference "police killed the gunman"; S2 3/4, S3 2/4. */
static void lin_examples(void **state)
{
    static const struct {
        const char *text, *reference;
        double f1;
    } cases[] = {
        { "police kill the gunman", "police killed the gunman", 0.75 },
        { "the gunman kill police", "police killed the gunman", 0.5 },
        { "The gunman, police killed", "police killed the gunman", 0.5 },
        { "", "", 1 },
        { "", "one", 0 },
        { "BP 118/76 at 12:56.", "bp 118/76 at 12:56", 1 },
        { "BP 118/76", "BP 118/77", 0.5 },
        { "a b c d", "a b", 2.0 * 2 / 6 },
        { "38.4", "38.4.", 1 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_true(fabs(rouge_l(cases[i].text, cases[i].reference) - cases[i].f1) < 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(lin_examples) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
