#include "t5/spiece_check.h"

#include "base/bounds.h"
#include "base/str.h"

#include <math.h>
#include <string.h>

/* ---- protocol buffers: a key, then a number, 4 or 8 bytes, or a length and bytes ---- */

struct field {
    uint32_t number, wire;       /* wire: 0 varint, 1 fixed64, 2 bytes, 5 fixed32 */
    uint64_t value;              /* varint */
    const uint8_t *bytes;        /* bytes, fixed */
    size_t size;
};

struct cursor {
    const uint8_t *at, *end;
};

static bool read_varint(struct cursor *c, uint64_t *out)
{
    *out = 0;
    for (int shift = 0; shift < 70 && c->at < c->end; shift += 7) {
        uint8_t byte = *c->at++;
        *out |= shift < 64 ? (uint64_t)(byte & 0x7f) << shift : 0;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

static bool read_field(struct cursor *c, struct field *out)
{
    uint64_t key, size;
    if (!read_varint(c, &key) || key >> 3 == 0 || key >> 3 > 0x1fffffff)
        return false;
    *out = (struct field){ .number = (uint32_t)(key >> 3), .wire = (uint32_t)(key & 7) };
    if (out->wire == 0)
        return read_varint(c, &out->value);
    size = out->wire == 1 ? 8 : 4;
    if (out->wire == 2 ? !read_varint(c, &size) : out->wire != 1 && out->wire != 5)
        return false;
    if (size > (uint64_t)(c->end - c->at))
        return false;
    out->bytes = c->at;
    out->size = (size_t)size;
    c->at += size;
    return true;
}

static struct cursor inside(const struct field *field)
{
    return (struct cursor){ field->bytes, field->bytes + field->size };
}

/* ---- the normalizer's table ---- */

static uint32_t u32_at(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* A unit with the highest bit holds a value: where its text begins.  Any other one at i leads to
 * i ^ offset ^ byte, for any byte, and, with bit 8, to a value at i ^ offset.  The first is always
 * followed.  (Darts-clone, DoubleArrayUnit and commonPrefixSearch.) */
static bool check_unit(const uint8_t *units, size_t i, size_t count, size_t text_size, struct err *err)
{
    const uint32_t unit = u32_at(units + 4 * i);
    if (unit >> 31 && i > 0)
        return (unit & 0x7fffffff) < text_size ||
               err_set(err, ERR_INPUT, "charsmap: unit %zu points behind the texts", i);
    const size_t next = i ^ ((size_t)(unit >> 10) << ((unit & (1u << 9)) >> 6));
    if ((next | 0xff) >= count)
        return err_set(err, ERR_INPUT, "charsmap: unit %zu points behind the array", i);
    if (unit & 1u << 8 && (next == 0 || !(u32_at(units + 4 * next) >> 31)))
        return err_set(err, ERR_INPUT, "charsmap: unit %zu has a value that is none", i);
    return true;
}

static bool check_units(const uint8_t *units, size_t count, size_t text_size, struct err *err)
{
    for (size_t i = 0; i < count; i++)
        if (!check_unit(units, i, count, text_size, err))
            return false;
    return true;
}

static bool check_charsmap(const struct field *map, struct err *err)
{
    if (map->size == 0)
        return true;   /* the identity */
    if (map->size < 4)
        return err_set(err, ERR_INPUT, "charsmap: %zu bytes", map->size);
    size_t array = u32_at(map->bytes), rest = map->size - 4;
    if (array > rest || array % 4 || array < 1024)
        return err_set(err, ERR_INPUT, "charsmap: its array has %zu bytes of %zu", array, rest);
    const uint8_t *texts = map->bytes + 4 + array;
    size_t text_size = rest - array;
    if (text_size == 0 || texts[text_size - 1] != 0)
        return err_set(err, ERR_INPUT, "charsmap: its texts do not end with NUL");
    return check_units(map->bytes + 4, array / 4, text_size, err);
}

static bool check_normalizer(const struct field *message, struct err *err)
{
    struct cursor c = inside(message);
    struct field field;
    while (c.at < c.end) {
        if (!read_field(&c, &field))
            return err_set(err, ERR_INPUT, "normalizer_spec: not a protocol buffer");
        if (field.number == 2 && field.wire == 2 && !check_charsmap(&field, err))
            return false;
    }
    return true;
}

/* ---- pieces and kind ---- */

static bool check_piece(const struct field *message, size_t index, struct err *err)
{
    enum { PIECE_SIZE_MAX = 1024 };   /* T5's longest has 48 bytes */
    struct cursor c = inside(message);
    struct field field, text = { 0 };
    while (c.at < c.end) {
        float score = 0;
        if (!read_field(&c, &field))
            return err_set(err, ERR_INPUT, "piece %zu: not a protocol buffer", index);
        if (field.number == 1 && field.wire == 2)
            text = field;
        if (field.number == 2 && field.wire == 5)
            memcpy(&score, field.bytes, sizeof score);
        if (!isfinite(score))
            return err_set(err, ERR_INPUT, "piece %zu: its score is not a number", index);
        if (field.number == 3 && (field.wire != 0 || field.value < 1 || field.value > 6))
            return err_set(err, ERR_INPUT, "piece %zu: its type is not known", index);
    }
    if (text.size == 0 || text.size > PIECE_SIZE_MAX || memchr(text.bytes, 0, text.size) ||
        !str_utf8_valid((const char *)text.bytes, text.size))
        return err_set(err, ERR_INPUT, "piece %zu: must be 1 to %d bytes of UTF-8", index, PIECE_SIZE_MAX);
    return true;
}

/* T5's vocabularies are unigram models (1, the default). */
static bool check_trainer(const struct field *message, struct err *err)
{
    struct cursor c = inside(message);
    struct field field;
    while (c.at < c.end) {
        if (!read_field(&c, &field))
            return err_set(err, ERR_INPUT, "trainer_spec: not a protocol buffer");
        if (field.number == 3 && (field.wire != 0 || field.value != 1))
            return err_set(err, ERR_INPUT, "trainer_spec: the model must be a unigram model");
    }
    return true;
}

bool spiece_check(const void *bytes, size_t size, struct err *err)
{
    struct cursor c = { bytes, (const uint8_t *)bytes + size };
    struct field field;
    size_t pieces = 0;
    if (size > T5_SPIECE_SIZE_MAX)
        return err_set(err, ERR_TOO_LARGE, "%zu bytes; at most %d", size, T5_SPIECE_SIZE_MAX);
    while (c.at < c.end) {
        if (!read_field(&c, &field) || (field.number <= 5 && field.wire != 2))
            return err_set(err, ERR_INPUT, "not a SentencePiece model (byte %zu)",
                           (size_t)(c.at - (const uint8_t *)bytes));
        if (field.number == 1 && !check_piece(&field, pieces++, err))
            return false;
        if (field.number == 2 && !check_trainer(&field, err))
            return false;
        if ((field.number == 3 || field.number == 5) && !check_normalizer(&field, err))
            return false;
    }
    if (pieces < 3 || pieces > T5_VOCAB_SIZE_MAX)
        return err_set(err, ERR_INPUT, "%zu pieces; must be between 3 and %d", pieces, T5_VOCAB_SIZE_MAX);
    return true;
}
