/* One step of the decoder for every row (a beam of a request) at once.
 *
 * With few rows the step is bound by reading the weights: the members share every product by outputs,
 * and meet between operations.  With many it is bound by arithmetic: each member takes whole requests
 * and never waits for the others. */
#include "base/mem.h"
#include "t5/fast_head.h"

#include <string.h>

/* Rows a member must have before it works alone.  Measured on Zen 5: docs/decisions, "T5's speed". */
enum { ROWS_ALONE_MIN = 16 };

struct scratch {                 /* of one member */
    float *normed, *scores;
};

struct fast_decoder {
    const struct fast_model *model;
    int thread_count, row_max;
    size_t qkv_stride, hidden_stride;
    float *x, *qkv, *context, *hidden;      /* [row_max] rows each */
    struct t5_rows packed;
    struct scratch *scratch;
    struct fast_head *head;
    void *memory;
    size_t memory_size;
};

struct step {
    struct fast_decoder *decoder;
    const struct fast_model *model;
    struct crew crew;
    struct fast_group *groups;
    int group_count, row, row_end;
    struct scratch *scratch;
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
    d->x = take(base, &used, rows * (size_t)m->width * f);
    d->qkv = take(base, &used, rows * d->qkv_stride * f);
    d->context = take(base, &used, rows * (size_t)m->inner * f);
    d->hidden = take(base, &used, rows * d->hidden_stride * f);
    d->packed = (struct t5_rows){ take(base, &used, rows * words * 4), words, take(base, &used, rows * f) };
    for (int t = 0; t < d->thread_count; t++) {
        d->scratch[t].normed = take(base, &used, (size_t)fast_widest(m) * f);
        d->scratch[t].scores = take(base, &used, T5_ATTENTION_ROWS * (T5_TOKENS_MAX + T5_BLOCK) * f);
    }
    return used;
}

struct fast_decoder *fast_decoder_new(const struct fast_model *model, int thread_count, int row_max)
{
    struct fast_decoder *d = mem_new(1, sizeof *d);
    *d = (struct fast_decoder){ .model = model, .thread_count = thread_count, .row_max = row_max,
                                .qkv_stride = 3 * (size_t)model->inner, .hidden_stride = 2 * (size_t)model->ff_width };
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

static void follow_parents(struct fast_group *group)
{
    struct fast_sequence *s = group->sequence;
    size_t length = (size_t)s->length_max, position = (size_t)s->position;
    for (int i = 0; i < group->row_count; i++) {
        int parent = group->generation && position > 0 ? generation_parent(group->generation, i) : i;
        memcpy(s->slot[1] + (size_t)i * length, s->slot[0] + (size_t)parent * length, position);
        s->slot[1][(size_t)i * length + position] = (uint8_t)i;
    }
    uint8_t *next = s->slot[1];
    s->slot[1] = s->slot[0];
    s->slot[0] = next;
}

static void start_rows(const struct step *s, const int32_t *tokens)
{
    int from, to;
    crew_share(&s->crew, s->group_count, &from, &to);
    for (int g = from; g < to; g++) {
        struct fast_group *group = &s->groups[g];
        CHECK(group->sequence->position < group->sequence->length_max && group->row_count <= group->sequence->slot_count);
        follow_parents(group);
        for (int i = 0; i < group->row_count; i++) {
            int32_t token = tokens ? tokens[group->row + i] : generation_token(group->generation, i);
            fast_embed(s->model, token, s->decoder->x + (size_t)(group->row + i) * (size_t)s->model->width);
        }
    }
    crew_wait(&s->crew);
}

/* ---- operations; each ends with a meeting ---- */

static void norm_and_pack(const struct step *s, const float *norm, const struct t5_packed *weights)
{
    const struct fast_model *m = s->model;
    int from, to;
    crew_share(&s->crew, s->row_end - s->row, &from, &to);
    for (int r = s->row + from; r < s->row + to; r++) {
        m->kernels->norm(s->decoder->x + (size_t)r * (size_t)m->width, norm, m->config->d_model,
                         m->config->layer_norm_epsilon, s->scratch->normed);
        fast_pack(m, weights, s->scratch->normed, s->decoder->packed, r);
    }
    crew_wait(&s->crew);
}

static void pack(const struct step *s, const struct t5_packed *weights, float *x, size_t stride, bool activate)
{
    int from, to;
    crew_share(&s->crew, s->row_end - s->row, &from, &to);
    for (int r = s->row + from; r < s->row + to; r++) {
        if (activate)
            fast_activate(s->model, x + (size_t)r * stride);
        fast_pack(s->model, weights, x + (size_t)r * stride, s->decoder->packed, r);
    }
    crew_wait(&s->crew);
}

static void multiply(const struct step *s, const struct t5_packed *weights, float *out, size_t stride, bool add)
{
    int from, to;
    crew_share(&s->crew, weights->blocks, &from, &to);
    t5_product(s->model->kernels, &(struct t5_product){ .weights = weights, .rows = s->decoder->packed, .row = s->row,
        .row_end = s->row_end, .block = from, .block_end = to, .out = out, .out_stride = stride, .add = add });
    crew_wait(&s->crew);
}

/* The newest keys and values of one head's rows. */
static void keep_new(const struct fast_model *m, const struct fast_group *group, struct fast_place at, const float *rows,
                     size_t stride)
{
    const struct fast_sequence *q = group->sequence;
    size_t vector = (size_t)m->head_width * t5_item_size(m->items);
    size_t place = (size_t)q->position * (size_t)q->slot_count;
    for (int i = 0; i < group->row_count; i++, place++, rows += stride) {
        float ignored, *scales = at.key_scales ? at.key_scales + 2 * place : NULL;
        m->kernels->keep(rows + m->inner, m->head_width, m->items, at.keys + 2 * place * vector, scales ? scales : &ignored);
        m->kernels->keep(rows + 2 * m->inner, m->head_width, m->items, at.keys + (2 * place + 1) * vector,
                         scales ? scales + 1 : &ignored);
    }
}

/* One head of one request: its rows' new keys and values are kept, then each row looks back. */
static void look_back(const struct step *s, int layer, const struct fast_group *group, int head)
{
    const struct fast_model *m = s->model;
    struct fast_decoder *d = s->decoder;
    struct fast_sequence *q = group->sequence;
    struct fast_place at = fast_self(q, m, layer, head);
    size_t column = (size_t)head * (size_t)m->head_width;
    const float *rows = d->qkv + (size_t)group->row * d->qkv_stride + column;
    keep_new(m, group, at, rows, d->qkv_stride);
    m->kernels->history(&(struct t5_history){
        .kept = at.keys, .scales = at.key_scales, .next_head = head + 1 < m->config->head_count ? q->self_step : 0,
        .slot_count = q->slot_count, .length = q->position + 1, .head_size = m->head_width, .items = m->items,
        .slot = q->slot[0], .slot_stride = (size_t)q->length_max,
        .query = rows, .query_stride = d->qkv_stride, .query_count = group->row_count,
        .bias = m->decoder_bias + (size_t)head * FAST_BIAS_STRIDE + FAST_BIAS_CENTER - q->position,
        .out = d->context + (size_t)group->row * (size_t)m->inner + column, .out_stride = (size_t)m->inner,
        .scratch = s->scratch->scores });
}

static void look_across(const struct step *s, int layer, const struct fast_group *group, int head)
{
    const struct fast_model *m = s->model;
    struct fast_decoder *d = s->decoder;
    struct fast_place at = fast_cross(group->sequence, m, layer, head);
    size_t column = (size_t)head * (size_t)m->head_width;
    m->kernels->attention(&(struct t5_attention){
        .keys = at.keys, .values = at.values, .key_scales = at.key_scales, .value_scales = at.value_scales,
        .value_stride = (size_t)m->head_width, .key_count = group->sequence->input_count, .head_size = m->head_width,
        .items = m->items,
        .query = d->qkv + (size_t)group->row * d->qkv_stride + column, .query_stride = d->qkv_stride,
        .query_count = group->row_count,
        .out = d->context + (size_t)group->row * (size_t)m->inner + column, .out_stride = (size_t)m->inner,
        .scratch = s->scratch->scores });
}

typedef void look_fn(const struct step *s, int layer, const struct fast_group *group, int head);

static void attend(const struct step *s, int layer, look_fn *look)
{
    int heads = s->model->config->head_count, from, to;
    crew_share(&s->crew, s->group_count * heads, &from, &to);
    for (int i = from; i < to; i++)
        look(s, layer, &s->groups[i / heads], i % heads);
    crew_wait(&s->crew);
}

static void attention(const struct step *s, const struct fast_attention *weights, int layer, look_fn *look)
{
    struct fast_decoder *d = s->decoder;
    norm_and_pack(s, weights->norm, &weights->in);
    multiply(s, &weights->in, d->qkv, d->qkv_stride, false);
    attend(s, layer, look);
    pack(s, &weights->out, d->context, (size_t)s->model->inner, false);
    multiply(s, &weights->out, d->x, (size_t)s->model->width, true);
}

static void feed_forward(const struct step *s, const struct fast_ff *weights)
{
    struct fast_decoder *d = s->decoder;
    norm_and_pack(s, weights->norm, &weights->in);
    multiply(s, &weights->in, d->hidden, d->hidden_stride, false);
    pack(s, &weights->out, d->hidden, d->hidden_stride, true);
    multiply(s, &weights->out, d->x, (size_t)s->model->width, true);
}

/* ---- the step ---- */

static void run_layers(const struct step *s, const int32_t *tokens)
{
    const struct fast_model *m = s->model;
    start_rows(s, tokens);
    for (int l = 0; l < m->config->decoder_layer_count; l++) {
        attention(s, &m->decoder[l].self, l, look_back);
        attention(s, &m->decoder[l].cross, l, look_across);
        feed_forward(s, &m->decoder[l].ff);
    }
    norm_and_pack(s, m->decoder_norm, &m->head);
}

/* The member's part: whole requests for itself, or a share of everything. */
static struct step step_of(struct fast_decoder *decoder, const struct crew *crew, struct fast_group *groups, int count)
{
    struct step s = { .decoder = decoder, .model = decoder->model, .crew = *crew, .groups = groups, .group_count = count,
                      .row_end = count ? groups[count - 1].row + groups[count - 1].row_count : 0,
                      .scratch = &decoder->scratch[crew->rank] };
    if (count < crew->count || s.row_end < ROWS_ALONE_MIN * crew->count)
        return s;
    int from, to;
    crew_share(crew, count, &from, &to);
    s.crew = (struct crew){ crew->team, 0, 1 };
    s.groups = groups + from;
    s.group_count = to - from;
    s.row = groups[from].row;
    s.row_end = groups[to - 1].row + groups[to - 1].row_count;
    return s;
}

static void advance(const struct step *s)
{
    int from, to;
    crew_share(&s->crew, s->group_count, &from, &to);
    for (int g = from; g < to; g++)
        s->groups[g].sequence->position++;
}

void fast_decode(struct fast_decoder *decoder, const struct crew *crew, struct fast_group *groups, int group_count)
{
    struct step s = step_of(decoder, crew, groups, group_count);
    run_layers(&s, NULL);
    fast_head_run(decoder->head, &s.crew, crew->rank, decoder->packed, s.groups, s.group_count);
    advance(&s);
}

void fast_decode_logits(struct fast_decoder *decoder, const struct crew *crew, struct fast_group *groups, int group_count,
                        const int32_t *tokens, float *logits)
{
    struct step s = step_of(decoder, crew, groups, group_count);
    run_layers(&s, tokens);
    multiply(&s, &s.model->head, logits, (size_t)t5_padded(s.model->config->vocab_size), false);
    advance(&s);
}
