/* The ingest under pressure: what is full says 429, keeps nothing, and takes the same request later. */
#include "base/mem.h"
#include "net/memory_transport.h"
#include "store/testing.h"
#include "vitals-generator/vitals.h"

#include <stdio.h>

enum { LINES = 40000 };

struct bench {
    struct fake_clock clock;
    struct store *store;
    struct registry *registry;
    struct stream *stream;
    struct stream_consumer *alarms;
    struct config config;
    struct vitals vitals;
    struct http_routes routes;
    struct memory_http http;
    struct buf body;
    int64_t newest_us;
};

static int setup(void **state)
{
    struct bench *b = mem_new(1, sizeof *b);
    struct err err = { 0 };
    fake_clock_init(&b->clock, TEST_DAY_US);
    struct store_options options = { .engine = "memory", .clock = &b->clock.clock };
    assert_true(store_open(&options, &b->store, &err) && registry_open(b->store, &b->registry, &err) &&
                stream_open(b->store, &b->clock.clock, &b->stream, &err) &&
                stream_subscribe(b->stream, "alarms", 1u << STREAM_VITALS, -1, &b->alarms, &err));
    b->config.ingest.admit = true;
    b->vitals = (struct vitals){ .config = &b->config, .clock = &b->clock.clock, .store = b->store, .stream = b->stream,
                                 .registry = b->registry };
    b->routes = vitals_routes(&b->vitals);
    b->http = (struct memory_http){ .tables = &b->routes, .table_count = 1, .clock = &b->clock.clock };
    b->newest_us = TEST_DAY_US - 30 * US_PER_DAY;
    buf_init(&b->body, 8 << 20);
    *state = b;
    return 0;
}

static uint32_t drain(struct bench *b)
{
    const struct stream_batch *batch;
    uint32_t count = 0;
    while ((batch = stream_next(b->alarms, 0))) {
        count += batch->count;
        stream_release(b->alarms, batch);
    }
    return count;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    (void)drain(b);
    store_close(b->store);
    stream_unsubscribe(b->alarms);
    stream_close(b->stream);
    registry_free(b->registry);
    buf_free(&b->body);
    mem_free(b);
    return 0;
}

static void write_lines(struct bench *b, int count)
{
    char stamp[TIME_TEXT_SIZE];
    buf_reset(&b->body);
    for (int i = 0; i < count; i++)
        buf_printf(&b->body, "{\"patient_id\":\"P1\",\"timestamp\":\"%s\",\"heartRate\":70}\n",
                   time_format(b->newest_us += US_PER_S, stamp));
    assert_false(b->body.overflow);
}

static struct memory_exchange *post(struct bench *b)
{
    struct memory_call call = { .method = HTTP_POST, .target = "/api/ingest/vitals",
                                .content_type = "application/x-ndjson", .body = b->body.data,
                                .body_size = b->body.length };
    return memory_http_call(&b->http, &call);
}

static void refuses(struct bench *b, const char *why)
{
    struct memory_exchange *refused = post(b);
    assert_int_equal(memory_http_status(refused), 429);
    assert_non_null(strstr(memory_http_body(refused), why));
    memory_http_free(refused);
}

/* Answered when the store has stepped. */
static void accepts(struct bench *b)
{
    struct memory_exchange *taken = post(b);
    assert_int_equal(memory_http_status(taken), 0);
    while (store_step(b->store))
        ;
    assert_int_equal(memory_http_status(taken), 200);
    memory_http_free(taken);
}

static void alarms_that_do_not_keep_up_push_back(void **state)
{
    struct bench *b = *state;
    int taken = 0;
    for (; taken < STREAM_QUEUE_READINGS_MAX / LINES; taken++) {
        write_lines(b, LINES);
        accepts(b);
    }
    write_lines(b, LINES);
    refuses(b, "alarm queue is full");
    assert_int_equal(drain(b), (uint32_t)taken * LINES); /* and nothing of what was refused */
    accepts(b);
    assert_int_equal(drain(b), LINES);
}

static void a_store_that_does_not_keep_up_pushes_back(void **state)
{
    struct bench *b = *state;
    struct memory_exchange *waiting[STORE_QUEUE_COST_MAX / LINES + 1];
    int count = 0;
    for (; count < STORE_QUEUE_COST_MAX / LINES; count++) {
        write_lines(b, LINES);
        waiting[count] = post(b);
        assert_int_equal(memory_http_status(waiting[count]), 0);
        (void)drain(b);
    }
    write_lines(b, LINES);
    refuses(b, "store's queue is full");
    assert_int_equal(drain(b), 0); /* the alarms have not seen it either */
    while (store_step(b->store))
        ;
    while (count--) {
        assert_int_equal(memory_http_status(waiting[count]), 200);
        memory_http_free(waiting[count]);
    }
    accepts(b);
}

static void no_memory_is_said_and_forgotten(void **state)
{
    struct bench *b = *state;
    struct reading reading = { .patient = 1, .time_us = TEST_DAY_US };
    struct err err = { 0 };
    mem_fail_after(1);
    bool ok = stream_publish_readings(b->stream, &reading, 1, NULL, NULL, NULL, &err);
    mem_fail_after(0);
    assert_false(ok);
    assert_int_equal(err.kind, ERR_BUSY);
    assert_int_equal(drain(b), 0);
    write_lines(b, 100);
    accepts(b);
    assert_int_equal(drain(b), 100);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(alarms_that_do_not_keep_up_push_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_store_that_does_not_keep_up_pushes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(no_memory_is_said_and_forgotten, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
