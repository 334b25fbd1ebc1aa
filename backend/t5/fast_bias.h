/* fast_bias.h - T5's relative position bias as a table over distances. */
#ifndef T5_FAST_BIAS_H
#define T5_FAST_BIAS_H

#include "t5/safetensors.h"
#include "t5/t5.h"

/* [heads][stride] of `bias` [buckets, heads]: entry center + r holds relative position r, |r| <= center. */
void fast_bias_fill(const struct tensor *bias, const struct t5_config *config, bool bidirectional, float *out,
                    int center, int stride);

#endif
