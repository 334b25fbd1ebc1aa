/* registry.h - the versions of the model: where each comes from, what its exam said, which one serves.
 *
 *     DIR/versions/VERSION/   a model's folder and version.json (parent, data, exam, gate)
 *     DIR/history.jsonl       every step, one JSON object a line, each with the hash of the one before
 *     DIR/tmp.PID/            a version that is not complete yet; a killed process's is swept away
 *
 * Truth:    the history.  The version that serves is that of its newest `promote` or `rollback`; a
 *           step is one write() and one fsync(), so it is there or it is not.
 * Version:  the first 16 digits of the hash over its files (model_files.h): a file that changes does
 *           not match its own name any more and is refused.
 * Rules:    only a version that its gate let through can be promoted; a rollback goes to one that was
 *           promoted before.
 * Older copies: who serves keeps the last history_head it has seen; a history that does not
 *           contain it is an older one put back, and model_registry_knows() says so.
 * Threads:  a handle belongs to one thread.  Processes: writers take DIR/lock in turn. */
#ifndef LEARN_REGISTRY_H
#define LEARN_REGISTRY_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/digest.h"

enum { VERSION_SIZE = 17, REGISTRY_PATH_SIZE = 1024, VERSION_COUNT_MAX = 10000 };

struct model_registry;

struct model_version {
    char version[VERSION_SIZE], hash[DIGEST_TEXT_SIZE];
    char parent[VERSION_SIZE];              /* "": trained from nothing, or pulled */
    char data_hash[DIGEST_TEXT_SIZE];       /* of the pairs it was trained on; "": unknown */
    char by[64], description[160];
    int64_t created_us;
    bool gate_passed;
    const char *exam, *gate;                /* JSON objects as exam and gate wrote them, or NULL */
};

enum registry_event { REGISTRY_REGISTER, REGISTRY_PROMOTE, REGISTRY_ROLLBACK, REGISTRY_REFUSE, REGISTRY_EVENT_COUNT };
const char *registry_event_name(enum registry_event event);

struct registry_step {
    int64_t seq, time_us;
    enum registry_event event;
    char version[VERSION_SIZE], before[VERSION_SIZE];   /* what served before; "": none */
    char by[64];
    const char *reason;
    char about_hash[DIGEST_TEXT_SIZE];      /* SHA-256 of version.json at that time */
    char hash[DIGEST_TEXT_SIZE];            /* of this line and the hash before it */
};

/* Makes DIR when it is missing.  ERR_REFUSED: the history's chain is broken (the line is named). */
bool model_registry_open(const char *dir, const struct clock *clock, struct model_registry **out,
                         struct err *err) MUST_CHECK;
void model_registry_close(struct model_registry *registry);
/* Reads what other processes have added; cheap when nothing has. */
bool model_registry_refresh(struct model_registry *registry, bool *out_changed, struct err *err) MUST_CHECK;

/* Copies `folder` in.  about->version and hash are made here and written back; the same files again are
 * the same version: nothing is added and *out_known is true. */
bool model_registry_add(struct model_registry *registry, const char *folder, struct model_version *about,
                        bool *out_known, struct err *err) MUST_CHECK;
bool model_registry_promote(struct model_registry *registry, const char *version, const char *by, const char *reason,
                            struct err *err) MUST_CHECK;
/* To `version`, or (NULL) to what served before the one that serves. */
bool model_registry_rollback(struct model_registry *registry, const char *version, const char *by, const char *reason,
                             char out[VERSION_SIZE], struct err *err) MUST_CHECK;
/* For the record: a challenger that was not promoted, and why. */
bool model_registry_refuse(struct model_registry *registry, const char *version, const char *by, const char *reason,
                           struct err *err) MUST_CHECK;

const char *model_registry_current(const struct model_registry *registry);   /* "" when none serves */
/* Checks every file against the version's name and version.json against the history first. */
bool model_registry_path(const struct model_registry *registry, const char *version, char out[REGISTRY_PATH_SIZE],
                         struct err *err) MUST_CHECK;
/* `version` may be cut to 4 or more digits when no other begins with them. */
bool model_registry_find(const struct model_registry *registry, const char *version, struct arena *arena,
                         struct model_version *out, struct err *err) MUST_CHECK;
size_t model_registry_step_count(const struct model_registry *registry);
const struct registry_step *model_registry_step(const struct model_registry *registry, size_t i);   /* oldest first */
/* The history has a step number `seq` with this hash.  seq 0: always. */
bool model_registry_knows(const struct model_registry *registry, int64_t seq, const char *hash);

#endif
