/* Packing: every matrix is a row of a list first, so that the memory is one block, and then filled by
 * all members of the team, each its share of each matrix. */
#include "base/mem.h"
#include "t5/fast.h"
#include "t5/fast_bias.h"

#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Where the rows of a packed matrix come from: up to three tensors, one after the other. */
struct source {
    struct t5_packed *packed;
    enum t5_precision precision;
    int n, k;
    const struct tensor *tensors[3];
    int section;                 /* outputs of one tensor, padded */
    bool heads_out, heads_in;    /* outputs, inputs: head by head, each padded to head_width */
    const struct t5_config *config;
    int head_width;
};

struct plan {
    struct fast_model *model;
    struct source *sources;
    int count;
    struct team *team;
};

static void read_inputs(const struct source *s, const struct tensor *tensor, int row, float *out)
{
    size_t width = tensor->shape[1], at = (size_t)row * width;
    if (!s->heads_in) {
        tensor_read_f32(tensor, at, width, out);
        return;
    }
    memset(out, 0, (size_t)s->k * sizeof *out);
    size_t d_kv = (size_t)s->config->d_kv;
    for (size_t h = 0; h < (size_t)s->config->head_count; h++)
        tensor_read_f32(tensor, at + h * d_kv, d_kv, out + h * (size_t)s->head_width);
}

static void read_row(const void *context, int row, float *out)
{
    const struct source *s = context;
    const struct tensor *tensor = s->tensors[row / s->section];
    row %= s->section;
    bool pad = row >= (int)tensor->shape[0];
    if (s->heads_out) {
        int head = row / s->head_width, at = row % s->head_width;
        pad = head >= s->config->head_count || at >= s->config->d_kv;
        row = head * s->config->d_kv + at;
    }
    if (pad)
        memset(out, 0, (size_t)s->k * sizeof *out);
    else
        read_inputs(s, tensor, row, out);
}

/* ---- the list ---- */

static struct source *add_source(struct plan *plan, struct t5_packed *packed, int sections, int section, int k)
{
    struct fast_model *m = plan->model;
    struct source *s = &plan->sources[plan->count++];
    *s = (struct source){ .packed = packed, .precision = m->precision, .n = sections * section, .k = k,
                          .section = section, .config = m->config, .head_width = m->head_width };
    return s;
}

static void add_heads(struct plan *plan, struct t5_packed *packed, const struct tensor *q, const struct tensor *k,
                      const struct tensor *v)
{
    int sections = v ? 3 : k ? 2 : 1;
    struct source *s = add_source(plan, packed, sections, plan->model->inner, plan->model->config->d_model);
    s->tensors[0] = q, s->tensors[1] = k, s->tensors[2] = v;
    s->heads_out = true;
}

static void add_out(struct plan *plan, struct t5_packed *packed, const struct tensor *o)
{
    struct fast_model *m = plan->model;
    struct source *s = add_source(plan, packed, 1, m->width, m->config->head_count * m->head_width);
    s->tensors[0] = o;
    s->heads_in = true;
}

static void add_ff(struct plan *plan, struct fast_ff *ff, const struct ff_weights *weights)
{
    struct fast_model *m = plan->model;
    struct source *in = add_source(plan, &ff->in, weights->gate ? 2 : 1, m->ff_width, m->config->d_model);
    in->tensors[0] = weights->wi, in->tensors[1] = weights->gate;
    struct source *out = add_source(plan, &ff->out, 1, m->width, m->config->d_ff);
    out->tensors[0] = weights->wo;
}

static void list_sources(struct plan *plan)
{
    struct fast_model *m = plan->model;
    const struct checkpoint *c = m->checkpoint;
    for (int i = 0; i < m->config->layer_count; i++) {
        const struct encoder_layer *from = &c->encoder[i];
        add_heads(plan, &m->encoder[i].self.in, from->self.q, from->self.k, from->self.v);
        add_out(plan, &m->encoder[i].self.out, from->self.o);
        add_ff(plan, &m->encoder[i].ff, &from->ff);
    }
    for (int i = 0; i < m->config->decoder_layer_count; i++) {
        const struct decoder_layer *from = &c->decoder[i];
        add_heads(plan, &m->decoder[i].self.in, from->self.q, from->self.k, from->self.v);
        add_out(plan, &m->decoder[i].self.out, from->self.o);
        add_heads(plan, &m->decoder[i].cross.in, from->cross.q, NULL, NULL);
        add_heads(plan, &m->decoder[i].memory, from->cross.k, from->cross.v, NULL);
        add_out(plan, &m->decoder[i].cross.out, from->cross.o);
        add_ff(plan, &m->decoder[i].ff, &from->ff);
    }
    add_source(plan, &m->head, 1, t5_padded(m->config->vocab_size), m->config->d_model)->tensors[0] = c->head;
}

/* ---- memory ---- */

static size_t aligned(size_t size)
{
    return (size + T5_ALIGN - 1) / T5_ALIGN * T5_ALIGN;
}

static int norm_count(const struct fast_model *m)
{
    return 2 * m->config->layer_count + 3 * m->config->decoder_layer_count + 2;
}

static bool place(struct plan *plan, struct err *err)
{
    struct fast_model *m = plan->model;
    size_t norms = (size_t)norm_count(m) * (size_t)m->width * sizeof(float), size = aligned(norms);
    for (int i = 0; i < plan->count; i++)
        size += aligned(t5_packed_size(plan->sources[i].precision, plan->sources[i].n, plan->sources[i].k));
    m->block = mem_pages_new(size);
    m->block_size = size;
    if (!m->block)
        return err_set(err, ERR_UNAVAILABLE, "no memory for %zu MB of packed weights", size >> 20);
    (void)madvise(m->block, size, MADV_HUGEPAGE);   /* fewer page faults now, fewer TLB misses later */
    unsigned char *at = (unsigned char *)m->block + aligned(norms);
    for (int i = 0; i < plan->count; i++) {
        struct source *s = &plan->sources[i];
        t5_packed_place(s->packed, s->precision, s->n, s->k, at);
        at += aligned(t5_packed_size(s->precision, s->n, s->k));
    }
    return true;
}

static float *read_norm(struct fast_model *m, int *number, const struct tensor *norm)
{
    float *out = (float *)m->block + (size_t)(*number)++ * (size_t)m->width;
    tensor_read_f32(norm, 0, norm->count, out);
    return out;
}

/* A tied head multiplies states scaled by d_model^-0.5: the last norm does it. */
static void scale_for_head(const struct fast_model *m, float *norm)
{
    for (int i = 0; i < m->config->d_model && m->config->tied; i++)
        norm[i] *= 1.0f / sqrtf((float)m->config->d_model);
}

static void read_norms(struct fast_model *m)
{
    const struct checkpoint *c = m->checkpoint;
    int n = 0;
    for (int i = 0; i < m->config->layer_count; i++) {
        m->encoder[i].self.norm = read_norm(m, &n, c->encoder[i].self.norm);
        m->encoder[i].ff.norm = read_norm(m, &n, c->encoder[i].ff.norm);
    }
    for (int i = 0; i < m->config->decoder_layer_count; i++) {
        m->decoder[i].self.norm = read_norm(m, &n, c->decoder[i].self.norm);
        m->decoder[i].cross.norm = read_norm(m, &n, c->decoder[i].cross.norm);
        m->decoder[i].ff.norm = read_norm(m, &n, c->decoder[i].ff.norm);
    }
    m->encoder_norm = read_norm(m, &n, c->encoder_norm);
    float *last = read_norm(m, &n, c->decoder_norm);
    scale_for_head(m, last);
    m->decoder_norm = last;
    CHECK(n == norm_count(m));
}

/* The file's pages of a tensor leave this process; they come back when somebody reads them. */
static void give_back(const struct tensor *tensor)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = (uintptr_t)tensor->data;
    uintptr_t to = (from + tensor->count * tensor_type_size(tensor->type)) / page * page;
    from = (from + page - 1) / page * page;
    if (to > from)
        (void)madvise((void *)from, to - from, MADV_DONTNEED);
}

static void fill_work(void *context, struct crew *crew)
{
    struct plan *plan = context;
    for (int i = 0; i < plan->count; i++) {
        struct source *s = &plan->sources[i];
        for (int from, to; crew_take(crew, s->packed->blocks, &from, &to);)
            t5_packed_fill(s->packed, from, to, read_row, s);
        for (int t = 0; t < 3 && s->tensors[t]; t++)
            give_back(s->tensors[t]);
    }
}

/* ---- the model ---- */

enum t5_precision fast_precision(enum t5_precision asked, const struct checkpoint *checkpoint)
{
    if (asked != T5_AUTO)
        return asked;
    return checkpoint->parameter_count <= FAST_FP32_PARAMETERS_MAX ? T5_FP32 : T5_INT8;
}

static struct fast_model *model_new(const struct checkpoint *checkpoint, enum t5_precision precision,
                                    const struct t5_kernels *kernels)
{
    const struct t5_config *config = &checkpoint->config;
    struct fast_model *m = mem_new(1, sizeof *m);
    *m = (struct fast_model){
        .checkpoint = checkpoint, .config = config, .kernels = kernels,
        .precision = fast_precision(precision, checkpoint), .width = t5_padded(config->d_model),
        .ff_width = t5_padded(config->d_ff),
    };
    m->items = m->precision == T5_INT8 ? T5_ITEMS_INT8 : m->precision == T5_BF16 ? T5_ITEMS_BF16 : T5_ITEMS_FP32;
    m->head_width = m->precision == T5_INT8 ? t5_padded(config->d_kv) : (config->d_kv + 15) & ~15;
    m->inner = t5_padded(config->head_count * m->head_width);
    m->encoder = mem_new((size_t)config->layer_count, sizeof *m->encoder);
    m->decoder = mem_new((size_t)config->decoder_layer_count, sizeof *m->decoder);
    size_t bias = (size_t)config->head_count * FAST_BIAS_STRIDE;
    m->encoder_bias = mem_new(bias, sizeof *m->encoder_bias);
    m->decoder_bias = mem_new(bias, sizeof *m->decoder_bias);
    fast_bias_fill(checkpoint->encoder_bias, config, true, m->encoder_bias, FAST_BIAS_CENTER, FAST_BIAS_STRIDE);
    fast_bias_fill(checkpoint->decoder_bias, config, false, m->decoder_bias, FAST_BIAS_CENTER, FAST_BIAS_STRIDE);
    return m;
}

bool fast_model_new(const struct checkpoint *checkpoint, enum t5_precision precision, const struct t5_kernels *kernels,
                    struct team *team, struct fast_model **out, struct err *err)
{
    if (checkpoint->config.d_kv > T5_HEAD_SIZE_MAX)
        return err_set(err, ERR_TOO_LARGE, "d_kv: %d is above %d", checkpoint->config.d_kv, T5_HEAD_SIZE_MAX);
    struct fast_model *m = model_new(checkpoint, precision, kernels);
    struct plan plan = { .model = m, .team = team };
    plan.sources = mem_new((size_t)(4 * m->config->layer_count + 7 * m->config->decoder_layer_count + 1),
                           sizeof *plan.sources);
    list_sources(&plan);
    bool placed = place(&plan, err);
    if (placed) {
        read_norms(m);
        team_run(team, fill_work, &plan);
        *out = m;
    } else {
        fast_model_free(m);
    }
    mem_free(plan.sources);
    return placed;
}

void fast_model_free(struct fast_model *model)
{
    if (!model)
        return;
    mem_pages_free(model->block, model->block_size);
    mem_free(model->encoder);
    mem_free(model->decoder);
    mem_free(model->encoder_bias);
    mem_free(model->decoder_bias);
    mem_free(model);
}

/* ---- what both passes use ---- */

void fast_pack(const struct fast_model *model, const struct t5_packed *weights, const float *x, struct t5_rows rows,
               int row)
{
    uint32_t *out = rows.data + (size_t)row * rows.stride;
    switch (weights->precision) {
    case T5_INT8: model->kernels->pack_int8(x, weights->k, out, &rows.scale[row]); break;
    case T5_BF16: model->kernels->pack_bf16(x, weights->k, out); break;
    default:      memcpy(out, x, (size_t)weights->k * sizeof *x); break;
    }
}

void fast_norm_pack(const struct fast_model *model, const struct t5_packed *weights, const float *x, const float *norm,
                    float *normed, struct t5_rows rows, int row)
{
    int n = model->config->d_model;
    float epsilon = model->config->layer_norm_epsilon;
    if (weights->precision == T5_INT8) {
        model->kernels->norm_int8(x, norm, n, epsilon, rows.data + (size_t)row * rows.stride, &rows.scale[row]);
        return;
    }
    model->kernels->norm(x, norm, n, epsilon, normed);
    fast_pack(model, weights, normed, rows, row);
}

void fast_embed(const struct fast_model *model, int32_t token, float *out)
{
    size_t width = (size_t)model->config->d_model;
    tensor_read_f32(model->checkpoint->embedding, (size_t)token * width, width, out);
    memset(out + width, 0, ((size_t)model->width - width) * sizeof *out);
}

void fast_activate(const struct fast_model *model, const float *piece, float *out)
{
    const struct t5_kernels *k = model->kernels;
    const float *gate = model->config->gated ? piece + T5_BLOCK : NULL;
    if (!model->config->gelu_new)
        k->relu_gate(piece, gate, T5_BLOCK, out);
    else if (model->precision == T5_FP32)
        k->gelu_gate(piece, gate, T5_BLOCK, out);
    else
        k->gelu_gate_rough(piece, gate, T5_BLOCK, out);
}
