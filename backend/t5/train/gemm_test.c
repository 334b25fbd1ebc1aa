/* Every kernel of this CPU against the equation, on odd shapes, both ways of lying, adding and not. */
#include "t5/train/gemm.h"
#include "base/mem.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static uint64_t state = 1;

static float random_float(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (float)((double)(state >> 40) / (1 << 23) - 1);
}

static float as_bf16(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, 4);
    bits = (bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000;
    memcpy(&value, &bits, 4);
    return value;
}

static float *random_block(size_t count)
{
    float *block = mem_new(count, sizeof *block);
    for (size_t i = 0; i < count; i++)
        block[i] = random_float();
    return block;
}

static double item_of(const float *data, bool turned, size_t rows, size_t columns, size_t i, size_t j, bool bf16)
{
    float value = turned ? data[j * rows + i] : data[i * columns + j];
    return (double)(bf16 ? as_bf16(value) : value);
}

struct shape {
    size_t m, n, k;
};

static void check(struct gemm *g, bool bf16, struct shape s, bool turn_a, bool turn_b, bool add, bool alone)
{
    float *a = random_block(s.m * s.k), *b = random_block(s.k * s.n), *c = random_block(s.m * (s.n + 3));
    float *before = mem_new(s.m * (s.n + 3), sizeof *before);
    memcpy(before, c, s.m * (s.n + 3) * sizeof *c);
    struct matrix am = turn_a ? matrix_turned(a, s.m) : matrix_rows(a, s.k);
    struct matrix bm = turn_b ? matrix_turned(b, s.k) : matrix_rows(b, s.n);
    if (alone)
        gemm_alone(g, 0, s.m, s.n, s.k, am, bm, c, s.n + 3, add);
    else
        gemm(g, s.m, s.n, s.k, am, bm, c, s.n + 3, add);
    for (size_t i = 0; i < s.m; i++) {
        for (size_t j = 0; j < s.n; j++) {
            double sum = add ? (double)before[i * (s.n + 3) + j] : 0;
            for (size_t k = 0; k < s.k; k++)
                sum += item_of(a, turn_a, s.m, s.k, i, k, bf16) * item_of(b, turn_b, s.k, s.n, k, j, bf16);
            /* k products of at most 1 each: rounding grows with sqrt(k) in the middle, k at worst */
            if (fabs((double)c[i * (s.n + 3) + j] - sum) > 2e-7 * (double)(s.k + 4))
                fail_msg("%s %zux%zux%zu turned %d %d add %d alone %d at %zu %zu: %g for %g", gemm_kernel_name(g), s.m,
                         s.n, s.k, turn_a, turn_b, add, alone, i, j, (double)c[i * (s.n + 3) + j], sum);
        }
        for (size_t j = s.n; j < s.n + 3; j++)   /* beside the matrix nothing is touched */
            assert_true(c[i * (s.n + 3) + j] == before[i * (s.n + 3) + j]);
    }
    mem_free(a), mem_free(b), mem_free(c), mem_free(before);
}

static const struct shape shapes[] = {
    { 1, 1, 1 }, { 6, 64, 2 }, { 7, 65, 33 }, { 5, 3, 1030 }, { 50, 130, 71 }, { 130, 50, 513 }, { 97, 200, 1100 },
    { 2, 70, 2 },
};

static void check_kernel(struct gemm *g, bool bf16)
{
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int how = 0; how < 16; how++)
            check(g, bf16, shapes[i], how & 1, how & 2, how & 4, how & 8);
    gemm_free(g);
}

static void every_kernel_multiplies(void **unused)
{
    static const char *const names[] = { "plain", "avx2", "avx512" };
    struct pool *pool = pool_new(3);
    (void)unused;
    for (int i = 0; i < 3; i++)
        check_kernel(gemm_new(pool, GEMM_F32, names[i], 130, 200), false);
    if (gemm_has_bf16())
        check_kernel(gemm_new(pool, GEMM_BF16, NULL, 130, 200), true);
    else
        print_message("SKIP: this CPU has no AVX512_BF16\n");
    pool_free(pool);
}

static void threads_do_not_change_a_bit(void **unused)
{
    float *a = random_block(300 * 700), *b = random_block(700 * 150), *c[2];
    (void)unused;
    for (int i = 0; i < 2; i++) {
        struct pool *pool = pool_new(i ? 4 : 1);
        struct gemm *g = gemm_new(pool, gemm_has_bf16() ? GEMM_BF16 : GEMM_F32, NULL, 300, 1);
        c[i] = mem_new(300 * 150, sizeof **c);
        gemm(g, 300, 150, 700, matrix_rows(a, 700), matrix_rows(b, 150), c[i], 150, false);
        gemm(g, 150, 300, 700, matrix_turned(b, 150), matrix_turned(a, 700), c[i], 300, true);
        gemm_free(g);
        pool_free(pool);
    }
    assert_memory_equal(c[0], c[1], 300 * 150 * sizeof **c);
    mem_free(a), mem_free(b), mem_free(c[0]), mem_free(c[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_kernel_multiplies),
                                        cmocka_unit_test(threads_do_not_change_a_bit) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
