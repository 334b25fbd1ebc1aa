/* progress.h - how far long work has come: a bar on a terminal, JSON lines elsewhere.
 *
 *     struct progress progress;
 *     progress_start(&progress, "replay", "readings", total);
 *     while (…) progress_update(&progress, done, "33 patients");
 *     progress_end(&progress, done, "33 patients");
 *
 * Terminal: one line of standard error that is drawn again, at most ten times a second:
 *               replay  [#########-----------]  45 %  7,144 of 15,873 readings, 33 patients  4,980/s  2 s left
 * Else:     a line a second of standard error, and one at the end:
 *               {"progress":"replay","done":7144,"total":15873,"unit":"readings","rate":4980.2,"left_s":2,
 *                "note":"33 patients"}
 * Total 0:  not known: no bar, no time left.
 * Threads:  one. */
#ifndef BASE_PROGRESS_H
#define BASE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *name, *unit;        /* kept by reference */
    int64_t total;
    int64_t started_us, drawn_us;   /* monotonic */
    int64_t first;                  /* done at the start: what was there already gives no rate */
    bool terminal, quiet, drawn;
};

void progress_start(struct progress *progress, const char *name, const char *unit, int64_t total);
/* What was done by an earlier run, before the first update. */
void progress_resume(struct progress *progress, int64_t already);
void progress_quiet(struct progress *progress);   /* --quiet: nothing is shown */
/* `note` may be NULL. */
void progress_update(struct progress *progress, int64_t done, const char *note);
void progress_end(struct progress *progress, int64_t done, const char *note);
/* Before something else is printed: takes the bar away. */
void progress_hide(struct progress *progress);

#endif
