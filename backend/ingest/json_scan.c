#include "ingest/json_scan.h"

#include "base/str.h"

#include <string.h>

bool json_scan_word(struct json_scan *s, const char *word)
{
    size_t length = strlen(word);
    if ((size_t)(s->end - s->p) < length || memcmp(s->p, word, length) != 0)
        return false;
    s->p += length;
    return true;
}

/* ---- strings ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four hex digits at p, or -1. */
static int hex4(const char *p, const char *end)
{
    int value = 0;
    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(p[i]);
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* The code point of the escape at p (behind the backslash), and how many bytes it took; -1: none.
 * Surrogates must come in pairs; NUL is refused, as C strings follow. */
static int32_t escape_code(const char *p, const char *end, size_t *out_used)
{
    static const char names[] = "\"\\/bfnrt", codes[] = "\"\\/\b\f\n\r\t";
    if (p == end)
        return -1;
    *out_used = 1;
    if (*p != 'u') {
        const char *name = *p ? strchr(names, *p) : NULL;
        return name ? codes[name - names] : -1;
    }
    int code = hex4(p + 1, end);
    *out_used = 5;
    if (code <= 0 || (code >= 0xdc00 && code <= 0xdfff))
        return -1;
    if (code < 0xd800 || code > 0xdfff)
        return code;
    int low = end - p >= 11 && p[5] == '\\' && p[6] == 'u' ? hex4(p + 7, end) : -1;
    *out_used = 11;
    return low < 0xdc00 || low > 0xdfff ? -1 : 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
}

/* Where in the eight bytes at p the first one stands that is a quote, a backslash, a control character
 * or not ASCII; 8: none does.  The tests are haszero() and hasless() of "Bit Twiddling Hacks" (S. E.
 * Anderson); a borrow can set bits above the first true one only, and the first is what we take. */
static inline int first_special(const char *p)
{
    uint64_t w;
    memcpy(&w, p, sizeof w);
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones * 0x80;
    uint64_t quote = w ^ (ones * '"'), slash = w ^ (ones * '\\');
    uint64_t found = ((quote - ones) & ~quote) | ((slash - ones) & ~slash) | ((w - ones * 0x20) & ~w) | w;
    found &= tops;
    return found ? __builtin_ctzll(found) / 8 : 8;   /* little endian, as every target of ours */
}

static const char *plain_end(const char *p, const char *end)
{
    while (end - p >= 8) {
        int n = first_special(p);
        p += n;
        if (n < 8)
            return p;
    }
    while (p < end && (unsigned char)*p >= 0x20 && (unsigned char)*p < 0x80 && *p != '"' && *p != '\\')
        p++;
    return p;
}

bool json_scan_string(struct json_scan *s, struct json_slice *out)
{
    if (s->p == s->end || *s->p != '"')
        return false;
    const char *p = ++s->p;
    bool ascii = true;
    *out = (struct json_slice){ .text = p };
    while ((p = plain_end(p, s->end)) < s->end && *p != '"') {
        size_t used = 0;
        if ((unsigned char)*p >= 0x80) {
            ascii = false;
        } else {
            if (*p != '\\' || escape_code(p + 1, s->end, &used) < 0)
                return false;
            out->escaped = true;
        }
        p += 1 + used;
    }
    if (p == s->end)
        return false;
    out->length = (size_t)(p - out->text);
    s->p = p + 1;
    return ascii || str_utf8_valid(out->text, out->length);
}

static size_t put_utf8(char *to, uint32_t code)
{
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, code >>= 6)
        to[i] = (char)(0x80 | (code & 0x3f));
    static const uint8_t lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    to[0] = (char)(lead[n] | code);
    return n;
}

bool json_scan_unescape(const struct json_slice *slice, char *to, size_t size, size_t *out_length)
{
    const char *p = slice->text, *end = p + slice->length;
    size_t length = 0;
    if (!slice->escaped) {
        if (slice->length >= size)
            return false;
        memcpy(to, p, slice->length);
        length = slice->length;
        p = end;
    }
    while (p < end) {
        char utf8[4] = { *p };
        size_t used = 0, n = 1;
        if (*p == '\\')
            n = put_utf8(utf8, (uint32_t)escape_code(p + 1, end, &used));
        if (length + n >= size)
            return false;
        memcpy(to + length, utf8, n);
        length += n;
        p += 1 + used;
    }
    to[length] = '\0';
    *out_length = length;
    return true;
}

/* ---- numbers ---- */

/* 18 digits fit in 64 bits.  Digits behind them matter only as "there is more": a value with so many
 * digits is either far above JSON_SCAN_MILLI_MAX or they stand far below the third decimal. */
struct decimal {
    uint64_t digits;
    int64_t exponent;    /* value = digits * 10^exponent */
    bool more;           /* something not zero was cut */
};

#define DECIMAL_DIGITS_MAX UINT64_C(100000000000000000)

static inline bool is_digit(const struct json_scan *s)
{
    return s->p < s->end && *s->p >= '0' && *s->p <= '9';
}

static void take_digits(struct json_scan *s, struct decimal *d, bool fraction)
{
    for (; is_digit(s); s->p++) {
        int digit = *s->p - '0';
        if (d->digits < DECIMAL_DIGITS_MAX) {
            d->digits = d->digits * 10 + (uint64_t)digit;
            d->exponent -= fraction;
        } else {
            d->more |= digit != 0;
            d->exponent += !fraction;
        }
    }
}

static bool take_exponent(struct json_scan *s, struct decimal *d)
{
    if (s->p == s->end || (*s->p != 'e' && *s->p != 'E'))
        return true;
    s->p++;
    bool negative = s->p < s->end && *s->p == '-';
    if (s->p < s->end && (*s->p == '-' || *s->p == '+'))
        s->p++;
    if (!is_digit(s))
        return false;
    int64_t exponent = 0;
    for (; is_digit(s); s->p++)
        exponent = exponent > INT32_MAX ? exponent : exponent * 10 + (*s->p - '0');
    d->exponent += negative ? -exponent : exponent;
    return true;
}

static int64_t decimal_milli(const struct decimal *d)
{
    uint64_t value = d->digits, last = 0;
    int64_t shift = d->exponent + 3;
    bool more = d->more;
    if (value == 0)
        return 0;
    for (; shift > 0 && value <= JSON_SCAN_MILLI_MAX; shift--)
        value *= 10;
    for (; shift < 0 && (value || last); shift++) {
        more |= last != 0;
        last = value % 10;
        value /= 10;
    }
    value += last > 5 || (last == 5 && (more || value % 2));
    return value > JSON_SCAN_MILLI_MAX ? JSON_SCAN_MILLI_MAX : (int64_t)value;
}

bool json_scan_milli(struct json_scan *s, int64_t *out_milli)
{
    struct decimal d = { 0 };
    bool negative = s->p < s->end && *s->p == '-';
    s->p += negative;
    if (!is_digit(s))
        return false;
    if (*s->p == '0')
        s->p++;
    else
        take_digits(s, &d, false);
    if (s->p < s->end && *s->p == '.') {
        s->p++;
        if (!is_digit(s))
            return false;
        take_digits(s, &d, true);
    }
    if (!take_exponent(s, &d))
        return false;
    *out_milli = negative ? -decimal_milli(&d) : decimal_milli(&d);
    return true;
}

/* ---- any value ---- */

static bool skip_object(struct json_scan *s, int depth_left)
{
    struct json_slice key;
    s->p++;
    if (json_scan_char(s, '}'))
        return true;
    do {
        json_scan_space(s);
        if (!json_scan_string(s, &key) || !json_scan_char(s, ':') || !json_scan_skip(s, depth_left))
            return false;
    } while (json_scan_char(s, ','));
    return json_scan_char(s, '}');
}

static bool skip_array(struct json_scan *s, int depth_left)
{
    s->p++;
    if (json_scan_char(s, ']'))
        return true;
    do {
        if (!json_scan_skip(s, depth_left))
            return false;
    } while (json_scan_char(s, ','));
    return json_scan_char(s, ']');
}

bool json_scan_skip(struct json_scan *s, int depth_left)
{
    struct json_slice text;
    int64_t milli;
    switch (json_scan_peek(s)) {
    case '"':
        return json_scan_string(s, &text);
    case '{':
        return depth_left > 0 && skip_object(s, depth_left - 1);
    case '[':
        return depth_left > 0 && skip_array(s, depth_left - 1);
    case 't':
        return json_scan_word(s, "true");
    case 'f':
        return json_scan_word(s, "false");
    case 'n':
        return json_scan_word(s, "null");
    default:
        return json_scan_milli(s, &milli);
    }
}
