/* collect.h - what a ward wrote and corrected in the last days, as samples (sample.h).
 *
 * From:     a data directory (SQLite, opened for reading only, also beside a running server), or the URL of
 *           an Elasticsearch or OpenSearch: medical-summaries-*, medical-feedback-* and medical-vitals-*
 *           (docs/api.md; a summary's document has window_start, window_end, alerts and removed too).
 * Which:    every summary of the time; of one that was edited, also each edit that the guard found proven.
 *           The readings of its window are read again; its alerts are those that its document holds.
 * Names:    none goes into a sample.
 * Threads:  one.  `progress` is called with the summaries done, now and then. */
#ifndef LEARN_COLLECT_H
#define LEARN_COLLECT_H

#include "base/clock.h"
#include "learn/sample.h"

enum { COLLECT_DAYS_DEFAULT = 7, COLLECT_DAYS_MAX = 90 };

struct collect_options {
    const char *from;                    /* DIR or http(s)://host:port */
    int64_t from_us, to_us;
    const char *authorization;           /* "ApiKey …" or "Basic …" for a search server; NULL: none */
    void (*progress)(void *context, size_t summaries);
    void *progress_context;
};
struct collected {
    size_t summaries, edits, ratings, without_readings;
};

bool collect(const struct collect_options *options, const char *out_path, struct collected *out,
             struct err *err) MUST_CHECK;

#endif
