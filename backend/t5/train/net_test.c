/* The whole network's gradient against central differences, in double: gated and not, tied and not, with
 * dropout, recomputing and not. */
#include "t5/train/grad_check.h"
#include "t5/train/net.h"

static const size_t input_start[] = { 0, 4, 11, 12 }, target_start[] = { 0, 6, 7, 10 };
static const int32_t input_ids[] = { 3, 5, 7, 1, 9, 9, 4, 3, 8, 2, 1, 1 };
static const int32_t labels[] = { 4, 4, -100, 8, 9, 1, 1, 3, 10, 1 };

struct site {
    struct net *net;
    real *params, *grads;
    struct net_batch batch;
};

static struct t5_config config_of(bool gated, bool tied, float dropout)
{
    return (struct t5_config){ .vocab_size = 11, .d_model = 6, .d_kv = 4, .d_ff = 5, .layer_count = 2,
                               .decoder_layer_count = 2, .head_count = 2, .bucket_count = 8, .bucket_distance_max = 16,
                               .eos_id = 1, .layer_norm_epsilon = 1e-6f, .dropout_rate = dropout, .gated = gated,
                               .gelu_new = gated, .tied = tied };
}

static double loss(void *context)
{
    struct site *s = context;
    return 0.5 * net_step(s->net, s->params, &s->batch, 99, 0.5, false, s->grads);
}

static void check_net(bool gated, bool tied, float dropout, bool recompute)
{
    struct t5_config config = config_of(gated, tied, dropout);
    struct layout *layout = layout_new(&config);
    struct pool *pool = pool_new(2);
    int32_t decoder_ids[10];
    struct net_options options = { .limits = { 3, 12, 10, 7, 6 }, .recompute = recompute };
    struct site s = { .net = net_new(layout, pool, &options), .params = mem_new(layout->total, sizeof(real)),
                      .grads = mem_new(layout->total, sizeof(real)),
                      .batch = { 3, input_start, target_start, input_ids, decoder_ids, labels } };
    for (int b = 0; b < 3; b++)
        net_shift_right(labels + target_start[b], target_start[b + 1] - target_start[b], 0, 0,
                        decoder_ids + target_start[b]);
    layout_initialise(layout, 3, s.params);
    for (size_t i = 0; i < layout->total; i++)
        s.params[i] += REAL(0.1) * check_random();
    real *gradient = mem_new(layout->total, sizeof *gradient);
    net_step(s.net, s.params, &s.batch, 99, 0.5, false, gradient);
    for (size_t t = 0; t < layout->tensor_count; t++)
        check_gradient(layout->tensors[t].name, loss, &s, s.params + layout->tensors[t].offset,
                       layout_count(&layout->tensors[t]), 3, gradient + layout->tensors[t].offset);
    /* adding the same again doubles */
    memcpy(s.grads, gradient, layout->total * sizeof(real));
    net_step(s.net, s.params, &s.batch, 99, 0.5, true, s.grads);
    for (size_t t = 0; t < layout->tensor_count; t++)
        for (size_t i = layout->tensors[t].offset; i < layout->tensors[t].offset + layout_count(&layout->tensors[t]);
             i++)
            assert_true(fabs((double)(s.grads[i] - 2 * gradient[i])) < 1e-12);
    net_free(s.net), pool_free(pool), layout_free(layout);
    mem_free(s.params), mem_free(s.grads), mem_free(gradient);
}

static void whole_network_has_its_gradient(void **unused)
{
    (void)unused;
    check_net(true, false, 0, false);
    check_net(false, true, 0, false);
    check_net(true, true, 0.3f, false);
    check_net(true, false, 0.3f, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(whole_network_has_its_gradient) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
