/* generate_test.c - the search without a model; parity with transformers is in parity_test.c. */
#include "t5/generate.h"

#include "base/mem.h"
#include "t5/processors.h"
#include "t5/topk.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* ---- top-k ---- */

/* What torch.topk (2.15, CPU) gives for (i * i * 7 + i * 3) % m, i < n: many equals. */
static const struct { int n, k, m; int32_t expected[8]; } ties[] = {
        { 16, 8, 3, { 1, 14, 13, 11, 10, 8, 7, 4 } },
        { 12, 4, 2, { 9, 7, 8, 6 } },
        { 24, 8, 4, { 1, 17, 14, 13, 18, 10, 9, 22 } },
        { 640, 8, 5, { 7, 4, 17, 12, 9, 19, 14, 2 } },
        { 1000, 8, 2, { 7, 4, 1, 3, 5, 0, 2, 6 } },
};

static void test_topk_orders_equals_as_torch(void **state)
{
    (void)state;
    for (size_t row = 0; row < sizeof ties / sizeof *ties; row++) {
        const size_t n = (size_t)ties[row].n, k = (size_t)ties[row].k;
        struct ranked *queue = mem_new(n, sizeof *queue), heap[9];
        struct topk topk = { .heap = heap, .k = k };
        for (size_t i = 0; i < n; i++) {
            queue[i] = (struct ranked){ (float)((i * i * 7 + i * 3) % (size_t)ties[row].m), (int32_t)i };
            topk_push(&topk, queue[i].value, queue[i].index);
        }
        topk_select(queue, n, k);
        topk_finish(&topk);
        for (size_t i = 0; i < k; i++) {
            assert_int_equal(queue[i].index, ties[row].expected[i]);
            if (topk_streams(n, k))
                assert_int_equal(heap[i].index, ties[row].expected[i]);
        }
        mem_free(queue);
    }
}

/* ---- processors ---- */

static float processed(const struct t5_params *params, const int32_t *sequence, int length, int32_t token, float score)
{
    int32_t seen[16], tokens[17];
    uint8_t marks[17];
    size_t count = 0;
    struct special_tokens special = { .tokens = tokens, .marks = marks };
    for (int i = 0; i < length; i++)
        count = sorted_insert(seen, count, sequence[i]);
    special_tokens_find(&special, params, 1, sequence, length, seen, count);
    int at = special_tokens_index(&special, token);
    return at < 0 ? score : special_tokens_apply(&special, (size_t)at, score, params);
}

static void test_processors(void **state)
{
    (void)state;
    static const int32_t sequence[] = { 0, 7, 8, 9, 7, 8 };
    static const struct { float penalty; int ngram, min_length; int32_t token; float score, expected; } rows[] = {
        { 1.0f, 0, 0, 7, -2, -2 },            /* nothing on */
        { 2.5f, 0, 0, 7, -2, -5 },            /* seen: a negative score is multiplied */
        { 2.5f, 0, 0, 7, 2, 0.8f },           /*       a positive one divided */
        { 2.5f, 0, 0, 0, -2, -5 },            /* the start token counts */
        { 2.5f, 0, 0, 5, -2, -2 },            /* not seen */
        { 0.5f, 0, 0, 8, -2, -1 },            /* a reward */
        { 1.0f, 3, 0, 9, -2, -INFINITY },     /* 7 8 9 is there */
        { 1.0f, 3, 0, 7, -2, -2 },
        { 1.0f, 2, 0, 9, -2, -INFINITY },     /* 8 9 is there */
        { 1.0f, 1, 0, 7, -2, -INFINITY },     /* no token twice */
        { 1.0f, 1, 0, 5, -2, -2 },
        { 1.0f, 7, 0, 9, -2, -2 },            /* 7-grams need 6 tokens before: none is there yet */
        { 1.0f, 9, 0, 9, -2, -2 },            /* longer than the sequence */
        { 1.0f, 0, 7, 1, -2, -INFINITY },     /* too short for </s> */
        { 1.0f, 0, 6, 1, -2, -2 },
        { 2.5f, 3, 7, 1, -2, -INFINITY },
        { 2.5f, 3, 7, 9, -2, -INFINITY },     /* banned goes over penalized */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct t5_params params = { .repetition_penalty = rows[i].penalty, .no_repeat_ngram_size = rows[i].ngram,
                                          .min_length = rows[i].min_length };
        float found = processed(&params, sequence, 6, rows[i].token, rows[i].score);
        if (found != rows[i].expected)
            fail_msg("row %zu: %g, expected %g", i, (double)found, (double)rows[i].expected);
    }
}

/* ---- whole rows and candidates give the same ---- */

enum { V = 300, ROWS = 8 };

/* Logits that depend on the beam's tokens alone; a few tokens are much likelier, so that ends differ. */
static void logits_of(const int32_t *tokens, int length, uint64_t seed, float *out)
{
    for (int i = 0; i < length; i++)
        seed = (seed ^ (uint64_t)tokens[i]) * 0x9e3779b97f4a7c15 + 12345;
    for (int v = 0; v < V; v++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        out[v] = (float)(seed >> 40) / (float)(1 << 21) + (v % 40 == 1 ? 3.0f : 0.0f);
    }
}

static float log_sum_exp(const float *x)
{
    double sum = 0;
    for (int v = 0; v < V; v++)
        sum += exp((double)x[v]);
    return (float)log(sum);
}

static const float *sorting;
static int by_logit(const void *a, const void *b)
{
    const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return sorting[x] < sorting[y] ? 1 : sorting[x] > sorting[y] ? -1 : x - y;
}

/* The least that the contract allows; `special_first` or the best of the whole row. */
static size_t pick(const struct generation *g, int row, const float *logits, bool special_first, struct candidate *out)
{
    const int32_t *special;
    int32_t order[V];
    size_t special_count = generation_special(g, row, &special), count = 0, keep = generation_keep(g);
    for (int v = 0; v < V; v++)
        order[v] = v;
    sorting = logits;
    qsort(order, V, sizeof *order, by_logit);
    for (size_t i = 0; special_first && i < special_count; i++)
        out[count++] = (struct candidate){ logits[special[i]], special[i] };
    size_t limit = keep + special_count;
    for (int i = 0; i < V && count < limit; i++) {
        bool listed = false;
        for (size_t s = 0; special_first && !listed && s < special_count; s++)
            listed = special[s] == order[i];
        if (!listed)
            out[count++] = (struct candidate){ logits[order[i]], order[i] };
    }
    return count;
}

static void run_both(const struct t5_params *params, uint64_t seed)
{
    static float logits[ROWS * V];
    static struct candidate lists[ROWS][2 * V];
    const struct t5_config config = { .vocab_size = V, .eos_id = 1 };
    struct generation *whole = generation_new(&config, params), *few = generation_new(&config, params);
    struct candidate_row rows[ROWS];
    for (int step = 0; generation_row_count(whole) > 0; step++) {
        int count = generation_row_count(whole);
        assert_int_equal(generation_row_count(few), count);
        for (int r = 0; r < count; r++) {
            assert_memory_equal(generation_tokens(whole, r), generation_tokens(few, r),
                                (size_t)(step + 1) * sizeof(int32_t));
            assert_int_equal(generation_token(few, r), generation_tokens(few, r)[step]);
            assert_int_equal(generation_parent(whole, r), generation_parent(few, r));
            logits_of(generation_tokens(whole, r), step + 1, seed, logits + r * V);
            bool special_first = params->repetition_penalty < 1 || seed % 2;
            rows[r] = (struct candidate_row){ lists[r], pick(few, r, logits + r * V, special_first, lists[r]),
                                              log_sum_exp(logits + r * V) };
        }
        generation_step(whole, logits, V);
        generation_step_candidates(few, rows);
    }
    const int32_t *ids, *few_ids;
    size_t count, few_count;
    float score, few_score;
    generation_result(whole, &ids, &count, &score);
    generation_result(few, &few_ids, &few_count, &few_score);
    assert_int_equal(few_count, count);
    assert_memory_equal(few_ids, ids, count * sizeof *ids);
    assert_true(fabsf(score - few_score) <= 1e-5f * fmaxf(1, fabsf(score)));
    assert_true(count <= (size_t)params->max_length && (count == (size_t)params->max_length || ids[count - 1] == 1));
    generation_free(whole);
    generation_free(few);
}

static void test_candidates_are_enough(void **state)
{
    (void)state;
    static const float penalties[] = { 1, 2.5f, 0.7f };
    static const double lengths[] = { 1, 0, 2, -1 };
    for (uint64_t i = 0; i < 400; i++)
        run_both(&(struct t5_params){ .num_beams = 1 + (int)(i % ROWS), .max_length = 2 + (int)(i * 7 % 30),
                                      .min_length = (int)(i % 3) * 5, .length_penalty = lengths[i % 4],
                                      .repetition_penalty = penalties[i % 3], .no_repeat_ngram_size = (int)(i / 2 % 4),
                                      .early_stopping = (enum t5_early_stopping)(i / 5 % 3) }, i);
}

/* Two tokens that are exactly as good: the first one wins, in greedy search. */
static void test_greedy_takes_the_first_of_equals(void **state)
{
    (void)state;
    const struct t5_config config = { .vocab_size = V, .eos_id = 1 };
    const struct t5_params params = { .num_beams = 1, .max_length = 3, .length_penalty = 1, .repetition_penalty = 1 };
    float logits[V] = { 0 };
    logits[7] = logits[200] = 5;
    struct generation *g = generation_new(&config, &params);
    generation_step(g, logits, V);
    assert_int_equal(generation_token(g, 0), 7);
    generation_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_topk_orders_equals_as_torch), cmocka_unit_test(test_processors),
        cmocka_unit_test(test_candidates_are_enough), cmocka_unit_test(test_greedy_takes_the_first_of_equals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
