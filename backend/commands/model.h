/* model.h - `wardscribe model SUBCOMMAND …`: one function per row of the table in model.c.
 *
 * argv[0] is "wardscribe model NAME", so that argp's messages say where they come from. */
#ifndef COMMANDS_MODEL_H
#define COMMANDS_MODEL_H

#include "base/err.h"

int model_info(int argc, char **argv);

/* Prints "wardscribe model NAME: text" and returns the exit status. */
int model_fail(const char *name, const struct err *err);

#endif
