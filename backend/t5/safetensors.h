/* safetensors.h - files of named tensors: read by mapping, written whole.
 *
 * Format:   8 bytes n, little endian; n bytes of JSON, '{' first, spaces behind:
 *               { "__metadata__": { text: text }, NAME: { "dtype": "F32", "shape": [2, 3],
 *                 "data_offsets": [begin, end] }, … }
 *           then the data, row-major, little endian; offsets count from its first byte.  The tensors'
 *           ranges cover the data exactly: no gap, no overlap, nothing behind the last.
 * Source:   github.com/huggingface/safetensors, README "Format".
 * Errors:   name the file, the tensor, what was expected and what was found.
 * Lifetime: a tensor from a file lives until safetensors_close(); `data` may lie at any address, so
 *           read it through tensor_read_f32() or test tensor_is_aligned() first.
 * Bounds:   SAFETENSORS_* in base/bounds.h; nothing is allocated from a number in the file before
 *           that number was compared with the file's size.
 * Threads:  an open file is read-only.  Nobody may truncate it while it is mapped (SIGBUS). */
#ifndef T5_SAFETENSORS_H
#define T5_SAFETENSORS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TENSOR_RANK_MAX = 4 };

enum tensor_type {
    TENSOR_F32, TENSOR_F16, TENSOR_BF16, TENSOR_F64, TENSOR_I64, TENSOR_I32, TENSOR_I16, TENSOR_I8,
    TENSOR_U64, TENSOR_U32, TENSOR_U16, TENSOR_U8, TENSOR_BOOL, TENSOR_TYPE_COUNT
};
const char *tensor_type_name(enum tensor_type type);    /* "F32", as in the file */
size_t tensor_type_size(enum tensor_type type);         /* bytes of one item */

struct tensor {
    const char *name;
    enum tensor_type type;
    int rank;                          /* 0: one number */
    size_t shape[TENSOR_RANK_MAX];
    size_t count;                      /* items: the product of the shape */
    const void *data;
};

/* A tensor over memory of the caller; `rank` sizes follow. */
struct tensor tensor_of(const char *name, enum tensor_type type, const void *data, int rank, ...);
void tensor_shape_text(const struct tensor *tensor, char out[96]);   /* "[32128, 512]" */
bool tensor_is_aligned(const struct tensor *tensor);    /* `data` may be read as an array of its type */
/* Items [from, from + count) as fp32.  F32, F16, BF16 and F64 only (CHECK). */
void tensor_read_f32(const struct tensor *tensor, size_t from, size_t count, float *out);
/* The same for I32 and I64; a value outside int32_t is a CHECK. */
void tensor_read_i32(const struct tensor *tensor, size_t from, size_t count, int32_t *out);

struct safetensors;

bool safetensors_open(const char *path, struct safetensors **out, struct err *err) MUST_CHECK;
/* The same over bytes in memory, which must stay. */
bool safetensors_open_memory(const void *bytes, size_t size, struct safetensors **out, struct err *err) MUST_CHECK;
void safetensors_close(struct safetensors *file);       /* NULL is fine */
size_t safetensors_count(const struct safetensors *file);
const struct tensor *safetensors_at(const struct safetensors *file, size_t i);            /* by name, ascending */
const struct tensor *safetensors_find(const struct safetensors *file, const char *name);  /* NULL: absent */
const char *safetensors_metadata(const struct safetensors *file, const char *key);        /* NULL: absent */

struct safetensors_note {
    const char *key, *value;
};
/* Writes a new file beside `path`, syncs it, and renames it.  Always notes "format": "pt", which
 * transformers asks for; the same tensors give the same bytes.  The data starts at a multiple of 64. */
bool safetensors_write(const char *path, const struct tensor *tensors, size_t count,
                       const struct safetensors_note *notes, size_t note_count, struct err *err) MUST_CHECK;

#endif
