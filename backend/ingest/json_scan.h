/* json_scan.h - the pieces of a JSON text, one after the other, without a tree (RFC 8259).
 *
 * A scanner is two pointers.  Each function takes one piece and moves on, or says false and stays
 * where the text is wrong.  Nothing is allocated; texts are slices of the input.
 * Bounds:  JSON_DEPTH_MAX levels. */
#ifndef INGEST_JSON_SCAN_H
#define INGEST_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_scan {
    const char *p, *end;
};

/* The inside of a string as it stands; `escaped` when it holds a backslash. */
struct json_slice {
    const char *text;
    size_t length;
    bool escaped;
};

/* Beyond any limit of a vital by a factor of a million, and far from where int64 overflows. */
#define JSON_SCAN_MILLI_MAX (INT64_C(1) << 40)

static inline void json_scan_space(struct json_scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\r' || *s->p == '\t'))
        s->p++;
}

/* Takes `c` where it is next behind white space. */
static inline bool json_scan_char(struct json_scan *s, char c)
{
    json_scan_space(s);
    if (s->p == s->end || *s->p != c)
        return false;
    s->p++;
    return true;
}

/* The next character behind white space, or 0 at the end. */
static inline char json_scan_peek(struct json_scan *s)
{
    json_scan_space(s);
    return s->p < s->end ? *s->p : '\0';
}

bool json_scan_word(struct json_scan *s, const char *word);      /* true, false, null */
/* Valid UTF-8, valid escapes, no \u0000, no control characters. */
bool json_scan_string(struct json_scan *s, struct json_slice *out);
/* The text itself with its NUL; false when it needs more than size-1 bytes. */
bool json_scan_unescape(const struct json_slice *slice, char *to, size_t size, size_t *out_length);
/* The number's value in thousandths, half to even, cut at +-JSON_SCAN_MILLI_MAX. */
bool json_scan_milli(struct json_scan *s, int64_t *out_milli);
bool json_scan_skip(struct json_scan *s, int depth_left);        /* any value */

#endif
