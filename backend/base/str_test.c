#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

static const char *decimal(struct buf *buf, int64_t scaled, int decimals)
{
    buf_reset(buf);
    buf_add_decimal(buf, scaled, decimals);
    return buf->data;
}

static void decimals_have_no_trailing_zeros(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 100);
    assert_string_equal(decimal(&buf, 384, 1), "38.4");
    assert_string_equal(decimal(&buf, 380, 1), "38");
    assert_string_equal(decimal(&buf, -5, 1), "-0.5");
    assert_string_equal(decimal(&buf, 5, 2), "0.05");
    assert_string_equal(decimal(&buf, 0, 2), "0");
    assert_string_equal(decimal(&buf, -1234, 2), "-12.34");
    buf_reset(&buf);
    buf_add_int(&buf, INT64_MIN);
    assert_string_equal(buf.data, "-9223372036854775808");
    buf_free(&buf);
}

static const char *json(struct buf *buf, const char *text)
{
    buf_reset(buf);
    buf_add_json_string(buf, text, strlen(text));
    return buf->data;
}

static void json_strings_are_escaped(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 1000);
    assert_string_equal(json(&buf, "a\"b\\c\n\x01"), "\"a\\\"b\\\\c\\n\\u0001\"");
    assert_string_equal(json(&buf, "<script>"), "\"\\u003cscript>\"");
    assert_string_equal(json(&buf, "Zo\xc3\xab"), "\"Zo\xc3\xab\"");
    assert_string_equal(json(&buf, "\xc3("), "\"\xef\xbf\xbd(\"");
    assert_string_equal(json(&buf, "\xe2\x80\xa8"), "\"\\u2028\"");
    assert_false(str_utf8_valid("\xed\xa0\x80", 3)); /* a surrogate */
    assert_true(str_utf8_valid("\xf0\x9f\x98\x80", 4));
    buf_free(&buf);
}

static void a_full_buffer_says_so(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 4);
    buf_add_text(&buf, "abc");
    buf_add_text(&buf, "de");
    assert_true(buf.overflow);
    assert_string_equal(buf.data, "abc");
    buf_free(&buf);
}

static void integers_are_whole_and_in_range(void **state)
{
    (void)state;
    int64_t value = 0;
    assert_true(str_to_int("-12", -20, 20, &value));
    assert_int_equal(value, -12);
    const char *wrong[] = { "", " 1", "+1", "1x", "21", "99999999999999999999", "1.0" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(str_to_int(wrong[i], -20, 20, &value));
}

static void copies_never_cut_a_character(void **state)
{
    (void)state;
    char to[4];
    assert_false(str_copy(to, sizeof to, "ab\xc3\xab"));
    assert_string_equal(to, "ab");
    assert_true(str_copy(to, sizeof to, "abc"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimals_have_no_trailing_zeros),
        cmocka_unit_test(json_strings_are_escaped),
        cmocka_unit_test(a_full_buffer_says_so),
        cmocka_unit_test(integers_are_whole_and_in_range),
        cmocka_unit_test(copies_never_cut_a_character),
    };
    return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}
