/* guard.h - nothing unproven reaches a screen.
 *
 * Default deny: a text is cut into sentences, a sentence into clauses; it is kept only if every one of its
 * words belongs to a clause that claim_grammar.c knows and every clause is proven against the window
 * (claim_prove.h).  An unknown word, name, number or turn of phrase cuts the whole sentence.  An open
 * critical alert that no kept sentence tells as critical gets the writer's sentence, in front.
 *
 * Works on any text: a model's, the writer's, a clinician's edit.
 * Bounds:   GUARD_TEXT_MAX bytes, SENTENCES_MAX kept sentences, GUARD_CUTS_MAX cut ones; what is more is cut.
 * Memory:   the arena's.   Threads: pure. */
#ifndef CLINICAL_GUARD_H
#define CLINICAL_GUARD_H

#include "clinical/writer.h"

enum { GUARD_TEXT_MAX = 16 << 10, GUARD_CUTS_MAX = 64 };

struct guard_options {
    const char *patient_id;              /* may stand in the text ("patient P001"); NULL: none may */
    /* a model's "Patient 1" and "Patient X" are this patient: shown as "The patient" */
    bool alias;
};
struct guard_cut {
    const char *text, *reason;
};
struct guard_result {
    struct summary_text kept;            /* added ones first */
    int added;                           /* how many of them are about critical alerts that were omitted */
    struct guard_cut cuts[GUARD_CUTS_MAX];
    int cut_count, sentence_count;       /* of the text */
};

void guard_check(const struct facts *facts, const char *text, const struct guard_options *options, struct arena *arena,
                 struct guard_result *out);

#endif
