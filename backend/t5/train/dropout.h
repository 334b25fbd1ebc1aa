/* dropout.h - which elements are dropped, computed from their index instead of stored.
 *
 * The mask of a place in the network is a function of (seed, step, place, element), so the backward
 * pass finds the forward's mask again without memory, and any number of threads finds the same.
 * Kept elements are scaled by 1 / (1 - rate), as PyTorch's.
 * Source: the mixing function is lowbias32 of C. Wellons, "Prospecting for Hash Functions" (2018). */
#ifndef T5_TRAIN_DROPOUT_H
#define T5_TRAIN_DROPOUT_H

#include "base/random.h"
#include "t5/train/lanes.h"

#include <stdbool.h>

struct dropout {
    uint32_t key0, key1;
    uint32_t drop_below;                 /* rate * 2^32; 0: nothing is dropped */
    real scale;
};

INLINE uint64_t mix64(uint64_t x)
{
    return random_next(&x);
}

/* `key` names seed and step; `place` the layer and the point in it. */
INLINE struct dropout dropout_at(uint64_t key, uint64_t place, double rate)
{
    uint64_t keys = mix64(key ^ mix64(place));
    return (struct dropout){ (uint32_t)keys, (uint32_t)(keys >> 32), (uint32_t)(rate * 4294967296.0),
                             (real)(1 / (1 - rate)) };
}

/* 0 where element `i` is dropped, else 1 / (1 - rate). */
INLINE real dropout_factor(struct dropout drop, uint32_t i)
{
    uint32_t x = i * 0x9e3779b1u + drop.key0;
    x = (x ^ (x >> 16)) * 0x7feb352du;
    x = ((x ^ (x >> 15)) + drop.key1) * 0x846ca68bu;
    x ^= x >> 16;
    return x >= drop.drop_below ? drop.scale : 0;
}

#endif
