#include "learn/named.h"

#include "clinical/writer.h"
#include "learn/likeness.h"
#include "learn/sentences.h"

#include <string.h>

#define NAMED_LIKENESS_MIN 0.5  /* half of the words, or a number, in common */
enum { SLOTS_TEXT_MAX = 1 << 16 };
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

/* In the writer's most similar sentence a number has the name that it has here; what is left is told by what is around it. */
static void name_other_words(const struct slots *slots, const struct summary_text house[2], struct likeness *likeness, const char *sentence,
                             size_t length, struct arena *arena, struct buf *out)
{
    struct buf named;
    double best_likeness = NAMED_LIKENESS_MIN;
    int best = -1;
    for (int i = 0; i < house[0].count && i < house[1].count; i++) {
        double alike = likeness_align(likeness, slots, house[1].sentences[i].text, house[0].sentences[i].text, sentence, length);
        if (alike <= best_likeness)
            continue;
        best_likeness = alike;
        best = i;
    }
    buf_init(&named, SLOTS_TEXT_MAX);
    if (best >= 0) {
        likeness_align(likeness, slots, house[1].sentences[best].text, house[0].sentences[best].text, sentence, length);
        likeness_name(likeness, &named);
    } else {
        buf_add(&named, sentence, length);
    }
    slots_hide(slots, arena_copy(arena, named.data ? named.data : "", named.length), out);
    buf_free(&named);
}

void named_text(const struct facts *facts, const char *text, struct arena *arena, struct buf *out)
{
    struct known_table *table = arena_alloc(arena, sizeof *table);
    struct likeness *likeness = arena_alloc(arena, sizeof *likeness);
    struct summary_text *house = arena_alloc(arena, 2 * sizeof *house);
    struct slots slots;
    slots_make(facts, &slots);
    writer_write(facts, WRITER_HOUSE, arena, &house[0]);
    writer_write_named(facts, WRITER_HOUSE, arena, &house[1]);
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
            name_other_words(&slots, house, likeness, text + space, length, arena, out);
        text += space + length;
    }
}
