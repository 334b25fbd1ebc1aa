#include "base/dir_lock.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static void test_one_at_a_time(void **state)
{
    (void)state;
    char dir[] = "/tmp/wardscribe-lock-XXXXXX", path[64], wanted[160];
    struct dir_lock first, second;
    struct err err = { 0 };
    assert_non_null(mkdtemp(dir));
    assert_true(dir_lock_take(dir, &first, &err));
    assert_false(dir_lock_take(dir, &second, &err));
    (void)snprintf(wanted, sizeof wanted, "%s is in use by another Wardscribe (process %ld)", dir, (long)getpid());
    assert_string_equal(err.text, wanted);
    dir_lock_release(&first);
    assert_true(dir_lock_take(dir, &second, &err));
    dir_lock_release(&second);
    (void)snprintf(path, sizeof path, "%s/lock", dir);
    (void)unlink(path);
    (void)rmdir(dir);
    assert_false(dir_lock_take(dir, &first, &err));
    assert_int_equal(err.kind, ERR_NOT_FOUND);
}

static void test_a_killed_owner_holds_nothing(void **state)
{
    (void)state;
    char dir[] = "/tmp/wardscribe-lock-XXXXXX", path[64];
    struct dir_lock lock;
    struct err err = { 0 };
    int ready[2], status;
    assert_non_null(mkdtemp(dir));
    assert_true(pipe(ready) == 0);
    pid_t child = fork();
    if (child == 0) {
        char byte = dir_lock_take(dir, &lock, &err) ? 'y' : 'n';
        (void)!write(ready[1], &byte, 1);
        pause();
    }
    char byte = 0;
    assert_true(read(ready[0], &byte, 1) == 1 && byte == 'y');
    assert_false(dir_lock_take(dir, &lock, &err));
    (void)kill(child, SIGKILL);
    (void)waitpid(child, &status, 0);
    assert_true(dir_lock_take(dir, &lock, &err));
    dir_lock_release(&lock);
    (void)snprintf(path, sizeof path, "%s/lock", dir);
    (void)unlink(path);
    (void)rmdir(dir);
    (void)close(ready[0]);
    (void)close(ready[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_at_a_time),
        cmocka_unit_test(test_a_killed_owner_holds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
