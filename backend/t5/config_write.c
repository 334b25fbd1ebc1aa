#include "base/mem.h"
#include "t5/config.h"

#include <stdio.h>
#include <string.h>

static const char *feed_forward_name(const struct t5_config *config)
{
    if (config->gated)
        return config->gelu_new ? "gated-gelu" : "gated-relu";
    return config->gelu_new ? "gelu_new" : "relu";
}

/* The shortest decimal that reads back as the same float. */
static void put_float(struct json_writer *writer, const char *key, float value)
{
    char text[32];
    for (int digits = 1; digits <= 9; digits++) {
        float back;
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if (sscanf(text, "%f", &back) == 1 && back == value)
            break;
    }
    json_put_raw(writer, key, text);
}

void t5_config_print(const struct t5_config *config, struct buf *out)
{
    const struct { const char *key; int value; } ints[] = {
        { "vocab_size", config->vocab_size }, { "d_model", config->d_model }, { "d_kv", config->d_kv },
        { "d_ff", config->d_ff }, { "num_layers", config->layer_count },
        { "num_decoder_layers", config->decoder_layer_count }, { "num_heads", config->head_count },
        { "relative_attention_num_buckets", config->bucket_count },
        { "relative_attention_max_distance", config->bucket_distance_max }, { "pad_token_id", config->pad_id },
        { "eos_token_id", config->eos_id }, { "decoder_start_token_id", config->decoder_start_id },
    };
    struct json_writer writer = json_write(out);
    json_put_object(&writer, NULL);
    json_put_array(&writer, "architectures");
    json_put_text(&writer, NULL, "T5ForConditionalGeneration");
    json_put_end(&writer);
    json_put_text(&writer, "model_type", "t5");
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++)
        json_put_int(&writer, ints[i].key, ints[i].value);
    json_put_text(&writer, "feed_forward_proj", feed_forward_name(config));
    json_put_bool(&writer, "tie_word_embeddings", config->tied);
    json_put_bool(&writer, "is_encoder_decoder", true);
    put_float(&writer, "layer_norm_epsilon", config->layer_norm_epsilon);
    put_float(&writer, "dropout_rate", config->dropout_rate);
    json_put_end(&writer);
}
