/* model_info.c - `wardscribe model info`: what a folder holds. */
#include "base/digest.h"
#include "base/json.h"
#include "base/mem.h"
#include "commands/model.h"
#include "commands/model_arguments.h"
#include "t5/checkpoint.h"
#include "t5/tokenizer.h"

#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char doc[] = "Says what a model folder holds: shape, parameters, types, vocabulary, files with their "
                          "SHA-256, and how it would run here.\vA file that lies in a Hub cache is named by its hash; "
                          "\"changed\" behind it means that its content is no longer what was pulled.\n\n"
                          "Examples:\n"
                          "  wardscribe model info models/ward-t5\n"
                          "  wardscribe model info models/ward-t5 --json | jq .files";

enum { FILE_COUNT_MAX = 1024 };   /* a folder with more is not a model's */

struct arguments {
    const char *dir;
    bool json;
};

struct info_file {
    char name[NAME_MAX + 1], sha256[DIGEST_TEXT_SIZE];
    uint64_t size;
    bool changed;
};

struct info {
    struct t5_model *model;
    struct checkpoint *checkpoint;
    size_t items[TENSOR_TYPE_COUNT];   /* numbers of each type in the files */
    struct info_file *files;
    int file_count;
};

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    (void)value;
    switch (key) {
    case 'j': arguments->json = true; return 0;
    case ARGP_KEY_INIT: state->child_inputs[0] = &arguments->dir; return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* In a Hub cache a file is a link to ../../blobs/HASH: SHA-256 for large files, git's name for others. */
static bool is_changed(const char *path, const struct info_file *file)
{
    char target[PATH_MAX], git[DIGEST_TEXT_SIZE];
    struct err ignored;
    ssize_t length = readlink(path, target, sizeof target - 1);
    if (length <= 0)
        return false;
    target[length] = '\0';
    const char *hash = strrchr(target, '/');
    if (!strstr(target, "/blobs/") || !hash++)
        return false;
    if (strlen(hash) == 64)
        return strcmp(hash, file->sha256) != 0;
    return strlen(hash) == 40 && digest_file(path, DIGEST_GIT_BLOB, git, NULL, &ignored) && strcmp(hash, git) != 0;
}

static bool read_file(const char *dir, const char *name, struct info_file *out, struct err *err)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path)
        return err_set(err, ERR_INPUT, "%s: the path is too long", dir);
    (void)snprintf(out->name, sizeof out->name, "%s", name);
    if (!digest_file(path, DIGEST_SHA256, out->sha256, &out->size, err))
        return false;
    out->changed = is_changed(path, out);
    return true;
}

static int wanted(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && entry->d_type != DT_DIR;
}

static bool read_folder(const char *dir, struct info_file *files, int *out_count, struct err *err)
{
    struct dirent **entries;
    int count = scandir(dir, &entries, wanted, alphasort);
    if (count < 0)
        return err_set(err, ERR_NOT_FOUND, "%s: no such folder", dir);
    bool ok = count <= FILE_COUNT_MAX || err_set(err, ERR_TOO_LARGE, "%s: more than %d files", dir, FILE_COUNT_MAX);
    for (int i = 0; i < count; i++) {
        ok = ok && read_file(dir, entries[i]->d_name, &files[i], err);
        free(entries[i]); /* scandir's */
    }
    free(entries);
    *out_count = count;
    return ok;
}

/* ---- the model ---- */

static bool read_model(const char *dir, struct info *info, struct err *err)
{
    if (!t5_model_open(dir, &(struct t5_model_options){ 0 }, &info->model, err) ||
        !checkpoint_open(dir, &info->checkpoint, err))
        return false;
    for (size_t i = 0; i < info->checkpoint->file_count; i++)
        for (size_t k = 0; k < safetensors_count(info->checkpoint->files[i]); k++) {
            const struct tensor *tensor = safetensors_at(info->checkpoint->files[i], k);
            info->items[tensor->type] += tensor->count;
        }
    return true;
}

static const char *activation(const struct t5_config *c)
{
    return c->gated ? (c->gelu_new ? "gated-gelu" : "gated-relu") : c->gelu_new ? "gelu" : "relu";
}

static const struct { const char *name; size_t offset; } numbers[] = {
    { "vocab_size", offsetof(struct t5_config, vocab_size) },
    { "d_model", offsetof(struct t5_config, d_model) },
    { "d_kv", offsetof(struct t5_config, d_kv) },
    { "d_ff", offsetof(struct t5_config, d_ff) },
    { "num_layers", offsetof(struct t5_config, layer_count) },
    { "num_decoder_layers", offsetof(struct t5_config, decoder_layer_count) },
    { "num_heads", offsetof(struct t5_config, head_count) },
};
enum { NUMBER_COUNT = sizeof numbers / sizeof *numbers };

static int number_of(const struct t5_config *config, int i)
{
    return *(const int *)((const char *)config + numbers[i].offset);
}

static void print_text(const struct arguments *arguments, const struct info *info)
{
    const struct t5_config *config = t5_model_config(info->model);
    const struct t5_tokenizer *tokenizer = t5_model_tokenizer(info->model);
    (void)printf("%s\n ", arguments->dir);
    for (int i = 0; i < NUMBER_COUNT; i++)
        (void)printf(" %s %d%s", numbers[i].name, number_of(config, i), i + 1 < NUMBER_COUNT ? "," : "\n");
    (void)printf("  %s, %s head, %.1f million parameters:", activation(config), config->tied ? "tied" : "own",
                 (double)t5_model_parameter_count(info->model) / 1e6);
    for (int i = 0; i < TENSOR_TYPE_COUNT; i++)
        if (info->items[i])
            (void)printf(" %s", tensor_type_name((enum tensor_type)i));
    (void)printf("\n  runs here as %s with the kernel %s\n", t5_precision_name(t5_model_precision(info->model)),
                 t5_model_kernel(info->model));
    if (tokenizer)
        (void)printf("  vocabulary: %d pieces\n", tokenizer_piece_count(tokenizer));
    else
        (void)printf("  no spiece.model: token ids only\n");
    for (int i = 0; i < info->file_count; i++)
        (void)printf("  %-32s %12" PRIu64 "  %s%s\n", info->files[i].name, info->files[i].size, info->files[i].sha256,
                     info->files[i].changed ? "  changed" : "");
}

static void put_model(struct json_writer *w, const struct info *info)
{
    const struct t5_config *config = t5_model_config(info->model);
    const struct t5_tokenizer *tokenizer = t5_model_tokenizer(info->model);
    json_put_object(w, "config");
    for (int i = 0; i < NUMBER_COUNT; i++)
        json_put_int(w, numbers[i].name, number_of(config, i));
    json_put_text(w, "activation", activation(config));
    json_put_bool(w, "tied", config->tied);
    json_put_end(w);
    json_put_int(w, "parameters", (int64_t)t5_model_parameter_count(info->model));
    json_put_object(w, "dtypes");
    for (int i = 0; i < TENSOR_TYPE_COUNT; i++)
        if (info->items[i])
            json_put_int(w, tensor_type_name((enum tensor_type)i), (int64_t)info->items[i]);
    json_put_end(w);
    if (tokenizer) {
        json_put_object(w, "tokenizer");
        json_put_int(w, "pieces", tokenizer_piece_count(tokenizer));
        json_put_end(w);
    } else {
        json_put_null(w, "tokenizer");
    }
    json_put_text(w, "precision", t5_precision_name(t5_model_precision(info->model)));
    json_put_text(w, "kernel", t5_model_kernel(info->model));
}

static void put_files(struct json_writer *w, const struct info *info)
{
    json_put_array(w, "files");
    for (int i = 0; i < info->file_count; i++) {
        json_put_object(w, NULL);
        json_put_text(w, "name", info->files[i].name);
        json_put_int(w, "size", (int64_t)info->files[i].size);
        json_put_text(w, "sha256", info->files[i].sha256);
        json_put_bool(w, "changed", info->files[i].changed);
        json_put_end(w);
    }
    json_put_end(w);
}

static void print_json(const struct arguments *arguments, const struct info *info)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    struct json_writer w = json_write(&out);
    json_put_object(&w, NULL);
    json_put_text(&w, "folder", arguments->dir);
    put_model(&w, info);
    put_files(&w, info);
    json_put_end(&w);
    (void)printf("%s\n", out.data);
    buf_free(&out);
}

int model_info(int argc, char **argv)
{
    static const struct argp_option options[] = {
        { "json", 'j', NULL, 0, "One JSON object", 0 },
        { 0 },
    };
    static const struct argp_child children[] = { { .argp = &model_dir_argp }, { 0 } };
    static const struct argp argp = { .options = options, .parser = parse_option, .args_doc = "DIR", .doc = doc,
                                      .children = children };
    struct arguments arguments = { 0 };
    struct info info = { 0 };
    struct err err = { 0 };
    if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) != 0)
        return 64;
    info.files = mem_new(FILE_COUNT_MAX, sizeof *info.files);
    bool ok = read_folder(arguments.dir, info.files, &info.file_count, &err) && read_model(arguments.dir, &info, &err);
    if (ok)
        (arguments.json ? print_json : print_text)(&arguments, &info);
    mem_free(info.files);
    checkpoint_close(info.checkpoint);
    t5_model_close(info.model);
    return ok ? 0 : model_fail("info", &err);
}
