/* dataset.h - from samples to what a model is trained on, and what it is examined with.
 *
 *     DIR/pairs.jsonl      {"input","summary","weight"}: the training set
 *     DIR/edits.jsonl      samples: edits of patients that are held back, for the exam
 *     DIR/profile.json     what the windows and texts look like (profile.h)
 *     DIR/dataset.json     counts, what was left out and why, the hash of the pairs
 *
 * Gold:      edits in which the guard finds nothing unproven and no open critical alert omitted.  The newest
 *            edit of a summary counts; at most EDITS_PER_USER_MAX of one person (trust.md E10).
 * Silver:    a model's or the writer's text, proven whole when it was written and again now, not rated
 *            under 4.  Never a text that the guard had to cut.
 * Weight:    gold is shown so often that it makes GOLD_SHARE of what is seen.
 * Rehearsal: simulated windows with the writer's text keep what the week did not show, told in the readers' order
 *            (habit.h).
 * Split:     by patient: of those with edits, a fifth (at least one), by the hash of the id, is held back.
 * Refused:   ERR_REFUSED with the reason, also in dataset.json: too little, duplicated, poisoned, or
 *            edits of a single patient (nothing to examine them with).
 * Repeats:   the same samples and options give the same bytes. */
#ifndef LEARN_DATASET_H
#define LEARN_DATASET_H

#include "clinical/model_input.h"
#include "learn/profile.h"
#include "learn/sample.h"

enum {
    SAMPLES_MIN = 10,               /* docs/api.md, "The model's contract" */
    SAMPLES_MAX = 200000,           /* 10 patients write 20,000 summaries in 7 days */
    EDITS_PER_USER_MAX = 250,
    SILVER_MAX = 500,
    REHEARSAL_DEFAULT = 16000,     /* with 4,000 rare windows were forgotten when words changed: 1,012 of 1,039 right */
};
/* Of the edits, what may be unproven before the whole set is taken for poisoned: typing mistakes and the
 * guard's own limits stay well under it. */
#define POISONED_SHARE 0.20
#define DUPLICATE_SHARE 0.50
#define GOLD_SHARE 0.10

enum sample_verdict {
    VERDICT_GOLD, VERDICT_SILVER,
    VERDICT_UNPROVEN, VERDICT_OMITS, VERDICT_WAS_CUT, VERDICT_RATED_LOW, VERDICT_DUPLICATE, VERDICT_SUPERSEDED,
    VERDICT_OVER_CAP, VERDICT_COUNT
};
const char *sample_verdict_name(enum sample_verdict verdict);

struct dataset_options {
    enum model_format format;
    size_t rehearsal;
    uint64_t seed;
    const struct profile *known;    /* of the champion: counts words that it does not know; NULL: none */
};
struct dataset {
    size_t samples, counts[VERDICT_COUNT], edits;
    size_t gold_train, gold_exam, silver, rehearsal;
    size_t patients, patients_exam;
    int gold_weight;
    char hash[65];                  /* of pairs.jsonl */
    struct profile profile;
};

bool dataset_make(const char *samples_path, const char *dir, const struct dataset_options *options, struct dataset *out,
                  struct err *err) MUST_CHECK;

#endif
