/* claim_pattern.h - sentences as tokens, and patterns that read clauses out of them.
 *
 * A pattern is a line of words with
 *     [a b]     may be absent          (a | b c)   one of
 *     <name>    a fragment of claim_grammar.c      \( \)   brackets as they stand
 *     {v1} one vital        {V} a list of vitals     {L} a list of vitals with their values
 *     {n1} a value with its unit   {r1} a range "96-98%"   {t1} a time hh:mm   {i1} a whole number
 *     {c1} a condition ("critical hypoxia")  {C} a list of conditions
 *     {p}  who the summary is about: "the patient", its own id, and the model's alias for it
 * Digits 1 to 3 number a slot.  Patterns are compiled once, into one program; a word that stands in
 * none of them is unknown, and a sentence with an unknown word is never kept.
 * Bounds:   TOKENS_MAX per sentence, CLAIM_STEPS_MAX steps per sentence: more is not understood.
 * Threads:  pure after claim_compile(), which is safe to call from any. */
#ifndef CLINICAL_CLAIM_PATTERN_H
#define CLINICAL_CLAIM_PATTERN_H

#include "clinical/alarm_limits.h"

#include <stddef.h>

enum { TOKENS_MAX = 160, CLAIM_STEPS_MAX = 200000, CLAIM_ITEMS_MAX = 8, CLAIM_CONDITIONS_MAX = 10 };
enum { VITAL_PRESSURE = VITAL_COUNT, CLAIM_VITAL_COUNT };   /* "blood pressure 118/76" */

enum token_kind { TOKEN_WORD, TOKEN_NUMBER, TOKEN_TIME };
struct token {
    enum token_kind kind;
    int word;                            /* in the vocabulary; -1: unknown, or no word */
    int32_t milli;                       /* number */
    bool whole;                          /* number without a decimal point */
    int16_t minute;                      /* time: minute of the day */
    uint16_t start, length;              /* in the sentence */
};

enum unit { UNIT_NONE, UNIT_BPM, UNIT_PER_MIN, UNIT_BREATHS, UNIT_PERCENT, UNIT_MMHG, UNIT_CELSIUS };
struct quantity {
    bool present;
    int32_t milli, other_milli;          /* other: the 76 of 118/76, else VITAL_ABSENT */
    enum unit unit;
};
struct claim_item {
    int vital;
    bool range;
    struct quantity low, high;           /* a single value stands in `low` */
};
struct claim_condition {
    int type;                            /* enum alert_type; -1: none */
    bool critical;
};

/* What a pattern found. */
struct captures {
    int vital[4];                        /* -1: none */
    struct quantity number[4];
    int minute[4];                       /* -1: none */
    int count[4];                        /* -1: none */
    struct claim_condition condition[4], conditions[CLAIM_CONDITIONS_MAX];
    int condition_count;
    unsigned vitals;                     /* bit per vital, VITAL_PRESSURE too */
    struct claim_item items[CLAIM_ITEMS_MAX];
    int item_count;
};

struct claim_reader {
    const char *text;
    struct token tokens[TOKENS_MAX];
    int count;
    int steps;                           /* left */
    const char *patient_id;              /* lower case; may be NULL */
    bool alias;                          /* "patient 1", "patient x" are this patient: a model's words */
};

void claim_compile(void);
/* false: a byte or a length that no sentence has; `reason` says which. */
bool claim_read(struct claim_reader *reader, const char *text, size_t length, char *reason, size_t reason_size);
/* The first token whose word stands in no pattern; -1: none. */
int claim_unknown(const struct claim_reader *reader);

/* Calls `next` with every end that pattern `rule` reaches from token `at`, until it says true. */
typedef bool claim_next(void *context, int end, const struct captures *captures);
bool claim_match(struct claim_reader *reader, int rule, int at, claim_next *next, void *context);

/* ---- claim_grammar.c ---- */
struct claim_fragment { const char *name, *pattern; };
extern const struct claim_fragment claim_fragments[];
extern const int claim_fragment_count;
int claim_rule_count(void);
const char *claim_rule_pattern(int rule);
int claim_joint(const struct claim_reader *reader, int at); /* tokens that join two clauses here; 0: none */

int claim_word(const char *word);        /* number of a word that the grammar has; CHECKs */

#endif
