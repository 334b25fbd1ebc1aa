#include "t5/model.h"

#include "base/mem.h"
#include "t5/engine_internal.h"
#include "t5/fast.h"
#include "t5/tokenizer.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const precision_names[] = {
    [T5_AUTO] = "auto", [T5_FP32] = "fp32", [T5_BF16] = "bf16", [T5_INT8] = "int8",
};

const char *t5_precision_name(enum t5_precision precision)
{
    CHECK(precision < sizeof precision_names / sizeof *precision_names);
    return precision_names[precision];
}

bool t5_precision_parse(const char *name, enum t5_precision *out)
{
    for (size_t i = 0; i < sizeof precision_names / sizeof *precision_names; i++)
        if (strcmp(name, precision_names[i]) == 0) {
            *out = (enum t5_precision)i;
            return true;
        }
    return false;
}

static bool open_tokenizer(const char *dir, struct t5_model *model, struct err *err)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/spiece.model", dir) >= (int)sizeof path)
        return err_set(err, ERR_INPUT, "%s: the path is too long", dir);
    if (access(path, F_OK) != 0)
        return true;
    return t5_tokenizer_open(path, &model->tokenizer, err) &&
           (tokenizer_fit(model->tokenizer, model->checkpoint->config.vocab_size, err) || err_context(err, "%s", path));
}

static bool load(const char *dir, const struct t5_model_options *options, struct t5_model *model, struct err *err)
{
    if (!t5_kernels_choose(options->kernel, &model->kernels, err) || !checkpoint_open(dir, &model->checkpoint, err) ||
        !open_tokenizer(dir, model, err))
        return false;
    model->precision = fast_precision(options->precision, model->checkpoint);
    return true;
}

bool t5_model_open(const char *dir, const struct t5_model_options *options, struct t5_model **out, struct err *err)
{
    struct t5_model *model = mem_new(1, sizeof *model);
    if (!load(dir, options, model, err)) {
        t5_model_close(model);
        return false;
    }
    *out = model;
    return true;
}

void t5_model_close(struct t5_model *model)
{
    if (!model)
        return;
    t5_tokenizer_close(model->tokenizer);
    checkpoint_close(model->checkpoint);
    mem_free(model);
}

const struct t5_config *t5_model_config(const struct t5_model *model)
{
    return &model->checkpoint->config;
}

const char *t5_model_kernel(const struct t5_model *model)
{
    return model->kernels->name;
}

enum t5_precision t5_model_precision(const struct t5_model *model)
{
    return model->precision;
}

size_t t5_model_parameter_count(const struct t5_model *model)
{
    return model->checkpoint->parameter_count;
}

const struct t5_tokenizer *t5_model_tokenizer(const struct t5_model *model)
{
    return model->tokenizer;
}

void t5_params_default(const struct t5_model *model, struct t5_params *out)
{
    *out = model->checkpoint->defaults;
}

bool t5_engine_start(struct t5_model *model, const struct t5_engine_options *options, struct t5_engine **out,
                     struct err *err)
{
    if (!engine_start(model->checkpoint, model->precision, model->kernels, options, out, err))
        return false;
    engine_use_tokenizer(*out, model->tokenizer);
    return true;
}
