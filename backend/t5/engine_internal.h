/* engine_internal.h - an engine over an open checkpoint; t5_engine_start() is this with a t5_model. */
#ifndef T5_ENGINE_INTERNAL_H
#define T5_ENGINE_INTERNAL_H

#include "t5/fast.h"

/* The checkpoint must outlive the engine. */
bool engine_start(const struct checkpoint *checkpoint, enum t5_precision precision, const struct t5_kernels *kernels,
                  const struct t5_engine_options *options, struct t5_engine **out, struct err *err) MUST_CHECK;
/* Before the first request; it must outlive the engine too. */
void engine_use_tokenizer(struct t5_engine *engine, const struct t5_tokenizer *tokenizer);
const struct t5_tokenizer *engine_tokenizer(const struct t5_engine *engine);   /* NULL: none */

#endif
