/* str.h - a growing byte buffer, and text helpers that do not depend on the locale.
 *
 * Owner:  whoever called buf_init(); buf_free() ends it.
 * Bounds: a buffer grows up to `limit` bytes; beyond it, it stops growing, drops what does not fit
 *         and sets `overflow`.  Check `overflow` once, at the end. */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    char *data;      /* always NUL-terminated once something was written */
    size_t length, capacity, limit;
    bool overflow;
};

void buf_init(struct buf *buf, size_t limit);
void buf_free(struct buf *buf);
void buf_reset(struct buf *buf);  /* keeps the memory */
void buf_add(struct buf *buf, const void *data, size_t length);
void buf_add_text(struct buf *buf, const char *text);
void buf_add_char(struct buf *buf, char c);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A JSON string with its quotes: control characters, quotes, backslash escaped; invalid UTF-8
 * becomes U+FFFD; also escapes '<' and U+2028/9 so that it can stand in a page. */
void buf_add_json_string(struct buf *buf, const char *text, size_t length);
/* A decimal with at most `decimals` places, no trailing zeros: 38.4, 112, -0.5. */
void buf_add_decimal(struct buf *buf, int64_t scaled, int decimals); /* scaled = value * 10^decimals */
void buf_add_int(struct buf *buf, int64_t value);

bool str_starts(const char *text, const char *prefix);
bool str_equal(const char *a, const char *b);           /* NULL equals NULL only */
/* Whole of `text` must be a base-10 integer within [min, max]. */
bool str_to_int(const char *text, int64_t min, int64_t max, int64_t *out);
/* Copies at most size-1 bytes, never cutting a UTF-8 character in two; returns false if cut. */
bool str_copy(char *to, size_t size, const char *from);
bool str_utf8_valid(const char *text, size_t length);

uint64_t str_hash64(const void *data, size_t length, uint64_t seed); /* FNV-1a with a final mix: tables, not security */

#endif
