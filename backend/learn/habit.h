/* habit.h - the order in which readers want to be told, learnt from their edits and given to the rehearsal.
 *
 * Rehearsal keeps what the week did not show, but in the writer's order it would teach the old habit for all of it,
 * and the model would keep the new one for the windows it has seen edited (measured: 16 of 1,000 others followed).
 * Kinds:   of a sentence with names (clinical/slots.h): about the window, NEWS2, an alarm, a vital that moved, one that
 *          did not, and what has no number.
 * Habit:   one kind stands before another in HABIT_SHARE of at least HABIT_MIN edits that have both, and in less than
 *          half of what the writer says of the same windows: what was like that before is no habit.
 * Threads: one. */
#ifndef LEARN_HABIT_H
#define LEARN_HABIT_H

#include "base/arena.h"
#include "base/str.h"

enum habit_kind { HABIT_WINDOW, HABIT_NEWS2, HABIT_ALARM, HABIT_MOVED, HABIT_STEADY, HABIT_OTHER, HABIT_KIND_COUNT };
enum { HABIT_MIN = 20 };
#define HABIT_SHARE 0.8

struct habit {
    const struct habit *older;           /* decides where these texts say too little; NULL: the writer does */
    /* texts in which the first of the one stands before the first of the other */
    int edited[HABIT_KIND_COUNT][HABIT_KIND_COUNT], usual[HABIT_KIND_COUNT][HABIT_KIND_COUNT];
};

/* An edit, and the writer's text about the same window. */
void habit_note(struct habit *habit, const char *edited, const char *usual);
/* The same sentences, in the readers' order where there is one, else as they are. */
void habit_apply(const struct habit *habit, const char *named, struct buf *out);

#endif
