#include "t5/tokenizer.h"

#include "base/bounds.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "t5/spiece_check.h"

#include <glob.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static struct t5_tokenizer *tokenizer;
static struct buf spiece;

static const char *data_path(const char *name)
{
    static char path[PATH_MAX];
    const char *data = getenv("WARDSCRIBE_DATA");
    snprintf(path, sizeof path, "%s/t5/tokenizer/%s", data ? data : "../shared/data", name);
    return path;
}

static int open_tokenizer(void **state)
{
    (void)state;
    struct err err;
    if (access(data_path("spiece.model"), R_OK) != 0) {
        print_message("%s is absent: skipped\n", data_path("spiece.model"));
        return 0;
    }
    if (!t5_tokenizer_open(data_path("spiece.model"), &tokenizer, &err) ||
        !file_read(data_path("spiece.model"), T5_SPIECE_SIZE_MAX, &spiece, &err)) {
        print_message("%s\n", err.text);
        return -1;
    }
    return 0;
}

static int close_tokenizer(void **state)
{
    (void)state;
    t5_tokenizer_close(tokenizer);
    buf_free(&spiece);
    return 0;
}

static bool ids_are(const char *text, const struct json *expected, size_t max)
{
    int32_t ids[2048];
    size_t count;
    struct err err;
    assert_true(t5_encode(tokenizer, text, strlen(text), max, ids, &count, &err));
    bool same = count == json_count(expected);
    for (size_t i = 0; same && i < count; i++) {
        int64_t id = -1;
        same = json_int_of(json_item(expected, i), &id) && id == ids[i];
    }
    if (!same)
        print_message("ids differ: %s\n", text);
    return same;
}

static bool text_is(const struct json *list, bool skip_special, const char *expected)
{
    int32_t ids[2048];
    char *text;
    struct err err;
    for (size_t i = 0; i < json_count(list); i++) {
        int64_t id = -1;
        assert_true(json_int_of(json_item(list, i), &id));
        ids[i] = (int32_t)id;
    }
    if (!t5_decode(tokenizer, ids, json_count(list), skip_special, &text, &err))
        fail_msg("%s", err.text);
    bool same = strcmp(text, expected) == 0;
    if (!same)
        print_message("expected \"%s\"\n   found \"%s\"\n", expected, text);
    t5_text_free(text);
    return same;
}

/* [text, ids] or [text, ids, decoded] */
static void check_cases(const char *name, size_t expected_count)
{
    struct buf text;
    size_t wrong = 0;
    struct json *root;
    struct err err;
    if (!tokenizer)
        skip();
    assert_true(file_read(data_path(name), 16 << 20, &text, &err));
    assert_true(json_parse(text.data, text.length, 16 << 20, &root, &err));
    for (size_t i = 0; i < json_count(root); i++) {
        const struct json *row = json_item(root, i), *ids = json_item(row, 1);
        wrong += !ids_are(json_text_of(json_item(row, 0)), ids, 2048);
        if (json_count(row) > 2)
            wrong += !text_is(ids, false, json_text_of(json_item(row, 2)));
    }
    print_message("%s: %zu cases\n", name, json_count(root));
    assert_int_equal(json_count(root), expected_count);
    assert_int_equal(wrong, 0);
    json_free(root);
    buf_free(&text);
}

static void test_published_cases(void **state)
{
    (void)state;
    check_cases("cases.json", 1995);
}

static void test_vitals_cases(void **state)
{
    (void)state;
    check_cases("vitals-cases.json", 300);
}

/* What transformers 4.57.6's T5Tokenizer(legacy=True) gives, clean_up_tokenization_spaces=True. */
static void test_special_tokens(void **state)
{
    (void)state;
    static const struct { const char *text; int32_t ids[12]; const char *decoded, *skipped; } rows[] = {
        { "Hello <extra_id_0>.", { 8774, 32099, 3, 5, 1, -1 }, "Hello <extra_id_0>.</s>", "Hello." },
        { "<extra_id_1> a<extra_id_2>b <extra_id_99>", { 32098, 3, 9, 32097, 3, 115, 32000, 1, -1 },
          "<extra_id_1> a <extra_id_2> b <extra_id_99> </s>", "a b" },
        { "a </s> b", { 3, 9, 1, 3, 115, 1, -1 }, "a</s> b</s>", "a b" },
        { "a<pad>b <unk> c", { 3, 9, 0, 3, 115, 2, 3, 75, 1, -1 }, "a<pad> b<unk> c</s>", "a b c" },
        { "", { 1, -1 }, "</s>", "" },
        { " ", { 1, -1 }, "</s>", "" },
        { "  two  spaces ", { 192, 4856, 1, -1 }, "two spaces</s>", "two spaces" },
        { "<extra_id_100>", { 3, 2, 25666, 834, 23, 26, 834, 2915, 3155, 1, -1 }, "<unk> extra_id_100></s>",
          "extra_id_100>" },
        { "x<s>", { 3, 226, 2, 7, 3155, 1, -1 }, "x<unk> s></s>", "xs>" },
        { "\xe2""\x96""\x81""a", { 3, 9, 1, -1 }, "a</s>", "a" },
        { "a\x0a""\x0a""b\x09""c", { 3, 9, 3, 115, 3, 75, 1, -1 }, "a b c</s>", "a b c" },
        { "</s>", { 1, -1 }, "</s>", "" },
        { "a</s>", { 3, 9, 1, -1 }, "a</s>", "a" },
        { "don't", { 278, 31, 17, 1, -1 }, "don't</s>", "don't" },
        { "n't", { 3, 29, 31, 17, 1, -1 }, "n't</s>", "n't" },
        { "\xc3""\x89""<unk>\xc3""\x88"" ab", { 7983, 2, 3, 2, 703, 1, -1 }, "\xc3""\x89""<unk> <unk> ab</s>",
          "\xc3""\x89""  ab" },
        { "<extra_id_0>", { 32099, 1, -1 }, "<extra_id_0> </s>", "" },
        { "<extra_id_0><extra_id_1>", { 32099, 32098, 1, -1 }, "<extra_id_0> <extra_id_1> </s>", "" },
        { "x <extra_id_0>", { 3, 226, 32099, 1, -1 }, "x <extra_id_0> </s>", "x" },
        { "<unk>", { 2, 1, -1 }, "<unk></s>", "" },
        { "<pad><pad>", { 0, 0, 1, -1 }, "<pad><pad></s>", "" },
        { "\xef""\xac""\x81"" \xc2""\xbd"" \xe2""\x85""\xa3"" \xe2""\x91""\xa0""", { 361, 209, 2, 357, 10869, 209, 1,
          -1 }, "fi 1<unk> 2 IV 1</s>", "fi 12 IV 1" },
        { "\xe6""\x97""\xa5""\xe6""\x9c""\xac""\xe8""\xaa""\x9e"" text", { 3, 2, 1499, 1, -1 }, "<unk> text</s>",
          "text" },
        { "emoji \xf0""\x9f""\x98""\x80"" x", { 3, 15, 51, 21892, 3, 2, 3, 226, 1, -1 }, "emoji <unk> x</s>",
          "emoji  x" },
        { "a\xe2""\x80""\x8b""b", { 3, 9, 3, 115, 1, -1 }, "a b</s>", "a b" },
        { "\xc2""\xa0""nbsp\xe3""\x80""\x80""wide", { 3, 29, 115, 7, 102, 1148, 1, -1 }, "nbsp wide</s>", "nbsp wide" },
        { "tab\x09""", { 3808, 1, -1 }, "tab</s>", "tab" },
        { "<extra_id_05>", { 3, 2, 25666, 834, 23, 26, 834, 3076, 3155, 1, -1 }, "<unk> extra_id_05></s>",
          "extra_id_05>" },
        { "<extra_id_5", { 3, 2, 25666, 834, 23, 26, 834, 755, 1, -1 }, "<unk> extra_id_5</s>", "extra_id_5" },
        { "<<extra_id_5>>", { 3, 2, 32094, 2490, 1, -1 }, "<unk> <extra_id_5> ></s>", ">" },
        { "HR=112, SpO2=91", { 8383, 2423, 2596, 4482, 2526, 667, 357, 2423, 4729, 1, -1 }, "HR=112, SpO2=91</s>",
          "HR=112, SpO2=91" },
    };
    if (!tokenizer)
        skip();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int32_t ids[32];
        size_t count, wanted = 0;
        char *text;
        struct err err;
        while (rows[i].ids[wanted] >= 0)
            wanted++;
        assert_true(t5_encode(tokenizer, rows[i].text, strlen(rows[i].text), 32, ids, &count, &err));
        if (count != wanted || memcmp(ids, rows[i].ids, count * sizeof *ids) != 0)
            fail_msg("ids of \"%s\"", rows[i].text);
        assert_true(t5_decode(tokenizer, ids, count, false, &text, &err));
        assert_string_equal(text, rows[i].decoded);
        t5_text_free(text);
        assert_true(t5_decode(tokenizer, ids, count, true, &text, &err));
        assert_string_equal(text, rows[i].skipped);
        t5_text_free(text);
    }
}

static void test_truncation_keeps_the_end(void **state)
{
    (void)state;
    static const int32_t whole[] = { 80, 192, 386, 662, 874, 1 };   /* "one two three four five </s>" */
    static const struct { size_t max, count; } rows[] = { { 1, 1 }, { 2, 2 }, { 3, 3 }, { 6, 6 }, { 7, 6 }, { 9, 6 } };
    const char *text = "one two three four five </s>";
    if (!tokenizer)
        skip();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int32_t *ids = mem_new(rows[i].max, sizeof *ids);   /* exact: the sanitizer watches its end */
        size_t count;
        struct err err;
        assert_true(t5_encode(tokenizer, text, strlen(text), rows[i].max, ids, &count, &err));
        assert_int_equal(count, rows[i].count);
        assert_memory_equal(ids, whole, (count - 1) * sizeof *ids);
        assert_int_equal(ids[count - 1], 1);
        mem_free(ids);
    }
}

/* A long text goes beyond what is encoded at once, and is cut right; one that is too long is refused. */
static void test_long_texts(void **state)
{
    (void)state;
    if (!tokenizer)
        skip();
    size_t length = 0, count, size = T5_TEXT_SIZE_MAX + 1;
    char *text = mem_new(size + 1, 1);
    int32_t *ids = mem_new(4096, sizeof *ids);
    struct err err;
    while (length + 6 < 20000)
        length += (size_t)sprintf(text + length, "heart ");
    assert_true(t5_encode(tokenizer, text, length, 4096, ids, &count, &err));
    assert_int_equal(count, length / 6 + 1);
    assert_int_equal(ids[count - 2], 842);
    assert_int_equal(ids[count - 1], 1);
    assert_false(t5_encode(tokenizer, text, size, 4096, ids, &count, &err));
    assert_int_equal(err.kind, ERR_TOO_LARGE);
    mem_free(ids);
    mem_free(text);
}

/* Ids that are padding of the embedding have no text; a vocabulary without room for extra ids has none. */
static void test_ids_beyond_the_pieces(void **state)
{
    (void)state;
    struct t5_tokenizer *small;
    struct err err;
    char *text;
    if (!tokenizer)
        skip();
    assert_true(t5_decode(tokenizer, (const int32_t[]){ 842, 32100, 32127, 1 }, 4, false, &text, &err));
    assert_string_equal(text, "heart</s>");
    t5_text_free(text);
    assert_false(t5_decode(tokenizer, (const int32_t[]){ -1 }, 1, false, &text, &err));
    assert_true(tokenizer_from_memory(spiece.data, spiece.length, &small, &err));
    assert_false(tokenizer_fit(small, 31999, &err));
    assert_non_null(strstr(err.text, "has 32000 pieces, but vocab_size is 31999"));
    assert_true(tokenizer_fit(small, 32000, &err));
    int32_t ids[16];
    size_t count;
    assert_true(t5_encode(small, "<extra_id_0>", 12, 16, ids, &count, &err));
    for (size_t i = 0; i < count; i++)
        assert_in_range(ids[i], 0, 31999);
    t5_tokenizer_close(small);
}

/* Every refusal of the walk, on the real file with one thing wrong. */
static void test_broken_models_are_refused(void **state)
{
    (void)state;
    if (!tokenizer)
        skip();
    struct err err = { 0 };
    struct t5_tokenizer *none;
    assert_true(spiece_check(spiece.data, spiece.length, &err));
    for (size_t cut = 1; cut < spiece.length; cut += 977) {
        /* a cut between two fields leaves a smaller model */
        bool whole_fields = spiece_check(spiece.data, cut, &err);
        if (!whole_fields)
            assert_int_equal(err.kind, ERR_INPUT);
    }
    static const struct { const char *bytes; size_t size; const char *expected; } rows[] = {
        { "", 0, "0 pieces" },
        { "hello world", 11, "not a SentencePiece model" },
        { "\x0a\x7f", 2, "not a SentencePiece model" },
        { "\x0a\x04\x0a\x02\xff\xfe", 6, "piece 0: must be 1 to 1024 bytes of UTF-8" },
        { "\x0a\x02\x0a\x00", 4, "piece 0: must be 1 to 1024 bytes of UTF-8" },
        { "\x0a\x08\x0a\x01\x61\x15\x00\x00\xc0\x7f", 10, "piece 0: its score is not a number" },
        { "\x0a\x05\x0a\x01\x61\x18\x09", 7, "piece 0: its type is not known" },
        { "\x12\x02\x18\x02", 4, "must be a unigram model" },
        { "\x1a\x05\x12\x03\x61\x62\x63", 7, "charsmap: 3 bytes" },
        { "\x1a\x08\x12\x06\xff\xff\x00\x00\x61\x62", 10, "charsmap: its array has 65535 bytes of 2" },
        { "\x1a\x05\x12\x7f\x61\x62\x63", 7, "normalizer_spec: not a protocol buffer" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_false(spiece_check(rows[i].bytes, rows[i].size, &err));
        if (!strstr(err.text, rows[i].expected))
            fail_msg("expected \"%s\", got \"%s\"", rows[i].expected, err.text);
    }
    /* Passes the walk, and then the child says no: no unknown piece. */
    static const char three[] = "\x0a\x03\x0a\x01\x61\x0a\x03\x0a\x01\x62\x0a\x03\x0a\x01\x63";
    assert_true(spiece_check(three, sizeof three - 1, &err));
    assert_false(tokenizer_from_memory(three, sizeof three - 1, &none, &err));
    assert_string_equal(err.text, "libsentencepiece refuses the model");
}

/* A link of the normalizer's double array that leads outside, and a value behind its texts. */
static void test_charsmap_links_stay_inside(void **state)
{
    (void)state;
    if (!tokenizer)
        skip();
    struct err err = { 0 };
    char *copy = mem_new(spiece.length, 1);
    size_t refused = 0;
    memcpy(copy, spiece.data, spiece.length);
    for (size_t at = spiece.length - 100000; at < spiece.length - 90000; at += 4) {
        char old[4];
        memcpy(old, copy + at, 4);
        memcpy(copy + at, "\xff\xff\xff\xff", 4);
        refused += !spiece_check(copy, spiece.length, &err);
        memcpy(copy + at, old, 4);
    }
    print_message("%zu of 2500 damaged links refused: %s\n", refused, err.text);
    assert_true(refused > 2000);
    mem_free(copy);
}

/* The models that come with the program start without a trial in a child. */
static void test_own_vocabularies_are_built_in(void **state)
{
    (void)state;
    char pattern[PATH_MAX], hash[DIGEST_TEXT_SIZE];
    const char *models = getenv("WARDSCRIBE_MODELS");
    struct err err;
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/*/spiece.model", models ? models : "models");
    if (glob(pattern, 0, NULL, &found) != 0)
        fail_msg("%s: nothing there", pattern);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        if (!digest_file(found.gl_pathv[i], DIGEST_SHA256, hash, NULL, &err))
            fail_msg("%s", err.text);
        if (!spiece_is_built_in(hash))
            fail_msg("%s: %s is not in spiece_trial.c", found.gl_pathv[i], hash);
    }
    globfree(&found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_cases), cmocka_unit_test(test_vitals_cases),
        cmocka_unit_test(test_special_tokens), cmocka_unit_test(test_truncation_keeps_the_end),
        cmocka_unit_test(test_long_texts), cmocka_unit_test(test_ids_beyond_the_pieces),
        cmocka_unit_test(test_broken_models_are_refused), cmocka_unit_test(test_charsmap_links_stay_inside),
        cmocka_unit_test(test_own_vocabularies_are_built_in),
    };
    return cmocka_run_group_tests(tests, open_tokenizer, close_tokenizer);
}
