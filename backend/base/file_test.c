#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/file-test-XXXXXX";
static char path[64], beside[64];

static void what_is_written_is_read(void **state)
{
    (void)state;
    struct err err;
    struct buf text;
    char large[40000];
    memset(large, 'x', sizeof large);
    assert_true(file_write(path, large, sizeof large, &err));
    assert_true(file_read(path, sizeof large, &text, &err));
    assert_int_equal(text.length, sizeof large);
    assert_memory_equal(text.data, large, sizeof large);
    buf_free(&text);
    assert_true(file_replace(path, "a\0b", 3, &err));
    assert_true(file_read(path, 3, &text, &err));
    assert_int_equal(text.length, 3);
    assert_memory_equal(text.data, "a\0b", 4);
    buf_free(&text);
    assert_int_not_equal(access(beside, F_OK), 0);
}

static void an_empty_file_is_an_empty_text(void **state)
{
    (void)state;
    struct err err;
    struct buf text;
    assert_true(file_write(path, NULL, 0, &err));
    assert_true(file_read(path, 0, &text, &err));
    assert_int_equal(text.length, 0);
    assert_string_equal(text.data, "");
    buf_free(&text);
}

static void refusals_name_the_file(void **state)
{
    (void)state;
    struct err err;
    struct buf text;
    assert_true(file_write(path, "1234", 4, &err));
    assert_false(file_read(path, 3, &text, &err));
    assert_int_equal(err.kind, ERR_TOO_LARGE);
    assert_non_null(strstr(err.text, path));
    assert_non_null(strstr(err.text, "more than 3 bytes"));
    assert_null(text.data);
    assert_false(file_read(beside, 3, &text, &err));
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_null(text.data);
    assert_false(file_read(folder, 3, &text, &err));
    assert_int_equal(err.kind, ERR_IO);
    assert_null(text.data);
}

/* A folder stands where the file should go: it cannot be renamed over, and nothing is left beside it. */
static void a_failed_replacement_leaves_nothing(void **state)
{
    (void)state;
    struct err err;
    (void)unlink(path);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_false(file_replace(path, "x", 1, &err));
    assert_int_equal(err.kind, ERR_IO);
    assert_int_not_equal(access(beside, F_OK), 0);
    assert_int_equal(rmdir(path), 0);
}

int main(void)
{
    if (!mkdtemp(folder))
        return 1;
    (void)snprintf(path, sizeof path, "%s/a", folder);
    (void)snprintf(beside, sizeof beside, "%s/a.new", folder);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(an_empty_file_is_an_empty_text),
        cmocka_unit_test(refusals_name_the_file),
        cmocka_unit_test(a_failed_replacement_leaves_nothing),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)unlink(path);
    (void)rmdir(folder);
    return failed;
}
