/* naive_check.h - is a sentence true?  A second, simple reading of it, for tests of the guard only.
 *
 * It shares nothing with the guard: it scans the characters from left to right, keeps in mind the last
 * vital and the last alarm that were named, and holds every number, time, direction, alarm and negation
 * against the readings with loops of its own.  It flags; it does not understand: what it lets pass may
 * still be wrong, what it flags is. */
#ifndef LEARN_NAIVE_CHECK_H
#define LEARN_NAIVE_CHECK_H

#include "clinical/facts.h"

/* NULL: nothing found; else what is wrong. */
const char *naive_check(const struct window *window, const struct alarm_limits *limits, const char *sentence);
/* Every open critical alert is told, by name and as critical. */
bool naive_critical_told(const struct window *window, const char *text);

#endif
