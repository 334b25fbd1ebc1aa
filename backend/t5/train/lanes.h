/* lanes.h - sums and exponentials written so that the compiler can use whole vectors.
 *
 * Sums run in 16 lanes that are added up in a fixed order: the same on every instruction set.
 * CLONES compiles a function for AVX-512, AVX2 and the baseline; the loader picks one. */
#ifndef T5_TRAIN_LANES_H
#define T5_TRAIN_LANES_H

#include "t5/train/real.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(T5_TRAIN_DOUBLE) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define CLONES
#endif
#define INLINE static inline __attribute__((always_inline))

enum { LANE_COUNT = 16 };
struct lanes {
    real at[LANE_COUNT];
};

INLINE real lanes_sum(const struct lanes *lanes)
{
    real sum[LANE_COUNT];
    memcpy(sum, lanes->at, sizeof sum);
    for (int width = LANE_COUNT / 2; width; width /= 2)
        for (int i = 0; i < width; i++)
            sum[i] += sum[i + width];
    return sum[0];
}

/* sum of a[i] b[i] */
INLINE real lanes_dot(const real *a, const real *b, size_t count)
{
    struct lanes lanes = { { 0 } };
    size_t i = 0;
    for (; i + LANE_COUNT <= count; i += LANE_COUNT)
        for (int lane = 0; lane < LANE_COUNT; lane++)
            lanes.at[lane] += a[i + lane] * b[i + lane];
    for (int lane = 0; i < count; i++, lane++)
        lanes.at[lane] += a[i] * b[i];
    return lanes_sum(&lanes);
}

INLINE real lanes_max(const real *a, size_t count)
{
    struct lanes lanes;
    for (int lane = 0; lane < LANE_COUNT; lane++)
        lanes.at[lane] = a[0];
    size_t i = 0;
    for (; i + LANE_COUNT <= count; i += LANE_COUNT)
        for (int lane = 0; lane < LANE_COUNT; lane++)
            lanes.at[lane] = a[i + lane] > lanes.at[lane] ? a[i + lane] : lanes.at[lane];
    real max = a[0];
    for (; i < count; i++)
        max = a[i] > max ? a[i] : max;
    for (int lane = 0; lane < LANE_COUNT; lane++)
        max = lanes.at[lane] > max ? lanes.at[lane] : max;
    return max;
}

#ifdef T5_TRAIN_DOUBLE
INLINE real exp_of(real x)
{
    return exp(x);
}
#else
/* e^x = 2^n e^r, |r| <= ln(2)/2, e^r by its Taylor series to r^7 / 7!: error below 2 ulp.
 * Below -87 the answer is e^-87 (1.6e-38), above 88 e^88: neither occurs after a softmax's shift. */
INLINE real exp_of(real x)
{
    x = x < -87.0f ? -87.0f : x > 88.0f ? 88.0f : x;
    float shifted = x * 1.44269504f + 12582912.0f;            /* 1.5 * 2^23: rounds to an integer */
    float n = shifted - 12582912.0f;
    float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;    /* ln 2 in two parts (Cody & Waite) */
    float y = 1.0f / 5040;
    y = y * r + 1.0f / 720;
    y = y * r + 1.0f / 120;
    y = y * r + 1.0f / 24;
    y = y * r + 1.0f / 6;
    y = y * r + 0.5f;
    y = y * r + 1.0f;
    y = y * r + 1.0f;
    int32_t bits = ((int32_t)n + 127) << 23;
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    return y * scale;
}
#endif

INLINE real tanh_of(real x)
{
#ifdef T5_TRAIN_DOUBLE
    return tanh(x);
#else
    return 1.0f - 2.0f / (exp_of(2.0f * x) + 1.0f);
#endif
}

#endif
