#include "t5/checkpoint.h"

#include "base/bounds.h"
#include "base/mem.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

_Static_assert(sizeof((struct checkpoint *)0)->files / sizeof(struct safetensors *) == T5_SHARD_COUNT_MAX, "bounds.h");

/* ---- every weight, once ---- */

struct walk {
    checkpoint_visit *visit;
    void *context;
    struct err *err;
    bool ok;
    char prefix[64];   /* "decoder.block.3." */
};

static void visit2(struct walk *walk, const char *name, const struct tensor **slot, int rows, int columns)
{
    char full[TENSOR_NAME_SIZE_MAX + 1];
    const size_t shape[2] = { (size_t)rows, (size_t)columns };
    snprintf(full, sizeof full, "%s%s", walk->prefix, name);
    walk->ok = walk->ok && walk->visit(walk->context, full, slot, columns ? 2 : 1, shape, walk->err);
}

static void visit1(struct walk *walk, const char *name, const struct tensor **slot, int size)
{
    visit2(walk, name, slot, size, 0);
}

/* `bias` is NULL in all but the first layer, which the others share. */
static void visit_attention(struct walk *walk, const struct t5_config *c, const char *kind, int sublayer,
                            struct attention_weights *weights, const struct tensor **bias)
{
    const int inner = c->head_count * c->d_kv;
    const struct { const char *name; const struct tensor **slot; int rows, columns; } rows[] = {
        { "q", &weights->q, inner, c->d_model }, { "k", &weights->k, inner, c->d_model },
        { "v", &weights->v, inner, c->d_model }, { "o", &weights->o, c->d_model, inner },
        { "relative_attention_bias", bias, c->bucket_count, c->head_count },
    };
    char name[96];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(name, sizeof name, "layer.%d.%s.%s.weight", sublayer, kind, rows[i].name);
        if (rows[i].slot)
            visit2(walk, name, rows[i].slot, rows[i].rows, rows[i].columns);
    }
    snprintf(name, sizeof name, "layer.%d.layer_norm.weight", sublayer);
    visit1(walk, name, &weights->norm, c->d_model);
}

static void visit_ff(struct walk *walk, const struct t5_config *c, int sublayer, struct ff_weights *weights)
{
    const struct { const char *name; const struct tensor **slot; int rows, columns; } rows[] = {
        { c->gated ? "wi_0" : "wi", &weights->wi, c->d_ff, c->d_model },
        { "wi_1", c->gated ? &weights->gate : NULL, c->d_ff, c->d_model },
        { "wo", &weights->wo, c->d_model, c->d_ff },
    };
    char name[96];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(name, sizeof name, "layer.%d.DenseReluDense.%s.weight", sublayer, rows[i].name);
        if (rows[i].slot)
            visit2(walk, name, rows[i].slot, rows[i].rows, rows[i].columns);
    }
    snprintf(name, sizeof name, "layer.%d.layer_norm.weight", sublayer);
    visit1(walk, name, &weights->norm, c->d_model);
}

static void visit_encoder(struct walk *walk, struct checkpoint *checkpoint)
{
    const struct t5_config *c = &checkpoint->config;
    for (int i = 0; i < c->layer_count; i++) {
        struct encoder_layer *layer = &checkpoint->encoder[i];
        snprintf(walk->prefix, sizeof walk->prefix, "encoder.block.%d.", i);
        visit_attention(walk, c, "SelfAttention", 0, &layer->self, i ? NULL : &checkpoint->encoder_bias);
        visit_ff(walk, c, 1, &layer->ff);
    }
    walk->prefix[0] = 0;
    visit1(walk, "encoder.final_layer_norm.weight", &checkpoint->encoder_norm, c->d_model);
}

static void visit_decoder(struct walk *walk, struct checkpoint *checkpoint)
{
    const struct t5_config *c = &checkpoint->config;
    for (int i = 0; i < c->decoder_layer_count; i++) {
        struct decoder_layer *layer = &checkpoint->decoder[i];
        snprintf(walk->prefix, sizeof walk->prefix, "decoder.block.%d.", i);
        visit_attention(walk, c, "SelfAttention", 0, &layer->self, i ? NULL : &checkpoint->decoder_bias);
        visit_attention(walk, c, "EncDecAttention", 1, &layer->cross, NULL);
        visit_ff(walk, c, 2, &layer->ff);
    }
    walk->prefix[0] = 0;
    visit1(walk, "decoder.final_layer_norm.weight", &checkpoint->decoder_norm, c->d_model);
}

bool checkpoint_each(struct checkpoint *checkpoint, checkpoint_visit *visit, void *context, struct err *err)
{
    const struct t5_config *c = &checkpoint->config;
    struct walk walk = { .visit = visit, .context = context, .err = err, .ok = true };
    visit2(&walk, "shared.weight", &checkpoint->embedding, c->vocab_size, c->d_model);
    visit_encoder(&walk, checkpoint);
    visit_decoder(&walk, checkpoint);
    if (!c->tied)
        visit2(&walk, "lm_head.weight", &checkpoint->head, c->vocab_size, c->d_model);
    return walk.ok;
}

/* ---- the files ---- */

/* A shard is a plain name in the same folder: the index comes from outside. */
static bool shard_name_ok(const char *name)
{
    return name && name[0] && name[0] != '.' && strlen(name) <= NAME_MAX && !strchr(name, '/');
}

static bool open_file(struct checkpoint *checkpoint, const char *dir, const char *name, struct err *err)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path)
        return err_set(err, ERR_INPUT, "%s: the path is too long", name);
    if (checkpoint->file_count == T5_SHARD_COUNT_MAX)
        return err_set(err, ERR_TOO_LARGE, "more than %d shards", T5_SHARD_COUNT_MAX);
    if (!safetensors_open(path, &checkpoint->files[checkpoint->file_count], err))
        return false;
    checkpoint->file_count++;
    return true;
}

static const struct json *weight_map(const struct checkpoint *checkpoint)
{
    const struct json *map = NULL;
    struct err ignored;
    return json_get_object(checkpoint->index, "weight_map", JSON_REQUIRED, &map, &ignored) ? map : NULL;
}

static int shard_named(const struct checkpoint *checkpoint, const char *name)
{
    for (size_t i = 0; i < checkpoint->file_count; i++)
        if (strcmp(checkpoint->shard_names[i], name) == 0)
            return (int)i;
    return -1;
}

static bool open_shard(struct checkpoint *checkpoint, const char *dir, const char *name, struct err *err)
{
    if (shard_named(checkpoint, name) >= 0)
        return true;
    if (!open_file(checkpoint, dir, name, err))
        return false;
    checkpoint->shard_names[checkpoint->file_count - 1] = name;
    return true;
}

static bool open_shards(struct checkpoint *checkpoint, const char *dir, struct err *err)
{
    const char *index_name = "model.safetensors.index.json", *key;
    const struct json *value, *map;
    if (!read_json_file(dir, index_name, &checkpoint->index, err))
        return false;
    if (!(map = weight_map(checkpoint)))
        return err_set(err, ERR_INPUT, "%s/%s: weight_map: must be an object", dir, index_name);
    for (void *at = NULL; json_each(map, &at, &key, &value);) {
        const char *name = json_text_of(value);
        if (!shard_name_ok(name))
            return err_set(err, ERR_INPUT, "%s/%s: weight_map: %.64s: must be the name of a file in this folder", dir,
                           index_name, key);
        if (!open_shard(checkpoint, dir, name, err))
            return false;
    }
    return true;
}

static bool open_files(struct checkpoint *checkpoint, const char *dir, struct err *err)
{
    if (open_file(checkpoint, dir, "model.safetensors", err))
        return true;
    if (!err || err->kind != ERR_NOT_FOUND)
        return false;
    if (open_shards(checkpoint, dir, err))
        return true;
    if (err->kind == ERR_NOT_FOUND && !checkpoint->index)
        return err_set(err, ERR_NOT_FOUND, "%s: has neither model.safetensors nor model.safetensors.index.json", dir);
    return false;
}

/* ---- names to tensors ---- */

static const struct tensor *find(const struct checkpoint *checkpoint, const char *name)
{
    const char *shard = NULL;
    struct err ignored;
    if (!checkpoint->index)
        return safetensors_find(checkpoint->files[0], name);
    if (!json_get_text(weight_map(checkpoint), name, 0, 1, NAME_MAX, &shard, &ignored) || !shard)
        return NULL;
    return safetensors_find(checkpoint->files[shard_named(checkpoint, shard)], name);
}

/* Savers keep any one name of a shared tensor. */
static const struct tensor *find_any(const struct checkpoint *checkpoint, const char *name)
{
    static const char *const embedding[] = { "encoder.embed_tokens.weight", "decoder.embed_tokens.weight",
                                             "lm_head.weight" };
    const struct tensor *tensor = find(checkpoint, name);
    size_t others = strcmp(name, "shared.weight") != 0 ? 0 : checkpoint->config.tied ? 3 : 2;
    for (size_t i = 0; !tensor && i < others; i++)
        tensor = find(checkpoint, embedding[i]);
    return tensor;
}

static bool resolve(void *context, const char *name, const struct tensor **slot, int rank, const size_t *shape,
                    struct err *err)
{
    struct checkpoint *checkpoint = context;
    const struct tensor *tensor = find_any(checkpoint, name);
    struct tensor wanted = tensor_of(name, TENSOR_F32, NULL, rank, shape[0], rank > 1 ? shape[1] : 0);
    char expected[96], found[96];
    tensor_shape_text(&wanted, expected);
    if (!tensor)
        return err_set(err, ERR_INPUT, "%s: missing; expected %s", name, expected);
    tensor_shape_text(tensor, found);
    if (strcmp(expected, found) != 0)
        return err_set(err, ERR_INPUT, "%s: expected shape %s (config.json), found %s", name, expected, found);
    if (tensor->type != TENSOR_F32 && tensor->type != TENSOR_F16 && tensor->type != TENSOR_BF16)
        return err_set(err, ERR_INPUT, "%s: expected F32, F16 or BF16, found %s", name, tensor_type_name(tensor->type));
    checkpoint->parameter_count += tensor->count;
    *slot = tensor;
    return true;
}

static bool load(struct checkpoint *checkpoint, const char *dir, struct err *err)
{
    struct t5_config *config = &checkpoint->config;
    if (!config_read(dir, config, err) || !generation_read(dir, config, &checkpoint->defaults, err) ||
        !open_files(checkpoint, dir, err))
        return false;
    checkpoint->encoder = mem_new((size_t)config->layer_count, sizeof *checkpoint->encoder);
    checkpoint->decoder = mem_new((size_t)config->decoder_layer_count, sizeof *checkpoint->decoder);
    if (!checkpoint_each(checkpoint, resolve, checkpoint, err))
        return err_context(err, "%s", dir);
    if (config->tied)
        checkpoint->head = checkpoint->embedding;
    return true;
}

bool checkpoint_open(const char *dir, struct checkpoint **out, struct err *err)
{
    struct err own = { 0 };
    struct checkpoint *checkpoint = mem_new(1, sizeof *checkpoint);
    if (!load(checkpoint, dir, &own)) {
        checkpoint_close(checkpoint);
        if (err)
            *err = own;
        return false;
    }
    *out = checkpoint;
    return true;
}

void checkpoint_close(struct checkpoint *checkpoint)
{
    if (!checkpoint)
        return;
    for (size_t i = 0; i < checkpoint->file_count; i++)
        safetensors_close(checkpoint->files[i]);
    json_free(checkpoint->index);
    mem_free(checkpoint->encoder);
    mem_free(checkpoint->decoder);
    mem_free(checkpoint);
}
