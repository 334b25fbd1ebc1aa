/* named.h - a person's text about a window, with names where its numbers stand (clinical/slots.h).
 *
 * A sentence that the writer could have written (readers mostly move, drop and join such sentences) gets the
 * names that the writer gives it, whatever other numbers of the window look the same; in any other sentence
 * a number is named as in the writer's most similar one (likeness.h), and what is left by what stands around it
 * (slots_hide).
 * Bounds:  NAMED_WORDINGS wordings are tried.   Memory: the arena's.   Threads: pure. */
#ifndef LEARN_NAMED_H
#define LEARN_NAMED_H

#include "base/arena.h"
#include "base/str.h"
#include "clinical/slots.h"

enum { NAMED_WORDINGS = 128 };   /* finds 99 of 100 of the writer's own sentences (named_test.c) */

void named_text(const struct facts *facts, const char *text, struct arena *arena, struct buf *out);

#endif
