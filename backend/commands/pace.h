/* pace.h - readings at their own speed, or N times as fast, or as fast as they go.
 *
 * Late: when a server is slower than the pace, nothing is left out and nothing is hurried: the clock
 *       of the recording runs behind, and catches up when it can. */
#ifndef COMMANDS_PACE_H
#define COMMANDS_PACE_H

#include "commands/feed.h"

struct pace {
    double speed;             /* 0: as fast as possible */
    int64_t first_us;         /* stamp of the first reading */
    int64_t started_us;       /* monotonic, when it was sent */
};

/* "max", "1", "60", "0.5" … up to a million. */
bool pace_parse(const char *text, struct pace *out, struct err *err) MUST_CHECK;
void pace_begin(struct pace *pace, int64_t first_us);
/* Until the reading of `time_us` is due.  What is in the batch is sent before waiting.  Calls `idle`
 * (may be NULL) about ten times a second.  false: the feed failed, or Ctrl-C (commands/interrupt.h). */
bool pace_wait(const struct pace *pace, struct feed *feed, int64_t time_us, void (*idle)(void *context), void *context,
               struct err *err) MUST_CHECK;

#endif
