/* model_test.c - a folder, an engine, a text: t5.h as a stranger uses it. */
#include "base/mem.h"
#include "t5/forward_plain.h"
#include "t5/made_model.h"
#include "t5/t5.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[64], spiece_link[128], spiece_path[PATH_MAX];

static int make_folder(void **state)
{
    (void)state;
    const char *data = getenv("WARDSCRIBE_DATA");
    struct t5_config config = made_flan_t5_small();
    struct err err;
    config.d_model = 24, config.d_kv = 8, config.d_ff = 40, config.head_count = 3;
    config.layer_count = config.decoder_layer_count = 2;
    snprintf(dir, sizeof dir, "/tmp/t5-model-XXXXXX");
    snprintf(spiece_path, sizeof spiece_path, "%s/t5/tokenizer/spiece.model", data ? data : "../shared/data");
    if (!mkdtemp(dir) || !made_model_write(dir, &config, TENSOR_F32, 3, &err))
        return -1;
    snprintf(spiece_link, sizeof spiece_link, "%s/spiece.model", dir);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    static const char *const names[] = { "config.json", "model.safetensors", "spiece.model" };
    for (size_t i = 0; i < 3; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        unlink(path);
    }
    return rmdir(dir);
}

static bool link_spiece(void)
{
    char *real = realpath(spiece_path, NULL);
    bool ok = real && (symlink(real, spiece_link) == 0 || access(spiece_link, R_OK) == 0);
    free(real);
    return ok;
}

static struct t5_model *open_model(const struct t5_model_options *options)
{
    struct t5_model *model = NULL;
    struct err err;
    if (!t5_model_open(dir, options, &model, &err))
        fail_msg("%s", err.text);
    return model;
}

static void test_names(void **state)
{
    (void)state;
    enum t5_precision precision;
    for (int i = T5_AUTO; i <= T5_INT8; i++) {
        assert_true(t5_precision_parse(t5_precision_name((enum t5_precision)i), &precision));
        assert_int_equal(precision, i);
    }
    assert_false(t5_precision_parse("fp64", &precision));
}

static void test_what_a_model_says(void **state)
{
    (void)state;
    struct t5_params params;
    struct err err = { 0 };
    struct t5_model *model = open_model(&(struct t5_model_options){ .precision = T5_FP32, .kernel = "plain" });
    assert_int_equal(t5_model_config(model)->d_model, 24);
    assert_string_equal(t5_model_kernel(model), "plain");
    assert_int_equal(t5_model_precision(model), T5_FP32);
    t5_params_default(model, &params);
    assert_true(params.num_beams == 1 && params.max_length == 21 && params.repetition_penalty == 1.0f);
    t5_model_close(model);
    model = open_model(&(struct t5_model_options){ 0 });
    assert_int_equal(t5_model_precision(model), T5_FP32);       /* AUTO, and small */
    t5_model_close(model);
    assert_false(t5_model_open(dir, &(struct t5_model_options){ .kernel = "z80" }, &model, &err));
    assert_non_null(strstr(err.text, "z80"));
    assert_false(t5_model_open("/nonexistent", &(struct t5_model_options){ 0 }, &model, &err));
    assert_int_equal(err.kind, ERR_NOT_FOUND);
}

static void test_parameters_are_checked(void **state)
{
    (void)state;
    const struct t5_params good = { .num_beams = 4, .max_length = 20, .length_penalty = 1, .repetition_penalty = 1 };
    struct t5_params rows[8];
    static const char *const names[8] = { "num_beams", "num_beams", "max_length", "min_length", "length_penalty",
                                          "repetition_penalty", "no_repeat_ngram_size", "early_stopping" };
    struct err err;
    for (int i = 0; i < 8; i++)
        rows[i] = good;
    rows[0].num_beams = 0, rows[1].num_beams = 1000, rows[2].max_length = 1, rows[3].min_length = -1;
    rows[4].length_penalty = (double)0 / 0.0, rows[5].repetition_penalty = 0, rows[6].no_repeat_ngram_size = -1;
    rows[7].early_stopping = (enum t5_early_stopping)3;
    assert_true(t5_params_check(&good, &err));
    for (int i = 0; i < 8; i++) {
        assert_false(t5_params_check(&rows[i], &err));
        assert_int_equal(err.kind, ERR_INPUT);
        assert_non_null(strstr(err.text, names[i]));
    }
}

/* Text to text through the engine is encode, plain search, decode. */
static void test_text_to_text(void **state)
{
    (void)state;
    const char *input = "summarize: HR=112, SpO2=91, Temp=38.4.";
    const struct t5_params params = { .num_beams = 4, .min_length = 5, .max_length = 12, .length_penalty = 1,
                                      .early_stopping = T5_EARLY_TRUE, .repetition_penalty = 2.5f,
                                      .no_repeat_ngram_size = 3 };
    struct t5_engine *engine;
    struct t5_result figures;
    struct checkpoint *checkpoint;
    struct err err;
    int32_t ids[64], out[16];
    size_t count, out_count;
    float score;
    char *text = NULL, *expected;
    if (!link_spiece()) {
        print_message("%s is absent: skipped\n", spiece_path);
        skip();
    }
    struct t5_model *model = open_model(&(struct t5_model_options){ .precision = T5_FP32 });
    if (!t5_engine_start(model, &(struct t5_engine_options){ .threads = 1 }, &engine, &err) ||
        !t5_generate_text(engine, input, &params, &text, &figures, &err))
        fail_msg("%s", err.text);
    assert_true(checkpoint_open(dir, &checkpoint, &err));
    struct plain_model *plain = plain_open(checkpoint);
    assert_true(t5_encode(t5_model_tokenizer(model), input, strlen(input), 64, ids, &count, &err));
    plain_generate(plain, ids, count, &params, out, &out_count, &score);
    assert_true(t5_decode(t5_model_tokenizer(model), out, out_count, true, &expected, &err));
    assert_string_equal(text, expected);
    assert_true(figures.status == T5_DONE && figures.count == out_count && !figures.ids);
    assert_true(figures.score - score < 1e-4f && score - figures.score < 1e-4f);
    t5_text_free(text);
    t5_text_free(expected);
    plain_close(plain);
    checkpoint_close(checkpoint);
    t5_engine_stop(engine);
    t5_model_close(model);
}

static void test_no_tokenizer_is_said(void **state)
{
    (void)state;
    struct t5_engine *engine;
    struct t5_params params;
    struct err err;
    char *text;
    unlink(spiece_link);
    struct t5_model *model = open_model(&(struct t5_model_options){ .precision = T5_FP32 });
    assert_null(t5_model_tokenizer(model));
    t5_params_default(model, &params);
    assert_true(t5_engine_start(model, &(struct t5_engine_options){ .threads = 1 }, &engine, &err));
    assert_false(t5_generate_text(engine, "a", &params, &text, NULL, &err));
    assert_non_null(strstr(err.text, "has no spiece.model"));
    t5_engine_stop(engine);
    t5_model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names), cmocka_unit_test(test_what_a_model_says),
        cmocka_unit_test(test_parameters_are_checked), cmocka_unit_test(test_text_to_text),
        cmocka_unit_test(test_no_tokenizer_is_said),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
