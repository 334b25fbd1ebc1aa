#include "t5/made_model.h"

#include "base/mem.h"
#include "base/random.h"
#include "t5/checkpoint.h"
#include "t5/half.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { TENSORS_MAX = 4096 };

struct maker {
    const struct t5_config *config;
    enum tensor_type type;
    uint64_t seed;
    struct tensor *tensors;   /* [TENSORS_MAX]; names and data are owned */
    size_t count;
};

/* Irwin-Hall: the sum of 4 uniforms of 16 bits, deviation 1; near enough to normal for weights. */
static float next_normal(uint64_t *state)
{
    uint64_t bits = random_next(state);
    uint32_t sum = (uint32_t)(bits & 0xffff) + (uint32_t)(bits >> 16 & 0xffff) + (uint32_t)(bits >> 32 & 0xffff) +
                   (uint32_t)(bits >> 48);
    return ((float)sum / 65536.0f - 2.0f) * 1.7320508f;
}

static bool ends_with(const char *name, const char *end)
{
    size_t length = strlen(name), tail = strlen(end);
    return length >= tail && strcmp(name + length - tail, end) == 0;
}

/* transformers 4.57, T5PreTrainedModel._init_weights. */
static float deviation_of(const char *name, const struct t5_config *c)
{
    const double d = c->d_model, inner = (double)c->head_count * c->d_kv;
    const struct { const char *end; double deviation; } rows[] = {
        { "norm.weight", 0.1 },
        { "shared.weight", 1 },
        { "lm_head.weight", 1 },
        { ".q.weight", 1 / sqrt(d * c->d_kv) },
        { ".k.weight", 1 / sqrt(d) },
        { ".v.weight", 1 / sqrt(d) },
        { ".o.weight", 1 / sqrt(inner) },
        { "relative_attention_bias.weight", 1 / sqrt(d) },
        { ".wo.weight", 1 / sqrt((double)c->d_ff) },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (ends_with(name, rows[i].end))
            return (float)rows[i].deviation;
    return (float)(1 / sqrt(d));   /* wi, wi_0, wi_1 */
}

static void fill(struct maker *maker, const char *name, void *data, size_t count)
{
    const float deviation = deviation_of(name, maker->config), mean = ends_with(name, "norm.weight") ? 1.0f : 0.0f;
    for (size_t i = 0; i < count; i++) {
        float value = mean + deviation * next_normal(&maker->seed);
        if (maker->type == TENSOR_F32)
            ((float *)data)[i] = value;
        else
            ((uint16_t *)data)[i] = maker->type == TENSOR_F16 ? f32_to_f16(value) : f32_to_bf16(value);
    }
}

static bool make_tensor(void *context, const char *name, const struct tensor **slot, int rank, const size_t *shape,
                        struct err *err)
{
    struct maker *maker = context;
    (void)slot;
    (void)err;
    CHECK(maker->count < TENSORS_MAX);
    size_t count = shape[0] * (rank > 1 ? shape[1] : 1);
    void *data = mem_new(count, tensor_type_size(maker->type));
    fill(maker, name, data, count);
    maker->tensors[maker->count++] =
        tensor_of(mem_copy_string(name), maker->type, data, rank, shape[0], rank > 1 ? shape[1] : 0);
    return true;
}

static bool write_text(const char *path, const struct buf *text, struct err *err)
{
    FILE *file = fopen(path, "wbe");
    bool ok = file && fwrite(text->data, 1, text->length, file) == text->length;
    if (file && fclose(file) != 0)
        ok = false;
    return ok || err_set_errno(err, ERR_IO, errno, "%s: cannot write", path);
}

static bool write_config(const char *dir, const struct t5_config *config, struct err *err)
{
    char path[PATH_MAX];
    struct buf text;
    snprintf(path, sizeof path, "%s/config.json", dir);
    buf_init(&text, 1 << 16);
    t5_config_print(config, &text);
    bool ok = write_text(path, &text, err);
    buf_free(&text);
    return ok;
}

struct t5_config made_flan_t5_small(void)
{
    return (struct t5_config){ .vocab_size = 32128, .d_model = 512, .d_kv = 64, .d_ff = 1024, .layer_count = 8,
                               .decoder_layer_count = 8, .head_count = 6, .bucket_count = 32,
                               .bucket_distance_max = 128, .eos_id = 1, .layer_norm_epsilon = 1e-6f,
                               .dropout_rate = 0.1f, .gated = true, .gelu_new = true };
}

bool made_model_write(const char *dir, const struct t5_config *config, enum tensor_type type, uint64_t seed,
                      struct err *err)
{
    char path[PATH_MAX];
    struct checkpoint shape = { .config = *config };
    struct maker maker = { .config = config, .type = type, .seed = seed };
    CHECK(type == TENSOR_F32 || type == TENSOR_F16 || type == TENSOR_BF16);
    maker.tensors = mem_new(TENSORS_MAX, sizeof *maker.tensors);
    shape.encoder = mem_new((size_t)config->layer_count, sizeof *shape.encoder);
    shape.decoder = mem_new((size_t)config->decoder_layer_count, sizeof *shape.decoder);
    snprintf(path, sizeof path, "%s/model.safetensors", dir);
    bool ok = checkpoint_each(&shape, make_tensor, &maker, err) && write_config(dir, config, err) &&
              safetensors_write(path, maker.tensors, maker.count, NULL, 0, err);
    for (size_t i = 0; i < maker.count; i++) {
        mem_free((void *)(uintptr_t)maker.tensors[i].name);
        mem_free((void *)(uintptr_t)maker.tensors[i].data);
    }
    mem_free(maker.tensors);
    mem_free(shape.encoder);
    mem_free(shape.decoder);
    return ok;
}
