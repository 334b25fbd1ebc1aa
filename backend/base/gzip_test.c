#include "base/gzip.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void fill(struct buf *text, int lines)
{
    buf_init(text, 1 << 20);
    for (int i = 0; i < lines; i++)
        buf_printf(text, "line %d of some text\n", i * 7919 % 1000);
}

static void test_there_and_back(void **state)
{
    (void)state;
    struct buf text, packed, back;
    struct err err = { 0 };
    fill(&text, 5000);
    buf_init(&packed, 1 << 20);
    buf_init(&back, text.length);
    gzip_pack(text.data, text.length, &packed);
    assert_true(packed.length < text.length / 3);
    assert_true(gzip_unpack(packed.data, packed.length, 100, &back, &err));
    assert_int_equal(back.length, text.length);
    assert_memory_equal(back.data, text.data, text.length);
    for (size_t cut = 0; cut < packed.length; cut += 997) { /* every torn piece is an error */
        buf_reset(&back);
        assert_false(gzip_unpack(packed.data, cut, 1000, &back, &err));
    }
    buf_free(&back);
    buf_init(&back, text.length - 1);
    assert_false(gzip_unpack(packed.data, packed.length, 100, &back, &err));
    assert_int_equal(err.kind, ERR_TOO_LARGE);
    buf_free(&back);
    buf_init(&back, 1 << 20);
    assert_false(gzip_unpack(packed.data, packed.length, 2, &back, &err));
    assert_int_equal(err.kind, ERR_TOO_LARGE);
    buf_free(&back);
    buf_free(&packed);
    buf_free(&text);
}

static size_t read_all(const char *path, char *to, size_t room, struct err *err)
{
    struct gzip_file *file;
    size_t used = 0, got = 1;
    assert_true(gzip_file_open(path, &file, err));
    while (got && gzip_file_read(file, to + used, room - used < 100 ? room - used : 100, &got, err))
        used += got;
    gzip_file_close(file);
    return used;
}

static void write_file(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_int_equal(fwrite(data, 1, size, file), size);
    (void)fclose(file);
}

static void test_files(void **state)
{
    (void)state;
    char path[] = "/tmp/gzip_test.XXXXXX", got[65536];
    struct buf text, packed;
    struct err err = { 0 };
    struct gzip_file *file;
    (void)close(mkstemp(path));
    fill(&text, 1000);
    buf_init(&packed, 1 << 20);
    gzip_pack(text.data, text.length, &packed);
    write_file(path, text.data, text.length);
    assert_int_equal(read_all(path, got, sizeof got, &err), text.length);
    write_file(path, packed.data, packed.length);
    assert_int_equal(read_all(path, got, sizeof got, &err), text.length);
    assert_memory_equal(got, text.data, text.length);
    assert_int_equal(err.kind, ERR_NONE);
    write_file(path, packed.data, packed.length / 2);
    (void)read_all(path, got, sizeof got, &err);
    assert_int_equal(err.kind, ERR_INPUT);
    (void)unlink(path);
    assert_false(gzip_file_open(path, &file, &err));
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_false(gzip_file_open("/tmp", &file, &err));
    buf_free(&packed);
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_files) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
