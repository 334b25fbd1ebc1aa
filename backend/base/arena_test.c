#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

static void memory_is_zeroed_aligned_and_reused(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (int round = 0; round < 3; round++) {
        char *a = arena_alloc(&arena, 3), *b = arena_alloc(&arena, 200000);
        assert_int_equal((uintptr_t)a % 16, 0);
        assert_int_equal(a[2] + b[199999], 0);
        memset(b, 0xff, 200000);
        memset(a, 0xff, 3);
        arena_reset(&arena);
    }
    arena_free(&arena);
}

static void the_limit_holds(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1000);
    assert_non_null(arena_try_alloc(&arena, 600));
    assert_null(arena_try_alloc(&arena, 600));
    assert_null(arena_try_alloc(&arena, SIZE_MAX));
    assert_null(arena_try_alloc(&arena, SIZE_MAX - 8));
    arena_reset(&arena);
    assert_non_null(arena_try_alloc(&arena, 992));
    arena_free(&arena);
}

static void printf_makes_a_string(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1000);
    assert_string_equal(arena_printf(&arena, "%s-%d", "P", 7), "P-7");
    assert_string_equal(arena_copy(&arena, "abcdef", 3), "abc");
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_aligned_and_reused),
        cmocka_unit_test(the_limit_holds),
        cmocka_unit_test(printf_makes_a_string),
    };
    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
