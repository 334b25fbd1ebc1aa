/* model_home.h - the model that comes with the program: ../models/NAME beside a build tree's program,
 * ../share/wardscribe/models/NAME beside an installed one; the first by name that has a config.json. */
#ifndef LEARN_MODEL_HOME_H
#define LEARN_MODEL_HOME_H

#include <stdbool.h>
#include <stddef.h>

bool model_home_has_model(const char *dir);        /* it has a config.json */
bool model_home_default(char *out, size_t size);   /* false: none came with it */

#endif
