#include "learn/rouge.h"

#include "base/str.h"

#include <ctype.h>
#include <string.h>

struct words {
    uint64_t hash[ROUGE_WORDS_MAX];
    int count;
};

static bool is_word(unsigned char c)
{
    return isalnum(c) || c >= 0x80;
}

static bool joins(const char *at)
{
    return strchr("./:-", *at) && isdigit((unsigned char)at[-1]) && isdigit((unsigned char)at[1]);
}

static void add_word(struct words *out, const char *from, size_t length)
{
    char lower[64];
    size_t n = length < sizeof lower ? length : sizeof lower;
    for (size_t i = 0; i < n; i++)
        lower[i] = (char)tolower((unsigned char)from[i]);
    out->hash[out->count++] = str_hash64(lower, n, 0);
}

static void split(const char *text, struct words *out)
{
    out->count = 0;
    while (*text && out->count < ROUGE_WORDS_MAX) {
        const char *end = text;
        while (*end && (is_word((unsigned char)*end) || (end > text && joins(end))))
            end++;
        if (end > text)
            add_word(out, text, (size_t)(end - text));
        text = *end ? end + 1 : end;
    }
}

static int common(const struct words *a, const struct words *b)
{
    int row[ROUGE_WORDS_MAX + 1] = { 0 };
    for (int i = 0; i < a->count; i++) {
        int diagonal = 0;
        for (int j = 0; j < b->count; j++) {
            int above = row[j + 1];
            row[j + 1] = a->hash[i] == b->hash[j] ? diagonal + 1 : above > row[j] ? above : row[j];
            diagonal = above;
        }
    }
    return row[b->count];
}

double rouge_l(const char *text, const char *reference)
{
    struct words a, b;
    split(text, &a);
    split(reference, &b);
    if (a.count + b.count == 0)
        return 1;
    return 2.0 * common(&a, &b) / (a.count + b.count); /* F1 = 2PR/(P+R) with P = L/|a|, R = L/|b| */
}
