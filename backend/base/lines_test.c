#include "base/lines.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/lines-test-XXXXXX";

static void put(const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_int_equal(fwrite(data, 1, size, file), size);
    (void)fclose(file);
}

static bool join(void *context, const char *line, size_t length, struct err *err)
{
    assert_int_equal(strlen(line), length);
    if (strcmp(line, "bad") == 0)
        return err_set(err, ERR_INPUT, "bad");
    buf_printf(context, "[%s]", line);
    return true;
}

static void lines_come_as_they_are(void **state)
{
    static const struct {
        const char *text, *seen, *error;
    } cases[] = {
        { "", "", NULL },
        { "a", "[a]", NULL },
        { "a\n\n b \nc", "[a][ b ][c]", NULL },
        { "a\nbad\nc\n", "[a]", "line 2: bad" },
        { "a\n0123456789\n", "[a]", "line 2: longer than 8 bytes" },
        { "a\n0123456789", "[a]", "line 2: longer than 8 bytes" },
        { "a\r\n\r\nb\r\n", "[a][b]", NULL },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int packed = 0; packed < 2; packed++) {
            struct buf seen, gz;
            struct err err = { 0 };
            buf_init(&seen, 1000);
            buf_init(&gz, 1000);
            buf_add_text(&seen, "");
            gzip_pack(cases[i].text, strlen(cases[i].text), &gz);
            put(packed ? gz.data : cases[i].text, packed ? gz.length : strlen(cases[i].text));
            assert_int_equal(lines_read(path, 8, join, &seen, &err), cases[i].error == NULL);
            assert_string_equal(seen.data ? seen.data : "", cases[i].seen);
            if (cases[i].error)
                assert_non_null(strstr(err.text, cases[i].error));
            buf_free(&seen);
            buf_free(&gz);
        }
}

static void one_by_one_a_long_line_is_passed_over(void **state)
{
    static const char text[] = "a\n0123456789\n\nb";
    struct line_input *input = mem_new(1, sizeof *input);
    struct err err = { 0 };
    (void)state;
    put(text, sizeof text - 1);
    assert_true(line_input_open(input, path, 8, &err));
    assert_int_equal(line_input_next(input, &err), LINE_ONE);
    assert_string_equal(input->line.data, "a");
    assert_int_equal(line_input_next(input, &err), LINE_TOO_LONG);
    assert_int_equal(input->number, 2);
    assert_int_equal(line_input_next(input, &err), LINE_ONE);
    assert_int_equal(input->line.length, 0);
    assert_int_equal(line_input_next(input, &err), LINE_ONE);
    assert_string_equal(input->line.data, "b");
    assert_int_equal(line_input_next(input, &err), LINE_END);
    line_input_close(input);
    mem_free(input);
}

static void a_missing_file_is_named(void **state)
{
    struct err err = { 0 };
    (void)state;
    assert_false(lines_read("/nonexistent/x", 8, join, NULL, &err));
    assert_non_null(strstr(err.text, "/nonexistent/x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(lines_come_as_they_are),
                                        cmocka_unit_test(one_by_one_a_long_line_is_passed_over),
                                        cmocka_unit_test(a_missing_file_is_named) };
    int fd = mkstemp(path);
    (void)close(fd);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)unlink(path);
    return failed;
}
