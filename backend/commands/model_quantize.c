/* model_quantize.c - `wardscribe model quantize`: the same model in half the bytes.
 *
 * Every weight is rounded once, to nearest, and stays where transformers looks for it.  int8 is made when
 * a model is opened and has no file format (docs/decisions/0007). */
#include "base/bounds.h"
#include "base/file.h"
#include "base/mem.h"
#include "commands/model.h"
#include "commands/model_arguments.h"
#include "t5/checkpoint.h"
#include "t5/half.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char doc[] =
    "Writes a copy of a model with its weights in 16 bits: half the bytes of fp32, loaded by transformers too.\v"
    "bf16 keeps fp32's range, fp16 more digits; a weight that fp16 cannot hold is refused by name.  Says how far "
    "the farthest weight moved.  The output has one model.safetensors, config.json with the new type, and the "
    "vocabulary, generation and README files as they are.\n\n"
    "For int8 no copy is needed: --precision int8 packs any folder when it is opened, from fp32 or 16 bits alike.\n\n"
    "Examples:\n"
    "  wardscribe model quantize flan-t5-small --out flan-t5-small-bf16 --precision bf16\n"
    "  wardscribe model run flan-t5-small-bf16 --precision int8 < lines.txt";

struct arguments {
    const char *dir, *out;
    enum tensor_type type;
    bool is_int8;
};

static const struct { const char *name; enum tensor_type type; const char *torch; } targets[] = {
    { "bf16", TENSOR_BF16, "bfloat16" },
    { "fp16", TENSOR_F16, "float16" },
};

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 'o': arguments->out = value; return 0;
    case 'p':
        arguments->is_int8 = strcmp(value, "int8") == 0;
        for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
            if (strcmp(targets[i].name, value) == 0)
                arguments->type = targets[i].type;
        if (!arguments->is_int8 && arguments->type == TENSOR_TYPE_COUNT)
            argp_error(state, "--precision: must be bf16 or fp16, not '%s'", value);
        return 0;
    case ARGP_KEY_INIT: state->child_inputs[0] = &arguments->dir; return 0;
    case ARGP_KEY_END:
        if (!arguments->out)
            argp_error(state, "--out is needed");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

struct conversion {
    enum tensor_type type;
    struct tensor *tensors;      /* the new ones, over `memory` */
    size_t count;
    void **memory;               /* one block a tensor */
    double farthest;             /* largest |new - old| over the tensor's largest |old| */
    char farthest_name[200];
};

static bool convert_items(const struct tensor *from, enum tensor_type type, uint16_t *to, double *out_farthest,
                          struct err *err)
{
    enum { CHUNK = 4096 };
    float items[CHUNK];
    double moved = 0, largest = 0;
    for (size_t at = 0; at < from->count; at += CHUNK) {
        size_t n = from->count - at < CHUNK ? from->count - at : CHUNK;
        tensor_read_f32(from, at, n, items);
        for (size_t i = 0; i < n; i++) {
            to[at + i] = type == TENSOR_BF16 ? f32_to_bf16(items[i]) : f32_to_f16(items[i]);
            float back = type == TENSOR_BF16 ? bf16_to_f32(to[at + i]) : f16_to_f32(to[at + i]);
            if (isfinite(items[i]) && !isfinite(back))
                return err_set(err, ERR_INPUT, "%s: item %zu is %g, beyond what %s can hold; use bf16", from->name,
                               at + i, (double)items[i], tensor_type_name(type));
            moved = fmax(moved, fabs((double)back - (double)items[i]));
            largest = fmax(largest, fabs((double)items[i]));
        }
    }
    *out_farthest = largest > 0 ? moved / largest : 0;
    return true;
}

static bool convert(struct conversion *c, const struct tensor *from, struct err *err)
{
    double farthest;
    uint16_t *to = mem_try_new(from->count ? from->count : 1, sizeof *to);
    if (!to)
        return err_set(err, ERR_UNAVAILABLE, "%s: no memory for %zu bytes", from->name, 2 * from->count);
    c->memory[c->count] = to;
    c->tensors[c->count] = *from;
    c->tensors[c->count].type = c->type;
    c->tensors[c->count++].data = to;
    if (!convert_items(from, c->type, to, &farthest, err))
        return false;
    if (farthest >= c->farthest) {
        c->farthest = farthest;
        (void)snprintf(c->farthest_name, sizeof c->farthest_name, "%s", from->name);
    }
    return true;
}

static bool is_float(enum tensor_type type)
{
    return type == TENSOR_F32 || type == TENSOR_F16 || type == TENSOR_BF16 || type == TENSOR_F64;
}

static bool convert_all(struct conversion *c, const struct checkpoint *checkpoint, struct err *err)
{
    size_t total = 0;
    for (size_t i = 0; i < checkpoint->file_count; i++)
        total += safetensors_count(checkpoint->files[i]);
    c->tensors = mem_new(total + 1, sizeof *c->tensors);
    c->memory = mem_new(total + 1, sizeof *c->memory);
    for (size_t i = 0; i < checkpoint->file_count; i++)
        for (size_t k = 0; k < safetensors_count(checkpoint->files[i]); k++) {
            const struct tensor *tensor = safetensors_at(checkpoint->files[i], k);
            if (!is_float(tensor->type))
                c->tensors[c->count++] = *tensor;
            else if (!convert(c, tensor, err))
                return false;
        }
    return true;
}

/* config.json with torch_dtype (or dtype, as newer ones say) changed: the rest stays byte for byte. */
static bool write_config(const struct arguments *a, const char *torch, struct err *err)
{
    char path[4096];
    struct buf file, out;
    (void)snprintf(path, sizeof path, "%s/config.json", a->dir);
    if (!file_read(path, T5_JSON_SIZE_MAX, &file, err))
        return false;
    buf_init(&out, 2 * T5_JSON_SIZE_MAX);
    const char *text = file.data, *key = strstr(text, "\"torch_dtype\""), *value = NULL;
    if (!key)
        key = strstr(text, "\"dtype\"");
    if (key && (value = strchr(key, ':')) != NULL)
        value += 1 + strspn(value + 1, " \t\r\n");
    if (value && *value == '"') {
        buf_add(&out, text, (size_t)(value - text));
        buf_printf(&out, "\"%s\"", torch);
        buf_add_text(&out, value + 1 + strcspn(value + 1, "\"") + 1);
    } else {
        const char *brace = strchr(text, '{');
        CHECK(brace);   /* it was parsed before */
        buf_add(&out, text, (size_t)(brace + 1 - text));
        buf_printf(&out, "\n  \"torch_dtype\": \"%s\",", torch);
        buf_add_text(&out, brace + 1);
    }
    (void)snprintf(path, sizeof path, "%s/config.json", a->out);
    bool ok = file_write(path, out.data, out.length, err);
    buf_free(&out);
    buf_free(&file);
    return ok;
}

static bool copy_rest(const struct arguments *a, struct err *err)
{
    static const char *const names[] = { "generation_config.json", "spiece.model", "README.md", "LICENSE",
                                         "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char from[4096], to[4096];
        struct buf text;
        (void)snprintf(from, sizeof from, "%s/%s", a->dir, names[i]);
        (void)snprintf(to, sizeof to, "%s/%s", a->out, names[i]);
        if (access(from, F_OK) != 0)
            continue;
        if (!file_read(from, HUB_SMALL_FILE_SIZE_MAX, &text, err))
            return false;
        bool ok = file_write(to, text.data, text.length, err);
        buf_free(&text);
        if (!ok)
            return false;
    }
    return true;
}

static bool write_folder(const struct arguments *a, const struct conversion *c, struct err *err)
{
    char path[4096];
    const char *torch = c->type == TENSOR_BF16 ? "bfloat16" : "float16";
    if (strlen(a->out) > sizeof path - 64 || strlen(a->dir) > sizeof path - 64)
        return err_set(err, ERR_INPUT, "the path is too long");
    if (mkdir(a->out, 0777) != 0)
        return err_set_errno(err, errno == EEXIST ? ERR_CONFLICT : ERR_IO, errno, "%s", a->out);
    (void)snprintf(path, sizeof path, "%s/model.safetensors", a->out);
    return safetensors_write(path, c->tensors, c->count, NULL, 0, err) && copy_rest(a, err) &&
           write_config(a, torch, err);
}

static int quantize(const struct arguments *arguments)
{
    struct conversion c = { .type = arguments->type };
    struct checkpoint *checkpoint = NULL;
    struct err err = { 0 };
    bool ok = checkpoint_open(arguments->dir, &checkpoint, &err) && convert_all(&c, checkpoint, &err) &&
              write_folder(arguments, &c, &err);
    if (ok)
        (void)printf("%s: %zu weights as %s; the farthest moved by %.2g of its tensor's largest (%s)\n", arguments->out,
                     checkpoint->parameter_count, tensor_type_name(c.type), c.farthest, c.farthest_name);
    for (size_t i = 0; i < c.count; i++)
        mem_free(c.memory[i]);
    mem_free(c.memory);
    mem_free(c.tensors);
    checkpoint_close(checkpoint);
    return ok ? 0 : model_fail("quantize", &err);
}

int model_quantize(int argc, char **argv)
{
    static const struct argp_option options[] = {
        { "out", 'o', "DIR2", 0, "The new folder; must not exist", 0 },
        { "precision", 'p', "P", 0, "bf16 or fp16 (bf16)", 0 },
        { 0 },
    };
    static const struct argp_child children[] = { { .argp = &model_dir_argp }, { 0 } };
    static const struct argp argp = { .options = options, .parser = parse_option, .args_doc = "DIR", .doc = doc,
                                      .children = children };
    struct arguments arguments = { .type = TENSOR_TYPE_COUNT };
    if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) != 0)
        return 64;
    if (arguments.is_int8) {
        (void)fprintf(stderr, "wardscribe model quantize: int8 is made when a model is opened, from any folder: use "
                              "--precision int8 with model run, bench and serve; bf16 and fp16 make smaller folders\n");
        return 64;
    }
    if (arguments.type == TENSOR_TYPE_COUNT)
        arguments.type = TENSOR_BF16;
    return quantize(&arguments);
}
