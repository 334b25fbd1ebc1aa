#include "t5/fast_bias.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

int fast_bias_bucket(int relative, bool bidirectional, int bucket_count, int distance_max)
{
    int bucket = 0, distance = bidirectional ? abs(relative) : relative < 0 ? -relative : 0;
    if (bidirectional) {
        bucket_count /= 2;
        bucket = relative > 0 ? bucket_count : 0;
    }
    int exact = bucket_count / 2;
    if (distance < exact)
        return bucket + distance;
    float scale = (float)log((double)distance_max / exact);
    int far = exact + (int)(logf((float)distance / (float)exact) / scale * (float)(bucket_count - exact));
    return bucket + (far < bucket_count ? far : bucket_count - 1);
}

void fast_bias_fill(const struct tensor *bias, const struct t5_config *config, bool bidirectional, float *out,
                    int center, int stride)
{
    float *buckets = mem_new(bias->count, sizeof *buckets);
    tensor_read_f32(bias, 0, bias->count, buckets);
    for (int relative = -center; relative <= center; relative++) {
        int bucket = fast_bias_bucket(relative, bidirectional, config->bucket_count, config->bucket_distance_max);
        for (int h = 0; h < config->head_count; h++)
            out[(size_t)h * (size_t)stride + (size_t)(center + relative)] = buckets[bucket * config->head_count + h];
    }
    mem_free(buckets);
}
