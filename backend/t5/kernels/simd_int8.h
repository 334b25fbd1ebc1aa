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
};

INLINE void round_query(const float *x, int head_size, struct byte_query *out)
{
    float max = largest_magnitude(x, head_size), inverse = max > 0 ? 127.0f / max : 0.0f;
    for (int i = 0; i < head_size; i += LANES) {
        vi q = SIMD_NEAREST(load(x + i) * inverse);
        *(vb_any *)((uint8_t *)out->items + i) = __builtin_convertvector(q, vb);
    }
    out->scale = max / 127.0f;
}

INLINE vi load_bytes(const void *p) { return *(const vi_any *)p; }
INLINE vi spread_word(const void *four_bytes)
{
    int32_t word;
    memcpy(&word, four_bytes, sizeof word);
    return spread(word);
}
INLINE vi unsigned_keys(const void *p) { return load_bytes(p) ^ spread((int32_t)0x80808080); }

/* Where a query's sums with keys start: together its lanes take out again what 128 adds to each item of a key. */
INLINE vi start_of(const struct byte_query *query, int head_size)
{
    vi start = { 0 };
    for (int i = 0; i < head_size; i += LANES * 4)
        start = SIMD_DOT_INT8(start, spread((int32_t)0x80808080), load_bytes(query->items + i));
    return -start;
}

/* ---- scores to weights: rows go side by side, since a row alone would mostly wait for its own results ---- */

/* scores and digits: of row 0, the next row's `padded` and 2 * padded behind; value_stride: 0 where rows share. */
struct weighing {
    int n;
    size_t padded, value_stride;
    float *scores;
    const float *value_scales;
    uint8_t *digits;             /* of each row: high, then low */
};

/* The scores behind the last, up to whole 16s, become none. */
INLINE void hide_pads(int rows, const struct weighing *w)
{
    vi lane;
    for (int i = 0; i < LANES; i++)
        lane[i] = i;
    for (int k = w->n & ~15; k < w->n; k += LANES)
        UNROLL
        for (int r = 0; r < rows; r++) {
            float *score = w->scores + (size_t)r * w->padded + k;
            store(score, pick(lane + k < w->n, load(score), spread_f(-1e30f)));
        }
}

INLINE void largest_scores(int rows, const struct weighing *w, vf out[TILE_ROWS])
{
    UNROLL
    for (int r = 0; r < rows; r++)
        out[r] = load(w->scores + (size_t)r * w->padded);
    for (int k = LANES; k < w->n; k += LANES)
        UNROLL
        for (int r = 0; r < rows; r++)
            out[r] = larger(out[r], load(w->scores + (size_t)r * w->padded + k));
    UNROLL
    for (int r = 0; r < rows; r++)
        out[r] = spread_f(lane_max(out[r]));
}

/* largest: of each row's weights. */
INLINE void round_weights(int rows, const struct weighing *w, const float *largest)
{
    vf inverse[TILE_ROWS];
    UNROLL
    for (int r = 0; r < rows; r++)
        inverse[r] = spread_f(largest[r] > 0 ? (float)DIGITS_MAX / largest[r] : 0.0f);
    for (int k = 0; k < w->n; k += LANES)
        UNROLL
        for (int r = 0; r < rows; r++) {
            vi q = SIMD_NEAREST(load(w->scores + (size_t)r * w->padded + k) * inverse[r]);
            uint8_t *high = w->digits + (size_t)r * 2 * w->padded + k;
            *(vb_any *)high = __builtin_convertvector((q >> 7) + DIGIT_ZERO, vb);
            *(vb_any *)(high + w->padded) = __builtin_convertvector((q & (DIGIT - 1)) + DIGIT_ZERO, vb);
        }
}

/* The softmax of scores, times the values' scales, as digits; and the scales of their sums.  The softmax's own sum is
 * divided out there. */
INLINE void weights_of(int rows, const struct weighing *w, float *out_scales)
{
    vf most[TILE_ROWS], total[TILE_ROWS], heaviest[TILE_ROWS];
    float largest[TILE_ROWS];
    hide_pads(rows, w);
    largest_scores(rows, w, most);
    UNROLL
    for (int r = 0; r < rows; r++)
        total[r] = heaviest[r] = (vf){ 0 };
    for (int k = 0; k < w->n; k += LANES)
        UNROLL
        for (int r = 0; r < rows; r++) {
            float *score = w->scores + (size_t)r * w->padded + k;
            vf e = exponential_rough(load(score) - most[r]);
            vf weight = e * load(w->value_scales + (size_t)r * w->value_stride + k);
            total[r] += e;
            heaviest[r] = larger(heaviest[r], weight);
            store(score, weight);
        }
    UNROLL
    for (int r = 0; r < rows; r++) {
        largest[r] = lane_max(heaviest[r]);
        out_scales[r] = largest[r] / ((float)DIGITS_MAX * SIMD_SUM(total[r]));
    }
    round_weights(rows, w, largest);
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
    int32_t starts[TILE_ROWS];
    for (int r = 0; r < rows; r++)
        starts[r] = (int32_t)SIMD_SUM(__builtin_convertvector(start_of(&queries[r], a->head_size), vf));
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
                sums[r][v] = spread(starts[r]);
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
    weights_of(rows, &(struct weighing){ .n = a->key_count, .padded = padded, .scores = a->scratch,
                                         .value_scales = a->value_scales, .digits = digits }, scales);
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

/* Rows that go side by side, and their scratch memory: the length, padded to 16, of each row. */
enum { PAST_ROWS = T5_HISTORY_ROWS };

struct past {
    int rows;
    size_t padded;
    float *scores, *key_scales, *value_scales;
    uint8_t *digits;
    struct byte_query queries[PAST_ROWS];
    float scales[PAST_ROWS];
};

INLINE void past_start(int head_size, const struct t5_history *h, int first, struct past *past)
{
    const size_t padded = ((size_t)h->length + T5_PLACES - 1) / T5_PLACES * T5_PLACES, part = PAST_ROWS * padded;
    past->rows = h->query_count - first < PAST_ROWS ? h->query_count - first : PAST_ROWS;
    past->padded = padded;
    past->scores = h->scratch;
    past->key_scales = h->scratch + part;
    past->value_scales = h->scratch + 2 * part;
    past->digits = (uint8_t *)(h->scratch + 3 * part);
    for (int r = 0; r < past->rows; r++)
        round_query(h->query + (size_t)(first + r) * h->query_stride, head_size, &past->queries[r]);
}

/* The scores of one row without the keys' scales: what was stored as single floats is waited for when it is loaded as
 * a vector at once.  Values are asked for meanwhile: the weights need all keys first. */
INLINE void past_scores(int head_size, const struct t5_history *h, const uint32_t *place, int row, struct past *past)
{
    const size_t vector = (size_t)head_size, at = (size_t)row * past->padded;
    const struct byte_query *query = &past->queries[row];
    const unsigned char *kept = h->kept;
    const float *scales = h->scales;
    const vi start = start_of(query, head_size);
    const int length = h->length;
    float *out = past->scores + at, *key_scales = past->key_scales + at, *value_scales = past->value_scales + at;
    for (int p = 0; p < length; p += LANES) {
        vf sums[LANES];
        UNROLL
        for (int i = 0; i < LANES; i++) {
            const unsigned char *key = kept + (size_t)place[p + i] * 2 * vector;
            vi sum = start;
            for (int d = 0; d < head_size; d += LANES * 4)
                sum = SIMD_DOT_INT8(sum, unsigned_keys(key + d), load_bytes(query->items + d));
            sums[i] = __builtin_convertvector(sum, vf);
            for (size_t line = 0; line < vector; line += 64)
                __builtin_prefetch(key + vector + line);
            key_scales[p + i] = scales[2 * (size_t)place[p + i]];
            value_scales[p + i] = scales[2 * (size_t)place[p + i] + 1];
        }
        store(out + p, SIMD_SUMS(sums) * query->scale);
    }
}

INLINE void past_weights(int rows, const struct t5_history *h, struct past *past)
{
    for (int p = 0; p < h->length; p += LANES)
        UNROLL
        for (int r = 0; r < rows; r++) {
            size_t at = (size_t)r * past->padded + (size_t)p;
            store(past->scores + at, load(past->scores + at) * load(past->key_scales + at) + load(h->bias + p));
        }
    weights_of(rows, &(struct weighing){ .n = h->length, .padded = past->padded, .scores = past->scores,
                                         .value_scales = past->value_scales, .value_stride = past->padded,
                                         .digits = past->digits }, past->scales);
}

static void weigh_past(const struct t5_history *h, struct past *past)
{
    switch (past->rows) {
    case 1:  past_weights(1, h, past); break;
    case 2:  past_weights(2, h, past); break;
    case 3:  past_weights(3, h, past); break;
    default: past_weights(PAST_ROWS, h, past); break;
    }
}

/* Values of 4 positions at a time, turned so that a word holds one value of each. */
INLINE void past_values(int head_size, const struct t5_history *h, const uint32_t *place, int row,
                        const struct past *past, int column, const unsigned char *next, float *out)
{
    const size_t vector = (size_t)head_size;
    const uint8_t *digits = past->digits + (size_t)row * 2 * past->padded;
    vi high[4] = { { 0 } }, low[4] = { { 0 } };
    for (int p = 0; p < h->length; p += 4) {
        vi values[4];
        UNROLL
        for (int i = 0; i < 4; i++) {
            const size_t at = (size_t)place[p + i] * 2;
            values[i] = load_bytes((const unsigned char *)h->kept + (at + 1) * vector + column);
            if (next) {          /* the next call's: memory takes as long as a whole call's arithmetic */
                for (size_t line = 0; line < vector; line += 64)
                    __builtin_prefetch(next + at * vector + line);
                __builtin_prefetch(&h->next_scales[at]);
            }
        }
        SIMD_TURN_BYTES(values);
        vi high_word = spread_word(digits + p), low_word = spread_word(digits + past->padded + p);
        UNROLL
        for (int i = 0; i < 4; i++) {
            high[i] = SIMD_DOT_INT8(high[i], high_word, values[i]);
            low[i] = SIMD_DOT_INT8(low[i], low_word, values[i]);
        }
    }
    UNROLL
    for (int i = 0; i < 4; i++) {
        float lanes[LANES];
        store(lanes, (__builtin_convertvector(high[i], vf) * (float)DIGIT + __builtin_convertvector(low[i], vf)) *
                         past->scales[row]);
        for (int part = 0; part < LANES / 4; part++)
            memcpy(out + column + 16 * part + 4 * i, lanes + 4 * part, 16);
    }
}

INLINE void byte_history(int head_size, const struct t5_history *h)
{
    struct past past;
    for (int first = 0; first < h->query_count; first += PAST_ROWS) {
        const uint32_t *place = h->place + (size_t)first * h->place_stride;
        float *out = h->out + (size_t)first * h->out_stride;
        past_start(head_size, h, first, &past);
        for (int r = 0; r < past.rows; r++)
            past_scores(head_size, h, place + (size_t)r * h->place_stride, r, &past);
        weigh_past(h, &past);
        for (int r = 0; r < past.rows; r++)
            for (int column = 0; column < head_size; column += LANES * 4)
                past_values(head_size, h, place + (size_t)r * h->place_stride, r, &past, column,
                            first == 0 && column == 0 ? h->next : NULL, out + (size_t)r * h->out_stride);
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
