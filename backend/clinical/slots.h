/* slots.h - a summary whose numbers stand outside of it, each under the name of what it is.
 *
 *     heart rate rose from 88 bpm at 12:56 to 112 bpm   ->   heart rate rose from $Ha at $Hs to $Hb
 *
 * A small model that copies digits errs; one that writes "$Hb" where the last heart rate goes cannot write another
 * number, its texts are half as long, and what it reads needs no numbers at all.
 * Names:   '$', the owner, the letter.   Owners: H S Y D T R, the vitals in the order of vital.h; 0-9 a-f, the alerts
 *          in the writer's order; N NEWS2; W the window; G how many alerts there are.
 *          Letters of a vital: a b first, last; l h lowest, highest; A L without unit; s e m x the times of these;
 *                              n marked.
 *          Of an alert: n how often, o f from, to; p q the worst value and its time.  N: l h.  W: n s e.  G: n.
 * Input:   what the model reads (slots_input): the writer's decisions as words, no number:
 *
 *     many | HR rising over range | SpO2 stable range | SBP pair falling same under range | DBP none | T one 1
 *     | RR stable bad
 *     | alarm critical hypoxia open unacked worst | alarm fever over acked | NEWS2 range | calm
 *
 *          same: first and last in the same minute; over, under: an extreme far beyond both ends; range: values
 *          differ; bad, bads: one, several marked values; one K: measured once, with the others of group K.
 * Limit:   a model that reads slots knows what the facts say of a number, not the number. */
#ifndef CLINICAL_SLOTS_H
#define CLINICAL_SLOTS_H

#include "base/str.h"
#include "clinical/facts.h"

enum { SLOTS_MAX = 176, SLOT_TEXT_SIZE = 24 };   /* 6 * 11 of vitals, 16 * 5 of alerts, 6 others */

struct slots {
    struct slot {
        char owner, letter;
        char text[SLOT_TEXT_SIZE];               /* "112 bpm", "12:56" */
    } slot[SLOTS_MAX];
    int count;
};

void slots_make(const struct facts *facts, struct slots *out);
void slots_input(const struct facts *facts, struct buf *out);
/* Names become their texts.  One that the facts do not fill stays as it is, and no guard will prove it. */
void slots_fill(const struct slots *slots, const char *text, struct buf *out);
/* Numbers of a text that a person wrote become names, where a slot holds the same text: that of the vital named
 * last, a time that of the value before it.  Others stay as they are. */
void slots_hide(const struct slots *slots, const char *text, struct buf *out);

#endif
