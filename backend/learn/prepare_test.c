#include "learn/prepare.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

struct seen {
    uint64_t hash;
    size_t pairs, with_alarm, calm, missing, one, long_ones;
};

static bool look(void *context, const struct prepare_pair *pair, struct err *err)
{
    struct seen *seen = context;
    (void)err;
    seen->hash = str_hash64(pair->input, strlen(pair->input), seen->hash);
    seen->hash = str_hash64(pair->summary, strlen(pair->summary), seen->hash);
    seen->pairs++;
    seen->with_alarm += pair->facts->alert_count > 0;
    seen->calm += facts_patient_stable(pair->facts);
    seen->missing += !pair->facts->vital[VITAL_TEMPERATURE].count;
    seen->one += pair->facts->window->reading_count == 1;
    seen->long_ones += pair->facts->window->reading_count > 60;
    return true;
}

static void run(uint64_t seed, struct seen *seen)
{
    struct prepare_options options = { .seed = seed, .count = 300, .format = MODEL_FORMAT_FACTS };
    struct err err = { 0 };
    *seen = (struct seen){ 0 };
    assert_true(prepare_pairs(&options, look, seen, &err));
    assert_int_equal(seen->pairs, 300);
}

static void repeats_and_covers(void **state)
{
    (void)state;
    struct seen a, b, c;
    run(7, &a);
    run(7, &b);
    run(8, &c);
    assert_true(a.hash == b.hash);
    assert_true(a.hash != c.hash);
    assert_true(a.with_alarm > 50 && a.calm > 20 && a.missing > 10 && a.one > 0 && a.long_ones > 0);
}

static bool fill_names(void *context, const struct prepare_pair *pair, struct err *err)
{
    static struct slots slots;
    struct buf filled;
    (void)err;
    buf_init(&filled, 1 << 20);
    slots_make(pair->facts, &slots);
    slots_fill(&slots, pair->summary, &filled);
    assert_string_equal(filled.data, pair->text);
    *(size_t *)context += strchr(pair->summary, '$') != NULL;
    buf_free(&filled);
    return true;
}

/* What a model is taught to write with names says, once filled, what the writer says. */
static void names_lose_nothing(void **state)
{
    struct prepare_options options = { .seed = 11, .count = 300, .format = MODEL_FORMAT_SLOTS };
    struct err err = { 0 };
    size_t named = 0;
    (void)state;
    assert_true(prepare_pairs(&options, fill_names, &named, &err));
    assert_true(named > 290);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(repeats_and_covers), cmocka_unit_test(names_lose_nothing) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
