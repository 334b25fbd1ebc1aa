/* forward_plain.h - the whole of T5 in plain fp32: the reference, and what runs where no kernel fits.
 *
 * Shapes:  one request at a time: T input tokens, R live rows (beams), D d_model, V vocabulary.
 * Cache:   keys and values of each decoder layer are kept per (position, row) where they were made; a row
 *          knows for each position whose they are, so that reordering beams copies indices only.
 * Memory:  fp32 weights are read where they are mapped, 16-bit ones are converted once at plain_open().
 * Threads: a plain_model is read-only and shared; a plain_decoder belongs to one thread. */
#ifndef T5_FORWARD_PLAIN_H
#define T5_FORWARD_PLAIN_H

#include "t5/checkpoint.h"

struct plain_model;

/* The checkpoint must outlive it. */
struct plain_model *plain_open(const struct checkpoint *checkpoint);
void plain_close(struct plain_model *model);           /* NULL is fine */

/* Encoder states: out [T, D].  `mask` [T]: 0 where no one may look (padding); NULL: none. */
void plain_encode(const struct plain_model *model, const int32_t *ids, const int32_t *mask, size_t T, float *out);

struct plain_decoder;
/* `states` [T, D] are read here only: keys and values for cross-attention are made once. */
struct plain_decoder *plain_decoder_new(const struct plain_model *model, const float *states, const int32_t *mask,
                                        size_t T, size_t row_max, size_t length_max);
void plain_decoder_free(struct plain_decoder *decoder);
/* The next position for R rows: `tokens` [R], `parents` [R] (the row of the step before that each one
 * continues; not read in the first step); logits [R, V]. */
void plain_decode(struct plain_decoder *decoder, const int32_t *tokens, const int *parents, size_t R, float *logits);

/* generation_new() to generation_result(), on the caller's thread.  out_ids holds params->max_length. */
void plain_generate(const struct plain_model *model, const int32_t *ids, size_t count, const struct t5_params *params,
                    int32_t *out_ids, size_t *out_count, float *out_score);

#endif
