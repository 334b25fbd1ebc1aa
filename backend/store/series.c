#include "store/series.h"

#include <stdlib.h>
#include <string.h>

/* A word at a time: every step is a bijection of the state for a given word and of the word for a
 * given state, so a change within one word always changes the 64-bit result.  Not for security. */
static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
    return hash ^ hash >> 32;
}

uint32_t series_checksum(const void *data, size_t size, int64_t key)
{
    const unsigned char *p = data;
    uint64_t hash = mix(0x243f6a8885a308d3ull, (uint64_t)key), word;
    hash = mix(hash, size);
    for (; size >= 8; p += 8, size -= 8) {
        memcpy(&word, p, 8);
        hash = mix(hash, word);
    }
    word = 0;
    memcpy(&word, p, size);
    hash = mix(hash, word);
    return (uint32_t)(hash >> 32 ^ hash);
}

void bucket_add(struct bucket *bucket, const struct reading *reading)
{
    bucket->readings++;
    for (int v = 0; v < VITAL_COUNT; v++) {
        struct bucket_vital *sum = &bucket->vital[v];
        int32_t value = reading->value_milli[v];
        if (value == VITAL_ABSENT)
            continue;
        if (reading->implausible >> v & 1) {
            bucket->implausible++;
            continue;
        }
        sum->min_milli = sum->count && sum->min_milli < value ? sum->min_milli : value;
        sum->max_milli = sum->count && sum->max_milli > value ? sum->max_milli : value;
        sum->sum_milli += value;
        sum->count++;
    }
}

void bucket_merge(struct bucket *into, const struct bucket *from)
{
    into->readings += from->readings;
    into->implausible += from->implausible;
    for (int v = 0; v < VITAL_COUNT; v++) {
        struct bucket_vital *a = &into->vital[v];
        const struct bucket_vital *b = &from->vital[v];
        if (!b->count)
            continue;
        a->min_milli = a->count && a->min_milli < b->min_milli ? a->min_milli : b->min_milli;
        a->max_milli = a->count && a->max_milli > b->max_milli ? a->max_milli : b->max_milli;
        a->sum_milli += b->sum_milli;
        a->count += b->count;
    }
}

bool series_same(const struct reading *a, const struct reading *b)
{
    return a->time_us == b->time_us && a->source == b->source && a->patient == b->patient;
}

int series_compare(const struct reading *a, const struct reading *b)
{
    if (a->time_us != b->time_us)
        return a->time_us < b->time_us ? -1 : 1;
    return (a->source > b->source) - (a->source < b->source);
}

static void insertion_sort(struct reading *r, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct reading moving = r[i];
        size_t at = i;
        for (; at && series_compare(&r[at - 1], &moving) > 0; at--)
            r[at] = r[at - 1];
        r[at] = moving;
    }
}

static int compare_void(const void *a, const void *b)
{
    return series_compare(a, b);
}

/* Readings of one patient nearly always arrive in order, so look before sorting.  glibc's qsort is
 * a stable merge sort up to a quarter of the memory; stability is what "the first stays" needs. */
void series_sort(struct reading *readings, size_t count)
{
    size_t i = 1;
    while (i < count && series_compare(&readings[i - 1], &readings[i]) <= 0)
        i++;
    if (i >= count)
        return;
    if (count <= 32)
        insertion_sort(readings, count);
    else
        qsort(readings, count, sizeof *readings, compare_void);
}

static bool differs(const struct reading *a, const struct reading *b)
{
    return memcmp(a->value_milli, b->value_milli, sizeof a->value_milli) != 0;
}

size_t series_unique(struct reading *readings, size_t count, size_t *out_conflicts)
{
    size_t kept = 0;
    series_sort(readings, count);
    for (size_t i = 0; i < count; i++) {
        if (kept && series_same(&readings[kept - 1], &readings[i]))
            *out_conflicts += differs(&readings[kept - 1], &readings[i]);
        else
            readings[kept++] = readings[i];
    }
    return kept;
}

size_t series_merge(const struct reading *old, size_t old_count, const struct reading *new,
                    size_t new_count, struct reading *out, size_t *out_conflicts)
{
    size_t i = 0, j = 0, n = 0;
    while (i < old_count && j < new_count) {
        int order = series_compare(&old[i], &new[j]);
        if (order == 0)
            *out_conflicts += differs(&old[i], &new[j]);
        if (order <= 0)
            out[n++] = old[i++];
        else
            out[n++] = new[j];
        j += order >= 0;
    }
    while (i < old_count)
        out[n++] = old[i++];
    while (j < new_count)
        out[n++] = new[j++];
    return n;
}

/* ---- bytes ---- */

static uint64_t zigzag(int64_t value)
{
    return (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
}

static int64_t unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

static unsigned char *put_varint(unsigned char *p, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *p++ = (unsigned char)(value | 0x80);
    *p++ = (unsigned char)value;
    return p;
}

struct reader {
    const unsigned char *p, *end;
    bool bad;
};

static uint8_t get_u8(struct reader *r)
{
    if (r->p < r->end)
        return *r->p++;
    r->bad = true;
    return 0;
}

static uint64_t get_varint(struct reader *r)
{
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        uint8_t byte = get_u8(r);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
    r->bad = true;
    return 0;
}

static bool open_row(struct reader *r, const void *data, size_t size, int64_t key, struct err *err)
{
    uint32_t stored;
    if (size < sizeof stored + 1)
        return err_set(err, ERR_IO, "a stored row is damaged: too short");
    memcpy(&stored, data, sizeof stored);
    *r = (struct reader){ .p = (const unsigned char *)data + sizeof stored,
                          .end = (const unsigned char *)data + size };
    if (stored != series_checksum(r->p, size - sizeof stored, key))
        return err_set(err, ERR_IO, "a stored row is damaged: wrong checksum");
    return true;
}

static void close_row(struct buf *out, size_t start, int64_t key)
{
    if (out->overflow)
        return;
    uint32_t sum = series_checksum(out->data + start + 4, out->length - start - 4, key);
    memcpy(out->data + start, &sum, sizeof sum);
}

static uint8_t presence(const struct reading *reading)
{
    uint8_t mask = 0;
    for (int v = 0; v < VITAL_COUNT; v++)
        mask |= (uint8_t)((reading->value_milli[v] != VITAL_ABSENT) << v);
    return mask;
}

enum { HAS_SOURCE = 1, HAS_FLAGS = 2, HAS_IMPLAUSIBLE = 4, HAS_PRESENCE = 8 };

/* What a record is the difference to. */
struct before {
    int64_t time_us;
    int32_t value_milli[VITAL_COUNT];
    uint16_t source;
    uint8_t flags, implausible, presence;
};

static unsigned char *put_record(unsigned char *p, const struct reading *r, struct before *before)
{
    uint8_t mask = presence(r);
    uint8_t what = (uint8_t)((r->source != before->source ? HAS_SOURCE : 0) |
                             (r->flags != before->flags ? HAS_FLAGS : 0) |
                             (r->implausible != before->implausible ? HAS_IMPLAUSIBLE : 0) |
                             (mask != before->presence ? HAS_PRESENCE : 0));
    *p++ = what;
    p = put_varint(p, (uint64_t)(r->time_us - before->time_us));
    if (what & HAS_SOURCE)
        p = put_varint(p, r->source);
    if (what & HAS_FLAGS)
        *p++ = r->flags;
    if (what & HAS_IMPLAUSIBLE)
        *p++ = r->implausible;
    if (what & HAS_PRESENCE)
        *p++ = mask;
    for (int v = 0; v < VITAL_COUNT; v++)
        if (mask >> v & 1) {
            p = put_varint(p, zigzag((int64_t)r->value_milli[v] - before->value_milli[v]));
            before->value_milli[v] = r->value_milli[v];
        }
    before->time_us = r->time_us, before->source = r->source, before->flags = r->flags;
    before->implausible = r->implausible, before->presence = mask;
    return p;
}

void series_encode(const struct reading *readings, size_t count, int64_t minute, int64_t key, struct buf *out)
{
    size_t start = out->length;
    struct before before = { .time_us = minute * US_PER_MIN };
    unsigned char bytes[64]; /* a record: 1 + 4 + 3 + 1 + 1 + 1 + 6 * 5 = 41 at most */
    memset(bytes, 0, 4);
    buf_add(out, bytes, (size_t)(put_varint(bytes + 4, count) - bytes));
    for (size_t i = 0; i < count; i++)
        buf_add(out, bytes, (size_t)(put_record(bytes, &readings[i], &before) - bytes));
    close_row(out, start, key);
}

static void get_record(struct reader *r, struct before *before, struct reading *out)
{
    uint8_t what = get_u8(r);
    before->time_us += (int64_t)(get_varint(r) & INT64_C(0xffffffff));
    if (what & HAS_SOURCE)
        before->source = (uint16_t)get_varint(r);
    if (what & HAS_FLAGS)
        before->flags = get_u8(r);
    if (what & HAS_IMPLAUSIBLE)
        before->implausible = get_u8(r);
    if (what & HAS_PRESENCE)
        before->presence = get_u8(r);
    for (int v = 0; v < VITAL_COUNT; v++) {
        out->value_milli[v] = VITAL_ABSENT;
        if (before->presence >> v & 1) {
            uint32_t step = (uint32_t)unzigzag(get_varint(r)); /* wraps as it was made */
            before->value_milli[v] = (int32_t)((uint32_t)before->value_milli[v] + step);
            out->value_milli[v] = before->value_milli[v];
        }
    }
    out->time_us = before->time_us, out->source = before->source, out->flags = before->flags;
    out->implausible = before->implausible;
}

size_t series_room(size_t size)
{
    return size / 2;
}

bool series_decode(const void *data, size_t size, int64_t minute, int64_t key, uint32_t patient,
                   struct reading *out, size_t *out_count, struct err *err)
{
    struct reader r = { 0 };
    *out_count = 0;
    if (!open_row(&r, data, size, key, err))
        return false;
    struct before before = { .time_us = minute * US_PER_MIN };
    size_t count = get_varint(&r);
    if (count > series_room(size))
        return err_set(err, ERR_IO, "a stored row is damaged: %zu readings", count);
    for (size_t i = 0; i < count && !r.bad; i++) {
        get_record(&r, &before, &out[i]);
        out[i].patient = patient;
    }
    if (r.bad || r.p != r.end)
        return err_set(err, ERR_IO, "a stored row is damaged: wrong length");
    *out_count = count;
    return true;
}

void tier_encode(const struct bucket *buckets, size_t count, int64_t key, struct buf *out)
{
    size_t start = out->length;
    unsigned char bytes[256]; /* a bucket: 1 + 5 + 5 + 1 + 6 * (5 + 5 + 5 + 10) = 162 at most */
    memset(bytes, 0, 4);
    buf_add(out, bytes, (size_t)(put_varint(bytes + 4, count) - bytes));
    for (size_t i = 0; i < count; i++) {
        const struct bucket *b = &buckets[i];
        unsigned char *p = bytes, *mask;
        *p++ = (unsigned char)b->index;
        p = put_varint(put_varint(p, b->readings), b->implausible);
        mask = p++;
        *mask = 0;
        for (int v = 0; v < VITAL_COUNT; v++) {
            const struct bucket_vital *s = &b->vital[v];
            if (!s->count)
                continue;
            *mask |= (unsigned char)(1 << v);
            p = put_varint(put_varint(p, s->count), zigzag(s->min_milli));
            p = put_varint(p, (uint64_t)((int64_t)s->max_milli - s->min_milli));
            p = put_varint(p, (uint64_t)(s->sum_milli - (int64_t)s->min_milli * s->count));
        }
        buf_add(out, bytes, (size_t)(p - bytes));
    }
    close_row(out, start, key);
}

static void get_bucket(struct reader *r, struct bucket *out)
{
    *out = (struct bucket){ .index = get_u8(r) };
    out->readings = (uint32_t)get_varint(r);
    out->implausible = (uint32_t)get_varint(r);
    uint8_t mask = get_u8(r);
    for (int v = 0; v < VITAL_COUNT; v++) {
        struct bucket_vital *s = &out->vital[v];
        if (!(mask >> v & 1))
            continue;
        s->count = (uint32_t)get_varint(r);
        s->min_milli = (int32_t)unzigzag(get_varint(r));
        s->max_milli = (int32_t)((uint32_t)s->min_milli + (uint32_t)get_varint(r));
        s->sum_milli = (int64_t)(get_varint(r) + (uint64_t)((int64_t)s->min_milli * s->count));
    }
}

bool tier_decode(const void *data, size_t size, int64_t key, struct bucket out[TIER_BUCKET_MAX],
                 size_t *out_count, struct err *err)
{
    struct reader r = { 0 };
    *out_count = 0;
    if (!open_row(&r, data, size, key, err))
        return false;
    size_t count = get_varint(&r);
    if (count > TIER_BUCKET_MAX)
        return err_set(err, ERR_IO, "a stored row is damaged: %zu buckets", count);
    for (size_t i = 0; i < count && !r.bad; i++)
        get_bucket(&r, &out[i]);
    if (r.bad || r.p != r.end)
        return err_set(err, ERR_IO, "a stored row is damaged: wrong length");
    *out_count = count;
    return true;
}

size_t tier_put(struct bucket buckets[TIER_BUCKET_MAX], size_t count, const struct bucket *bucket)
{
    size_t at = 0;
    while (at < count && buckets[at].index < bucket->index)
        at++;
    bool there = at < count && buckets[at].index == bucket->index;
    if (there && bucket->readings) {
        buckets[at] = *bucket;
    } else if (there) {
        memmove(&buckets[at], &buckets[at + 1], (count - at - 1) * sizeof *buckets);
        count--;
    } else if (bucket->readings) {
        CHECK(count < TIER_BUCKET_MAX);
        memmove(&buckets[at + 1], &buckets[at], (count - at) * sizeof *buckets);
        buckets[at] = *bucket;
        count++;
    }
    return count;
}
