/* Datasets of simulated windows: what is gold, what is left out, what is refused. */
#include "learn/dataset.h"

#include "clinical/writer.h"
#include "learn/windows.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char dir[] = "/tmp/dataset-test-XXXXXX";
static char samples_path[64];

enum twist { PLAIN, WRONG_NUMBER, STRANGE_WORD };

enum { PULSE_EDITS = 1, PULSE_SILVER = 2 };

struct making {
    FILE *file;
    int count, silver, patients, twist_every, pulse;   /* pulse: who says so */
    enum twist twist;
    bool same_summary, same_everything, few_edits;
    const char *user;
};

static const char *twisted(const char *text, enum twist twist, struct arena *arena)
{
    char *out = arena_copy(arena, text, strlen(text));
    if (twist == STRANGE_WORD)
        return arena_printf(arena, "%s Give potassium.", text);
    for (char *c = out; *c && twist == WRONG_NUMBER; c++)
        if (isdigit((unsigned char)*c)) {
            *c = *c == '9' ? '8' : (char)(*c + 1);
            break;
        }
    return out;
}

/* A ward that says pulse. */
static const char *with_pulse(struct arena *arena, const char *text)
{
    struct buf out;
    buf_init(&out, SAMPLE_LINE_MAX);
    for (; *text; text++) {
        bool here = strncmp(text + 1, "eart rate", 9) == 0;
        if (here)
            buf_add_text(&out, *text == 'H' ? "Pulse" : "pulse");
        else
            buf_add_char(&out, *text);
        text += here ? 9 : 0;
    }
    const char *kept = arena_copy(arena, out.data, out.length);
    buf_free(&out);
    return kept;
}

static bool make(void *context, const struct window *window, const struct alarm_limits *limits, struct err *err)
{
    struct making *m = context;
    static struct facts facts;
    struct arena arena;
    struct buf line;
    (void)err;
    arena_init(&arena, 4 << 20);
    buf_init(&line, SAMPLE_LINE_MAX);
    struct summary_text *text = arena_alloc(&arena, sizeof *text);
    facts_make(window, limits, &facts);
    writer_write(&facts, m->pulse ? WRITER_HOUSE : (uint64_t)m->count, &arena, text);
    int number = m->same_everything ? 0 : m->count;
    bool twist = m->twist_every && m->count % m->twist_every == 0,
         silver = m->silver && (m->count % m->silver == 0 || (m->few_edits && m->count > 10));
    struct sample sample = {
        .summary_id = arena_printf(&arena, "s%d", m->same_summary ? 0 : number),
        .user = silver ? "" : m->user,
        .patient = arena_printf(&arena, "p%d", number % m->patients),
        .kind = silver ? SAMPLE_MODEL : SAMPLE_EDIT,
        .text = twisted(m->pulse & (silver ? PULSE_SILVER : PULSE_EDITS)
                            ? with_pulse(&arena, summary_join(text, &arena))
                            : summary_join(text, &arena),
                        twist ? m->twist : PLAIN, &arena),
        .time_us = m->count + 1,
        .window = *window,
        .limits = *limits,
    };
    sample_write(&sample, &line);
    (void)fwrite(line.data, 1, line.length, m->file);
    m->count++;
    buf_free(&line);
    arena_free(&arena);
    return true;
}

static bool build(struct making making, size_t count, struct dataset *out, struct err *err)
{
    struct dataset_options options = { .format = making.pulse ? MODEL_FORMAT_SLOTS : MODEL_FORMAT_FACTS,
                                       .rehearsal = 20, .seed = 1 };
    making.file = fopen(samples_path, "wb");
    making.user = making.user ? making.user : "ann";
    making.patients = making.patients ? making.patients : 10;
    assert_true(windows_simulated(9, count, make, &making, NULL));
    (void)fclose(making.file);
    return dataset_make(samples_path, dir, &options, out, err);
}

static struct dataset set;

static void edits_become_gold(void **state)
{
    struct err err = { 0 };
    char first[65];
    (void)state;
    if (!build((struct making){ .silver = 4 }, 200, &set, &err))
        fail_msg("%s", err.text);
    assert_int_equal(set.samples, 200);
    assert_int_equal(set.counts[VERDICT_GOLD], 150);
    assert_int_equal(set.gold_train + set.gold_exam, 150);
    assert_int_equal(set.patients, 10);
    assert_int_equal(set.patients_exam, 2);
    assert_true(set.silver > 30 && set.silver <= 50);
    assert_true(set.gold_weight >= 3);
    (void)strcpy(first, set.hash);
    assert_true(build((struct making){ .silver = 4 }, 200, &set, &err));
    assert_string_equal(first, set.hash);
}

struct split {
    bool held[10], trained[10];
};

static bool note_held(void *context, const struct sample *sample, struct err *err)
{
    (void)err;
    ((struct split *)context)->held[atoi(sample->patient + 1)] = true;
    assert_int_equal(sample->kind, SAMPLE_EDIT);
    return true;
}

static void held_back_patients_are_whole(void **state)
{
    struct split split = { 0 };
    struct err err = { 0 };
    char path[64];
    int held = 0;
    (void)state;
    assert_true(build((struct making){ 0 }, 200, &set, &err));
    (void)snprintf(path, sizeof path, "%s/edits.jsonl", dir);
    assert_true(samples_read(path, note_held, &split, &err));
    for (int i = 0; i < 10; i++)
        held += split.held[i];
    assert_int_equal(held, 2);
    assert_int_equal(set.gold_exam, 40); /* 20 of each of the two */
}

static int pairs_with(const char *word)
{
    char path[64], line[1 << 14];
    int count = 0;
    (void)snprintf(path, sizeof path, "%s/pairs.jsonl", dir);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    while (fgets(line, sizeof line, file))
        count += strstr(line, "\"weight\"") == NULL && strstr(line, word) != NULL;
    (void)fclose(file);
    return count;
}

/* Silver and rehearsed pairs are told in the words of the edits. */
static void readers_words_are_learnt(void **state)
{
    struct err err = { 0 };
    (void)state;
    assert_true(build((struct making){ .silver = 4, .pulse = PULSE_EDITS }, 200, &set, &err));
    assert_true(pairs_with("ulse") > 40);
    assert_int_equal(pairs_with("eart rate"), 0);
}

/* The model has them from earlier edits; a few of this week do not undo them, many do. */
static void words_learnt_before_stay(void **state)
{
    struct err err = { 0 };
    (void)state;
    assert_true(build((struct making){ .silver = 2, .few_edits = true, .pulse = PULSE_SILVER }, 200, &set, &err));
    assert_int_equal(pairs_with("eart rate"), 0);
    assert_true(build((struct making){ .silver = 2, .pulse = PULSE_SILVER }, 200, &set, &err));
    assert_true(pairs_with("eart rate") > 10);
}

static void what_is_left_out(void **state)
{
    static const struct {
        const char *name;
        struct making making;
        enum sample_verdict verdict;
        size_t expected;
    } cases[] = {
        { "wrong numbers", { .twist = WRONG_NUMBER, .twist_every = 20 }, VERDICT_UNPROVEN, 10 },
        { "words that nothing proves", { .twist = STRANGE_WORD, .twist_every = 20 }, VERDICT_UNPROVEN, 10 },
        { "one person's flood", { .user = "bob" }, VERDICT_OVER_CAP, 50 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = { 0 };
        size_t count = cases[i].verdict == VERDICT_OVER_CAP ? EDITS_PER_USER_MAX + 50 : 200;
        if (!build(cases[i].making, count, &set, &err))
            fail_msg("%s: %s", cases[i].name, err.text);
        if (set.counts[cases[i].verdict] != cases[i].expected)
            fail_msg("%s: %zu, not %zu", cases[i].name, set.counts[cases[i].verdict], cases[i].expected);
    }
}

static void what_is_refused(void **state)
{
    static const struct {
        const char *name, *reason;
        struct making making;
        size_t count;
    } cases[] = {
        { "empty", "no samples", { 0 }, 0 },
        { "too few", "at least 10", { 0 }, 9 },
        { "a quarter poisoned", "poisoned", { .twist = WRONG_NUMBER, .twist_every = 4 }, 200 },
        { "one patient", "one patient", { .patients = 1 }, 200 },
        { "one summary, edited again and again", "too few", { .same_summary = true }, 200 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = { 0 };
        if (build(cases[i].making, cases[i].count, &set, &err))
            fail_msg("%s: not refused", cases[i].name);
        assert_int_equal(err.kind, ERR_REFUSED);
        if (!strstr(err.text, cases[i].reason))
            fail_msg("%s: %s", cases[i].name, err.text);
    }
}

static void copies_are_refused(void **state)
{
    struct err err = { 0 };
    char command[512];
    struct dataset_options options = { .format = MODEL_FORMAT_FACTS };
    (void)state;
    assert_true(build((struct making){ 0 }, 60, &set, &err));
    (void)snprintf(command, sizeof command, "cat %s %s %s > %s.x && mv %s.x %s", samples_path, samples_path,
                   samples_path, samples_path, samples_path, samples_path);
    assert_int_equal(system(command), 0);
    assert_false(dataset_make(samples_path, dir, &options, &set, &err));
    assert_non_null(strstr(err.text, "duplicated"));
}

static void a_bad_line_is_named(void **state)
{
    struct err err = { 0 };
    struct dataset_options options = { 0 };
    FILE *file = fopen(samples_path, "wb");
    (void)state;
    (void)fputs("{\"patient\":\"p\",\"kind\":\"edit\",\"text\":\"x\",\"window\":{\"readings\":[{\"timestamp\":7}]}}\n",
                file);
    (void)fclose(file);
    assert_false(dataset_make(samples_path, dir, &options, &set, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_non_null(strstr(err.text, "line 1"));
    assert_non_null(strstr(err.text, "timestamp"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edits_become_gold), cmocka_unit_test(held_back_patients_are_whole),
        cmocka_unit_test(what_is_left_out), cmocka_unit_test(what_is_refused), cmocka_unit_test(copies_are_refused),
        cmocka_unit_test(a_bad_line_is_named), cmocka_unit_test(readers_words_are_learnt),
        cmocka_unit_test(words_learnt_before_stay),
    };
    char command[64];
    if (!mkdtemp(dir))
        return 1;
    (void)snprintf(samples_path, sizeof samples_path, "%s/samples.jsonl", dir);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command) == 0 ? failed : 1;
}
