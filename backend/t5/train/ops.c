#include "t5/train/ops.h"

/* What an item of any op here needs; each uses some. */
struct op {
    size_t N, D;
    const real *x, *w, *dy;
    real *y, *dx, *dw, *partial;
    real eps, scale;
    struct dropout drop;
    bool gated;
    const int32_t *ids;
    uint16_t *half;
};

struct span {
    size_t from, to;
};

static struct span rows_of(const struct op *op, int item)
{
    size_t from = (size_t)item * OP_ROWS, to = from + OP_ROWS;
    return (struct span){ from, to < op->N ? to : op->N };
}

static void each_rows(struct pool *pool, struct op *op, pool_item *run)
{
    pool_run(pool, run, op, (int)op_blocks(op->N));
}

/* ---- rmsnorm ---- */

INLINE real rms_inverse(const real *x, size_t D, real eps)
{
    return 1 / (real)sqrt((double)(lanes_dot(x, x, D) / (real)D + eps));
}

CLONES static void rmsnorm_row(const real *x, const real *w, size_t D, real eps, real *y)
{
    real r = rms_inverse(x, D, eps);
    for (size_t i = 0; i < D; i++)
        y[i] = x[i] * r * w[i];
}

static void rmsnorm_item(void *context, int item, int thread)
{
    const struct op *op = context;
    (void)thread;
    for (struct span at = rows_of(op, item); at.from < at.to; at.from++)
        rmsnorm_row(op->x + at.from * op->D, op->w, op->D, op->eps, op->y + at.from * op->D);
}

void rmsnorm_forward(struct pool *pool, size_t N, size_t D, const real *x, const real *w, real eps, real *y)
{
    each_rows(pool, &(struct op){ .N = N, .D = D, .x = x, .w = w, .eps = eps, .y = y }, rmsnorm_item);
}

/* mean(w dy x) for one row */
INLINE real mean_product(const real *w, const real *dy, const real *x, size_t D)
{
    struct lanes lanes = { { 0 } };
    size_t i = 0;
    for (; i + LANE_COUNT <= D; i += LANE_COUNT)
        for (int lane = 0; lane < LANE_COUNT; lane++)
            lanes.at[lane] += w[i + lane] * dy[i + lane] * x[i + lane];
    for (int lane = 0; i < D; i++, lane++)
        lanes.at[lane] += w[i] * dy[i] * x[i];
    return lanes_sum(&lanes) / (real)D;
}

CLONES static void rmsnorm_back_row(const real *restrict x, const real *restrict w, const real *restrict dy, size_t D,
                                    real eps, real *restrict dx, real *restrict dw)
{
    real r = rms_inverse(x, D, eps), pull = mean_product(w, dy, x, D) * r * r;
    for (size_t i = 0; i < D; i++) {
        dw[i] += dy[i] * x[i] * r;
        dx[i] += r * (w[i] * dy[i] - x[i] * pull);
    }
}

static void rmsnorm_back_item(void *context, int item, int thread)
{
    const struct op *op = context;
    real *dw = op->partial + (size_t)item * op->D;
    (void)thread;
    memset(dw, 0, op->D * sizeof *dw);
    for (struct span at = rows_of(op, item); at.from < at.to; at.from++) {
        size_t o = at.from * op->D;
        rmsnorm_back_row(op->x + o, op->w, op->dy + o, op->D, op->eps, op->dx + o, dw);
    }
}

void rmsnorm_backward(struct pool *pool, size_t N, size_t D, const real *x, const real *w, real eps, const real *dy,
                      real *dx, real *dw, real *partial)
{
    struct op op = { .N = N, .D = D, .x = x, .w = w, .eps = eps, .dy = dy, .dx = dx, .partial = partial };
    each_rows(pool, &op, rmsnorm_back_item);
    for (size_t block = 0; block < op_blocks(N); block++)
        for (size_t i = 0; i < D; i++)
            dw[i] += partial[block * D + i];
}

/* ---- dropout and residuals ---- */

CLONES static void residual_span(real *out, const real *x, const real *y, struct dropout drop, size_t from, size_t to)
{
    if (!drop.drop_below)
        for (size_t i = from; i < to; i++)
            out[i] = x[i] + y[i];
    else
        for (size_t i = from; i < to; i++)
            out[i] = x[i] + y[i] * dropout_factor(drop, (uint32_t)i);
}

CLONES static void dropout_span(real *y, const real *x, struct dropout drop, real scale, size_t from, size_t to)
{
    if (!drop.drop_below)
        for (size_t i = from; i < to; i++)
            y[i] = x[i] * scale;
    else
        for (size_t i = from; i < to; i++)
            y[i] = x[i] * scale * dropout_factor(drop, (uint32_t)i);
}

static void residual_item(void *context, int item, int thread)
{
    const struct op *op = context;
    struct span at = rows_of(op, item);
    (void)thread;
    residual_span(op->y, op->x, op->dy, op->drop, at.from * op->D, at.to * op->D);
}

static void dropout_item(void *context, int item, int thread)
{
    const struct op *op = context;
    struct span at = rows_of(op, item);
    (void)thread;
    dropout_span(op->y, op->x, op->drop, op->scale, at.from * op->D, at.to * op->D);
}

void residual_forward(struct pool *pool, size_t N, size_t D, struct dropout drop, const real *x, const real *y,
                      real *out)
{
    each_rows(pool, &(struct op){ .N = N, .D = D, .drop = drop, .x = x, .dy = y, .y = out }, residual_item);
}

void residual_backward(struct pool *pool, size_t N, size_t D, struct dropout drop, const real *dx, real *dy)
{
    dropout_rows(pool, N, D, drop, 1, dx, dy);
}

void dropout_rows(struct pool *pool, size_t N, size_t D, struct dropout drop, real scale, const real *x, real *y)
{
    each_rows(pool, &(struct op){ .N = N, .D = D, .drop = drop, .scale = scale, .x = x, .y = y }, dropout_item);
}

/* ---- activation ---- */

#define GELU_SCALE REAL(0.79788456080286535588)  /* sqrt(2 / pi) */
#define GELU_CUBIC REAL(0.044715)

/* u = sqrt(2/pi) (a + 0.044715 a^3);  gelu = a (1 + tanh u) / 2 */
INLINE real gelu(real a)
{
    return REAL(0.5) * a * (1 + tanh_of(GELU_SCALE * (a + GELU_CUBIC * a * a * a)));
}

/* gelu' = (1 + tanh u) / 2 + a (1 - tanh^2 u) u' / 2, and gelu itself from the same tanh */
INLINE real gelu_slope(real a, real *out_gelu)
{
    real t = tanh_of(GELU_SCALE * (a + GELU_CUBIC * a * a * a));
    *out_gelu = REAL(0.5) * a * (1 + t);
    return REAL(0.5) * (1 + t) + REAL(0.5) * a * (1 - t * t) * GELU_SCALE * (1 + 3 * GELU_CUBIC * a * a);
}

/* One row; `first` is its first element's number for dropout. */
CLONES static void gated_row(const real *restrict a, const real *restrict b, size_t F, struct dropout drop,
                             uint32_t first, real *restrict y)
{
    for (size_t i = 0; i < F; i++)
        y[i] = gelu(a[i]) * b[i];
    if (drop.drop_below)
        for (size_t i = 0; i < F; i++)
            y[i] *= dropout_factor(drop, first + (uint32_t)i);
}

CLONES static void relu_row(const real *a, size_t F, struct dropout drop, uint32_t first, real *y)
{
    for (size_t i = 0; i < F; i++)
        y[i] = (a[i] > 0 ? a[i] : 0) * (drop.drop_below ? dropout_factor(drop, first + (uint32_t)i) : 1);
}

static void activation_item(void *context, int item, int thread)
{
    const struct op *op = context;
    size_t F = op->D;
    (void)thread;
    for (struct span at = rows_of(op, item); at.from < at.to; at.from++) {
        const real *ab = op->x + at.from * F * (op->gated ? 2 : 1);
        if (op->gated)
            gated_row(ab, ab + F, F, op->drop, (uint32_t)(at.from * F), op->y + at.from * F);
        else
            relu_row(ab, F, op->drop, (uint32_t)(at.from * F), op->y + at.from * F);
    }
}

void activation_forward(struct pool *pool, size_t N, size_t F, bool gated, struct dropout drop, const real *ab, real *y)
{
    each_rows(pool, &(struct op){ .N = N, .D = F, .gated = gated, .drop = drop, .x = ab, .y = y }, activation_item);
}

enum { GATED_BLOCK = 512 };

/* a and b become their gradients, block by block: dy with its dropped elements first, so that the long loop has no
 * branch. */
CLONES static void gated_back_row(const real *restrict dy, size_t F, struct dropout drop, uint32_t first,
                                  real *restrict a, real *restrict b)
{
    real kept[GATED_BLOCK];
    for (size_t from = 0; from < F; from += GATED_BLOCK) {
        size_t count = F - from < GATED_BLOCK ? F - from : GATED_BLOCK;
        memcpy(kept, dy + from, count * sizeof *kept);
        if (drop.drop_below)
            for (size_t i = 0; i < count; i++)
                kept[i] *= dropout_factor(drop, first + (uint32_t)(from + i));
        for (size_t i = 0; i < count; i++) {
            real value, slope = gelu_slope(a[from + i], &value);
            a[from + i] = kept[i] * b[from + i] * slope;
            b[from + i] = kept[i] * value;
        }
    }
}

CLONES static void relu_back_row(const real *dy, size_t F, struct dropout drop, uint32_t first, real *a)
{
    for (size_t i = 0; i < F; i++)
        a[i] = a[i] > 0 ? dy[i] * (drop.drop_below ? dropout_factor(drop, first + (uint32_t)i) : 1) : 0;
}

static void activation_back_item(void *context, int item, int thread)
{
    const struct op *op = context;
    size_t F = op->D;
    (void)thread;
    for (struct span at = rows_of(op, item); at.from < at.to; at.from++) {
        real *ab = op->y + at.from * F * (op->gated ? 2 : 1);
        if (op->gated)
            gated_back_row(op->dy + at.from * F, F, op->drop, (uint32_t)(at.from * F), ab, ab + F);
        else
            relu_back_row(op->dy + at.from * F, F, op->drop, (uint32_t)(at.from * F), ab);
    }
}

void activation_backward(struct pool *pool, size_t N, size_t F, bool gated, struct dropout drop, const real *dy,
                         real *ab)
{
    each_rows(pool, &(struct op){ .N = N, .D = F, .gated = gated, .drop = drop, .dy = dy,
                                  .y = ab }, activation_back_item);
}

/* ---- bf16 ---- */

CLONES static void halve_span(const real *x, uint16_t *half, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        float value = (float)x[i];
        uint32_t bits;
        memcpy(&bits, &value, sizeof bits);
        half[i] = (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
    }
}

CLONES static void unhalve_span(const uint16_t *half, real *x, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = (uint32_t)half[i] << 16;
        float value;
        memcpy(&value, &bits, sizeof value);
        x[i] = (real)value;
    }
}

static void halve_item(void *context, int item, int thread)
{
    const struct op *op = context;
    struct span at = rows_of(op, item);
    (void)thread;
    halve_span(op->x + at.from * op->D, op->half + at.from * op->D, (at.to - at.from) * op->D);
}

static void unhalve_item(void *context, int item, int thread)
{
    const struct op *op = context;
    struct span at = rows_of(op, item);
    (void)thread;
    unhalve_span(op->half + at.from * op->D, op->y + at.from * op->D, (at.to - at.from) * op->D);
}

void halve_rows(struct pool *pool, size_t N, size_t D, const real *x, uint16_t *half)
{
    each_rows(pool, &(struct op){ .N = N, .D = D, .x = x, .half = half }, halve_item);
}

void unhalve_rows(struct pool *pool, size_t N, size_t D, const uint16_t *half, real *x)
{
    struct op op = { .N = N, .D = D, .y = x };
    op.half = (uint16_t *)(uintptr_t)half;   /* read only here */
    each_rows(pool, &op, unhalve_item);
}

/* ---- embedding ---- */

static void embedding_item(void *context, int item, int thread)
{
    const struct op *op = context;
    struct span at = rows_of(op, item);
    (void)thread;
    for (size_t n = at.from; n < at.to; n++)
        memcpy(op->y + n * op->D, op->w + (size_t)op->ids[n] * op->D, op->D * sizeof *op->y);
    if (op->drop.drop_below)
        dropout_span(op->y, op->y, op->drop, 1, at.from * op->D, at.to * op->D);
}

void embedding_forward(struct pool *pool, size_t N, size_t D, struct dropout drop, const int32_t *ids,
                       const real *table, real *x)
{
    each_rows(pool, &(struct op){ .N = N, .D = D, .drop = drop, .ids = ids, .w = table, .y = x }, embedding_item);
}

enum { EMBEDDING_COLUMNS = 64 };

CLONES static void add_dropped(real *to, const real *from, struct dropout drop, uint32_t first, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] += from[i] * (drop.drop_below ? dropout_factor(drop, first + (uint32_t)i) : 1);
}

/* An item owns some columns of the table, so that the order of the rows is the order of the sum. */
static void embedding_back_item(void *context, int item, int thread)
{
    const struct op *op = context;
    size_t from = (size_t)item * EMBEDDING_COLUMNS, left = op->D - from;
    size_t count = left < EMBEDDING_COLUMNS ? left : EMBEDDING_COLUMNS;
    (void)thread;
    for (size_t n = 0; n < op->N; n++) {
        size_t o = n * op->D + from;
        add_dropped(op->dw + (size_t)op->ids[n] * op->D + from, op->dy + o, op->drop, (uint32_t)o, count);
    }
}

void embedding_backward(struct pool *pool, size_t N, size_t D, struct dropout drop, const int32_t *ids, const real *dx,
                        real *dtable)
{
    struct op op = { .N = N, .D = D, .drop = drop, .ids = ids, .dy = dx, .dw = dtable };
    pool_run(pool, embedding_back_item, &op, (int)((D + EMBEDDING_COLUMNS - 1) / EMBEDDING_COLUMNS));
}

/* ---- cross-entropy ---- */

/* The row becomes e^(x - max); their sum is returned. */
CLONES static real exp_row(real *x, size_t V, real max)
{
    struct lanes lanes = { { 0 } };
    size_t i = 0;
    for (; i + LANE_COUNT <= V; i += LANE_COUNT)
        for (int lane = 0; lane < LANE_COUNT; lane++) {
            x[i + lane] = exp_of(x[i + lane] - max);
            lanes.at[lane] += x[i + lane];
        }
    for (int lane = 0; i < V; i++, lane++) {
        x[i] = exp_of(x[i] - max);
        lanes.at[lane] += x[i];
    }
    return lanes_sum(&lanes);
}

CLONES static real max_row(const real *x, size_t V)
{
    return lanes_max(x, V);
}

CLONES static void scale_row(real *x, size_t V, real scale)
{
    for (size_t i = 0; i < V; i++)
        x[i] *= scale;
}

static void cross_entropy_item(void *context, int n, int thread)
{
    const struct op *op = context;
    real *x = op->y + (size_t)n * op->D;
    int32_t label = op->ids[n];
    (void)thread;
    if (label < 0) {
        memset(x, 0, op->D * sizeof *x);
        op->dx[n] = 0;
        return;
    }
    real max = max_row(x, op->D), at_label = x[label] - max, sum = exp_row(x, op->D, max);
    op->dx[n] = (real)log((double)sum) - at_label;
    scale_row(x, op->D, op->scale / sum);
    x[label] -= op->scale;
}

void cross_entropy(struct pool *pool, size_t N, size_t V, const int32_t *labels, real scale, real *logits, real *losses)
{
    struct op op = { .N = N, .D = V, .ids = labels, .scale = scale, .y = logits, .dx = losses };
    pool_run(pool, cross_entropy_item, &op, (int)N);
}
