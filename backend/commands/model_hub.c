#include "commands/model_hub.h"

#include "base/str.h"
#include "commands/interrupt.h"
#include "commands/model.h"

#include <string.h>

static void show_progress(void *context, const char *file, int64_t done, int64_t total)
{
    enum { KB = 1000 };
    struct model_hub *hub = context;
    if (strcmp(hub->file, file) != 0) {
        (void)str_copy(hub->file, sizeof hub->file, file);
        progress_start(&hub->bar, hub->file, "kB", (total + KB - 1) / KB);
        progress_resume(&hub->bar, done == total ? 0 : done / KB);
        if (hub->quiet)
            progress_quiet(&hub->bar);
    }
    if (done < total)
        progress_update(&hub->bar, done / KB, NULL);
    else
        progress_end(&hub->bar, (total + KB - 1) / KB, NULL);
}

bool model_hub_open(struct model_hub *hub, const struct model_hub_arguments *arguments, struct err *err)
{
    struct hub_options *options = &hub->options;
    *hub = (struct model_hub){ .quiet = arguments->quiet };
    if (!hub_name_parse(arguments->name, &hub->name, err) || !hub_options_env(options, err))
        return false;
    if (arguments->endpoint && !str_copy(options->endpoint, sizeof options->endpoint, arguments->endpoint))
        return err_set(err, ERR_USAGE, "--endpoint: more than %zu bytes", sizeof options->endpoint - 1);
    if (arguments->cache && !str_copy(options->cache, sizeof options->cache, arguments->cache))
        return err_set(err, ERR_USAGE, "--cache: more than %zu bytes", sizeof options->cache - 1);
    options->progress = show_progress;
    options->progress_context = hub;
    options->cancel = interrupt_catch();
    return true;
}

int model_hub_close(struct model_hub *hub, const char *name, bool ok, const struct err *err)
{
    progress_hide(&hub->bar);
    return ok ? 0 : interrupt_seen() ? 130 : model_fail(name, err);
}
