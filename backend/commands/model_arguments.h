/* model_arguments.h - what several `wardscribe model …` commands take: a folder, and how its model runs.
 *
 * Children of a command's own argp: its ARGP_KEY_INIT sets state->child_inputs[] to what they fill. */
#ifndef COMMANDS_MODEL_ARGUMENTS_H
#define COMMANDS_MODEL_ARGUMENTS_H

#include "commands/model_params.h"

#include <argp.h>

/* DIR, once; input: const char **. */
extern const struct argp model_dir_argp;

struct model_runtime {
    struct t5_model_options model;
    struct t5_engine_options engine;
    struct model_flags flags;
};
/* --precision, --kernel, --threads and generate()'s parameters; input: struct model_runtime *. */
extern const struct argp model_runtime_argp;

#endif
