#include "base/mem.h"
#include "t5/fast.h"

#include <string.h>
#include <sys/mman.h>

static size_t heads_of(const struct fast_model *m)
{
    return (size_t)m->config->decoder_layer_count * (size_t)m->config->head_count;
}

/* Laid out twice: first to measure, then in the block. */
static size_t lay_out(struct fast_sequence *s, const struct fast_model *m, unsigned char *base)
{
    size_t item = t5_item_size(m->items), scale = m->items == T5_ITEMS_INT8 ? sizeof(float) : 0,
           table = (size_t)s->slot_count * (size_t)s->length_max;
    size_t heads = heads_of(m), width = (size_t)m->head_width;
    s->place_stride = ((size_t)s->length_max + T5_PLACES - 1) / T5_PLACES * T5_PLACES;
    size_t places = (size_t)s->slot_count * s->place_stride * sizeof(uint32_t);
    s->values_at = (size_t)t5_padded(s->input_count) * width;
    s->cross_step = s->values_at + (size_t)t5_padded((s->input_count + 3) / 4 * 4 * m->head_width);
    s->self_step = table * 2 * width;
    const struct { void **at; size_t size; } parts[] = {
        { &s->cross, heads * s->cross_step * item },
        { &s->self, heads * s->self_step * item },
        { (void **)&s->cross_scales, heads * fast_cross_scales(s) * scale },
        { (void **)&s->self_scales, heads * 2 * table * scale },
        { (void **)&s->place[0], places },
        { (void **)&s->place[1], places },
    };
    size_t used = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        *parts[i].at = base ? base + used : NULL;
        used += (parts[i].size + T5_ALIGN - 1) / T5_ALIGN * T5_ALIGN;
    }
    return used;
}

size_t fast_sequence_size(struct fast_sequence *s, const struct fast_model *model, int input_count, int slot_count,
                          int length_max)
{
    s->input_count = input_count;
    s->slot_count = slot_count;
    s->length_max = length_max;
    s->position = 0;
    return lay_out(s, model, NULL);
}

bool fast_sequence_reserve(struct fast_sequence *s, const struct fast_model *model, int input_count, int slot_count,
                           int length_max)
{
    size_t size = fast_sequence_size(s, model, input_count, slot_count, length_max);
    if (size > s->memory_size) {
        mem_pages_free(s->memory, s->memory_size);
        s->memory = mem_pages_new(size);
        if (s->memory)
            (void)madvise(s->memory, size, MADV_HUGEPAGE);   /* read from end to end in every step */
        s->memory_size = s->memory ? size : 0;
    }
    if (s->memory)
        (void)lay_out(s, model, s->memory);
    if (s->memory && model->items == T5_ITEMS_INT8)   /* the pads are read, and must not be NaN */
        memset(s->cross_scales, 0, heads_of(model) * fast_cross_scales(s) * sizeof *s->cross_scales);
    return s->memory != NULL;
}

void fast_sequence_free(struct fast_sequence *sequence)
{
    mem_pages_free(sequence->memory, sequence->memory_size);
    *sequence = (struct fast_sequence){ 0 };
}

struct fast_place fast_cross(const struct fast_sequence *s, const struct fast_model *model, int layer, int head)
{
    size_t item = t5_item_size(model->items), place = (size_t)layer * (size_t)model->config->head_count + (size_t)head;
    unsigned char *keys = (unsigned char *)s->cross + place * s->cross_step * item;
    size_t scales = fast_cross_scales(s);
    float *key_scales = model->items == T5_ITEMS_INT8 ? s->cross_scales + place * scales : NULL;
    return (struct fast_place){ keys, keys + s->values_at * item, key_scales,
                                key_scales ? key_scales + scales / 2 : NULL };
}

struct fast_place fast_self(const struct fast_sequence *s, const struct fast_model *model, int layer, int head)
{
    size_t item = t5_item_size(model->items), place = (size_t)layer * (size_t)model->config->head_count + (size_t)head;
    unsigned char *kept = (unsigned char *)s->self + place * s->self_step * item;
    float *scales = model->items == T5_ITEMS_INT8
                        ? s->self_scales + place * 2 * (size_t)s->slot_count * (size_t)s->length_max
                        : NULL;
    return (struct fast_place){ kept, NULL, scales, NULL };
}
