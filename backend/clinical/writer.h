/* writer.h - the deterministic writer: facts become sentences, each with its evidence.
 *
 * Order:    alarms first (critical before warning), then what moved, then what was stable, then what
 *           is missing, then NEWS2.  Every number in a sentence is one of its evidence.
 * Role:     the fallback when a model is missing or wrong, and the source of training targets.
 * Seed:     chooses among phrasings of the same fact; the same seed gives the same text. */
#ifndef CLINICAL_WRITER_H
#define CLINICAL_WRITER_H

#include "base/arena.h"
#include "clinical/facts.h"

enum { SENTENCES_MAX = 16, EVIDENCE_MAX = 16 };

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

#endif
