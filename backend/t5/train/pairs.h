/* pairs.h - what a model is trained on: texts and what it should write, as tokens.
 *
 * File:    a JSON object per line, gzipped or not: {"input": "…", "summary": "…"}; other keys are passed over;
 *          "weight" (0 < w <= 100, default 1) says how often a pair is seen in an epoch, in whole times.
 * Cutting: longer texts are cut to the token limits, </s> kept; how many were is counted.
 * Batches: an epoch is a permutation of (seed, epoch); a step takes the next `batch` pairs of it, the last
 *          step of an epoch what is left.  A step is found from its number alone, so that training resumes.
 * Errors:  name the file, the line and the field.   Threads: read-only once open. */
#ifndef T5_TRAIN_PAIRS_H
#define T5_TRAIN_PAIRS_H

#include "t5/t5.h"
#include "t5/train/net.h"

struct pairs_options {
    size_t input_max, target_max;        /* tokens, </s> counted */
    size_t count_min;                    /* fewer pairs are refused: ERR_REFUSED */
};

struct pairs {
    size_t count, cut_count;
    int32_t *ids;                        /* input and target of each pair, one behind the other */
    size_t ids_count;
    /* [count]: input is [input_at, target_at), target [target_at, end_at) */
    size_t *input_at, *target_at, *end_at;
    size_t input_longest, target_longest;
    uint64_t hash;                       /* of all tokens, in order */
};

bool pairs_read(const char *path, const struct t5_tokenizer *tokenizer, const struct pairs_options *options,
                struct pairs **out, struct err *err) MUST_CHECK;
/* Every pair's texts, in the order of the file; they live until `visit` returns. */
typedef bool pairs_visit(void *context, const char *input, const char *summary, struct err *err);
bool pairs_each(const char *path, pairs_visit *visit, void *context, struct err *err) MUST_CHECK;
void pairs_free(struct pairs *pairs);    /* NULL is fine */

/* A batch that owns its arrays, sized once for the largest. */
struct pairs_batch {
    struct net_batch net;
    size_t *input_start, *target_start;
    int32_t *input_ids, *decoder_ids, *labels;
    size_t label_count, token_count;
};

/* The limits of any `batch` pairs together: what net_new() needs. */
struct net_limits pairs_limits(const struct pairs *pairs, size_t batch);
void pairs_batch_init(struct pairs_batch *batch, struct net_limits limits);
void pairs_batch_free(struct pairs_batch *batch);
/* The pairs order[0 … count). */
void pairs_batch_fill(const struct pairs *pairs, const struct t5_config *config, const uint32_t *order, size_t count,
                      struct pairs_batch *out);
/* order [pairs->count]: the permutation of one epoch. */
void pairs_shuffle(const struct pairs *pairs, uint64_t seed, uint64_t epoch, uint32_t *order);

#endif
