/* wording.h - a ward's own words, learnt from its edits and given to the rehearsal, as habit.h does with the order.
 *
 * Pairing: a sentence of the edit belongs to the writer's sentence with which it shares most of its words, at least
 *          half.
 * Rule:    where the two differ, these words are said instead of those; a word that was only added or left out takes
 *          its neighbour along.  No rule changes a name of a number (clinical/slots.h).
 * Habit:   a rule holds where HABIT_SHARE of at least HABIT_MIN of the writer's sentences that have those words were
 *          edited so.
 * Bounds:  WORDING_RULES_MAX rules are watched, sentences of WORDING_WORDS_MAX words.   Threads: one. */
#ifndef LEARN_WORDING_H
#define LEARN_WORDING_H

#include "base/str.h"

enum { WORDING_RULES_MAX = 256, WORDING_WORDS_MAX = 96, WORDING_PHRASE_SIZE = 96 };

struct wording_rule {
    char from[WORDING_PHRASE_SIZE], to[WORDING_PHRASE_SIZE];   /* words between spaces, one at each end */
    int edited, seen;                    /* since it was first met */
    int tried, undone;                   /* newer texts where it could have been used, and where it was not */
};

struct wording {
    /* its rules come after these, unless the newer texts are against them; or NULL */
    struct wording *older;
    struct wording_rule rules[WORDING_RULES_MAX];
    int count;
};

/* An edit, and the writer's text about the same window, both with names. */
void wording_note(struct wording *wording, const char *edited, const char *usual);
bool wording_holds(const struct wording_rule *rule);
/* The same text in the ward's words; longer rules go first. */
void wording_apply(const struct wording *wording, const char *named, struct buf *out);

#endif
