/* Sentences of the writer, moved about, get the names that the writer gives them. */
#include "learn/named.h"

#include "clinical/writer.h"
#include "learn/windows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct counting {
    uint64_t seed;
    bool other_words;
    int sentences, right;
};

enum { NAMED_TEXT_SIZE = 8 << 20 };     /* what one named_text() takes of its arena: 128 wordings of a long summary */

static const char *in_other_words(struct arena *arena, const char *text)
{
    static const char *const words[][2] = { { "eart rate", "ulse" },
                                            { "espiratory rate", "reathing rate" },
                                            { "was present from", "lasted from" },
                                            { " rose from", " climbed from" },
                                            { "Based on ", "" } };
    struct buf out;
    buf_init(&out, 1 << 16);
    while (*text) {
        size_t i = 0;
        while (i < sizeof words / sizeof *words && !str_starts(text, words[i][0]))
            i++;
        if (i < sizeof words / sizeof *words) {
            buf_add_text(&out, words[i][1]);
            text += strlen(words[i][0]);
        } else {
            buf_add_char(&out, *text++);
        }
    }
    const char *kept = arena_copy(arena, out.data, out.length);
    buf_free(&out);
    return kept;
}

static bool count(void *context, const struct window *window, const struct alarm_limits *limits, struct err *err)
{
    struct counting *c = context;
    static struct facts facts;
    struct arena arena, own;
    struct buf out;
    (void)err;
    arena_init(&arena, 64 << 20);
    struct summary_text *plain = arena_alloc(&arena, sizeof *plain), *named = arena_alloc(&arena, sizeof *named);
    facts_make(window, limits, &facts);
    writer_write(&facts, c->seed, &arena, plain);
    writer_write_named(&facts, c->seed, &arena, named);
    for (int i = 0; i < plain->count; i++) {
        const char *told = plain->sentences[i].text, *expected = named->sentences[i].text;
        buf_init(&out, 1 << 16);
        arena_init(&own, NAMED_TEXT_SIZE);
        named_text(&facts, c->other_words ? in_other_words(&arena, told) : told, &own, &out);
        c->sentences++;
        c->right += strcmp(out.data, c->other_words ? in_other_words(&arena, expected) : expected) == 0;
        arena_free(&own);
        buf_free(&out);
    }
    arena_free(&arena);
    return true;
}

static void the_writers_sentences_are_known(void **state)
{
    struct counting counting = { .seed = 0xabcd };
    (void)state;
    assert_true(windows_simulated(21, 60, count, &counting, NULL));
    if (100 * counting.right < 97 * counting.sentences)
        fail_msg("%d of %d", counting.right, counting.sentences);
}

static bool move(void *context, const struct window *window, const struct alarm_limits *limits, struct err *err)
{
    static struct facts facts;
    struct arena arena;
    struct buf out;
    (void)context;
    (void)err;
    arena_init(&arena, 64 << 20);
    struct summary_text *plain = arena_alloc(&arena, sizeof *plain), *named = arena_alloc(&arena, sizeof *named);
    facts_make(window, limits, &facts);
    writer_write(&facts, 0, &arena, plain);
    writer_write_named(&facts, 0, &arena, named);
    int last = plain->count - 1;
    buf_init(&out, 1 << 16);
    named_text(&facts, arena_printf(&arena, "%s %s", plain->sentences[last].text, plain->sentences[0].text), &arena,
               &out);
    assert_string_equal(out.data, arena_printf(&arena, "%s %s", named->sentences[last].text, named->sentences[0].text));
    buf_free(&out);
    arena_free(&arena);
    return true;
}

static void sentences_may_move(void **state)
{
    (void)state;
    assert_true(windows_simulated(22, 40, move, NULL, NULL));
}

/* Two alarms of one minute, two vitals of one value: their names come from the writer's own sentence about the same. */
static void other_words_keep_their_names(void **state)
{
    struct counting counting = { .seed = WRITER_HOUSE, .other_words = true };
    (void)state;
    assert_true(windows_simulated(23, 60, count, &counting, NULL));
    if (100 * counting.right < 99 * counting.sentences)
        fail_msg("%d of %d", counting.right, counting.sentences);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_writers_sentences_are_known),
                                        cmocka_unit_test(sentences_may_move),
                                        cmocka_unit_test(other_words_keep_their_names) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
