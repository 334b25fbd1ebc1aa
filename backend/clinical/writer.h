/* writer.h - the deterministic writer: facts become sentences, each with its evidence.
 *
 * Order:    alarms first (critical before warning, open before over), then what moved, what swung, what
 *           was stable, what is missing, NEWS2, and how many readings it rests on.
 * Numbers:  every number in a sentence is one of its evidence, written exactly as it was measured;
 *           times are hh:mm UTC.
 * Role:     the fallback when a model is missing or wrong, and the source of training targets.
 * Seed:     chooses among phrasings of the same fact; the same seed gives the same text.  What is said
 *           does not depend on it.  With WRITER_HOUSE the first phrasing is taken everywhere: the same words for the
 *           same thing in every text, and no doubt about the next word for a model that learns them. */
#ifndef CLINICAL_WRITER_H
#define CLINICAL_WRITER_H

#include "base/arena.h"
#include "clinical/facts.h"

enum { SENTENCES_MAX = 40, EVIDENCE_MAX = 16 };
#define WRITER_HOUSE UINT64_MAX

struct evidence {
    bool is_alert;
    int64_t time_us;                     /* of the reading, or the alert's onset */
    uint16_t source;                     /* reading */
    uint8_t alert_type;                  /* alert */
};

struct sentence {
    const char *text;
    struct evidence evidence[EVIDENCE_MAX];
    int evidence_count;
};

struct summary_text {
    struct sentence sentences[SENTENCES_MAX];
    int count;
};

/* Texts live in the arena. */
void writer_write(const struct facts *facts, uint64_t seed, struct arena *arena, struct summary_text *out);
/* The sentence about one alert alone: what the guard adds when a text omits a critical one. */
void writer_alert(const struct facts *facts, const struct alert_fact *alert, uint64_t seed, struct arena *arena,
                  struct sentence *out);
/* How many of facts->alert, from the first, get a sentence of their own. */
int writer_alerts_told(const struct facts *facts);
/* ---- slots: the names of numbers, see clinical/slots.h ---- */
#define SLOT_OWNERS_VITAL "HSYDTR"       /* in the order of vital.h */
enum { SLOT_OWNER_NEWS2 = 'N', SLOT_OWNER_WINDOW = 'W', SLOT_OWNER_TOTAL = 'G', SLOT_ALERTS_MAX = 16 };
/* '0' … '9', 'a' … 'f' for the first alerts; 0 beyond: their numbers stay numbers. */
static inline char slot_owner_alert(int i)
{
    return i >= 0 && i < SLOT_ALERTS_MAX ? "0123456789abcdef"[i] : 0;
}
/* The same text with "$Ha" where a number stands. */
void writer_write_named(const struct facts *facts, uint64_t seed, struct arena *arena, struct summary_text *out);
/* Every slot that the facts fill, and the text that stands in it. */
typedef void writer_slot_visit(void *context, char owner, char letter, const char *text);
void writer_each_slot(const struct facts *facts, struct arena *arena, writer_slot_visit *visit, void *context);
/* an extreme far beyond both ends */
bool writer_overshoots(const struct vital_fact *fact, enum vital vital, bool high);
bool writer_is_pair(const struct vital_fact *fact);    /* told as systolic/diastolic */
/* Sentences joined by a space. */
const char *summary_join(const struct summary_text *text, struct arena *arena);

/* ---- words shared with the model's input and the guard's messages ---- */
const char *vital_word(enum vital vital);              /* "heart rate", "SpO2", "systolic pressure" */
const char *alert_word(enum alert_type type);          /* "tachycardia", "hypertension", "sensor disconnection" */
void sentence_cite(struct sentence *sentence, const struct evidence *evidence); /* once each */

#endif
