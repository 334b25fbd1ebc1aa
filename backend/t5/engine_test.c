/* The engine: many callers, one batch; what a request gets does not depend on who else runs; every
 * request is answered exactly once, whatever happens to it. */
#include "base/mem.h"
#include "t5/engine_internal.h"
#include "t5/made_model.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[128];
static struct checkpoint *checkpoint;
static const struct t5_kernels *kernels;

static int make_model(void **state)
{
    (void)state;
    static const struct t5_config config = { .vocab_size = 900, .d_model = 64, .d_kv = 16, .d_ff = 96, .layer_count = 2,
        .decoder_layer_count = 2, .head_count = 4, .bucket_count = 32, .bucket_distance_max = 128, .eos_id = 1,
        .layer_norm_epsilon = 1e-6f, .gated = true, .gelu_new = true };
    struct err err;
    snprintf(dir, sizeof dir, "/tmp/wardscribe-engine-test-XXXXXX");
    if (!mkdtemp(dir) || !made_model_write(dir, &config, TENSOR_F32, 3, &err) ||
        !checkpoint_open(dir, &checkpoint, &err) || !t5_kernels_choose(NULL, &kernels, &err))
        fail_msg("%s", err.text);
    return 0;
}

static int remove_model(void **state)
{
    (void)state;
    static const char *const files[] = { "config.json", "generation_config.json", "model.safetensors" };
    checkpoint_close(checkpoint);
    for (size_t f = 0; f < 3; f++) {
        char path[256];
        snprintf(path, sizeof path, "%s/%s", dir, files[f]);
        (void)unlink(path);
    }
    return rmdir(dir);
}

static struct t5_engine *start(int threads, int rows, int queue)
{
    struct err err;
    struct t5_engine *engine;
    if (!engine_start(checkpoint, T5_FP32, kernels, &(struct t5_engine_options){ threads, rows, queue }, &engine, &err))
        fail_msg("%s", err.text);
    return engine;
}

/* One request and its answer. */
struct call {
    struct t5_request request;
    int32_t ids[64], out[256];
    size_t out_count;
    float score;
    enum t5_status status;
    atomic_int answers;
    uint64_t ticket;
};

static void done(void *context, const struct t5_result *result)
{
    struct call *call = context;
    call->status = result->status;
    call->out_count = result->count;
    call->score = result->score;
    if (result->count)
        memcpy(call->out, result->ids, result->count * sizeof *call->out);
    atomic_fetch_add(&call->answers, 1);
}

static void fill(struct call *call, unsigned seed)
{
    memset(call, 0, sizeof *call);
    unsigned state = seed * 2654435761u + 1;
    size_t count = 2 + state % 60;
    for (size_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        call->ids[i] = (int32_t)(2 + (state >> 8) % 898);
    }
    call->request = (struct t5_request){ .input_ids = call->ids, .input_count = count, .params = generation_defaults(),
                                         .done = done, .context = call };
    call->request.params.num_beams = 1 + (int)(seed % 4);
    call->request.params.max_length = 8 + (int)(seed % 40);
    call->request.params.min_length = (int)(seed % 30);
    call->request.params.repetition_penalty = seed % 2 ? 2.5f : 1;
}

static void submit(struct t5_engine *engine, struct call *call)
{
    struct err err;
    if (!t5_submit(engine, &call->request, &call->ticket, &err))
        fail_msg("%s", err.text);
}

static void wait_for(struct call *call)
{
    for (int i = 0; atomic_load(&call->answers) == 0; i++) {
        assert_true(i < 60000);
        (void)nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    }
}

/* ---- company ---- */

enum { CALLERS = 4, CALLS_EACH = 30, CALLS = CALLERS * CALLS_EACH };
static struct call calls[CALLS], alone[CALLS];
static struct t5_engine *shared;

static void *caller(void *argument)
{
    int first = *(int *)argument * CALLS_EACH;
    for (int i = first; i < first + CALLS_EACH; i++) {
        submit(shared, &calls[i]);
        if (i % 7 == 0)
            wait_for(&calls[i]);
    }
    return NULL;
}

static void test_company(void **state)
{
    (void)state;
    pthread_t threads[CALLERS];
    int numbers[CALLERS];
    shared = start(2, 24, 1000);
    for (int i = 0; i < CALLS; i++)
        fill(&calls[i], (unsigned)i), fill(&alone[i], (unsigned)i);
    for (int i = 0; i < CALLERS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, caller, &numbers[i]), 0);
    }
    for (int i = 0; i < CALLERS; i++)
        (void)pthread_join(threads[i], NULL);
    for (int i = 0; i < CALLS; i++)
        wait_for(&calls[i]);
    t5_engine_stop(shared);
    struct t5_engine *engine = start(1, 4, 1);
    for (int i = 0; i < CALLS; i += 3) {
        submit(engine, &alone[i]);
        wait_for(&alone[i]);
        assert_int_equal(calls[i].status, T5_DONE);
        assert_int_equal(atomic_load(&calls[i].answers), 1);
        assert_int_equal(alone[i].out_count, calls[i].out_count);
        assert_memory_equal(alone[i].out, calls[i].out, calls[i].out_count * sizeof *calls[i].out);
        assert_memory_equal(&alone[i].score, &calls[i].score, sizeof calls[i].score);
    }
    t5_engine_stop(engine);
}

/* ---- endings ---- */

/* Long enough that the test can act while it runs. */
static void fill_long(struct call *call)
{
    fill(call, 3);
    call->request.params.num_beams = 4;
    call->request.params.max_length = call->request.params.min_length = 250;
}

static void test_cancellation(void **state)
{
    (void)state;
    static struct call running, waiting;
    struct t5_engine *engine = start(2, 4, 10);
    fill_long(&running), fill_long(&waiting);
    submit(engine, &running);
    submit(engine, &waiting);                        /* no rows for it */
    t5_cancel(engine, waiting.ticket);
    wait_for(&waiting);
    assert_int_equal(waiting.status, T5_CANCELLED);
    assert_int_equal(atomic_load(&running.answers), 0);
    t5_cancel(engine, running.ticket);
    t5_cancel(engine, running.ticket);
    t5_cancel(engine, 999999);
    wait_for(&running);
    assert_int_equal(running.status, T5_CANCELLED);
    t5_engine_stop(engine);
    assert_int_equal(atomic_load(&running.answers) + atomic_load(&waiting.answers), 2);
}

static int64_t now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void test_deadline(void **state)
{
    (void)state;
    static struct call late, running, in_time;
    struct t5_engine *engine = start(2, 8, 10);
    fill(&late, 1), fill_long(&running), fill(&in_time, 2);
    late.request.deadline_us = now_us() - 1;
    running.request.deadline_us = now_us() + 3000;
    in_time.request.deadline_us = now_us() + 60000000;
    submit(engine, &late), submit(engine, &running), submit(engine, &in_time);
    wait_for(&late), wait_for(&running), wait_for(&in_time);
    assert_int_equal(late.status, T5_EXPIRED);
    assert_int_equal(running.status, T5_EXPIRED);
    assert_int_equal(in_time.status, T5_DONE);
    t5_engine_stop(engine);
}

static void test_full_queue(void **state)
{
    (void)state;
    static struct call call[4];
    struct err err;
    struct t5_engine_figures figures;
    struct t5_engine *engine = start(1, 4, 2);
    for (int i = 0; i < 4; i++)
        fill_long(&call[i]);
    submit(engine, &call[0]);
    do
        t5_engine_read_figures(engine, &figures);
    while (figures.running == 0);
    submit(engine, &call[1]), submit(engine, &call[2]);
    assert_false(t5_submit(engine, &call[3].request, NULL, &err));
    assert_int_equal(err.kind, ERR_BUSY);
    t5_engine_read_figures(engine, &figures);
    assert_int_equal(figures.refused, 1);
    t5_engine_stop(engine);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(atomic_load(&call[i].answers), 1);
        assert_int_equal(call[i].status, T5_STOPPED);
    }
    assert_int_equal(atomic_load(&call[3].answers), 0);
}

static void test_wrong_requests(void **state)
{
    (void)state;
    static struct call call;
    struct err err;
    struct t5_engine *engine = start(1, 4, 2);
    const struct { const char *what; int32_t id; size_t count; int beams, length; } wrong[] = {
        { "input_ids[0]", 900, 1, 1, 20 }, { "input_ids[0]", -1, 1, 1, 20 }, { "input_ids", 5, 0, 1, 20 },
        { "input_ids", 5, T5_TOKENS_MAX + 1, 1, 20 }, { "num_beams", 5, 1, 5, 20 }, { "num_beams", 5, 1, 0, 20 },
        { "max_length", 5, 1, 1, 1 },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        fill(&call, 1);
        call.ids[0] = wrong[i].id;
        call.request.input_count = wrong[i].count;
        call.request.params.num_beams = wrong[i].beams;
        call.request.params.max_length = wrong[i].length;
        assert_false(t5_submit(engine, &call.request, NULL, &err));
        assert_int_equal(err.kind, ERR_INPUT);
        assert_non_null(strstr(err.text, wrong[i].what));
    }
    t5_engine_stop(engine);
    assert_int_equal(atomic_load(&call.answers), 0);
    assert_false(
        engine_start(checkpoint, T5_FP32, kernels, &(struct t5_engine_options){ .threads = -1 }, &engine, &err));
    assert_non_null(strstr(err.text, "threads"));
}

/* An answer may ask the next question. */
static struct call chain[5];
static struct t5_engine *chain_engine;
static void next_done(void *context, const struct t5_result *result)
{
    struct call *call = context;
    if (call + 1 < chain + 5)
        submit(chain_engine, call + 1);
    done(call, result);
}

static void test_submit_from_an_answer(void **state)
{
    (void)state;
    chain_engine = start(2, 8, 10);
    for (int i = 0; i < 5; i++) {
        fill(&chain[i], (unsigned)i);
        chain[i].request.done = next_done;
    }
    submit(chain_engine, &chain[0]);
    wait_for(&chain[4]);
    t5_engine_stop(chain_engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_company), cmocka_unit_test(test_cancellation), cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_full_queue), cmocka_unit_test(test_wrong_requests),
        cmocka_unit_test(test_submit_from_an_answer),
    };
    return cmocka_run_group_tests(tests, make_model, remove_model);
}
