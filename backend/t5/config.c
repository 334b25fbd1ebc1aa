#include "t5/config.h"

#include "base/bounds.h"
#include "base/file.h"

#include <float.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

bool read_json_file(const char *dir, const char *name, struct json **out, struct err *err)
{
    char path[PATH_MAX];
    struct buf text;
    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path)
        return err_set(err, ERR_INPUT, "%s: the path is too long", name);
    if (!file_read(path, T5_JSON_SIZE_MAX, &text, err))
        return false;
    bool ok = json_parse_object(text.data, text.length, T5_JSON_SIZE_MAX, out, err) || err_context(err, "%s", path);
    buf_free(&text);
    return ok;
}

/* ---- config.json ---- */

static bool get_int(const struct json *from, const char *key, unsigned how, int min, int max, int *out, struct err *err)
{
    int64_t value = *out;
    if (!json_get_int(from, key, how, min, max, &value, err))
        return false;
    *out = (int)value;
    return true;
}

static bool get_float(const struct json *from, const char *key, double min, double max, float *out, struct err *err)
{
    double value = (double)*out;
    if (!json_get_double(from, key, JSON_NULLABLE, min, max, &value, err))
        return false;
    *out = (float)value + 0.0f;   /* -0 is 0 */
    return true;
}

/* An id, or a list that holds one id. */
static bool get_id(const struct json *from, const char *key, int *out, struct err *err)
{
    const struct json *list = NULL;
    int64_t id;
    struct err ignored;
    if (!json_get_array(from, key, JSON_NULLABLE, 64, &list, &ignored) || !list)
        return get_int(from, key, JSON_NULLABLE, 0, T5_VOCAB_SIZE_MAX - 1, out, err);
    if (json_count(list) != 1 || !json_int_of(json_item(list, 0), &id) || id < 0 || id >= T5_VOCAB_SIZE_MAX)
        return err_set(err, ERR_INPUT, "%s: must be one token id (several are not supported)", key);
    *out = (int)id;
    return true;
}

/* "gated-gelu" means gelu_new, as transformers has it for the first T5 v1.1 checkpoints. */
static bool read_feed_forward(const struct json *from, struct t5_config *out, struct err *err)
{
    static const char *const names[] = { "relu", "gated-gelu", "gated-gelu_new", "gated-relu", "gelu_new", NULL };
    static const struct { bool gated, gelu_new; } meanings[] = {
        { false, false }, { true, true }, { true, true }, { true, false }, { false, true },
    };
    int choice = 0;
    if (!json_get_choice(from, "feed_forward_proj", 0, names, &choice, err))
        return false;
    out->gated = meanings[choice].gated;
    out->gelu_new = meanings[choice].gelu_new;
    return true;
}

static bool check_kind(const struct json *from, struct err *err)
{
    const char *type = "t5";
    bool two_ways = true;
    if (!json_get_text(from, "model_type", JSON_NULLABLE, 0, 64, &type, err) ||
        !json_get_bool(from, "is_encoder_decoder", JSON_NULLABLE, &two_ways, err))
        return false;
    if (strcmp(type, "t5") != 0)
        return err_set(err, ERR_INPUT, "model_type: must be t5, found %s", type);
    return two_ways || err_set(err, ERR_INPUT, "is_encoder_decoder: must be true");
}

static bool read_sizes(const struct json *from, struct t5_config *out, struct err *err)
{
    const unsigned must = JSON_REQUIRED;
    if (!get_int(from, "vocab_size", must, 2, T5_VOCAB_SIZE_MAX, &out->vocab_size, err) ||
        !get_int(from, "d_model", must, 1, T5_WIDTH_MAX, &out->d_model, err) ||
        !get_int(from, "d_kv", must, 1, T5_WIDTH_MAX, &out->d_kv, err) ||
        !get_int(from, "d_ff", must, 1, T5_WIDTH_MAX, &out->d_ff, err) ||
        !get_int(from, "num_layers", must, 1, T5_LAYER_COUNT_MAX, &out->layer_count, err) ||
        !get_int(from, "num_heads", must, 1, T5_WIDTH_MAX, &out->head_count, err))
        return false;
    if ((int64_t)out->head_count * out->d_kv > T5_WIDTH_MAX)
        return err_set(err, ERR_INPUT, "num_heads * d_kv: must be at most %d", T5_WIDTH_MAX);
    out->decoder_layer_count = out->layer_count;
    return get_int(from, "num_decoder_layers", JSON_NULLABLE, 1, T5_LAYER_COUNT_MAX, &out->decoder_layer_count, err);
}

/* An even bucket count of at least 4: the encoder halves it for the sign, and half of that is exact. */
static bool read_buckets(const struct json *from, struct t5_config *out, struct err *err)
{
    if (!get_int(from, "relative_attention_num_buckets", 0, 4, T5_BUCKET_COUNT_MAX, &out->bucket_count, err))
        return false;
    if (out->bucket_count % 2)
        return err_set(err, ERR_INPUT, "relative_attention_num_buckets: must be even, found %d", out->bucket_count);
    /* The default distance may be too small for the number of buckets: it is checked like one that is given. */
    if (!get_int(from, "relative_attention_max_distance", 0, 1, 1 << 20, &out->bucket_distance_max, err))
        return false;
    return out->bucket_distance_max > out->bucket_count / 2 ||
           err_set(err, ERR_INPUT, "relative_attention_max_distance: must be above half the buckets, %d, found %d",
                   out->bucket_count / 2, out->bucket_distance_max);
}

static bool check_ids(const struct t5_config *config, struct err *err)
{
    const struct { const char *key; int id; } ids[] = {
        { "pad_token_id", config->pad_id }, { "eos_token_id", config->eos_id },
        { "decoder_start_token_id", config->decoder_start_id },
    };
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        if (ids[i].id >= config->vocab_size)
            return err_set(err, ERR_INPUT, "%s: must be below vocab_size %d, found %d", ids[i].key,
                           config->vocab_size, ids[i].id);
    return true;
}

static bool read_ids(const struct json *from, struct t5_config *out, struct err *err)
{
    if (!get_id(from, "pad_token_id", &out->pad_id, err) || !get_id(from, "eos_token_id", &out->eos_id, err) ||
        !get_id(from, "decoder_start_token_id", &out->decoder_start_id, err))
        return false;
    if (out->decoder_start_id < 0)
        out->decoder_start_id = out->pad_id;   /* absent or null: what every T5 does */
    return check_ids(out, err);
}

static bool config_from(const struct json *from, struct t5_config *out, struct err *err)
{
    *out = (struct t5_config){ .bucket_count = 32, .bucket_distance_max = 128, .eos_id = 1, .decoder_start_id = -1,
                               .layer_norm_epsilon = 1e-6f, .dropout_rate = 0.1f, .tied = true };
    return check_kind(from, err) && read_sizes(from, out, err) && read_buckets(from, out, err) &&
           read_feed_forward(from, out, err) &&
           get_float(from, "layer_norm_epsilon", 1e-12, 1, &out->layer_norm_epsilon, err) &&
           get_float(from, "dropout_rate", 0, 0.999, &out->dropout_rate, err) &&
           json_get_bool(from, "tie_word_embeddings", JSON_NULLABLE, &out->tied, err) && read_ids(from, out, err);
}

bool config_parse(const char *text, size_t length, struct t5_config *out, struct err *err)
{
    struct json *root;
    if (!json_parse_object(text, length, T5_JSON_SIZE_MAX, &root, err))
        return false;
    bool ok = config_from(root, out, err);
    json_free(root);
    return ok;
}

bool config_read(const char *dir, struct t5_config *out, struct err *err)
{
    struct json *root;
    if (!read_json_file(dir, "config.json", &root, err))
        return false;
    bool ok = config_from(root, out, err) || err_context(err, "%s/config.json", dir);
    json_free(root);
    return ok;
}

/* ---- generation_config.json ---- */

struct t5_params generation_defaults(void)
{
    return (struct t5_params){ .num_beams = 1, .max_length = 20, .length_penalty = 1.0, .repetition_penalty = 1.0f };
}

/* What would change the text and is not implemented: null or the neutral number passes. */
static bool refuse_others(const struct json *from, struct err *err)
{
    static const struct { const char *key; double neutral; } others[] = {
        { "num_beam_groups", 1 }, { "diversity_penalty", 0 }, { "encoder_repetition_penalty", 1 },
        { "encoder_no_repeat_ngram_size", 0 }, { "guidance_scale", 1 }, { "penalty_alpha", 0 }, { "min_new_tokens", 0 },
        { "bad_words_ids", -1 }, { "force_words_ids", -1 }, { "constraints", -1 }, { "forced_bos_token_id", -1 },
        { "forced_eos_token_id", -1 }, { "sequence_bias", -1 }, { "suppress_tokens", -1 },
        { "begin_suppress_tokens", -1 }, { "exponential_decay_length_penalty", -1 }, { "dola_layers", -1 },
        { "stop_strings", -1 }, { "max_time", -1 },
        { "watermarking_config", -1 },
    };
    static const char *const flags[] = { "do_sample", "renormalize_logits", "remove_invalid_values" };
    struct err ignored;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        double value = others[i].neutral;
        if (json_has(from, others[i].key) && !json_has_null(from, others[i].key) &&
            (others[i].neutral < 0 ||
             !json_get_double(from, others[i].key, 0, others[i].neutral, others[i].neutral, &value, &ignored)))
            return err_set(err, ERR_INPUT, "%s: is not supported here; remove it", others[i].key);
    }
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        bool set = false;
        if (!json_get_bool(from, flags[i], JSON_NULLABLE, &set, err))
            return false;
        if (set)
            return err_set(err, ERR_INPUT, "%s: true is not supported here; remove it", flags[i]);
    }
    return true;
}

/* false, true, or "never". */
static bool read_early_stopping(const struct json *from, enum t5_early_stopping *out, struct err *err)
{
    static const char *const never[] = { "never", NULL };
    bool flag = *out == T5_EARLY_TRUE;
    int choice = -1;
    struct err ignored;
    if (json_get_choice(from, "early_stopping", JSON_NULLABLE, never, &choice, &ignored) && choice == 0) {
        *out = T5_EARLY_NEVER;
        return true;
    }
    if (!json_get_bool(from, "early_stopping", JSON_NULLABLE, &flag, &ignored))
        return err_set(err, ERR_INPUT, "early_stopping: must be true, false or \"never\"");
    *out = flag ? T5_EARLY_TRUE : T5_EARLY_FALSE;
    return true;
}

bool generation_values(const struct json *from, struct t5_params *out, struct err *err)
{
    return get_int(from, "min_length", JSON_NULLABLE, 0, INT_MAX, &out->min_length, err) &&
           get_int(from, "max_length", JSON_NULLABLE, 1, INT_MAX, &out->max_length, err) &&
           get_int(from, "num_beams", JSON_NULLABLE, 1, T5_BEAM_COUNT_MAX, &out->num_beams, err) &&
           get_int(from, "no_repeat_ngram_size", JSON_NULLABLE, 0, INT_MAX, &out->no_repeat_ngram_size, err) &&
           json_get_double(from, "length_penalty", JSON_NULLABLE, -10, 10, &out->length_penalty, err) &&
           get_float(from, "repetition_penalty", 1e-3, 1e3, &out->repetition_penalty, err) &&
           read_early_stopping(from, &out->early_stopping, err);
}

/* max_new_tokens goes before max_length, as in transformers; the start token is one more. */
static bool read_new_tokens(const struct json *from, struct t5_params *out, struct err *err)
{
    int new_max = 0;
    if (!get_int(from, "max_new_tokens", JSON_NULLABLE, 1, T5_TOKENS_MAX - 1, &new_max, err))
        return false;
    if (new_max > 0)
        out->max_length = new_max + 1;
    if (out->max_length > T5_TOKENS_MAX)
        out->max_length = T5_TOKENS_MAX;
    return true;
}

bool generation_from_json(const struct json *from, struct t5_config *config, struct t5_params *out, struct err *err)
{
    return refuse_others(from, err) && read_ids(from, config, err) && generation_values(from, out, err) &&
           read_new_tokens(from, out, err) && t5_params_check(out, err);
}

/* In a folder the default of 20 means 20 new tokens (GenerationMixin._prepare_generated_length). */
static bool generation_from_folder(const struct json *from, struct t5_config *config, struct t5_params *out,
                                   struct err *err)
{
    if (!generation_from_json(from, config, out, err))
        return false;
    if (out->max_length == 20 && (!json_has(from, "max_new_tokens") || json_has_null(from, "max_new_tokens")))
        out->max_length = 21;
    return true;
}

bool generation_parse(const char *text, size_t length, struct t5_config *config, struct t5_params *out, struct err *err)
{
    struct json *root;
    if (!json_parse_object(text, length, T5_JSON_SIZE_MAX, &root, err))
        return false;
    bool ok = generation_from_folder(root, config, out, err);
    json_free(root);
    return ok;
}

bool generation_read(const char *dir, struct t5_config *config, struct t5_params *out, struct err *err)
{
    const char *name = "generation_config.json";
    struct json *root;
    *out = generation_defaults();
    if (!read_json_file(dir, name, &root, err)) {
        name = "config.json";
        if (err->kind != ERR_NOT_FOUND || !read_json_file(dir, name, &root, err))
            return false;
    }
    bool ok = generation_from_folder(root, config, out, err) || err_context(err, "%s/%s", dir, name);
    json_free(root);
    return ok;
}
