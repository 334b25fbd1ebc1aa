/* Fuzz target: config.json and generation_config.json (t5/config.h).
 * The first byte chooses: the input is the text; or it draws keys that the readers know, with values that
 * mostly fit.  Holds: what is accepted is within the bounds that everything behind relies on, and is
 * written and read back as the same. */
#include "base/bounds.h"
#include "t5/config.h"

#include <string.h>

static void check_config(const struct t5_config *c)
{
    CHECK(c->vocab_size >= 2 && c->vocab_size <= T5_VOCAB_SIZE_MAX && c->d_model >= 1 && c->d_model <= T5_WIDTH_MAX);
    CHECK(c->d_ff >= 1 && c->d_ff <= T5_WIDTH_MAX && (int64_t)c->head_count * c->d_kv <= T5_WIDTH_MAX);
    CHECK(c->layer_count >= 1 && c->layer_count <= T5_LAYER_COUNT_MAX);
    CHECK(c->decoder_layer_count >= 1 && c->decoder_layer_count <= T5_LAYER_COUNT_MAX);
    CHECK(c->bucket_count >= 4 && c->bucket_count % 2 == 0 && c->bucket_distance_max > c->bucket_count / 2);
    CHECK(c->pad_id >= 0 && c->pad_id < c->vocab_size && c->eos_id >= 0 && c->eos_id < c->vocab_size);
    CHECK(c->decoder_start_id >= 0 && c->decoder_start_id < c->vocab_size);
    CHECK(c->layer_norm_epsilon > 0 && c->dropout_rate >= 0 && c->dropout_rate < 1);
}

static void check_again(const struct t5_config *config)
{
    struct t5_config again;
    struct err err;
    struct buf text, text_again;
    buf_init(&text, 1 << 16);
    buf_init(&text_again, 1 << 16);
    t5_config_print(config, &text);
    CHECK(config_parse(text.data, text.length, &again, &err));
    t5_config_print(&again, &text_again);
    CHECK(strcmp(text.data, text_again.data) == 0);
    buf_free(&text);
    buf_free(&text_again);
}

static void read_both(const char *text, size_t size)
{
    struct t5_config config;
    struct t5_params params = generation_defaults();
    struct err err = { 0 };
    memset(&config, 0, sizeof config);
    if (config_parse(text, size, &config, &err)) {
        check_config(&config);
        check_again(&config);
    } else {
        CHECK(err.text[0]);
        config = (struct t5_config){ .vocab_size = 100, .eos_id = 1 };
    }
    if (generation_parse(text, size, &config, &params, &err)) {
        CHECK(t5_params_check(&params, &err));
        CHECK(config.eos_id >= 0 && config.eos_id < config.vocab_size);
    }
}

static const char *const keys[] = {
    "vocab_size", "d_model", "d_kv", "d_ff", "num_layers", "num_heads", "num_decoder_layers", "model_type",
    "relative_attention_num_buckets", "relative_attention_max_distance", "pad_token_id", "eos_token_id",
    "decoder_start_token_id", "feed_forward_proj", "tie_word_embeddings", "is_encoder_decoder", "layer_norm_epsilon",
    "dropout_rate", "num_beams", "min_length", "max_length", "max_new_tokens", "length_penalty", "repetition_penalty",
    "early_stopping", "no_repeat_ngram_size", "do_sample", "num_beam_groups", "bad_words_ids", "forced_eos_token_id",
    "renormalize_logits", "encoder_repetition_penalty", "x",
};
static const char *const values[] = {
    "1", "0", "-1", "2", "3", "4", "32", "64", "128", "512", "1024", "32128", "131072", "131073", "1048576",
    "2147483647", "2147483648", "9223372036854775807", "1.0", "0.5", "1e-6", "1e300", "-0.0", "true", "false", "null",
    "\"never\"", "\"relu\"", "\"gated-gelu\"", "\"gated-relu\"", "\"t5\"", "\"\"", "[]", "[1]", "[1,2]", "[[1]]", "{}",
    "{\"a\":{}}", "[1.5]",
};

static void read_drawn(const uint8_t *data, size_t size)
{
    struct buf text;
    buf_init(&text, 1 << 16);
    buf_add_text(&text, "{");
    for (size_t i = 0; i < 7 && i < size && data[0] % 4; i++)   /* what a configuration must have, mostly */
        if (i != 6)
            buf_printf(&text, "\"%s\":%s,", keys[i], values[3 + data[i] % 9]);
    for (size_t i = 7; i + 1 < size; i += 2)
        buf_printf(&text, "\"%s\":%s,", keys[data[i] % (sizeof keys / sizeof *keys)],
                   values[data[i + 1] % (sizeof values / sizeof *values)]);
    buf_add_text(&text, "\"end\":1}");
    read_both(text.data, text.length);
    buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] & 1)
        read_drawn(data + 1, size - 1 > 200 ? 200 : size - 1);
    else
        read_both((const char *)data + 1, size - 1);
    return 0;
}
