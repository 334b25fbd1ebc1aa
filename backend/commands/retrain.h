/* retrain.h - what the files of `wardscribe retrain` share. */
#ifndef COMMANDS_RETRAIN_H
#define COMMANDS_RETRAIN_H

#include "base/progress.h"
#include "learn/retrain.h"

struct retrain_arguments {
    struct retrain_options run;
    const char *words[3];                /* the step and what follows it */
    const char *reason, *authorization_file, *events_url;
    char authorization[512], registry_dir[REGISTRY_PATH_SIZE];
    bool json, quiet;
    struct progress progress;
    int progress_step;
    int64_t progress_done;
};

/* The step as a document of system-deployment-* (docs/api.md), without a line end. */
struct buf;
void retrain_event_write(const struct retrain_event *event, struct buf *out);
/* Appends to WORK/events.jsonl, for `retrain log`. */
void retrain_event_keep(const struct retrain_arguments *arguments, const struct retrain_event *event);
/* To the search server; one that is not there is said on standard error, and no reason to stop. */
void retrain_event_send(struct retrain_arguments *arguments, const struct retrain_event *event);

/* promote VERSION, rollback, history, diff, push, log: false when words[0] is none of them. */
bool retrain_registry_command(struct retrain_arguments *arguments, int *out_status);

#endif
