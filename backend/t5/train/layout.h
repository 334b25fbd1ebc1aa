/* layout.h - where each parameter of a T5 lies in one block, and what Hugging Face calls it.
 *
 * Gradients and the optimizer's moments are blocks of the same layout.  The projections q, k, v of one
 * attention lie one behind the other, as do wi_0 and wi_1, so that each group is one product. */
#ifndef T5_TRAIN_LAYOUT_H
#define T5_TRAIN_LAYOUT_H

#include "t5/t5.h"
#include "t5/train/real.h"

enum { LAYOUT_NAME_SIZE = 80 };

struct layout_tensor {
    char name[LAYOUT_NAME_SIZE];
    size_t offset, rows, columns;        /* columns 0: a vector */
};

struct layout_attention {
    size_t norm, qkv, q, k, o;           /* q = qkv; k: start of k and v */
};

struct layout_layer {
    struct layout_attention self, cross; /* cross: decoder only */
    size_t ff_norm, wi, wo;              /* wi: [F,D], or [2F,D] when gated */
};

struct layout {
    struct t5_config config;
    size_t D, I, F, V;                   /* I = head_count * d_kv */
    size_t total;                        /* items of a block */
    struct layout_tensor *tensors;
    size_t tensor_count;
    size_t embedding, head;              /* the same when tied */
    size_t encoder_bias, decoder_bias, encoder_norm, decoder_norm;
    struct layout_layer *encoder, *decoder;
};

struct layout *layout_new(const struct t5_config *config);
void layout_free(struct layout *layout);
const struct layout_tensor *layout_find(const struct layout *layout, const char *name);   /* NULL: no such tensor */
static inline size_t layout_count(const struct layout_tensor *tensor)
{
    return tensor->rows * (tensor->columns ? tensor->columns : 1);
}

/* T5's initialisation.  Source: T5PreTrainedModel._init_weights (Mesh TensorFlow's). */
void layout_initialise(const struct layout *layout, uint64_t seed, real *params);

#endif
