/* The exam and the gate: perfect, damaged and imagined models. */
#include "learn/exam.h"

#include "base/mem.h"
#include "learn/gate.h"

#include <ctype.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { WINDOWS = 600 };

struct fixture {
    struct arena arena;
    struct exam_set set;
    const char *texts[WINDOWS];
    struct exam perfect;
};
static struct fixture fixture;

static int setup(void **state)
{
    struct err err = { 0 };
    *state = &fixture;
    arena_init(&fixture.arena, 512 << 20);
    assert_true(exam_set_simulated(&fixture.arena, WINDOWS, &fixture.set, &err));
    for (int i = 0; i < WINDOWS; i++)
        fixture.texts[i] = fixture.set.items[i].reference;
    exam_judge(&fixture.set, fixture.texts, "writer", &fixture.arena, &fixture.perfect);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(&fixture.arena);
    return 0;
}

static void the_writer_passes_its_own_exam(void **state)
{
    const struct exam *exam = &fixture.perfect;
    (void)state;
    for (int row = 0; row < ROW_COUNT; row++)
        assert_int_equal(exam->sums[SLICE_ALL].right[row], WINDOWS);
    assert_true(exam->total > 0.9999);
    for (int slice = 0; slice < SLICE_COUNT; slice++)
        if (slice != SLICE_EDITED && exam->sums[slice].windows == 0)
            fail_msg("no window in slice %s", exam_slice_name((enum exam_slice)slice));
}

/* The n-th digit of the text becomes another one. */
static const char *damage(struct fixture *f, const char *text)
{
    char *out = arena_copy(&f->arena, text, strlen(text));
    for (char *c = out; *c; c++)
        if (isdigit((unsigned char)*c)) {
            *c = *c == '9' ? '8' : (char)(*c + 1);
            break;
        }
    return out;
}

static void wrong_numbers_are_seen(void **state)
{
    struct fixture *f = *state;
    const char *texts[WINDOWS];
    struct exam exam;
    struct gate gate;
    for (int i = 0; i < WINDOWS; i++)
        texts[i] = i % 10 ? f->texts[i] : damage(f, f->texts[i]);
    exam_judge(&f->set, texts, "damaged", &f->arena, &exam);
    assert_true(exam.sums[SLICE_ALL].right[ROW_NUMBERS] <= WINDOWS - 50);
    assert_true(exam.total < f->perfect.total);
    assert_true(gate_judge(&f->perfect, &exam, &gate, NULL));
    assert_false(gate.passed);
    assert_non_null(strstr(gate.reason, "numbers of all"));
}

static void omitted_alerts_are_seen(void **state)
{
    struct fixture *f = *state;
    const char *texts[WINDOWS];
    struct exam exam;
    for (int i = 0; i < WINDOWS; i++)
        texts[i] = "Heart rate was stable.";
    exam_judge(&f->set, texts, "laconic", &f->arena, &exam);
    assert_true(exam.sums[SLICE_ALL].critical > 0);
    assert_int_equal(exam.sums[SLICE_ALL].critical_told, 0);
}

static void an_exam_survives_its_file(void **state)
{
    struct fixture *f = *state;
    struct buf first, second;
    struct exam read;
    struct err err = { 0 };
    buf_init(&first, 8 << 20);
    buf_init(&second, 8 << 20);
    exam_write(&f->perfect, &first);
    assert_true(exam_read(first.data, first.length, &f->arena, &read, &err));
    exam_write(&read, &second);
    assert_string_equal(first.data, second.data);
    buf_free(&first);
    buf_free(&second);
}

static void edits_count_for_agreement(void **state)
{
    struct fixture *f = *state;
    struct exam_set set = { .arena = &f->arena };
    const char *texts[2];
    struct exam exam;
    struct err err = { 0 };
    assert_true(exam_set_add(&set, f->set.items[0].facts.window, f->set.items[0].facts.limits, NULL, &err));
    assert_true(
        exam_set_add(&set, f->set.items[1].facts.window, f->set.items[1].facts.limits, "Heart rate was stable.", &err));
    assert_int_equal(set.edited_count, 1);
    texts[0] = set.items[0].reference;
    texts[1] = "Nothing like it";
    exam_judge(&set, texts, "m", &f->arena, &exam);
    assert_int_equal(exam.sums[SLICE_EDITED].windows, 1);
    assert_true(exam.sums[SLICE_EDITED].rouge < 0.01);
    assert_true(exam.total < 0.75);
}

/* ---- the gate, on imagined verdicts ---- */

static struct exam imagine(struct exam_verdict *verdicts, size_t count, double total)
{
    for (size_t i = 0; i < count; i++)
        verdicts[i] = (struct exam_verdict){ .slices = 1u << SLICE_ALL | (i < 50 ? 1u << SLICE_STABLE : 0),
                                             .right = 7 };
    return (struct exam){ .count = count, .verdicts = verdicts, .total = total };
}

static void the_gate(void **state)
{
    static const struct {
        const char *name;
        int lost, won, first;           /* windows from `first` on: lost, then won */
        double gain;
        bool passed;
    } cases[] = {
        { "better in total, worse nowhere", 0, 0, 0, 0.01, true },
        { "no gain", 0, 0, 0, 0.001, false },
        { "one window lost of a thousand", 1, 0, 100, 0.01, true },
        { "as many won as lost", 9, 9, 100, 0.01, true },
        { "eleven lost of a thousand: over a point", 11, 0, 100, 0.01, false },
        { "seven lost, none won: significant", 7, 0, 100, 0.01, false },
        { "three lost in a slice of fifty", 3, 0, 0, 0.01, false },
        { "two lost in a slice of fifty", 2, 0, 0, 0.01, true },
        { "much better, but worse in safety", 30, 2, 0, 0.2, false },
    };
    static struct exam_verdict before[1000], now[1000];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct exam champion = imagine(before, 1000, 0.8), challenger = imagine(now, 1000, 0.8 + cases[i].gain);
        struct gate gate;
        for (int k = 0; k < cases[i].lost; k++)
            now[cases[i].first + k].right &= (uint8_t)~(1u << ROW_CRITICAL);
        for (int k = 0; k < cases[i].won; k++)
            before[cases[i].first + cases[i].lost + k].right &= (uint8_t)~(1u << ROW_CRITICAL);
        assert_true(gate_judge(&champion, &challenger, &gate, NULL));
        if (gate.passed != cases[i].passed)
            fail_msg("%s: %s", cases[i].name, gate.reason);
    }
}

static void another_exam_is_no_comparison(void **state)
{
    static struct exam_verdict before[1000], now[1000];
    struct exam champion = imagine(before, 1000, 0.8), challenger = imagine(now, 999, 0.9);
    struct gate gate;
    struct err err = { 0 };
    (void)state;
    assert_false(gate_judge(&champion, &challenger, &gate, &err));
    assert_int_equal(err.kind, ERR_CONFLICT);
}

static void the_first_model_has_floors(void **state)
{
    struct fixture *f = *state;
    struct gate gate;
    struct exam poor = f->perfect;
    assert_true(gate_judge(NULL, &f->perfect, &gate, NULL));
    assert_true(gate.passed);
    poor.sums[SLICE_ALL].right[ROW_CRITICAL] = WINDOWS / 2;
    assert_true(gate_judge(NULL, &poor, &gate, NULL));
    assert_false(gate.passed);
    assert_non_null(strstr(gate.reason, "critical"));
}

static void a_gate_survives_its_file(void **state)
{
    struct fixture *f = *state;
    struct gate gate;
    struct buf text, reason;
    bool passed;
    struct err err = { 0 };
    buf_init(&text, 1 << 20);
    buf_init(&reason, 4096);
    assert_true(gate_judge(&f->perfect, &f->perfect, &gate, NULL));
    gate_write(&gate, &text);
    assert_true(gate_read(text.data, text.length, &passed, &reason, &err));
    assert_false(passed);
    assert_string_equal(reason.data, gate.reason);
    buf_free(&text);
    buf_free(&reason);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_writer_passes_its_own_exam), cmocka_unit_test(wrong_numbers_are_seen),
        cmocka_unit_test(omitted_alerts_are_seen), cmocka_unit_test(an_exam_survives_its_file),
        cmocka_unit_test(edits_count_for_agreement), cmocka_unit_test(the_gate),
        cmocka_unit_test(another_exam_is_no_comparison), cmocka_unit_test(the_first_model_has_floors),
        cmocka_unit_test(a_gate_survives_its_file),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
