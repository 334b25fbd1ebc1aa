#include "t5/checkpoint.h"

#include "base/mem.h"
#include "t5/made_model.h"

#include <dirent.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[PATH_MAX / 2];

static const struct t5_config small = {
    .vocab_size = 40, .d_model = 8, .d_kv = 3, .d_ff = 10, .layer_count = 2, .decoder_layer_count = 1, .head_count = 4,
    .bucket_count = 8, .bucket_distance_max = 16, .eos_id = 1, .layer_norm_epsilon = 1e-6f, .gated = true,
    .gelu_new = true,
};

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/t5-checkpoint-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    char path[PATH_MAX];
    DIR *folder = opendir(dir);
    for (struct dirent *entry; folder && (entry = readdir(folder)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        unlink(path);
    }
    closedir(folder);
    return rmdir(dir);
}

static void put_file(const char *name, const char *text)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void make(const struct t5_config *config, enum tensor_type type)
{
    struct err err;
    if (!made_model_write(dir, config, type, 7, &err))
        fail_msg("%s", err.text);
}

static struct checkpoint *open_it(void)
{
    struct checkpoint *checkpoint = NULL;
    struct err err;
    if (!checkpoint_open(dir, &checkpoint, &err))
        fail_msg("%s", err.text);
    return checkpoint;
}

static void expect_refusal(const char *expected)
{
    struct checkpoint *checkpoint;
    struct err err = { 0 };
    assert_false(checkpoint_open(dir, &checkpoint, &err));
    if (!strstr(err.text, expected))
        fail_msg("expected \"%s\", got \"%s\"", expected, err.text);
}

static void assert_same_config(const struct t5_config *a, const struct t5_config *b)
{
    struct buf text[2];
    for (int i = 0; i < 2; i++) {
        buf_init(&text[i], 1 << 16);
        t5_config_print(i ? b : a, &text[i]);
    }
    assert_string_equal(text[0].data, text[1].data);
    for (int i = 0; i < 2; i++)
        buf_free(&text[i]);
}

static void test_opens_what_was_made(void **state)
{
    (void)state;
    const struct { bool gated, gelu, tied; enum tensor_type type; size_t parameters; } rows[] = {
        { false, false, true, TENSOR_F32, 2472 }, { true, true, false, TENSOR_BF16, 3032 },
        { false, true, false, TENSOR_F16, 2792 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct t5_config config = small;
        config.gated = rows[i].gated, config.gelu_new = rows[i].gelu, config.tied = rows[i].tied;
        make(&config, rows[i].type);
        struct checkpoint *checkpoint = open_it();
        assert_same_config(&checkpoint->config, &config);
        assert_true((checkpoint->head == checkpoint->embedding) == rows[i].tied);
        assert_true((checkpoint->encoder[1].ff.gate != NULL) == rows[i].gated);
        assert_int_equal(checkpoint->embedding->type, rows[i].type);
        assert_int_equal(checkpoint->parameter_count, rows[i].parameters);
        checkpoint_close(checkpoint);
    }
}

/* Writes the model's tensors again, changed by `change`; false from it drops the tensor. */
static void rewrite(const char *name, bool (*change)(struct tensor *tensor, size_t at), const char *const *also)
{
    char path[PATH_MAX];
    struct checkpoint *checkpoint = open_it();
    struct tensor tensors[64];
    size_t count = 0, all = safetensors_count(checkpoint->files[0]);
    for (size_t i = 0; i < all; i++) {
        tensors[count] = *safetensors_at(checkpoint->files[0], i);
        count += change(&tensors[count], i);
    }
    for (size_t i = 0; also && also[i]; i++) {
        tensors[count] = *checkpoint->embedding;
        tensors[count++].name = also[i];
    }
    snprintf(path, sizeof path, "%s/%s", dir, name);
    struct err err;
    if (!safetensors_write(path, tensors, count, NULL, 0, &err))
        fail_msg("%s", err.text);
    checkpoint_close(checkpoint);
}

static const char *target;
static bool drop(struct tensor *tensor, size_t at)
{
    (void)at;
    return strcmp(tensor->name, target) != 0;
}

static bool turn(struct tensor *tensor, size_t at)
{
    (void)at;
    size_t rows = tensor->shape[0];
    if (strcmp(tensor->name, target) == 0)
        tensor->shape[0] = tensor->shape[1], tensor->shape[1] = rows;
    return true;
}

static bool as_i32(struct tensor *tensor, size_t at)
{
    (void)at;
    if (strcmp(tensor->name, target) == 0)
        tensor->type = TENSOR_I32;
    return true;
}

static void test_wrong_tensors_are_named(void **state)
{
    (void)state;
    const struct { const char *name; bool (*change)(struct tensor *, size_t); const char *expected; } rows[] = {
        { "shared.weight", drop, "shared.weight: missing; expected [40, 8]" },
        { "lm_head.weight", drop, "lm_head.weight: missing; expected [40, 8]" },
        { "decoder.block.0.layer.1.EncDecAttention.k.weight", drop,
          "EncDecAttention.k.weight: missing; expected [12, 8]" },
        { "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight", drop, "missing; expected [8, 4]" },
        { "encoder.block.1.layer.1.DenseReluDense.wi_1.weight", drop, "wi_1.weight: missing; expected [10, 8]" },
        { "decoder.final_layer_norm.weight", drop, "decoder.final_layer_norm.weight: missing; expected [8]" },
        { "encoder.block.1.layer.0.SelfAttention.o.weight", turn,
          "o.weight: expected shape [8, 12] (config.json), found [12, 8]" },
        { "decoder.block.0.layer.2.DenseReluDense.wo.weight", as_i32,
          "wo.weight: expected F32, F16 or BF16, found I32" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        make(&small, TENSOR_F32);
        target = rows[i].name;
        rewrite("model.safetensors", rows[i].change, NULL);
        expect_refusal(rows[i].expected);
    }
}

static void test_names_of_shared_tensors(void **state)
{
    (void)state;
    static const char *const doubles[] = { "encoder.embed_tokens.weight", "decoder.embed_tokens.weight", NULL };
    struct t5_config tied = small;
    make(&small, TENSOR_F32);
    target = "";
    rewrite("model.safetensors", drop, doubles);
    checkpoint_close(open_it());
    target = "shared.weight";
    rewrite("model.safetensors", drop, NULL);
    struct checkpoint *checkpoint = open_it();
    assert_string_equal(checkpoint->embedding->name, "encoder.embed_tokens.weight");
    checkpoint_close(checkpoint);
    tied.tied = true;
    make(&tied, TENSOR_F32);
    target = "shared.weight";
    rewrite("model.safetensors", drop, (const char *const[]){ "lm_head.weight", NULL });
    checkpoint_close(open_it());
}

static bool even(struct tensor *tensor, size_t at) { (void)tensor; return at % 2 == 0; }
static bool odd(struct tensor *tensor, size_t at) { (void)tensor; return at % 2 == 1; }

static void test_shards(void **state)
{
    (void)state;
    char path[PATH_MAX];
    struct buf index;
    make(&small, TENSOR_BF16);
    rewrite("model-00001-of-00002.safetensors", even, NULL);
    rewrite("model-00002-of-00002.safetensors", odd, NULL);
    struct checkpoint *checkpoint = open_it();
    buf_init(&index, 1 << 16);
    buf_add_text(&index, "{\"metadata\":{\"total_size\":1},\"weight_map\":{");
    for (size_t i = 0; i < safetensors_count(checkpoint->files[0]); i++)
        buf_printf(&index, "%s\"%s\":\"model-0000%d-of-00002.safetensors\"", i ? "," : "",
                   safetensors_at(checkpoint->files[0], i)->name, (int)(i % 2) + 1);
    buf_add_text(&index, "}}");
    checkpoint_close(checkpoint);
    snprintf(path, sizeof path, "%s/model.safetensors", dir);
    unlink(path);
    expect_refusal("has neither model.safetensors nor model.safetensors.index.json");
    put_file("model.safetensors.index.json", index.data);
    checkpoint = open_it();
    assert_int_equal(checkpoint->file_count, 2);
    checkpoint_close(checkpoint);
    put_file("model.safetensors.index.json",
             "{\"weight_map\":{\"shared.weight\":\"model-00001-of-00002.safetensors\"}}");
    expect_refusal("missing; expected");
    put_file("model.safetensors.index.json", "{\"weight_map\":{\"shared.weight\":\"../x\"}}");
    expect_refusal("must be the name of a file in this folder");
    put_file("model.safetensors.index.json", "{\"weight_map\":{\"shared.weight\":3}}");
    expect_refusal("must be the name of a file in this folder");
    put_file("model.safetensors.index.json", "{\"weight_map\":{\"shared.weight\":\"absent.safetensors\"}}");
    expect_refusal("absent.safetensors: cannot open");
    put_file("model.safetensors.index.json", "{}");
    expect_refusal("weight_map: must be an object");
    buf_free(&index);
}

static void test_config_is_checked(void **state)
{
    (void)state;
#define SIZES "\"vocab_size\":40,\"d_model\":8,\"d_kv\":3,\"d_ff\":10,\"num_layers\":2,\"num_heads\":4"
    static const struct { const char *text, *expected; } rows[] = {
        { "{}", "vocab_size: is missing" },
        { "{\"model_type\":\"bart\"," SIZES "}", "model_type: must be t5, found bart" },
        { "{\"is_encoder_decoder\":false," SIZES "}", "is_encoder_decoder: must be true" },
        { "{\"vocab_size\":40,\"d_model\":0}", "d_model: must be an integer between 1 and" },
        { "{\"vocab_size\":40,\"d_model\":8,\"d_kv\":3,\"d_ff\":10,\"num_layers\":1000000}", "num_layers: must be" },
        { "{\"vocab_size\":40,\"d_model\":8,\"d_kv\":131072,\"d_ff\":10,\"num_layers\":2,\"num_heads\":131072}",
          "num_heads * d_kv" },
        { "{" SIZES ",\"feed_forward_proj\":\"gated-silu\"}", "feed_forward_proj: must be one of relu, gated-gelu" },
        { "{" SIZES ",\"relative_attention_num_buckets\":7}", "must be even, found 7" },
        { "{" SIZES ",\"relative_attention_max_distance\":16}", "relative_attention_max_distance: must be" },
        { "{" SIZES ",\"relative_attention_num_buckets\":512}", "must be above half the buckets, 256, found 128" },
        { "{" SIZES ",\"layer_norm_epsilon\":0}", "layer_norm_epsilon: must be a number" },
        { "{" SIZES ",\"eos_token_id\":[1,2]}", "eos_token_id: must be one token id" },
        { "{" SIZES ",\"eos_token_id\":40}", "eos_token_id: must be below vocab_size 40, found 40" },
        { "{" SIZES ",\"tie_word_embeddings\":1}", "tie_word_embeddings: must be" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct t5_config config;
        struct err err = { 0 };
        assert_false(config_parse(rows[i].text, strlen(rows[i].text), &config, &err));
        if (!strstr(err.text, rows[i].expected))
            fail_msg("expected \"%s\", got \"%s\"", rows[i].expected, err.text);
    }
    struct t5_config config;
    struct err err;
    assert_true(config_parse("{" SIZES "}", strlen("{" SIZES "}"), &config, &err));
    assert_true(config.tied && !config.gated && config.decoder_layer_count == 2 && config.decoder_start_id == 0);
    assert_true(config_parse("{" SIZES ",\"pad_token_id\":3,\"decoder_start_token_id\":null}",
                             strlen("{" SIZES ",\"pad_token_id\":3,\"decoder_start_token_id\":null}"), &config, &err));
    assert_int_equal(config.decoder_start_id, 3);
}

static void test_generation_config(void **state)
{
    (void)state;
    static const struct { const char *text, *expected; } rows[] = {
        { "{\"num_beams\":0}", "num_beams: must be" },
        { "{\"do_sample\":true}", "do_sample: true is not supported" },
        { "{\"num_beam_groups\":2}", "num_beam_groups: is not supported" },
        { "{\"bad_words_ids\":[[3]]}", "bad_words_ids: is not supported" },
        { "{\"early_stopping\":\"soon\"}", "early_stopping: must be true, false or \"never\"" },
        { "{\"repetition_penalty\":0}", "repetition_penalty: must be" },
        { "{\"max_length\":0}", "max_length: must be" },
        { "{\"max_length\":1}", "max_length: must be between 2" },
        { "{\"eos_token_id\":99}", "eos_token_id: must be below" },
    };
    struct t5_config config = small;
    struct t5_params params = generation_defaults();
    struct err err = { 0 };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_false(generation_parse(rows[i].text, strlen(rows[i].text), &config, &params, &err));
        if (!strstr(err.text, rows[i].expected))
            fail_msg("expected \"%s\", got \"%s\"", rows[i].expected, err.text);
        config = small;
        params = generation_defaults();
    }
    const char
        *good = "{\"num_beams\":4,\"early_stopping\":\"never\",\"max_new_tokens\":30,\"min_length\":5,\"top_k\":50,"
                "\"length_penalty\":0.5,\"repetition_penalty\":null,\"eos_token_id\":[3],\"num_beam_groups\":1}";
    if (!generation_parse(good, strlen(good), &config, &params, &err))
        fail_msg("%s", err.text);
    assert_true(params.num_beams == 4 && params.early_stopping == T5_EARLY_NEVER && params.max_length == 31);
    assert_true(params.min_length == 5 && params.length_penalty == 0.5 && params.repetition_penalty == 1.0f);
    assert_true(config.eos_id == 3 && config.pad_id == 0);
}

/* The folders that transformers and Google wrote. */
static void test_real_folders(void **state)
{
    (void)state;
    static const struct { const char *name; size_t parameters; } rows[] = {
        { "t5/reference/relu-tied", 246784 }, { "t5/reference/gated-untied", 619088 }, { "t5/t5x-tiny", 518240 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char path[PATH_MAX];
        struct checkpoint *checkpoint;
        struct err err;
        snprintf(path, sizeof path, "%s/%s", getenv("WARDSCRIBE_DATA"), rows[i].name);
        if (access(path, R_OK) != 0) {
            print_message("%s is absent: skipped\n", path);
            skip();
        }
        if (!checkpoint_open(path, &checkpoint, &err))
            fail_msg("%s", err.text);
        assert_int_equal(checkpoint->parameter_count, rows[i].parameters);
        checkpoint_close(checkpoint);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_opens_what_was_made, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_wrong_tensors_are_named, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_names_of_shared_tensors, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_shards, make_dir, remove_dir),
        cmocka_unit_test(test_config_is_checked),
        cmocka_unit_test(test_generation_config),
        cmocka_unit_test(test_real_folders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
