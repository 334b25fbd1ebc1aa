/* grad_check.h - for the gradient tests: central differences in double.
 *
 *     loss(x) = sum of c[i] y_i(x) with fixed random c;  dloss/dx_j ~ (loss(x + h e_j) - loss(x - h e_j)) / 2h
 *
 * h = 1e-5: truncation about h^2 = 1e-10, rounding about 1e-16 / h = 1e-11. */
#ifndef T5_TRAIN_GRAD_CHECK_H
#define T5_TRAIN_GRAD_CHECK_H

#include "base/mem.h"
#include "t5/train/real.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static uint64_t check_state = 7;

static inline real check_random(void)
{
    check_state = check_state * 6364136223846793005u + 1442695040888963407u;
    return (real)((double)(check_state >> 11) / (double)(1ull << 52) - 1);
}

static inline real *check_block(size_t count)
{
    real *block = mem_new(count, sizeof *block);
    for (size_t i = 0; i < count; i++)
        block[i] = check_random();
    return block;
}

static inline double check_sum(const real *c, const real *y, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)c[i] * (double)y[i];
    return sum;
}

/* Compares `gradient` of x [count] with differences of loss(context), at every `stride`-th item. */
static inline void check_gradient(const char *name, double (*loss)(void *context), void *context, real *x, size_t count,
                                  size_t stride, const real *gradient)
{
    for (size_t i = 0; i < count; i += stride) {
        const double h = 1e-5;
        real kept = x[i];
        x[i] = (real)((double)kept + h);
        double up = loss(context);
        x[i] = (real)((double)kept - h);
        double down = loss(context);
        x[i] = kept;
        double expected = (up - down) / (2 * h), found = (double)gradient[i];
        if (fabs(expected - found) > 1e-7 * (1 + fabs(expected)))
            fail_msg("%s[%zu]: gradient %.12g, difference %.12g", name, i, found, expected);
    }
}

#endif
