/* metric.h - counters, gauges and histograms in Prometheus' text format 0.0.4.
 *
 * A metric is a static struct that registers itself on first use of METRIC_*:
 *
 *     static struct metric accepted = METRIC_COUNTER("wardscribe_readings_accepted_total", "Readings accepted.");
 *     metric_add(&accepted, 1);
 *
 * Lifetime: static, never freed.  Threads: any, without locks.
 * Units:    in the name, last (`_seconds`, `_bytes`, `_total`), as Prometheus asks. */
#ifndef BASE_METRIC_H
#define BASE_METRIC_H

#include "base/str.h"

#include <stdatomic.h>
#include <stdint.h>

/* Latency buckets: 100 us to 100 s, three to a decade; the last is +Inf. */
enum { METRIC_BUCKET_COUNT = 19 };

enum metric_kind { METRIC_KIND_COUNTER, METRIC_KIND_GAUGE, METRIC_KIND_HISTOGRAM };

struct metric {
    const char *name, *help, *labels;   /* labels: NULL or `service="alert-engine"` */
    enum metric_kind kind;
    atomic_bool registered;
    struct metric *next;
    _Atomic int64_t value;              /* counter, gauge; histogram: count */
    _Atomic int64_t sum_us;             /* histogram */
    _Atomic int64_t buckets[METRIC_BUCKET_COUNT];
};

#define METRIC_COUNTER(n, h)   { .name = (n), .help = (h), .kind = METRIC_KIND_COUNTER }
#define METRIC_GAUGE(n, h)     { .name = (n), .help = (h), .kind = METRIC_KIND_GAUGE }
#define METRIC_HISTOGRAM(n, h) { .name = (n), .help = (h), .kind = METRIC_KIND_HISTOGRAM }

void metric_register(struct metric *metric);            /* idempotent; shows it before first use */
void metric_add(struct metric *metric, int64_t by);
void metric_set(struct metric *metric, int64_t value);
void metric_observe_us(struct metric *metric, int64_t duration_us);
int64_t metric_value(struct metric *metric);
void metric_print_all(struct buf *out);                 /* also process_* figures */

#endif
