#include "t5/fast_head.h"

#include "base/mem.h"
#include "t5/half.h"

#include <math.h>
#include <string.h>

enum {
    CHUNK_BLOCKS = 8, CHUNK = CHUNK_BLOCKS * T5_BLOCK, LOGITS_STRIDE = CHUNK + T5_ALIGN / 4,
    KEEP_MAX = 2 * T5_BEAM_COUNT_MAX,
    NOT_LOOKED_FOR = -1,
    SPECIAL_MAX = T5_TOKENS_MAX + 1,        /* distinct tokens of a row, and </s> */
};

/* The best ordinary tokens of a row in one share of the chunks: descending, then 0. */
struct best { uint64_t keys[KEEP_MAX]; };

struct row {
    int keep, special_count;
    const int32_t *special;
    struct candidate *list;      /* the special tokens, then the best */
};

/* Logits of the tokens [first, first + n). */
struct chunk {
    int index, n;
    int32_t first;
    float *logits;               /* [row_max][LOGITS_STRIDE] */
    uint64_t *above;             /* [row_max][blocks]: bits, set where one is above its row's limit */
};

struct fast_head {
    const struct fast_model *model;
    int thread_count, row_max, chunk_count;
    struct row *rows;
    struct t5_log_sum *sums;     /* [chunk_count][row_max] */
    struct candidate *lists;     /* [row_max][SPECIAL_MAX + KEEP_MAX] */
    /* [thread_count][row_max]: of a share of the chunks */
    struct best *best;
    float *limits;               /* the lowest of the best, NaN while there are not enough */
    int *passed;                 /* special tokens that lie in chunks which have been seen; NOT_LOOKED_FOR */
    float *logits;               /* [thread_count][row_max][LOGITS_STRIDE] */
    uint64_t *above;             /* [thread_count][row_max][CHUNK_BLOCKS] */
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
    h->limits = take(base, &used, threads * rows, sizeof *h->limits);
    h->passed = take(base, &used, threads * rows, sizeof *h->passed);
    h->logits = take(base, &used, threads * rows * LOGITS_STRIDE, sizeof *h->logits);
    h->above = take(base, &used, threads * rows * CHUNK_BLOCKS, sizeof *h->above);
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

/* ---- the best ---- */

/* A candidate as a number, the larger the better: the higher logit, of equals the smaller token.  0: there is none,
 * its logit is NaN. */
static uint64_t key_of(float logit, int32_t token)
{
    uint32_t bits = f32_bits(logit + 0.0f);     /* -0 becomes 0 */
    return (uint64_t)(bits ^ (bits >> 31 ? 0xffffffff : 0x80000000)) << 32 | ~(uint32_t)token;
}

static float key_logit(uint64_t key)
{
    uint32_t bits = (uint32_t)(key >> 32);
    return f32_of_bits(bits ^ (bits >> 31 ? 0x80000000 : 0xffffffff));
}

static int32_t key_token(uint64_t key)
{
    return (int32_t)~(uint32_t)key;
}

/* The lowest falls out.  Where a newcomer belongs cannot be foreseen: a branch costs more than a run of the list. */
static void insert(struct best *best, int keep, uint64_t key)
{
    enum { RUN = 16 };
    int i = 0;
    while (i + RUN < keep && best->keys[i + RUN - 1] > key)
        i += RUN;
    for (; i < keep; i++) {
        uint64_t kept = best->keys[i];
        best->keys[i] = key > kept ? key : kept;
        key = key > kept ? kept : key;
    }
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

/* `passed`: how many of them lie before the chunk; afterwards, before its end. */
static void keep_special(const struct row *row, const struct chunk *chunk, const float *logits, int *passed)
{
    int at = *passed == NOT_LOOKED_FOR ? special_from(row, chunk->first) : *passed;
    for (; at < row->special_count && row->special[at] < chunk->first + chunk->n; at++)
        row->list[at] = (struct candidate){ logits[row->special[at] - chunk->first], row->special[at] };
    *passed = at;
}

/* A token of the chunk whose special tokens were passed last. */
static bool is_special(const struct row *row, int passed, int32_t token)
{
    while (passed > 0 && row->special[passed - 1] > token)
        passed--;
    return passed > 0 && row->special[passed - 1] == token;
}

static uint64_t bits_above(const float *x, int n, float limit)
{
    uint64_t bits = 0;
    for (int i = 0; i < n; i++)
        bits |= (uint64_t)!(x[i] <= limit) << i;
    return bits;
}

/* While the list fills, the limit rises from block to block. */
static float keep_best(const struct row *row, int passed, struct best *best, const struct chunk *chunk,
                       const float *logits, const uint64_t *above)
{
    const uint64_t *lowest = &best->keys[row->keep - 1];
    const bool filling = *lowest == 0;
    for (int i = 0; i < chunk->n; i += T5_BLOCK) {
        int n = chunk->n - i < T5_BLOCK ? chunk->n - i : T5_BLOCK;
        uint64_t bits = filling ? bits_above(logits + i, n, key_logit(*lowest)) : above[i / T5_BLOCK];
        for (; bits; bits &= bits - 1) {
            int at = i + __builtin_ctzll(bits);
            if (!is_special(row, passed, chunk->first + at))
                insert(best, row->keep, key_of(logits[at], chunk->first + at));
        }
    }
    return key_logit(*lowest);
}

/* ---- all rows of one chunk ---- */

/* Of a row in a share, or on a member. */
static size_t place_of(const struct fast_head *h, int share, int r)
{
    return (size_t)share * (size_t)h->row_max + (size_t)r;
}

static struct t5_log_sum *sum_of(const struct fast_head *h, int chunk, int r)
{
    return &h->sums[(size_t)chunk * (size_t)h->row_max + (size_t)r];
}

static float *logits_of(const struct chunk *chunk, int r)
{
    return chunk->logits + (size_t)r * LOGITS_STRIDE;
}

/* The kernels know whole blocks. */
static void end_rows(const struct chunk *chunk, int row, int row_end)
{
    for (int r = row; r < row_end; r++)
        for (int i = chunk->n; i < t5_padded(chunk->n); i++)
            logits_of(chunk, r)[i] = -3e38f;
}

/* A share's chunks come in ascending order. */
static void scan(const struct fast_head *h, int share, const struct chunk *chunk, int row, int row_end)
{
    int n = t5_padded(chunk->n);
    end_rows(chunk, row, row_end);
    h->model->kernels->look(&(struct t5_look){ .x = logits_of(chunk, row), .stride = LOGITS_STRIDE,
                                               .rows = row_end - row, .n = n,
                                               .limits = &h->limits[place_of(h, share, row)],
                                               .sums = sum_of(h, chunk->index, row), .above = chunk->above });
    for (int r = row; r < row_end; r++)
        keep_special(&h->rows[r], chunk, logits_of(chunk, r), &h->passed[place_of(h, share, r)]);
    for (int r = row; r < row_end; r++) {
        size_t at = place_of(h, share, r);
        if (!(sum_of(h, chunk->index, r)->max <= h->limits[at]))
            h->limits[at] = keep_best(&h->rows[r], h->passed[at], &h->best[at], chunk, logits_of(chunk, r),
                                      chunk->above + (r - row) * (n / T5_BLOCK));
    }
}

/* ---- the parts of a step ---- */

static void start_best(const struct fast_head *h, int share, int r)
{
    size_t at = place_of(h, share, r);
    memset(h->best[at].keys, 0, (size_t)h->rows[r].keep * sizeof *h->best[at].keys);
    h->limits[at] = NAN;
    h->passed[at] = NOT_LOOKED_FOR;
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
                      int index)
{
    const struct t5_packed *weights = &h->model->head;
    int block = index * CHUNK_BLOCKS, end = block + CHUNK_BLOCKS, left = weights->n - index * CHUNK;
    struct chunk chunk = { index, left < CHUNK ? left : CHUNK, index * CHUNK,
                           h->logits + place_of(h, crew->rank, 0) * LOGITS_STRIDE,
                           h->above + place_of(h, crew->rank, 0) * CHUNK_BLOCKS };
    t5_product(h->model->kernels, &(struct t5_product){ .weights = weights, .rows = states, .row = row,
                                                        .row_end = row_end, .block = block,
                                                        .block_end = end < weights->blocks ? end : weights->blocks,
                                                        .out = chunk.logits, .out_stride = LOGITS_STRIDE,
                                                        .out_column = chunk.first });
    scan(h, crew->share, &chunk, row, row_end);
}

static void run_chunks(struct fast_head *h, struct crew *crew, struct t5_rows states, int row, int row_end)
{
    for (int from, to; crew_take(crew, h->chunk_count, &from, &to);)
        for (int chunk = from; chunk < to; chunk++)
            run_chunk(h, crew, states, row, row_end, chunk);
}

static float log_sum_exp(const struct fast_head *h, int r)
{
    float max = sum_of(h, 0, r)->max, sum = 0;
    for (int c = 1; c < h->chunk_count; c++)
        max = sum_of(h, c, r)->max > max ? sum_of(h, c, r)->max : max;
    for (int c = 0; c < h->chunk_count; c++)
        sum += sum_of(h, c, r)->sum * expf(sum_of(h, c, r)->max - max);
    return max + logf(sum);
}

/* The shares' lists become one. */
static struct candidate_row merge(const struct fast_head *h, const struct crew *crew, int r)
{
    const struct row *row = &h->rows[r];
    struct best all = { 0 };
    for (int i = 0; i < crew->count; i++) {
        const struct best *best = &h->best[place_of(h, crew->count == 1 ? crew->rank : i, r)];
        for (int j = 0; j < row->keep; j++)
            insert(&all, row->keep, best->keys[j]);
    }
    int count = row->special_count;
    for (int j = 0; j < row->keep && all.keys[j]; j++)
        row->list[count++] = (struct candidate){ key_logit(all.keys[j]), key_token(all.keys[j]) };
    return (struct candidate_row){ row->list, (size_t)count, log_sum_exp(h, r) };
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
