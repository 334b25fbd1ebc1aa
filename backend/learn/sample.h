/* sample.h - what was written about a window, and by whom: the raw material of a dataset, one JSON object a line.
 *
 *     {"summary_id":"…","patient":"9f2c…","kind":"edit","user":"ann","rating":4,"time":"…","text":"…",
 *      "limits":"…","window":{…}}
 *
 * No names:  the patient is a hash of its id; the window (window_json.h) has no id and its sources are
 *            numbered.
 * Limits:    the patient's alarm limits as the bytes of struct alarm_limits in hexadecimal; "" means the
 *            defaults, which is also what other sizes (another version's file) mean.
 * Bounds:    SAMPLE_LINE_MAX a line, gzipped files too.   Errors: name the file, the line and the field. */
#ifndef LEARN_SAMPLE_H
#define LEARN_SAMPLE_H

#include "base/arena.h"
#include "base/str.h"
#include "clinical/facts.h"

enum { SAMPLE_LINE_MAX = 4 << 20, SAMPLE_TEXT_MAX = 16 << 10 };

enum sample_kind {
    SAMPLE_EDIT,        /* a clinician's own text */
    SAMPLE_RATED,       /* a summary that a clinician rated */
    SAMPLE_MODEL,       /* a model's, nobody looked */
    SAMPLE_WRITER,      /* the deterministic writer's */
    SAMPLE_KIND_COUNT
};
const char *sample_kind_name(enum sample_kind kind);

struct sample {
    const char *summary_id, *patient, *user, *text;
    enum sample_kind kind;
    int rating;                          /* 1 to 5; 0: none */
    int cut_count;                       /* sentences the guard removed when it was written */
    int64_t time_us;
    struct window window;
    struct alarm_limits limits;
};

void sample_write(const struct sample *sample, struct buf *out);      /* with its line end */
/* The sample and what it points to live until the call returns. */
typedef bool sample_visitor(void *context, const struct sample *sample, struct err *err);
bool samples_read(const char *path, sample_visitor *visit, void *context, struct err *err) MUST_CHECK;
/* 16 hexadecimal digits. */
void sample_patient(const char *patient_id, char out[17]);

#endif
