/* made_model.h - a folder with a T5 of any size and random weights, for tests and benchmarks.
 *
 * Weights are normal with the deviations that transformers' T5 starts from (initializer_factor 1), so
 * that values have a trained model's size; norms are 1 with some noise.  Seeded: same seed, same bytes. */
#ifndef T5_MADE_MODEL_H
#define T5_MADE_MODEL_H

#include "t5/config.h"
#include "t5/safetensors.h"

/* d_model 512, d_kv 64, d_ff 1024, 8 + 8 layers, 6 heads, gated GELU, own head, vocabulary 32,128. */
struct t5_config made_flan_t5_small(void);
/* Writes config.json and model.safetensors (F32, F16 or BF16) into `dir`, which exists. */
bool made_model_write(const char *dir, const struct t5_config *config, enum tensor_type type, uint64_t seed,
                      struct err *err) MUST_CHECK;

#endif
