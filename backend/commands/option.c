#include "commands/option.h"

#include "base/str.h"

#include <inttypes.h>
#include <stdlib.h>

static const char *name_of(const struct argp *argp, int key)
{
    const char *name = NULL;
    for (const struct argp_option *o = argp->options; o && (o->name || o->key || o->doc || o->group); o++)
        if (o->key == key && o->name)
            return o->name;
    for (const struct argp_child *child = argp->children; !name && child && child->argp; child++)
        name = name_of(child->argp, key);
    return name;
}

int64_t option_integer(struct argp_state *state, int key, const char *value, int64_t min, int64_t max)
{
    int64_t number = min;
    if (!str_to_int(value, min, max, &number))
        argp_error(state, "--%s: must be a whole number between %" PRId64 " and %" PRId64 ", not '%.40s'",
                   name_of(state->root_argp, key), min, max, value);
    return number;
}

double option_number(struct argp_state *state, int key, const char *value, double min, double max)
{
    char *end;
    double number = strtod(value, &end);
    if (end == value || *end || !(number >= min && number <= max))
        argp_error(state, "--%s: must be a number between %g and %g, not '%.40s'", name_of(state->root_argp, key), min,
                   max, value);
    return number;
}
