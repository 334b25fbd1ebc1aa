/* The writer's text with names, filled in, is the writer's text; a person's text finds its names. */
#include "clinical/slots.h"
#include "clinical/summary_test_helper.h"
#include "clinical/writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>


struct example {
    struct reading readings[3];
    struct alert alerts[2];
    struct window window;
    struct facts facts;
    struct slots slots;
    struct arena arena;
    struct buf text;
};

static void make(struct example *e)
{
    e->readings[0] = reading_of(0, 88, 97, 120, 80, 370, 16);
    e->readings[1] = reading_of(2, 95, 96, 121, 79, 371, 17);
    e->readings[2] = reading_of(4, 112, 97, 121, 80, 371, 16);
    e->alerts[0] = alert_of(ALERT_TACHYCARDIA, SEVERITY_WARNING, 4, 0, 112000, 4);
    e->window = window_of(e->readings, 3, e->alerts, 1);
    facts_make(&e->window, &alarm_limits_default, &e->facts);
    slots_make(&e->facts, &e->slots);
    arena_init(&e->arena, 1 << 20);
    buf_init(&e->text, 1 << 16);
}

static void end(struct example *e)
{
    arena_free(&e->arena);
    buf_free(&e->text);
}

static void names_filled_in_are_the_writers_text(void **unused)
{
    struct example e;
    struct summary_text text;
    (void)unused;
    make(&e);
    for (uint64_t seed = 0; seed < 50; seed++) {
        writer_write(&e.facts, seed, &e.arena, &text);
        const char *expected = summary_join(&text, &e.arena);
        writer_write_named(&e.facts, seed, &e.arena, &text);
        const char *named = summary_join(&text, &e.arena);
        buf_reset(&e.text);
        slots_fill(&e.slots, named, &e.text);
        assert_string_equal(e.text.data, expected);
        assert_null(strstr(named, "112"));
        assert_non_null(strstr(named, "$Wn"));
    }
    end(&e);
}

static void what_does_not_exist_stays(void **unused)
{
    struct example e;
    (void)unused;
    make(&e);
    slots_fill(&e.slots, "$Ha $Hz $5n $ $H", &e.text);
    assert_string_equal(e.text.data, "88 bpm $Hz $5n $ $H");
    end(&e);
}

static void input_has_words_only(void **unused)
{
    struct example e;
    (void)unused;
    make(&e);
    slots_input(&e.facts, &e.text);
    assert_string_equal(
        e.text.data,
        "many | HR rising range | SpO2 stable range | SBP pair stable range | DBP stable range | T stable range | "
        "RR stable range | alarm tachycardia open unacked worst | NEWS2 range");
    end(&e);
}

static void a_persons_numbers_find_their_names(void **unused)
{
    struct example e;
    (void)unused;
    make(&e);
    slots_hide(&e.slots, "Heart rate rose from 88 bpm at 12:56 to 112 bpm; SpO2 96-97%, 47 is new.", &e.text);
    assert_string_equal(e.text.data, "Heart rate rose from $Ha at $Hs to $Hb; SpO2 $SL-$Sh, 47 is new.");
    end(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_filled_in_are_the_writers_text), cmocka_unit_test(what_does_not_exist_stays),
        cmocka_unit_test(input_has_words_only), cmocka_unit_test(a_persons_numbers_find_their_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
