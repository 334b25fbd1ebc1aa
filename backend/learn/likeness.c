#include "learn/likeness.h"

#include <ctype.h>
#include <string.h>

/* A word, a number with what stands within it (12:56, 118/76, 38.4), or one sign. */
static size_t token_length(const char *at, const char *end)
{
    size_t length = 1;
    if (!isalnum((unsigned char)*at))
        return 1;
    while (at + length < end && (isalnum((unsigned char)at[length]) ||
                                 (strchr(".:/", at[length]) && isdigit((unsigned char)at[length - 1]) &&
                                  at + length + 1 < end && isdigit((unsigned char)at[length + 1]))))
        length++;
    return length;
}

static void add_tokens(struct likeness_token *tokens, int *count, const char *text, size_t length, int slot)
{
    for (const char *at = text, *end = text + length; at < end && *count < LIKENESS_TOKENS_MAX; (*count)++) {
        tokens[*count] = (struct likeness_token){ at, (int)token_length(at, end), slot };
        at += tokens[*count].length;
    }
}

static const char *slot_text(const struct slots *slots, const char *name)
{
    for (int i = 0; i < slots->count; i++)
        if (slots->slot[i].owner == name[1] && slots->slot[i].letter == name[2])
            return slots->slot[i].text;
    return NULL;
}

/* Walks both texts: they differ only where the one has a name and the other its number. */
static void add_usual(struct likeness *l, const struct slots *slots, const char *named, const char *plain)
{
    int slot_count = 0;
    l->usual_count = 0;
    while (*named && *plain) {
        const char *text = *named == '$' && named[1] && named[2] ? slot_text(slots, named) : NULL;
        size_t length = text ? strlen(text) : strcspn(named, "$");
        length = length ? length : 1;
        if (strnlen(plain, length) < length)
            return;
        if (text && slot_count < LIKENESS_TOKENS_MAX)
            memcpy(l->name[slot_count++], (char[4]){ named[0], named[1], named[2], '\0' }, 4);
        add_tokens(l->usual, &l->usual_count, plain, length, text ? slot_count : 0);
        plain += length;
        named += text ? 3 : length;
    }
}

static bool same(const struct likeness_token *a, const struct likeness_token *b)
{
    return a->length == b->length && strncasecmp(a->at, b->at, (size_t)a->length) == 0;
}

static void fill_common(struct likeness *l)
{
    for (int i = l->usual_count; i >= 0; i--)
        for (int k = l->told_count; k >= 0; k--) {
            bool inside = i < l->usual_count && k < l->told_count;
            uint16_t skip_usual = i < l->usual_count ? l->common[i + 1][k] : 0,
                     skip_told = k < l->told_count ? l->common[i][k + 1] : 0;
            l->common[i][k] = inside && same(&l->usual[i], &l->told[k]) ? (uint16_t)(l->common[i + 1][k + 1] + 1)
                              : skip_usual > skip_told ? skip_usual : skip_told;
        }
}

static void find_partners(struct likeness *l)
{
    for (int k = 0; k < l->told_count; k++)
        l->partner[k] = -1;
    for (int i = 0, k = 0; i < l->usual_count && k < l->told_count;) {
        if (same(&l->usual[i], &l->told[k]))
            l->partner[k++] = i++;
        else if (l->common[i + 1][k] >= l->common[i][k + 1])
            i++;
        else
            k++;
    }
}

/* How many of the reader's tokens from k on are the whole slot that the first of them belongs to; or 0. */
static int whole_slot(const struct likeness *l, int k)
{
    int from = l->partner[k], slot = from < 0 ? 0 : l->usual[from].slot, length = 0;
    if (!slot || (from && l->usual[from - 1].slot == slot))
        return 0;
    while (from + length < l->usual_count && l->usual[from + length].slot == slot) {
        if (k + length == l->told_count || l->partner[k + length] != from + length)
            return 0;
        length++;
    }
    return length;
}

double likeness_align(struct likeness *likeness, const struct slots *slots, const char *named, const char *plain,
                      const char *told, size_t told_length)
{
    add_usual(likeness, slots, named, plain);
    likeness->told_count = 0;
    add_tokens(likeness->told, &likeness->told_count, told, told_length, 0);
    fill_common(likeness);
    find_partners(likeness);
    int longer = likeness->usual_count > likeness->told_count ? likeness->usual_count : likeness->told_count,
        numbers = 0;
    for (int k = 0; k < likeness->told_count; k++)
        numbers += whole_slot(likeness, k) > 0;
    return longer ? (double)likeness->common[0][0] / longer + numbers : 0;
}

void likeness_name(const struct likeness *likeness, struct buf *out)
{
    for (int k = 0; k < likeness->told_count;) {
        int length = whole_slot(likeness, k);
        if (length)
            buf_add_text(out, likeness->name[likeness->usual[likeness->partner[k]].slot - 1]);
        else
            buf_add(out, likeness->told[k].at, (size_t)likeness->told[k].length);
        k += length ? length : 1;
    }
}
