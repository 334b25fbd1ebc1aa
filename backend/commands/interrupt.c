#include "commands/interrupt.h"

#include <signal.h>
#include <stddef.h>

static atomic_bool seen;

static void on_signal(int number)
{
    (void)number;
    atomic_store(&seen, true);
}

const atomic_bool *interrupt_catch(void)
{
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND | SA_RESTART };
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    return &seen;
}

bool interrupt_seen(void)
{
    return atomic_load(&seen);
}
