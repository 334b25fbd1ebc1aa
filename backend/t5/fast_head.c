#include "t5/fast_head.h"

#include "base/mem.h"

#include <math.h>

enum {
    CHUNK_BLOCKS = 8, CHUNK = CHUNK_BLOCKS * T5_BLOCK, LOGITS_STRIDE = CHUNK + T5_ALIGN / 4,
    KEEP_MAX = 2 * T5_BEAM_COUNT_MAX,
    NOT_LOOKED_FOR = -1,
    SPECIAL_MAX = T5_TOKENS_MAX + 1,        /* distinct tokens of a row, and </s> */
};

/* The best ordinary tokens of a row in one share of the chunks: descending, the smaller token first of equals. */
struct best {
    int count;
    int special;                 /* the row's first special token that is not in an earlier chunk; NOT_LOOKED_FOR */
    struct candidate list[KEEP_MAX];
};

struct chunk_sum { float max, sum; };

struct row {
    int keep, special_count;
    const int32_t *special;
    struct candidate *list;      /* the special tokens, then the best */
};

struct fast_head {
    const struct fast_model *model;
    int thread_count, row_max, chunk_count;
    struct row *rows;
    struct chunk_sum *sums;      /* [row_max][chunk_count] */
    struct candidate *lists;     /* [row_max][SPECIAL_MAX + KEEP_MAX] */
    struct best *best;           /* [thread_count][row_max]: of a share of the chunks */
    float *logits;               /* [thread_count][row_max][LOGITS_STRIDE] */
    void *memory;
    size_t memory_size;
};

static void *take(unsigned char *base, size_t *used, size_t count, size_t size)
{
    void *at = base ? base + *used : NULL;
    *used += (count * size + T5_ALIGN - 1) / T5_ALIGN * T5_ALIGN;
    return at;
}

static size_t lay_out(struct fast_head *h, unsigned char *base)
{
    size_t used = 0, rows = (size_t)h->row_max, threads = (size_t)h->thread_count;
    h->rows = take(base, &used, rows, sizeof *h->rows);
    h->sums = take(base, &used, rows * (size_t)h->chunk_count, sizeof *h->sums);
    h->lists = take(base, &used, rows * (SPECIAL_MAX + KEEP_MAX), sizeof *h->lists);
    h->best = take(base, &used, threads * rows, sizeof *h->best);
    h->logits = take(base, &used, threads * rows * LOGITS_STRIDE, sizeof *h->logits);
    return used;
}

struct fast_head *fast_head_new(const struct fast_model *model, int thread_count, int row_max)
{
    struct fast_head *h = mem_new(1, sizeof *h);
    *h = (struct fast_head){ .model = model, .thread_count = thread_count, .row_max = row_max,
                             .chunk_count = (model->config->vocab_size + CHUNK - 1) / CHUNK };
    h->memory_size = lay_out(h, NULL);
    h->memory = mem_pages_new(h->memory_size);
    CHECK(h->memory != NULL);
    (void)lay_out(h, h->memory);
    return h;
}

void fast_head_free(struct fast_head *head)
{
    if (!head)
        return;
    mem_pages_free(head->memory, head->memory_size);
    mem_free(head);
}

/* ---- one row of one chunk ---- */

/* First place in the row's special tokens that is not below `token`. */
static int special_from(const struct row *row, int32_t token)
{
    int low = 0, high = row->special_count;
    while (low < high) {
        int middle = (low + high) / 2;
        if (row->special[middle] < token)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_special(const struct row *row, int32_t token)
{
    int at = special_from(row, token);
    return at < row->special_count && row->special[at] == token;
}

static bool goes_before(struct candidate a, struct candidate b)
{
    return a.logit > b.logit || (a.logit == b.logit && a.token < b.token);
}

/* The caller knows that it belongs among the best. */
static void insert(struct best *best, int keep, struct candidate newcomer)
{
    int at = best->count < keep ? best->count++ : keep - 1;
    for (; at > 0 && goes_before(newcomer, best->list[at - 1]); at--)
        best->list[at] = best->list[at - 1];
    best->list[at] = newcomer;
}

static void keep_best(const struct fast_head *h, const struct row *row, struct best *best, const float *logits,
                      int32_t first, int n)
{
    int i = 0;
    for (; i < n && best->count < row->keep; i++)
        if (!is_special(row, first + i))
            insert(best, row->keep, (struct candidate){ logits[i], first + i });
    while (i < n && (i = h->model->kernels->find_above(logits, i, n, best->list[row->keep - 1].logit)) < n) {
        if (!is_special(row, first + i))
            insert(best, row->keep, (struct candidate){ logits[i], first + i });
        i++;
    }
}

static struct best *best_of(const struct fast_head *h, int share, int r)
{
    return &h->best[(size_t)share * (size_t)h->row_max + (size_t)r];
}

static void keep_special(const struct row *row, struct best *best, const float *logits, int32_t first, int n)
{
    if (best->special == NOT_LOOKED_FOR)
        best->special = special_from(row, first);
    for (; best->special < row->special_count && row->special[best->special] < first + n; best->special++) {
        int32_t token = row->special[best->special];
        row->list[best->special] = (struct candidate){ logits[token - first], token };
    }
}

/* A share's chunks come in ascending order. */
static void scan(const struct fast_head *h, int share, int r, int chunk, const float *logits)
{
    const struct row *row = &h->rows[r];
    struct best *best = best_of(h, share, r);
    struct chunk_sum *sum = &h->sums[(size_t)r * (size_t)h->chunk_count + (size_t)chunk];
    int32_t first = chunk * CHUNK;
    int n = h->model->config->vocab_size - first < CHUNK ? h->model->config->vocab_size - first : CHUNK;
    h->model->kernels->log_sum(logits, n, &sum->max, &sum->sum);
    keep_special(row, best, logits, first, n);
    if (best->count < row->keep || sum->max > best->list[row->keep - 1].logit)
        keep_best(h, row, best, logits, first, n);
}

/* ---- the parts of a step ---- */

static void start_best(const struct fast_head *h, int share, int r)
{
    struct best *best = best_of(h, share, r);
    best->count = 0;
    best->special = NOT_LOOKED_FOR;
}

/* Nobody has seen anything of the row. */
static void forget(struct fast_head *h, const struct crew *crew, int r)
{
    if (crew->count == 1)
        start_best(h, crew->rank, r);
    for (int share = 0; share < crew->count && crew->count > 1; share++)
        start_best(h, share, r);
}

static void start_row(struct fast_head *h, const struct crew *crew, const struct fast_group *group, int i)
{
    int r = group->row + i;
    struct row *row = &h->rows[r];
    row->keep = (int)generation_keep(group->generation);
    row->special_count = (int)generation_special(group->generation, i, &row->special);
    row->list = h->lists + (size_t)r * (SPECIAL_MAX + KEEP_MAX);
    CHECK(row->keep <= KEEP_MAX && row->special_count <= SPECIAL_MAX);
    forget(h, crew, r);
}

static void start_rows(struct fast_head *h, struct crew *crew, const struct fast_group *groups, int group_count)
{
    for (int from, to; crew_take(crew, group_count, &from, &to);)
        for (int g = from; g < to; g++)
            for (int i = 0; i < groups[g].row_count; i++)
                start_row(h, crew, &groups[g], i);
}

static void run_chunk(struct fast_head *h, const struct crew *crew, struct t5_rows states, int row, int row_end,
                      int chunk)
{
    const struct t5_packed *weights = &h->model->head;
    float *logits = h->logits + (size_t)crew->rank * (size_t)h->row_max * LOGITS_STRIDE;
    int block = chunk * CHUNK_BLOCKS, end = block + CHUNK_BLOCKS;
    t5_product(h->model->kernels, &(struct t5_product){ .weights = weights, .rows = states, .row = row,
                                                        .row_end = row_end, .block = block,
                                                        .block_end = end < weights->blocks ? end : weights->blocks,
                                                        .out = logits, .out_stride = LOGITS_STRIDE,
                                                        .out_column = chunk * CHUNK });
    for (int r = row; r < row_end; r++)
        scan(h, crew->share, r, chunk, logits + (size_t)r * LOGITS_STRIDE);
}

static void run_chunks(struct fast_head *h, struct crew *crew, struct t5_rows states, int row, int row_end)
{
    for (int from, to; crew_take(crew, h->chunk_count, &from, &to);)
        for (int chunk = from; chunk < to; chunk++)
            run_chunk(h, crew, states, row, row_end, chunk);
}

static float log_sum_exp(const struct fast_head *h, int r)
{
    const struct chunk_sum *sums = h->sums + (size_t)r * (size_t)h->chunk_count;
    float max = sums[0].max, sum = 0;
    for (int c = 1; c < h->chunk_count; c++)
        max = sums[c].max > max ? sums[c].max : max;
    for (int c = 0; c < h->chunk_count; c++)
        sum += sums[c].sum * expf(sums[c].max - max);
    return max + logf(sum);
}

/* The shares' lists become one. */
static struct candidate_row merge(const struct fast_head *h, const struct crew *crew, int r)
{
    const struct row *row = &h->rows[r];
    struct best all;
    all.count = 0;
    for (int i = 0; i < crew->count; i++) {
        const struct best *best = best_of(h, crew->count == 1 ? crew->rank : i, r);
        for (int j = 0; j < best->count; j++)
            if (all.count < row->keep || goes_before(best->list[j], all.list[row->keep - 1]))
                insert(&all, row->keep, best->list[j]);
    }
    for (int j = 0; j < all.count; j++)
        row->list[row->special_count + j] = all.list[j];
    return (struct candidate_row){ row->list, (size_t)(row->special_count + all.count), log_sum_exp(h, r) };
}

static void step_groups(struct fast_head *h, struct crew *crew, struct fast_group *groups, int group_count)
{
    for (int from, to; crew_take(crew, group_count, &from, &to);)
        for (int g = from; g < to; g++) {
            struct candidate_row rows[T5_BEAM_COUNT_MAX];
            for (int i = 0; i < groups[g].row_count; i++)
                rows[i] = merge(h, crew, groups[g].row + i);
            generation_step_candidates(groups[g].generation, rows);
        }
}

void fast_head_run(struct fast_head *head, struct crew *crew, struct t5_rows states, struct fast_group *groups,
                   int group_count)
{
    int row = groups[0].row, row_end = groups[group_count - 1].row + groups[group_count - 1].row_count;
    start_rows(head, crew, groups, group_count);
    run_chunks(head, crew, states, row, row_end);
    step_groups(head, crew, groups, group_count);
}
