/* One model that serves: answers, a deadline that passes, tickets given up, references; on Google's tiny test
 * checkpoint. */
#include "learn/served.h"

#include "base/clock.h"
#include "clinical/summary_test_helper.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static char dir[] = "/tmp/wardscribe-served-XXXXXX";
static struct served *model;
static struct facts facts;
static struct reading readings[5];
static struct window window;

static bool link_file(const char *data, const char *from, const char *name)
{
    char source[1024], target[1024];
    (void)snprintf(source, sizeof source, "%s/t5/%s", data, from);
    (void)snprintf(target, sizeof target, "%s/%s", dir, name);
    return access(source, R_OK) == 0 && symlink(source, target) == 0;
}

static int64_t soon(int64_t ms)
{
    return clock_monotonic_us(clock_system()) + ms * US_PER_MS;
}

static void answers(void **state)
{
    struct arena arena;
    struct served_ticket *ticket;
    const char *text = NULL;
    struct err err = { 0 };
    (void)state;
    arena_init(&arena, 1 << 20);
    assert_true(served_submit(model, &facts, soon(60000), &ticket, &err));
    assert_true(served_wait(ticket, &arena, &text, &err));
    assert_true(strlen(text) > 0);
    arena_free(&arena);
}

static void a_deadline_passes(void **state)
{
    struct arena arena;
    struct served_ticket *ticket;
    const char *text;
    struct err err = { 0 };
    (void)state;
    arena_init(&arena, 1 << 20);
    assert_true(served_submit(model, &facts, soon(1), &ticket, &err));
    assert_false(served_wait(ticket, &arena, &text, &err));
    assert_int_equal(err.kind, ERR_TIMEOUT);
    arena_free(&arena);
}

static void *ask_often(void *context)
{
    struct arena arena;
    (void)context;
    arena_init(&arena, 1 << 20);
    for (int i = 0; i < 5; i++) {
        struct served_ticket *ticket;
        struct err err = { 0 };
        const char *text;
        if (!served_submit(model, &facts, soon(i % 2 ? 3 : 60000), &ticket, &err))
            abort();
        if (i % 3 == 2)
            served_give_up(ticket);
        else if (!served_wait(ticket, &arena, &text, &err) && err.kind != ERR_TIMEOUT)
            abort();
        arena_reset(&arena);
    }
    arena_free(&arena);
    return NULL;
}

static void many_ask_and_give_up(void **state)
{
    pthread_t threads[4];
    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_often, NULL), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

/* The last reference may be a ticket's: whoever drops it ends the engine. */
static void it_ends_with_its_last_request(void **state)
{
    struct served *other;
    struct served_ticket *ticket;
    struct arena arena;
    const char *text;
    struct err err = { 0 };
    (void)state;
    arena_init(&arena, 1 << 20);
    assert_true(served_open(dir, &(struct served_options){ .threads = 1 }, &other, &err));
    assert_true(served_submit(other, &facts, soon(60000), &ticket, &err));
    served_release(other);
    assert_true(served_wait(ticket, &arena, &text, &err));
    assert_true(served_open(dir, &(struct served_options){ .threads = 1 }, &other, &err));
    assert_true(served_submit(other, &facts, soon(60000), &ticket, &err));
    served_stop_waiting(other);
    served_give_up(ticket);
    served_release(other);
    arena_free(&arena);
}

static void wrong_folders(void **state)
{
    struct served *none;
    struct err err = { 0 };
    (void)state;
    assert_false(served_open("/nonexistent", &(struct served_options){ 0 }, &none, &err));
    assert_non_null(strstr(err.text, "/nonexistent"));
}

static int set_up(void **state)
{
    const char *data = getenv("WARDSCRIBE_DATA");
    struct err err = { 0 };
    (void)state;
    if (!data || !mkdtemp(dir) || !link_file(data, "t5x-tiny/config.json", "config.json") ||
        !link_file(data, "t5x-tiny/model.safetensors", "model.safetensors") ||
            !link_file(data, "tokenizer/spiece.model", "spiece.model")) {
        (void)fprintf(stderr, "SKIPPED: no t5x-tiny under $WARDSCRIBE_DATA/t5\n");
        exit(77);
    }
    for (int i = 0; i < 5; i++)
        readings[i] = reading_of(i, 80 + i, 97, 120, 80, 370, 16);
    window = window_of(readings, 5, NULL, 0);
    facts_make(&window, &alarm_limits_default, &facts);
    if (!served_open(dir, &(struct served_options){ .threads = 2 }, &model, &err))
        fail_msg("%s", err.text);
    return 0;
}

static int tear_down(void **state)
{
    static const char *const names[] = { "config.json", "model.safetensors", "spiece.model" };
    char path[1024];
    (void)state;
    served_release(model);
    for (int i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers), cmocka_unit_test(a_deadline_passes), cmocka_unit_test(many_ask_and_give_up),
        cmocka_unit_test(it_ends_with_its_last_request), cmocka_unit_test(wrong_folders),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
