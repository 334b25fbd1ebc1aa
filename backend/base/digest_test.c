#include "base/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Sources: FIPS 180-4 examples; `git hash-object` for the blobs. */
static const struct {
    const char *text;
    enum digest_kind kind;
    const char *hex;
} vectors[] = {
    { "", DIGEST_SHA256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
    { "abc", DIGEST_SHA256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
    { "", DIGEST_GIT_BLOB, "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391" },
    { "hello\n", DIGEST_GIT_BLOB, "ce013625030ba8dba906f756967f9e9ca394464a" },
};

static void test_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        char hex[DIGEST_TEXT_SIZE];
        size_t length = strlen(vectors[i].text);
        struct digest *digest = digest_start(vectors[i].kind, length);
        for (size_t k = 0; k < length; k++)
            digest_add(digest, vectors[i].text + k, 1);
        digest_end(digest, hex);
        assert_string_equal(hex, vectors[i].hex);
    }
}

static void test_files(void **state)
{
    (void)state;
    char path[] = "/tmp/digest-XXXXXX", hex[DIGEST_TEXT_SIZE];
    struct err err = { 0 };
    uint64_t size = 0;
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "hello\n", 6), 6);
    close(fd);
    assert_true(digest_file(path, DIGEST_GIT_BLOB, hex, &size, &err));
    assert_string_equal(hex, "ce013625030ba8dba906f756967f9e9ca394464a");
    assert_int_equal(size, 6);
    unlink(path);
    assert_false(digest_file(path, DIGEST_SHA256, hex, NULL, &err));
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_false(digest_file("/tmp", DIGEST_SHA256, hex, NULL, &err));
    assert_int_equal(err.kind, ERR_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_vectors), cmocka_unit_test(test_files) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
