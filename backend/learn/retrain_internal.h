/* retrain_internal.h - a run on its way: what the steps share. */
#ifndef LEARN_RETRAIN_INTERNAL_H
#define LEARN_RETRAIN_INTERNAL_H

#include "learn/retrain.h"

#include "base/str.h"
#include "clinical/model_input.h"

#include <limits.h>

struct retrain_run {
    const struct retrain_options *options;
    struct model_registry *registry;
    struct arena arena;                  /* of the run */
    int64_t from_us, to_us;              /* the days that count: fixed at the first start */
    char champion_dir[REGISTRY_PATH_SIZE], champion[VERSION_SIZE];  /* version "": a folder that was named */
    enum model_format format;            /* that the champion reads */
    char note[768];                      /* of the step that ended, for its event */
    struct retrain_outcome *outcome;
    bool over;                           /* promoted, or kept out: nothing follows */
};

/* WORK/NAME */
const char *retrain_path(const struct retrain_run *run, const char *name, char out[PATH_MAX]);
bool retrain_read(const struct retrain_run *run, const char *name, struct buf *out, struct err *err) MUST_CHECK;
/* Written beside, synced, renamed. */
bool retrain_write(const struct retrain_run *run, const char *name, const struct buf *text, struct err *err) MUST_CHECK;
bool retrain_cancelled(const struct retrain_run *run, struct err *err);   /* true: err says so */
void retrain_progress(const struct retrain_run *run, enum retrain_step step, int64_t done, int64_t total,
                      const char *note);

bool retrain_collect(struct retrain_run *run, struct err *err) MUST_CHECK;
bool retrain_prepare(struct retrain_run *run, struct err *err) MUST_CHECK;
bool retrain_train(struct retrain_run *run, struct err *err) MUST_CHECK;
bool retrain_exam(struct retrain_run *run, struct err *err) MUST_CHECK;
bool retrain_gate(struct retrain_run *run, struct err *err) MUST_CHECK;
bool retrain_register(struct retrain_run *run, struct err *err) MUST_CHECK;
bool retrain_promote(struct retrain_run *run, struct err *err) MUST_CHECK;

#endif
