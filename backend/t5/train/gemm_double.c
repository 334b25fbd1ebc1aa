/* gemm_double.c - the product in double, written as the equation: what gradient tests compute with. */
#include "t5/train/gemm.h"

#include "base/mem.h"

struct gemm {
    char unused;
};

struct gemm *gemm_new(struct pool *pool, enum gemm_precision precision, const char *kernel, size_t side_max,
                      size_t alone_max)
{
    (void)pool, (void)precision, (void)kernel, (void)side_max, (void)alone_max;
    return mem_new(1, sizeof(struct gemm));
}

void gemm_free(struct gemm *gemm)
{
    mem_free(gemm);
}

bool gemm_has_bf16(void)
{
    return false;
}

const char *gemm_kernel_name(const struct gemm *gemm)
{
    (void)gemm;
    return "double";
}

size_t gemm_scratch_size(const struct gemm *gemm)
{
    (void)gemm;
    return 0;
}

void gemm_alone(struct gemm *gemm, int thread, size_t m, size_t n, size_t k, struct matrix a, struct matrix b,
                real *c, size_t c_width, bool add)
{
    (void)gemm, (void)thread;
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            real sum = add ? c[i * c_width + j] : 0;
            for (size_t at = 0; at < k; at++)
                sum += a.data[i * a.row_step + at * a.column_step] * b.data[at * b.row_step + j * b.column_step];
            c[i * c_width + j] = sum;
        }
}

void gemm(struct gemm *gemm, size_t m, size_t n, size_t k, struct matrix a, struct matrix b, real *c, size_t c_width,
          bool add)
{
    gemm_alone(gemm, 0, m, n, k, a, b, c, c_width, add);
}
