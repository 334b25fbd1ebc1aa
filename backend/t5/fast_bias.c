#include "t5/fast_bias.h"

#include "base/mem.h"
#include "t5/ops.h"


void fast_bias_fill(const struct tensor *bias, const struct t5_config *config, bool bidirectional, float *out,
                    int center, int stride)
{
    float *buckets = mem_new(bias->count, sizeof *buckets);
    tensor_read_f32(bias, 0, bias->count, buckets);
    for (int relative = -center; relative <= center; relative++) {
        int bucket = relative_bucket(relative, bidirectional, config->bucket_count, config->bucket_distance_max);
        for (int h = 0; h < config->head_count; h++)
            out[(size_t)h * (size_t)stride + (size_t)(center + relative)] = buckets[bucket * config->head_count + h];
    }
    mem_free(buckets);
}
