/* engine.h - what an engine of the store provides; store.c is the only caller.
 *
 * Threads: commit, recover, maintain run on the writer thread (or the caller's, unthreaded), never
 *          two at once.  The reading functions run on any thread, beside the writer. */
#ifndef STORE_ENGINE_H
#define STORE_ENGINE_H

#include "store/store.h"

enum maintain { MAINTAIN_IF_DUE, MAINTAIN_NOW };

struct store_engine {
    const char *name, *(*version)(void);
    bool (*open)(const struct store_options *options, void **out, struct err *err);
    void (*close)(void *engine);

    /* All units of the list or none.  ERR_IO and ERR_UNAVAILABLE: the storage failed, recover()
     * comes next.  Other kinds: a unit is wrong; the caller tries them one by one. */
    bool (*commit)(void *engine, struct store_write *first, struct err *err);
    bool (*recover)(void *engine, struct err *err);
    /* One slice (well under 50 ms) of folding, rolling up, dropping. */
    bool (*maintain)(void *engine, enum maintain how, bool *out_more, struct err *err);
    bool (*backup)(void *engine, const char *path, struct err *err);
    uint64_t (*damaged_count)(void *engine); /* rows refused by their checksum since open */

    bool (*patients)(void *, struct arena *, struct patient_row **, size_t *, struct err *);
    bool (*sources)(void *, struct arena *, struct source_row **, size_t *, struct err *);
    bool (*limits)(void *, struct arena *, struct limits_row **, size_t *, struct err *);
    bool (*history)(void *, struct arena *, uint32_t patient, int64_t from_us, int64_t to_us,
                    size_t points_max, struct history *, struct err *);
    bool (*readings)(void *, struct arena *, uint32_t patient, int64_t from_us, int64_t to_us,
                     size_t limit, struct reading **, size_t *, struct err *);
    bool (*alerts)(void *, struct arena *, const struct alert_query *, struct alert **, size_t *, struct err *);
    bool (*summaries)(void *, struct arena *, const struct summary_query *, struct summary_row **,
                      size_t *, struct err *);
    bool (*summary)(void *, struct arena *, const char *id, struct summary_row **, size_t *, struct err *);
    bool (*feedbacks)(void *, struct arena *, int64_t from_us, int64_t to_us, size_t limit,
                      struct feedback_row **, size_t *,
                      struct err *);
    bool (*users)(void *, struct arena *, struct user_row **, size_t *, struct err *);
    bool (*audits)(void *, struct arena *, int64_t before, size_t limit, struct audit_row **, size_t *, struct err *);
    bool (*audit_verify)(void *, int64_t *out_count, struct err *);
    bool (*setting)(void *, struct arena *, const char *key, void **, size_t *, struct err *);
    bool (*snapshots)(void *, struct arena *, struct snapshot_row **, size_t *, int64_t *out_seq, struct err *);
    bool (*journal_read)(void *, int64_t from_seq, journal_visitor *, void *context, struct err *);
    int64_t (*journal_next_seq)(void *);
};

extern const struct store_engine store_engine_sqlite, store_engine_memory;

/* What no engine may accept, checked before a unit is queued. */
bool store_write_valid(const struct store_write *write, struct err *err) MUST_CHECK;

#endif
