/* examine.h - one model sits the exam: every window is written about, then judged.
 *
 * Latency:  of the first EXAMINE_ALONE windows, written one at a time; the others run together.
 * Threads:  the model's own; the caller waits. */
#ifndef LEARN_EXAMINE_H
#define LEARN_EXAMINE_H

#include "learn/exam.h"
#include "learn/served.h"

#include <stdatomic.h>

enum { EXAMINE_ALONE = 40, EXAMINE_TOGETHER = 256 };

struct examine_options {
    const char *dir, *name;              /* a model's folder, and what the exam calls it */
    int threads;
    const atomic_bool *cancel;           /* NULL: never */
    void (*on_progress)(void *context, int64_t done, int64_t total);
    void *context;
};
/* texts [set->count] live in the arena. */
bool examine(const struct examine_options *options, const struct exam_set *set, struct arena *arena, const char **texts,
             struct exam *out, struct err *err) MUST_CHECK;

#endif
