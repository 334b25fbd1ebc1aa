#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

static void context_goes_in_front(void **state)
{
    (void)state;
    struct err err = { 0 };
    assert_false(err_set(&err, ERR_INPUT, "spO2: %d is above 100", 120));
    assert_false(err_context(&err, "line %d", 7));
    assert_string_equal(err.text, "line 7: spO2: 120 is above 100");
    assert_int_equal(err.kind, ERR_INPUT);
}

static void a_long_message_is_cut_not_overrun(void **state)
{
    (void)state;
    struct err err = { 0 };
    char big[2 * ERR_TEXT_MAX];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    err_set(&err, ERR_IO, "%s", big);
    assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
    err_context(&err, "%s", big);
    assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
    err_set_errno(&err, ERR_IO, ENOSPC, "write");
    assert_string_equal(err.text, "write: No space left on device");
}

static void every_kind_has_a_row(void **state)
{
    (void)state;
    for (int k = 0; k < ERR_KIND_COUNT; k++) {
        assert_non_null(err_kind_name((enum err_kind)k));
        assert_true(err_http_status((enum err_kind)k) >= 200);
    }
    assert_int_equal(err_exit_status(ERR_NONE), 0);
    assert_int_equal(err_http_status(ERR_NOT_FOUND), 404);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(context_goes_in_front),
        cmocka_unit_test(a_long_message_is_cut_not_overrun),
        cmocka_unit_test(every_kind_has_a_row),
    };
    return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
