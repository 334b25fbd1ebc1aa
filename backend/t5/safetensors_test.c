#include "t5/safetensors.h"

#include "base/bounds.h"
#include "base/mem.h"
#include "t5/half.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

/* A file of this header and `data_size` bytes of data.  Freed by the caller. */
static uint8_t *file_of(const char *header, size_t data_size, size_t *out_size)
{
    size_t length = strlen(header);
    uint8_t *bytes = mem_new(8 + length + data_size, 1);
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(length >> (8 * i));
    memcpy(bytes + 8, header, length);
    for (size_t i = 0; i < data_size; i++)
        bytes[8 + length + i] = (uint8_t)i;
    *out_size = 8 + length + data_size;
    return bytes;
}

#define A "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}"

static void test_malformed_headers_are_named(void **state)
{
    (void)state;
    static const struct { const char *header; size_t data; const char *expected; } rows[] = {
        { "", 0, "too short" },
        { "  ", 0, "must begin with '{'" },
        { " {}", 0, "must begin with '{'" },
        { "[]", 0, "must begin with '{'" },
        { "{" A, 8, "header: not JSON" },
        { "{" A "," A "}", 8, "duplicate" },
        { "{\"a\":3}", 0, "a: must be an object" },
        { "{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "a: dtype: is missing" },
        { "{\"a\":{\"dtype\":\"F31\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "a: dtype: F31 is not known" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"x\":1}}", 8, "a: x: unknown field" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":2,\"data_offsets\":[0,8]}}", 8, "a: shape: must be an array" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,2],\"data_offsets\":[0,8]}}", 8,
          "a: shape: must be an array of at most 4" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2.5],\"data_offsets\":[0,8]}}", 8, "a: shape: item 0" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,-2],\"data_offsets\":[0,8]}}", 8, "a: shape: item 1" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0,
          "a: shape: the product of the sizes overflows" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,0]}}", 0,
          "a: data_offsets: 0 bytes, but F32" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}", 8, "a: data_offsets: must be two" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8, "a: data_offsets: must be two" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]}}", 8, "a: data_offsets: must be two" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8,
          "a: data_offsets: 8 bytes, but F32 of [3] needs 12" },
        { "{" A "}", 7, "a: data_offsets: ends at 8, but the file has 7 bytes of data (is it cut?)" },
        { "{" A "}", 9, "9 bytes of data, but the tensors end at 8" },
        { "{}", 1, "1 bytes of data, but the tensors end at 0" },
        { "{" A ",\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[7,8]}}", 8,
          "b: data_offsets: begins at 7, expected 8 (it overlaps" },
        { "{" A ",\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[9,10]}}", 10,
          "b: data_offsets: begins at 9, expected 8 (there is a gap" },
        { "{" A ",\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "it overlaps another tensor" },
        { "{\"__metadata__\":{\"k\":1}}", 0, "__metadata__: every value must be a text" },
        { "{\"__metadata__\":[]}", 0, "__metadata__: must be an object" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t size;
        struct safetensors *file;
        struct err err = { 0 };
        uint8_t *bytes = file_of(rows[i].header, rows[i].data, &size);
        assert_false(safetensors_open_memory(bytes, size, &file, &err));
        if (!strstr(err.text, rows[i].expected))
            fail_msg("%s: expected \"%s\", got \"%s\"", rows[i].header, rows[i].expected, err.text);
        mem_free(bytes);
    }
}

static void test_lengths_beyond_the_file(void **state)
{
    (void)state;
    static const struct { uint64_t length; const char *expected; } rows[] = {
        { 1000, "only 16 follow" }, { UINT64_MAX, "at most 1048576" },
        { SAFETENSORS_HEADER_SIZE_MAX + 1, "at most 1048576" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t bytes[24] = { 0 };
        struct safetensors *file;
        struct err err = { 0 };
        memcpy(bytes, &rows[i].length, 8);
        assert_false(safetensors_open_memory(bytes, sizeof bytes, &file, &err));
        assert_non_null(strstr(err.text, rows[i].expected));
    }
}

/* Every cut of a whole file is refused. */
static void test_cut_anywhere(void **state)
{
    (void)state;
    size_t size;
    struct safetensors *file;
    struct err err;
    uint8_t *bytes = file_of("{" A ",\"b\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[8,16]}}  ", 16, &size);
    assert_true(safetensors_open_memory(bytes, size, &file, &err));
    assert_int_equal(safetensors_find(file, "b")->rank, 0);
    assert_int_equal(safetensors_find(file, "b")->count, 1);
    safetensors_close(file);
    for (size_t i = 0; i < size; i++) {
        uint8_t *cut = mem_new(i + 1, 1);
        memcpy(cut, bytes, i);
        assert_false(safetensors_open_memory(cut, i, &file, &err));
        mem_free(cut);
    }
    mem_free(bytes);
}

static void test_write_and_read_again(void **state)
{
    (void)state;
    char path[] = "/tmp/safetensors-XXXXXX";
    close(mkstemp(path));
    static const float floats[6] = { 1, -2, 3.5f, 0, 1e-30f, 7 };
    static const uint16_t halves[3] = { 0x3c00, 0xc000, 0x7bff }, bfs[1] = { 0x4049 };
    static const int64_t numbers[2] = { -5, 1 << 20 };
    const struct tensor tensors[] = {
        tensor_of("bf", TENSOR_BF16, bfs, 1, (size_t)1),
        tensor_of("half", TENSOR_F16, halves, 1, (size_t)3),
        tensor_of("float", TENSOR_F32, floats, 2, (size_t)2, (size_t)3),
        tensor_of("long", TENSOR_I64, numbers, 1, (size_t)2),
        tensor_of("none", TENSOR_F32, NULL, 2, (size_t)0, (size_t)4),
    };
    const struct safetensors_note notes[] = { { "made_by", "a \"test\"" } };
    struct safetensors *file;
    struct err err;
    float out[6];
    int32_t ids[2];
    if (!safetensors_write(path, tensors, 5, notes, 1, &err) || !safetensors_open(path, &file, &err))
        fail_msg("%s", err.text);
    assert_int_equal(safetensors_count(file), 5);
    assert_string_equal(safetensors_at(file, 0)->name, "bf");
    assert_string_equal(safetensors_metadata(file, "format"), "pt");
    assert_string_equal(safetensors_metadata(file, "made_by"), "a \"test\"");
    assert_null(safetensors_metadata(file, "absent"));
    assert_null(safetensors_find(file, "floa"));
    for (size_t i = 0; i < 5; i++)
        assert_true(tensor_is_aligned(safetensors_at(file, i)));
    tensor_read_f32(safetensors_find(file, "float"), 0, 6, out);
    assert_memory_equal(out, floats, sizeof floats);
    tensor_read_f32(safetensors_find(file, "half"), 1, 2, out);
    assert_true(out[0] == -2.0f && out[1] == 65504.0f);
    tensor_read_f32(safetensors_find(file, "bf"), 0, 1, out);
    assert_true(out[0] == 3.140625f);
    tensor_read_i32(safetensors_find(file, "long"), 0, 2, ids);
    assert_true(ids[0] == -5 && ids[1] == 1 << 20);
    safetensors_close(file);
    unlink(path);
    assert_false(safetensors_open(path, &file, &err));
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_false(safetensors_write("/nonexistent/x", tensors, 5, NULL, 0, &err));
}

/* Every binary16 value goes to fp32 and back; the middle between two neighbours goes to the even one. */
static void test_halves(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x7c00; h++) {
        float value = f16_to_f32((uint16_t)h);
        assert_int_equal(f32_to_f16(value), h);
        assert_int_equal(f32_to_f16(-value), h | 0x8000);
        if (h >= 0x7bff)
            continue;
        float middle = (value + f16_to_f32((uint16_t)(h + 1))) / 2;
        assert_int_equal(f32_to_f16(middle), h + (h & 1));
        assert_int_equal(f32_to_f16(nextafterf(middle, 1e9f)), h + 1);
        assert_int_equal(f32_to_f16(nextafterf(middle, -1)), h);
    }
    assert_int_equal(f32_to_f16(65520.0f), 0x7c00);
    assert_int_equal(f32_to_f16(65519.9f), 0x7bff);
    assert_int_equal(f32_to_f16(INFINITY), 0x7c00);
    assert_true(isnan(f16_to_f32(f32_to_f16(NAN))) && isinf(f16_to_f32(0xfc00)));
    assert_int_equal(f32_to_bf16(1.00390625f), 0x3f80);   /* 1 + 2^-8: a tie, to even */
    assert_int_equal(f32_to_bf16(1.01171875f), 0x3f82);   /* 1 + 3 * 2^-8 */
    assert_true(isnan(bf16_to_f32(f32_to_bf16(f32_of_bits(0x7f800001)))));
    assert_true(isinf(bf16_to_f32(f32_to_bf16(3.4e38f))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malformed_headers_are_named), cmocka_unit_test(test_lengths_beyond_the_file),
        cmocka_unit_test(test_cut_anywhere), cmocka_unit_test(test_write_and_read_again), cmocka_unit_test(test_halves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
