/* claim_grammar.h - the clauses that can be proven, and how. */
#ifndef CLINICAL_CLAIM_GRAMMAR_H
#define CLINICAL_CLAIM_GRAMMAR_H

#include "clinical/claim_prove.h"

struct claim_rule {
    const char *pattern;
    claim_prover *prove;
    int how;                             /* the prover's own: a direction, a negation … */
};
extern const struct claim_rule claim_rules[];

#endif
