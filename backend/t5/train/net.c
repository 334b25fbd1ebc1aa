#include "t5/train/attention.h"
#include "t5/train/net.h"
#include "t5/train/ops.h"

#include "base/err.h"
#include "base/mem.h"

/* One layer's activations.  In recompute mode all layers share everything but x. */
struct layer {
    real *x;                             /* [N,D]  what comes in */
    real *qkv, *context, *after_self;    /* [N,3I] [N,I] [N,D] */
    real *q, *kv, *cross, *after_cross;  /* decoder: [N,I] [Ne,2I] [N,I] [N,D] */
    real *ab;                            /* [N,2F] or [N,F] */
    uint16_t *ab_kept;                   /* instead, where products are bf16 anyway: the same, rounded to bf16 */
};

struct net {
    const struct layout *layout;
    struct pool *pool;
    struct gemm *gemm;
    struct net_options options;
    real *block;
    size_t block_items;
    struct layer *encoder, *decoder;     /* layer_count + 1 each: the last has x only */
    real *encoded, *dencoded;            /* [Ne,D] */
    real *ab;                            /* one layer's, where layers keep theirs as bf16 */
    real *normed, *t, *dx, *inner, *dinner, *dqkv, *dkv, *dmiddle;   /* scratch, see plan() */
    real *logits, *losses, *partial, *scores, *bias_partial;
    real *bias[2], *dbias[2];            /* encoder's, decoder's: [H, 2 span - 1] */
    size_t span[2], scratch_size;
    /* the running step */
    const real *params;
    real *grads;
    const struct net_batch *batch;
    uint64_t key;
    double rate;
    bool add;
};

static size_t largest(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* ---- memory ---- */

/* Called twice: first with block NULL to count, then to place. */
static real *place(struct net *net, size_t items)
{
    real *at = net->block ? net->block + net->block_items : NULL;
    net->block_items += (items + 15) / 16 * 16;
    return at;
}

static void plan_inner(struct net *net, struct layer *layer, size_t N, bool cross)
{
    size_t D = net->layout->D, I = net->layout->I, F = net->layout->F * (net->layout->config.gated ? 2 : 1);
    layer->qkv = place(net, N * 3 * I);
    layer->context = place(net, N * I);
    layer->after_self = place(net, N * D);
    if (cross) {
        layer->q = place(net, N * I);
        layer->kv = place(net, net->options.limits.Ne * 2 * I);
        layer->cross = place(net, N * I);
        layer->after_cross = place(net, N * D);
    }
    if (net->options.precision == GEMM_BF16)
        layer->ab_kept = (uint16_t *)place(net, (N * F + 1) / 2);
    else
        layer->ab = place(net, N * F);
}

static void plan_stack(struct net *net, struct layer *layers, int count, size_t N, bool cross)
{
    for (int i = 0; i < count; i++) {
        struct layer first = layers[0];
        if (i && net->options.recompute)
            layers[i] = first;
        else
            plan_inner(net, &layers[i], N, cross);
        layers[i].x = place(net, N * net->layout->D);
    }
    layers[count].x = place(net, N * net->layout->D);
}

/* Layers' scratch; the head runs when no layer does, so the logits lie in the same place. */
static void plan_scratch(struct net *net, size_t N)
{
    const struct layout *layout = net->layout;
    struct net_limits limits = net->options.limits;
    size_t D = layout->D, I = layout->I, H = (size_t)layout->config.head_count, start = net->block_items;
    net->logits = place(net, (limits.Nd < NET_LOGIT_ROWS ? limits.Nd : NET_LOGIT_ROWS) * layout->V);
    size_t end = net->block_items;
    net->block_items = start;
    net->normed = place(net, N * D);
    net->t = place(net, N * D);
    net->dx = place(net, N * D);
    net->dqkv = place(net, N * 3 * I);
    net->dkv = place(net, limits.Ne * 2 * I);
    net->dmiddle = place(net, N * I);    /* gradient of what o reads */
    net->partial = place(net, op_blocks(N) * D);
    net->scores = place(net, (size_t)pool_threads(net->pool) * 2 * net->scratch_size);
    net->bias_partial = place(net, limits.B * H * (2 * largest(net->span[0], net->span[1])));
    net->block_items = largest(net->block_items, end);
}

static void plan(struct net *net)
{
    const struct layout *layout = net->layout;
    struct net_limits limits = net->options.limits;
    size_t D = layout->D, F = layout->F, H = (size_t)layout->config.head_count;
    size_t N = largest(limits.Ne, limits.Nd);
    net->block_items = 0;
    net->ab = net->options.precision == GEMM_BF16 ? place(net, N * 2 * F) : NULL;
    plan_stack(net, net->encoder, layout->config.layer_count, limits.Ne, false);
    plan_stack(net, net->decoder, layout->config.decoder_layer_count, limits.Nd, true);
    net->encoded = place(net, limits.Ne * D);
    net->dencoded = place(net, limits.Ne * D);
    net->inner = place(net, N * largest(F, D));   /* what wo or the head reads, and its gradient */
    net->dinner = place(net, N * largest(F, D));
    net->losses = place(net, limits.Nd);
    plan_scratch(net, N);
    for (int side = 0; side < 2; side++) {
        net->bias[side] = place(net, H * 2 * net->span[side]);
        net->dbias[side] = place(net, H * 2 * net->span[side]);
    }
}

struct net *net_new(const struct layout *layout, struct pool *pool, const struct net_options *options)
{
    struct net *net = mem_new(1, sizeof *net);
    struct net_limits limits = options->limits;
    size_t T = largest(limits.input_longest, limits.target_longest);
    net->layout = layout;
    net->pool = pool;
    net->options = *options;
    net->span[0] = limits.input_longest;
    net->span[1] = limits.target_longest;
    net->scratch_size = (T * T + 15) / 16 * 16;
    net->encoder = mem_new((size_t)layout->config.layer_count + 1, sizeof *net->encoder);
    net->decoder = mem_new((size_t)layout->config.decoder_layer_count + 1, sizeof *net->decoder);
    plan(net);
    net->block = mem_try_new_large(net->block_items, sizeof *net->block);
    CHECK(net->block);
    plan(net);
    size_t side = largest(largest(layout->D, 3 * layout->I), largest(2 * layout->F, NET_LOGIT_ROWS));
    net->gemm = gemm_new(pool, options->precision, options->kernel, side, T);
    return net;
}

void net_free(struct net *net)
{
    if (!net)
        return;
    gemm_free(net->gemm);
    mem_free(net->block);
    mem_free(net->encoder);
    mem_free(net->decoder);
    mem_free(net);
}

size_t net_activation_size(const struct net *net)
{
    return net->block_items * sizeof(real) + gemm_scratch_size(net->gemm);
}

const char *net_kernel_name(const struct net *net)
{
    return gemm_kernel_name(net->gemm);
}

/* ---- products with weights: w [out,in] ---- */

/* y [N,out] = x w^T */
static void linear(struct net *net, size_t N, size_t in, size_t out, const real *x, size_t weight, real *y)
{
    gemm(net->gemm, N, out, in, matrix_rows(x, in), matrix_turned(net->params + weight, in), y, out, false);
}

/* dw [out,in] (+)= dy^T x */
static void linear_dw(struct net *net, size_t N, size_t in, size_t out, const real *x, const real *dy, size_t weight)
{
    gemm(net->gemm, out, in, N, matrix_turned(dy, out), matrix_rows(x, in), net->grads + weight, in, net->add);
}

/* dx [N,in] (+)= dy w */
static void linear_dx(struct net *net, size_t N, size_t in, size_t out, const real *dy, size_t weight, real *dx,
                      bool add)
{
    gemm(net->gemm, N, in, out, matrix_rows(dy, out), matrix_rows(net->params + weight, in), dx, in, add);
}

/* ---- sublayers ---- */

enum place { PLACE_INPUT, PLACE_SELF, PLACE_SELF_OUT, PLACE_CROSS, PLACE_CROSS_OUT, PLACE_INNER, PLACE_FF_OUT,
             PLACE_OUTPUT, PLACE_COUNT };

/* side 0: encoder, 1: decoder */
static struct dropout drop_at(const struct net *net, int side, int layer, enum place where)
{
    return dropout_at(net->key, (uint64_t)((side * 1024 + layer) * PLACE_COUNT + (int)where), net->rate);
}

static void norm(struct net *net, size_t N, const real *x, size_t weight, real *y)
{
    rmsnorm_forward(net->pool, N, net->layout->D, x, net->params + weight, (real)net->layout->config.layer_norm_epsilon,
                    y);
}

static void norm_back(struct net *net, size_t N, const real *x, size_t weight, const real *dy, real *dx)
{
    rmsnorm_backward(net->pool, N, net->layout->D, x, net->params + weight,
                     (real)net->layout->config.layer_norm_epsilon, dy, dx, net->grads + weight, net->partial);
}

static size_t rows_of(const struct net *net, int side)
{
    const struct net_batch *batch = net->batch;
    return side ? batch->target_start[batch->B] : batch->input_start[batch->B];
}

static struct attention attention_of(struct net *net, int side, int layer, bool cross, struct layer *l)
{
    size_t I = net->layout->I;
    struct attention a = {
        .pool = net->pool,
        .gemm = net->gemm,
        .B = net->batch->B,
        .H = (size_t)net->layout->config.head_count,
        .d_kv = (size_t)net->layout->config.d_kv,
        .context_width = I,
        .query_start = side ? net->batch->target_start : net->batch->input_start,
        .dropout_key = net->key ^
                       mix64((uint64_t)((side * 1024 + layer) * PLACE_COUNT) + (cross ? PLACE_CROSS : PLACE_SELF)),
        .dropout_rate = net->rate,
        .scratch = net->scores,
        .scratch_size = net->scratch_size,
    };
    a.key_start = cross ? net->batch->input_start : a.query_start;
    a.q = cross ? l->q : l->qkv;
    a.k = cross ? l->kv : l->qkv + I;
    a.v = a.k + I;
    a.q_width = cross ? I : 3 * I;
    a.k_width = a.v_width = cross ? 2 * I : 3 * I;
    a.bias = cross ? NULL : net->bias[side];
    a.span = net->span[side];
    a.causal = side == 1 && !cross;
    return a;
}

/* out = x + dropout(o(context)) */
static void output_forward(struct net *net, int side, int layer, enum place where, size_t in, const real *y,
                           size_t weight, const real *x, real *out)
{
    size_t N = rows_of(net, side), D = net->layout->D;
    linear(net, N, in, D, y, weight, net->t);
    residual_forward(net->pool, N, D, drop_at(net, side, layer, where), x, net->t, out);
}

/* Gradients of the weight and of y [N,in]; dx itself goes on along the residual. */
static void output_backward(struct net *net, int side, int layer, enum place where, size_t in, const real *y,
                            size_t weight, real *dy)
{
    size_t N = rows_of(net, side), D = net->layout->D;
    residual_backward(net->pool, N, D, drop_at(net, side, layer, where), net->dx, net->t);
    linear_dw(net, N, in, D, y, net->t, weight);
    linear_dx(net, N, in, D, net->t, weight, dy, false);
}

static void self_forward(struct net *net, int side, int layer, struct layer *l, const struct layout_attention *w)
{
    size_t N = rows_of(net, side), D = net->layout->D, I = net->layout->I;
    norm(net, N, l->x, w->norm, net->normed);
    linear(net, N, D, 3 * I, net->normed, w->qkv, l->qkv);
    struct attention a = attention_of(net, side, layer, false, l);
    attention_forward(&a, l->context);
    output_forward(net, side, layer, PLACE_SELF_OUT, I, l->context, w->o, l->x, l->after_self);
}

static void self_backward(struct net *net, int side, int layer, struct layer *l, const struct layout_attention *w)
{
    size_t N = rows_of(net, side), D = net->layout->D, I = net->layout->I;
    output_backward(net, side, layer, PLACE_SELF_OUT, I, l->context, w->o, net->dmiddle);
    struct attention a = attention_of(net, side, layer, false, l);
    attention_backward(&a, net->dmiddle, net->dqkv, net->dqkv + I, net->dqkv + 2 * I, net->dbias[side],
                       net->bias_partial);
    norm(net, N, l->x, w->norm, net->normed);
    linear_dw(net, N, D, 3 * I, net->normed, net->dqkv, w->qkv);
    linear_dx(net, N, D, 3 * I, net->dqkv, w->qkv, net->t, false);
    norm_back(net, N, l->x, w->norm, net->t, net->dx);
}

static void cross_forward(struct net *net, int layer, struct layer *l, const struct layout_attention *w)
{
    size_t N = rows_of(net, 1), Ne = rows_of(net, 0), D = net->layout->D, I = net->layout->I;
    norm(net, N, l->after_self, w->norm, net->normed);
    linear(net, N, D, I, net->normed, w->q, l->q);
    linear(net, Ne, D, 2 * I, net->encoded, w->k, l->kv);
    struct attention a = attention_of(net, 1, layer, true, l);
    attention_forward(&a, l->cross);
    output_forward(net, 1, layer, PLACE_CROSS_OUT, I, l->cross, w->o, l->after_self, l->after_cross);
}

static void cross_backward(struct net *net, int layer, struct layer *l, const struct layout_attention *w)
{
    size_t N = rows_of(net, 1), Ne = rows_of(net, 0), D = net->layout->D, I = net->layout->I;
    output_backward(net, 1, layer, PLACE_CROSS_OUT, I, l->cross, w->o, net->dmiddle);
    struct attention a = attention_of(net, 1, layer, true, l);
    attention_backward(&a, net->dmiddle, net->dqkv, net->dkv, net->dkv + I, NULL, NULL);
    linear_dw(net, Ne, D, 2 * I, net->encoded, net->dkv, w->k);
    linear_dx(net, Ne, D, 2 * I, net->dkv, w->k, net->dencoded, true);
    norm(net, N, l->after_self, w->norm, net->normed);
    linear_dw(net, N, D, I, net->normed, net->dqkv, w->q);
    linear_dx(net, N, D, I, net->dqkv, w->q, net->t, false);
    norm_back(net, N, l->after_self, w->norm, net->t, net->dx);
}

static void feed_forward(struct net *net, int side, int layer, struct layer *l, const struct layout_layer *w, real *out)
{
    size_t N = rows_of(net, side), D = net->layout->D, F = net->layout->F;
    bool gated = net->layout->config.gated;
    const real *x = side ? l->after_cross : l->after_self;
    norm(net, N, x, w->ff_norm, net->normed);
    real *ab = l->ab_kept ? net->ab : l->ab;
    linear(net, N, D, gated ? 2 * F : F, net->normed, w->wi, ab);
    activation_forward(net->pool, N, F, gated, drop_at(net, side, layer, PLACE_INNER), ab, net->inner);
    if (l->ab_kept)
        halve_rows(net->pool, N, gated ? 2 * F : F, ab, l->ab_kept);
    output_forward(net, side, layer, PLACE_FF_OUT, F, net->inner, w->wo, x, out);
}

static void feed_backward(struct net *net, int side, int layer, struct layer *l, const struct layout_layer *w)
{
    size_t N = rows_of(net, side), D = net->layout->D, F = net->layout->F;
    bool gated = net->layout->config.gated;
    const real *x = side ? l->after_cross : l->after_self;
    struct dropout drop = drop_at(net, side, layer, PLACE_INNER);
    real *ab = l->ab_kept ? net->ab : l->ab;
    if (l->ab_kept)
        unhalve_rows(net->pool, N, gated ? 2 * F : F, l->ab_kept, ab);
    activation_forward(net->pool, N, F, gated, drop, ab, net->inner);
    output_backward(net, side, layer, PLACE_FF_OUT, F, net->inner, w->wo, net->dinner);
    activation_backward(net->pool, N, F, gated, drop, net->dinner, ab);
    norm(net, N, x, w->ff_norm, net->normed);
    linear_dw(net, N, D, gated ? 2 * F : F, net->normed, ab, w->wi);
    linear_dx(net, N, D, gated ? 2 * F : F, ab, w->wi, net->t, false);
    norm_back(net, N, x, w->ff_norm, net->t, net->dx);
}

/* ---- stacks ---- */

static void layer_forward(struct net *net, int side, int i)
{
    struct layer *l = side ? &net->decoder[i] : &net->encoder[i];
    const struct layout_layer *w = side ? &net->layout->decoder[i] : &net->layout->encoder[i];
    self_forward(net, side, i, l, &w->self);
    if (side)
        cross_forward(net, i, l, &w->cross);
    feed_forward(net, side, i, l, w, l[1].x);
}

static void layer_backward(struct net *net, int side, int i)
{
    struct layer *l = side ? &net->decoder[i] : &net->encoder[i];
    const struct layout_layer *w = side ? &net->layout->decoder[i] : &net->layout->encoder[i];
    if (net->options.recompute)
        layer_forward(net, side, i);
    feed_backward(net, side, i, l, w);
    if (side)
        cross_backward(net, i, l, &w->cross);
    self_backward(net, side, i, l, &w->self);
}

/* The table of buckets as one value per distance: [H, 2 span - 1]. */
static void spread_bias(struct net *net, int side)
{
    const struct t5_config *config = &net->layout->config;
    const real *table = net->params + (side ? net->layout->decoder_bias : net->layout->encoder_bias);
    int span = (int)net->span[side], H = config->head_count;
    for (int distance = 1 - span; distance < span; distance++) {
        int bucket = attention_bucket(distance, side == 0, config->bucket_count, config->bucket_distance_max);
        for (int h = 0; h < H; h++)
            net->bias[side][h * (2 * span - 1) + distance + span - 1] = table[bucket * H + h];
    }
}

static void gather_bias(struct net *net, int side)
{
    const struct t5_config *config = &net->layout->config;
    real *table = net->grads + (side ? net->layout->decoder_bias : net->layout->encoder_bias);
    int span = (int)net->span[side], H = config->head_count;
    for (int distance = 1 - span; distance < span; distance++) {
        int bucket = attention_bucket(distance, side == 0, config->bucket_count, config->bucket_distance_max);
        for (int h = 0; h < H; h++)
            table[bucket * H + h] += net->dbias[side][h * (2 * span - 1) + distance + span - 1];
    }
}

static void stack_forward(struct net *net, int side)
{
    const struct t5_config *config = &net->layout->config;
    int layers = side ? config->decoder_layer_count : config->layer_count;
    struct layer *stack = side ? net->decoder : net->encoder;
    spread_bias(net, side);
    embedding_forward(net->pool, rows_of(net, side), net->layout->D, drop_at(net, side, layers, PLACE_INPUT),
                      side ? net->batch->decoder_ids : net->batch->input_ids, net->params + net->layout->embedding,
                      stack[0].x);
    for (int i = 0; i < layers; i++)
        layer_forward(net, side, i);
}

/* net->dx: gradient of the last x. */
static void stack_backward(struct net *net, int side)
{
    const struct t5_config *config = &net->layout->config;
    int layers = side ? config->decoder_layer_count : config->layer_count;
    memset(net->dbias[side], 0, (size_t)config->head_count * (2 * net->span[side] - 1) * sizeof(real));
    for (int i = layers - 1; i >= 0; i--)
        layer_backward(net, side, i);
    gather_bias(net, side);
    embedding_backward(net->pool, rows_of(net, side), net->layout->D, drop_at(net, side, layers, PLACE_INPUT),
                       side ? net->batch->decoder_ids : net->batch->input_ids, net->dx,
                       net->grads + net->layout->embedding);
}

/* A tied head reads the hidden state times d_model^-0.5 (Raffel et al. 2020; Mesh TensorFlow). */
static real head_scale(const struct net *net)
{
    return net->layout->config.tied ? 1 / (real)sqrt((double)net->layout->D) : 1;
}

/* Final norm and dropout of a stack: out [N,D]. */
static void final_forward(struct net *net, int side, real scale, real *out)
{
    const struct layout *layout = net->layout;
    int layers = side ? layout->config.decoder_layer_count : layout->config.layer_count;
    size_t N = rows_of(net, side);
    norm(net, N, side ? net->decoder[layers].x : net->encoder[layers].x,
         side ? layout->decoder_norm : layout->encoder_norm, out);
    dropout_rows(net->pool, N, layout->D, drop_at(net, side, layers, PLACE_OUTPUT), scale, out, out);
}

/* dy [N,D] becomes the gradient before dropout; net->dx that of the last x. */
static void final_backward(struct net *net, int side, real scale, real *dy)
{
    const struct layout *layout = net->layout;
    int layers = side ? layout->config.decoder_layer_count : layout->config.layer_count;
    size_t N = rows_of(net, side);
    dropout_rows(net->pool, N, layout->D, drop_at(net, side, layers, PLACE_OUTPUT), scale, dy, dy);
    memset(net->dx, 0, N * layout->D * sizeof(real));
    norm_back(net, N, side ? net->decoder[layers].x : net->encoder[layers].x,
              side ? layout->decoder_norm : layout->encoder_norm, dy, net->dx);
}

/* ---- the head ---- */

static size_t count_right(const struct net *net, const int32_t *labels, size_t rows)
{
    size_t right = 0, V = net->layout->V;
    for (size_t n = 0; n < rows; n++) {
        const real *logits = net->logits + n * V;
        if (labels[n] < 0)
            continue;
        size_t best = 0;
        for (size_t i = 1; i < V; i++)
            best = logits[i] > logits[best] ? i : best;
        right += best == (size_t)labels[n];
    }
    return right;
}

/* hidden [N,D]; with grads: dhidden [N,D] and the head's gradient. */
static void head(struct net *net, const real *hidden, double scale, real *dhidden, size_t *out_right)
{
    const struct layout *layout = net->layout;
    size_t N = rows_of(net, 1), D = layout->D, V = layout->V;
    for (size_t from = 0; from < N; from += NET_LOGIT_ROWS) {
        size_t rows = N - from < NET_LOGIT_ROWS ? N - from : NET_LOGIT_ROWS;
        const int32_t *labels = net->batch->labels + from;
        linear(net, rows, D, V, hidden + from * D, layout->head, net->logits);
        if (out_right)
            *out_right += count_right(net, labels, rows);
        cross_entropy(net->pool, rows, V, labels, (real)scale, net->logits, net->losses + from);
        if (!dhidden)
            continue;
        gemm(net->gemm, V, D, rows, matrix_turned(net->logits, V), matrix_rows(hidden + from * D, D),
             net->grads + layout->head, D, net->add || from > 0);
        linear_dx(net, rows, D, V, net->logits, layout->head, dhidden + from * D, false);
    }
}

static double sum_of_losses(const struct net *net)
{
    double sum = 0;
    for (size_t n = 0; n < rows_of(net, 1); n++)
        sum += (double)net->losses[n];
    return sum;
}

static void begin(struct net *net, const real *params, const struct net_batch *batch)
{
    struct net_limits limits = net->options.limits;
    net->params = params;
    net->batch = batch;
    CHECK(batch->B <= limits.B && rows_of(net, 0) <= limits.Ne && rows_of(net, 1) <= limits.Nd);
}

static void forward(struct net *net)
{
    stack_forward(net, 0);
    final_forward(net, 0, 1, net->encoded);
    stack_forward(net, 1);
    final_forward(net, 1, head_scale(net), net->inner);
}

/* What a product does not store must start from zero: norms, biases and, when untied, the embedding. */
static void clear_grads(struct net *net)
{
    const struct layout *layout = net->layout;
    for (size_t t = 0; t < layout->tensor_count; t++) {
        const struct layout_tensor *tensor = &layout->tensors[t];
        bool embedding = tensor->offset == layout->embedding;
        if (tensor->columns == 0 || strstr(tensor->name, "relative") || (embedding && !layout->config.tied))
            memset(net->grads + tensor->offset, 0, layout_count(tensor) * sizeof(real));
    }
}

double net_step(struct net *net, const real *params, const struct net_batch *batch, uint64_t key, double scale,
                bool add, real *grads)
{
    begin(net, params, batch);
    net->grads = grads;
    net->key = key;
    net->rate = (double)net->layout->config.dropout_rate;
    net->add = add;
    if (!add)
        clear_grads(net);
    forward(net);
    head(net, net->inner, scale, net->dinner, NULL);
    memset(net->dencoded, 0, rows_of(net, 0) * net->layout->D * sizeof(real));
    final_backward(net, 1, head_scale(net), net->dinner);
    stack_backward(net, 1);
    final_backward(net, 0, 1, net->dencoded);
    stack_backward(net, 0);
    return sum_of_losses(net);
}

double net_loss(struct net *net, const real *params, const struct net_batch *batch, size_t *out_right)
{
    begin(net, params, batch);
    net->key = 0;
    net->rate = 0;
    if (out_right)
        *out_right = 0;
    forward(net);
    head(net, net->inner, 1, NULL, out_right);
    return sum_of_losses(net);
}

void net_shift_right(const int32_t *labels, size_t count, int32_t start_id, int32_t pad_id, int32_t *out)
{
    for (size_t i = 0; i < count; i++)
        out[i] = i == 0 ? start_id : labels[i - 1] < 0 ? pad_id : labels[i - 1];
}
