/* generate.h - greedy and beam search, one request each, as transformers 4.57 does them; no model in here.
 *
 * A generation is a pure state machine.  The engine asks how many rows of logits it wants, runs the
 * decoder on that many rows (one per live beam), hands the logits in, and gets the next step's tokens
 * and, for each, the row of the step before whose cache it continues:
 *
 *     generation = generation_new(&config, &params);       start: one row with the start token
 *     while (generation_row_count(generation) > 0) {
 *         logits of the rows, row i on token generation_token(generation, i)
 *         generation_step(generation, logits, V);
 *         cache of row i = cache of row generation_parent(generation, i)     (by index, no copy)
 *     }
 *     generation_result(generation, &ids, &count, &score);
 *
 * The first step has one row even in beam search: all beams are still the same.  Then it has num_beams
 * rows until it is done.
 *
 * Scores:   fp32, in the order of operations of GenerationMixin._beam_search: log-softmax, repetition
 *           penalty, no-repeat n-grams, minimum length, plus the beam's score; the same top-k with the
 *           same order among equals (topk.h).  Greedy: processors on raw logits, the first of equal maxima.
 * Source:   transformers 4.57.6, generation/utils.py and generation/logits_process.py.
 * Owner:    whoever called generation_new().  One allocation per request; none in a step.
 * Threads:  a generation belongs to one thread at a time; different ones are independent. */
#ifndef T5_GENERATE_H
#define T5_GENERATE_H

#include "t5/t5.h"

struct generation;

/* `params` must have passed t5_params_check(). */
struct generation *generation_new(const struct t5_config *config, const struct t5_params *params);
void generation_free(struct generation *generation);                 /* NULL is fine */

/* Rows the next step wants: 1, then num_beams; 0: finished. */
int generation_row_count(const struct generation *generation);
int generation_length(const struct generation *generation);          /* tokens of a live row, start token counted */
int32_t generation_token(const struct generation *generation, int row);      /* the newest, the decoder's input */
int generation_parent(const struct generation *generation, int row);         /* its row in the step before */
/* All tokens of a live row, generation_length() of them. */
const int32_t *generation_tokens(const struct generation *generation, int row);

/* One step from whole rows: row i at logits + i * stride, V values. */
void generation_step(struct generation *generation, const float *logits, size_t stride);

/* ---- one step from the best logits of each row only, so that the head's product and the top-k can be one ----
 *
 * Exact (but for the order among equals, which is by token) when the list of each row holds
 *     - the generation_keep() highest logits among the tokens that are not special, and
 *     - every special token: those that a processor may change, generation_special().
 * With repetition_penalty >= 1 the generation_keep() + special_count highest logits of the whole row will do
 * as well: a processor can then only lower a score.
 * `log_sum_exp` is log(sum(exp(logit))) over the whole row.  Lists may be longer and in any order; a token
 * may come once. */
struct candidate {
    float logit;
    int32_t token;
};
struct candidate_row {
    const struct candidate *list;
    size_t count;
    float log_sum_exp;
};
size_t generation_keep(const struct generation *generation);         /* 2 * num_beams; greedy: 1 */
/* Sorted, distinct; valid until the next step. */
size_t generation_special(const struct generation *generation, int row, const int32_t **out_tokens);
void generation_step_candidates(struct generation *generation, const struct candidate_row *rows);

/* ids: the start token first, </s> last where it was written; valid until generation_free().
 * score: transformers' sequences_scores; greedy: the sum of the log-probabilities (raw logits). */
void generation_result(const struct generation *generation, const int32_t **out_ids, size_t *out_count,
                       float *out_score);

#endif
