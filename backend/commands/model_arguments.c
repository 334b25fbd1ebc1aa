#include "commands/model_arguments.h"

#include "commands/option.h"

enum { OPTION_PRECISION = 0x300, OPTION_KERNEL, THREADS_MAX = 1024 };

static error_t parse_dir(int key, char *value, struct argp_state *state)
{
    const char **dir = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        if (state->arg_num > 0)
            argp_error(state, "'%s' is one argument too many", value);
        *dir = value;
        return 0;
    case ARGP_KEY_NO_ARGS: argp_error(state, "a model's folder is needed"); return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp model_dir_argp = { .parser = parse_dir };

static error_t parse_runtime(int key, char *value, struct argp_state *state)
{
    struct model_runtime *runtime = state->input;
    struct err err = { 0 };
    switch (key) {
    case OPTION_KERNEL: runtime->model.kernel = value; return 0;
    case OPTION_PRECISION:
        if (!t5_precision_parse(value, &runtime->model.precision))
            argp_error(state, "--precision: must be auto, fp32, bf16 or int8, not '%.40s'", value);
        return 0;
    case 't': runtime->engine.threads = (int)option_integer(state, key, value, 0, THREADS_MAX); return 0;
    default:
        if (key < PARAM_BEAMS || key >= PARAM_END)
            return ARGP_ERR_UNKNOWN;
        if (!model_flag_set(&runtime->flags, key, value, &err))
            argp_error(state, "%s", err.text);
        return 0;
    }
}

static const struct argp_option runtime_options[] = {
    MODEL_PARAM_OPTIONS,
    { "precision", OPTION_PRECISION, "P", 0, "auto, fp32, bf16 or int8 (auto: fp32 for small models, else int8)", 3 },
    { "kernel", OPTION_KERNEL, "K", 0, "plain, avx2, avx512 or neon, instead of the best of this CPU", 3 },
    { "threads", 't', "N", 0, "0: as many as there are CPUs (0)", 3 },
    { 0 },
};

const struct argp model_runtime_argp = { .options = runtime_options, .parser = parse_runtime };
