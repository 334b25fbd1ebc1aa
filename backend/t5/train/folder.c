#include "t5/train/folder.h"

#include "base/file.h"
#include "base/mem.h"
#include "t5/checkpoint.h"
#include "t5/half.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { COPY_SIZE_MAX = 64 << 20 };       /* a tokenizer.json of a 250,000-word vocabulary has 16 MB */

/* ---- reading ---- */

struct fill {
    const struct layout *layout;
    real *params;
};

static bool fill_tensor(void *context, const char *name, const struct tensor **slot, int rank, const size_t *shape,
                        struct err *err)
{
    struct fill *fill = context;
    const struct layout_tensor *to = layout_find(fill->layout, name);
    (void)rank, (void)shape;
    if (!to || layout_count(to) != (*slot)->count)
        return err_set(err, ERR_INPUT, "%s: training does not know this weight", name);
    tensor_read_f32(*slot, 0, (*slot)->count, fill->params + to->offset);
    return true;
}

bool folder_read(const char *dir, struct layout **out_layout, real **out_params, struct err *err)
{
    struct checkpoint *checkpoint;
    if (!checkpoint_open(dir, &checkpoint, err))
        return false;
    struct fill fill = { 0 };
    bool ok = checkpoint->config.gated == checkpoint->config.gelu_new ||
              err_set(err, ERR_INPUT, "%s: training knows ReLU and gated GELU; this model has a %s", dir,
                      checkpoint->config.gated ? "gated ReLU" : "GELU without a gate");
    if (ok) {
        struct layout *layout = layout_new(&checkpoint->config);
        fill = (struct fill){ layout, mem_try_new_large(layout->total, sizeof *fill.params) };
        ok = fill.params || err_set(err, ERR_TOO_LARGE, "%s: %zu parameters do not fit the memory", dir, layout->total);
        ok = ok && checkpoint_each(checkpoint, fill_tensor, &fill, err);
        *out_layout = layout;
        *out_params = fill.params;
        if (!ok) {
            layout_free(layout);
            mem_free(fill.params);
        }
    }
    checkpoint_close(checkpoint);
    return ok;
}

/* ---- writing ---- */

/* Absent is fine. */
static bool copy_file(const char *from_dir, const char *dir, const char *name, struct err *err)
{
    char from[PATH_MAX], to[PATH_MAX];
    struct buf text;
    struct err missing = { 0 };
    if (snprintf(from, sizeof from, "%s/%s", from_dir, name) >= (int)sizeof from ||
        snprintf(to, sizeof to, "%s/%s", dir, name) >= (int)sizeof to)
        return err_set(err, ERR_INPUT, "%s: the path is too long", from_dir);
    if (!file_read(from, COPY_SIZE_MAX, &text, &missing))
        return missing.kind == ERR_NOT_FOUND || err_set(err, missing.kind, "%s", missing.text);
    bool ok = file_replace(to, text.data, text.length, err);
    buf_free(&text);
    return ok;
}

static bool write_config(const char *dir, const struct t5_config *config, struct err *err)
{
    char path[PATH_MAX];
    struct buf text;
    buf_init(&text, 1 << 16);
    t5_config_print(config, &text);
    buf_add_char(&text, '\n');
    bool ok = snprintf(path, sizeof path, "%s/config.json", dir) < (int)sizeof path ||
              err_set(err, ERR_INPUT, "%s: the path is too long", dir);
    ok = ok && file_replace(path, text.data, text.length, err);
    buf_free(&text);
    return ok;
}

/* The weights as `type`, in a block of their own unless they are fp32 as they are. */
static void *convert(const struct layout *layout, const real *params, enum tensor_type type)
{
    if (type == TENSOR_F32)
        return NULL;
    uint16_t *halves = mem_new(layout->total, sizeof *halves);
    for (size_t i = 0; i < layout->total; i++)
        halves[i] = type == TENSOR_BF16 ? f32_to_bf16((float)params[i]) : f32_to_f16((float)params[i]);
    return halves;
}

static bool write_weights(const char *dir, const struct layout *layout, const real *params, enum tensor_type type,
                          struct err *err)
{
    char path[PATH_MAX];
    struct tensor *tensors = mem_new(layout->tensor_count, sizeof *tensors);
    char *converted = convert(layout, params, type);
    const char *data = converted ? converted : (const char *)params;
    for (size_t t = 0; t < layout->tensor_count; t++) {
        const struct layout_tensor *tensor = &layout->tensors[t];
        const void *at = data + tensor->offset * tensor_type_size(type);
        tensors[t] = tensor->columns ? tensor_of(tensor->name, type, at, 2, tensor->rows, tensor->columns)
                                     : tensor_of(tensor->name, type, at, 1, tensor->rows);
    }
    bool ok = snprintf(path, sizeof path, "%s/model.safetensors", dir) < (int)sizeof path ||
              err_set(err, ERR_INPUT, "%s: the path is too long", dir);
    ok = ok && safetensors_write(path, tensors, layout->tensor_count, NULL, 0, err);
    mem_free(tensors);
    mem_free(converted);
    return ok;
}

bool folder_write(const char *dir, const char *from_dir, const struct layout *layout, const real *params,
                  enum tensor_type type, struct err *err)
{
    static const char *const copied[] = { "spiece.model", "generation_config.json", "tokenizer_config.json",
                                          "tokenizer.json", "special_tokens_map.json", "added_tokens.json",
                                          "README.md" };
    if (mkdir(dir, 0755) != 0 && errno != EEXIST)
        return err_set_errno(err, ERR_IO, errno, "%s", dir);
    for (size_t i = 0; from_dir && i < sizeof copied / sizeof *copied; i++)
        if (!copy_file(from_dir, dir, copied[i], err))
            return false;
    return write_config(dir, &layout->config, err) && write_weights(dir, layout, params, type, err);
}
