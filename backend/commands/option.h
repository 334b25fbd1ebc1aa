/* option.h - numbers behind options: one outside its bounds ends the program with the option's name and the bounds. */
#ifndef COMMANDS_OPTION_H
#define COMMANDS_OPTION_H

#include <argp.h>
#include <stdint.h>

/* For a parser of argp: its state, key and value. */
int64_t option_integer(struct argp_state *state, int key, const char *value, int64_t min, int64_t max);
double option_number(struct argp_state *state, int key, const char *value, double min, double max);

#endif
