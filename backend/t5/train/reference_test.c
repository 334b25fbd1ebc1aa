/* Ten AdamW steps on the reference folders: what transformers and PyTorch computed (make_reference.py).
 *
 * Bars: gradients of step 1 within 1e-4 of each tensor's largest, losses within 1e-5, after ten steps
 * 99.9 % of the weights within 1e-5 and all within 1e-3. */
#include "t5/config.h"
#include "t5/safetensors.h"
#include "t5/train/net.h"
#include "t5/train/optimizer.h"
#include "base/mem.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct case_data {
    struct t5_config config;
    struct layout *layout;
    struct safetensors *model, *train, *trained;
    struct pool *pool;
    int32_t *input_ids, *labels, *decoder_ids;
    size_t input_start[65], target_start[65];
    struct net_batch batch;
    struct net_limits limits;
};

static struct safetensors *open_file(const char *dir, const char *name)
{
    struct safetensors *file;
    struct err err = { 0 };
    char path[600];
    snprintf(path, sizeof path, "%s/%s.safetensors", dir, name);
    if (!safetensors_open(path, &file, &err))
        fail_msg("%s", err.text);
    return file;
}

/* Rows of a padded [B,T] without their padding: what is behind the last item that is not `pad`. */
static int32_t *unpad(const struct tensor *padded, int32_t pad, size_t *starts, size_t *out_longest)
{
    size_t B = padded->shape[0], T = padded->shape[1], count = 0;
    int32_t *all = mem_new(B * T, sizeof *all), *out = mem_new(B * T, sizeof *out);
    tensor_read_i32(padded, 0, B * T, all);
    *out_longest = 0;
    for (size_t b = 0; b < B; b++) {
        size_t length = T;
        while (length && all[b * T + length - 1] == pad)
            length--;
        starts[b] = count;
        memcpy(out + count, all + b * T, length * sizeof *out);
        count += length;
        *out_longest = length > *out_longest ? length : *out_longest;
    }
    starts[B] = count;
    mem_free(all);
    return out;
}

static struct case_data open_case(const char *dir)
{
    struct case_data c = { .model = open_file(dir, "model"), .train = open_file(dir, "train"),
                           .trained = open_file(dir, "trained") };
    struct err err = { 0 };
    if (!config_read(dir, &c.config, &err))
        fail_msg("%s", err.text);
    c.layout = layout_new(&c.config);
    c.pool = pool_new(2);
    size_t B = safetensors_find(c.train, "labels")->shape[0];
    c.input_ids = unpad(safetensors_find(c.train, "input_ids"), 0, c.input_start, &c.limits.input_longest);
    c.labels = unpad(safetensors_find(c.train, "labels"), -100, c.target_start, &c.limits.target_longest);
    c.limits.B = B;
    c.limits.Ne = c.input_start[B];
    c.limits.Nd = c.target_start[B];
    c.decoder_ids = mem_new(c.limits.Nd, sizeof *c.decoder_ids);
    for (size_t b = 0; b < B; b++)
        net_shift_right(c.labels + c.target_start[b], c.target_start[b + 1] - c.target_start[b],
                        c.config.decoder_start_id, c.config.pad_id, c.decoder_ids + c.target_start[b]);
    return c;
}

static void close_case(struct case_data *c)
{
    safetensors_close(c->model), safetensors_close(c->train), safetensors_close(c->trained);
    pool_free(c->pool), layout_free(c->layout);
    mem_free(c->input_ids), mem_free(c->labels), mem_free(c->decoder_ids);
}

static const float *read_tensor(const struct safetensors *file, const char *prefix, const char *name, float *buffer)
{
    char full[200];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    const struct tensor *tensor = safetensors_find(file, full);
    if (!tensor)
        fail_msg("%s is missing", full);
    tensor_read_f32(tensor, 0, tensor->count, buffer);
    return buffer;
}

static double check_grads(const struct case_data *c, const float *grads, float *buffer)
{
    double worst = 0;
    for (size_t t = 0; t < c->layout->tensor_count; t++) {
        const struct layout_tensor *tensor = &c->layout->tensors[t];
        const float *expected = read_tensor(c->train, "grad.", tensor->name, buffer);
        double largest = 0, off = 0;
        for (size_t i = 0; i < layout_count(tensor); i++) {
            largest = fmax(largest, fabs((double)expected[i]));
            off = fmax(off, fabs((double)expected[i] - (double)grads[tensor->offset + i]));
        }
        if (off > 1e-4 * largest)
            fail_msg("%s: gradient off by %g of %g", tensor->name, off, largest);
        worst = fmax(worst, off / largest);
    }
    return worst;
}

static void check_weights(const struct case_data *c, const float *params, float *buffer)
{
    size_t total = 0, beyond = 0;
    double worst = 0;
    for (size_t t = 0; t < c->layout->tensor_count; t++) {
        const struct layout_tensor *tensor = &c->layout->tensors[t];
        const float *expected = read_tensor(c->trained, "", tensor->name, buffer);
        for (size_t i = 0; i < layout_count(tensor); i++, total++) {
            double off = fabs((double)expected[i] - (double)params[tensor->offset + i]);
            beyond += off > 1e-5;
            worst = fmax(worst, off);
        }
    }
    print_message("  weights beyond 1e-5: %zu of %zu, worst %.2g\n", beyond, total, worst);
    assert_true(beyond * 1000 <= total);
    assert_true(worst <= 1e-3);
}

static void check_case(const char *dir)
{
    struct case_data c = open_case(dir);
    struct net_options options = { .limits = c.limits };
    struct net *net = net_new(c.layout, c.pool, &options);
    size_t items = c.layout->total, labels = 0;
    float *params = mem_new(items, 4), *grads = mem_new(items, 4), *state = mem_new(2 * items, 4),
          *buffer = mem_new(items, 4);
    float losses[10];
    struct optimizer_options adamw = { .lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.01 };
    struct net_batch batch = { c.limits.B, c.input_start, c.target_start, c.input_ids, c.decoder_ids, c.labels };
    read_tensor(c.train, "", "losses", losses);
    for (size_t t = 0; t < c.layout->tensor_count; t++)
        read_tensor(c.model, "", c.layout->tensors[t].name, params + c.layout->tensors[t].offset);
    for (size_t i = 0; i < c.limits.Nd; i++)
        labels += c.labels[i] >= 0;
    double worst = 0, grad_worst = 0;
    for (int step = 0; step < 10; step++) {
        double loss = net_step(net, params, &batch, 0, 1 / (double)labels, false, grads) / (double)labels;
        worst = fmax(worst, fabs(loss - (double)losses[step]));
        if (step == 0)
            grad_worst = check_grads(&c, grads, buffer);
        optimizer_step(c.layout, c.pool, &adamw, step, grads, params, state);
    }
    print_message("%s: gradients within %.2g, losses within %.2g\n", dir, grad_worst, worst);
    assert_true(worst <= 1e-5);
    check_weights(&c, params, buffer);
    net_free(net);
    mem_free(params), mem_free(grads), mem_free(state), mem_free(buffer);
    close_case(&c);
}

static const char *reference_root(void)
{
    static char root[500];
    const char *own = getenv("WARDSCRIBE_T5_REFERENCE"), *data = getenv("WARDSCRIBE_DATA");
    snprintf(root, sizeof root, "%s%s", own ? own : data ? data : "../shared/data", own ? "" : "/t5/reference");
    return root;
}

static void steps_are_those_of_pytorch(void **unused)
{
    DIR *root = opendir(reference_root());
    int cases = 0;
    (void)unused;
    for (struct dirent *entry; root && (entry = readdir(root));) {
        char dir[800];
        snprintf(dir, sizeof dir, "%s/%s/train.safetensors", reference_root(), entry->d_name);
        FILE *file = fopen(dir, "rb");
        if (!file)
            continue;
        fclose(file);
        *strrchr(dir, '/') = 0;
        check_case(dir);
        cases++;
    }
    if (root)
        closedir(root);
    if (!cases) {
        print_message("SKIP: no folder with train.safetensors under %s\n", reference_root());
        skip();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(steps_are_those_of_pytorch) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
