#include "t5/train/layout.h"
#include "t5/train/dropout.h"

#include "base/err.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>

enum { ALIGN_ITEMS = 16, TENSORS_PER_LAYER = 16 };

/* Groups start at a multiple of 64 bytes; inside a group there is no gap. */
static void begin_group(struct layout *layout)
{
    layout->total = (layout->total + ALIGN_ITEMS - 1) / ALIGN_ITEMS * ALIGN_ITEMS;
}

__attribute__((format(printf, 4, 5))) static size_t add(struct layout *layout, size_t rows, size_t columns,
                                                        const char *format, ...)
{
    struct layout_tensor *tensor = &layout->tensors[layout->tensor_count++];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(tensor->name, sizeof tensor->name, format, arguments);
    va_end(arguments);
    CHECK(length > 0 && (size_t)length < sizeof tensor->name);
    tensor->offset = layout->total;
    tensor->rows = rows;
    tensor->columns = columns;
    layout->total += layout_count(tensor);
    return tensor->offset;
}

/* "encoder.block.0.layer.0.SelfAttention" */
static void add_attention(struct layout *layout, const char *stack, int block, int layer, const char *name,
                          size_t *out_bias, struct layout_attention *out)
{
    size_t D = layout->D, I = layout->I;
    begin_group(layout);
    out->q = out->qkv = add(layout, I, D, "%s.block.%d.layer.%d.%s.q.weight", stack, block, layer, name);
    out->k = add(layout, I, D, "%s.block.%d.layer.%d.%s.k.weight", stack, block, layer, name);
    add(layout, I, D, "%s.block.%d.layer.%d.%s.v.weight", stack, block, layer, name);
    begin_group(layout);
    out->o = add(layout, D, I, "%s.block.%d.layer.%d.%s.o.weight", stack, block, layer, name);
    if (out_bias)
        *out_bias = add(layout, (size_t)layout->config.bucket_count, (size_t)layout->config.head_count,
                        "%s.block.%d.layer.%d.%s.relative_attention_bias.weight", stack, block, layer, name);
    begin_group(layout);
    out->norm = add(layout, D, 0, "%s.block.%d.layer.%d.layer_norm.weight", stack, block, layer);
}

static void add_feed_forward(struct layout *layout, const char *stack, int block, int layer, struct layout_layer *out)
{
    size_t D = layout->D, F = layout->F;
    begin_group(layout);
    if (layout->config.gated) {
        out->wi = add(layout, F, D, "%s.block.%d.layer.%d.DenseReluDense.wi_0.weight", stack, block, layer);
        add(layout, F, D, "%s.block.%d.layer.%d.DenseReluDense.wi_1.weight", stack, block, layer);
    } else {
        out->wi = add(layout, F, D, "%s.block.%d.layer.%d.DenseReluDense.wi.weight", stack, block, layer);
    }
    begin_group(layout);
    out->wo = add(layout, D, F, "%s.block.%d.layer.%d.DenseReluDense.wo.weight", stack, block, layer);
    begin_group(layout);
    out->ff_norm = add(layout, D, 0, "%s.block.%d.layer.%d.layer_norm.weight", stack, block, layer);
}

struct layout *layout_new(const struct t5_config *config)
{
    struct layout *layout = mem_new(1, sizeof *layout);
    int encoder = config->layer_count, decoder = config->decoder_layer_count;
    layout->config = *config;
    layout->D = (size_t)config->d_model;
    layout->I = (size_t)config->head_count * (size_t)config->d_kv;
    layout->F = (size_t)config->d_ff;
    layout->V = (size_t)config->vocab_size;
    layout->tensors = mem_new((size_t)(encoder + decoder + 1) * TENSORS_PER_LAYER, sizeof *layout->tensors);
    layout->encoder = mem_new((size_t)encoder, sizeof *layout->encoder);
    layout->decoder = mem_new((size_t)decoder, sizeof *layout->decoder);
    layout->embedding = layout->head = add(layout, layout->V, layout->D, "shared.weight");
    for (int i = 0; i < encoder; i++) {
        add_attention(layout, "encoder", i, 0, "SelfAttention", i ? NULL : &layout->encoder_bias,
                      &layout->encoder[i].self);
        add_feed_forward(layout, "encoder", i, 1, &layout->encoder[i]);
    }
    layout->encoder_norm = add(layout, layout->D, 0, "encoder.final_layer_norm.weight");
    for (int i = 0; i < decoder; i++) {
        add_attention(layout, "decoder", i, 0, "SelfAttention", i ? NULL : &layout->decoder_bias,
                      &layout->decoder[i].self);
        add_attention(layout, "decoder", i, 1, "EncDecAttention", NULL, &layout->decoder[i].cross);
        add_feed_forward(layout, "decoder", i, 2, &layout->decoder[i]);
    }
    layout->decoder_norm = add(layout, layout->D, 0, "decoder.final_layer_norm.weight");
    begin_group(layout);
    if (!config->tied)
        layout->head = add(layout, layout->V, layout->D, "lm_head.weight");
    begin_group(layout);
    return layout;
}

void layout_free(struct layout *layout)
{
    if (!layout)
        return;
    mem_free(layout->tensors);
    mem_free(layout->encoder);
    mem_free(layout->decoder);
    mem_free(layout);
}

const struct layout_tensor *layout_find(const struct layout *layout, const char *name)
{
    for (size_t i = 0; i < layout->tensor_count; i++)
        if (strcmp(layout->tensors[i].name, name) == 0)
            return &layout->tensors[i];
    return NULL;
}

/* ---- initialisation ---- */

/* Normal by the sum of twelve uniforms (Irwin-Hall): integers and one division, so the same everywhere. */
static real normal(uint64_t *state)
{
    int64_t sum = 0;
    for (int i = 0; i < 12; i++) {
        *state = *state * 6364136223846793005u + 1442695040888963407u;
        sum += (int64_t)(*state >> 40);
    }
    return (real)((double)(sum - 6 * ((int64_t)1 << 24)) / (1 << 24));
}

/* Standard deviation by the end of the name: T5 scales q by d_kv^-0.5 here instead of in attention. */
static double deviation(const struct layout *layout, const char *name)
{
    double D = (double)layout->D, d_kv = layout->config.d_kv;
    const struct {
        const char *part;
        double deviation;
    } table[] = {
        { "shared", 1 }, { "lm_head", 1 }, { ".q.", 1 / sqrt(D * d_kv) }, { ".k.", 1 / sqrt(D) },
        { ".v.", 1 / sqrt(D) }, { ".o.", 1 / sqrt((double)layout->I) }, { "relative_attention_bias", 1 / sqrt(D) },
        { ".wi", 1 / sqrt(D) }, { ".wo", 1 / sqrt((double)layout->F) },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strstr(name, table[i].part))
            return table[i].deviation;
    return 0;                            /* layer_norm: all ones */
}

void layout_initialise(const struct layout *layout, uint64_t seed, real *params)
{
    for (size_t t = 0; t < layout->tensor_count; t++) {
        const struct layout_tensor *tensor = &layout->tensors[t];
        double scale = deviation(layout, tensor->name);
        uint64_t state = mix64(seed ^ mix64(t));
        for (size_t i = 0; i < layout_count(tensor); i++)
            params[tensor->offset + i] = scale > 0 ? normal(&state) * (real)scale : 1;
    }
}
