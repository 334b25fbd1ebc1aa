/* folder.h - a T5 folder as one block of parameters, and back: what transformers loads.
 *
 * Writing is safe to interrupt: every file is written beside its place, synced and renamed, the weights last. */
#ifndef T5_TRAIN_FOLDER_H
#define T5_TRAIN_FOLDER_H

#include "t5/safetensors.h"
#include "t5/train/layout.h"

/* Reads config and weights.  Refuses what training does not do: a gated ReLU, a GELU without gate. */
bool folder_read(const char *dir, struct layout **out_layout, real **out_params, struct err *err) MUST_CHECK;
/* Makes `dir` if needed; config.json, model.safetensors (F32, BF16 or F16), and from `from_dir` (may be NULL) the
 * vocabulary, the generation defaults and the model card, where they are.  `config` may differ in dropout only. */
bool folder_write(const char *dir, const char *from_dir, const struct layout *layout, const real *params,
                  enum tensor_type type, struct err *err) MUST_CHECK;

#endif
