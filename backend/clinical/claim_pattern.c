#include "clinical/claim_pattern.h"

#include "base/str.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { PROGRAM_MAX = 60000, WORDS_MAX = 700, WORD_SIZE = 20, RULES_MAX = 200, PHRASE_WORDS = 4 };

/* Four kinds of instruction are enough for words, choices and slots (Thompson 1968, backtracking). */
enum op { OP_WORD, OP_SLOT, OP_SPLIT, OP_JUMP, OP_MATCH };
struct instruction {
    uint8_t op, slot, index;
    int32_t a, b;                        /* WORD: a; SPLIT: both ways; JUMP: a */
};

static struct instruction program[PROGRAM_MAX];
static int program_count;
static int rule_start[RULES_MAX];
static char words[WORDS_MAX][WORD_SIZE];
static int word_count;

/* ---- the vocabulary ---- */

static int find_word(const char *text, size_t length)
{
    for (int i = 0; i < word_count; i++)
        if (strlen(words[i]) == length && memcmp(words[i], text, length) == 0)
            return i;
    return -1;
}

static int intern(const char *text, size_t length)
{
    int found = find_word(text, length);
    if (found >= 0)
        return found;
    CHECK(length < WORD_SIZE && word_count < WORDS_MAX);
    memcpy(words[word_count], text, length);
    return word_count++;
}

int claim_word(const char *word)
{
    int found = find_word(word, strlen(word));
    CHECK(found >= 0);
    return found;
}

/* ---- phrases: what slots are made of.  The longest that fits wins, so longer ones stand first. ---- */

struct phrase {
    const char *text;
    int value;
    int words[PHRASE_WORDS], count;
};

static struct phrase vital_phrases[] = {
    { "systolic blood pressure", VITAL_SYSTOLIC }, { "systolic pressure", VITAL_SYSTOLIC },
        { "systolic bp", VITAL_SYSTOLIC },
    { "sbp", VITAL_SYSTOLIC }, { "diastolic blood pressure", VITAL_DIASTOLIC },
        { "diastolic pressure", VITAL_DIASTOLIC },
    { "diastolic bp", VITAL_DIASTOLIC }, { "dbp", VITAL_DIASTOLIC }, { "blood pressure", VITAL_PRESSURE },
        { "bp", VITAL_PRESSURE },
    { "heart rate", VITAL_HEART_RATE }, { "pulse rate", VITAL_HEART_RATE }, { "pulse", VITAL_HEART_RATE },
        { "hr", VITAL_HEART_RATE },
    { "oxygen saturation", VITAL_SPO2 }, { "saturation", VITAL_SPO2 }, { "spo2", VITAL_SPO2 }, { "sats", VITAL_SPO2 },
    { "body temperature", VITAL_TEMPERATURE }, { "temperature", VITAL_TEMPERATURE }, { "temp", VITAL_TEMPERATURE },
    { "respiratory rate", VITAL_RESPIRATORY }, { "respiration rate", VITAL_RESPIRATORY },
        { "breathing rate", VITAL_RESPIRATORY },
    { "resp rate", VITAL_RESPIRATORY }, { "rr", VITAL_RESPIRATORY }, { "resp", VITAL_RESPIRATORY },
};

static struct phrase unit_phrases[] = {
    { "beats per minute", UNIT_BPM }, { "beats / min", UNIT_BPM }, { "bpm", UNIT_BPM },
        { "breaths per minute", UNIT_BREATHS },
    { "breaths / min", UNIT_BREATHS }, { "/ min", UNIT_PER_MIN }, { "per minute", UNIT_PER_MIN },
        { "%", UNIT_PERCENT }, { "percent", UNIT_PERCENT },
    { "mmhg", UNIT_MMHG }, { "mm hg", UNIT_MMHG }, { "degrees celsius", UNIT_CELSIUS }, { "celsius", UNIT_CELSIUS },
        { "°c", UNIT_CELSIUS },
    { "c", UNIT_CELSIUS },
};

enum { ALWAYS_CRITICAL = 64 };
static struct phrase condition_phrases[] = {
    { "elevated heart rate", ALERT_TACHYCARDIA }, { "high heart rate", ALERT_TACHYCARDIA },
        { "rapid heart rate", ALERT_TACHYCARDIA },
    { "tachycardia", ALERT_TACHYCARDIA }, { "low heart rate", ALERT_BRADYCARDIA },
        { "slow heart rate", ALERT_BRADYCARDIA },
    { "bradycardia", ALERT_BRADYCARDIA }, { "low oxygen saturation", ALERT_HYPOXIA },
        { "oxygen desaturation", ALERT_HYPOXIA },
    { "low spo2", ALERT_HYPOXIA }, { "desaturation", ALERT_HYPOXIA }, { "hypoxia", ALERT_HYPOXIA },
        { "hypoxemia", ALERT_HYPOXIA },
    { "hypoxaemia", ALERT_HYPOXIA }, { "hypertensive crisis", ALERT_HYPERTENSION | ALWAYS_CRITICAL },
    { "elevated blood pressure", ALERT_HYPERTENSION }, { "high blood pressure", ALERT_HYPERTENSION },
        { "hypertension", ALERT_HYPERTENSION },
    { "low blood pressure", ALERT_HYPOTENSION }, { "hypotension", ALERT_HYPOTENSION },
        { "high fever", ALERT_FEVER | ALWAYS_CRITICAL },
    { "elevated temperature", ALERT_FEVER }, { "high temperature", ALERT_FEVER }, { "fever", ALERT_FEVER },
        { "pyrexia", ALERT_FEVER },
    { "low temperature", ALERT_HYPOTHERMIA }, { "hypothermia", ALERT_HYPOTHERMIA },
        { "elevated respiratory rate", ALERT_TACHYPNEA },
    { "high respiratory rate", ALERT_TACHYPNEA }, { "rapid breathing", ALERT_TACHYPNEA },
        { "tachypnea", ALERT_TACHYPNEA },
    { "tachypnoea", ALERT_TACHYPNEA }, { "low respiratory rate", ALERT_BRADYPNEA },
        { "slow breathing", ALERT_BRADYPNEA },
    { "bradypnea", ALERT_BRADYPNEA }, { "bradypnoea", ALERT_BRADYPNEA }, { "sensor disconnection", ALERT_SENSOR },
    { "tachycardic", ALERT_TACHYCARDIA }, { "bradycardic", ALERT_BRADYCARDIA }, { "hypoxic", ALERT_HYPOXIA },
    { "hypertensive", ALERT_HYPERTENSION }, { "hypotensive", ALERT_HYPOTENSION }, { "febrile", ALERT_FEVER },
    { "hypothermic", ALERT_HYPOTHERMIA }, { "tachypneic", ALERT_TACHYPNEA }, { "bradypneic", ALERT_BRADYPNEA },
};

static struct phrase number_phrases[] = {
    { "one", 1 }, { "two", 2 }, { "three", 3 }, { "four", 4 }, { "five", 5 }, { "six", 6 }, { "seven", 7 },
        { "eight", 8 }, { "nine", 9 }, { "ten", 10 },
};
static struct phrase alarm_phrases[] = { { "alarm", 0 }, { "alert", 0 } };
static struct phrase lead_phrases[] = { { "critical", 1 }, { "severe", 1 } };
static struct phrase article_phrases[] = { { "the patient ' s", 0 }, { "patient ' s", 0 }, { "the", 0 }, { "a", 0 },
                                           { "an", 0 } };
static struct phrase is_phrases[] = { { "was", 0 }, { "is", 0 }, { "were", 0 }, { "are", 0 }, { "of", 0 },
                                      { "at", 0 }, { ":", 0 }, { "=", 0 } };
static struct phrase list_phrases[] = { { ", and", 0 }, { ",", 0 }, { "and", 0 }, { "or", 0 } };
static struct phrase joint_phrases[] = { { "while", 0 }, { "with", 0 }, { "whereas", 0 }, { "but", 0 }, { ";", 0 } };
static struct phrase patient_phrases[] = { { "the patient", 0 }, { "patient", 0 }, { "the pt", 0 }, { "pt", 0 } };
static struct phrase alias_phrases[] = { { "1", 0 }, { "x", 0 } };

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))
#define ADD(array) add_phrases(array, COUNT(array))

static void add_phrases(struct phrase *phrases, int count)
{
    for (int i = 0; i < count; i++)
        for (const char *p = phrases[i].text; *p;) {
            size_t length = strcspn(p, " ");
            CHECK(phrases[i].count < PHRASE_WORDS);
            phrases[i].words[phrases[i].count++] = intern(p, length);
            p += length + (p[length] == ' ');
        }
}

static int phrase_at(const struct claim_reader *reader, int at, const struct phrase *phrases, int count, int *out_value)
{
    for (int i = 0; i < count; i++) {
        int k = 0;
        while (k < phrases[i].count && at + k < reader->count && reader->tokens[at + k].kind == TOKEN_WORD &&
               reader->tokens[at + k].word == phrases[i].words[k])
            k++;
        if (k == phrases[i].count) {
            *out_value = phrases[i].value;
            return at + k;
        }
    }
    return -1;
}
#define PHRASE(reader, at, array, value) phrase_at(reader, at, array, COUNT(array), value)

static int skip_article(const struct claim_reader *reader, int at)
{
    int ignored, after = PHRASE(reader, at, article_phrases, &ignored);
    return after < 0 ? at : after;
}

/* ---- slots.  Each takes as much as it can; returns the token after it or -1. ---- */

static bool is_word(const struct claim_reader *reader, int at, const char *word)
{
    return at < reader->count && reader->tokens[at].kind == TOKEN_WORD && reader->tokens[at].word == claim_word(word);
}

static bool is_number(const struct claim_reader *reader, int at)
{
    return at < reader->count && reader->tokens[at].kind == TOKEN_NUMBER;
}

static int read_vital(const struct claim_reader *reader, int at, int *out)
{
    return PHRASE(reader, skip_article(reader, at), vital_phrases, out);
}

static int read_unit(const struct claim_reader *reader, int at, enum unit *out)
{
    int value, after = PHRASE(reader, at, unit_phrases, &value);
    *out = after < 0 ? UNIT_NONE : (enum unit)value;
    return after < 0 ? at : after;
}

static int read_number(const struct claim_reader *reader, int at, struct quantity *out)
{
    if (!is_number(reader, at))
        return -1;
    *out = (struct quantity){ .present = true, .milli = reader->tokens[at].milli, .other_milli = VITAL_ABSENT };
    at++;
    if (is_word(reader, at, "/") && is_number(reader, at + 1)) {
        out->other_milli = reader->tokens[at + 1].milli;
        at += 2;
    }
    return read_unit(reader, at, &out->unit);
}

static int read_range(const struct claim_reader *reader, int at, struct quantity *low, struct quantity *high)
{
    if (!is_number(reader, at) || !is_word(reader, at + 1, "-") || !is_number(reader, at + 2))
        return -1;
    *low = (struct quantity){ .present = true, .milli = reader->tokens[at].milli, .other_milli = VITAL_ABSENT };
    at = read_number(reader, at + 2, high);
    low->unit = high->unit;
    return at;
}

static int read_count(const struct claim_reader *reader, int at, int *out)
{
    if (!is_number(reader, at))
        return PHRASE(reader, at, number_phrases, out);
    if (!reader->tokens[at].whole)
        return -1;
    *out = reader->tokens[at].milli / 1000;
    return at + 1;
}

static int read_condition(const struct claim_reader *reader, int at, struct claim_condition *out)
{
    int value = 0, lead, after;
    at = skip_article(reader, at);
    after = PHRASE(reader, at, lead_phrases, &lead);
    out->critical = after >= 0;
    after = PHRASE(reader, after >= 0 ? after : at, condition_phrases, &value);
    out->type = value & (ALWAYS_CRITICAL - 1);
    out->critical |= after >= 0 && (value & ALWAYS_CRITICAL);
    return after;
}

/* heart rate 75-80 bpm | heart rate was 75 bpm | heart rate (75-80 bpm) */
static int read_item(const struct claim_reader *reader, int at, struct claim_item *out)
{
    int ignored, after;
    *out = (struct claim_item){ 0 };
    at = read_vital(reader, at, &out->vital);
    if (at < 0)
        return -1;
    bool bracket = is_word(reader, at, "(");
    after = bracket ? at + 1 : PHRASE(reader, at, is_phrases, &ignored);
    at = after < 0 ? at : after;
    after = read_range(reader, at, &out->low, &out->high);
    out->range = after >= 0;
    if (after < 0)
        after = read_number(reader, at, &out->low);
    if (after < 0 || (bracket && !is_word(reader, after, ")")))
        return -1;
    return bracket ? after + 1 : after;
}

static int read_list_joint(const struct claim_reader *reader, int at)
{
    int ignored;
    return PHRASE(reader, at, list_phrases, &ignored);
}

static int read_items(const struct claim_reader *reader, int at, struct captures *out)
{
    int after = at, end = -1;
    for (out->item_count = 0; out->item_count < CLAIM_ITEMS_MAX && after >= 0;) {
        after = read_item(reader, after, &out->items[out->item_count]);
        if (after < 0)
            break;
        out->item_count++;
        end = after;
        after = read_list_joint(reader, after);
    }
    return end;
}

static int read_vitals(const struct claim_reader *reader, int at, struct captures *out)
{
    int after = at, end = -1, vital;
    out->vitals = 0;
    while (after >= 0 && (after = read_vital(reader, after, &vital)) >= 0) {
        out->vitals |= 1u << vital;
        end = after;
        after = read_list_joint(reader, after);
    }
    return end;
}

/* "Hypoxia Alert, fever": a list may name alerts as the API does. */
static int read_conditions(const struct claim_reader *reader, int at, struct captures *out)
{
    int after = at, end = -1, ignored, word;
    for (out->condition_count = 0; out->condition_count < CLAIM_CONDITIONS_MAX && after >= 0;) {
        after = read_condition(reader, after, &out->conditions[out->condition_count]);
        if (after < 0)
            break;
        word = PHRASE(reader, after, alarm_phrases, &ignored);
        after = word < 0 ? after : word;
        out->condition_count++;
        end = after;
        after = read_list_joint(reader, after);
    }
    return end;
}

static bool token_is(const struct claim_reader *reader, int at, const char *text)
{
    const struct token *token = &reader->tokens[at];
    if (!text || strlen(text) != token->length)
        return false;
    for (size_t i = 0; i < token->length; i++) {
        char c = reader->text[token->start + i];
        if ((c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c) != text[i])
            return false;
    }
    return true;
}

static int read_patient(const struct claim_reader *reader, int at)
{
    int ignored, after = PHRASE(reader, at, patient_phrases, &ignored);
    if (after < 0 || after >= reader->count)
        return after;
    bool alias = reader->alias && (token_is(reader, after, "1") || token_is(reader, after, "x"));
    return alias || token_is(reader, after, reader->patient_id) ? after + 1 : after;
}

static int read_slot(const struct claim_reader *reader, const struct instruction *slot, int at, struct captures *out)
{
    int i = slot->index;
    switch (slot->slot) {
    case 'v':
        return read_vital(reader, at, &out->vital[i]);
    case 'V':
        return read_vitals(reader, at, out);
    case 'L':
        return read_items(reader, at, out);
    case 'n':
        return read_number(reader, at, &out->number[i]);
    case 'r':
        return read_range(reader, at, &out->number[i], &out->number[i + 1]);
    case 't':
        if (at >= reader->count || reader->tokens[at].kind != TOKEN_TIME)
            return -1;
        out->minute[i] = reader->tokens[at].minute;
        return at + 1;
    case 'i':
        return read_count(reader, at, &out->count[i]);
    case 'c':
        return read_condition(reader, at, &out->condition[i]);
    case 'C':
        return read_conditions(reader, at, out);
    default:
        return read_patient(reader, at);
    }
}

/* ---- the compiler ---- */

static int emit(enum op op, int a)
{
    CHECK(program_count < PROGRAM_MAX);
    program[program_count] = (struct instruction){ .op = (uint8_t)op, .a = a };
    return program_count++;
}

static const char *compile_choice(const char *p);

static const char *fragment_pattern(const char *name, size_t length)
{
    for (int i = 0; i < claim_fragment_count; i++)
        if (strlen(claim_fragments[i].name) == length && memcmp(claim_fragments[i].name, name, length) == 0)
            return claim_fragments[i].pattern;
    check_failed("a pattern names a fragment that there is", __FILE__, __LINE__);
}

static const char *compile_item(const char *p)
{
    size_t length;
    int split;
    switch (*p) {
    case '[':
        split = emit(OP_SPLIT, program_count + 1);
        p = compile_choice(p + 1);
        program[split].b = program_count;
        CHECK(*p == ']');
        return p + 1;
    case '(':
        p = compile_choice(p + 1);
        CHECK(*p == ')');
        return p + 1;
    case '<':
        length = strcspn(p, ">");
        (void)compile_choice(fragment_pattern(p + 1, length - 1));
        return p + length + 1;
    case '{':
        split = emit(OP_SLOT, 0);
        program[split].slot = (uint8_t)p[1];
        program[split].index = (uint8_t)(p[2] == '}' ? 0 : p[2] - '0');
        return p + strcspn(p, "}") + 1;
    default:
        p += *p == '\\';
        length = *p == '(' || *p == ')' ? 1 : strcspn(p, " ]|)");
        CHECK(length > 0);
        emit(OP_WORD, intern(p, length));
        return p + length;
    }
}

static const char *compile_sequence(const char *p)
{
    for (;;) {
        while (*p == ' ')
            p++;
        if (!*p || *p == '|' || *p == ']' || *p == ')')
            return p;
        p = compile_item(p);
    }
}

/* a | b | c:  SPLIT a, next; a; JUMP end; SPLIT b, … */
static const char *compile_choice(const char *p)
{
    int jumps[96], jump_count = 0;
    for (;;) {
        int split = emit(OP_SPLIT, program_count + 1);
        p = compile_sequence(p);
        if (*p != '|') {
            program[split].b = program[split].a; /* the last: no other way */
            break;
        }
        CHECK(jump_count < 96);
        jumps[jump_count++] = emit(OP_JUMP, 0);
        program[split].b = program_count;
        p++;
    }
    while (jump_count)
        program[jumps[--jump_count]].a = program_count;
    return p;
}

static void compile_all(void)
{
    ADD(vital_phrases);
    ADD(unit_phrases);
    ADD(condition_phrases);
    ADD(number_phrases);
    ADD(lead_phrases);
    ADD(alarm_phrases);
    ADD(article_phrases);
    ADD(is_phrases);
    ADD(list_phrases);
    ADD(joint_phrases);
    ADD(patient_phrases);
    ADD(alias_phrases);
    (void)intern("-", 1);
    (void)intern("(", 1);
    (void)intern(")", 1);
    CHECK(claim_rule_count() <= RULES_MAX);
    for (int rule = 0; rule < claim_rule_count(); rule++) {
        rule_start[rule] = program_count;
        CHECK(*compile_choice(claim_rule_pattern(rule)) == '\0');
        emit(OP_MATCH, 0);
    }
}

void claim_compile(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    CHECK(pthread_once(&once, compile_all) == 0);
}

/* ---- the machine ---- */

static bool run(struct claim_reader *reader, int pc, int at, const struct captures *captures, claim_next *next,
                void *context)
{
    struct captures own;
    for (;;) {
        const struct instruction *instruction = &program[pc];
        if (--reader->steps < 0)
            return false;
        switch ((enum op)instruction->op) {
        case OP_WORD:
            if (at >= reader->count || reader->tokens[at].kind != TOKEN_WORD ||
                reader->tokens[at].word != instruction->a)
                return false;
            at++;
            pc++;
            break;
        case OP_SLOT:
            own = *captures;
            captures = &own;
            at = read_slot(reader, instruction, at, &own);
            if (at < 0)
                return false;
            pc++;
            break;
        case OP_SPLIT:
            if (instruction->a != instruction->b && run(reader, instruction->a, at, captures, next, context))
                return true;
            pc = instruction->b;
            break;
        case OP_JUMP:
            pc = instruction->a;
            break;
        case OP_MATCH:
            return next(context, at, captures);
        }
    }
}

bool claim_match(struct claim_reader *reader, int rule, int at, claim_next *next, void *context)
{
    struct captures none = { .vital = { -1, -1, -1, -1 }, .minute = { -1, -1, -1, -1 }, .count = { -1, -1, -1, -1 } };
    for (int i = 0; i < 4; i++)
        none.condition[i].type = -1;
    return run(reader, rule_start[rule], at, &none, next, context);
}

/* ---- tokens ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static void lower(const char *text, size_t length, char out[WORD_SIZE])
{
    for (size_t i = 0; i < length; i++)
        out[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] - 'A' + 'a') : text[i];
}

static void add_word(struct claim_reader *reader, const char *text, size_t length, size_t start, size_t span)
{
    char low[WORD_SIZE];
    struct token *token = &reader->tokens[reader->count++];
    *token = (struct token){ .kind = TOKEN_WORD, .word = -1, .start = (uint16_t)start, .length = (uint16_t)span };
    if (length < WORD_SIZE) {
        lower(text, length, low);
        token->word = find_word(low, length);
    }
}

/* 112, 38.4; no sign, no exponent, no leading zero, at most 6 digits before and 3 behind the point. */
static bool parse_number(const char *text, size_t length, struct token *out)
{
    size_t whole = 0, i;
    int64_t value = 0;
    while (whole < length && is_digit(text[whole]))
        value = value * 10 + (text[whole++] - '0');
    if (!whole || whole > 6 || (text[0] == '0' && whole > 1))
        return false;
    out->whole = whole == length;
    if (!out->whole && (text[whole] != '.' || length - whole < 2 || length - whole > 4))
        return false;
    for (i = out->whole ? length : whole + 1; i < length; i++) {
        if (!is_digit(text[i]))
            return false;
        value = value * 10 + (text[i] - '0');
    }
    for (size_t decimals = out->whole ? 0 : length - whole - 1; decimals < 3; decimals++)
        value *= 10;
    out->milli = (int32_t)value;
    return true;
}

static bool parse_time(const char *text, size_t length, struct token *out)
{
    if (length != 5 || !is_digit(text[0]) || !is_digit(text[1]) || text[2] != ':' || !is_digit(text[3]) ||
        !is_digit(text[4]))
        return false;
    int hour = (text[0] - '0') * 10 + text[1] - '0', minute = (text[3] - '0') * 10 + text[4] - '0';
    out->minute = (int16_t)(hour * 60 + minute);
    return hour < 24 && minute < 60;
}

/* Letters and digits, with a point or colon between digits; "SpO₂" is written SpO2. */
static size_t span_of(const char *text, size_t length)
{
    size_t i = 0;
    while (i < length) {
        if (is_letter(text[i]) || is_digit(text[i]))
            i++;
        else if (i && (text[i] == '.' || text[i] == ':') && i + 1 < length && is_digit(text[i - 1]) &&
                 is_digit(text[i + 1]))
            i++;
        else
            break;
    }
    return i;
}

static void add_span(struct claim_reader *reader, const char *text, size_t length, size_t start)
{
    struct token token = { .word = -1, .start = (uint16_t)start, .length = (uint16_t)length };
    if (parse_number(text, length, &token))
        token.kind = TOKEN_NUMBER;
    else if (parse_time(text, length, &token))
        token.kind = TOKEN_TIME;
    else {
        add_word(reader, text, length, start, length);
        return;
    }
    reader->tokens[reader->count++] = token;
}

/* The few characters beyond ASCII that clinical text needs, as the ASCII the grammar has. */
static const struct { const char *bytes, *as; } other_characters[] = {
    { "\xe2\x80\x93", "-" }, { "\xc2\xb0" "C", "°c" }, { "\xc2\xb0" "c", "°c" },
};

static size_t read_other(struct claim_reader *reader, const char *text, size_t length, size_t start)
{
    for (size_t i = 0; i < sizeof other_characters / sizeof *other_characters; i++) {
        size_t size = strlen(other_characters[i].bytes);
        if (size <= length && memcmp(text, other_characters[i].bytes, size) == 0) {
            add_word(reader, other_characters[i].as, strlen(other_characters[i].as), start, size);
            return size;
        }
    }
    return 0;
}

bool claim_read(struct claim_reader *reader, const char *text, size_t length, char *reason, size_t reason_size)
{
    claim_compile();
    reader->text = text;
    reader->count = 0;
    reader->steps = CLAIM_STEPS_MAX;
    for (size_t i = 0; i < length;) {
        size_t span = span_of(text + i, length - i);
        if (reader->count == TOKENS_MAX || length > UINT16_MAX) {
            (void)snprintf(reason, reason_size, "longer than %d words", TOKENS_MAX);
            return false;
        }
        if (text[i] == ' ') {
            span = 1;
        } else if (span) {
            add_span(reader, text + i, span, i);
        } else if (strchr(",;:()-/%=<>'", text[i])) {
            span = 1;
            add_word(reader, text + i, 1, i, 1);
        } else if (!(span = read_other(reader, text + i, length - i, i))) {
            (void)snprintf(reason, reason_size, "a character that no summary has (byte %u)",
                           (unsigned)(unsigned char)text[i]);
            return false;
        }
        i += span;
    }
    return true;
}

int claim_unknown(const struct claim_reader *reader)
{
    for (int i = 0; i < reader->count; i++)
        if (reader->tokens[i].kind == TOKEN_WORD && reader->tokens[i].word < 0)
            return i;
    return -1;
}
