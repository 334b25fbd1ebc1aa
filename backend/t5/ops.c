#include "t5/ops.h"

#include <math.h>
#include <string.h>

enum { LANES = 8 };

static float sum_lanes(const float lanes[LANES])
{
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

static float dot(const float *a, const float *b, size_t count)
{
    float lanes[LANES] = { 0 };
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (size_t l = 0; l < LANES; l++)
            lanes[l] += a[i + l] * b[i + l];
    for (size_t l = 0; i < count; i++, l++)
        lanes[l] += a[i] * b[i];
    return sum_lanes(lanes);
}

/* Weights outermost: each row of them is read once for all N. */
void op_linear(const float *x, const float *w, size_t N, size_t I, size_t O, float *y)
{
    for (size_t o = 0; o < O; o++)
        for (size_t n = 0; n < N; n++)
            y[n * O + o] = dot(x + n * I, w + o * I, I);
}

void op_rms_norm(const float *x, const float *w, float eps, size_t N, size_t D, float *y)
{
    for (size_t n = 0; n < N; n++, x += D, y += D) {
        const float scale = 1.0f / sqrtf(dot(x, x, D) / (float)D + eps);
        for (size_t i = 0; i < D; i++)
            y[i] = w[i] * (x[i] * scale);
    }
}

void op_embed(const int32_t *ids, const float *table, size_t N, size_t D, float *y)
{
    for (size_t n = 0; n < N; n++)
        memcpy(y + n * D, table + (size_t)ids[n] * D, D * sizeof *y);
}

void op_add(float *x, const float *y, size_t count)
{
    for (size_t i = 0; i < count; i++)
        x[i] += y[i];
}

void op_scale(float *x, float factor, size_t count)
{
    for (size_t i = 0; i < count; i++)
        x[i] *= factor;
}

void op_multiply(float *x, const float *y, size_t count)
{
    for (size_t i = 0; i < count; i++)
        x[i] *= y[i];
}

void op_relu(float *x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        x[i] = x[i] > 0 ? x[i] : 0;
}

void op_gelu_new(float *x, size_t count)
{
    const float root = 0.7978845608028654f;   /* sqrt(2 / pi) */
    for (size_t i = 0; i < count; i++)
        x[i] = 0.5f * x[i] * (1.0f + tanhf(root * (x[i] + 0.044715f * (x[i] * x[i] * x[i]))));
}

void op_softmax(float *x, size_t N, size_t D)
{
    for (size_t n = 0; n < N; n++, x += D) {
        float max = x[0], sum = 0;
        for (size_t i = 1; i < D; i++)
            max = x[i] > max ? x[i] : max;
        for (size_t i = 0; i < D; i++)
            sum += x[i] = expf(x[i] - max);
        op_scale(x, 1.0f / sum, D);
    }
}

int relative_bucket(int relative, bool both_ways, int buckets, int distance_max)
{
    int bucket = 0, distance;
    if (both_ways) {
        buckets /= 2;
        bucket = relative > 0 ? buckets : 0;
        distance = relative < 0 ? -relative : relative;
    } else {
        distance = relative < 0 ? -relative : 0;
    }
    const int exact = buckets / 2;
    if (distance < exact)
        return bucket + distance;
    const float share = logf((float)distance / (float)exact) / (float)log((double)distance_max / exact);
    const int far = exact + (int)(share * (float)(buckets - exact));
    return bucket + (far < buckets - 1 ? far : buckets - 1);
}

void op_attend(const float *q, const float *const *keys, const float *const *values, const float *bias, size_t stride,
               size_t S, size_t H, size_t K, float *scores, float *out)
{
    memset(out, 0, H * K * sizeof *out);
    for (size_t h = 0; h < H; h++) {
        const size_t at = h * K;
        for (size_t j = 0; j < S; j++)
            scores[j] = dot(q + at, keys[j] + at, K) + (bias ? bias[h * stride + j] : 0.0f);
        op_softmax(scores, 1, S);
        for (size_t j = 0; j < S; j++)
            for (size_t i = 0; i < K; i++)
                out[at + i] += scores[j] * values[j][at + i];
    }
}
