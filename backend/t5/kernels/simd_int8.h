/* simd_int8.h - attention over int8 keys and values, part of simd.h.
 *
 * Everything is a product of bytes: queries are rounded to int8, each with its own scale; the weights of the
 * values, after the softmax and with the values' scales in them, to two digits of 7 bits each, 14 bits beside
 * the largest.  One digit would lose what many keys with small weights add up to.
 * Keys are the unsigned operand (k + 128), so what that adds, 128 * sum(query), is one number a query. */
#ifndef T5_KERNELS_SIMD_INT8_H
#define T5_KERNELS_SIMD_INT8_H

enum { DIGIT = 128, DIGITS_MAX = DIGIT * DIGIT - 1 };
/* A digit is never negative: 0 … 127 where SIMD_DOT_INT8 takes its unsigned operand as it is, else + 128. */
enum { DIGIT_ZERO = SIMD_START_INT8(1) ? 0 : 128 };
enum { BYTES_MAX = T5_HEAD_SIZE_MAX };

struct byte_query {
    int8_t items[BYTES_MAX] __attribute__((aligned(64)));
    float scale;
    int32_t start;               /* of its sums with keys */
};

INLINE void round_query(const float *x, int head_size, struct byte_query *out)
{
    float max = largest_magnitude(x, head_size), inverse = max > 0 ? 127.0f / max : 0.0f;
    vi sum = { 0 };
    for (int i = 0; i < head_size; i += LANES) {
        vi q = SIMD_NEAREST(load(x + i) * inverse);
        *(vb_any *)((uint8_t *)out->items + i) = __builtin_convertvector(q, vb);
        sum += q;
    }
    out->scale = max / 127.0f;
    out->start = SIMD_START_INT8(128 * (int32_t)SIMD_SUM(__builtin_convertvector(sum, vf)));
}

INLINE vi load_bytes(const void *p) { return *(const vi_any *)p; }
INLINE vi spread_word(const void *four_bytes)
{
    int32_t word;
    memcpy(&word, four_bytes, sizeof word);
    return spread(word);
}
INLINE vi unsigned_keys(const void *p) { return load_bytes(p) ^ spread((int32_t)0x80808080); }

/* The softmax of n scores, times the values' scales, as digits (padded to 16); returns the scale of their sums.
 * The softmax's own sum is divided out there. */
INLINE float weights_of(float *scores, const float *value_scales, int n, uint8_t *high, uint8_t *low)
{
    for (int k = n; k & 15; k++)
        scores[k] = -1e30f;
    vf most = load(scores), total = { 0 }, heaviest = { 0 };
    for (int k = LANES; k < n; k += LANES)
        most = larger(most, load(scores + k));
    float max = lane_max(most);
    for (int k = 0; k < n; k += LANES) {
        vf e = exponential_rough(load(scores + k) - max), weight = e * load(value_scales + k);
        total += e;
        heaviest = larger(heaviest, weight);
        store(scores + k, weight);
    }
    float largest = lane_max(heaviest), inverse = largest > 0 ? (float)DIGITS_MAX / largest : 0.0f;
    for (int k = 0; k < n; k += LANES) {
        vi q = SIMD_NEAREST(load(scores + k) * inverse);
        *(vb_any *)(high + k) = __builtin_convertvector((q >> 7) + DIGIT_ZERO, vb);
        *(vb_any *)(low + k) = __builtin_convertvector((q & (DIGIT - 1)) + DIGIT_ZERO, vb);
    }
    return largest / ((float)DIGITS_MAX * SIMD_SUM(total));
}

/* ---- of keys and values that rows share ---- */

/* While keys are read values are asked for, and while those are read the next call's keys: between the two
 * reading stands still, and memory would too. */
INLINE void ask_for(const unsigned char *p, size_t size)
{
    UNROLL
    for (size_t line = 0; line < size; line += 64)
        __builtin_prefetch(p + line);
}

INLINE void byte_scores(int rows, const struct t5_attention *a, int first, const struct byte_query *queries)
{
    const size_t scores_stride = (size_t)t5_padded(a->key_count);
    for (int key = 0; key < a->key_count; key += TILE_VECTORS * LANES) {
        const unsigned char *k = (const unsigned char *)a->keys +
                                 (size_t)(key / T5_BLOCK) * (size_t)a->head_size * T5_BLOCK +
                                 (size_t)(key % T5_BLOCK) * 4;
        vi sums[TILE_ROWS][TILE_VECTORS];
        UNROLL
        for (int r = 0; r < rows; r++)
            UNROLL
            for (int v = 0; v < TILE_VECTORS; v++)
                sums[r][v] = spread(queries[r].start);
        for (int d = 0; d < a->head_size; d += 4, k += T5_STEP_SIZE) {
            vi keys[TILE_VECTORS];
            UNROLL
            for (int v = 0; v < TILE_VECTORS; v++)
                keys[v] = unsigned_keys(k + v * LANES * 4);
            if (first == 0)
                ask_for((const unsigned char *)a->values + (k - (const unsigned char *)a->keys),
                        TILE_VECTORS * LANES * 4);
            UNROLL
            for (int r = 0; r < rows; r++) {
                vi word = spread_word(queries[r].items + d);
                UNROLL
                for (int v = 0; v < TILE_VECTORS; v++)
                    sums[r][v] = SIMD_DOT_INT8(sums[r][v], keys[v], word);
            }
        }
        UNROLL
        for (int r = 0; r < rows; r++)
            UNROLL
            for (int v = 0; v < TILE_VECTORS; v++) {
                int column = key + v * LANES;
                vf bias = a->bias ? load(a->bias + column - (first + r)) : (vf){ 0 };
                vf scale = load(a->key_scales + column) * queries[r].scale;
                store(a->scratch + (size_t)r * scores_stride + column,
                      __builtin_convertvector(sums[r][v], vf) * scale + bias);
            }
    }
}

/* 4 vectors of sums of one digit.  digits: of row 0, the next row's 2 * padded behind. */
INLINE void byte_digit(int rows, const struct t5_attention *a, const uint8_t *digits, size_t digits_stride, int column,
                       const unsigned char *next, vi sums[TILE_ROWS][TILE_VECTORS])
{
    const unsigned char *v = (const unsigned char *)a->values + (size_t)column * 4;
    UNROLL
    for (int r = 0; r < rows; r++)
        UNROLL
        for (int i = 0; i < TILE_VECTORS; i++)
            sums[r][i] = (vi){ 0 };
    for (int k = 0; k < a->key_count; k += 4, v += a->head_size * 4) {
        vi values[TILE_VECTORS];
        UNROLL
        for (int i = 0; i < TILE_VECTORS; i++)
            values[i] = load_bytes(v + i * LANES * 4);
        if (next)
            ask_for(next + (v - (const unsigned char *)a->values), TILE_VECTORS * LANES * 4);
        UNROLL
        for (int r = 0; r < rows; r++) {
            vi word = spread_word(digits + (size_t)r * digits_stride + k);
            UNROLL
            for (int i = 0; i < TILE_VECTORS; i++)
                sums[r][i] = SIMD_DOT_INT8(sums[r][i], word, values[i]);
        }
    }
}

INLINE void byte_values(int rows, const struct t5_attention *a, int first, const uint8_t *digits, const float *scales,
                        int column)
{
    const size_t padded = (size_t)t5_padded(a->key_count);
    vi sums[TILE_ROWS][TILE_VECTORS];
    byte_digit(rows, a, digits, 2 * padded, column, first == 0 ? a->next : NULL, sums);
    UNROLL
    for (int r = 0; r < rows; r++)
        UNROLL
        for (int i = 0; i < TILE_VECTORS; i++)
            store(a->out + (size_t)(first + r) * a->out_stride + column + i * LANES,
                  __builtin_convertvector(sums[r][i], vf) * (float)DIGIT);
    byte_digit(rows, a, digits + padded, 2 * padded, column, NULL, sums);
    UNROLL
    for (int r = 0; r < rows; r++)
        UNROLL
        for (int i = 0; i < TILE_VECTORS; i++) {
            float *out = a->out + (size_t)(first + r) * a->out_stride + column + i * LANES;
            store(out, (load(out) + __builtin_convertvector(sums[r][i], vf)) * scales[r]);
        }
}

INLINE void byte_rows(int rows, const struct t5_attention *a, int first)
{
    const size_t padded = (size_t)t5_padded(a->key_count);
    uint8_t *digits = (uint8_t *)(a->scratch + TILE_ROWS * padded);
    struct byte_query queries[TILE_ROWS];
    float scales[TILE_ROWS];
    for (int r = 0; r < rows; r++)
        round_query(a->query + (size_t)(first + r) * a->query_stride, a->head_size, &queries[r]);
    byte_scores(rows, a, first, queries);
    for (int r = 0; r < rows; r++) {
        uint8_t *high = digits + (size_t)r * 2 * padded;
        scales[r] = weights_of(a->scratch + (size_t)r * padded, a->value_scales, a->key_count, high, high + padded);
    }
    for (int column = 0; column < a->head_size; column += TILE_VECTORS * LANES)
        byte_values(rows, a, first, digits, scales, column);
}

static void attention_bytes(const struct t5_attention *a)
{
    for (int first = 0; first < a->query_count; first += TILE_ROWS)
        switch (a->query_count - first) {
        case 1:  byte_rows(1, a, first); break;
        case 2:  byte_rows(2, a, first); break;
        case 3:  byte_rows(3, a, first); break;
        case 4:  byte_rows(4, a, first); break;
        case 5:  byte_rows(5, a, first); break;
        default: byte_rows(6, a, first); break;
        }
}

/* ---- of what each row wrote ---- */

/* The scratch memory of one row, each part `length` padded to 16. */
struct past {
    float *weights, *value_scales;
    int32_t *places;             /* position * slot_count + slot */
    uint8_t *high, *low;
};
/* Rows that go side by side, so that one's sums fill the time in which another waits for its own. */
enum { PAST_ROWS = T5_HISTORY_ROWS };

INLINE struct past past_of(const struct t5_history *h, int row)
{
    size_t padded = ((size_t)h->length + 15) & ~(size_t)15;
    float *scratch = h->scratch + (size_t)row * 4 * padded;
    uint8_t *high = (uint8_t *)(scratch + 3 * padded);
    return (struct past){ scratch, scratch + padded, (int32_t *)(void *)(scratch + 2 * padded), high, high + padded };
}

/* One position's score before scales; its value is asked for meanwhile: the weights need all keys first. */
INLINE vf byte_score(int head_size, const int8_t *query, vi start, const unsigned char *key)
{
    vi sum = start;
    UNROLL
    for (int i = 0; i < head_size; i += LANES * 4)
        sum = SIMD_DOT_INT8(sum, unsigned_keys(key + i), load_bytes(query + i));
    UNROLL
    for (int i = 0; i < head_size; i += 64)
        __builtin_prefetch(key + head_size + i);
    return __builtin_convertvector(sum, vf);
}

INLINE void past_scores(int head_size, const struct t5_history *h, const struct byte_query *query, const uint8_t *slot,
                        struct past past)
{
    vi start = { query->start };
    for (int p = 0; p < h->length; p += LANES) {
        vf sums[LANES];
        int n = h->length - p < LANES ? h->length - p : LANES;
        for (int i = 0; i < n; i++) {
            int32_t place = (p + i) * h->slot_count + slot[p + i];
            past.places[p + i] = place;
            past.value_scales[p + i] = h->scales[2 * (size_t)place + 1];
            sums[i] = byte_score(head_size, query->items, start,
                                 (const unsigned char *)h->kept + (size_t)place * 2 * (size_t)head_size) *
                      spread_f(h->scales[2 * (size_t)place]);
        }
        for (int i = n; i < LANES; i++)
            sums[i] = sums[0], past.value_scales[p + i] = 0, past.places[p + i] = past.places[p];
        store(past.weights + p, SIMD_SUMS(sums) * query->scale + load(h->bias + p));
    }
}

/* Values of 4 positions at a time, turned so that a word holds one value of each. */
INLINE void past_values(int head_size, const struct t5_history *h, struct past past, int column,
                        const unsigned char *next, float scale, float *out)
{
    const size_t vector = (size_t)head_size;
    vi high[4] = { { 0 } }, low[4] = { { 0 } };
    for (int p = 0; p < h->length; p += 4) {
        vi values[4];
        UNROLL
        for (int i = 0; i < 4; i++) {
            const unsigned char *key = (const unsigned char *)h->kept + (size_t)past.places[p + i] * 2 * vector;
            values[i] = load_bytes(key + vector + column);
            if (next) {          /* the next call's: memory takes as long as a whole call's arithmetic */
                for (size_t line = 0; line < vector; line += 64)
                    __builtin_prefetch(next + (size_t)past.places[p + i] * 2 * vector + line);
                __builtin_prefetch(&h->next_scales[2 * (size_t)past.places[p + i]]);
            }
        }
        SIMD_TURN_BYTES(values);
        vi high_word = spread_word(past.high + p), low_word = spread_word(past.low + p);
        UNROLL
        for (int i = 0; i < 4; i++) {
            high[i] = SIMD_DOT_INT8(high[i], high_word, values[i]);
            low[i] = SIMD_DOT_INT8(low[i], low_word, values[i]);
        }
    }
    UNROLL
    for (int i = 0; i < 4; i++) {
        float lanes[LANES];
        store(lanes,
              (__builtin_convertvector(high[i], vf) * (float)DIGIT + __builtin_convertvector(low[i], vf)) * scale);
        for (int part = 0; part < LANES / 4; part++)
            memcpy(out + column + 16 * part + 4 * i, lanes + 4 * part, 16);
    }
}

INLINE void byte_history(int head_size, const struct t5_history *h)
{
    for (int first = 0; first < h->query_count; first += PAST_ROWS) {
        int rows = h->query_count - first < PAST_ROWS ? h->query_count - first : PAST_ROWS;
        struct past past[PAST_ROWS];
        float scales[PAST_ROWS];
        for (int r = 0; r < rows; r++) {
            struct byte_query query;
            past[r] = past_of(h, r);
            round_query(h->query + (size_t)(first + r) * h->query_stride, head_size, &query);
            past_scores(head_size, h, &query, h->slot + (size_t)(first + r) * h->slot_stride, past[r]);
        }
        for (int r = 0; r < rows; r++)
            scales[r] = weights_of(past[r].weights, past[r].value_scales, h->length, past[r].high, past[r].low);
        for (int r = 0; r < rows; r++)
            for (int column = 0; column < head_size; column += LANES * 4)
                past_values(head_size, h, past[r], column, first == 0 && column == 0 ? h->next : NULL, scales[r],
                            h->out + (size_t)(first + r) * h->out_stride);
    }
}

static void history_bytes(const struct t5_history *h)
{
    if (h->head_size == 64)      /* a constant, so that loops over it unroll */
        byte_history(64, h);
    else
        byte_history(h->head_size, h);
}

#endif
