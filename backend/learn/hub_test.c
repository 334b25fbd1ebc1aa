/* What a Hub says, value by value; tests/test_hub.py has the conversations. */
#include "learn/hub_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SHA1 "0123456789abcdef0123456789abcdef01234567"
#define SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void test_etags(void **state)
{
    (void)state;
    static const struct { const char *header, *etag; } cases[] = {
        { "\"" SHA1 "\"", SHA1 },     { "W/\"" SHA1 "\"", SHA1 }, { SHA1, SHA1 },          { "\"" SHA256 "\"", SHA256 },
        { "\"" SHA1, NULL },          { SHA1 "\"", NULL },        { "\"" SHA1 "\" ", NULL }, { "\"" SHA1 "0\"", NULL },
        { "\"0123\"", NULL },         { "", NULL },               { "\"", NULL },          { "\"\"", NULL },
        { "\"0123456789ABCDEF0123456789abcdef01234567\"", NULL },
        { "\"../../789abcdef0123456789abcdef01234567\"", NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char etag[DIGEST_TEXT_SIZE];
        assert_int_equal(hub_etag_parse(cases[i].header, etag), cases[i].etag != NULL);
        if (cases[i].etag)
            assert_string_equal(etag, cases[i].etag);
    }
}

static void test_ranges(void **state)
{
    (void)state;
    static const struct { const char *header; bool ok; int64_t from, total; } cases[] = {
        { "bytes 5-9/10", true, 5, 10 },  { "bytes 0-0/1", true, 0, 1 },    { "bytes 5-9/9", false, 0, 0 },
        { "bytes 9-5/10", false, 0, 0 },  { "bytes 5-9/*", false, 0, 0 },   { "bytes */10", false, 0, 0 },
        { "bytes -5-9/10", false, 0, 0 }, { "bytes 5-9/10 ", false, 0, 0 }, { "", false, 0, 0 },
        { "bytes 0-9223372036854775807/9223372036854775807", false, 0, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t from = 0, total = 0;
        assert_int_equal(hub_range_parse(cases[i].header, &from, &total), cases[i].ok);
        if (cases[i].ok)
            assert_true(from == cases[i].from && total == cases[i].total);
    }
}

static void test_names(void **state)
{
    (void)state;
    static const struct { const char *text, *repo, *revision; } cases[] = {
        { "google/flan-t5-small", "google/flan-t5-small", "main" },
        { "t5-small@v1.0", "t5-small", "v1.0" },
        { "a/b@refs/pr/1", "a/b", "refs/pr/1" },
        { "a/b@" SHA1, "a/b", SHA1 },
        { "a/b@main@x", NULL, NULL },
        { "a//b", NULL, NULL },
        { "/b", NULL, NULL },
        { "a/", NULL, NULL },
        { "a/b..c", NULL, NULL },
        { "a/b--c", NULL, NULL },
        { ".a/b", NULL, NULL },
        { "a/b.", NULL, NULL },
        { "-a", NULL, NULL },
        { "a b", NULL, NULL },
        { "a/b@", NULL, NULL },
        { "a/b@x/", NULL, NULL },
        { "a/b@.x", NULL, NULL },
        { "a/b@a/../b", NULL, NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hub_name name;
        print_message("%s\n", cases[i].text);
        assert_int_equal(hub_name_parse(cases[i].text, &name, NULL), cases[i].repo != NULL);
        if (cases[i].repo) {
            assert_string_equal(name.repo, cases[i].repo);
            assert_string_equal(name.revision, cases[i].revision);
        }
    }
}

static void test_environment(void **state)
{
    (void)state;
    static struct hub_options options;
    struct err err = { 0 };
    static const char *const names[] = { "HF_ENDPOINT", "HF_TOKEN", "HF_TOKEN_PATH", "HF_HOME", "HF_HUB_CACHE",
                                         "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME", "HF_HUB_OFFLINE", "SSL_CERT_FILE",
                                         "REQUESTS_CA_BUNDLE" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        (void)unsetenv(names[i]);
    (void)setenv("HOME", "/nowhere", 1);
    assert_true(hub_options_env(&options, &err));
    assert_string_equal(options.endpoint, "https://huggingface.co");
    assert_string_equal(options.cache, "/nowhere/.cache/huggingface/hub");
    assert_string_equal(options.token, "");
    (void)setenv("XDG_CACHE_HOME", "/x", 1);
    assert_true(hub_options_env(&options, &err));
    assert_string_equal(options.cache, "/x/huggingface/hub");
    (void)setenv("HF_HOME", "/h", 1);
    (void)setenv("HF_ENDPOINT", "http://localhost:5/hub//", 1);
    (void)setenv("HF_TOKEN", "hf_abc\n", 1);
    (void)setenv("HF_HUB_OFFLINE", "1", 1);
    assert_true(hub_options_env(&options, &err));
    assert_string_equal(options.cache, "/h/hub");
    assert_string_equal(options.endpoint, "http://localhost:5/hub");
    assert_string_equal(options.token, "hf_abc");
    assert_true(options.offline);
    (void)setenv("HF_HUB_CACHE", "/c", 1);
    assert_true(hub_options_env(&options, &err));
    assert_string_equal(options.cache, "/c");
    (void)setenv("HF_ENDPOINT", "http://hub.example", 1);
    assert_false(hub_options_env(&options, &err));
    assert_int_equal(err.kind, ERR_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_etags), cmocka_unit_test(test_ranges),
                                        cmocka_unit_test(test_names), cmocka_unit_test(test_environment) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
