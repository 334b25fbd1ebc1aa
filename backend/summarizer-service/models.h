/* models.h - which model serves, and its successor without a pause.
 *
 * Where:    summaries.model is a folder, "none", or "auto": the registry's current version
 *           (DATA_DIR/models, learn/registry.h), else the default model that comes with the program.
 * Reload:   a thread looks once a second.  A new version is opened beside the old one and must answer a
 *           health prompt, proven by the guard; only then it serves, and the old one ends with its last
 *           request.  One that fails is not tried again until something changes, and the reason is told.
 * Older:    a registry whose history does not contain the last step seen here was put back from a copy:
 *           it is refused (trust.md E11).
 * Threads:  models_take() from any. */
#ifndef SUMMARIZER_SERVICE_MODELS_H
#define SUMMARIZER_SERVICE_MODELS_H

#include "base/config.h"
#include "store/store.h"
#include "learn/served.h"

struct models;

bool models_start(const struct config *config, const struct clock *clock, struct store *store, struct models **out,
                  struct err *err) MUST_CHECK;
void models_stop_waiting(struct models *models); /* before the threads that wait are joined */
void models_stop(struct models *models);         /* NULL is fine */
/* The one that serves now, with a reference, or NULL: then `reason` says why. */
struct served *models_take(struct models *models, char *reason, size_t reason_size);
/* What the registry knows of it: JSON objects or texts, in the arena; NULL where there is none. */
struct models_lineage {
    const char *exam, *parent, *description;
    int64_t created_us;
    char problem[256];                           /* why a newer one does not serve; "" */
};
void models_lineage(struct models *models, struct arena *arena, struct models_lineage *out);

#endif
