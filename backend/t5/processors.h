/* processors.h - what changes a row's scores before the next token is chosen.
 *
 * In transformers' order: repetition penalty, no-repeat n-grams, minimum length.  All three change few
 * tokens of a row, the special ones, so a row is a sorted list of them and how each changes; every other
 * token keeps its score.
 * Source:  transformers 4.57.6, generation/logits_process.py: RepetitionPenaltyLogitsProcessor (Keskar
 *          et al. 2019, arXiv:1909.05858, section 4.1), NoRepeatNGramLogitsProcessor,
 *          MinLengthLogitsProcessor; the order: GenerationMixin._get_logits_processor.
 * Bounds:  a row has at most max_length + 1 special tokens. */
#ifndef T5_PROCESSORS_H
#define T5_PROCESSORS_H

#include "t5/t5.h"

enum { TOKEN_SEEN = 1, TOKEN_BANNED = 2 };

struct special_tokens {
    int32_t *tokens;     /* sorted, distinct */
    uint8_t *marks;      /* TOKEN_… of each */
    size_t count;
};

/* Adds a token to a sorted list of distinct ones, if it is new. */
size_t sorted_insert(int32_t *sorted, size_t count, int32_t token);
/* `seen`: the sequence's distinct tokens, sorted; `sequence`: all of them in order, start token first. */
void special_tokens_find(struct special_tokens *out, const struct t5_params *params, int32_t eos_id,
                         const int32_t *sequence, int length, const int32_t *seen, size_t seen_count);
/* The score of special token i after the processors. */
float special_tokens_apply(const struct special_tokens *special, size_t i, float score, const struct t5_params *params);
/* Its place, or -1: not special. */
int special_tokens_index(const struct special_tokens *special, int32_t token);

#endif
