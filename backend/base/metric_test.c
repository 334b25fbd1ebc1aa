#include "base/metric.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

static void families_are_printed_once(void **state)
{
    (void)state;
    static struct metric a = METRIC_COUNTER("t_total", "Things.");
    static struct metric b = METRIC_COUNTER("t_total", "Things.");
    static struct metric h = METRIC_HISTOGRAM("t_seconds", "Time.");
    a.labels = "kind=\"a\"";
    b.labels = "kind=\"b\"";
    metric_add(&a, 2);
    metric_add(&b, 3);
    metric_observe_us(&h, 150);
    metric_observe_us(&h, 700 * 1000 * 1000);
    struct buf out;
    buf_init(&out, 1 << 20);
    metric_print_all(&out);
    char *first = strstr(out.data, "# TYPE t_total counter\n");
    assert_non_null(first);
    assert_null(strstr(first + 1, "# TYPE t_total"));
    assert_non_null(strstr(out.data, "t_total{kind=\"a\"} 2\n"));
    assert_non_null(strstr(out.data, "t_total{kind=\"b\"} 3\n"));
    assert_non_null(strstr(out.data, "t_seconds_bucket{le=\"0.0001\"} 0\n"));
    assert_non_null(strstr(out.data, "t_seconds_bucket{le=\"0.0002\"} 1\n"));
    assert_non_null(strstr(out.data, "t_seconds_bucket{le=\"+Inf\"} 2\n"));
    assert_non_null(strstr(out.data, "t_seconds_count 2\n"));
    assert_non_null(strstr(out.data, "process_resident_memory_bytes "));
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(families_are_printed_once) };
    return cmocka_run_group_tests_name("metric", tests, NULL, NULL);
}
