#include "t5/train/optimizer.h"
#include "t5/train/lanes.h"

#include "base/err.h"

#include <stdbool.h>

/* items of one pool item: 256 KB of gradients; up to 4.3 G parameters */
enum { CHUNK = 1 << 16, CHUNKS_MAX = 1 << 16 };

#define EPS_SQUARE REAL(1e-30)           /* arXiv:1804.04235 table 1: eps1, eps2, d, and 0.8 of b2 */
#define EPS_SCALE 1e-3
#define UPDATE_RMS_MAX 1.0
#define DECAY_POWER 0.8

#ifdef T5_TRAIN_DOUBLE
#define REAL_SQRT sqrt
#else
#define REAL_SQRT sqrtf
#endif

struct update {
    const struct layout *layout;
    const real *grads;
    real *params, *state;
    double *chunk_sums;
    real factor;                         /* of clipping */
    real keep, b1, b2, rate, eps, root_correction;
    double lr, beta2_now;
};

/* ---- schedule ---- */

double optimizer_rate(const struct optimizer_options *options, int64_t step)
{
    double warmup = (double)options->warmup_steps, at = (double)step, total = (double)options->total_steps;
    double peak = options->lr;
    if (options->kind == OPTIMIZER_ADAFACTOR && peak <= 0)
        peak = 1 / sqrt(at + 1) < 0.01 ? 1 / sqrt(at + 1) : 0.01;
    if (at < warmup)
        return peak * at / (warmup > 1 ? warmup : 1);
    double left = total > warmup ? (total - at) / (total - warmup) : 1;
    if (options->schedule == SCHEDULE_LINEAR)
        return peak * (left > 0 ? left : 0);
    if (options->schedule == SCHEDULE_COSINE)
        return peak * 0.5 * (1 + cos(M_PI * (1 - (left > 0 ? left : 0))));
    return peak;
}

/* ---- norm ---- */

CLONES static double squares(const real *g, size_t count)
{
    double sum = 0;
    for (size_t at = 0; at < count; at += 1024) {      /* float lanes over 1,024 items, then double */
        size_t n = count - at < 1024 ? count - at : 1024;
        sum += (double)lanes_dot(g + at, g + at, n);
    }
    return sum;
}

static size_t chunk_count(const struct layout *layout)
{
    return (layout->total + CHUNK - 1) / CHUNK;
}

static size_t chunk_items(const struct layout *layout, size_t chunk)
{
    size_t left = layout->total - chunk * CHUNK;
    return left < CHUNK ? left : CHUNK;
}

static void norm_item(void *context, int item, int thread)
{
    struct update *u = context;
    (void)thread;
    u->chunk_sums[item] = squares(u->grads + (size_t)item * CHUNK, chunk_items(u->layout, (size_t)item));
}

static double norm_of(struct update *u, struct pool *pool)
{
    static _Thread_local double sums[CHUNKS_MAX];
    double sum = 0;
    CHECK(chunk_count(u->layout) <= CHUNKS_MAX);
    u->chunk_sums = sums;
    pool_run(pool, norm_item, u, (int)chunk_count(u->layout));
    for (size_t i = 0; i < chunk_count(u->layout); i++)
        sum += sums[i];
    return sqrt(sum);
}

/* ---- AdamW ---- */

CLONES static void adamw_span(const struct update *u, const real *restrict grads, size_t count, real *restrict p,
                              real *restrict m, real *restrict v)
{
    real factor = u->factor, keep = u->keep, b1 = u->b1, b2 = u->b2, rate = u->rate, eps = u->eps,
         root = u->root_correction;
    for (size_t i = 0; i < count; i++) {
        real g = grads[i] * factor;
        m[i] += (1 - b1) * (g - m[i]);
        v[i] = b2 * v[i] + (1 - b2) * g * g;
        p[i] = p[i] * keep - rate * m[i] / (REAL_SQRT(v[i]) / root + eps);
    }
}

static void adamw_item(void *context, int item, int thread)
{
    const struct update *u = context;
    size_t at = (size_t)item * CHUNK;
    (void)thread;
    adamw_span(u, u->grads + at, chunk_items(u->layout, (size_t)item), u->params + at, u->state + at,
               u->state + u->layout->total + at);
}

static void adamw(struct update *u, struct pool *pool, const struct optimizer_options *options, int64_t step)
{
    double t = (double)step + 1;
    u->keep = (real)(1 - u->lr * options->weight_decay);
    u->b1 = (real)options->beta1;
    u->b2 = (real)options->beta2;
    u->eps = (real)options->eps;
    u->rate = (real)(u->lr / (1 - pow(options->beta1, t)));
    u->root_correction = (real)sqrt(1 - pow(options->beta2, t));
    pool_run(pool, adamw_item, u, (int)chunk_count(u->layout));
}

/* ---- Adafactor: state per tensor is [rows] and [columns], or [rows] for a vector ---- */

static size_t factor_items(const struct layout_tensor *tensor)
{
    return (tensor->rows + tensor->columns + 15) / 16 * 16;
}

/* row += sum of squares, column[j] += squares */
CLONES static double add_squares(const real *g, real factor, size_t count, real *column)
{
    struct lanes lanes = { { 0 } };
    size_t j = 0;
    for (; j + LANE_COUNT <= count; j += LANE_COUNT)
        for (int lane = 0; lane < LANE_COUNT; lane++) {
            real square = g[j + lane] * factor * (g[j + lane] * factor) + EPS_SQUARE;
            column[j + lane] += square;
            lanes.at[lane] += square;
        }
    for (int lane = 0; j < count; j++, lane++) {
        real square = g[j] * factor * (g[j] * factor) + EPS_SQUARE;
        column[j] += square;
        lanes.at[lane] += square;
    }
    return (double)lanes_sum(&lanes);
}

CLONES static double scaled_squares(const real *g, const real *column_scale, size_t count)
{
    struct lanes lanes = { { 0 } };
    size_t j = 0;
    for (; j + LANE_COUNT <= count; j += LANE_COUNT)
        for (int lane = 0; lane < LANE_COUNT; lane++) {
            real x = g[j + lane] * column_scale[j + lane];
            lanes.at[lane] += x * x;
        }
    for (int lane = 0; j < count; j++, lane++)
        lanes.at[lane] += g[j] * column_scale[j] * (g[j] * column_scale[j]);
    return (double)lanes_sum(&lanes);
}

CLONES static void subtract_scaled(const real *g, const real *column_scale, real row_scale, size_t count, real *p)
{
    for (size_t j = 0; j < count; j++)
        p[j] -= row_scale * g[j] * column_scale[j];
}

/* The second moment's new rows and columns.  `sums` [columns] is scratch. */
static void factor_moments(const struct update *u, const struct layout_tensor *tensor, const real *g, real *rows,
                           real *columns, real *sums)
{
    real b2 = (real)u->beta2_now;
    memset(sums, 0, tensor->columns * sizeof *sums);
    for (size_t i = 0; i < tensor->rows; i++) {
        double sum = add_squares(g + i * tensor->columns, u->factor, tensor->columns, sums);
        rows[i] = b2 * rows[i] + (1 - b2) * (real)(sum / (double)tensor->columns);
    }
    for (size_t j = 0; j < tensor->columns; j++)
        columns[j] = b2 * columns[j] + (1 - b2) * sums[j] / (real)tensor->rows;
}

/* A matrix: u = g / sqrt(r c^T / mean r).  `scale` [columns] is scratch: 1 / sqrt(c). */
static void adafactor_matrix(const struct update *u, const struct layout_tensor *tensor, const real *g, real *p,
                             real *state, real *scale, double step)
{
    real *rows = state, *columns = state + tensor->rows;
    double mean = 0, squares_sum = 0, count = (double)layout_count(tensor);
    factor_moments(u, tensor, g, rows, columns, scale);
    for (size_t i = 0; i < tensor->rows; i++)
        mean += (double)rows[i] / (double)tensor->rows;
    for (size_t j = 0; j < tensor->columns; j++)
        scale[j] = u->factor / REAL_SQRT(columns[j]);
    for (size_t i = 0; i < tensor->rows; i++)
        squares_sum += scaled_squares(g + i * tensor->columns, scale, tensor->columns) * mean / (double)rows[i];
    double rms = sqrt(squares_sum / count) / UPDATE_RMS_MAX;
    for (size_t i = 0; i < tensor->rows; i++)
        subtract_scaled(g + i * tensor->columns, scale,
                        (real)(step / (rms > 1 ? rms : 1) * sqrt(mean / (double)rows[i])), tensor->columns,
                        p + i * tensor->columns);
}

static void adafactor_vector(const struct update *u, const struct layout_tensor *tensor, const real *g, real *p,
                             real *v, double step)
{
    real b2 = (real)u->beta2_now;
    double squares_sum = 0;
    for (size_t i = 0; i < tensor->rows; i++) {
        real x = g[i] * u->factor;
        v[i] = b2 * v[i] + (1 - b2) * (x * x + EPS_SQUARE);
        squares_sum += (double)(x * x / v[i]);
    }
    double rms = sqrt(squares_sum / (double)tensor->rows) / UPDATE_RMS_MAX;
    for (size_t i = 0; i < tensor->rows; i++)
        p[i] -= (real)(step / (rms > 1 ? rms : 1)) * g[i] * u->factor / REAL_SQRT(v[i]);
}

enum { COLUMNS_MAX = 1 << 16 };          /* of a matrix: d_ff or heads * d_kv; T5-11B has 65,536 */

static void adafactor_item(void *context, int item, int thread)
{
    static _Thread_local real scratch[COLUMNS_MAX];
    const struct update *u = context;
    const struct layout_tensor *tensor = &u->layout->tensors[item];
    real *state = u->state, *p = u->params + tensor->offset;
    (void)thread;
    for (int i = 0; i < item; i++)
        state += factor_items(&u->layout->tensors[i]);
    double rms = sqrt(squares(p, layout_count(tensor)) / (double)layout_count(tensor));
    double step = u->lr * (rms > EPS_SCALE ? rms : EPS_SCALE);
    CHECK(tensor->columns <= COLUMNS_MAX);
    if (u->keep < 1)                     /* weight decay, not relative: as transformers' Adafactor */
        for (size_t i = 0; i < layout_count(tensor); i++)
            p[i] -= (1 - u->keep) * (real)(step / u->lr) * p[i];
    if (tensor->columns)
        adafactor_matrix(u, tensor, u->grads + tensor->offset, p, state, scratch, step);
    else
        adafactor_vector(u, tensor, u->grads + tensor->offset, p, state, step);
}

/* ---- both ---- */

size_t optimizer_state_items(const struct layout *layout, enum optimizer_kind kind)
{
    size_t items = 0;
    if (kind == OPTIMIZER_ADAMW)
        return 2 * layout->total;
    for (size_t t = 0; t < layout->tensor_count; t++)
        items += factor_items(&layout->tensors[t]);
    return items;
}

double optimizer_step(const struct layout *layout, struct pool *pool, const struct optimizer_options *options,
                      int64_t step, const real *grads, real *params, real *state)
{
    struct update u = { .layout = layout, .grads = grads, .params = params, .state = state, .factor = 1 };
    double norm = norm_of(&u, pool);
    if (!isfinite(norm))
        return norm;
    /* 1e-6 as in clip_grad_norm_ */
    if (options->clip_norm > 0 && options->clip_norm / (norm + 1e-6) < 1)
        u.factor = (real)(options->clip_norm / (norm + 1e-6));
    u.lr = optimizer_rate(options, step);
    if (options->kind == OPTIMIZER_ADAMW) {
        adamw(&u, pool, options, step);
        return norm;
    }
    u.beta2_now = 1 - pow((double)step + 1, -DECAY_POWER);
    u.keep = (real)(1 - u.lr * options->weight_decay);
    pool_run(pool, adafactor_item, &u, (int)layout->tensor_count);
    return norm;
}
