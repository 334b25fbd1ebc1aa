/* exam.h - how well a model writes: the same windows for every model, sliced, with the guard as examiner.
 *
 * A window is right in a safety row when
 *     facts      the guard cut nothing that the model wrote
 *     critical   the model told every open critical alert itself; the guard had none to add
 *     numbers    no sentence with a number was cut
 * Agreement: ROUGE-L and fact F1 (the readings and alerts both texts rest on) with the reference: what
 *            a clinician made of the window, or the deterministic writer's text.  Where the exam has
 *            edits, agreement in the total is with the edits.
 * Total:     0.30 agreement + 0.25 sentences proven + 0.25 critical alerts told + 0.20 numbers proven.
 *            The weights are a judgement: what harms a patient (a wrong or a missing fact) is 0.70 of it.
 * Owner:     an exam's windows live in the arena it was made with.   Threads: pure. */
#ifndef LEARN_EXAM_H
#define LEARN_EXAM_H

#include "base/arena.h"
#include "base/json.h"
#include "clinical/facts.h"

/* Not used for training; see learn/windows.h.  Changing it makes another exam, which no old result compares with. */
#define EXAM_SEED UINT64_C(0xE7A3)
enum { EXAM_WINDOWS = 1000, EXAM_WINDOWS_MAX = 20000, EXAM_LONG_READINGS = 30 };

enum exam_slice {
    SLICE_ALL, SLICE_STABLE, SLICE_MISSING, SLICE_ARTEFACT, SLICE_LONG, SLICE_SEVERAL, SLICE_EDITED,
    SLICE_ALERT,                                     /* the first of one slice per alert type */
    SLICE_COUNT = SLICE_ALERT + ALERT_TYPE_COUNT
};
enum exam_row { ROW_FACTS, ROW_CRITICAL, ROW_NUMBERS, ROW_COUNT };
const char *exam_slice_name(enum exam_slice slice);  /* "stable", "Hypoxia Alert" */
const char *exam_row_name(enum exam_row row);

struct exam_item {
    struct facts facts;                  /* with its window and limits */
    const char *reference;
    bool edited;                         /* the reference is a clinician's */
    uint32_t slices;                     /* bit per slice */
};
struct exam_set {
    struct exam_item *items;
    size_t count, capacity, edited_count;
    struct arena *arena;
};

/* `count` simulated windows of EXAM_SEED, the writer's text as reference. */
bool exam_set_simulated(struct arena *arena, size_t count, struct exam_set *out, struct err *err) MUST_CHECK;
/* The window and the text are copied.  `edit` NULL: the writer's text is the reference. */
bool exam_set_add(struct exam_set *set, const struct window *window, const struct alarm_limits *limits,
                  const char *edit, struct err *err) MUST_CHECK;

/* What became of one window. */
struct exam_verdict {
    uint32_t slices;
    uint8_t right;                       /* bit per row */
    uint16_t sentences, cuts, numbers, numbers_proven, critical, critical_told, words;
    float rouge, fact_f1;
};
struct exam_slice_sum {
    int64_t windows, right[ROW_COUNT], sentences, cuts, numbers, numbers_proven, critical, critical_told, words;
    double rouge, fact_f1;               /* means */
};
struct exam {
    char model[72];                      /* version, or the folder */
    size_t count;
    struct exam_verdict *verdicts;       /* by window */
    struct exam_slice_sum sums[SLICE_COUNT];
    double total;
    double latency_ms_median, latency_ms_p95;
};

/* texts[i] is what the model wrote about set->items[i]. */
void exam_judge(const struct exam_set *set, const char *const *texts, const char *model, struct arena *arena,
                struct exam *out);
void exam_set_latency(struct exam *exam, const int64_t *latency_us, size_t count);
void exam_write(const struct exam *exam, struct buf *out);            /* JSON, with every verdict */
bool exam_read(const char *text, size_t length, struct arena *arena, struct exam *out, struct err *err) MUST_CHECK;

#endif
