/* Fuzz target: request documents (base/json.h).
 * Holds: depth and size are bounded, no error holds a piece of the input, every getter keeps its range. */
#include "base/bounds.h"
#include "base/json.h"

#include <string.h>

static int depth_of(const struct json *value)
{
    int deepest = 0;
    const char *key;
    const struct json *inner;
    if (json_kind_of(value) == JSON_IS_ARRAY)
        for (size_t i = 0; i < json_count(value); i++) {
            int depth = depth_of(json_item(value, i));
            deepest = depth > deepest ? depth : deepest;
        }
    else if (json_kind_of(value) == JSON_IS_OBJECT)
        for (void *at = NULL; json_each(value, &at, &key, &inner);) {
            int depth = depth_of(inner);
            deepest = depth > deepest ? depth : deepest;
        }
    else
        return 0;
    return deepest + 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json *root;
    struct err err = { 0 };
    const char *text = "";
    int64_t number = 5;
    if (!json_parse((const char *)data, size, 4096, &root, &err))
        return 0;
    CHECK(size <= 4096 && depth_of(root) <= JSON_DEPTH_MAX);
    if (json_kind_of(root) == JSON_IS_OBJECT) {
        CHECK(!json_get_int(root, "a", 0, 1, 9, &number, &err) || (number >= 1 && number <= 9));
        number = 5000;
        CHECK(!json_get_scaled(root, "a", JSON_NULLABLE, 3, 1000, 9000, &number, &err) ||
              (number >= 1000 && number <= 9000));
        CHECK(!json_get_text(root, "a", 0, 0, 8, &text, &err) || strlen(text) <= 8);
        CHECK(!json_get_time(root, "a", 0, &number, &err) || number >= 0);
    }
    json_free(root);
    return 0;
}
