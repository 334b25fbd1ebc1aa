/* profile.h - what a set of samples looks like, and how far another set has drifted from it.
 *
 * A profile counts, over windows and the texts about them: the values of each vital, the length of the
 * window, the words of the texts and their number, and what the guard cut.
 * PSI:      sum over bins of (p - q) ln(p / q); an empty bin counts as half a sample.
 *           Under 0.1 nothing changed, over 0.25 the population did.
 *           Source: Siddiqi, Credit Risk Scorecards, 2006, chapter 10.
 * Bins:     fixed edges (profile.c), so that two profiles always compare.
 * Threads:  a profile belongs to one thread. */
#ifndef LEARN_PROFILE_H
#define LEARN_PROFILE_H

#include "base/json.h"
#include "clinical/facts.h"

#define PSI_CHANGED 0.25
#define PSI_UNCHANGED 0.1

enum { PROFILE_BINS = 10, PROFILE_WORDS = 4096 };

/* One row of the drift report each. */
enum profile_row {
    PROFILE_HEART_RATE, PROFILE_SPO2, PROFILE_SYSTOLIC, PROFILE_DIASTOLIC, PROFILE_TEMPERATURE, PROFILE_RESPIRATORY,
    PROFILE_WINDOW_LENGTH, PROFILE_ALERTS, PROFILE_TEXT_LENGTH, PROFILE_VOCABULARY, PROFILE_GUARD_CUTS,
    PROFILE_ROW_COUNT
};
const char *profile_row_name(enum profile_row row);

struct profile {
    int64_t windows;
    int64_t counts[PROFILE_ROW_COUNT][PROFILE_BINS + 1];   /* the last: the vital was missing in the window */
    uint8_t words[PROFILE_WORDS / 8];                      /* hashed words that the texts use */
};

void profile_init(struct profile *profile);
/* `text` is about the window; `cut_count` of its sentences were cut.  `known` (NULL: none) is the profile
 * whose vocabulary counts: the share of words it does not know is PROFILE_VOCABULARY. */
void profile_add(struct profile *profile, const struct facts *facts, const char *text, int cut_count,
                 const struct profile *known);

struct drift {
    double psi[PROFILE_ROW_COUNT];
    enum profile_row worst;
    bool changed;                        /* some row is over PSI_CHANGED */
};
void profile_compare(const struct profile *before, const struct profile *now, struct drift *out);

void profile_write(const struct profile *profile, struct buf *out);   /* JSON */
bool profile_read(const char *text, size_t length, struct profile *out, struct err *err) MUST_CHECK;
void drift_write(const struct drift *drift, struct json_writer *writer, const char *key);

#endif
