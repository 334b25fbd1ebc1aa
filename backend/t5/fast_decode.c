/* One step of the decoder for every row (a beam of a request) at once.
 *
 * With few rows the step is bound by reading the weights: the members share every product by outputs.
 * With many it is bound by arithmetic: each member takes whole requests and never waits for the others. */
#include "base/mem.h"
#include "t5/fast_head.h"

#include <string.h>

enum {
    /* Rows a member must have before it works alone: from here on arithmetic takes longer than reading. */
    ROWS_ALONE_MIN = 16,
    /* Rows up to which every member packs all of them for itself: 0.1 us a row, an operation of its own 0.5 us. */
    ROWS_OWN_MAX = 8,
};

struct scratch {                 /* of one member */
    float *normed, *scores;
    float *piece;                /* [row_max][FAST_PIECE]: of the hidden layer, before the gate */
    struct t5_rows packed;
    struct t5_region *regions;   /* [2 * row_max]: of each request */
    struct t5_ahead ahead;
};

static size_t scores_size(void)
{
    size_t across = t5_attention_scratch(T5_TOKENS_MAX), back = t5_history_scratch(T5_TOKENS_MAX);
    return across > back ? across : back;
}

struct fast_decoder {
    const struct fast_model *model;
    int thread_count, row_max;
    size_t x_stride, wide_stride;
    /* [row_max] rows each.  wide: queries, keys and values, of which a head's result replaces its queries; or the
     * hidden layer.  What is kept apart without need takes the cache from weights. */
    float *x, *wide;
    struct t5_rows packed;
    struct scratch *scratch;
    struct fast_head *head;
    void *memory;
    size_t memory_size;
};

struct step {
    struct fast_decoder *decoder;
    const struct fast_model *model;
    struct crew *crew;
    struct fast_group *groups;
    int group_count, row, row_end;
    struct scratch *scratch;
    bool own;                    /* rows are packed by every member for itself, as part of the product */
};

/* ---- memory: laid out twice, first to measure ---- */

static void *take(unsigned char *base, size_t *used, size_t size)
{
    void *at = base ? base + *used : NULL;
    *used += (size + T5_ALIGN - 1) / T5_ALIGN * T5_ALIGN;
    return at;
}

static size_t lay_out(struct fast_decoder *d, unsigned char *base)
{
    const struct fast_model *m = d->model;
    size_t used = 0, rows = (size_t)d->row_max, f = sizeof(float), words = (size_t)fast_words(m);
    d->x = take(base, &used, rows * d->x_stride * f);
    d->wide = take(base, &used, rows * d->wide_stride * f);
    d->packed = (struct t5_rows){ take(base, &used, rows * words * 4), words, take(base, &used, rows * f) };
    for (int t = 0; t < d->thread_count; t++) {
        d->scratch[t].normed = take(base, &used, (size_t)fast_widest(m) * f);
        d->scratch[t].scores = take(base, &used, scores_size() * f);
        d->scratch[t].piece = take(base, &used, rows * FAST_PIECE * f);
        d->scratch[t].packed = (struct t5_rows){ take(base, &used, rows * words * 4), words,
                                                 take(base, &used, rows * f) };
        d->scratch[t].regions = take(base, &used, 2 * rows * sizeof *d->scratch[t].regions);
    }
    return used;
}

struct fast_decoder *fast_decoder_new(const struct fast_model *model, int thread_count, int row_max)
{
    struct fast_decoder *d = mem_new(1, sizeof *d);
    size_t qkv = fast_stride(3 * model->inner), hidden = fast_stride(model->ff_width);
    *d = (struct fast_decoder){ .model = model, .thread_count = thread_count, .row_max = row_max,
                                .x_stride = fast_stride(model->width), .wide_stride = qkv > hidden ? qkv : hidden };
    d->scratch = mem_new((size_t)thread_count, sizeof *d->scratch);
    d->head = fast_head_new(model, thread_count, row_max);
    d->memory_size = lay_out(d, NULL);
    d->memory = mem_pages_new(d->memory_size);
    CHECK(d->memory != NULL);
    (void)lay_out(d, d->memory);
    return d;
}

void fast_decoder_free(struct fast_decoder *decoder)
{
    if (!decoder)
        return;
    fast_head_free(decoder->head);
    mem_pages_free(decoder->memory, decoder->memory_size);
    mem_free(decoder->scratch);
    mem_free(decoder);
}

/* ---- beams: rows continue what other rows wrote ---- */

/* The new token's place is also what the places are padded with. */
static void follow_parents(struct fast_group *group)
{
    struct fast_sequence *s = group->sequence;
    size_t position = (size_t)s->position;
    for (int i = 0; i < group->row_count; i++) {
        int parent = group->generation && position > 0 ? generation_parent(group->generation, i) : i;
        uint32_t *place = s->place[1] + (size_t)i * s->place_stride;
        memcpy(place, s->place[0] + (size_t)parent * s->place_stride, position * sizeof *place);
        for (size_t p = position; p == position || p % T5_PLACES; p++)
            place[p] = (uint32_t)(s->position * s->slot_count + i);
    }
    uint32_t *next = s->place[1];
    s->place[1] = s->place[0];
    s->place[0] = next;
}

static float *row_of(const struct step *s, int row)
{
    return s->decoder->x + (size_t)row * s->decoder->x_stride;
}

static void start_rows(const struct step *s, const int32_t *tokens)
{
    for (int from, to; crew_take(s->crew, s->group_count, &from, &to);)
        for (int g = from; g < to; g++) {
            struct fast_group *group = &s->groups[g];
            CHECK(group->sequence->position < group->sequence->length_max &&
                  group->row_count <= group->sequence->slot_count);
            follow_parents(group);
            for (int i = 0; i < group->row_count; i++)
                fast_embed(s->model, tokens ? tokens[group->row + i] : generation_token(group->generation, i),
                           row_of(s, group->row + i));
        }
}

/* ---- products ---- */

/* What is multiplied: rows of floats, normed first where there is a norm. */
struct operand {
    const float *x, *norm;
    size_t stride;
};

static struct operand states(const struct step *s, const float *norm)
{
    return (struct operand){ s->decoder->x, norm, s->decoder->x_stride };
}

static void pack(const struct step *s, const struct operand *in, const struct t5_packed *weights, struct t5_rows rows,
                 int row, int row_end)
{
    for (int r = row; r < row_end; r++) {
        const float *x = in->x + (size_t)r * in->stride;
        if (in->norm)
            fast_norm_pack(s->model, weights, x, in->norm, s->scratch->normed, rows, r);
        else
            fast_pack(s->model, weights, x, rows, r);
    }
}

static void pack_together(const struct step *s, const struct operand *in, const struct t5_packed *weights)
{
    int n = s->row_end - s->row;
    for (int from, to; crew_take(s->crew, n, &from, &to);)
        pack(s, in, weights, s->decoder->packed, s->row + from, s->row + to);
}

/* The rows for the next pieces of a product: a member that packs them itself does so when it has its first. */
static struct t5_rows packed_rows(const struct step *s, const struct operand *in, const struct t5_packed *weights,
                                  bool *packed)
{
    if (!s->own)
        return s->decoder->packed;
    if (!*packed)
        pack(s, in, weights, s->scratch->packed, s->row, s->row_end);
    *packed = true;
    return s->scratch->packed;
}

/* Blocks [from, to) of all rows; block `from` lands in column 0 of `out`. */
static void multiply_blocks(const struct step *s, const struct t5_packed *weights, struct t5_rows rows, int from,
                            int to, float *out, size_t stride, bool add)
{
    t5_product(s->model->kernels, &(struct t5_product){ .weights = weights, .rows = rows, .row = s->row,
                                                        .row_end = s->row_end, .block = from, .block_end = to,
                                                        .out = out, .out_stride = stride, .out_column = from * T5_BLOCK,
                                                        .add = add, .ahead = &s->scratch->ahead });
}

static void multiply(const struct step *s, struct operand in, const struct t5_packed *weights, float *out,
                     size_t stride, bool add)
{
    bool packed = false;
    if (!s->own)
        pack_together(s, &in, weights);
    for (int from, to; crew_take(s->crew, weights->blocks, &from, &to);)
        multiply_blocks(s, weights, packed_rows(s, &in, weights, &packed), from, to, out + from * T5_BLOCK, stride,
                        add);
}

/* wi and the gate, block by block, so that f(wi) * gate finds both in a near cache. */
static void activate_block(const struct step *s, const struct t5_packed *weights, struct t5_rows rows, int block)
{
    const struct fast_model *m = s->model;
    struct fast_decoder *d = s->decoder;
    float *piece = s->scratch->piece;
    multiply_blocks(s, weights, rows, block, block + 1, piece, FAST_PIECE, false);
    if (m->config->gated) {
        int second = m->ff_width / T5_BLOCK + block;
        multiply_blocks(s, weights, rows, second, second + 1, piece + T5_BLOCK, FAST_PIECE, false);
    }
    for (int r = s->row; r < s->row_end; r++)
        fast_activate(m, piece + (size_t)r * FAST_PIECE,
                      d->wide + (size_t)r * d->wide_stride + block * T5_BLOCK);
}

static void multiply_and_activate(const struct step *s, struct operand in, const struct t5_packed *weights)
{
    bool packed = false;
    if (!s->own)
        pack_together(s, &in, weights);
    for (int from, to; crew_take(s->crew, s->model->ff_width / T5_BLOCK, &from, &to);) {
        struct t5_rows rows = packed_rows(s, &in, weights, &packed);
        for (int b = from; b < to; b++)
            activate_block(s, weights, rows, b);
    }
}

/* ---- attention ---- */

/* The newest keys and values of one head's rows. */
static void keep_new(const struct fast_model *m, const struct fast_group *group, struct fast_place at,
                     const float *rows, size_t stride)
{
    const struct fast_sequence *q = group->sequence;
    size_t vector = (size_t)m->head_width * t5_item_size(m->items);
    for (int i = 0; i < group->row_count; i++, rows += stride) {
        size_t place = q->place[0][(size_t)i * q->place_stride + (size_t)q->position];
        float ignored, *scales = at.key_scales ? at.key_scales + 2 * place : NULL;
        m->kernels->keep(rows + m->inner, m->head_width, m->items, at.keys + 2 * place * vector,
                         scales ? scales : &ignored);
        m->kernels->keep(rows + 2 * m->inner, m->head_width, m->items, at.keys + (2 * place + 1) * vector,
                         scales ? scales + 1 : &ignored);
    }
}

/* Whose keys the next look at this layer reads: the next head's, or the next request's first; NULL: nobody's. */
static const struct fast_group *next_look(const struct step *s, const struct fast_group *group, int *head)
{
    if (++*head < s->model->config->head_count)
        return group;
    *head = 0;
    return group + 1 < s->groups + s->group_count ? group + 1 : NULL;
}

/* One head of one request: its rows' new keys and values are kept, then each row looks back. */
static void look_back(const struct step *s, int layer, const struct fast_group *group, int head)
{
    const struct fast_model *m = s->model;
    struct fast_decoder *d = s->decoder;
    struct fast_sequence *q = group->sequence;
    struct fast_place at = fast_self(q, m, layer, head);
    float *rows = d->wide + (size_t)group->row * d->wide_stride + (size_t)head * (size_t)m->head_width;
    int next_head = head;
    const struct fast_group *next = next_look(s, group, &next_head);
    struct fast_place then = next ? fast_self(next->sequence, m, layer, next_head) : (struct fast_place){ 0 };
    keep_new(m, group, at, rows, d->wide_stride);
    m->kernels->history(&(struct t5_history){
        .kept = at.keys, .scales = at.key_scales, .next = then.keys, .next_scales = then.key_scales,
        .length = q->position + 1, .head_size = m->head_width, .items = m->items,
        .place = q->place[0], .place_stride = q->place_stride,
        .query = rows, .query_stride = d->wide_stride, .query_count = group->row_count,
        .bias = m->decoder_bias + (size_t)head * FAST_BIAS_STRIDE + FAST_BIAS_CENTER - q->position,
        .out = rows, .out_stride = d->wide_stride,
        .scratch = s->scratch->scores });
}

static void look_across(const struct step *s, int layer, const struct fast_group *group, int head)
{
    const struct fast_model *m = s->model;
    struct fast_decoder *d = s->decoder;
    struct fast_place at = fast_cross(group->sequence, m, layer, head);
    float *rows = d->wide + (size_t)group->row * d->wide_stride + (size_t)head * (size_t)m->head_width;
    int next_head = head;
    const struct fast_group *next = next_look(s, group, &next_head);
    m->kernels->attention(&(struct t5_attention){
        .keys = at.keys, .values = at.values, .key_scales = at.key_scales, .value_scales = at.value_scales,
        .value_stride = (size_t)m->head_width, .key_count = group->sequence->input_count, .head_size = m->head_width,
        .items = m->items, .next = next ? fast_cross(next->sequence, m, layer, next_head).keys : NULL,
        .query = rows, .query_stride = d->wide_stride, .query_count = group->row_count,
        .out = rows, .out_stride = d->wide_stride,
        .scratch = s->scratch->scores });
}

typedef void look_fn(const struct step *s, int layer, const struct fast_group *group, int head);

static void attend(const struct step *s, int layer, look_fn *look)
{
    int heads = s->model->config->head_count, n = s->group_count * heads;
    for (int from, to; crew_take(s->crew, n, &from, &to);)
        for (int i = from; i < to; i++)
            look(s, layer, &s->groups[i / heads], i % heads);
}

static void attention(const struct step *s, const struct fast_attention *weights, int layer, look_fn *look)
{
    struct fast_decoder *d = s->decoder;
    struct operand context = { d->wide, NULL, d->wide_stride };
    multiply(s, states(s, weights->norm), &weights->in, d->wide, d->wide_stride, false);
    attend(s, layer, look);
    multiply(s, context, &weights->out, d->x, d->x_stride, true);
}

static void feed_forward(const struct step *s, const struct fast_ff *weights)
{
    struct fast_decoder *d = s->decoder;
    struct operand hidden = { d->wide, NULL, d->wide_stride };
    multiply_and_activate(s, states(s, weights->norm), &weights->in);
    multiply(s, hidden, &weights->out, d->x, d->x_stride, true);
}

/* ---- memory ---- */

/* What many requests look across at does not stay in a cache from one step to the next, and while it is read nothing
 * is multiplied: so the products before ask for it. */
static void ask_for_layer(const struct step *s, int layer)
{
    const struct fast_model *m = s->model;
    struct t5_region *regions = s->scratch->regions;
    size_t heads = (size_t)m->config->head_count, vectors = heads * t5_item_size(m->items);
    int groups = layer < m->config->decoder_layer_count ? s->group_count : 0, n = 0;
    for (int g = 0; g < groups; g++) {
        const struct fast_sequence *q = s->groups[g].sequence;
        struct fast_place first = fast_cross(q, m, layer, 0);
        regions[n++] = (struct t5_region){ first.keys, vectors * q->cross_step };
        if (first.key_scales)
            regions[n++] = (struct t5_region){ first.key_scales, heads * fast_cross_scales(q) * sizeof(float) };
    }
    s->scratch->ahead = (struct t5_ahead){ .regions = regions, .count = n };
}

/* ---- the step ---- */

static void run_layers(const struct step *s, const int32_t *tokens)
{
    const struct fast_model *m = s->model;
    struct operand last = states(s, m->decoder_norm);
    start_rows(s, tokens);
    ask_for_layer(s, 0);
    for (int l = 0; l < m->config->decoder_layer_count; l++) {
        attention(s, &m->decoder[l].self, l, look_back);
        attention(s, &m->decoder[l].cross, l, look_across);
        ask_for_layer(s, l + 1);
        feed_forward(s, &m->decoder[l].ff);
    }
    pack_together(s, &last, &m->head);
}

static void choose_tokens(const struct step *s)
{
    fast_head_run(s->decoder->head, s->crew, s->decoder->packed, s->groups, s->group_count);
}

static void write_logits(const struct step *s, float *logits)
{
    const struct t5_packed *head = &s->model->head;
    for (int from, to; crew_take(s->crew, head->blocks, &from, &to);)
        multiply_blocks(s, head, s->decoder->packed, from, to, logits + from * T5_BLOCK,
                        (size_t)t5_padded(s->model->config->vocab_size), false);
}

static void advance(const struct step *s)
{
    for (int from, to; crew_take(s->crew, s->group_count, &from, &to);)
        for (int g = from; g < to; g++)
            s->groups[g].sequence->position++;
}

/* The groups [from, to) by `crew`; `logits`: NULL, or where they go instead of choosing tokens. */
static void run_step(struct fast_decoder *d, struct crew *crew, struct fast_group *groups, int from, int to,
                     const int32_t *tokens, float *logits)
{
    struct step s = { .decoder = d, .model = d->model, .crew = crew, .groups = groups + from, .group_count = to - from,
                      .row = groups[from].row, .row_end = groups[to - 1].row + groups[to - 1].row_count,
                      .scratch = &d->scratch[crew->rank] };
    s.own = crew->count == 1 || s.row_end - s.row <= ROWS_OWN_MAX;
    run_layers(&s, tokens);
    if (logits)
        write_logits(&s, logits);
    else
        choose_tokens(&s);
    advance(&s);
}

/* All members share everything, or each piece is a whole step of some requests. */
static void run_steps(struct fast_decoder *d, struct crew *crew, struct fast_group *groups, int count,
                      const int32_t *tokens, float *logits)
{
    int rows = groups[count - 1].row + groups[count - 1].row_count, parts = crew->count;
    if (count < parts || rows < ROWS_ALONE_MIN * parts) {
        run_step(d, crew, groups, 0, count, tokens, logits);
        return;
    }
    for (int part, end; crew_take(crew, parts, &part, &end);) {
        struct crew alone = crew_alone(crew);
        run_step(d, &alone, groups, share_start(count, parts, part), share_start(count, parts, part + 1), tokens,
                 logits);
    }
}

void fast_decode(struct fast_decoder *decoder, struct crew *crew, struct fast_group *groups, int group_count)
{
    run_steps(decoder, crew, groups, group_count, NULL, NULL);
}

void fast_decode_logits(struct fast_decoder *decoder, struct crew *crew, struct fast_group *groups, int group_count,
                        const int32_t *tokens, float *logits)
{
    run_steps(decoder, crew, groups, group_count, tokens, logits);
}
