#include "base/json.h"

#include "base/bounds.h"
#include "base/clock.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

/* struct json is jansson's json_t under another name, so that its header stays here. */
static const json_t *in(const struct json *value)
{
    return (const json_t *)value;
}

static const struct json *out_of(const json_t *value)
{
    return (const struct json *)value;
}

/* ---- parsing ---- */

/* jansson recurses to 2048 levels and cannot be told otherwise; so the depth is counted first. */
static bool depth_fits(const char *text, size_t length)
{
    int depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (quoted) {
            if (c == '\\')
                i++;
            else if (c == '"')
                quoted = false;
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            if (++depth > JSON_DEPTH_MAX)
                return false;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return true;
}

bool json_parse(const char *text, size_t length, size_t size_max, struct json **out, struct err *err)
{
    if (length > size_max)
        return err_set(err, ERR_TOO_LARGE, "the document has %zu bytes, at most %zu are taken", length, size_max);
    if (length == 0)
        return err_set(err, ERR_INPUT, "a JSON document is missing");
    if (!depth_fits(text, length))
        return err_set(err, ERR_INPUT, "JSON is nested deeper than %d levels", JSON_DEPTH_MAX);
    json_error_t why;
    json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &why);
    if (!root) {
        /* "… near 'TEXT'" would carry a piece of the body, perhaps a password, into a log. */
        char *near = strstr(why.text, " near ");
        if (near)
            *near = '\0';
        return err_set(err, ERR_INPUT, "not JSON: line %d column %d: %s", why.line, why.column, why.text);
    }
    *out = (struct json *)root;
    return true;
}

bool json_parse_object(const char *text, size_t length, size_t size_max, struct json **out, struct err *err)
{
    struct json *root;
    if (!json_parse(text, length, size_max, &root, err))
        return false;
    if (json_kind_of(root) != JSON_IS_OBJECT) {
        json_free(root);
        return err_set(err, ERR_INPUT, "a JSON object is expected");
    }
    *out = root;
    return true;
}

void json_free(struct json *root)
{
    json_decref((json_t *)root);
}

enum json_kind json_kind_of(const struct json *value)
{
    switch (json_typeof(in(value))) {
    case JSON_OBJECT:  return JSON_IS_OBJECT;
    case JSON_ARRAY:   return JSON_IS_ARRAY;
    case JSON_STRING:  return JSON_IS_TEXT;
    case JSON_INTEGER: return JSON_IS_INT;
    case JSON_REAL:    return JSON_IS_DECIMAL;
    case JSON_TRUE:
    case JSON_FALSE:   return JSON_IS_BOOL;
    case JSON_NULL:    break;
    }
    return JSON_IS_NULL;
}

bool json_has(const struct json *object, const char *key)
{
    return json_object_get(in(object), key) != NULL;
}

bool json_has_null(const struct json *object, const char *key)
{
    return json_is_null(json_object_get(in(object), key));
}

static bool listed(const char *const *list, const char *text)
{
    for (; *list; list++)
        if (strcmp(*list, text) == 0)
            return true;
    return false;
}

/* "a, b, c", cut to what an error message holds. */
static void join(const char *const *list, char *to, size_t size)
{
    to[0] = '\0';
    for (size_t used = 0; *list && used < size; list++) {
        int n = snprintf(to + used, size - used, "%s%s", used ? ", " : "", *list);
        used += (size_t)n;
    }
}

/* A key of the document in an error: no control characters, not longer than is useful. */
static void show_key(const char *key, char shown[64])
{
    (void)str_copy(shown, 64, key);
    for (char *p = shown; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
}

bool json_only(const struct json *object, const char *const *known, struct err *err)
{
    const char *key;
    const struct json *value;
    for (void *at = NULL; json_each(object, &at, &key, &value);) {
        if (listed(known, key))
            continue;
        char names[300], shown[64];
        join(known, names, sizeof names);
        show_key(key, shown);
        return err_set(err, ERR_INPUT, "%s: unknown field (known: %s)", shown, names);
    }
    return true;
}

/* ---- getters ---- */

/* true: `*value` is there to be read.  false with err->kind == ERR_NONE: absent, and that is fine. */
static bool look_up(const struct json *object, const char *key, unsigned how, const json_t **value, bool *ok,
                    struct err *err)
{
    *value = json_object_get(in(object), key);
    *ok = true;
    if (*value && !(json_is_null(*value) && how & JSON_NULLABLE))
        return true;
    if (how & JSON_REQUIRED)
        *ok = err_set(err, ERR_INPUT, "%s: is missing", key);
    return false;
}

static bool text_is_clean(const char *text, unsigned how)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        bool line = c == '\n' || c == '\r' || c == '\t';
        if ((c < 0x20 && !(line && how & JSON_MULTILINE)) || c == 0x7f)
            return false;
    }
    return true;
}

bool json_get_text(const struct json *object, const char *key, unsigned how, size_t length_min,
                   size_t length_max, const char **out, struct err *err)
{
    const json_t *value;
    bool ok;
    if (!look_up(object, key, how, &value, &ok, err))
        return ok;
    if (!json_is_string(value))
        return err_set(err, ERR_INPUT, "%s: must be a text", key);
    size_t length = json_string_length(value);
    if (length < length_min || length > length_max)
        return err_set(err, ERR_INPUT, "%s: must have %zu to %zu bytes", key, length_min, length_max);
    if (!text_is_clean(json_string_value(value), how))
        return err_set(err, ERR_INPUT, "%s: must not hold control characters", key);
    *out = json_string_value(value);
    return true;
}

bool json_get_choice(const struct json *object, const char *key, unsigned how, const char *const *choices,
                     int *out, struct err *err)
{
    const json_t *value;
    bool ok;
    if (!look_up(object, key, how, &value, &ok, err))
        return ok;
    for (int i = 0; json_is_string(value) && choices[i]; i++) {
        if (strcmp(choices[i], json_string_value(value)) == 0) {
            *out = i;
            return true;
        }
    }
    char names[300];
    join(choices, names, sizeof names);
    return err_set(err, ERR_INPUT, "%s: must be one of %s", key, names);
}

bool json_get_int(const struct json *object, const char *key, unsigned how, int64_t min, int64_t max,
                  int64_t *out, struct err *err)
{
    const json_t *value;
    bool ok;
    if (!look_up(object, key, how, &value, &ok, err))
        return ok;
    json_int_t n = json_integer_value(value);
    if (!json_is_integer(value) || n < min || n > max)
        return err_set(err, ERR_INPUT, "%s: must be an integer between %" PRId64 " and %" PRId64, key, min, max);
    *out = n;
    return true;
}

bool json_get_scaled(const struct json *object, const char *key, unsigned how, int decimals, int64_t min,
                     int64_t max, int64_t *out, struct err *err)
{
    CHECK(decimals >= 0 && decimals <= 6);
    static const double powers[] = { 1, 10, 100, 1e3, 1e4, 1e5, 1e6 };
    const json_t *value;
    bool ok;
    if (!look_up(object, key, how, &value, &ok, err))
        return ok;
    double scaled = json_number_value(value) * powers[decimals];
    if (!json_is_number(value) || !(scaled >= (double)min - 0.5 && scaled <= (double)max + 0.5))
        return err_set(err, ERR_INPUT, "%s: must be a number between %.10g and %.10g", key,
                       (double)min / powers[decimals], (double)max / powers[decimals]);
    int64_t rounded = llround(scaled);
    *out = rounded < min ? min : rounded > max ? max : rounded;
    return true;
}

bool json_get_double(const struct json *object, const char *key, unsigned how, double min, double max,
                     double *out, struct err *err)
{
    const json_t *value;
    bool ok;
    if (!look_up(object, key, how, &value, &ok, err))
        return ok;
    double number = json_number_value(value);
    if (!json_is_number(value) || !(number >= min && number <= max))
        return err_set(err, ERR_INPUT, "%s: must be a number between %g and %g", key, min, max);
    *out = number;
    return true;
}

bool json_get_bool(const struct json *object, const char *key, unsigned how, bool *out, struct err *err)
{
    const json_t *value;
    bool ok;
    if (!look_up(object, key, how, &value, &ok, err))
        return ok;
    if (!json_is_boolean(value))
        return err_set(err, ERR_INPUT, "%s: must be true or false", key);
    *out = json_is_true(value);
    return true;
}

bool json_get_time(const struct json *object, const char *key, unsigned how, int64_t *out_us, struct err *err)
{
    const json_t *value;
    bool ok;
    if (!look_up(object, key, how, &value, &ok, err))
        return ok;
    if (!json_is_string(value))
        return err_set(err, ERR_INPUT, "%s: must be a time such as 2026-11-23T13:20:00.000Z", key);
    if (!time_parse(json_string_value(value), json_string_length(value), out_us, err))
        return err_context(err, "%s", key);
    return true;
}

bool json_get_object(const struct json *object, const char *key, unsigned how, const struct json **out,
                     struct err *err)
{
    const json_t *value;
    bool ok;
    if (!look_up(object, key, how, &value, &ok, err))
        return ok;
    if (!json_is_object(value))
        return err_set(err, ERR_INPUT, "%s: must be an object", key);
    *out = out_of(value);
    return true;
}

bool json_get_array(const struct json *object, const char *key, unsigned how, size_t count_max,
                    const struct json **out, struct err *err)
{
    const json_t *value;
    bool ok;
    if (!look_up(object, key, how, &value, &ok, err))
        return ok;
    if (!json_is_array(value) || json_array_size(value) > count_max)
        return err_set(err, ERR_INPUT, "%s: must be an array of at most %zu", key, count_max);
    *out = out_of(value);
    return true;
}

size_t json_count(const struct json *array_or_object)
{
    const json_t *value = in(array_or_object);
    return json_is_array(value) ? json_array_size(value) : json_object_size(value);
}

const struct json *json_member(const struct json *object, const char *key)
{
    return out_of(json_object_get(in(object), key));
}

static int print_piece(const char *piece, size_t length, void *context)
{
    buf_add(context, piece, length);
    return 0;
}

void json_print(const struct json *value, struct buf *out)
{
    (void)json_dump_callback(in(value), print_piece, out, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
}

const struct json *json_item(const struct json *array, size_t i)
{
    return out_of(json_array_get(in(array), i));
}

const char *json_text_of(const struct json *value)
{
    return json_string_value(in(value));
}

bool json_int_of(const struct json *value, int64_t *out)
{
    if (!json_is_integer(in(value)))
        return false;
    *out = json_integer_value(in(value));
    return true;
}

bool json_each(const struct json *object, void **at, const char **key, const struct json **value)
{
    /* jansson asks for a json_t that may be written, but only reads it here. */
    json_t *of = (json_t *)(uintptr_t)object;
    *at = *at ? json_object_iter_next(of, *at) : json_object_iter(of);
    if (!*at)
        return false;
    *key = json_object_iter_key(*at);
    *value = out_of(json_object_iter_value(*at));
    return true;
}

/* ---- writing ---- */

struct json_writer json_write(struct buf *out)
{
    return (struct json_writer){ .out = out };
}

static void lead_in(struct json_writer *writer, const char *key)
{
    if (writer->depth > 0) {
        uint32_t bit = 1u << (writer->depth - 1);
        CHECK(!(writer->is_array & bit) == (key != NULL));
        if (writer->has_item & bit)
            buf_add_char(writer->out, ',');
        writer->has_item |= bit;
    } else {
        CHECK(key == NULL);
    }
    if (key) {
        buf_add_json_string(writer->out, key, strlen(key));
        buf_add_char(writer->out, ':');
    }
}

static void open_level(struct json_writer *writer, const char *key, bool array)
{
    lead_in(writer, key);
    CHECK(writer->depth < 32);
    uint32_t bit = 1u << writer->depth++;
    writer->is_array = array ? writer->is_array | bit : writer->is_array & ~bit;
    writer->has_item &= ~bit;
    buf_add_char(writer->out, array ? '[' : '{');
}

void json_put_object(struct json_writer *writer, const char *key)
{
    open_level(writer, key, false);
}

void json_put_array(struct json_writer *writer, const char *key)
{
    open_level(writer, key, true);
}

void json_put_end(struct json_writer *writer)
{
    CHECK(writer->depth > 0);
    uint32_t bit = 1u << --writer->depth;
    buf_add_char(writer->out, writer->is_array & bit ? ']' : '}');
}

void json_put_text_n(struct json_writer *writer, const char *key, const char *text, size_t length)
{
    lead_in(writer, key);
    buf_add_json_string(writer->out, text, length);
}

void json_put_text(struct json_writer *writer, const char *key, const char *text)
{
    if (text)
        json_put_text_n(writer, key, text, strlen(text));
    else
        json_put_null(writer, key);
}

void json_put_int(struct json_writer *writer, const char *key, int64_t value)
{
    lead_in(writer, key);
    buf_add_int(writer->out, value);
}

void json_put_decimal(struct json_writer *writer, const char *key, int64_t scaled, int decimals)
{
    lead_in(writer, key);
    buf_add_decimal(writer->out, scaled, decimals);
}

void json_put_bool(struct json_writer *writer, const char *key, bool value)
{
    json_put_raw(writer, key, value ? "true" : "false");
}

void json_put_null(struct json_writer *writer, const char *key)
{
    json_put_raw(writer, key, "null");
}

void json_put_time(struct json_writer *writer, const char *key, int64_t time_us)
{
    char text[TIME_TEXT_SIZE];
    json_put_text(writer, key, time_format(time_us, text));
}

void json_put_time_if(struct json_writer *writer, const char *key, int64_t time_us)
{
    if (time_us)
        json_put_time(writer, key, time_us);
    else
        json_put_null(writer, key);
}

void json_put_raw(struct json_writer *writer, const char *key, const char *json)
{
    lead_in(writer, key);
    buf_add_text(writer->out, json);
}
