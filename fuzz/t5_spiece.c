/* Fuzz target: spiece.model (t5/spiece_check.h, and libsentencepiece behind it).
 * The first byte chooses: the input is the file; or it draws one: the pieces that a vocabulary must have,
 * a few more, a normalizer's double array with links that mostly stay inside.  What passes the walk is
 * loaded by the library in this process, and used.
 * Holds: no file that passes makes the library crash; ids it gives are ids. */
#include "base/bounds.h"
#include "drawn.h"
#include "t5/spiece.h"
#include "t5/spiece_check.h"

#include <stdlib.h>
#include <string.h>

#define SPACE "\xe2\x96\x81"            /* U+2581: what a space is in a piece */

static void use(struct spiece *spiece)
{
    static const char *const texts[] = { "Hello HR=112 a b  ab", "\xef\xac\x81 \xc2\xbd\xc3\x89 a\xff", "",
                                         "<unk></s>" };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int32_t ids[64];
        size_t count = spiece_encode(spiece, texts[i], strlen(texts[i]), ids, 64);
        count = count < 64 ? count : 64;
        for (size_t k = 0; k < count; k++)
            CHECK(ids[k] >= 0 && ids[k] < spiece_count(spiece));
        free(spiece_decode(spiece, ids, count, true));
    }
    (void)spiece_id(spiece, "</s>");
}

static void open_it(const void *bytes, size_t size)
{
    struct err err = { 0 };
    char reason[100] = "";
    if (!spiece_check(bytes, size, &err)) {
        CHECK(err.text[0]);
        return;
    }
    struct spiece *spiece = spiece_load(bytes, size, reason, sizeof reason);
    if (!spiece)
        return;
    use(spiece);
    spiece_free(spiece);
}

/* ---- drawing ---- */

static void put_varint(struct buf *out, uint64_t value)
{
    for (; value > 127; value >>= 7)
        buf_add_char(out, (char)(value | 0x80));
    buf_add_char(out, (char)value);
}

static void put_bytes(struct buf *out, unsigned number, const void *bytes, size_t size)
{
    put_varint(out, number << 3 | 2);
    put_varint(out, size);
    buf_add(out, bytes, size);
}

static void put_piece(struct buf *out, const char *text, float score, unsigned type)
{
    struct buf piece;
    buf_init(&piece, 1 << 12);
    put_bytes(&piece, 1, text, strlen(text));
    put_varint(&piece, 2 << 3 | 5);
    buf_add(&piece, &score, sizeof score);
    put_varint(&piece, 3 << 3);
    put_varint(&piece, type);
    put_bytes(out, 1, piece.data, piece.length);
    buf_free(&piece);
}

static void put_pieces(struct buf *out, struct draw *d)
{
    static const char *const texts[] = {
        SPACE, "a", "b", "ab", (SPACE "a"), "H", "R=", "1", "12", "e", "l", "lo",
        "<unk>", "</s>", "<pad>", "\xc3\x89", (SPACE SPACE), "<0x41>",
    };
    put_piece(out, "<pad>", 0, 3);
    put_piece(out, "</s>", 0, 3);
    put_piece(out, "<unk>", 0, draw(d, 16) ? 2 : 1);
    for (unsigned i = draw(d, 24); i > 0; i--)
        put_piece(out, texts[draw(d, 18)], -(float)draw(d, 200) / 7, draw(d, 8) ? 1 : draw(d, 7));
}

/* 256 or 512 units, and the texts that values point to. */
static void put_normalizer(struct buf *out, struct draw *d, unsigned number)
{
    struct buf map, spec;
    static const char texts[] = "a\0bc\0 \0" SPACE;
    uint32_t units = 256 * (1 + draw(d, 2)), size = units * 4 + (draw(d, 32) ? 0 : draw(d, 9));
    buf_init(&map, 1 << 16);
    buf_init(&spec, 1 << 16);
    buf_add(&map, &size, sizeof size);
    for (uint32_t i = 0; i < units; i++) {
        uint32_t unit = 0;
        if (i == 0 || d->at < d->end) {
            uint32_t label = draw(d, 4) ? i & 0xff : draw(d, 256),
                     offset = (i ^ (256 * draw(d, units / 256)) ^ draw(d, 256)) & 0x1ff;
            unit = draw(d, 4) ? label | (draw(d, 2) ? 256 : 0) | offset << 10 : 0x80000000u | draw(d, sizeof texts + 1);
        }
        buf_add(&map, &unit, sizeof unit);
    }
    buf_add(&map, texts, draw(d, 16) ? sizeof texts : sizeof texts - 1);
    put_bytes(&spec, 2, map.data, map.length);
    for (unsigned i = 3; i <= 5; i++) {
        put_varint(&spec, i << 3);
        put_varint(&spec, draw(d, 2));
    }
    put_bytes(out, number, spec.data, spec.length);
    buf_free(&map);
    buf_free(&spec);
}

static void draw_file(struct draw *d, struct buf *out)
{
    unsigned parts = draw(d, 8);
    put_pieces(out, d);
    if (parts & 1)
        put_normalizer(out, d, 3);
    if (parts & 2)
        put_normalizer(out, d, 5);
    if (parts & 4) {   /* trainer_spec: whatever numbers */
        struct buf spec;
        buf_init(&spec, 1 << 12);
        for (unsigned i = draw(d, 8); i > 0; i--) {
            put_varint(&spec, (1 + draw(d, 50)) << 3);
            put_varint(&spec, draw(d, 256));
        }
        put_bytes(out, 2, spec.length ? spec.data : "", spec.length);
        buf_free(&spec);
    }
}
