#include "commands/model_arguments.h"

enum { OPTION_PRECISION = 0x300, OPTION_KERNEL, THREADS_MAX = 1024 };

bool model_integer(const char *flag, const char *value, int min, int max, int *out, struct err *err)
{
    int64_t number;
    if (!str_to_int(value, min, max, &number))
        return err_set(err, ERR_USAGE, "%s: must be a whole number between %d and %d, not '%.40s'", flag, min, max,
                       value);
    *out = (int)number;
    return true;
}

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

static bool set_runtime(struct model_runtime *runtime, int key, char *value, struct err *err)
{
    switch (key) {
    case OPTION_KERNEL:
        runtime->model.kernel = value;
        return true;
    case OPTION_PRECISION:
        return t5_precision_parse(value, &runtime->model.precision) ||
               err_set(err, ERR_USAGE, "--precision: must be auto, fp32, bf16 or int8, not '%.40s'", value);
    case 't':
        return model_integer("--threads", value, 0, THREADS_MAX, &runtime->engine.threads, err);
    default:
        return model_flag_set(&runtime->flags, key, value, err);
    }
}

static error_t parse_runtime(int key, char *value, struct argp_state *state)
{
    struct err err = { 0 };
    if (key != 't' && key != OPTION_KERNEL && key != OPTION_PRECISION && (key < PARAM_BEAMS || key >= PARAM_END))
        return ARGP_ERR_UNKNOWN;
    if (!set_runtime(state->input, key, value, &err))
        argp_error(state, "%s", err.text);
    return 0;
}

static const struct argp_option runtime_options[] = {
    MODEL_PARAM_OPTIONS,
    { "precision", OPTION_PRECISION, "P", 0, "auto, fp32, bf16 or int8 (auto: fp32 for small models, else int8)", 3 },
    { "kernel", OPTION_KERNEL, "K", 0, "plain, avx2, avx512 or neon, instead of the best of this CPU", 3 },
    { "threads", 't', "N", 0, "0: as many as there are CPUs (0)", 3 },
    { 0 },
};

const struct argp model_runtime_argp = { .options = runtime_options, .parser = parse_runtime };
