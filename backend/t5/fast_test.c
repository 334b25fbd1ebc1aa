/* The packed passes against the plain one and against transformers, with every table of kernels; a
 * request's bits against the same request in other company and on another number of threads. */
#include "base/mem.h"
#include "t5/fast.h"
#include "t5/forward_plain.h"
#include "t5/made_model.h"
#include "t5/parity.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { TABLES_MAX = 8, REQUESTS_MAX = 32, LENGTH_MAX = 160, TOKENS_MAX = 512 };
static const struct t5_kernels *tables[TABLES_MAX];
static int table_count;
static const char *const precision_names[] = { "auto", "fp32", "bf16", "int8" };

struct request {
    const int32_t *ids;
    int count;
    struct t5_params params;
    int32_t out[LENGTH_MAX];
    size_t out_count;
    float score;
};

/* Everything that turns requests into results, at once. */
struct job {
    struct team *team;
    struct fast_model *model;
    struct fast_encoder *encoder;
    struct fast_decoder *decoder;
    struct fast_text texts[REQUESTS_MAX];
    struct fast_sequence sequences[REQUESTS_MAX];
    struct fast_group groups[REQUESTS_MAX];
    int text_count, group_count;
    const int32_t *tokens;       /* for logits */
    float *logits;
};

static struct job *job_new(const struct checkpoint *checkpoint, enum t5_precision precision,
                           const struct t5_kernels *kernels, int threads)
{
    struct err err;
    struct job *job = mem_new(1, sizeof *job);
    job->team = team_new(threads);
    if (!fast_model_new(checkpoint, precision, kernels, job->team, &job->model, &err))
        fail_msg("%s", err.text);
    job->encoder = fast_encoder_new(job->model, threads, REQUESTS_MAX * 100, REQUESTS_MAX);
    job->decoder = fast_decoder_new(job->model, threads, REQUESTS_MAX * 8);
    return job;
}

static void job_free(struct job *job)
{
    for (int i = 0; i < REQUESTS_MAX; i++)
        fast_sequence_free(&job->sequences[i]);
    fast_encoder_free(job->encoder);
    fast_decoder_free(job->decoder);
    fast_model_free(job->model);
    team_free(job->team);
    mem_free(job);
}

static void encode_work(void *context, struct crew *crew)
{
    struct job *job = context;
    fast_encode(job->encoder, crew, job->texts, job->text_count);
}

static void decode_work(void *context, struct crew *crew)
{
    struct job *job = context;
    if (job->logits)
        fast_decode_logits(job->decoder, crew, job->groups, job->group_count, job->tokens, job->logits);
    else
        fast_decode(job->decoder, crew, job->groups, job->group_count);
}

static void start_requests(struct job *job, const struct request *requests, int count, struct generation **generations)
{
    for (int i = 0; i < count; i++) {
        const struct t5_params *params = &requests[i].params;
        assert_true(fast_sequence_reserve(&job->sequences[i], job->model, requests[i].count, params->num_beams,
                                          params->max_length));
        job->texts[i] = (struct fast_text){ requests[i].ids, requests[i].count, &job->sequences[i], NULL };
        generations[i] = generation_new(job->model->config, params);
    }
    job->text_count = count;
    team_run(job->team, encode_work, job);
}

/* Groups of those that still run. */
static bool list_groups(struct job *job, int count, struct generation **generations)
{
    int rows = 0;
    job->group_count = 0;
    for (int i = 0; i < count; i++) {
        int n = generation_row_count(generations[i]);
        if (n > 0)
            job->groups[job->group_count++] = (struct fast_group){ &job->sequences[i], generations[i], rows, n };
        rows += n;
    }
    return rows > 0;
}

static void generate(struct job *job, struct request *requests, int count)
{
    struct generation *generations[REQUESTS_MAX];
    start_requests(job, requests, count, generations);
    while (list_groups(job, count, generations))
        team_run(job->team, decode_work, job);
    for (int i = 0; i < count; i++) {
        const int32_t *ids;
        generation_result(generations[i], &ids, &requests[i].out_count, &requests[i].score);
        memcpy(requests[i].out, ids, requests[i].out_count * sizeof *ids);
        generation_free(generations[i]);
    }
}

/* ---- against transformers ---- */

static size_t check_folder(const char *folder, const struct t5_kernels *kernels, int batch, size_t *wrong)
{
    size_t count;
    struct checkpoint *checkpoint;
    struct err err;
    struct parity_case *cases = parity_cases(folder, &count);
    if (!checkpoint_open(folder, &checkpoint, &err))
        fail_msg("%s", err.text);
    struct job *job = job_new(checkpoint, T5_FP32, kernels, 2);
    for (size_t from = 0; from < count; from += (size_t)batch) {
        struct request requests[REQUESTS_MAX];
        int n = count - from < (size_t)batch ? (int)(count - from) : batch;
        for (int i = 0; i < n; i++)
            requests[i] = (struct request){ cases[from + (size_t)i].input_ids, (int)cases[from + (size_t)i].input_count,
                                            cases[from + (size_t)i].params };
        generate(job, requests, n);
        for (int i = 0; i < n; i++)
            if (!parity_same(&cases[from + (size_t)i], requests[i].out, requests[i].out_count, requests[i].score)) {
                print_message("%s, %s: case %zu differs\n", folder, kernels->name, from + (size_t)i);
                ++*wrong;
            }
    }
    job_free(job);
    checkpoint_close(checkpoint);
    mem_free(cases);
    return count;
}

static void test_generations(void **state)
{
    (void)state;
    static char folders[PARITY_FOLDERS_MAX][512];
    size_t count = parity_folders(folders), cases = 0, wrong = 0;
    for (int t = 0; t < table_count; t++)
        for (size_t i = 0; i < count; i++)
            cases += check_folder(folders[i], tables[t], t % 2 ? 32 : 5, &wrong);
    if (cases == 0)
        skip();
    print_message("%zu generations in %d tables of kernels, %zu differ\n", cases, table_count, wrong);
    assert_int_equal(wrong, 0);
}

/* ---- against the plain pass, on models made here ---- */

static const struct t5_config shapes[] = {
    { .vocab_size = 700, .d_model = 72, .d_kv = 24, .d_ff = 148, .layer_count = 3, .decoder_layer_count = 2,
      .head_count = 5, .bucket_count = 32, .bucket_distance_max = 128, .eos_id = 1, .layer_norm_epsilon = 1e-6f,
      .gated = true, .gelu_new = true },
    { .vocab_size = 1100, .d_model = 64, .d_kv = 16, .d_ff = 160, .layer_count = 2, .decoder_layer_count = 3,
      .head_count = 4, .bucket_count = 32, .bucket_distance_max = 128, .eos_id = 1, .layer_norm_epsilon = 1e-6f,
      .tied = true },
    { .vocab_size = 513, .d_model = 130, .d_kv = 64, .d_ff = 70, .layer_count = 1, .decoder_layer_count = 1,
      .head_count = 1, .bucket_count = 16, .bucket_distance_max = 40, .eos_id = 1, .layer_norm_epsilon = 1e-6f,
      .gated = true },
};
enum { SHAPE_COUNT = sizeof shapes / sizeof *shapes };
static char made[SHAPE_COUNT][128];

static struct checkpoint *open_made(int shape)
{
    struct checkpoint *checkpoint;
    struct err err;
    if (!checkpoint_open(made[shape], &checkpoint, &err))
        fail_msg("%s", err.text);
    return checkpoint;
}

static int make_models(void **state)
{
    (void)state;
    struct err err;
    for (int i = 0; i < SHAPE_COUNT; i++) {
        snprintf(made[i], sizeof made[i], "/tmp/wardscribe-fast-test-XXXXXX");
        if (!mkdtemp(made[i]) || !made_model_write(made[i], &shapes[i], TENSOR_F32, 7 + (uint64_t)i, &err))
            fail_msg("%s: %s", made[i], err.text);
    }
    return 0;
}

static int remove_models(void **state)
{
    (void)state;
    static const char *const files[] = { "config.json", "generation_config.json", "model.safetensors" };
    for (int i = 0; i < SHAPE_COUNT; i++) {
        for (size_t f = 0; f < 3; f++) {
            char path[600];
            snprintf(path, sizeof path, "%s/%s", made[i], files[f]);
            (void)unlink(path);
        }
        (void)rmdir(made[i]);
    }
    return 0;
}

static uint32_t random_state = 12345;
static int random_below(int n)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (int)((random_state >> 8) % (uint32_t)n);
}

static void random_ids(int32_t *ids, int count, int vocab_size)
{
    for (int i = 0; i < count; i++)
        ids[i] = 2 + random_below(vocab_size - 2);
    ids[count - 1] = 1;
}

enum { FORWARD_TEXTS = 5, FORWARD_STEPS = 70 };

static void check_forward(int shape, enum t5_precision precision, const struct t5_kernels *kernels, double most)
{
    struct checkpoint *checkpoint = open_made(shape);
    const struct t5_config *config = &checkpoint->config;
    struct plain_model *plain = plain_open(checkpoint);
    struct job *job = job_new(checkpoint, precision, kernels, 3);
    size_t D = (size_t)config->d_model, V = (size_t)config->vocab_size, W = (size_t)job->model->width,
           VP = (size_t)t5_padded((int)V);
    static int32_t ids[FORWARD_TEXTS][TOKENS_MAX];
    float *states[FORWARD_TEXTS], *found = mem_new(FORWARD_TEXTS * VP, sizeof *found);
    float *expected = mem_new(V, sizeof *expected);
    struct plain_decoder *decoders[FORWARD_TEXTS];
    double states_off = 0, logits_off = 0;
    for (int i = 0; i < FORWARD_TEXTS; i++) {
        int count = i ? 1 + random_below(200) : 1;
        random_ids(ids[i], count, config->vocab_size);
        assert_true(fast_sequence_reserve(&job->sequences[i], job->model, count, 1, FORWARD_STEPS));
        states[i] = mem_new((size_t)count * W, sizeof *states[i]);
        job->texts[i] = (struct fast_text){ ids[i], count, &job->sequences[i], states[i] };
        job->groups[i] = (struct fast_group){ &job->sequences[i], NULL, i, 1 };
    }
    job->text_count = job->group_count = FORWARD_TEXTS;
    team_run(job->team, encode_work, job);
    for (int i = 0; i < FORWARD_TEXTS; i++) {
        size_t count = (size_t)job->texts[i].count;
        float *out = mem_new(count * D, sizeof *out);
        plain_encode(plain, ids[i], NULL, count, out);
        for (size_t t = 0; t < count; t++)
            states_off = fmax(states_off, parity_difference(states[i] + t * W, out + t * D, D));
        decoders[i] = plain_decoder_new(plain, out, NULL, count, 1, FORWARD_STEPS);
        mem_free(out);
        mem_free(states[i]);
    }
    job->logits = found;
    for (int s = 0; s < FORWARD_STEPS; s++) {
        int32_t tokens[FORWARD_TEXTS];
        random_ids(tokens, FORWARD_TEXTS, config->vocab_size);
        job->tokens = tokens;
        team_run(job->team, decode_work, job);
        for (int i = 0; i < FORWARD_TEXTS; i++) {
            plain_decode(decoders[i], &tokens[i], &(int){ 0 }, 1, expected);
            logits_off = fmax(logits_off, parity_difference(found + (size_t)i * VP, expected, V));
        }
    }
    print_message("shape %d %s %s: states %.2g, logits %.2g off\n", shape, kernels->name, precision_names[precision],
                  states_off, logits_off);
    assert_true(states_off <= most && logits_off <= most);
    for (int i = 0; i < FORWARD_TEXTS; i++)
        plain_decoder_free(decoders[i]);
    mem_free(found);
    mem_free(expected);
    job_free(job);
    plain_close(plain);
    checkpoint_close(checkpoint);
}

/* fp32 within the bar; the others within what rounding inputs to 8 bits can do in so few layers. */
static void test_forward(void **state)
{
    (void)state;
    for (int shape = 0; shape < SHAPE_COUNT; shape++)
        for (int t = 0; t < table_count; t++) {
            check_forward(shape, T5_FP32, tables[t], 2e-5);
            check_forward(shape, T5_BF16, tables[t], 0.1);
            check_forward(shape, T5_INT8, tables[t], 0.2);
        }
}

/* ---- company and threads ---- */

static void make_requests(struct request *requests, int32_t ids[REQUESTS_MAX][100], const struct t5_config *config)
{
    for (int i = 0; i < REQUESTS_MAX; i++) {
        int count = 1 + random_below(99);
        random_ids(ids[i], count, config->vocab_size);
        requests[i] = (struct request){ .ids = ids[i], .count = count, .params = generation_defaults() };
        requests[i].params.num_beams = 1 + random_below(6);
        requests[i].params.max_length = 5 + random_below(60);
        requests[i].params.min_length = random_below(20);
        requests[i].params.repetition_penalty = i % 2 ? 2.5f : 1.0f;
        requests[i].params.no_repeat_ngram_size = i % 3;
    }
}

static void assert_same_bits(const struct request *a, const struct request *b)
{
    assert_int_equal(a->out_count, b->out_count);
    assert_memory_equal(a->out, b->out, a->out_count * sizeof *a->out);
    assert_memory_equal(&a->score, &b->score, sizeof a->score);
}

static void check_company(int shape, enum t5_precision precision, const struct t5_kernels *kernels)
{
    struct checkpoint *checkpoint = open_made(shape);
    static struct request together[REQUESTS_MAX];
    static int32_t ids[REQUESTS_MAX][100];
    make_requests(together, ids, &checkpoint->config);
    struct job *job = job_new(checkpoint, precision, kernels, 3);
    generate(job, together, REQUESTS_MAX);
    job_free(job);
    for (int threads = 1; threads <= 2; threads++) {
        job = job_new(checkpoint, precision, kernels, threads);
        for (int i = threads - 1; i < REQUESTS_MAX; i += 5) {
            struct request alone[2] = { together[i], together[(i + 1) % REQUESTS_MAX] };
            generate(job, alone, threads);
            for (int k = 0; k < threads; k++)
                assert_same_bits(&alone[k], &together[(i + k) % REQUESTS_MAX]);
        }
        job_free(job);
    }
    checkpoint_close(checkpoint);
}

static void test_company(void **state)
{
    (void)state;
    for (int t = 0; t < table_count; t++)
        for (enum t5_precision p = T5_FP32; p <= T5_INT8; p++)
            check_company(t % SHAPE_COUNT, p, tables[t]);
}

static void test_auto_goes_by_size(void **state)
{
    (void)state;
    struct checkpoint small = { .parameter_count = 3200000 }, flan_t5_small = { .parameter_count = 76961152 };
    assert_int_equal(fast_precision(T5_AUTO, &small), T5_FP32);
    assert_int_equal(fast_precision(T5_AUTO, &flan_t5_small), T5_INT8);
    assert_int_equal(fast_precision(T5_INT8, &small), T5_INT8);
    assert_int_equal(fast_precision(T5_FP32, &flan_t5_small), T5_FP32);
}

int main(void)
{
    table_count = t5_kernels_available(tables, TABLES_MAX);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_auto_goes_by_size),
        cmocka_unit_test(test_forward),
        cmocka_unit_test(test_company),
        cmocka_unit_test(test_generations),
    };
    return cmocka_run_group_tests(tests, make_models, remove_models);
}
