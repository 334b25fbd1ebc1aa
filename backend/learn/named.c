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
    while (table->rows[at].plain &&
           (table->rows[at].length != length || memcmp(table->rows[at].plain, plain, length) != 0))
        at = (at + 1) % KNOWN_MAX;
    return &table->rows[at];
}

/* What the writer says about a window, and the same with names: sentence by sentence. */
struct telling {
    struct summary_text plain, named;
    int count;
};

static const struct telling *tell(const struct facts *facts, uint64_t seed, struct arena *arena)
{
    struct telling *telling = arena_alloc(arena, sizeof *telling);
    writer_write(facts, seed, arena, &telling->plain);
    writer_write_named(facts, seed, arena, &telling->named);
    telling->count = telling->plain.count < telling->named.count ? telling->plain.count : telling->named.count;
    return telling;
}

static void learn_wording(const struct telling *telling, struct known_table *table)
{
    for (int i = 0; i < telling->count && table->count < KNOWN_MAX / 2; i++) {
        const char *plain = telling->plain.sentences[i].text;
        struct known *row = find(table, plain, strlen(plain));
        table->count += !row->plain;
        *row = (struct known){ plain, telling->named.sentences[i].text, strlen(plain) };
    }
}

struct naming {
    struct slots slots;
    const struct telling *house;
    struct likeness *tried, *best;       /* a sentence beside the writer's: the one at hand, the most similar one */
    struct arena *arena;
};

/* false: none is similar. */
static bool find_most_similar(struct naming *n, const char *sentence, size_t length)
{
    double best_likeness = NAMED_LIKENESS_MIN;
    for (int i = 0; i < n->house->count; i++) {
        double alike = likeness_align(n->tried, &n->slots, n->house->named.sentences[i].text,
                                      n->house->plain.sentences[i].text, sentence, length);
        if (alike <= best_likeness)
            continue;
        struct likeness *better = n->tried;
        n->tried = n->best;
        n->best = better;
        best_likeness = alike;
    }
    return best_likeness > NAMED_LIKENESS_MIN;
}

/* In the writer's most similar sentence a number has the name that it has here; what is left is told by what is around
 * it. */
static void name_other_words(struct naming *n, const char *sentence, size_t length, struct buf *out)
{
    struct buf named;
    buf_init(&named, SLOTS_TEXT_MAX);
    if (find_most_similar(n, sentence, length))
        likeness_name(n->best, &named);
    else
        buf_add(&named, sentence, length);
    slots_hide(&n->slots, arena_copy(n->arena, named.data ? named.data : "", named.length), out);
    buf_free(&named);
}

void named_text(const struct facts *facts, const char *text, struct arena *arena, struct buf *out)
{
    struct known_table *table = arena_alloc(arena, sizeof *table);
    struct naming naming = {
        .house = tell(facts, WRITER_HOUSE, arena), .tried = arena_alloc(arena, sizeof *naming.tried),
        .best = arena_alloc(arena, sizeof *naming.best), .arena = arena,
    };
    slots_make(facts, &naming.slots);
    learn_wording(naming.house, table);
    for (uint64_t seed = 0; seed < NAMED_WORDINGS; seed++)
        learn_wording(tell(facts, seed * 0x9e3779b97f4a7c15u, arena), table);
    while (*text) {
        size_t space = strspn(text, " \n\t"), length = sentence_length(text + space);
        const struct known *known = find(table, text + space, length);
        buf_add(out, text, space);
        if (known->plain)
            buf_add_text(out, known->named);
        else
            name_other_words(&naming, text + space, length, out);
        text += space + length;
    }
}
