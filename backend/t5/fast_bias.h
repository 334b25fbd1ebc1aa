/* fast_bias.h - T5's relative position bias as a table over distances. */
#ifndef T5_FAST_BIAS_H
#define T5_FAST_BIAS_H

#include "t5/safetensors.h"
#include "t5/t5.h"

/* The bucket of memory position - context position.
 * Source: T5Attention._relative_position_bucket of transformers 4.57, in fp32 as there. */
int fast_bias_bucket(int relative, bool bidirectional, int bucket_count, int distance_max);
/* [heads][stride] of `bias` [buckets, heads]: entry center + r holds relative position r, |r| <= center. */
void fast_bias_fill(const struct tensor *bias, const struct t5_config *config, bool bidirectional, float *out,
                    int center, int stride);

#endif
