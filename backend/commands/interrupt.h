/* interrupt.h - Ctrl-C as a flag, for commands that put things in order before they end.
 *
 * The second Ctrl-C ends the process at once. */
#ifndef COMMANDS_INTERRUPT_H
#define COMMANDS_INTERRUPT_H

#include <stdatomic.h>
#include <stdbool.h>

/* Catches SIGINT and SIGTERM from now on; the flag is set by the first. */
const atomic_bool *interrupt_catch(void);
bool interrupt_seen(void);

#endif
