#include "learn/named.h"

#include "clinical/writer.h"

#include <string.h>

enum { KNOWN_MAX = 1 << 12 };   /* slots of the table; 128 wordings of 24 sentences, most of them alike */

struct known {
    const char *plain, *named;
    size_t length;
};

struct known_table {
    struct known rows[KNOWN_MAX];
    int count;
};

static struct known *find(struct known_table *table, const char *plain, size_t length)
{
    size_t at = str_hash64(plain, length, 0) % KNOWN_MAX;
    while (table->rows[at].plain && (table->rows[at].length != length || memcmp(table->rows[at].plain, plain, length) != 0))
        at = (at + 1) % KNOWN_MAX;
    return &table->rows[at];
}

static void learn_wording(const struct facts *facts, uint64_t seed, struct arena *arena, struct known_table *table)
{
    struct summary_text *plain = arena_alloc(arena, sizeof *plain), *named = arena_alloc(arena, sizeof *named);
    writer_write(facts, seed, arena, plain);
    writer_write_named(facts, seed, arena, named);
    for (int i = 0; i < plain->count && i < named->count && table->count < KNOWN_MAX / 2; i++) {
        size_t length = strlen(plain->sentences[i].text);
        struct known *row = find(table, plain->sentences[i].text, length);
        table->count += !row->plain;
        *row = (struct known){ plain->sentences[i].text, named->sentences[i].text, length };
    }
}

/* Behind the sentence: a point, and then the end or a space.  A point within a number is followed by a digit. */
static size_t sentence_length(const char *text)
{
    const char *at = text;
    while (*at && !(*at == '.' && (at[1] == ' ' || at[1] == '\0' || at[1] == '\n')))
        at++;
    return (size_t)(at - text) + (*at == '.');
}

void named_text(const struct facts *facts, const char *text, struct arena *arena, struct buf *out)
{
    struct known_table *table = arena_alloc(arena, sizeof *table);
    struct slots slots;
    slots_make(facts, &slots);
    learn_wording(facts, WRITER_HOUSE, arena, table);
    for (uint64_t seed = 0; seed < NAMED_WORDINGS; seed++)
        learn_wording(facts, seed * 0x9e3779b97f4a7c15u, arena, table);
    while (*text) {
        size_t space = strspn(text, " \n\t"), length = sentence_length(text + space);
        const struct known *known = find(table, text + space, length);
        buf_add(out, text, space);
        if (known->plain)
            buf_add_text(out, known->named);
        else
            slots_hide(&slots, arena_copy(arena, text + space, length), out);
        text += space + length;
    }
}
