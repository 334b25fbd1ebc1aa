#include "t5/generate.h"

#include "base/arena.h"
#include "base/mem.h"
#include "t5/processors.h"
#include "t5/topk.h"

#include <math.h>
#include <string.h>

/* transformers' "minus infinity that can still be compared"; its rounding in fp32 is part of the semantics. */
static const float NEVER = -1.0e9f;

/* A sequence: num_beams of them live, num_beams finished (or not yet: placeholders at NEVER). */
struct beam {
    float score;
    bool finished;
    int parent;               /* row of the step before */
    int length;
    int32_t *tokens;          /* [max_length] */
    int32_t *seen;            /* [max_length]: distinct tokens, sorted */
    size_t seen_count;
    struct special_tokens special;
};

struct continuation {
    float score;
    int parent;
    int32_t token;
    bool hits_end;
};

struct generation {
    struct t5_params params;
    int32_t eos_id;
    int beam_count, vocab_size, length, row_count;
    bool can_improve;                     /* transformers: is_early_stop_heuristic_unsatisfied */
    struct beam *live, *next_live;        /* [beam_count]; `next` is written, then they swap */
    struct beam *done, *next_done;
    struct continuation *best;            /* [2 * beam_count] */
    struct ranked *queue;                 /* top-k work */
    double greedy_score;
    struct arena arena;
};

/* ---- making ---- */

static void make_beams(struct generation *g, struct beam **out)
{
    size_t max_length = (size_t)g->params.max_length;
    *out = arena_alloc(&g->arena, (size_t)g->beam_count * sizeof **out);
    for (int i = 0; i < g->beam_count; i++) {
        struct beam *beam = &(*out)[i];
        beam->tokens = arena_alloc(&g->arena, max_length * sizeof *beam->tokens);
        beam->seen = arena_alloc(&g->arena, max_length * sizeof *beam->seen);
        beam->special.tokens = arena_alloc(&g->arena, (max_length + 1) * sizeof *beam->special.tokens);
        beam->special.marks = arena_alloc(&g->arena, max_length + 1);
    }
}

static void start_beam(struct beam *beam, int32_t token, float score)
{
    beam->score = score;
    beam->length = 1;
    beam->tokens[0] = beam->seen[0] = token;
    beam->seen_count = 1;
}

static void find_special(struct generation *g, struct beam *beam)
{
    special_tokens_find(&beam->special, &g->params, g->eos_id, beam->tokens, beam->length, beam->seen,
                        beam->seen_count);
}

/* Places of the queue: the heap of 2 K and its newcomer; 3 K when beams are merged; all of a vocabulary
 * so small that top-k does not stream. */
static size_t queue_size(const struct generation *g)
{
    size_t k = (size_t)g->beam_count, n = k * (size_t)g->vocab_size;
    return topk_streams(n, 2 * k) ? 3 * k + 1 : n + 3 * k + 1;
}

struct generation *generation_new(const struct t5_config *config, const struct t5_params *params)
{
    struct generation *g = mem_new(1, sizeof *g);
    *g = (struct generation){ .params = *params, .eos_id = config->eos_id, .beam_count = params->num_beams, .length = 1,
                              .vocab_size = config->vocab_size, .row_count = 1, .can_improve = true };
    arena_init(&g->arena, SIZE_MAX / 2);
    make_beams(g, &g->live);
    make_beams(g, &g->next_live);
    make_beams(g, &g->done);
    make_beams(g, &g->next_done);
    for (int i = 0; i < g->beam_count; i++) {
        start_beam(&g->live[i], config->decoder_start_id, i ? NEVER : 0.0f);
        start_beam(&g->done[i], config->decoder_start_id, NEVER);
    }
    find_special(g, &g->live[0]);
    g->best = arena_alloc(&g->arena, 2 * (size_t)g->beam_count * sizeof *g->best);
    g->queue = arena_alloc(&g->arena, queue_size(g) * sizeof *g->queue);
    return g;
}

void generation_free(struct generation *generation)
{
    if (!generation)
        return;
    arena_free(&generation->arena);
    mem_free(generation);
}

/* ---- looking ---- */

int generation_row_count(const struct generation *g)
{
    return g->row_count;
}

int generation_length(const struct generation *g)
{
    return g->length;
}

static const struct beam *row_of(const struct generation *g, int row)
{
    CHECK(row >= 0 && row < g->row_count);
    return &g->live[row];
}

int32_t generation_token(const struct generation *g, int row)
{
    return row_of(g, row)->tokens[g->length - 1];
}

int generation_parent(const struct generation *g, int row)
{
    return row_of(g, row)->parent;
}

const int32_t *generation_tokens(const struct generation *g, int row)
{
    return row_of(g, row)->tokens;
}

size_t generation_keep(const struct generation *g)
{
    return g->beam_count == 1 ? 1 : 2 * (size_t)g->beam_count;
}

size_t generation_special(const struct generation *g, int row, const int32_t **out_tokens)
{
    const struct beam *beam = row_of(g, row);
    *out_tokens = beam->special.tokens;
    return beam->special.count;
}

void generation_result(const struct generation *g, const int32_t **out_ids, size_t *out_count, float *out_score)
{
    const struct beam *beam = g->beam_count == 1 ? &g->live[0] : &g->done[0];
    *out_ids = beam->tokens;
    *out_count = (size_t)beam->length;
    *out_score = g->beam_count == 1 ? (float)g->greedy_score : beam->score;
}

/* ---- moving ---- */

/* `to` becomes `from` and one token more.  They must not be the same. */
static void continue_beam(struct beam *to, const struct beam *from, int parent, int32_t token)
{
    memcpy(to->tokens, from->tokens, (size_t)from->length * sizeof *to->tokens);
    memcpy(to->seen, from->seen, from->seen_count * sizeof *to->seen);
    to->tokens[from->length] = token;
    to->length = from->length + 1;
    to->seen_count = sorted_insert(to->seen, from->seen_count, token);
    to->parent = parent;
}

static void copy_beam(struct beam *to, const struct beam *from)
{
    memcpy(to->tokens, from->tokens, (size_t)from->length * sizeof *to->tokens);
    to->length = from->length;
    to->score = from->score;
    to->finished = from->finished;
}

static void swap_beams(struct beam **a, struct beam **b)
{
    struct beam *old = *a;
    *a = *b;
    *b = old;
}

static bool hits_end(const struct generation *g, int32_t token)
{
    return token == g->eos_id || g->length + 1 >= g->params.max_length;
}

/* The next live beams: the best continuations that did not end (_get_running_beams_for_next_iteration). */
static void choose_live(struct generation *g)
{
    size_t k = (size_t)g->beam_count;
    for (size_t i = 0; i < 2 * k; i++)
        g->queue[i] = (struct ranked){ g->best[i].score + (g->best[i].hits_end ? NEVER : 0.0f), (int32_t)i };
    topk_select(g->queue, 2 * k, k);
    for (size_t i = 0; i < k; i++) {
        const struct continuation *from = &g->best[g->queue[i].index];
        struct beam *beam = &g->next_live[i];
        continue_beam(beam, &g->live[from->parent], from->parent, from->token);
        beam->score = g->queue[i].value;
    }
}

static bool all_finished(const struct generation *g)
{
    for (int i = 0; i < g->beam_count; i++)
        if (!g->done[i].finished)
            return false;
    return true;
}

/* Merges what just ended among the best num_beams into the finished ones (_update_finished_beams). */
static void choose_done(struct generation *g)
{
    size_t k = (size_t)g->beam_count;
    const float length_factor = (float)pow(g->length, g->params.length_penalty);
    const bool full = g->params.early_stopping == T5_EARLY_TRUE && all_finished(g);
    for (size_t i = 0; i < k; i++)
        g->queue[i] = (struct ranked){ g->done[i].score, (int32_t)i };
    for (size_t i = 0; i < 2 * k; i++) {
        float score = g->best[i].score / length_factor;
        score += full ? NEVER : 0.0f;
        score += g->can_improve ? 0.0f : NEVER;
        score += g->best[i].hits_end && i < k ? 0.0f : NEVER;
        g->queue[k + i] = (struct ranked){ score, (int32_t)(k + i) };
    }
    topk_select(g->queue, 3 * k, k);
    for (size_t i = 0; i < k; i++) {
        size_t at = (size_t)g->queue[i].index;
        struct beam *beam = &g->next_done[i];
        if (at < k) {
            copy_beam(beam, &g->done[at]);
            continue;
        }
        const struct continuation *from = &g->best[at - k];
        continue_beam(beam, &g->live[from->parent], from->parent, from->token);
        beam->score = g->queue[i].value;
        beam->finished = from->hits_end && at - k < k;
    }
}

/* Whether the best live beam could still beat a finished one (_check_early_stop_heuristic). */
static bool check_improvement(const struct generation *g)
{
    const bool longest = g->params.early_stopping == T5_EARLY_NEVER && g->params.length_penalty > 0;
    const int length = longest ? g->params.max_length - 1 : g->length - 1;
    const float possible = g->live[0].score / (float)pow(length, g->params.length_penalty);
    float worst = g->done[0].score;
    bool improves = false;
    for (int i = 1; i < g->beam_count; i++)
        worst = g->done[i].score < worst ? g->done[i].score : worst;
    for (int i = 0; i < g->beam_count; i++)
        improves = improves || possible > (g->done[i].finished ? worst : NEVER);
    return improves;
}

/* From g->best, 2 * num_beams continuations in descending order, to the next step. */
static void advance(struct generation *g)
{
    bool all_hit = true;
    for (int i = 0; i < 2 * g->beam_count; i++) {
        g->best[i].hits_end = hits_end(g, g->best[i].token);
        all_hit = all_hit && g->best[i].hits_end;
    }
    choose_live(g);
    choose_done(g);
    swap_beams(&g->live, &g->next_live);
    swap_beams(&g->done, &g->next_done);
    g->length++;
    g->can_improve = g->can_improve && check_improvement(g);
    bool stop_full = g->params.early_stopping == T5_EARLY_TRUE && all_finished(g);
    g->row_count = g->can_improve && !stop_full && !all_hit ? g->beam_count : 0;
    for (int i = 0; i < g->row_count; i++)
        find_special(g, &g->live[i]);
}

/* ---- whole rows ---- */

static float row_max(const float *logits, int count)
{
    float max = logits[0];
    for (int i = 1; i < count; i++)
        max = logits[i] > max ? logits[i] : max;
    return max;
}

/* log(sum(exp(x - max))): the sum in double, so that its order does not matter. */
static float row_log_sum(const float *logits, int count, float max)
{
    double sum = 0;
    for (int i = 0; i < count; i++)
        sum += (double)expf(logits[i] - max);
    return (float)log(sum);
}

/* Where the 2 K best of all rows gather: a stream, or all values where the vocabulary is tiny. */
struct gather {
    bool streams;
    struct topk topk;
    struct ranked *queue;
    size_t count;
};

static inline void gather_push(struct gather *gather, float value, int32_t index)
{
    if (gather->streams)
        topk_push(&gather->topk, value, index);
    else
        gather->queue[gather->count++] = (struct ranked){ value, index };
}

static void push_row(const struct generation *g, struct gather *gather, const struct special_tokens *special, int row,
                     const float *logits)
{
    const float beam_score = g->live[row].score;
    const float max = row_max(logits, g->vocab_size), log_sum = row_log_sum(logits, g->vocab_size, max);
    const int32_t base = row * g->vocab_size;
    int32_t token = 0;
    for (size_t s = 0; s <= special->count; s++) {
        int32_t stop = s < special->count ? special->tokens[s] : g->vocab_size;
        for (; token < stop; token++)
            gather_push(gather, (logits[token] - max - log_sum) + beam_score, base + token);
        if (s < special->count) {
            float score = special_tokens_apply(special, s, logits[token] - max - log_sum, &g->params);
            gather_push(gather, score + beam_score, base + token++);
        }
    }
}

static void take_best(struct generation *g, const struct ranked *ranked)
{
    for (int i = 0; i < 2 * g->beam_count; i++)
        g->best[i] = (struct continuation){ .score = ranked[i].value,
                                            .parent = g->row_count == 1 ? 0 : ranked[i].index / g->vocab_size,
                                            .token = ranked[i].index % g->vocab_size };
}

/* In the first step every beam has the same row, and the others start at NEVER: they are looked at only
 * where the first has fewer than 2 K tokens that are allowed, or nothing streams. */
static bool is_looked_at(const struct generation *g, const struct gather *gather, int row)
{
    return row < g->row_count || !gather->streams || gather->topk.heap[0].value < NEVER / 2;
}

static void step_beams(struct generation *g, const float *logits, size_t stride)
{
    size_t k = (size_t)g->beam_count;
    struct gather gather = { .streams = topk_streams(k * (size_t)g->vocab_size, 2 * k),
                             .topk = { .heap = g->queue, .k = 2 * k }, .queue = g->queue };
    for (int row = 0; row < g->beam_count; row++) {
        int source = row < g->row_count ? row : 0;
        if (is_looked_at(g, &gather, row))
            push_row(g, &gather, &g->live[source].special, row, logits + (size_t)source * stride);
    }
    if (gather.streams)
        topk_finish(&gather.topk);
    else
        topk_select(gather.queue, gather.count, 2 * k);
    take_best(g, g->queue);
    advance(g);
}

static void finish_greedy(struct generation *g, int32_t token, float log_probability)
{
    struct beam *beam = &g->live[0];
    g->row_count = hits_end(g, token) ? 0 : 1;
    beam->tokens[beam->length++] = token;
    beam->seen_count = sorted_insert(beam->seen, beam->seen_count, token);
    beam->parent = 0;
    g->greedy_score += (double)log_probability;
    g->length++;
    find_special(g, beam);
}

static void step_greedy(struct generation *g, const float *logits)
{
    const struct special_tokens *special = &g->live[0].special;
    float best = -INFINITY;
    int32_t best_token = 0;
    size_t s = 0;
    for (int32_t token = 0; token < g->vocab_size; token++) {
        float score = logits[token];
        if (s < special->count && special->tokens[s] == token)
            score = special_tokens_apply(special, s++, score, &g->params);
        if (score > best)
            best = score, best_token = token;
    }
    float max = row_max(logits, g->vocab_size);
    finish_greedy(g, best_token, logits[best_token] - max - row_log_sum(logits, g->vocab_size, max));
}

void generation_step(struct generation *g, const float *logits, size_t stride)
{
    CHECK(g->row_count > 0 && stride >= (size_t)g->vocab_size);
    if (g->beam_count == 1)
        step_greedy(g, logits);
    else
        step_beams(g, logits, stride);
}

/* ---- the best of each row ---- */

static bool goes_before(float score, int32_t index, const struct ranked *other)
{
    return score > other->value || (score == other->value && index < other->index);
}

/* Insertion into a sorted list of at most `limit`: 2 K is small, and most newcomers stop at its end. */
static size_t keep_best(struct ranked *list, size_t count, size_t limit, float score, int32_t index)
{
    if (count == limit && !goes_before(score, index, &list[count - 1]))
        return count;
    size_t at = count < limit ? count++ : count - 1;
    for (; at > 0 && goes_before(score, index, &list[at - 1]); at--)
        list[at] = list[at - 1];
    list[at] = (struct ranked){ score, index };
    return count;
}

static float processed(const struct generation *g, const struct beam *beam, int32_t token, float score)
{
    int at = special_tokens_index(&beam->special, token);
    return at < 0 ? score : special_tokens_apply(&beam->special, (size_t)at, score, &g->params);
}

static void step_beams_candidates(struct generation *g, const struct candidate_row *rows)
{
    size_t count = 0, limit = 2 * (size_t)g->beam_count;
    for (int row = 0; row < g->row_count; row++) {
        const struct beam *beam = &g->live[row];
        for (size_t i = 0; i < rows[row].count; i++) {
            const struct candidate *c = &rows[row].list[i];
            float score = processed(g, beam, c->token, c->logit - rows[row].log_sum_exp) + beam->score;
            count = keep_best(g->queue, count, limit, score, row * g->vocab_size + c->token);
        }
    }
    CHECK(count == limit);
    take_best(g, g->queue);
    advance(g);
}

static void step_greedy_candidates(struct generation *g, const struct candidate_row *row)
{
    const struct candidate *best = NULL;
    float best_score = -INFINITY;
    for (size_t i = 0; i < row->count; i++) {
        float score = processed(g, &g->live[0], row->list[i].token, row->list[i].logit);
        if (!best || score > best_score || (score == best_score && row->list[i].token < best->token))
            best = &row->list[i], best_score = score;
    }
    CHECK(best);
    finish_greedy(g, best->token, best->logit - row->log_sum_exp);
}

void generation_step_candidates(struct generation *g, const struct candidate_row *rows)
{
    CHECK(g->row_count > 0);
    if (g->beam_count == 1)
        step_greedy_candidates(g, rows);
    else
        step_beams_candidates(g, rows);
}
