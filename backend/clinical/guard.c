#include "clinical/guard.h"

#include "base/err.h"
#include "base/str.h"
#include "clinical/claim_grammar.h"

#include <stdio.h>
#include <string.h>

/* ---- one sentence ---- */

struct reading_on {                      /* how far a sentence has been read */
    struct claim_reader *reader;
    const struct claim_world *world;
    struct claim_state state;
    bool bracket;                        /* inside ( ) */
    int rule;
    struct claim_state *out_state;       /* of the whole sentence */
    int *deepest;                        /* the furthest token where a proof failed, and why */
    char *reason;
};

static bool read_clauses(const struct reading_on *from, int at);

static bool is_word(const struct claim_reader *reader, int at, char c)
{
    return at < reader->count && reader->tokens[at].kind == TOKEN_WORD && reader->tokens[at].length == 1 &&
           reader->text[reader->tokens[at].start] == c;
}

static bool go_on(struct reading_on *next, int at)
{
    if (next->bracket) {
        if (!is_word(next->reader, at, ')'))
            return false;
        next->bracket = false;
        at++;
    } else if (is_word(next->reader, at, '(')) {
        next->bracket = true;
        return read_clauses(next, at + 1);
    }
    if (at == next->reader->count) {
        *next->out_state = next->state;
        return true;
    }
    int joint = claim_joint(next->reader, at);
    return joint && read_clauses(next, at + joint);
}

static bool try_proof(void *context, int end, const struct captures *captures)
{
    struct reading_on next = *(struct reading_on *)context;
    char reason[CLAIM_REASON_SIZE] = "";
    struct claim_proof proof = { next.world, &next.state, reason };
    const struct claim_rule *rule = &claim_rules[next.rule];
    if (!rule->prove(&proof, captures, rule->how)) {
        if (reason[0] && end > *next.deepest) {
            *next.deepest = end;
            memcpy(next.reason, reason, CLAIM_REASON_SIZE);
        }
        return false;
    }
    next.state.claims++;
    return go_on(&next, end);
}

static bool read_clauses(const struct reading_on *from, int at)
{
    struct reading_on here = *from;
    for (here.rule = 0; here.rule < claim_rule_count(); here.rule++)
        if (claim_match(here.reader, here.rule, at, try_proof, &here))
            return true;
    return false;
}

/* ---- what a guard has seen of a text ---- */

struct guarding {
    const struct guard_options *options;
    const struct claim_world *world;
    struct arena *arena;
    struct guard_result *out;
    struct claim_reader reader;
    uint64_t critical_told;
    char id[64];
};

static void cut(struct guarding *g, const char *text, size_t length, const char *reason)
{
    if (g->out->cut_count < GUARD_CUTS_MAX)
        g->out->cuts[g->out->cut_count++] = (struct guard_cut){ arena_copy(g->arena, text, length),
                                                                arena_copy(g->arena, reason, strlen(reason)) };
}

static bool same_word(const struct claim_reader *reader, int at, const char *word)
{
    const struct token *token = &reader->tokens[at];
    return at < reader->count && token->length == strlen(word) &&
        strncasecmp(reader->text + token->start, word, token->length) == 0;
}

/* "Patient 1 …" becomes "The patient …". */
static const char *shown_text(struct guarding *g, const char *text, size_t length)
{
    struct buf buf;
    size_t done = 0;
    buf_init(&buf, 2 * length + 64);
    for (int i = 0; g->options->alias && i + 1 < g->reader.count; i++) {
        const struct token *token = &g->reader.tokens[i], *alias = token + 1;
        if (!same_word(&g->reader, i, "patient") || !(same_word(&g->reader, i + 1, "1") ||
                                                      same_word(&g->reader, i + 1, "x")))
            continue;
        bool article = i && same_word(&g->reader, i - 1, "the");
        buf_add(&buf, text + done, token->start - done);
        buf_add_text(&buf, article ? "patient" : i ? "the patient" : "The patient");
        done = (size_t)alias->start + alias->length;
    }
    buf_add(&buf, text + done, length - done);
    const char *last = buf.length ? buf.data + buf.length - 1 : "";
    if (*last != '.')
        buf_add_char(&buf, '.');
    const char *copy = arena_copy(g->arena, buf.data, buf.length);
    buf_free(&buf);
    return copy;
}

static bool said_before(const struct guard_result *out, const char *text)
{
    for (int i = 0; i < out->kept.count; i++)
        if (strcmp(out->kept.sentences[i].text, text) == 0)
            return true;
    return false;
}

static void why_not(struct guarding *g, int deepest, char *reason)
{
    int unknown = claim_unknown(&g->reader);
    if (g->reader.steps < 0)
        (void)snprintf(reason, CLAIM_REASON_SIZE, "too involved to be understood");
    else if (unknown >= 0 && !same_word(&g->reader, unknown, g->id))
        (void)snprintf(reason, CLAIM_REASON_SIZE, "unknown word '%.*s'",
                       g->reader.tokens[unknown].length > 40 ? 40 : g->reader.tokens[unknown].length,
                       g->reader.text + g->reader.tokens[unknown].start);
    else if (deepest < 0)
        (void)snprintf(reason, CLAIM_REASON_SIZE, "not understood");
}

/* `length` without the full stop. */
static void check_sentence(struct guarding *g, const char *text, size_t length)
{
    struct claim_state state;
    char reason[CLAIM_REASON_SIZE] = "";
    int deepest = -1;
    struct reading_on start = { .reader = &g->reader, .world = g->world, .state = { .vital = -1 }, .out_state = &state,
                                .deepest = &deepest, .reason = reason };
    g->out->sentence_count++;
    if (!claim_read(&g->reader, text, length, reason, sizeof reason)) {
        cut(g, text, length, reason);
        return;
    }
    if (!read_clauses(&start, 0)) {
        why_not(g, deepest, reason);
        cut(g, text, length, reason);
        return;
    }
    const char *shown = shown_text(g, text, length);
    bool repeated = said_before(g->out, shown);
    if (repeated || g->out->kept.count == SENTENCES_MAX - ALERT_TYPE_COUNT) {
        cut(g, text, length, repeated ? "said before" : "too many sentences");
        return;
    }
    g->critical_told |= state.critical_told;
    state.evidence.text = shown;
    g->out->kept.sentences[g->out->kept.count++] = state.evidence;
}

/* ---- the text ---- */

/* A full stop between digits belongs to the number. */
static size_t sentence_length(const char *text, size_t left)
{
    for (size_t i = 0; i < left; i++) {
        if (text[i] == '\n' || text[i] == '!' || text[i] == '?')
            return i;
        if (text[i] == '.' && (i + 1 == left || text[i + 1] == ' ' || text[i + 1] == '\n'))
            return i;
    }
    return left;
}

static void check_text(struct guarding *g, const char *text, size_t left)
{
    while (left) {
        size_t skip = strspn(text, " \n\r\t");
        if (skip >= left)
            return;
        if (text[skip] == '-' && text[skip + 1] == ' ') /* a list */
            skip += 2;
        text += skip;
        left -= skip;
        size_t length = sentence_length(text, left), used = length + (length < left), end = length;
        bool odd = length < left && text[length] != '.' && text[length] != '\n';
        while (end && (text[end - 1] == ' ' || text[end - 1] == '\r' || text[end - 1] == '\t'))
            end--;
        if (odd)
            cut(g, text, used, "a question or an exclamation");
        else if (end)
            check_sentence(g, text, end);
        text += used;
        left -= used;
    }
}

static void add_omitted(struct guarding *g)
{
    const struct facts *facts = g->world->facts;
    struct summary_text *kept = &g->out->kept;
    for (int i = facts->alert_count - 1; i >= 0; i--) {
        const struct alert_fact *alert = &facts->alert[i];
        if (alert->state == ALERT_CLOSED || alert->severity != SEVERITY_CRITICAL ||
            (alert->members & ~g->critical_told) == 0)
            continue;
        CHECK(kept->count < SENTENCES_MAX);
        memmove(kept->sentences + 1, kept->sentences, (size_t)kept->count * sizeof *kept->sentences);
        writer_alert(facts, alert, (uint64_t)alert->onset_us, g->arena, &kept->sentences[0]);
        kept->count++;
        g->out->added++;
    }
}

void guard_check(const struct facts *facts, const char *text, const struct guard_options *options, struct arena *arena,
                 struct guard_result *out)
{
    struct claim_world *world = arena_alloc(arena, sizeof *world);
    struct guarding *g = arena_alloc(arena, sizeof *g);
    size_t length = strlen(text);
    claim_world_init(world, facts);
    *out = (struct guard_result){ 0 };
    *g = (struct guarding){ .options = options, .world = world, .arena = arena, .out = out };
    for (size_t i = 0; options->patient_id && options->patient_id[i] && i + 1 < sizeof g->id; i++) {
        char c = options->patient_id[i];
        g->id[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    g->reader.patient_id = g->id[0] ? g->id : NULL;
    g->reader.alias = options->alias;
    if (length > GUARD_TEXT_MAX)
        cut(g, text, 80, "longer than any summary");
    else
        check_text(g, text, length);
    add_omitted(g);
}
