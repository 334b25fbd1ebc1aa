#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include <unistd.h>

static size_t read_line(int fd, char *text, size_t size)
{
    ssize_t n = read(fd, text, size - 1);
    assert_true(n > 0);
    text[n] = '\0';
    return (size_t)n;
}

static void a_value_cannot_forge_a_line(void **state)
{
    (void)state;
    int fds[2];
    char text[1000];
    assert_int_equal(pipe(fds), 0);
    log_set_fd(fds[1]);
    log_info("patient admitted", LOG_STR("patient_id", "P1\n{\"level\":\"error\"}"), LOG_INT("n", -3));
    size_t n = read_line(fds[0], text, sizeof text);
    assert_int_equal(text[n - 1], '\n');
    assert_ptr_equal(strchr(text, '\n'), text + n - 1);
    assert_non_null(strstr(text, "\"level\":\"info\",\"message\":\"patient admitted\""));
    assert_non_null(strstr(text, "\"n\":-3}"));
    log_set_fd(2);
}

static void levels_filter(void **state)
{
    (void)state;
    int fds[2];
    char text[1000];
    enum log_level level;
    assert_int_equal(pipe(fds), 0);
    log_set_fd(fds[1]);
    log_debug("hidden");
    log_warn("shown");
    read_line(fds[0], text, sizeof text);
    assert_null(strstr(text, "hidden"));
    assert_true(log_level_parse("error", &level));
    assert_int_equal(level, LOG_ERROR);
    assert_false(log_level_parse("loud", &level));
    log_set_fd(2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_cannot_forge_a_line),
        cmocka_unit_test(levels_filter),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
