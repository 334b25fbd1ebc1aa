#include "base/bounds.h"
#include "t5/t5.h"

#include <limits.h>
#include <math.h>

bool t5_params_check(const struct t5_params *p, struct err *err)
{
    const struct { const char *name; int value, min, max; } rows[] = {
        { "num_beams", p->num_beams, 1, T5_BEAM_COUNT_MAX },
        { "min_length", p->min_length, 0, INT_MAX },
        { "max_length", p->max_length, 2, T5_TOKENS_MAX },
        { "early_stopping", (int)p->early_stopping, T5_EARLY_FALSE, T5_EARLY_NEVER },
        { "no_repeat_ngram_size", p->no_repeat_ngram_size, 0, INT_MAX },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].value < rows[i].min || rows[i].value > rows[i].max)
            return err_set(err, ERR_INPUT, "%s: must be between %d and %d, found %d", rows[i].name, rows[i].min,
                           rows[i].max, rows[i].value);
    if (!(p->length_penalty >= -10 && p->length_penalty <= 10))
        return err_set(err, ERR_INPUT, "length_penalty: must be between -10 and 10, found %g", p->length_penalty);
    if (!(p->repetition_penalty >= 1e-3f && p->repetition_penalty <= 1e3f))
        return err_set(err, ERR_INPUT, "repetition_penalty: must be between 0.001 and 1000, found %g",
                       (double)p->repetition_penalty);
    return true;
}
