#include "t5/forward_plain.h"

#include "base/arena.h"
#include "base/bounds.h"
#include "base/mem.h"
#include "t5/generate.h"
#include "t5/ops.h"

#include <float.h>
#include <math.h>
#include <string.h>

struct plain_model {
    struct checkpoint weights;      /* as the checkpoint's, every tensor an aligned F32 */
    struct tensor *tensors;
    size_t tensor_count;
    struct arena converted;
};

/* ---- weights ---- */

struct conversion {
    struct plain_model *model;
    bool counting;
};

static bool convert(void *context, const char *name, const struct tensor **slot, int rank, const size_t *shape,
                    struct err *err)
{
    struct conversion *c = context;
    (void)name, (void)rank, (void)shape, (void)err;
    if (c->counting) {
        c->model->tensor_count++;
        return true;
    }
    struct tensor *tensor = &c->model->tensors[c->model->tensor_count++];
    *tensor = **slot;
    if (tensor->type != TENSOR_F32 || !tensor_is_aligned(tensor)) {
        float *values = arena_alloc(&c->model->converted, tensor->count * sizeof *values);
        tensor_read_f32(tensor, 0, tensor->count, values);
        tensor->type = TENSOR_F32;
        tensor->data = values;
    }
    *slot = tensor;
    return true;
}

struct plain_model *plain_open(const struct checkpoint *checkpoint)
{
    struct plain_model *model = mem_new(1, sizeof *model);
    struct checkpoint *weights = &model->weights;
    const struct t5_config *c = &checkpoint->config;
    *weights = *checkpoint;
    weights->encoder = mem_new((size_t)c->layer_count, sizeof *weights->encoder);
    weights->decoder = mem_new((size_t)c->decoder_layer_count, sizeof *weights->decoder);
    memcpy(weights->encoder, checkpoint->encoder, (size_t)c->layer_count * sizeof *weights->encoder);
    memcpy(weights->decoder, checkpoint->decoder, (size_t)c->decoder_layer_count * sizeof *weights->decoder);
    arena_init(&model->converted, SIZE_MAX / 2);
    struct conversion conversion = { .model = model, .counting = true };
    CHECK(checkpoint_each(weights, convert, &conversion, NULL));
    model->tensors = mem_new(model->tensor_count, sizeof *model->tensors);
    model->tensor_count = 0;
    conversion.counting = false;
    CHECK(checkpoint_each(weights, convert, &conversion, NULL));
    if (c->tied)
        weights->head = weights->embedding;
    return model;
}

void plain_close(struct plain_model *model)
{
    if (!model)
        return;
    arena_free(&model->converted);
    mem_free(model->weights.encoder);
    mem_free(model->weights.decoder);
    mem_free(model->tensors);
    mem_free(model);
}

static const float *values(const struct tensor *tensor)
{
    return tensor->data;
}

/* ---- blocks that encoder and decoder share ---- */

struct sizes {
    size_t D, H, K, inner, ff, V;   /* inner = H * K */
};

static struct sizes sizes_of(const struct plain_model *model)
{
    const struct t5_config *c = &model->weights.config;
    return (struct sizes){ .D = (size_t)c->d_model, .H = (size_t)c->head_count, .K = (size_t)c->d_kv,
                           .inner = (size_t)c->head_count * (size_t)c->d_kv, .ff = (size_t)c->d_ff,
                           .V = (size_t)c->vocab_size };
}

/* x += wo(act(wi(norm(x))) [* gate(norm(x))])        x [N, D] */
static void feed_forward(const struct plain_model *model, const struct ff_weights *weights, size_t N, float *x)
{
    const struct t5_config *c = &model->weights.config;
    const struct sizes s = sizes_of(model);
    float *normed = mem_new(N * s.D, sizeof *normed), *hidden = mem_new(N * s.ff, sizeof *hidden);
    op_rms_norm(x, values(weights->norm), c->layer_norm_epsilon, N, s.D, normed);
    op_linear(normed, values(weights->wi), N, s.D, s.ff, hidden);
    if (c->gelu_new)
        op_gelu_new(hidden, N * s.ff);
    else
        op_relu(hidden, N * s.ff);
    if (weights->gate) {
        float *gate = mem_new(N * s.ff, sizeof *gate);
        op_linear(normed, values(weights->gate), N, s.D, s.ff, gate);
        op_multiply(hidden, gate, N * s.ff);
        mem_free(gate);
    }
    op_linear(hidden, values(weights->wo), N, s.ff, s.D, normed);
    op_add(x, normed, N * s.D);
    mem_free(hidden);
    mem_free(normed);
}

/* x += o(attended)        attended [N, inner]  x [N, D] */
static void attention_out(const struct plain_model *model, const struct attention_weights *weights,
                          const float *attended, size_t N, float *x)
{
    const struct sizes s = sizes_of(model);
    float *out = mem_new(N * s.D, sizeof *out);
    op_linear(attended, values(weights->o), N, s.inner, s.D, out);
    op_add(x, out, N * s.D);
    mem_free(out);
}

/* ---- encoder ---- */

/* bias[h][j] for a query at position i, masked keys at -FLT_MAX as transformers has it.  [H, T] */
static void encoder_bias_of(const struct plain_model *model, size_t i, const int32_t *mask, size_t T, float *bias)
{
    const struct t5_config *c = &model->weights.config;
    const float *table = values(model->weights.encoder_bias);
    const size_t H = (size_t)c->head_count;
    for (size_t j = 0; j < T; j++) {
        int bucket = relative_bucket((int)j - (int)i, true, c->bucket_count, c->bucket_distance_max);
        for (size_t h = 0; h < H; h++)
            bias[h * T + j] = mask && !mask[j] ? -FLT_MAX : table[(size_t)bucket * H + h];
    }
}

static void encoder_attention(const struct plain_model *model, const struct attention_weights *weights,
                              const float *biases, size_t T, float *x)
{
    const struct sizes s = sizes_of(model);
    float *normed = mem_new(T * s.D, sizeof *normed), *qkv = mem_new(4 * T * s.inner, sizeof *qkv);
    float *q = qkv, *k = q + T * s.inner, *v = k + T * s.inner, *attended = v + T * s.inner;
    float *scores = mem_new(T, sizeof *scores);
    const float **keys = mem_new(2 * T, sizeof *keys), **vals = keys + T;
    op_rms_norm(x, values(weights->norm), model->weights.config.layer_norm_epsilon, T, s.D, normed);
    op_linear(normed, values(weights->q), T, s.D, s.inner, q);
    op_linear(normed, values(weights->k), T, s.D, s.inner, k);
    op_linear(normed, values(weights->v), T, s.D, s.inner, v);
    for (size_t j = 0; j < T; j++)
        keys[j] = k + j * s.inner, vals[j] = v + j * s.inner;
    for (size_t i = 0; i < T; i++)
        op_attend(q + i * s.inner, keys, vals, biases + i * s.H * T, T, T, s.H, s.K, scores, attended + i * s.inner);
    attention_out(model, weights, attended, T, x);
    mem_free(keys);
    mem_free(scores);
    mem_free(qkv);
    mem_free(normed);
}

void plain_encode(const struct plain_model *model, const int32_t *ids, const int32_t *mask, size_t T, float *out)
{
    const struct checkpoint *w = &model->weights;
    const struct sizes s = sizes_of(model);
    float *biases = mem_new(T * s.H * T, sizeof *biases);
    for (size_t i = 0; i < T; i++)
        encoder_bias_of(model, i, mask, T, biases + i * s.H * T);
    op_embed(ids, values(w->embedding), T, s.D, out);
    for (int l = 0; l < w->config.layer_count; l++) {
        encoder_attention(model, &w->encoder[l].self, biases, T, out);
        feed_forward(model, &w->encoder[l].ff, T, out);
    }
    op_rms_norm(out, values(w->encoder_norm), w->config.layer_norm_epsilon, T, s.D, out);
    mem_free(biases);
}

/* ---- decoder ---- */

struct plain_decoder {
    const struct plain_model *model;
    size_t T, row_max, length_max, length;   /* length: positions done */
    float *cross_keys, *cross_values;        /* [layers, T, inner] */
    float *self_keys, *self_values;          /* [layers, length_max, row_max, inner] */
    int *paths, *old_paths;                  /* [row_max, length_max]: whose keys a row looks at */
    float *cross_bias;                       /* [H, T], 0 or -FLT_MAX; NULL: no mask */
    const float **keys, **vals;              /* [max(T, length_max)] work space */
    float *scores, *bias, *work;
    struct arena arena;
};

static void make_cross(struct plain_decoder *d, const float *states, const int32_t *mask)
{
    const struct sizes s = sizes_of(d->model);
    const struct checkpoint *w = &d->model->weights;
    for (int l = 0; l < w->config.decoder_layer_count; l++) {
        size_t at = (size_t)l * d->T * s.inner;
        op_linear(states, values(w->decoder[l].cross.k), d->T, s.D, s.inner, d->cross_keys + at);
        op_linear(states, values(w->decoder[l].cross.v), d->T, s.D, s.inner, d->cross_values + at);
    }
    if (!mask)
        return;
    d->cross_bias = arena_alloc(&d->arena, s.H * d->T * sizeof *d->cross_bias);
    for (size_t h = 0; h < s.H; h++)
        for (size_t j = 0; j < d->T; j++)
            d->cross_bias[h * d->T + j] = mask[j] ? 0 : -FLT_MAX;
}

struct plain_decoder *plain_decoder_new(const struct plain_model *model, const float *states, const int32_t *mask,
                                        size_t T, size_t row_max, size_t length_max)
{
    const struct sizes s = sizes_of(model);
    const size_t layers = (size_t)model->weights.config.decoder_layer_count, longest = T > length_max ? T : length_max;
    struct plain_decoder *d = mem_new(1, sizeof *d);
    *d = (struct plain_decoder){ .model = model, .T = T, .row_max = row_max, .length_max = length_max };
    arena_init(&d->arena, SIZE_MAX / 2);
    struct arena *a = &d->arena;
    d->cross_keys = arena_alloc(a, layers * T * s.inner * sizeof(float));
    d->cross_values = arena_alloc(a, layers * T * s.inner * sizeof(float));
    d->self_keys = arena_alloc(a, layers * length_max * row_max * s.inner * sizeof(float));
    d->self_values = arena_alloc(a, layers * length_max * row_max * s.inner * sizeof(float));
    d->paths = arena_alloc(a, row_max * length_max * sizeof(int));
    d->old_paths = arena_alloc(a, row_max * length_max * sizeof(int));
    d->keys = arena_alloc(a, longest * sizeof *d->keys);
    d->vals = arena_alloc(a, longest * sizeof *d->vals);
    d->scores = arena_alloc(a, longest * sizeof(float));
    d->bias = arena_alloc(a, s.H * length_max * sizeof(float));
    d->work = arena_alloc(a, row_max * (2 * s.D + 2 * s.inner) * sizeof(float));
    make_cross(d, states, mask);
    return d;
}

void plain_decoder_free(struct plain_decoder *decoder)
{
    if (!decoder)
        return;
    arena_free(&decoder->arena);
    mem_free(decoder);
}

/* Where layer l keeps what row `row` made at `position`. */
static size_t cache_at(const struct plain_decoder *d, int l, size_t position, size_t row)
{
    return (((size_t)l * d->length_max + position) * d->row_max + row) * sizes_of(d->model).inner;
}

static void follow_parents(struct plain_decoder *d, const int *parents, size_t R)
{
    int *old = d->paths;
    d->paths = d->old_paths;
    d->old_paths = old;
    for (size_t r = 0; r < R; r++) {
        if (d->length > 0)
            memcpy(d->paths + r * d->length_max, old + (size_t)parents[r] * d->length_max, d->length * sizeof *old);
        d->paths[r * d->length_max + d->length] = (int)r;
    }
}

/* bias[h][j] of keys 0..length for a query at `length`.  [H, length_max] */
static void decoder_bias_of(struct plain_decoder *d)
{
    const struct t5_config *c = &d->model->weights.config;
    const float *table = values(d->model->weights.decoder_bias);
    const size_t H = (size_t)c->head_count;
    for (size_t j = 0; j <= d->length; j++) {
        int bucket = relative_bucket((int)j - (int)d->length, false, c->bucket_count, c->bucket_distance_max);
        for (size_t h = 0; h < H; h++)
            d->bias[h * d->length_max + j] = table[(size_t)bucket * H + h];
    }
}

static void self_attention(struct plain_decoder *d, int l, size_t R, float *x)
{
    const struct sizes s = sizes_of(d->model);
    const struct attention_weights *weights = &d->model->weights.decoder[l].self;
    float *normed = d->work + R * s.D, *q = normed + R * s.D, *attended = q + R * s.inner;
    op_rms_norm(x, values(weights->norm), d->model->weights.config.layer_norm_epsilon, R, s.D, normed);
    op_linear(normed, values(weights->q), R, s.D, s.inner, q);
    op_linear(normed, values(weights->k), R, s.D, s.inner, d->self_keys + cache_at(d, l, d->length, 0));
    op_linear(normed, values(weights->v), R, s.D, s.inner, d->self_values + cache_at(d, l, d->length, 0));
    for (size_t r = 0; r < R; r++) {
        for (size_t j = 0; j <= d->length; j++) {
            size_t at = cache_at(d, l, j, (size_t)d->paths[r * d->length_max + j]);
            d->keys[j] = d->self_keys + at;
            d->vals[j] = d->self_values + at;
        }
        op_attend(q + r * s.inner, d->keys, d->vals, d->bias, d->length_max, d->length + 1, s.H, s.K, d->scores,
                  attended + r * s.inner);
    }
    attention_out(d->model, weights, attended, R, x);
}

static void cross_attention(struct plain_decoder *d, int l, size_t R, float *x)
{
    const struct sizes s = sizes_of(d->model);
    const struct attention_weights *weights = &d->model->weights.decoder[l].cross;
    float *normed = d->work + R * s.D, *q = normed + R * s.D, *attended = q + R * s.inner;
    op_rms_norm(x, values(weights->norm), d->model->weights.config.layer_norm_epsilon, R, s.D, normed);
    op_linear(normed, values(weights->q), R, s.D, s.inner, q);
    for (size_t j = 0; j < d->T; j++) {
        d->keys[j] = d->cross_keys + ((size_t)l * d->T + j) * s.inner;
        d->vals[j] = d->cross_values + ((size_t)l * d->T + j) * s.inner;
    }
    for (size_t r = 0; r < R; r++)
        op_attend(q + r * s.inner, d->keys, d->vals, d->cross_bias, d->T, d->T, s.H, s.K, d->scores,
                  attended + r * s.inner);
    attention_out(d->model, weights, attended, R, x);
}

/* The last states to logits; a tied head is scaled first. */
static void head(const struct plain_model *model, float *x, size_t R, float *logits)
{
    const struct checkpoint *w = &model->weights;
    const struct sizes s = sizes_of(model);
    op_rms_norm(x, values(w->decoder_norm), w->config.layer_norm_epsilon, R, s.D, x);
    if (w->config.tied)
        op_scale(x, 1.0f / sqrtf((float)s.D), R * s.D);
    op_linear(x, values(w->head), R, s.D, s.V, logits);
}

void plain_decode(struct plain_decoder *d, const int32_t *tokens, const int *parents, size_t R, float *logits)
{
    const struct checkpoint *w = &d->model->weights;
    CHECK(R > 0 && R <= d->row_max && d->length < d->length_max);
    float *x = d->work;
    follow_parents(d, parents, R);
    decoder_bias_of(d);
    op_embed(tokens, values(w->embedding), R, sizes_of(d->model).D, x);
    for (int l = 0; l < w->config.decoder_layer_count; l++) {
        self_attention(d, l, R, x);
        cross_attention(d, l, R, x);
        feed_forward(d->model, &w->decoder[l].ff, R, x);
    }
    d->length++;
    head(d->model, x, R, logits);
}

/* ---- both ---- */

static void decode_all(struct plain_decoder *d, struct generation *g, size_t row_max, size_t V)
{
    float *logits = mem_new(row_max * V, sizeof *logits);
    int32_t tokens[T5_BEAM_COUNT_MAX];
    int parents[T5_BEAM_COUNT_MAX];
    for (int rows; (rows = generation_row_count(g)) > 0;) {
        for (int i = 0; i < rows; i++) {
            tokens[i] = generation_token(g, i);
            parents[i] = generation_parent(g, i);
        }
        plain_decode(d, tokens, parents, (size_t)rows, logits);
        generation_step(g, logits, V);
    }
    mem_free(logits);
}

void plain_generate(const struct plain_model *model, const int32_t *ids, size_t count, const struct t5_params *params,
                    int32_t *out_ids, size_t *out_count, float *out_score)
{
    const struct sizes s = sizes_of(model);
    const int32_t *result;
    float *states = mem_new(count * s.D, sizeof *states);
    plain_encode(model, ids, NULL, count, states);
    struct generation *g = generation_new(&model->weights.config, params);
    struct plain_decoder *d = plain_decoder_new(model, states, NULL, count, (size_t)params->num_beams,
                                                (size_t)params->max_length);
    decode_all(d, g, (size_t)params->num_beams, s.V);
    generation_result(g, &result, out_count, out_score);
    memcpy(out_ids, result, *out_count * sizeof *result);
    plain_decoder_free(d);
    generation_free(g);
    mem_free(states);
}
