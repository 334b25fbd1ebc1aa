#include "t5/train/gemm_kernel.h"

#include "base/err.h"
#include "base/mem.h"

#include <string.h>

/* Rows of A that one item packs for itself when B is the shared side; and the least number of items
 * per thread, so that an unlucky thread does not keep the others waiting. */
enum { ROWS_PER_ITEM = 48, ITEMS_PER_THREAD = 4, ALIGN = 64 };

struct gemm {
    struct pool *pool;
    const struct gemm_kernel *kernel;
    size_t side_max, alone_max, private_units, shared_units;
    /* `private`: a B panel or ROWS_PER_ITEM rows, per thread; `alone`: A, per thread */
    uint32_t *shared, *private, *alone;
};

/* One block of k of one product. */
struct product {
    struct gemm *gemm;
    size_t m, n, k, units;
    struct matrix a, b;
    float *c;
    size_t c_width;
    bool add;
    size_t part_rows;                    /* A shared: rows of one item */
    size_t panels;
};

static size_t round_up(size_t n, size_t step)
{
    return (n + step - 1) / step * step;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---- choosing and sizing ---- */

bool gemm_has_bf16(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl");
#else
    return false;
#endif
}

static const struct gemm_kernel *choose(const char *name)
{
#if defined(__x86_64__)
    if ((!name || strcmp(name, "avx512") == 0) && __builtin_cpu_supports("avx512f"))
        return &gemm_kernel_avx512;
    if ((!name || strcmp(name, "avx2") == 0) && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return &gemm_kernel_avx2;
#else
    (void)name;
#endif
    return &gemm_kernel_plain;
}

struct gemm *gemm_new(struct pool *pool, enum gemm_precision precision, const char *kernel, size_t side_max,
                      size_t alone_max)
{
    struct gemm *gemm = mem_new(1, sizeof *gemm);
    gemm->pool = pool;
    gemm->kernel = choose(kernel);
#if defined(__x86_64__)
    if (precision == GEMM_BF16) {
        CHECK(gemm_has_bf16());
        gemm->kernel = &gemm_kernel_bf16;
    }
#else
    CHECK(precision == GEMM_F32);
#endif
    size_t threads = (size_t)pool_threads(pool);
    gemm->side_max = round_up(side_max, GEMM_PANEL_MAX);
    gemm->alone_max = round_up(alone_max, GEMM_PANEL_MAX) + GEMM_ROWS_MAX;
    gemm->private_units = GEMM_K_UNITS * (size_t)GEMM_PANEL_MAX;
    gemm->shared_units = (gemm->side_max + GEMM_ROWS_MAX) * GEMM_K_UNITS;  /* a last tile keeps its whole place */
    gemm->shared = mem_new(gemm->shared_units, sizeof *gemm->shared);
    gemm->private = mem_new(threads * gemm->private_units, sizeof *gemm->private);
    gemm->alone = mem_new(threads * gemm->alone_max * GEMM_K_UNITS, sizeof *gemm->alone);
    return gemm;
}

void gemm_free(struct gemm *gemm)
{
    if (!gemm)
        return;
    mem_free(gemm->shared);
    mem_free(gemm->private);
    mem_free(gemm->alone);
    mem_free(gemm);
}

const char *gemm_kernel_name(const struct gemm *gemm)
{
    return gemm->kernel->name;
}

size_t gemm_scratch_size(const struct gemm *gemm)
{
    size_t threads = (size_t)pool_threads(gemm->pool);
    return 4 * (gemm->shared_units + threads * (gemm->private_units + gemm->alone_max * GEMM_K_UNITS));
}

/* ---- packing ---- */

/* A line of units to tiles that lie `step` units of a row apart.  Whole tiles are copied in a known size:
 * this is a tenth of a training step. */
static void split(const uint32_t *line, size_t count, size_t rows, uint32_t *out, size_t step)
{
    size_t i = 0;
    if (rows == 6)
        for (; i + 6 <= count; i += 6)
            memcpy(out + i * step, line + i, 6 * sizeof *line);
    for (; i < count; i += rows)
        memcpy(out + i * step, line + i, least(rows, count - i) * sizeof *line);
}

enum { PREFETCH_UNITS = 4, LINE_FLOATS = 16 };

/* Rows that lie far apart are no pattern a prefetcher sees: ask for those of a few units later. */
static void prefetch(const float *row, size_t count)
{
    for (size_t i = 0; i < count; i += LINE_FLOATS)
        __builtin_prefetch(row + i);
}

/* Rows [from, to) of A.  k contiguous: row after row.  Else: tiles of `rows`, unit by unit. */
static void pack_a(const struct product *p, size_t from, size_t to, uint32_t *out)
{
    const struct gemm_kernel *kernel = p->gemm->kernel;
    if (p->a.column_step == 1) {
        for (size_t row = from; row < to; row++, out += p->units)
            kernel->pack_row(p->a.data + row * p->a.row_step, p->k, out);
        return;
    }
    size_t rows = (size_t)kernel->rows, step = (size_t)kernel->unit_k;
    for (size_t u = 0; u < p->units; u++) {
        const float *row0 = p->a.data + u * step * p->a.column_step + from;
        const float *row1 = step == 2 && 2 * u + 1 < p->k ? row0 + p->a.column_step : NULL;
        for (size_t at = from; at < to; at += ROWS_PER_ITEM) {
            uint32_t line[ROWS_PER_ITEM];
            size_t count = least(ROWS_PER_ITEM, to - at);
            if (u + PREFETCH_UNITS < p->units) {
                const float *later = row0 + (at - from) + PREFETCH_UNITS * step * p->a.column_step;
                prefetch(later, count);
                prefetch(later + (step - 1) * p->a.column_step, count);
            }
            kernel->pack_pair(row0 + (at - from), row1 ? row1 + (at - from) : NULL, count, line);
            split(line, count, rows, out + (at - from) * p->units + u * rows, p->units);
        }
    }
}

/* Where pack_a put the tile that starts at `row` (counted from `from`, a multiple of the tile). */
static struct packed_rows packed_at(const struct product *p, const uint32_t *packed, size_t row)
{
    if (p->a.column_step == 1)
        return (struct packed_rows){ packed + row * p->units, p->units, 1 };
    return (struct packed_rows){ packed + row * p->units, 1, (size_t)p->gemm->kernel->rows };
}

static void pack_panel(const struct product *p, size_t panel, uint32_t *out)
{
    const struct gemm_kernel *kernel = p->gemm->kernel;
    size_t width = (size_t)kernel->panel, column = panel * width, count = least(width, p->n - column);
    if (p->b.column_step != 1) {
        kernel->pack_turned(p->b.data + column * p->b.column_step, p->b.column_step, count, p->k, out);
        return;
    }
    size_t step = (size_t)kernel->unit_k;
    for (size_t u = 0; u < p->units; u++, out += width) {
        const float *row0 = p->b.data + u * step * p->b.row_step + column;
        const float *row1 = step == 2 && 2 * u + 1 < p->k ? row0 + p->b.row_step : NULL;
        if (u + PREFETCH_UNITS < p->units) {
            const float *later = row0 + PREFETCH_UNITS * step * p->b.row_step;
            prefetch(later, count);
            prefetch(later + (step - 1) * p->b.row_step, count);
        }
        kernel->pack_pair(row0, row1, count, out);
        memset(out + count, 0, (width - count) * sizeof *out);
    }
}

/* ---- multiplying ---- */

/* Rows [from, to) of C times one packed panel; `a` holds those rows. */
static void multiply(const struct product *p, size_t from, size_t to, size_t panel, const uint32_t *a,
                     const uint32_t *b)
{
    const struct gemm_kernel *kernel = p->gemm->kernel;
    size_t rows = (size_t)kernel->rows, width = (size_t)kernel->panel, column = panel * width;
    size_t count = least(width, p->n - column);
    for (size_t row = from; row < to; row += rows) {
        int have = (int)least(rows, to - row);
        kernel->tile(have, count, p->units, packed_at(p, a, row - from), b, p->c + row * p->c_width + column,
                     p->c_width, p->add);
    }
}

static uint32_t *private_of(const struct product *p, int thread)
{
    return p->gemm->private + (size_t)thread * p->gemm->private_units;
}

static void item_pack_a(void *context, int item, int thread)
{
    const struct product *p = context;
    size_t from = (size_t)item * ROWS_PER_ITEM;
    (void)thread;
    pack_a(p, from, least(from + ROWS_PER_ITEM, p->m), p->gemm->shared + from * p->units);
}

static void item_panel(void *context, int item, int thread)
{
    const struct product *p = context;
    size_t panel = (size_t)item % p->panels, from = (size_t)item / p->panels * p->part_rows;
    uint32_t *b = private_of(p, thread);
    pack_panel(p, panel, b);
    multiply(p, from, least(from + p->part_rows, p->m), panel, p->gemm->shared + from * p->units, b);
}

static void item_pack_panel(void *context, int item, int thread)
{
    const struct product *p = context;
    (void)thread;
    pack_panel(p, (size_t)item, p->gemm->shared + (size_t)item * (size_t)p->gemm->kernel->panel * p->units);
}

static void item_rows(void *context, int item, int thread)
{
    const struct product *p = context;
    size_t from = (size_t)item * ROWS_PER_ITEM, to = least(from + ROWS_PER_ITEM, p->m);
    uint32_t *a = private_of(p, thread);
    pack_a(p, from, to, a);
    for (size_t panel = 0; panel < p->panels; panel++)
        multiply(p, from, to, panel, a, p->gemm->shared + panel * (size_t)p->gemm->kernel->panel * p->units);
}

static size_t items_of(size_t n, size_t each)
{
    return (n + each - 1) / each;
}

static void run_block(struct product *p)
{
    struct pool *pool = p->gemm->pool;
    CHECK(least(p->m, p->n) <= p->gemm->side_max);
    if (p->m <= p->n) {
        size_t parts = items_of(ITEMS_PER_THREAD * (size_t)pool_threads(pool), p->panels);
        p->part_rows = round_up(items_of(p->m, parts), ROWS_PER_ITEM);
        pool_run(pool, item_pack_a, p, (int)items_of(p->m, ROWS_PER_ITEM));
        pool_run(pool, item_panel, p, (int)(p->panels * items_of(p->m, p->part_rows)));
    } else {
        pool_run(pool, item_pack_panel, p, (int)p->panels);
        pool_run(pool, item_rows, p, (int)items_of(p->m, ROWS_PER_ITEM));
    }
}

/* Calls `run` for each block of k; the first one stores, the others add. */
static void each_block(struct product *whole, void (*run)(struct product *block, int thread), int thread)
{
    size_t k_block = GEMM_K_UNITS * (size_t)whole->gemm->kernel->unit_k;
    whole->panels = items_of(whole->n, (size_t)whole->gemm->kernel->panel);
    for (size_t at = 0; at < whole->k; at += k_block) {
        struct product block = *whole;
        block.k = least(k_block, whole->k - at);
        block.units = items_of(block.k, (size_t)block.gemm->kernel->unit_k);
        block.a.data += at * block.a.column_step;
        block.b.data += at * block.b.row_step;
        block.add = whole->add || at > 0;
        run(&block, thread);
    }
}

static void run_pool(struct product *block, int thread)
{
    (void)thread;
    run_block(block);
}

static void run_alone(struct product *block, int thread)
{
    struct gemm *gemm = block->gemm;
    uint32_t *a = gemm->alone + (size_t)thread * gemm->alone_max * GEMM_K_UNITS, *b = private_of(block, thread);
    CHECK(block->m <= gemm->alone_max);
    pack_a(block, 0, block->m, a);
    for (size_t panel = 0; panel < block->panels; panel++) {
        pack_panel(block, panel, b);
        multiply(block, 0, block->m, panel, a, b);
    }
}

void gemm(struct gemm *gemm, size_t m, size_t n, size_t k, struct matrix a, struct matrix b, real *c, size_t c_width,
          bool add)
{
    struct product whole = { .gemm = gemm, .m = m, .n = n, .k = k, .a = a, .b = b, .c = c, .c_width = c_width,
                             .add = add };
    each_block(&whole, run_pool, 0);
}

void gemm_alone(struct gemm *gemm, int thread, size_t m, size_t n, size_t k, struct matrix a, struct matrix b,
                real *c, size_t c_width, bool add)
{
    struct product whole = { .gemm = gemm, .m = m, .n = n, .k = k, .a = a, .b = b, .c = c, .c_width = c_width,
                             .add = add };
    each_block(&whole, run_alone, thread);
}
