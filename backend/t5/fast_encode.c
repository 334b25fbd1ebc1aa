/* The encoder over texts laid one behind the other, without padding between them.
 *
 * The tokens are cut into chunks, so that a chunk's intermediate values stay in a second-level cache.  One
 * operation for each layer, from attention, which needs the keys and values of all, to the keys and values of
 * the next; those are kept twice, for odd and even layers, so that they are written while others still read. */
#include "base/mem.h"
#include "t5/fast.h"

#include <string.h>

/* Tokens in a chunk, a multiple of the tile's 6 rows: at 48 Flan-T5-small's hidden layer is 0.4 MB. */
enum { CHUNK = 48 };

struct scratch {                 /* of one member */
    struct t5_rows packed;       /* [CHUNK] */
    float *normed, *hidden, *scores;
    float *piece;                /* [CHUNK][FAST_PIECE]: of the hidden layer, before the gate */
};

struct span {                    /* one text's place */
    int row;
    size_t first, step;          /* padded tokens: where its keys start; from one head's to the next's */
};

/* Of one layer: [text][head][token padded]; scales in int8 only.  Other values stay where they are, in qkv. */
struct kept {
    unsigned char *keys, *values;
    float *key_scales, *value_scales;
};

struct fast_encoder {
    const struct fast_model *model;
    int thread_count, token_max, text_max;
    size_t x_stride, qkv_stride, hidden_stride;
    enum t5_items items;         /* of its keys and values: bf16's stay fp32 */
    float *x, *qkv[2];
    struct kept kept[2];
    struct scratch *scratch;     /* [thread_count] */
    struct span *spans;          /* [text_max] */
    void *memory;
    size_t memory_size;
};

struct pass {
    struct fast_encoder *encoder;
    const struct fast_model *model;
    const struct fast_text *texts;
    int text_count, row_count, chunk_count;
    struct scratch *scratch;
};

/* ---- keys and values ---- */

static size_t place_of(const struct fast_encoder *e, int text, int head)
{
    return e->spans[text].first + (size_t)head * e->spans[text].step;
}

static struct kept kept_at(const struct fast_encoder *e, int parity, size_t place)
{
    const struct kept *k = &e->kept[parity];
    size_t vector = (size_t)e->model->head_width * t5_item_size(e->items);
    return (struct kept){ k->keys + place * vector, k->values ? k->values + place * vector : NULL,
                          k->key_scales ? k->key_scales + place : NULL,
                          k->value_scales ? k->value_scales + place : NULL };
}

/* ---- memory: laid out twice, first to measure ---- */

static void *take(unsigned char *base, size_t *used, size_t size)
{
    void *at = base ? base + *used : NULL;
    *used += (size + T5_ALIGN - 1) / T5_ALIGN * T5_ALIGN;
    return at;
}

static size_t lay_out(struct fast_encoder *e, unsigned char *base)
{
    const struct fast_model *m = e->model;
    size_t used = 0, tokens = (size_t)e->token_max, f = sizeof(float), words = (size_t)fast_words(m);
    size_t places = (tokens + (size_t)e->text_max * T5_BLOCK) * (size_t)m->config->head_count;
    size_t vectors = places * (size_t)m->head_width * t5_item_size(e->items), bytes = e->items == T5_ITEMS_INT8;
    e->x = take(base, &used, tokens * e->x_stride * f);
    for (int i = 0; i < 2; i++) {
        e->qkv[i] = take(base, &used, tokens * e->qkv_stride * f);
        e->kept[i].keys = take(base, &used, vectors);
        e->kept[i].values = take(base, &used, vectors * bytes);
        e->kept[i].key_scales = take(base, &used, places * f * bytes);
        e->kept[i].value_scales = take(base, &used, places * f * bytes);
    }
    for (int t = 0; t < e->thread_count; t++) {
        struct scratch *s = &e->scratch[t];
        s->packed = (struct t5_rows){ take(base, &used, CHUNK * words * 4), words, take(base, &used, CHUNK * f) };
        s->normed = take(base, &used, (size_t)fast_widest(m) * f);
        s->hidden = take(base, &used, CHUNK * e->hidden_stride * f);
        s->scores = take(base, &used, t5_attention_scratch((int)tokens) * f);
        s->piece = take(base, &used, CHUNK * FAST_PIECE * f);
    }
    return used;
}

struct fast_encoder *fast_encoder_new(const struct fast_model *model, int thread_count, int token_max, int text_max)
{
    struct fast_encoder *e = mem_new(1, sizeof *e);
    int wide = model->ff_width > 2 * model->inner ? model->ff_width : 2 * model->inner;
    *e = (struct fast_encoder){ .model = model, .thread_count = thread_count, .token_max = token_max,
                                .text_max = text_max,
                                .items = model->items == T5_ITEMS_INT8 ? T5_ITEMS_INT8 : T5_ITEMS_FP32,
                                .x_stride = fast_stride(model->width), .qkv_stride = fast_stride(3 * model->inner),
                                .hidden_stride = fast_stride(wide) };
    e->scratch = mem_new((size_t)thread_count, sizeof *e->scratch);
    e->spans = mem_new((size_t)text_max, sizeof *e->spans);
    e->memory_size = lay_out(e, NULL);
    e->memory = mem_pages_new(e->memory_size);
    CHECK(e->memory != NULL);
    (void)lay_out(e, e->memory);
    return e;
}

void fast_encoder_free(struct fast_encoder *encoder)
{
    if (!encoder)
        return;
    mem_pages_free(encoder->memory, encoder->memory_size);
    mem_free(encoder->scratch);
    mem_free(encoder->spans);
    mem_free(encoder);
}

/* ---- pieces of a text within a chunk ---- */

struct piece { int text, from, to, row; };   /* tokens [from, to) of the text; the first is row `row` */

/* The piece that starts at `row`, at most up to `end`. */
static struct piece piece_at(const struct pass *p, int row, int end)
{
    int text = 0;
    while (row >= p->encoder->spans[text].row + p->texts[text].count)
        text++;
    int from = row - p->encoder->spans[text].row, to = end - p->encoder->spans[text].row;
    return (struct piece){ text, from, to < p->texts[text].count ? to : p->texts[text].count, row };
}

/* ---- steps of a chunk: rows [row, end) ---- */

static void norm_and_pack(const struct pass *p, const float *norm, const struct t5_packed *weights, int row, int end)
{
    for (int r = row; r < end; r++)
        fast_norm_pack(p->model, weights, p->encoder->x + (size_t)r * p->encoder->x_stride, norm, p->scratch->normed,
                       p->scratch->packed, r - row);
}

/* Blocks [block, block_end) of all rows; the first lands in column 0 of `out`. */
static void multiply_blocks(const struct pass *p, const struct t5_packed *weights, int block, int block_end, int rows,
                            float *out, size_t stride, bool add)
{
    t5_product(p->model->kernels, &(struct t5_product){ .weights = weights, .rows = p->scratch->packed, .row_end = rows,
        .block = block, .block_end = block_end, .out = out, .out_stride = stride, .out_column = block * T5_BLOCK,
        .add = add });
}

static void multiply(const struct pass *p, const struct t5_packed *weights, int rows, float *out, size_t stride,
                     bool add)
{
    multiply_blocks(p, weights, 0, weights->blocks, rows, out, stride, add);
}

/* wi and the gate, block by block, so that f(wi) * gate finds both in a near cache. */
static void multiply_and_activate(const struct pass *p, const struct t5_packed *weights, int rows)
{
    const struct fast_model *m = p->model;
    float *piece = p->scratch->piece;
    int blocks = m->ff_width / T5_BLOCK;
    for (int b = 0; b < blocks; b++) {
        multiply_blocks(p, weights, b, b + 1, rows, piece, FAST_PIECE, false);
        if (m->config->gated)
            multiply_blocks(p, weights, blocks + b, blocks + b + 1, rows, piece + T5_BLOCK, FAST_PIECE, false);
        for (int r = 0; r < rows; r++)
            fast_activate(m, piece + r * FAST_PIECE,
                          p->scratch->hidden + (size_t)r * p->encoder->hidden_stride + b * T5_BLOCK);
    }
}

static void keep_head(const struct pass *p, int parity, struct piece piece, int head)
{
    struct fast_encoder *e = p->encoder;
    const struct fast_model *m = p->model;
    struct kept at = kept_at(e, parity, place_of(e, piece.text, head));
    const float *keys = e->qkv[parity] + (size_t)piece.row * e->qkv_stride + m->inner + head * m->head_width;
    m->kernels->keep_keys(keys, e->qkv_stride, piece.from, piece.to - piece.from, m->head_width, e->items, at.keys,
                          at.key_scales);
    if (e->items == T5_ITEMS_INT8)
        m->kernels->keep_values(keys + m->inner, e->qkv_stride, piece.from, piece.to - piece.from, m->head_width,
                                e->items, at.values, at.value_scales);
}

static void keys_and_values(const struct pass *p, const struct fast_layer *layer, int parity, int row, int end)
{
    struct fast_encoder *e = p->encoder;
    const struct fast_model *m = p->model;
    float *qkv = e->qkv[parity] + (size_t)row * e->qkv_stride;
    norm_and_pack(p, layer->self.norm, &layer->self.in, row, end);
    multiply(p, &layer->self.in, end - row, qkv, e->qkv_stride, false);
    while (row < end) {
        struct piece piece = piece_at(p, row, end);
        for (int h = 0; h < m->config->head_count; h++)
            keep_head(p, parity, piece, h);
        row += piece.to - piece.from;
    }
}

/* A head's result replaces its queries. */
static void attend(const struct pass *p, int parity, struct piece piece)
{
    struct fast_encoder *e = p->encoder;
    const struct fast_model *m = p->model;
    for (int h = 0; h < m->config->head_count; h++) {
        size_t column = (size_t)(h * m->head_width);
        struct kept at = kept_at(e, parity, place_of(e, piece.text, h));
        float *rows = e->qkv[parity] + (size_t)piece.row * e->qkv_stride + column;
        const float *values = e->qkv[parity] + (size_t)e->spans[piece.text].row * e->qkv_stride + 2 * (size_t)m->inner +
                              column;
        m->kernels->attention(&(struct t5_attention){
            .keys = at.keys, .key_scales = at.key_scales, .value_scales = at.value_scales, .items = e->items,
            .values = e->items == T5_ITEMS_INT8 ? (const void *)at.values : values, .value_stride = e->qkv_stride,
            .key_count = p->texts[piece.text].count, .head_size = m->head_width,
            .query = rows, .query_stride = e->qkv_stride, .query_count = piece.to - piece.from,
            .bias = m->encoder_bias + (size_t)h * FAST_BIAS_STRIDE + FAST_BIAS_CENTER - piece.from,
            .out = rows, .out_stride = e->qkv_stride, .scratch = p->scratch->scores });
    }
}

static void attention_and_ff(const struct pass *p, const struct fast_layer *layer, int parity, int row, int end)
{
    const struct fast_model *m = p->model;
    struct scratch *s = p->scratch;
    float *x = p->encoder->x + (size_t)row * p->encoder->x_stride;
    for (int at = row; at < end;) {
        struct piece piece = piece_at(p, at, end);
        attend(p, parity, piece);
        at += piece.to - piece.from;
    }
    for (int r = 0; r < end - row; r++)
        fast_pack(m, &layer->self.out, p->encoder->qkv[parity] + (size_t)(row + r) * p->encoder->qkv_stride, s->packed,
                  r);
    multiply(p, &layer->self.out, end - row, x, p->encoder->x_stride, true);
    norm_and_pack(p, layer->ff.norm, &layer->ff.in, row, end);
    multiply_and_activate(p, &layer->ff.in, end - row);
    for (int r = 0; r < end - row; r++)
        fast_pack(m, &layer->ff.out, s->hidden + (size_t)r * p->encoder->hidden_stride, s->packed, r);
    multiply(p, &layer->ff.out, end - row, x, p->encoder->x_stride, true);
}

/* ---- what the decoder needs of the states ---- */

static void keep_memory(const struct pass *p, int layer, struct piece piece, int chunk)
{
    const struct fast_model *m = p->model;
    struct fast_sequence *s = p->texts[piece.text].sequence;
    size_t stride = p->encoder->hidden_stride;
    const float *keys = p->scratch->hidden + (size_t)(piece.row - chunk) * stride, *values = keys + m->inner;
    for (int h = 0; s && h < m->config->head_count; h++) {
        struct fast_place at = fast_cross(s, m, layer, h);
        m->kernels->keep_keys(keys + h * m->head_width, stride, piece.from, piece.to - piece.from, m->head_width,
                              m->items, at.keys, at.key_scales);
        m->kernels->keep_values(values + h * m->head_width, stride, piece.from, piece.to - piece.from, m->head_width,
                                m->items, at.values, at.value_scales);
    }
}

static void keep_states(const struct pass *p, int row, int end)
{
    const struct fast_model *m = p->model;
    for (int r = row; r < end; r++) {
        struct piece piece = piece_at(p, r, r + 1);
        if (p->texts[piece.text].states)
            m->kernels->norm(p->encoder->x + (size_t)r * p->encoder->x_stride, m->encoder_norm, m->config->d_model,
                             m->config->layer_norm_epsilon,
                             p->texts[piece.text].states + (size_t)piece.from * (size_t)m->width);
    }
}

static void finish(const struct pass *p, int row, int end)
{
    const struct fast_model *m = p->model;
    keep_states(p, row, end);
    norm_and_pack(p, m->encoder_norm, &m->decoder[0].memory, row, end);
    for (int layer = 0; layer < m->config->decoder_layer_count; layer++) {
        multiply(p, &m->decoder[layer].memory, end - row, p->scratch->hidden, p->encoder->hidden_stride, false);
        for (int at = row; at < end;) {
            struct piece piece = piece_at(p, at, end);
            keep_memory(p, layer, piece, row);
            at += piece.to - piece.from;
        }
    }
}

/* ---- the pass ---- */

/* The pads are read, and must not be NaN. */
static void clear_pads(struct fast_encoder *e, int text, int count)
{
    for (int parity = 0; parity < 2 && e->items == T5_ITEMS_INT8; parity++)
        for (int h = 0; h < e->model->config->head_count; h++) {
            struct kept at = kept_at(e, parity, place_of(e, text, h));
            memset(at.key_scales + count, 0, (e->spans[text].step - (size_t)count) * sizeof(float));
            memset(at.value_scales + count, 0, (e->spans[text].step - (size_t)count) * sizeof(float));
        }
}

static int lay_texts(struct fast_encoder *e, const struct fast_text *texts, int text_count)
{
    int rows = 0;
    size_t keys = 0;
    CHECK(text_count <= e->text_max);
    for (int t = 0; t < text_count; t++) {
        e->spans[t] = (struct span){ rows, keys, (size_t)t5_padded(texts[t].count) };
        clear_pads(e, t, texts[t].count);
        rows += texts[t].count;
        keys += e->spans[t].step * (size_t)e->model->config->head_count;
    }
    CHECK(rows <= e->token_max);
    return rows;
}

static int text_rows(const struct fast_text *texts, int text_count)
{
    int rows = 0;
    for (int t = 0; t < text_count; t++)
        rows += texts[t].count;
    return rows;
}

static void embed(const struct pass *p, int row, int end)
{
    for (int r = row; r < end; r++) {
        struct piece piece = piece_at(p, r, r + 1);
        fast_embed(p->model, p->texts[piece.text].ids[piece.from], p->encoder->x + (size_t)r * p->encoder->x_stride);
    }
}

/* Chunks for every member alike, of whole tiles. */
static int chunk_start(const struct pass *p, int chunk)
{
    int row = (share_start(p->row_count, p->chunk_count, chunk) + T5_ATTENTION_ROWS - 1) / T5_ATTENTION_ROWS *
              T5_ATTENTION_ROWS;
    return row < p->row_count ? row : p->row_count;
}

/* From the layer before to what this layer's attention needs. */
static void run_chunk(const struct pass *p, int layer, int row, int end)
{
    const struct fast_model *m = p->model;
    if (layer == 0)
        embed(p, row, end);
    else
        attention_and_ff(p, &m->encoder[layer - 1], (layer - 1) & 1, row, end);
    if (layer < m->config->layer_count)
        keys_and_values(p, &m->encoder[layer], layer & 1, row, end);
    else
        finish(p, row, end);
}

void fast_encode(struct fast_encoder *encoder, struct crew *crew, const struct fast_text *texts, int text_count)
{
    int rows = text_rows(texts, text_count), chunks = (rows + CHUNK - 1) / CHUNK;
    struct pass p = { .encoder = encoder, .model = encoder->model, .texts = texts, .text_count = text_count,
                      .row_count = rows, .chunk_count = (chunks + crew->count - 1) / crew->count * crew->count,
                      .scratch = &encoder->scratch[crew->rank] };
    int from, to;
    while (crew_take(crew, 1, &from, &to))
        if (from < to)
            (void)lay_texts(encoder, texts, text_count);
    for (int layer = 0; layer <= encoder->model->config->layer_count; layer++)
        while (crew_take(crew, p.chunk_count, &from, &to))
            for (int c = from; c < to; c++)
                run_chunk(&p, layer, chunk_start(&p, c), chunk_start(&p, c + 1));
}
