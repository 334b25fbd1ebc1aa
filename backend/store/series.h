/* series.h - how readings of one patient lie on disk, and what is summed up from them.  Pure.
 *
 * Raw row:  all readings of one patient in one UTC minute, sorted by time, then source.
 *               u32 checksum | varint count | record…
 *           A record is the difference to the one before it (the first: to {minute start, absent}):
 *               u8 what     bit 0 source, 1 flags, 2 implausible mask, 3 presence mask follow;
 *                           else as before
 *               varint      microseconds since the record before
 *               [varint source] [u8 flags] [u8 implausible] [u8 presence: bit per vital]
 *               per present vital: zigzag varint of the difference to its last present value
 *           About 13 bytes a reading instead of 40.
 * Tier row: the buckets of one patient in one hour (one per minute) or one day (one per hour).
 *               u32 checksum | varint count | bucket…
 *               u8 index (minute of the hour, hour of the day) | varint readings |
 *               varint implausible | u8 mask; per vital in the mask:
 *               varint count | zigzag min | varint max - min | varint sum - min * count
 * Checksum: of the rest of the row, seeded with the row's key, so that a flipped bit in the key is
 *           found too.  A damaged row is refused as a whole; nothing of it reaches a screen.
 * Bounds:   a record takes at least 2 bytes, so a row's size bounds what is allocated for it. */
#ifndef STORE_SERIES_H
#define STORE_SERIES_H

#include "base/clock.h"
#include "base/str.h"
#include "clinical/reading.h"

struct bucket_vital {
    int64_t sum_milli;
    int32_t min_milli, max_milli;
    uint32_t count;
};

/* What one period says; `vital` counts usable values only. */
struct bucket {
    uint32_t index;         /* of the period in its row */
    uint32_t readings, implausible;
    struct bucket_vital vital[VITAL_COUNT];
};

enum { TIER_BUCKET_MAX = 60 }; /* minutes of an hour; a day has 24 hours */

uint32_t series_checksum(const void *data, size_t size, int64_t key);

void bucket_add(struct bucket *bucket, const struct reading *reading);
void bucket_merge(struct bucket *into, const struct bucket *from);

/* Same patient, source and time: the same reading. */
bool series_same(const struct reading *a, const struct reading *b);
int series_compare(const struct reading *a, const struct reading *b); /* by time, then source */
void series_sort(struct reading *readings, size_t count);             /* stable */

/* Sorts `count` readings of one patient and removes repetitions: the first of the same identity
 * stays.  *out_conflicts: repetitions whose values differ.  Returns how many stay. */
size_t series_unique(struct reading *readings, size_t count, size_t *out_conflicts);
/* Merges two sorted, unique lists; on the same identity `old` stays. */
size_t series_merge(const struct reading *old, size_t old_count, const struct reading *new,
                    size_t new_count, struct reading *out, size_t *out_conflicts);

/* `minute` is minutes since 1970; all readings must lie in it. */
void series_encode(const struct reading *readings, size_t count, int64_t minute, int64_t key, struct buf *out);
/* How many readings the row holds at most: `out` of series_decode needs room for them. */
size_t series_room(size_t size);
/* `patient` is filled in. */
bool series_decode(const void *data, size_t size, int64_t minute, int64_t key, uint32_t patient,
                   struct reading *out, size_t *out_count, struct err *err) MUST_CHECK;
void tier_encode(const struct bucket *buckets, size_t count, int64_t key, struct buf *out);
bool tier_decode(const void *data, size_t size, int64_t key, struct bucket out[TIER_BUCKET_MAX],
                 size_t *out_count, struct err *err) MUST_CHECK;
/* Puts `bucket` in its place by index, over what is there; a bucket without readings removes it. */
size_t tier_put(struct bucket buckets[TIER_BUCKET_MAX], size_t count, const struct bucket *bucket);

#endif
