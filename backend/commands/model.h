/* model.h - `wardscribe model SUBCOMMAND …`: one function per row of the table in model.c.
 *
 * argv[0] is "wardscribe model NAME", so that argp's messages say where they come from. */
#ifndef COMMANDS_MODEL_H
#define COMMANDS_MODEL_H

#include "base/err.h"

#include <stdint.h>

int model_info(int argc, char **argv);
int model_run(int argc, char **argv);
int model_bench(int argc, char **argv);
int model_quantize(int argc, char **argv);
int model_train(int argc, char **argv);
int model_pairs(int argc, char **argv);
int model_vocabulary(int argc, char **argv);
int model_exam(int argc, char **argv);
int model_new(int argc, char **argv);
int model_eval(int argc, char **argv);
int model_pull(int argc, char **argv);
int model_push(int argc, char **argv);

/* Prints "wardscribe model NAME: text" and returns the exit status. */
int model_fail(const char *name, const struct err *err);
/* When this process was started, on the monotonic clock, to 10 ms: never later than it was. */
int64_t model_process_start_us(void);

#endif
