/* json.h - reading request documents, and writing answers.
 *
 * Reading:  jansson parses; its types stay in json.c.  A getter names the field and what it must be:
 *           "age: must be an integer between 0 and 130".  Nested objects: json_get_object(), then
 *           err_context(err, "heart_rate") in front of what its getters say.
 * Absent:   a getter leaves *out as it was when the field is absent and not JSON_REQUIRED (so set
 *           the default first); JSON_NULLABLE takes null for absent.
 * Owner:    json_parse() gives the root to the caller, json_free() ends it and everything read from
 *           it: values and texts are borrowed.
 * Bounds:   the size the caller names; JSON_DEPTH_MAX levels, looked at before the parser runs;
 *           no duplicate keys, no NUL in text, UTF-8 only, no number beyond int64 or double.
 * Threads:  a document belongs to one thread. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/err.h"
#include "base/str.h"

struct json;    /* a value of a parsed document */

enum json_kind { JSON_IS_NULL, JSON_IS_BOOL, JSON_IS_INT, JSON_IS_DECIMAL, JSON_IS_TEXT, JSON_IS_ARRAY,
                 JSON_IS_OBJECT };
enum {
    JSON_REQUIRED  = 1,
    JSON_NULLABLE  = 2,
    JSON_MULTILINE = 4,   /* text may hold tabs and line ends; other control characters never */
};

/* The root must be an object or an array.  ERR_TOO_LARGE beyond size_max, else ERR_INPUT. */
bool json_parse(const char *text, size_t length, size_t size_max, struct json **out, struct err *err) MUST_CHECK;
/* As json_parse, and the root must be an object: what nearly every request is. */
bool json_parse_object(const char *text, size_t length, size_t size_max, struct json **out, struct err *err) MUST_CHECK;
void json_free(struct json *root);   /* NULL is fine */

enum json_kind json_kind_of(const struct json *value);
bool json_has(const struct json *object, const char *key);      /* also when null */
bool json_has_null(const struct json *object, const char *key);
/* Refuses any key that is not in `known` (NULL-terminated): "colour: unknown field (known: …)". */
bool json_only(const struct json *object, const char *const *known, struct err *err) MUST_CHECK;

/* Lengths in bytes, without the NUL. */
bool json_get_text(const struct json *object, const char *key, unsigned how, size_t length_min,
                   size_t length_max, const char **out, struct err *err) MUST_CHECK;
/* One of `choices` (NULL-terminated); *out is its index. */
bool json_get_choice(const struct json *object, const char *key, unsigned how, const char *const *choices,
                     int *out, struct err *err) MUST_CHECK;
bool json_get_int(const struct json *object, const char *key, unsigned how, int64_t min, int64_t max,
                  int64_t *out, struct err *err) MUST_CHECK;
/* A number times 10^decimals, rounded: 38.4 with 3 decimals is 38400.  min, max are scaled too. */
bool json_get_scaled(const struct json *object, const char *key, unsigned how, int decimals, int64_t min,
                     int64_t max, int64_t *out, struct err *err) MUST_CHECK;
bool json_get_double(const struct json *object, const char *key, unsigned how, double min, double max,
                     double *out, struct err *err) MUST_CHECK;
bool json_get_bool(const struct json *object, const char *key, unsigned how, bool *out, struct err *err) MUST_CHECK;
bool json_get_time(const struct json *object, const char *key, unsigned how, int64_t *out_us,
                   struct err *err) MUST_CHECK;
bool json_get_object(const struct json *object, const char *key, unsigned how, const struct json **out,
                     struct err *err) MUST_CHECK;
bool json_get_array(const struct json *object, const char *key, unsigned how, size_t count_max,
                    const struct json **out, struct err *err) MUST_CHECK;

const struct json *json_member(const struct json *object, const char *key);   /* NULL: absent */
size_t json_count(const struct json *array_or_object);
const struct json *json_item(const struct json *array, size_t i);   /* NULL beyond the end */
const char *json_text_of(const struct json *value);                 /* NULL when it is not a text */
bool json_int_of(const struct json *value, int64_t *out);           /* false when it is not an integer */
/* Walks an object: `void *at = NULL; while (json_each(object, &at, &key, &value)) …` */
bool json_each(const struct json *object, void **at, const char **key, const struct json **value);

/* The value as compact JSON; decimals to 15 digits. */
void json_print(const struct json *value, struct buf *out);

/* ---- writing: commas and quotes are seen to.  `key` is NULL in an array and for the root. ----
 *
 *     struct json_writer w = json_write(out);
 *     json_put_object(&w, NULL);
 *     json_put_text(&w, "status", "ok");
 *     json_put_end(&w);
 *
 * Threads: the buffer's.  Depth: 32 (CHECK).  A key is the program's own, but is escaped as well. */
struct json_writer {
    struct buf *out;
    unsigned depth;
    uint32_t is_array, has_item;    /* a bit per level */
};

struct json_writer json_write(struct buf *out);
void json_put_object(struct json_writer *writer, const char *key);
void json_put_array(struct json_writer *writer, const char *key);
void json_put_end(struct json_writer *writer);                      /* closes the innermost */
void json_put_text(struct json_writer *writer, const char *key, const char *text);  /* NULL: null */
void json_put_text_n(struct json_writer *writer, const char *key, const char *text, size_t length);
void json_put_int(struct json_writer *writer, const char *key, int64_t value);
void json_put_decimal(struct json_writer *writer, const char *key, int64_t scaled, int decimals);
void json_put_bool(struct json_writer *writer, const char *key, bool value);
void json_put_null(struct json_writer *writer, const char *key);
void json_put_time(struct json_writer *writer, const char *key, int64_t time_us);   /* RFC 3339 */
void json_put_time_if(struct json_writer *writer, const char *key, int64_t time_us); /* 0, never: null */
void json_put_raw(struct json_writer *writer, const char *key, const char *json);   /* already JSON */

#endif
