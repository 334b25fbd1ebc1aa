#include "t5/train/attention.h"

#include "base/err.h"

/* One head of one sequence. */
struct head {
    const struct attention *a;
    size_t Tq, Tk, item;
    const real *q, *k, *v, *bias;        /* bias: that of distance 0 */
    size_t q_at, k_at, v_at, context_at; /* offsets, the same in the gradients */
    struct dropout drop;
    real *p, *d;                         /* scratch: [Tq, Tk] each */
    int thread;
};

struct job {
    const struct attention *a;
    const real *dcontext;
    real *context, *dq, *dk, *dv, *partial;
};

static struct head head_of(const struct attention *a, int item, int thread)
{
    size_t b = (size_t)item / a->H, h = (size_t)item % a->H, column = h * a->d_kv;
    struct head head = { .a = a, .item = (size_t)item, .thread = thread };
    head.Tq = a->query_start[b + 1] - a->query_start[b];
    head.Tk = a->key_start[b + 1] - a->key_start[b];
    head.q_at = a->query_start[b] * a->q_width + column;
    head.k_at = a->key_start[b] * a->k_width + column;
    head.v_at = a->key_start[b] * a->v_width + column;
    head.context_at = a->query_start[b] * a->context_width + column;
    head.q = a->q + head.q_at;
    head.k = a->k + head.k_at;
    head.v = a->v + head.v_at;
    head.bias = a->bias ? a->bias + h * (2 * a->span - 1) + a->span - 1 : NULL;
    head.drop = dropout_at(a->dropout_key, (uint64_t)item, a->dropout_rate);
    head.p = a->scratch + (size_t)thread * 2 * a->scratch_size;
    head.d = head.p + a->scratch_size;
    CHECK(head.Tq * head.Tk <= a->scratch_size && (!a->bias || (head.Tq <= a->span && head.Tk <= a->span)));
    return head;
}

/* Keys that query `i` sees. */
static size_t seen(const struct head *head, size_t i)
{
    return head->a->causal && i + 1 < head->Tk ? i + 1 : head->Tk;
}

/* s [count] becomes softmax(s + bias), zero behind `count` up to `width`. */
CLONES static void softmax_row(real *s, const real *bias, size_t count, size_t width)
{
    if (bias)
        for (size_t j = 0; j < count; j++)
            s[j] += bias[j];
    real max = lanes_max(s, count);
    for (size_t j = 0; j < count; j++)
        s[j] = exp_of(s[j] - max);
    struct lanes lanes = { { 0 } };
    size_t j = 0;
    for (; j + LANE_COUNT <= count; j += LANE_COUNT)
        for (int lane = 0; lane < LANE_COUNT; lane++)
            lanes.at[lane] += s[j + lane];
    for (int lane = 0; j < count; j++, lane++)
        lanes.at[lane] += s[j];
    real inverse = 1 / lanes_sum(&lanes);
    for (j = 0; j < count; j++)
        s[j] *= inverse;
    for (j = count; j < width; j++)
        s[j] = 0;
}

CLONES static void drop_row(real *to, const real *from, struct dropout drop, uint32_t first, size_t count)
{
    if (!drop.drop_below)
        memmove(to, from, count * sizeof *to);
    else
        for (size_t j = 0; j < count; j++)
            to[j] = from[j] * dropout_factor(drop, first + (uint32_t)j);
}

static void probabilities(const struct head *head)
{
    const struct attention *a = head->a;
    gemm_alone(a->gemm, head->thread, head->Tq, head->Tk, a->d_kv, matrix_rows(head->q, a->q_width),
               matrix_turned(head->k, a->k_width), head->p, head->Tk, false);
    for (size_t i = 0; i < head->Tq; i++)
        softmax_row(head->p + i * head->Tk, head->bias ? head->bias - i : NULL, seen(head, i), head->Tk);
}

/* to = dropout(from), [Tq, Tk] */
static void drop_all(const struct head *head, const real *from, real *to)
{
    for (size_t i = 0; i < head->Tq; i++)
        drop_row(to + i * head->Tk, from + i * head->Tk, head->drop, (uint32_t)(i * head->Tk), head->Tk);
}

static void forward_item(void *context, int item, int thread)
{
    const struct job *job = context;
    const struct attention *a = job->a;
    struct head head = head_of(a, item, thread);
    probabilities(&head);
    if (head.drop.drop_below)
        drop_all(&head, head.p, head.p);
    gemm_alone(a->gemm, thread, head.Tq, a->d_kv, head.Tk, matrix_rows(head.p, head.Tk),
               matrix_rows(head.v, a->v_width), job->context + head.context_at, a->context_width, false);
}

void attention_forward(const struct attention *attention, real *context)
{
    struct job job = { .a = attention, .context = context };
    pool_run(attention->pool, forward_item, &job, (int)(attention->B * attention->H));
}

/* dS = P (dP - sum over keys of dP P) */
CLONES static void softmax_back_row(const real *p, real *d, size_t count)
{
    real sum = lanes_dot(p, d, count);
    for (size_t j = 0; j < count; j++)
        d[j] = p[j] * (d[j] - sum);
}

CLONES static void add_row(real *to, const real *from, size_t count)
{
    for (size_t j = 0; j < count; j++)
        to[j] += from[j];
}

static void backward_scores(const struct head *head, real *dbias)
{
    drop_all(head, head->d, head->d);
    for (size_t i = 0; i < head->Tq; i++) {
        real *d = head->d + i * head->Tk;
        softmax_back_row(head->p + i * head->Tk, d, head->Tk);
        if (dbias)
            add_row(dbias + head->a->span - 1 - i, d, head->Tk);
    }
}

static void backward_item(void *context, int item, int thread)
{
    const struct job *job = context;
    const struct attention *a = job->a;
    struct head head = head_of(a, item, thread);
    struct matrix dcontext = matrix_rows(job->dcontext + head.context_at, a->context_width);
    real *dbias = a->bias ? job->partial + head.item * (2 * a->span - 1) : NULL;
    if (dbias)
        memset(dbias, 0, (2 * a->span - 1) * sizeof *dbias);
    probabilities(&head);
    drop_all(&head, head.p, head.d);
    /* dV = P'^T dC */
    gemm_alone(a->gemm, thread, head.Tk, a->d_kv, head.Tq, matrix_turned(head.d, head.Tk), dcontext,
               job->dv + head.v_at, a->v_width, false);
    /* dP' = dC V^T */
    gemm_alone(a->gemm, thread, head.Tq, head.Tk, a->d_kv, dcontext, matrix_turned(head.v, a->v_width),
               head.d, head.Tk, false);
    backward_scores(&head, dbias);
    gemm_alone(a->gemm, thread, head.Tq, a->d_kv, head.Tk, matrix_rows(head.d, head.Tk),
               matrix_rows(head.k, a->k_width), job->dq + head.q_at, a->q_width, false); /* dQ = dS K */
    gemm_alone(a->gemm, thread, head.Tk, a->d_kv, head.Tq, matrix_turned(head.d, head.Tk),
               matrix_rows(head.q, a->q_width), job->dk + head.k_at, a->k_width, false); /* dK = dS^T Q */
}

void attention_backward(const struct attention *attention, const real *dcontext, real *dq, real *dk, real *dv,
                        real *dbias, real *partial)
{
    const struct attention *a = attention;
    struct job job = { .a = a, .dcontext = dcontext, .dq = dq, .dk = dk, .dv = dv, .partial = partial };
    pool_run(a->pool, backward_item, &job, (int)(a->B * a->H));
    if (!a->bias)
        return;
    for (size_t item = 0; item < a->B * a->H; item++)
        add_row(dbias + item % a->H * (2 * a->span - 1), partial + item * (2 * a->span - 1), 2 * a->span - 1);
}

int attention_bucket(int distance, bool bidirectional, int bucket_count, int distance_max)
{
    int bucket = 0, count = bucket_count;
    if (bidirectional) {
        count /= 2;
        bucket = distance > 0 ? count : 0;
        distance = distance < 0 ? -distance : distance;
    } else {
        distance = distance < 0 ? -distance : 0;
    }
    int exact = count / 2;
    if (distance < exact)
        return bucket + distance;
    /* in float, as PyTorch, where a logarithm near an integer may fall either way */
    float far = logf((float)distance / (float)exact) / (float)log((double)distance_max / exact) *
                (float)(count - exact);
    int large = exact + (int)far;
    return bucket + (large < count ? large : count - 1);
}
