/* model_hub.h - what `wardscribe model pull` and `push` share: which Hub, a bar per file, how they end. */
#ifndef COMMANDS_MODEL_HUB_H
#define COMMANDS_MODEL_HUB_H

#include "base/progress.h"
#include "learn/hub.h"

struct model_hub_arguments {
    const char *name, *cache, *endpoint;     /* cache, endpoint: NULL: as the environment says */
    bool json, quiet;
};

struct model_hub {
    struct hub_options options;
    struct hub_name name;
    bool quiet;
    struct progress bar;
    char file[64];                           /* that the bar is about */
};

/* `hub` is the progress' context: it stays where it is.  From now on Ctrl-C ends what the Hub is asked for. */
bool model_hub_open(struct model_hub *hub, const struct model_hub_arguments *arguments, struct err *err) MUST_CHECK;
/* Hides the bar; the exit status of `wardscribe model NAME`. */
int model_hub_close(struct model_hub *hub, const char *name, bool ok, const struct err *err);

#endif
