#include "learn/wording.h"

#include "learn/habit.h"
#include "learn/sentences.h"

#include <ctype.h>
#include <string.h>

/* Sentences are compared as words with one space before, between and behind them, signs being words of their own and
 * the first word small, behind a sign for the start: " ^ heart rate ( $HL-$Hh ) was stable . " */

#define START " ^ "

struct words {
    const char *at[WORDING_WORDS_MAX];
    int length[WORDING_WORDS_MAX], count;
};

static bool only_first_is_capital(const char *text, size_t length)
{
    size_t i = 1;
    while (i < length && islower((unsigned char)text[i]))
        i++;
    return length > 1 && isupper((unsigned char)text[0]) && (i == length || text[i] == ' ' || strchr(",;:.)", text[i]));
}

static void spread(const char *text, size_t length, struct buf *out)
{
    bool small = only_first_is_capital(text, length);
    buf_reset(out);
    buf_add_text(out, START);
    for (size_t i = 0; i < length; i++) {
        bool last = i + 1 == length || text[i + 1] == ' ';
        if (text[i] == '(') {
            buf_add_text(out, "( ");
        } else if (strchr(",;:.)", text[i]) && (last || text[i] == ')')) {
            if (out->data[out->length - 1] != ' ')
                buf_add_char(out, ' ');
            buf_add_char(out, text[i]);
        } else {
            buf_add_char(out, i == 0 && small ? (char)tolower((unsigned char)text[i]) : text[i]);
        }
    }
    buf_add_char(out, ' ');
}

/* The other way; signs go where English puts them. */
static void gather(const char *spread_text, struct buf *out)
{
    bool glued = true, capital = true;
    for (const char *at = spread_text + strlen(START); *at;) {
        size_t length = strcspn(at, " ");
        bool sign = length == 1 && strchr(",;:.)", *at);
        if (!glued && !sign)
            buf_add_char(out, ' ');
        buf_add_char(out, capital ? (char)toupper((unsigned char)*at) : *at);
        buf_add(out, at + 1, length - 1);
        glued = length == 1 && *at == '(';
        capital = false;
        at += length + (at[length] == ' ');
    }
}

static void find_words(const char *spread_text, struct words *out)
{
    out->count = 0;
    for (const char *at = spread_text + 1; *at && out->count < WORDING_WORDS_MAX;) {
        out->at[out->count] = at;
        out->length[out->count] = (int)strcspn(at, " ");
        at += out->length[out->count++];
        at += *at == ' ';
    }
}

static bool same_word(const struct words *a, int i, const struct words *b, int k)
{
    return a->length[i] == b->length[k] && memcmp(a->at[i], b->at[k], (size_t)a->length[i]) == 0;
}

/* ---- where two sentences differ ---- */

typedef uint8_t common_table[WORDING_WORDS_MAX + 1][WORDING_WORDS_MAX + 1];

/* table[i][k]: length of the longest common subsequence of the words from i and from k on. */
static void align(const struct words *a, const struct words *b, common_table table)
{
    for (int i = a->count; i >= 0; i--)
        for (int k = b->count; k >= 0; k--) {
            uint8_t skip_a = i < a->count ? table[i + 1][k] : 0, skip_b = k < b->count ? table[i][k + 1] : 0;
            bool same = i < a->count && k < b->count && same_word(a, i, b, k);
            table[i][k] = same ? (uint8_t)(table[i + 1][k + 1] + 1) : skip_a > skip_b ? skip_a : skip_b;
        }
}

static bool phrase(const struct words *words, int from, int to, char out[WORDING_PHRASE_SIZE])
{
    size_t used = 0;
    out[used++] = ' ';
    for (int i = from; i < to; i++) {
        if (used + (size_t)words->length[i] + 2 > WORDING_PHRASE_SIZE ||
            memchr(words->at[i], '$', (size_t)words->length[i]))
            return false;
        memcpy(out + used, words->at[i], (size_t)words->length[i]);
        used += (size_t)words->length[i];
        out[used++] = ' ';
    }
    out[used] = '\0';
    return from < to;
}

static void add_rule(struct wording *wording, const struct wording_rule *rule)
{
    int i = 0;
    while (i < wording->count &&
           (strcmp(wording->rules[i].from, rule->from) != 0 || strcmp(wording->rules[i].to, rule->to) != 0))
        i++;
    if (i == WORDING_RULES_MAX)
        return;
    if (i == wording->count)
        wording->rules[wording->count++] = *rule;
    wording->rules[i].edited++;
}

/* One of the sides empty: the word behind, or the one before, is the same in both and goes along; not a number's
 * name. */
static void note_difference(struct wording *wording, const struct words *usual, int i, int i_end,
                            const struct words *edited, int k, int k_end)
{
    struct wording_rule rule = { 0 };
    if (i == i_end || k == k_end) {
        bool behind = i_end < usual->count && k_end < edited->count &&
                      !memchr(usual->at[i_end], '$', (size_t)usual->length[i_end]);
        i_end += behind;
        k_end += behind;
        i -= !behind;             /* there is one before: START */
        k -= !behind;
    }
    if (phrase(usual, i, i_end, rule.from) && phrase(edited, k, k_end, rule.to))
        add_rule(wording, &rule);
}

static void note_sentence(struct wording *wording, const char *usual_text, const char *edited_text)
{
    common_table table;
    struct words usual, edited;
    find_words(usual_text, &usual);
    find_words(edited_text, &edited);
    align(&usual, &edited, table);
    for (int i = 0, k = 0; i < usual.count || k < edited.count;) {
        if (i < usual.count && k < edited.count && same_word(&usual, i, &edited, k)) {
            i++;
            k++;
            continue;
        }
        int i_end = i, k_end = k;
        while ((i_end < usual.count || k_end < edited.count) &&
               !(i_end < usual.count && k_end < edited.count && same_word(&usual, i_end, &edited, k_end))) {
            bool skip_usual = k_end == edited.count ||
                              (i_end < usual.count && table[i_end + 1][k_end] >= table[i_end][k_end + 1]);
            i_end += skip_usual;
            k_end += !skip_usual;
        }
        note_difference(wording, &usual, i, i_end, &edited, k, k_end);
        i = i_end;
        k = k_end;
    }
    for (int i = 0; i < wording->count; i++)
        wording->rules[i].seen += strstr(usual_text, wording->rules[i].from) != NULL;
    for (int i = 0; wording->older && i < wording->older->count; i++) {
        struct wording_rule *rule = &wording->older->rules[i];
        bool tried = strstr(usual_text, rule->from) != NULL;
        rule->tried += tried;
        rule->undone += tried && strstr(edited_text, rule->from) != NULL;
    }
}

/* ---- which sentence became which ---- */

static int common_words(const char *a_text, const char *b_text, int *out_longer)
{
    common_table table;
    struct words a, b;
    find_words(a_text, &a);
    find_words(b_text, &b);
    align(&a, &b, table);
    *out_longer = a.count > b.count ? a.count : b.count;
    return table[0][0];
}

void wording_note(struct wording *wording, const char *edited, const char *usual)
{
    struct sentence_list to, from;
    struct buf one, other, best_text;
    sentences_split(edited, &to);
    sentences_split(usual, &from);
    buf_init(&one, 4096);
    buf_init(&other, 4096);
    buf_init(&best_text, 4096);
    for (int i = 0; i < to.count; i++) {
        int best = 0;
        spread(to.at[i], to.length[i], &one);
        for (int k = 0; k < from.count; k++) {
            int longer, common;
            spread(from.at[k], from.length[k], &other);
            common = common_words(other.data, one.data, &longer);
            if (common <= best || 2 * common < longer)
                continue;
            best = common;
            buf_reset(&best_text);
            buf_add_text(&best_text, other.data);
        }
        if (best)
            note_sentence(wording, best_text.data, one.data);
    }
    buf_free(&one);
    buf_free(&other);
    buf_free(&best_text);
}

bool wording_holds(const struct wording_rule *rule)
{
    bool against = rule->tried >= HABIT_MIN && 2 * rule->undone > rule->tried;
    return !against && rule->edited >= HABIT_MIN && rule->edited >= HABIT_SHARE * rule->seen;
}

/* ---- telling it in their words ---- */

static const struct wording_rule *rule_at(const struct wording *wording, const char *at)
{
    const struct wording_rule *best = NULL;
    for (int i = 0; i < wording->count; i++) {
        const struct wording_rule *rule = &wording->rules[i];
        size_t length = strlen(rule->from);
        if (wording_holds(rule) && strncmp(at, rule->from, length) == 0 && (!best || length > strlen(best->from)))
            best = rule;
    }
    return best || !wording->older ? best : rule_at(wording->older, at);
}

static void replace(const struct wording *wording, const char *spread_text, struct buf *out)
{
    buf_reset(out);
    for (const char *at = spread_text; *at;) {
        const struct wording_rule *rule = *at == ' ' ? rule_at(wording, at) : NULL;
        if (rule) {
            buf_add(out, rule->to, strlen(rule->to) - 1);
            at += strlen(rule->from) - 1;   /* the space behind is the next one's space before */
        } else {
            buf_add_char(out, *at++);
        }
    }
}

void wording_apply(const struct wording *wording, const char *named, struct buf *out)
{
    struct sentence_list sentences;
    struct buf usual, told;
    sentences_split(named, &sentences);
    buf_init(&usual, 4096);
    buf_init(&told, 4096);
    for (int i = 0; i < sentences.count; i++) {
        spread(sentences.at[i], sentences.length[i], &usual);
        replace(wording, usual.data, &told);
        if (i)
            buf_add_char(out, ' ');
        if (strcmp(told.data, usual.data) == 0)
            buf_add(out, sentences.at[i], sentences.length[i]);
        else
            gather(told.data, out);
    }
    buf_free(&usual);
    buf_free(&told);
}
