/* checkpoint.h - a Hugging Face T5 folder: every weight found by name, its shape checked, nothing copied.
 *
 * Layouts:  torch's: a projection from `in` to `out` is [out, in], row-major: y = W x.
 *               q, k, v [heads * d_kv, d_model]   o [d_model, heads * d_kv]
 *               wi, gate [d_ff, d_model]          wo [d_model, d_ff]        norms [d_model]
 *               embedding, head [V, D]            bias [buckets, heads]
 *           Each is F32, F16 or BF16 as in the file; tensor_read_f32() reads them.
 * Tied:     `head` is `embedding`, and the decoder's last states are scaled by d_model^-0.5 before it.
 * Gated:    wi is "wi_0" (goes through the activation), gate is "wi_1".
 * Errors:   name the file, the tensor, the expected shape and the found one.
 * Lifetime: tensors live until checkpoint_close().  Threads: read-only, shared freely. */
#ifndef T5_CHECKPOINT_H
#define T5_CHECKPOINT_H

#include "t5/config.h"
#include "t5/safetensors.h"

struct attention_weights {
    const struct tensor *norm, *q, *k, *v, *o;
};

struct ff_weights {
    const struct tensor *norm, *wi, *gate, *wo;   /* gate: NULL unless config.gated */
};

struct encoder_layer {
    struct attention_weights self;
    struct ff_weights ff;
};

struct decoder_layer {
    struct attention_weights self, cross;
    struct ff_weights ff;
};

struct checkpoint {
    struct t5_config config;
    struct t5_params defaults;                     /* generation_config.json */
    const struct tensor *embedding, *head;
    const struct tensor *encoder_bias, *decoder_bias;
    const struct tensor *encoder_norm, *decoder_norm;   /* the final ones */
    struct encoder_layer *encoder;                 /* [config.layer_count] */
    struct decoder_layer *decoder;                 /* [config.decoder_layer_count] */
    size_t parameter_count;                        /* each weight once; a tied head is none */
    struct safetensors *files[256];                /* T5_SHARD_COUNT_MAX */
    const char *shard_names[256];                  /* of sharded files, borrowed from the index */
    size_t file_count;
    struct json *index;                            /* NULL: one file */
};

bool checkpoint_open(const char *dir, struct checkpoint **out, struct err *err) MUST_CHECK;
void checkpoint_close(struct checkpoint *checkpoint);   /* NULL is fine */

/* Calls `visit` once for every weight, in a fixed order, under its first name in transformers:
 * "shared.weight", "encoder.block.0.layer.0.SelfAttention.q.weight", …  `slot` is where the checkpoint
 * keeps its pointer.  Training and quantizing walk this. */
typedef bool checkpoint_visit(void *context, const char *name, const struct tensor **slot, int rank,
                              const size_t *shape, struct err *err);
bool checkpoint_each(struct checkpoint *checkpoint, checkpoint_visit *visit, void *context, struct err *err) MUST_CHECK;

#endif
