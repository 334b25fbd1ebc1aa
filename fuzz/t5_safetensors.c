/* Fuzz target: safetensors files (t5/safetensors.h).
 * The first byte chooses: the input is the file itself; or it draws one: tensors whose ranges fit, some of
 * them bent a little (offsets, shapes, types, names), so that what is behind the syntax is reached too.
 * Holds: an accepted file's tensors cover its data exactly, have the size of their shape, are found by
 * name, and can be read from the first byte to the last. */
#include "base/bounds.h"
#include "base/json.h"
#include "drawn.h"
#include "t5/safetensors.h"

static void check_tensor(const struct safetensors *file, const struct tensor *tensor)
{
    size_t count = 1;
    for (int i = 0; i < tensor->rank; i++)
        count *= tensor->shape[i];
    CHECK(tensor->rank <= TENSOR_RANK_MAX && count == tensor->count);
    CHECK(safetensors_find(file, tensor->name) == tensor);
    const uint8_t *bytes = tensor->data;
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < count * tensor_type_size(tensor->type); i++)
        sum = (uint8_t)(sum + bytes[i]);
    float value;
    if (count > 0 && tensor->type <= TENSOR_F64)
        tensor_read_f32(tensor, count - 1, 1, &value);
    char text[96];
    tensor_shape_text(tensor, text);
}

static void open_it(const void *bytes, size_t size)
{
    struct safetensors *file;
    struct err err = { 0 };
    if (!safetensors_open_memory(bytes, size, &file, &err)) {
        CHECK(err.text[0]);
        return;
    }
    size_t total = 0;
    for (size_t i = 0; i < safetensors_count(file); i++) {
        const struct tensor *tensor = safetensors_at(file, i);
        const uint8_t *data = tensor->data, *from = bytes;
        CHECK(data >= from && data <= from + size);
        check_tensor(file, tensor);
        total += tensor->count * tensor_type_size(tensor->type);
    }
    CHECK(total <= size);
    (void)safetensors_metadata(file, "format");
    safetensors_close(file);
}

static const char *const odd_numbers[] = {
    "-1", "9223372036854775807", "18446744073709551615", "4294967296", "1e3", "\"2\"", "null", "4611686018427387904",
    "[1]",
};

static void put_number(struct buf *out, struct draw *d, uint64_t right)
{
    unsigned how = draw(d, 24);
    if (how < sizeof odd_numbers / sizeof *odd_numbers)
        buf_add_text(out, draw(d, 4) ? odd_numbers[how] : "0");
    else if (how == 9)
        buf_printf(out, "%llu", (unsigned long long)(right + draw(d, 5) - 2));
    else
        buf_printf(out, "%llu", (unsigned long long)right);
}

/* One entry that begins at `at`; returns where it ends. */
static uint64_t put_entry(struct buf *out, struct draw *d, unsigned index, uint64_t at)
{
    enum tensor_type type = (enum tensor_type)draw(d, TENSOR_TYPE_COUNT);
    unsigned rank = draw(d, 6);
    uint64_t count = 1;
    buf_printf(out, "\"%c%u\":{\"dtype\":\"%s\",\"shape\":[", 'a' + draw(d, 3), draw(d, 16) ? index : 0,
               draw(d, 32) ? tensor_type_name(type) : "F31");
    for (unsigned i = 0; i < rank; i++) {
        uint64_t size = draw(d, 5);
        count *= size;
        buf_add_text(out, i ? "," : "");
        put_number(out, d, size);
    }
    uint64_t end = at + count * tensor_type_size(type);
    buf_add_text(out, "],\"data_offsets\":[");
    put_number(out, d, at);
    buf_add_char(out, ',');
    put_number(out, d, end);
    buf_add_text(out, draw(d, 32) ? "]}" : "],\"x\":[]}");
    return end;
}

static void draw_file(struct draw *d, struct buf *out)
{
    uint64_t end = 0;
    buf_add(out, "\0\0\0\0\0\0\0\0", 8);
    unsigned count = draw(d, 12);
    buf_add_text(out, draw(d, 3) ? "{" : "{\"__metadata__\":{\"format\":\"pt\"}");
    for (unsigned i = 0; i < count; i++) {
        buf_add_text(out, i || out->length > 9 ? "," : "");
        end = put_entry(out, d, i, end);
    }
    buf_add_text(out, draw(d, 8) ? "}" : "}   ");
    uint64_t length = out->length - 8 + (draw(d, 24) ? 0 : draw(d, 9));
    memcpy(out->data, &length, sizeof length);
    for (uint64_t i = 0; i < end + (draw(d, 16) ? 0 : draw(d, 3)) && i < 1 << 16; i++)
        buf_add_char(out, (char)i);
}
