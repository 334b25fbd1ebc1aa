#include "base/str.h"

#include "base/mem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *buf, size_t limit)
{
    *buf = (struct buf){ .limit = limit };
}

void buf_free(struct buf *buf)
{
    mem_free(buf->data);
    buf->data = NULL;
    buf->length = buf->capacity = 0;
}

void buf_reset(struct buf *buf)
{
    buf->length = 0;
    buf->overflow = false;
    if (buf->data)
        buf->data[0] = '\0';
}

/* Room for `more` bytes and the NUL. */
static bool reserve(struct buf *buf, size_t more)
{
    if (buf->overflow || more > buf->limit - buf->length) {
        buf->overflow = true;
        return false;
    }
    size_t need = buf->length + more + 1;
    if (need <= buf->capacity)
        return true;
    size_t capacity = buf->capacity ? buf->capacity : 256;
    while (capacity < need)
        capacity *= 2;
    char *data = mem_try_resize(buf->data, capacity, 1);
    if (!data) {
        buf->overflow = true;
        return false;
    }
    buf->data = data;
    buf->capacity = capacity;
    return true;
}

void buf_add(struct buf *buf, const void *data, size_t length)
{
    if (!reserve(buf, length))
        return;
    if (length)
        memcpy(buf->data + buf->length, data, length);
    buf->length += length;
    buf->data[buf->length] = '\0';
}

void buf_add_text(struct buf *buf, const char *text)
{
    buf_add(buf, text, strlen(text));
}

void buf_add_char(struct buf *buf, char c)
{
    buf_add(buf, &c, 1);
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n >= 0 && reserve(buf, (size_t)n)) {
        (void)vsnprintf(buf->data + buf->length, (size_t)n + 1, format, again);
        buf->length += (size_t)n;
    }
    va_end(again);
}

/* Length of the valid UTF-8 sequence at `p`, 0 if it is not one (RFC 3629, table 3-7 of Unicode). */
static size_t utf8_length(const unsigned char *p, size_t left)
{
    if (p[0] < 0x80)
        return 1;
    size_t n = p[0] >= 0xc2 && p[0] <= 0xdf ? 2
             : p[0] >= 0xe0 && p[0] <= 0xef ? 3
             : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4 : 0;
    if (!n || n > left)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

bool str_utf8_valid(const char *text, size_t length)
{
    const unsigned char *p = (const unsigned char *)text;
    for (size_t i = 0, n; i < length; i += n)
        if (!(n = utf8_length(p + i, length - i)))
            return false;
    return true;
}

static void add_json_char(struct buf *buf, const unsigned char *p, size_t n)
{
    static const char short_escapes[128] = {
        ['"'] = '"', ['\\'] = '\\', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't', ['\b'] = 'b', ['\f'] = 'f',
    };
    if (n == 0)
        buf_add_text(buf, "\xef\xbf\xbd");
    else if (n == 1 && short_escapes[*p])
        buf_add(buf, (char[]){ '\\', short_escapes[*p] }, 2);
    else if (n == 1 && (*p < 0x20 || *p == '<' || *p == 0x7f))
        buf_printf(buf, "\\u%04x", *p);
    else if (n == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9))
        buf_printf(buf, "\\u20%02x", p[2] - 0x80);
    else
        buf_add(buf, p, n);
}

void buf_add_json_string(struct buf *buf, const char *text, size_t length)
{
    const unsigned char *p = (const unsigned char *)text;
    buf_add_char(buf, '"');
    for (size_t i = 0; i < length;) {
        size_t plain = i;
        while (plain < length && p[plain] >= 0x20 && p[plain] < 0x7f && p[plain] != '"' &&
               p[plain] != '\\' && p[plain] != '<')
            plain++;
        buf_add(buf, p + i, plain - i);
        if ((i = plain) == length)
            break;
        size_t n = utf8_length(p + i, length - i);
        add_json_char(buf, p + i, n);
        i += n ? n : 1;
    }
    buf_add_char(buf, '"');
}

void buf_add_int(struct buf *buf, int64_t value)
{
    char digits[24];
    size_t at = sizeof digits;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do
        digits[--at] = (char)('0' + rest % 10);
    while (rest /= 10);
    if (value < 0)
        digits[--at] = '-';
    buf_add(buf, digits + at, sizeof digits - at);
}

void buf_add_decimal(struct buf *buf, int64_t scaled, int decimals)
{
    while (decimals > 0 && scaled % 10 == 0) {
        scaled /= 10;
        decimals--;
    }
    int64_t unit = 1;
    for (int i = 0; i < decimals; i++)
        unit *= 10;
    if (scaled < 0 && scaled > -unit)
        buf_add_char(buf, '-');
    buf_add_int(buf, scaled / unit);
    if (decimals > 0)
        buf_printf(buf, ".%0*lld", decimals, (long long)(scaled < 0 ? -(scaled % unit) : scaled % unit));
}

bool str_starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool str_equal(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

bool str_to_int(const char *text, int64_t min, int64_t max, int64_t *out)
{
    if (!text || !*text || *text == ' ' || *text == '+')
        return false;
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || *end || value < min || value > max)
        return false;
    *out = value;
    return true;
}

bool str_copy(char *to, size_t size, const char *from)
{
    size_t length = strlen(from);
    bool whole = length < size;
    if (!whole) {
        length = size - 1;
        while (length > 0 && ((unsigned char)from[length] & 0xc0) == 0x80)
            length--;
    }
    memcpy(to, from, length);
    to[length] = '\0';
    return whole;
}

uint64_t str_hash64(const void *data, size_t length, uint64_t seed)
{
    const unsigned char *p = data;
    uint64_t hash = 14695981039346656037ull ^ seed;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ p[i]) * 1099511628211ull;
    /* MurmurHash3's finalizer spreads the last bytes into the low bits that tables use. */
    hash ^= hash >> 33;
    hash *= 0xff51afd7ed558ccdull;
    return hash ^ hash >> 33;
}
