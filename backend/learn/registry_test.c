#include "base/file.h"
#include "learn/registry.h"

#include "learn/model_files.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char root[64], dir[96], folder[96];
    struct model_registry *registry;
    struct err err;
};

static void put(const char *dir, const char *name, const char *text)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_true(file_write(path, text, strlen(text), NULL));
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    (void)strcpy(f->root, "/tmp/registry-test-XXXXXX");
    assert_non_null(mkdtemp(f->root));
    (void)snprintf(f->dir, sizeof f->dir, "%s/models", f->root);
    (void)snprintf(f->folder, sizeof f->folder, "%s/made", f->root);
    assert_int_equal(mkdir(f->folder, 0755), 0);
    put(f->folder, "config.json", "{}");
    put(f->folder, "model.safetensors", "weights");
    assert_true(model_registry_open(f->dir, clock_system(), &f->registry, &f->err));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[128];
    model_registry_close(f->registry);
    (void)snprintf(command, sizeof command, "rm -rf %s", f->root);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

static void add(struct fixture *f, const char *weights, bool gate_passed, char out[VERSION_SIZE])
{
    struct model_version about = { .by = "test", .description = "made by the test", .gate_passed = gate_passed,
                                   .exam = "{\"total\":0.9}" };
    bool known;
    put(f->folder, "model.safetensors", weights);
    assert_true(model_registry_add(f->registry, f->folder, &about, &known, &f->err));
    assert_false(known);
    (void)strcpy(out, about.version);
}

static void reopen(struct fixture *f)
{
    model_registry_close(f->registry);
    f->registry = NULL;
    assert_true(model_registry_open(f->dir, clock_system(), &f->registry, &f->err));
}

static void a_version_is_named_by_its_files(void **state)
{
    struct fixture *f = *state;
    struct model_version about = { .by = "test" }, found;
    struct arena arena;
    bool known;
    char first[VERSION_SIZE], path[REGISTRY_PATH_SIZE];
    add(f, "one", true, first);
    assert_true(model_registry_add(f->registry, f->folder, &about, &known, &f->err));
    assert_true(known);
    assert_string_equal(about.version, first);
    arena_init(&arena, 1 << 20);
    first[6] = '\0';
    assert_true(model_registry_find(f->registry, first, &arena, &found, &f->err));
    assert_string_equal(found.description, "made by the test");
    assert_string_equal(found.exam, "{\"total\":0.9}");
    assert_true(model_registry_path(f->registry, found.version, path, &f->err));
    assert_false(model_registry_find(f->registry, "0000ffff", &arena, &found, &f->err));
    assert_int_equal(f->err.kind, ERR_NOT_FOUND);
    arena_free(&arena);
}

static void what_serves_is_promoted_and_rolled_back(void **state)
{
    struct fixture *f = *state;
    char a[VERSION_SIZE], b[VERSION_SIZE], c[VERSION_SIZE], back[VERSION_SIZE];
    add(f, "a", true, a);
    add(f, "b", true, b);
    add(f, "c", true, c);
    assert_string_equal(model_registry_current(f->registry), "");
    assert_true(model_registry_promote(f->registry, a, "ann", "first", &f->err));
    assert_true(model_registry_promote(f->registry, b, "ann", "better", &f->err));
    assert_true(model_registry_promote(f->registry, c, "ann", "better still", &f->err));
    assert_false(model_registry_promote(f->registry, c, "ann", "again", &f->err));
    assert_int_equal(f->err.kind, ERR_CONFLICT);
    assert_true(model_registry_rollback(f->registry, NULL, "bob", "worse at night", back, &f->err));
    assert_string_equal(back, b);
    assert_true(model_registry_rollback(f->registry, NULL, "bob", "still", back, &f->err));
    assert_string_equal(back, a);
    assert_false(model_registry_rollback(f->registry, NULL, "bob", "and more", back, &f->err));
    assert_int_equal(f->err.kind, ERR_NOT_FOUND);
    reopen(f);
    assert_string_equal(model_registry_current(f->registry), a);
    assert_int_equal(model_registry_step_count(f->registry), 8);
    assert_string_equal(model_registry_step(f->registry, 6)->reason, "worse at night");
}

static void what_the_gate_refused_never_serves(void **state)
{
    struct fixture *f = *state;
    char a[VERSION_SIZE], back[VERSION_SIZE];
    add(f, "a", false, a);
    assert_false(model_registry_promote(f->registry, a, "ann", "please", &f->err));
    assert_int_equal(f->err.kind, ERR_REFUSED);
    assert_true(model_registry_refuse(f->registry, a, "gate", "worse in hypoxia", &f->err));
    assert_false(model_registry_rollback(f->registry, a, "ann", "round the corner", back, &f->err));
    assert_int_equal(f->err.kind, ERR_REFUSED);
    assert_string_equal(model_registry_current(f->registry), "");
}

static void a_changed_file_is_refused(void **state)
{
    static const char *const files[] = { "model.safetensors", "config.json", "version.json" };
    for (int i = 0; i < 3; i++) {
        struct fixture *f = *state;
        char a[VERSION_SIZE], weights[8], path[REGISTRY_PATH_SIZE];
        (void)snprintf(weights, sizeof weights, "w%d", i);
        add(f, weights, true, a);
        assert_true(model_registry_path(f->registry, a, path, &f->err));
        put(path, files[i], "swapped");
        assert_false(model_registry_path(f->registry, a, path, &f->err));
        assert_int_equal(f->err.kind, ERR_REFUSED);
        assert_false(model_registry_promote(f->registry, a, "ann", "", &f->err));
    }
}

static size_t read_history(struct fixture *f, char *out, size_t size)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/history.jsonl", f->dir);
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, out, size - 1);
    (void)close(fd);
    assert_true(n > 0);
    out[n] = '\0';
    return (size_t)n;
}

static void a_changed_history_is_refused(void **state)
{
    struct fixture *f = *state;
    char a[VERSION_SIZE], text[8192];
    struct model_registry *second;
    add(f, "a", true, a);
    assert_true(model_registry_promote(f->registry, a, "ann", "first", &f->err));
    size_t length = read_history(f, text, sizeof text);
    for (size_t i = 0; i + 1 < length; i += 7) {
        char kept = text[i];
        text[i] = kept == 'x' ? 'y' : 'x';
        put(f->dir, "history.jsonl", text);
        assert_false(model_registry_open(f->dir, clock_system(), &second, &f->err));
        assert_int_equal(f->err.kind, ERR_REFUSED);
        text[i] = kept;
    }
}

static void half_a_line_is_written_over(void **state)
{
    struct fixture *f = *state;
    char a[VERSION_SIZE], text[8192];
    add(f, "a", true, a);
    size_t length = read_history(f, text, sizeof text);
    (void)snprintf(text + length, sizeof text - length, "{\"seq\":2,\"time\":\"20");
    put(f->dir, "history.jsonl", text);
    reopen(f);
    assert_int_equal(model_registry_step_count(f->registry), 1);
    assert_true(model_registry_promote(f->registry, a, "ann", "first", &f->err));
    reopen(f);
    assert_int_equal(model_registry_step_count(f->registry), 2);
}

static void an_older_copy_is_noticed(void **state)
{
    struct fixture *f = *state;
    char a[VERSION_SIZE], b[VERSION_SIZE], old[8192], head[DIGEST_TEXT_SIZE];
    bool changed;
    add(f, "a", true, a);
    assert_true(model_registry_promote(f->registry, a, "ann", "first", &f->err));
    (void)read_history(f, old, sizeof old);
    add(f, "b", true, b);
    assert_true(model_registry_promote(f->registry, b, "ann", "second", &f->err));
    (void)strcpy(head, model_registry_step(f->registry, 3)->hash);
    assert_true(model_registry_knows(f->registry, 4, head));
    assert_true(model_registry_knows(f->registry, 0, ""));
    put(f->dir, "history.jsonl", old);
    assert_false(model_registry_refresh(f->registry, &changed, &f->err));
    reopen(f);
    assert_false(model_registry_knows(f->registry, 4, head));
}

/* Killed anywhere while a version is added: it is there or it is not, and the next one works. */
static void killed_while_adding(void **state)
{
    struct fixture *f = *state;
    for (int round = 0; round < 40; round++) {
        char weights[32], version[VERSION_SIZE], path[REGISTRY_PATH_SIZE];
        (void)snprintf(weights, sizeof weights, "round %d", round);
        put(f->folder, "model.safetensors", weights);
        pid_t child = fork();
        if (child == 0) {
            struct model_version about = { .by = "test", .gate_passed = true };
            bool known;
            _exit(model_registry_add(f->registry, f->folder, &about, &known, NULL) ? 0 : 1);
        }
        (void)usleep((useconds_t)(round * 150));
        (void)kill(child, SIGKILL);
        (void)waitpid(child, NULL, 0);
        reopen(f);
        for (size_t i = 0; i < model_registry_step_count(f->registry); i++)
            assert_true(model_registry_path(f->registry, model_registry_step(f->registry, i)->version, path, &f->err));
        (void)snprintf(weights, sizeof weights, "whole %d", round);
        add(f, weights, true, version);
    }
}

static void two_processes_take_turns(void **state)
{
    struct fixture *f = *state;
    char a[VERSION_SIZE];
    bool changed;
    add(f, "a", true, a);
    for (int i = 0; i < 4; i++)
        if (fork() == 0) {
            struct model_registry *mine;
            bool ok = model_registry_open(f->dir, clock_system(), &mine, NULL);
            for (int k = 0; k < 25 && ok; k++)
                ok = model_registry_refuse(mine, a, "child", "again", NULL);
            _exit(ok ? 0 : 1);
        }
    for (int i = 0; i < 4; i++) {
        int status;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    assert_true(model_registry_refresh(f->registry, &changed, &f->err));
    assert_int_equal(model_registry_step_count(f->registry), 101);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_version_is_named_by_its_files, setup, teardown),
        cmocka_unit_test_setup_teardown(what_serves_is_promoted_and_rolled_back, setup, teardown),
        cmocka_unit_test_setup_teardown(what_the_gate_refused_never_serves, setup, teardown),
        cmocka_unit_test_setup_teardown(a_changed_file_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_changed_history_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(half_a_line_is_written_over, setup, teardown),
        cmocka_unit_test_setup_teardown(an_older_copy_is_noticed, setup, teardown),
        cmocka_unit_test_setup_teardown(killed_while_adding, setup, teardown),
        cmocka_unit_test_setup_teardown(two_processes_take_turns, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
