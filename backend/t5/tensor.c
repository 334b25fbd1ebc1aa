#include "t5/half.h"
#include "t5/safetensors.h"

#include <stdarg.h>
#include <stdio.h>

static const struct {
    const char *name;
    size_t size;
} types[TENSOR_TYPE_COUNT] = {
    [TENSOR_F32] = { "F32", 4 }, [TENSOR_F16] = { "F16", 2 }, [TENSOR_BF16] = { "BF16", 2 }, [TENSOR_F64] = { "F64",
                     8 },
    [TENSOR_I64] = { "I64", 8 }, [TENSOR_I32] = { "I32", 4 }, [TENSOR_I16] = { "I16", 2 },   [TENSOR_I8] = { "I8", 1 },
    [TENSOR_U64] = { "U64", 8 }, [TENSOR_U32] = { "U32", 4 }, [TENSOR_U16] = { "U16", 2 },   [TENSOR_U8] = { "U8", 1 },
    [TENSOR_BOOL] = { "BOOL", 1 },
};

const char *tensor_type_name(enum tensor_type type)
{
    CHECK(type < TENSOR_TYPE_COUNT);
    return types[type].name;
}

size_t tensor_type_size(enum tensor_type type)
{
    CHECK(type < TENSOR_TYPE_COUNT);
    return types[type].size;
}

struct tensor tensor_of(const char *name, enum tensor_type type, const void *data, int rank, ...)
{
    CHECK(rank >= 0 && rank <= TENSOR_RANK_MAX);
    struct tensor tensor = { .name = name, .type = type, .rank = rank, .count = 1, .data = data };
    va_list sizes;
    va_start(sizes, rank);
    for (int i = 0; i < rank; i++) {
        tensor.shape[i] = va_arg(sizes, size_t);
        tensor.count *= tensor.shape[i];
    }
    va_end(sizes);
    return tensor;
}

void tensor_shape_text(const struct tensor *tensor, char out[96])
{
    int length = snprintf(out, 96, "[");
    for (int i = 0; i < tensor->rank; i++)
        length += snprintf(out + length, 96 - (size_t)length, "%s%zu", i ? ", " : "", tensor->shape[i]);
    snprintf(out + length, 96 - (size_t)length, "]");
}

bool tensor_is_aligned(const struct tensor *tensor)
{
    return (uintptr_t)tensor->data % tensor_type_size(tensor->type) == 0;
}

void tensor_read_f32(const struct tensor *tensor, size_t from, size_t count, float *out)
{
    CHECK(from <= tensor->count && count <= tensor->count - from);
    const uint8_t *at = (const uint8_t *)tensor->data + from * tensor_type_size(tensor->type);
    uint16_t half;
    double wide;
    switch (tensor->type) {
    case TENSOR_F32:
        memcpy(out, at, count * sizeof *out);
        return;
    case TENSOR_F16:
        for (size_t i = 0; i < count; i++)
            out[i] = (memcpy(&half, at + 2 * i, 2), f16_to_f32(half));
        return;
    case TENSOR_BF16:
        for (size_t i = 0; i < count; i++)
            out[i] = (memcpy(&half, at + 2 * i, 2), bf16_to_f32(half));
        return;
    case TENSOR_F64:
        for (size_t i = 0; i < count; i++)
            out[i] = (memcpy(&wide, at + 8 * i, 8), (float)wide);
        return;
    default:
        CHECK(tensor->type <= TENSOR_F64);   /* the float types come first */
    }
}

void tensor_read_i32(const struct tensor *tensor, size_t from, size_t count, int32_t *out)
{
    CHECK(from <= tensor->count && count <= tensor->count - from);
    CHECK(tensor->type == TENSOR_I32 || tensor->type == TENSOR_I64);
    if (tensor->type == TENSOR_I32) {
        memcpy(out, (const uint8_t *)tensor->data + 4 * from, count * sizeof *out);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        int64_t value;
        memcpy(&value, (const uint8_t *)tensor->data + 8 * (from + i), sizeof value);
        CHECK(value >= INT32_MIN && value <= INT32_MAX);
        out[i] = (int32_t)value;
    }
}
