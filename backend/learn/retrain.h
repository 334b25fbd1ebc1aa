/* retrain.h - from what the ward wrote and corrected to a model that may serve, in steps that can be killed.
 *
 *     collect   FROM → samples.jsonl
 *     prepare   samples → data/ (pairs, held-back edits, profile, drift); refuses bad data
 *     train     champion + pairs → model/
 *     exam      champion and challenger sit the same exam → exam.*.json, exam.html
 *     gate      → gate.json: may it serve?
 *     register  model/ → the registry, with its exam and gate
 *     promote   it serves
 *
 * Work folder: every step writes beside and renames, then leaves STEP.done with the hash of what it was made
 *           from.  A run that was killed goes on behind its last whole step; training goes on from its last
 *           saved state.  When a run is over (promoted, refused or kept out), the next one starts clean.
 * Champion: the registry's current version; an empty registry gets the model that comes with the program first.
 * Refusals: ERR_REFUSED from prepare: the data are not good enough.  A challenger that is no better is no
 *           error: outcome.promoted is false and outcome.reason says why.
 * Threads:  one; training and the models have their own. */
#ifndef LEARN_RETRAIN_H
#define LEARN_RETRAIN_H

#include "learn/collect.h"
#include "learn/registry.h"

#include <stdatomic.h>

enum retrain_step { RETRAIN_COLLECT, RETRAIN_PREPARE, RETRAIN_TRAIN, RETRAIN_EXAM, RETRAIN_GATE, RETRAIN_REGISTER,
                    RETRAIN_PROMOTE, RETRAIN_STEP_COUNT };
const char *retrain_step_name(enum retrain_step step);

enum retrain_status { RETRAIN_STARTED, RETRAIN_DONE, RETRAIN_REFUSED, RETRAIN_FAILED, RETRAIN_KEPT };
const char *retrain_status_name(enum retrain_status status);

struct retrain_event {
    enum retrain_step step;
    enum retrain_status status;
    const char *model_version;           /* "" while there is none */
    const char *detail;                  /* for people */
    int64_t time_us, took_ms;
};

struct retrain_options {
    const char *from, *work, *registry_dir;
    const char *authorization;           /* of a search server */
    const char *champion_dir;            /* NULL: as above */
    const char *by;                      /* who started it */
    int days;
    int64_t epochs;
    double learning_rate;
    size_t rehearsal, exam_windows;
    uint64_t seed;
    int threads;
    bool promote;                        /* false: registered, and left to a person */
    const atomic_bool *cancel;
    void (*on_event)(void *context, const struct retrain_event *event);
    /* done of total in the step's own unit, about once a second */
    void (*on_progress)(void *context, enum retrain_step step, int64_t done, int64_t total, const char *note);
    void *context;
};
struct retrain_options retrain_defaults(void);

struct retrain_outcome {
    bool promoted;
    char version[VERSION_SIZE];          /* of the challenger; "" when there was none */
    char reason[768];
};

/* The whole, from the first step that is not done.  ERR_TIMEOUT when cancelled: the same call goes on. */
bool retrain_run(const struct retrain_options *options, struct retrain_outcome *out, struct err *err) MUST_CHECK;
/* One step; the steps before it must be done. */
bool retrain_run_step(const struct retrain_options *options, enum retrain_step step, struct retrain_outcome *out,
                      struct err *err) MUST_CHECK;

#endif
