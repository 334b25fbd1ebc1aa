#include "commands/model_params.h"

#include "base/bounds.h"
#include "t5/config.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum kind { INTEGER, SINGLE, DOUBLE, EARLY };
static const size_t kind_sizes[] = { [INTEGER] = sizeof(int), [SINGLE] = sizeof(float), [DOUBLE] = sizeof(double),
                                     [EARLY] = sizeof(enum t5_early_stopping) };

/* The field's own type decides. */
#define FIELD(f)                                                                                                       \
    _Generic(((struct t5_params *)0)->f, int: INTEGER, float: SINGLE, double: DOUBLE, default: EARLY),                 \
        offsetof(struct t5_params, f)

/* One row per parameter: its key on the command line, its name in transformers, where it goes. */
static const struct row {
    int key;
    const char *name, *flag;
    enum kind kind;
    size_t offset;
} rows[] = {
    { PARAM_BEAMS,              "num_beams",            "--beams",              FIELD(num_beams) },
    { PARAM_MIN_LENGTH,         "min_length",           "--min-length",         FIELD(min_length) },
    { PARAM_MAX_LENGTH,         "max_length",           "--max-length",         FIELD(max_length) },
    { PARAM_LENGTH_PENALTY,     "length_penalty",       "--length-penalty",     FIELD(length_penalty) },
    { PARAM_REPETITION_PENALTY, "repetition_penalty",   "--repetition-penalty", FIELD(repetition_penalty) },
    { PARAM_NO_REPEAT_NGRAM,    "no_repeat_ngram_size", "--no-repeat-ngram",    FIELD(no_repeat_ngram_size) },
    { PARAM_EARLY_STOPPING,     "early_stopping",       "--early-stopping",     FIELD(early_stopping) },
};
enum { ROW_COUNT = sizeof rows / sizeof *rows };

static const char *const early_names[] = { [T5_EARLY_FALSE] = "false", [T5_EARLY_TRUE] = "true",
                                           [T5_EARLY_NEVER] = "never", NULL };

static void *place(struct t5_params *params, const struct row *row)
{
    return (char *)params + row->offset;
}

static bool parse_text(const struct row *row, const char *text, struct t5_params *params)
{
    int64_t integer;
    char *end;
    if (row->kind == INTEGER) {
        if (!str_to_int(text, 0, INT_MAX, &integer))
            return false;
        *(int *)place(params, row) = (int)integer;
        return true;
    }
    if (row->kind == EARLY) {
        for (int i = 0; early_names[i]; i++)
            if (strcmp(text, early_names[i]) == 0) {
                *(enum t5_early_stopping *)place(params, row) = (enum t5_early_stopping)i;
                return true;
            }
        return false;
    }
    errno = 0;
    double real = strtod(text, &end);
    if (!*text || *end || errno || !isfinite(real))
        return false;
    if (row->kind == DOUBLE)
        *(double *)place(params, row) = real;
    else
        *(float *)place(params, row) = (float)real;
    return true;
}

bool model_flag_set(struct model_flags *flags, int key, const char *value, struct err *err)
{
    const struct row *row = &rows[key - PARAM_BEAMS];
    flags->given[key - PARAM_BEAMS] = true;
    if (parse_text(row, value, &flags->values))
        return true;
    return err_set(err, ERR_USAGE, "%s: must be %s, not '%.40s'", row->flag,
                   row->kind == INTEGER ? "a whole number"
                   : row->kind == EARLY ? "true, false or never"
                                        : "a number",
                   value);
}

void model_flags_apply(const struct model_flags *flags, struct t5_params *params)
{
    for (int i = 0; i < ROW_COUNT; i++)
        if (flags->given[i])
            memcpy(place(params, &rows[i]), (const char *)&flags->values + rows[i].offset, kind_sizes[rows[i].kind]);
}

/* max_new_tokens and min_new_tokens are the two lengths without the start token. */
static bool read_new_tokens(const struct json *object, struct t5_params *params, struct err *err)
{
    int64_t max = -1, min = -1;
    if (!json_get_int(object, "max_new_tokens", JSON_NULLABLE, 1, T5_TOKENS_MAX - 1, &max, err) ||
        !json_get_int(object, "min_new_tokens", JSON_NULLABLE, 0, T5_TOKENS_MAX - 1, &min, err))
        return false;
    params->max_length = max >= 0 ? (int)max + 1 : params->max_length;
    params->min_length = min >= 0 ? (int)min + 1 : params->min_length;
    return true;
}

/* What transformers has and this search has not, where its value asks for nothing. */
static bool check_rest(const struct json *object, struct err *err)
{
    bool sample = false;
    int64_t one = 1;
    if (!json_get_bool(object, "do_sample", JSON_NULLABLE, &sample, err))
        return false;
    if (sample)
        return err_set(err, ERR_INPUT, "do_sample: must be false: greedy and beam search only");
    return json_get_int(object, "num_return_sequences", JSON_NULLABLE, 1, 1, &one, err);
}

bool model_params_json(const struct json *object, struct t5_params *params, struct err *err)
{
    const char *known[ROW_COUNT + 5] = { 0 };
    for (int i = 0; i < ROW_COUNT; i++)
        known[i] = rows[i].name;
    known[ROW_COUNT] = "max_new_tokens";
    known[ROW_COUNT + 1] = "min_new_tokens";
    known[ROW_COUNT + 2] = "do_sample";
    known[ROW_COUNT + 3] = "num_return_sequences";
    return json_only(object, known, err) && generation_values(object, params, err) &&
           read_new_tokens(object, params, err) && check_rest(object, err) && t5_params_check(params, err);
}
