/* fast.h - T5's two forward passes over packed weights: the encoder over whole texts, the decoder one
 * token at a time for every beam of every request.
 *
 * Layout.  A head's values are padded to 16, in int8 to 64 (`head_width`), and rows to 64 floats; the pads are zero in
 * the weights, so they are zero everywhere and no kernel has a tail.
 *     width   d_model padded      inner  heads * head_width, padded      ff_width  d_ff padded
 * Precision is a property of each matrix: a model is fp32, bf16, or int8 with single matrices kept in
 * bf16 (docs/decisions says which and why).  Norms, softmax, sums and the residual are always fp32; keys
 * and values are kept in the model's precision, in int8 each vector with its own scale.
 *
 * A row's result never depends on the other rows, nor on how rows and outputs are split among threads.
 *
 * Threads:  a model is read-only.  The passes are called by the members of a team, within a job. */
#ifndef T5_FAST_H
#define T5_FAST_H

#include "base/bounds.h"
#include "t5/checkpoint.h"
#include "t5/generate.h"
#include "t5/kernels/kernels.h"
#include "t5/team.h"

/* ---- model ---- */

struct fast_attention {
    const float *norm;
    struct t5_packed in;         /* q, k, v one after the other, each `inner` wide; cross: q */
    struct t5_packed out;
};
struct fast_ff {
    const float *norm;
    struct t5_packed in;         /* wi, then the gate where there is one, each `ff_width` wide */
    struct t5_packed out;
};
struct fast_layer {
    struct fast_attention self, cross;      /* cross: decoder only */
    struct t5_packed memory;                /* decoder: keys and values of the encoder's states */
    struct fast_ff ff;
};

struct fast_model {
    const struct checkpoint *checkpoint;
    const struct t5_config *config;
    const struct t5_kernels *kernels;
    enum t5_precision precision;
    enum t5_items items;         /* of keys and values */
    int width, head_width, inner, ff_width;
    struct fast_layer *encoder, *decoder;
    const float *encoder_norm, *decoder_norm;   /* tied: the decoder's times d_model^-0.5 */
    struct t5_packed head;
    float *encoder_bias;         /* [heads][FAST_BIAS_STRIDE]: of key - query, at FAST_BIAS_CENTER + key - query */
    float *decoder_bias;         /* the same for key <= query */
    void *block;                 /* all packed weights and norms */
    size_t block_size;
};

/* Packs every weight, by all members of `team`; the file's pages are given back. */
bool fast_model_new(const struct checkpoint *checkpoint, enum t5_precision precision, const struct t5_kernels *kernels,
                    struct team *team, struct fast_model **out, struct err *err) MUST_CHECK;
void fast_model_free(struct fast_model *model);
/* What T5_AUTO becomes: fp32 for a small model, whose text changes in any other precision and which is quick
 * in every one; int8 for a larger one.  docs/decisions/0008 has the measurements. */
enum t5_precision fast_precision(enum t5_precision asked, const struct checkpoint *checkpoint);
enum { FAST_FP32_PARAMETERS_MAX = 16 << 20 };   /* 64 MB in fp32 */

/* ---- one request's memory ---- */

/* Keys and values: of the encoder's states (cross) and of the tokens written so far (self).
 *     cross  [layer][head] { keys, values } as in t5_attention
 *     self   [layer][head][position][slot] { key, value }; a slot is the row that wrote it
 *     scales, int8: cross [layer][head][2][input padded], self [layer][head][position][slot][2]
 * What a row continues at a position is in `place` (position * slot_count + slot); beams are reordered there and
 * nowhere else. */
struct fast_sequence {
    int input_count, position;              /* position: tokens in the cache */
    int slot_count, length_max;
    size_t values_at, cross_step, self_step;    /* items: of a head's values; from one head to the next */
    size_t place_stride;                        /* length_max, padded to T5_PLACES */
    void *cross, *self;
    float *cross_scales, *self_scales;          /* NULL unless int8 */
    uint32_t *place[2];                         /* [slot_count][place_stride]: now, and the step's new one */
    void *memory;
    size_t memory_size;
};

/* Bytes that a request's cache takes; sets the sizes in `sequence`. */
size_t fast_sequence_size(struct fast_sequence *sequence, const struct fast_model *model, int input_count,
                          int slot_count, int length_max);
/* Keeps a larger block it already has.  False: no memory. */
bool fast_sequence_reserve(struct fast_sequence *sequence, const struct fast_model *model, int input_count,
                           int slot_count, int length_max);
void fast_sequence_free(struct fast_sequence *sequence);

/* int8: scales of a head's keys and values; the heads of a layer follow each other. */
static inline size_t fast_cross_scales(const struct fast_sequence *sequence)
{
    return 2 * (size_t)t5_padded(sequence->input_count);
}

/* Where one head of one layer is. */
struct fast_place {
    unsigned char *keys, *values;           /* self: keys are `kept` */
    float *key_scales, *value_scales;       /* self: key_scales are both */
};
struct fast_place fast_cross(const struct fast_sequence *sequence, const struct fast_model *model, int layer, int head);
struct fast_place fast_self(const struct fast_sequence *sequence, const struct fast_model *model, int layer, int head);

/* ---- encoder ---- */

struct fast_text {
    const int32_t *ids;
    int count;
    struct fast_sequence *sequence;         /* gets the cross keys and values; NULL: none wanted */
    float *states;                          /* NULL, or count * width floats: the encoder's output */
};
struct fast_encoder;
/* Room for texts of `token_max` tokens in all. */
struct fast_encoder *fast_encoder_new(const struct fast_model *model, int thread_count, int token_max, int text_max);
void fast_encoder_free(struct fast_encoder *encoder);
void fast_encode(struct fast_encoder *encoder, struct crew *crew, const struct fast_text *texts, int text_count);

/* ---- decoder ---- */

/* Consecutive rows of one step that belong to one request. */
struct fast_group {
    struct fast_sequence *sequence;
    struct generation *generation;
    int row, row_count;
};
struct fast_decoder;
struct fast_decoder *fast_decoder_new(const struct fast_model *model, int thread_count, int row_max);
void fast_decoder_free(struct fast_decoder *decoder);
/* One step of every group: decoder, head, choice of tokens. */
void fast_decode(struct fast_decoder *decoder, struct crew *crew, struct fast_group *groups, int group_count);
/* The same up to the logits, [rows][V padded], for tests; moves positions, chooses nothing. */
void fast_decode_logits(struct fast_decoder *decoder, struct crew *crew, struct fast_group *groups, int group_count,
                        const int32_t *tokens, float *logits);

/* ---- shared by both ---- */

static inline int fast_widest(const struct fast_model *model)
{
    int most = model->ff_width > model->inner ? model->ff_width : model->inner;
    return most > model->width ? most : model->width;
}
/* From one packed row to the next, in words: the widest, and a cache line, since rows 4 KB apart would all
 * compete for the same places of the cache. */
static inline int fast_words(const struct fast_model *model)
{
    return t5_steps(model->precision, fast_widest(model)) + T5_ALIGN / 4;
}
/* x (k floats) into row `row` of `rows`, in the precision of `weights`. */
void fast_pack(const struct fast_model *model, const struct t5_packed *weights, const float *x, struct t5_rows rows,
               int row);
/* The same of norm(x); `normed`: room for d_model floats. */
void fast_norm_pack(const struct fast_model *model, const struct t5_packed *weights, const float *x, const float *norm,
                    float *normed, struct t5_rows rows, int row);
/* Read where the file is mapped: rows that are used stay mapped, 64 KB a fault, and count as this process's memory
 * (pages of the file, shared and given back under pressure).  Reading the file for each row costs a call of 1.6 us. */
void fast_embed(const struct fast_model *model, int32_t token, float *out);
/* A piece: a block of wi's outputs and one of the gate's, of one row; a cache line more, as in fast_stride(). */
enum { FAST_PIECE = 2 * T5_BLOCK + T5_ALIGN / 4 };
/* A piece to a block of what wo multiplies. */
void fast_activate(const struct fast_model *model, const float *piece, float *out);
/* From one row of `columns` floats to the next: a cache line more where rows would compete for the same places
 * of the first-level cache, which repeat every 4 KB. */
static inline size_t fast_stride(int columns)
{
    return (size_t)(columns % 256 == 0 ? columns + T5_ALIGN / 4 : columns);
}

/* Relative positions reach T5_TOKENS_MAX both ways; a kernel may read a block beyond. */
enum { FAST_BIAS_CENTER = T5_TOKENS_MAX, FAST_BIAS_STRIDE = 2 * T5_TOKENS_MAX + 2 * T5_BLOCK };

#endif
