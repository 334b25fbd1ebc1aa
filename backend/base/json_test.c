#include "base/json.h"

#include "base/bounds.h"
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static struct json *parse(const char *text)
{
    struct json *root = NULL;
    struct err err = { 0 };
    if (!json_parse(text, strlen(text), 4096, &root, &err))
        fail_msg("%s", err.text);
    return root;
}

static void test_parser_refuses(void **state)
{
    (void)state;
    static const struct { const char *text, *why; enum err_kind kind; } rows[] = {
        { "", "missing", ERR_INPUT },
        { "{", "not JSON", ERR_INPUT },
        { "12", "not JSON", ERR_INPUT },
        { "{\"a\":1,\"a\":2}", "duplicate", ERR_INPUT },
        { "{\"a\":1} x", "end of file expected", ERR_INPUT },
        { "{\"a\":9223372036854775808}", "too big integer", ERR_INPUT },
        { "{\"a\":1e999}", "overflow", ERR_INPUT },
        { "{\"a\":NaN}", "not JSON", ERR_INPUT },
        { "{\"password\":hunter2}", "invalid token", ERR_INPUT },
        { "{\"a\":\"\\u0000\"}", "\\u0000", ERR_INPUT },
        { "{\"a\":\"\xff\"}", "unable to decode byte 0xff", ERR_INPUT },
        { "[[[[[[[[[1]]]]]]]]]", "deeper than 8", ERR_INPUT },
        { "{\"a\":\"                                                            \"}", "at most 64", ERR_TOO_LARGE },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct json *root;
        struct err err = { 0 };
        if (json_parse(rows[i].text, strlen(rows[i].text), 64, &root, &err))
            fail_msg("%s was taken", rows[i].text);
        assert_int_equal(err.kind, rows[i].kind);
        if (!strstr(err.text, rows[i].why))
            fail_msg("%s: said \"%s\", not \"%s\"", rows[i].text, err.text, rows[i].why);
        assert_null(strstr(err.text, "hunter2"));   /* an error may be logged: nothing of the body in it */
    }
}

static void test_depth_counts_outside_strings_only(void **state)
{
    (void)state;
    json_free(parse("{\"a\":\"[[[[[[[[[[[[\\\"[[[[\"}"));
    json_free(parse("[[[[[[[[1]]]]]]]]"));
    json_free(parse("[[],[],[],[],[],[],[],[],[],[]]"));
}

static void test_nul_in_the_middle_is_no_end(void **state)
{
    (void)state;
    struct json *root;
    struct err err;
    assert_false(json_parse("{}\0{", 4, 64, &root, &err));
}

static void test_getters_name_the_field(void **state)
{
    (void)state;
    struct json *root = parse(
        "{\"age\":131,\"name\":\"a\\nb\",\"t\":\"x\",\"n\":null,\"temp\":38.45,\"o\":{},\"b\":1}");
    struct err err = { 0 };
    int64_t n = -7;
    const char *text = "unset";
    bool flag;
    const struct json *inner;
    assert_false(json_get_int(root, "age", 0, 0, 130, &n, &err));
    assert_string_equal(err.text, "age: must be an integer between 0 and 130");
    assert_false(json_get_int(root, "temp", 0, 0, 130, &n, &err));
    assert_false(json_get_text(root, "name", 0, 1, 10, &text, &err));
    assert_string_equal(err.text, "name: must not hold control characters");
    assert_true(json_get_text(root, "name", JSON_MULTILINE, 1, 10, &text, &err));
    assert_false(json_get_text(root, "name", 0, 4, 10, &text, &err));
    assert_string_equal(err.text, "name: must have 4 to 10 bytes");
    assert_false(json_get_text(root, "age", 0, 4, 10, &text, &err));
    assert_false(json_get_time(root, "t", 0, &n, &err));
    assert_true(strncmp(err.text, "t: ", 3) == 0);
    assert_false(json_get_bool(root, "b", 0, &flag, &err));
    assert_false(json_get_object(root, "b", 0, &inner, &err));
    assert_true(json_get_object(root, "o", 0, &inner, &err));
    assert_false(json_get_array(root, "o", 0, 3, &inner, &err));
    assert_int_equal(n, -7);
    json_free(root);
}

static void test_absent_null_and_required(void **state)
{
    (void)state;
    struct json *root = parse("{\"n\":null,\"zero\":0}");
    struct err err = { 0 };
    int64_t n = 42;
    assert_true(json_get_int(root, "gone", 0, 0, 9, &n, &err));
    assert_int_equal(n, 42);
    assert_false(json_get_int(root, "gone", JSON_REQUIRED, 0, 9, &n, &err));
    assert_string_equal(err.text, "gone: is missing");
    assert_false(json_get_int(root, "n", 0, 0, 9, &n, &err));
    assert_true(json_get_int(root, "n", JSON_NULLABLE, 0, 9, &n, &err));
    assert_int_equal(n, 42);
    assert_false(json_get_int(root, "n", JSON_NULLABLE | JSON_REQUIRED, 0, 9, &n, &err));
    assert_true(json_get_int(root, "zero", JSON_REQUIRED, 0, 9, &n, &err));
    assert_int_equal(n, 0);
    assert_true(json_has(root, "n") && json_has_null(root, "n"));
    assert_false(json_has(root, "gone") || json_has_null(root, "zero"));
    json_free(root);
}

static void test_scaled_numbers(void **state)
{
    (void)state;
    struct json *root = parse(
        "{\"a\":38.4,\"b\":112,\"c\":-0.0004,\"d\":1e300,\"e\":\"112\",\"f\":45.0004,\"g\":45.0006}");
    struct err err = { 0 };
    int64_t n = 0;
    assert_true(json_get_scaled(root, "a", 0, 3, 0, 45000, &n, &err));
    assert_int_equal(n, 38400);
    assert_true(json_get_scaled(root, "b", 0, 3, 0, 400000, &n, &err));
    assert_int_equal(n, 112000);
    assert_true(json_get_scaled(root, "c", 0, 3, 0, 45000, &n, &err));
    assert_int_equal(n, 0);
    assert_false(json_get_scaled(root, "d", 0, 3, 0, 45000, &n, &err));
    assert_string_equal(err.text, "d: must be a number between 0 and 45");
    assert_false(json_get_scaled(root, "e", 0, 3, 0, 400000, &n, &err));
    assert_true(json_get_scaled(root, "f", 0, 3, 0, 45000, &n, &err));
    assert_int_equal(n, 45000);
    assert_false(json_get_scaled(root, "g", 0, 3, 0, 45000, &n, &err));
    double d = 0;
    assert_true(json_get_double(root, "a", 0, 0, 100, &d, &err));
    assert_true(d == 38.4);
    json_free(root);
}

static void test_choice_and_unknown_fields(void **state)
{
    (void)state;
    static const char *const scopes[] = { "one", "two", NULL };
    static const char *const known[] = { "a", "b", NULL };
    struct json *root = parse("{\"a\":\"two\",\"b\":\"three\"}");
    struct err err = { 0 };
    int choice = -1;
    assert_true(json_get_choice(root, "a", 0, scopes, &choice, &err));
    assert_int_equal(choice, 1);
    assert_false(json_get_choice(root, "b", 0, scopes, &choice, &err));
    assert_string_equal(err.text, "b: must be one of one, two");
    assert_true(json_only(root, known, &err));
    json_free(root);
    root = parse("{\"a\":1,\"col\\nour\":2}");
    assert_false(json_only(root, known, &err));
    assert_string_equal(err.text, "col?our: unknown field (known: a, b)");
    json_free(root);
}

static void test_arrays_and_walking(void **state)
{
    (void)state;
    struct json *root = parse("{\"list\":[\"x\",2,true],\"k\":1.5}");
    struct err err = { 0 };
    const struct json *list = NULL, *value;
    assert_true(json_get_array(root, "list", JSON_REQUIRED, 3, &list, &err));
    assert_false(json_get_array(root, "list", JSON_REQUIRED, 2, &list, &err));
    assert_int_equal(json_count(list), 3);
    assert_string_equal(json_text_of(json_item(list, 0)), "x");
    assert_null(json_text_of(json_item(list, 1)));
    assert_null(json_item(list, 3));
    assert_int_equal(json_kind_of(json_item(list, 2)), JSON_IS_BOOL);
    const char *key;
    int seen = 0;
    for (void *at = NULL; json_each(root, &at, &key, &value); seen++)
        assert_true(strcmp(key, "list") == 0 || json_kind_of(value) == JSON_IS_DECIMAL);
    assert_int_equal(seen, 2);
    json_free(root);
}

static void test_writer_sees_to_commas(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1024);
    struct json_writer w = json_write(&out);
    json_put_object(&w, NULL);
    json_put_text(&w, "a", "q\"<");
    json_put_text(&w, "none", NULL);
    json_put_array(&w, "list");
    json_put_int(&w, NULL, -1);
    json_put_decimal(&w, NULL, 384, 1);
    json_put_object(&w, NULL);
    json_put_end(&w);
    json_put_array(&w, NULL);
    json_put_end(&w);
    json_put_end(&w);
    json_put_bool(&w, "yes", true);
    json_put_time(&w, "t", 0);
    json_put_raw(&w, "raw", "{\"x\":1}");
    json_put_end(&w);
    assert_string_equal(out.data, "{\"a\":\"q\\\"\\u003c\",\"none\":null,\"list\":[-1,38.4,{},[]],\"yes\":true,"
                                  "\"t\":\"1970-01-01T00:00:00.000Z\",\"raw\":{\"x\":1}}");
    struct json *root = parse(out.data);
    json_free(root);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parser_refuses),
        cmocka_unit_test(test_depth_counts_outside_strings_only),
        cmocka_unit_test(test_nul_in_the_middle_is_no_end),
        cmocka_unit_test(test_getters_name_the_field),
        cmocka_unit_test(test_absent_null_and_required),
        cmocka_unit_test(test_scaled_numbers),
        cmocka_unit_test(test_choice_and_unknown_fields),
        cmocka_unit_test(test_arrays_and_walking),
        cmocka_unit_test(test_writer_sees_to_commas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
