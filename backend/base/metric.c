#include "base/metric.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const int64_t bucket_limits_us[METRIC_BUCKET_COUNT - 1] = {
    100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000, 500000,
    1000000, 2000000, 5000000, 10000000, 30000000, 100000000,
};

static _Atomic(struct metric *) all;

void metric_register(struct metric *metric)
{
    if (atomic_exchange(&metric->registered, true))
        return;
    metric->next = atomic_load(&all);
    while (!atomic_compare_exchange_weak(&all, &metric->next, metric))
        ;
}

void metric_add(struct metric *metric, int64_t by)
{
    metric_register(metric);
    atomic_fetch_add_explicit(&metric->value, by, memory_order_relaxed);
}

void metric_set(struct metric *metric, int64_t value)
{
    metric_register(metric);
    atomic_store_explicit(&metric->value, value, memory_order_relaxed);
}

void metric_observe_us(struct metric *metric, int64_t duration_us)
{
    metric_register(metric);
    int i = 0;
    while (i < METRIC_BUCKET_COUNT - 1 && duration_us > bucket_limits_us[i])
        i++;
    atomic_fetch_add_explicit(&metric->buckets[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&metric->value, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&metric->sum_us, duration_us, memory_order_relaxed);
}

int64_t metric_value(struct metric *metric)
{
    return atomic_load_explicit(&metric->value, memory_order_relaxed);
}

static void print_histogram(struct buf *out, struct metric *m)
{
    int64_t total = 0;
    for (int i = 0; i < METRIC_BUCKET_COUNT; i++) {
        total += atomic_load(&m->buckets[i]);
        buf_printf(out, "%s_bucket{%s%sle=\"", m->name, m->labels ? m->labels : "", m->labels ? "," : "");
        if (i < METRIC_BUCKET_COUNT - 1)
            buf_add_decimal(out, bucket_limits_us[i], 6);
        else
            buf_add_text(out, "+Inf");
        buf_printf(out, "\"} %lld\n", (long long)total);
    }
    const char *open = m->labels ? "{" : "", *close = m->labels ? "}" : "", *labels = m->labels ? m->labels : "";
    buf_printf(out, "%s_sum%s%s%s ", m->name, open, labels, close);
    buf_add_decimal(out, atomic_load(&m->sum_us), 6);
    buf_printf(out, "\n%s_count%s%s%s %lld\n", m->name, open, labels, close, (long long)total);
}

static bool named_before(struct metric *metric)
{
    for (struct metric *m = atomic_load(&all); m != metric; m = m->next)
        if (str_equal(m->name, metric->name))
            return true;
    return false;
}

static void print_value(struct buf *out, struct metric *m)
{
    buf_printf(out, m->labels ? "%s{%s} %lld\n" : "%s%s %lld\n", m->name, m->labels ? m->labels : "",
               (long long)metric_value(m));
}

/* All series of one name stand together under one HELP and TYPE, as the format demands. */
static void print_family(struct buf *out, struct metric *first)
{
    static const char *const kinds[] = { "counter", "gauge", "histogram" };
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", first->name, first->help, first->name, kinds[first->kind]);
    for (struct metric *m = first; m; m = m->next) {
        if (!str_equal(m->name, first->name))
            continue;
        if (m->kind == METRIC_KIND_HISTOGRAM)
            print_histogram(out, m);
        else
            print_value(out, m);
    }
}

static void print_process(struct buf *out)
{
    struct rusage usage;
    long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file) {
        if (fscanf(file, "%ld %ld", &pages, &resident) != 2)
            resident = 0;
        (void)fclose(file);
    }
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return;
    int64_t cpu_us = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * US_PER_S + usage.ru_utime.tv_usec +
                     usage.ru_stime.tv_usec;
    buf_add_text(out, "# HELP process_cpu_seconds_total User and system CPU time.\n"
                      "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total ");
    buf_add_decimal(out, cpu_us, 6);
    buf_printf(out, "\n# HELP process_resident_memory_bytes Resident memory.\n"
                    "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes %lld\n",
               (long long)resident * sysconf(_SC_PAGESIZE));
}

void metric_print_all(struct buf *out)
{
    for (struct metric *m = atomic_load(&all); m; m = m->next)
        if (!named_before(m))
            print_family(out, m);
    print_process(out);
}
