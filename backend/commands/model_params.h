/* model_params.h - generate()'s parameters from the command line and from JSON. */
#ifndef COMMANDS_MODEL_PARAMS_H
#define COMMANDS_MODEL_PARAMS_H

#include "base/json.h"
#include "t5/t5.h"

/* Flags for argp: --beams, --min-length, … with these keys. */
enum {
    PARAM_BEAMS = 0x200, PARAM_MIN_LENGTH, PARAM_MAX_LENGTH, PARAM_LENGTH_PENALTY, PARAM_REPETITION_PENALTY,
    PARAM_NO_REPEAT_NGRAM, PARAM_EARLY_STOPPING, PARAM_END
};
#define MODEL_PARAM_OPTIONS                                                                                         \
    { "beams", PARAM_BEAMS, "N", 0, "Beams of the search; 1: greedy", 2 },                                          \
    { "min-length", PARAM_MIN_LENGTH, "N", 0, "Least tokens, the start token counted", 2 },                         \
    { "max-length", PARAM_MAX_LENGTH, "N", 0, "Most tokens, the start token counted", 2 },                          \
    { "length-penalty", PARAM_LENGTH_PENALTY, "X", 0, "Above 0 prefers long texts, below 0 short ones", 2 },        \
    { "repetition-penalty", PARAM_REPETITION_PENALTY, "X", 0, "Above 1 makes used tokens less likely", 2 },         \
    { "no-repeat-ngram", PARAM_NO_REPEAT_NGRAM, "N", 0, "No sequence of N tokens twice; 0: off", 2 },               \
    { "early-stopping", PARAM_EARLY_STOPPING, "true|false|never", 0, "When a beam search ends", 2 }

/* What the command line said; applied over the folder's defaults once the model is open. */
struct model_flags {
    struct t5_params values;
    bool given[PARAM_END - PARAM_BEAMS];
};
/* false: the value is not one; the flag is then in `err`. */
bool model_flag_set(struct model_flags *flags, int key, const char *value, struct err *err) MUST_CHECK;
void model_flags_apply(const struct model_flags *flags, struct t5_params *params);

/* An object with generate()'s names over what `params` holds.  An unknown name is an error; so is a value
 * that cannot be honoured (do_sample: true). */
bool model_params_json(const struct json *object, struct t5_params *params, struct err *err) MUST_CHECK;

#endif
