/* Every operation's backward against central differences, in double. */
#include "t5/train/grad_check.h"
#include "t5/train/attention.h"
#include "t5/train/ops.h"

enum { N = 37, D = 21, F = 19, V = 23 };   /* odd sizes, and more rows than one block */

static struct pool *pool;
static struct dropout none, half;

struct site {
    real *x, *w, *y, *c, *table, *bias;
    const int32_t *ids;
    struct dropout drop;
    bool gated;
    struct attention attention;
    size_t y_count;
};

static double norm_loss(void *context)
{
    struct site *s = context;
    rmsnorm_forward(pool, N, D, s->x, s->w, REAL(1e-6), s->y);
    return check_sum(s->c, s->y, N * D);
}

static void norm_has_its_gradient(void **unused)
{
    struct site s = { .x = check_block(N * D), .w = check_block(D), .y = check_block(N * D), .c = check_block(N * D) };
    real *dx = mem_new(N * D, sizeof *dx), *dw = mem_new(D, sizeof *dw),
         *partial = mem_new(op_blocks(N) * D, sizeof *partial);
    (void)unused;
    rmsnorm_backward(pool, N, D, s.x, s.w, REAL(1e-6), s.c, dx, dw, partial);
    check_gradient("norm x", norm_loss, &s, s.x, N * D, 1, dx);
    check_gradient("norm w", norm_loss, &s, s.w, D, 1, dw);
    mem_free(s.x), mem_free(s.w), mem_free(s.y), mem_free(s.c), mem_free(dx), mem_free(dw), mem_free(partial);
}

static double residual_loss(void *context)
{
    struct site *s = context;
    residual_forward(pool, N, D, s->drop, s->w, s->x, s->y);
    return check_sum(s->c, s->y, N * D);
}

static void residual_has_its_gradient(void **unused)
{
    struct site s = { .x = check_block(N * D), .w = check_block(N * D), .y = check_block(N * D),
                      .c = check_block(N * D), .drop = half };
    real *dx = mem_new(N * D, sizeof *dx);
    size_t dropped = 0;
    (void)unused;
    residual_backward(pool, N, D, s.drop, s.c, dx);
    check_gradient("residual y", residual_loss, &s, s.x, N * D, 1, dx);
    check_gradient("residual x", residual_loss, &s, s.w, N * D, 1, s.c);
    for (size_t i = 0; i < N * D; i++)
        dropped += dx[i] == 0;
    assert_in_range(dropped, N * D * 2 / 5, N * D * 3 / 5);   /* a rate of a half, 777 draws */
    mem_free(s.x), mem_free(s.w), mem_free(s.y), mem_free(s.c), mem_free(dx);
}

static double activation_loss(void *context)
{
    struct site *s = context;
    activation_forward(pool, N, F, s->gated, s->drop, s->x, s->y);
    return check_sum(s->c, s->y, N * F);
}

static void activations_have_their_gradients(void **unused)
{
    (void)unused;
    for (int how = 0; how < 4; how++) {
        struct site s = { .x = check_block(N * 2 * F), .y = check_block(N * F), .c = check_block(N * F),
                          .gated = how & 1, .drop = how & 2 ? half : none };
        size_t count = N * F * (s.gated ? 2 : 1);
        real *dx = mem_new(count, sizeof *dx);
        memcpy(dx, s.x, count * sizeof *dx);
        activation_backward(pool, N, F, s.gated, s.drop, s.c, dx);
        check_gradient(s.gated ? "gated" : "relu", activation_loss, &s, s.x, count, 1, dx);
        mem_free(s.x), mem_free(s.y), mem_free(s.c), mem_free(dx);
    }
}

static double embedding_loss(void *context)
{
    struct site *s = context;
    embedding_forward(pool, N, D, s->drop, s->ids, s->table, s->y);
    return check_sum(s->c, s->y, N * D);
}

static void embedding_has_its_gradient(void **unused)
{
    int32_t ids[N];
    for (int i = 0; i < N; i++)
        ids[i] = i * i % V;                                 /* some twice, some never */
    struct site s = { .table = check_block(V * D), .y = check_block(N * D), .c = check_block(N * D), .ids = ids,
                      .drop = half };
    real *dtable = mem_new(V * D, sizeof *dtable);
    (void)unused;
    embedding_backward(pool, N, D, s.drop, ids, s.c, dtable);
    check_gradient("embedding", embedding_loss, &s, s.table, V * D, 1, dtable);
    mem_free(s.table), mem_free(s.y), mem_free(s.c), mem_free(dtable);
}

static double entropy_loss(void *context)
{
    struct site *s = context;
    real losses[N], sum = 0;
    memcpy(s->y, s->x, N * V * sizeof(real));
    cross_entropy(pool, N, V, s->ids, 1, s->y, losses);
    for (int i = 0; i < N; i++)
        sum += losses[i];
    return (double)sum * 0.25;
}

static void cross_entropy_has_its_gradient(void **unused)
{
    int32_t labels[N];
    real losses[N];
    for (int i = 0; i < N; i++)
        labels[i] = i % 5 == 0 ? -100 : i * 7 % V;
    struct site s = { .x = check_block(N * V), .y = check_block(N * V), .ids = labels };
    real *dx = mem_new(N * V, sizeof *dx);
    (void)unused;
    memcpy(dx, s.x, N * V * sizeof *dx);
    cross_entropy(pool, N, V, labels, REAL(0.25), dx, losses);
    check_gradient("cross-entropy", entropy_loss, &s, s.x, N * V, 1, dx);
    assert_true(losses[0] == 0 && dx[0] == 0);
    mem_free(s.x), mem_free(s.y), mem_free(dx);
}

/* ---- attention: three sequences, two heads; x holds q, k and v ---- */

static const size_t query_start[] = { 0, 5, 6, 13 }, key_start[] = { 0, 3, 10, 12 };
enum { HEADS = 2, D_KV = 3, I = HEADS * D_KV, TQ = 13, SPAN = 7, BIAS = HEADS * (2 * SPAN - 1) };

static double attention_loss(void *context)
{
    struct site *s = context;
    attention_forward(&s->attention, s->y);
    return check_sum(s->c, s->y, TQ * I);
}

static struct attention attention_site(struct site *s, bool self, bool causal, bool dropped)
{
    struct attention a = { .pool = pool, .gemm = gemm_new(pool, GEMM_F32, NULL, 64, 64), .B = 3, .H = HEADS,
                           .d_kv = D_KV, .query_start = query_start, .key_start = self ? query_start : key_start,
                           .q = s->x, .k = s->x + I, .v = s->x + 2 * I, .q_width = 3 * I, .k_width = 3 * I,
                           .v_width = 3 * I, .context_width = I, .bias = self ? s->bias : NULL, .span = SPAN,
                           .causal = causal, .dropout_key = 5, .dropout_rate = dropped ? 0.5 : 0, .scratch_size = 64 };
    a.scratch = check_block((size_t)pool_threads(pool) * 2 * a.scratch_size);
    return a;
}

static void check_attention(bool self, bool causal, bool dropped)
{
    struct site s = { .x = check_block(TQ * 3 * I), .bias = check_block(BIAS), .y = check_block(TQ * I),
                      .c = check_block(TQ * I) };
    real *dx = mem_new(TQ * 3 * I, sizeof *dx), *dbias = mem_new(BIAS, sizeof *dbias), *partial = check_block(3 * BIAS);
    s.attention = attention_site(&s, self, causal, dropped);
    attention_backward(&s.attention, s.c, dx, dx + I, dx + 2 * I, self ? dbias : NULL, partial);
    check_gradient("attention qkv", attention_loss, &s, s.x, TQ * 3 * I, 1, dx);
    if (self)
        check_gradient("attention bias", attention_loss, &s, s.bias, BIAS, 1, dbias);
    gemm_free(s.attention.gemm);
    mem_free(s.attention.scratch), mem_free(s.x), mem_free(s.bias), mem_free(s.y), mem_free(s.c);
    mem_free(dx), mem_free(dbias), mem_free(partial);
}

static void attention_has_its_gradient(void **unused)
{
    (void)unused;
    for (int dropped = 0; dropped < 2; dropped++) {
        check_attention(true, false, dropped);
        check_attention(true, true, dropped);
        check_attention(false, false, dropped);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(norm_has_its_gradient), cmocka_unit_test(residual_has_its_gradient),
        cmocka_unit_test(activations_have_their_gradients), cmocka_unit_test(embedding_has_its_gradient),
        cmocka_unit_test(cross_entropy_has_its_gradient), cmocka_unit_test(attention_has_its_gradient),
    };
    pool = pool_new(2);
    none = dropout_at(1, 1, 0);
    half = dropout_at(1, 1, 0.5);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pool_free(pool);
    return failed;
}
