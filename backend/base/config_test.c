#include "base/config.h"

#include "base/bounds.h"
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static struct config config;
static struct err err;

static bool read_text(const char *text)
{
    config_defaults(&config);
    err_clear(&err);
    return config_read_text(&config, text, strlen(text), "w.yaml", &err);
}

static void test_table_is_sound(void **state)
{
    (void)state;
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        assert_true(key->offset + key->size <= sizeof config);
        assert_true(strlen(key->help) > 10 && strlen(key->name) < 60);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(config_keys[j].name, key->name);
            assert_true(config_keys[j].offset + config_keys[j].size <= key->offset ||
                        key->offset + key->size <= config_keys[j].offset);
        }
        if (key->kind == CONFIG_INT)
            assert_int_equal(key->size, sizeof(int));
    }
    config_defaults(&config);
    assert_true(config_validate(&config, &err));
    assert_int_equal(config.auth.token_minutes, 480);
    assert_string_equal(config.http.bind, "127.0.0.1");
}

static void test_a_file_sets_and_remembers_lines(void **state)
{
    (void)state;
    assert_true(read_text("# ours\nhttp:\n  threads: 3\n  bind: \"::\"\ntarget: alert-engine\ningest:\n  admit: no\n"));
    assert_int_equal(config.http.threads, 3);
    assert_string_equal(config.http.bind, "::");
    assert_string_equal(config.target, "alert-engine");
    assert_false(config.ingest.admit);
    assert_int_equal(config.ingest.patients, 10);
    struct buf out;
    buf_init(&out, 1 << 16);
    (void)strcpy(config.file, "w.yaml");
    config_print(&config, &out);
    assert_non_null(strstr(out.data, "  threads: 3  # file w.yaml:3\n"));
    assert_non_null(strstr(out.data, "target: \"alert-engine\"  # file w.yaml:5\n"));
    assert_non_null(strstr(out.data, "  patients: 10  # default\n"));
    buf_free(&out);
}

static void test_files_that_are_refused(void **state)
{
    (void)state;
    static const struct { const char *text, *said; } rows[] = {
        { "http:\n  bind: x\n  threads: 65\n", "w.yaml:3: http.threads: must be an integer between 1 and 64" },
        { "http:\n  threads: two\n", "w.yaml:2: http.threads: must be an integer between 1 and 64" },
        { "http:\n  threads:\n", "w.yaml:2: http.threads: must be an integer between 1 and 64" },
        { "http:\n  threads: 1e1\n", "w.yaml:2: http.threads: must be an integer between 1 and 64" },
        { "store:\n  engine: sqlite\ningest:\n  admit: treu\n", "w.yaml:4: ingest.admit: must be true or false" },
        { "log:\n  level: loud\n", "w.yaml:2: log.level: must be one of debug, info, warn, error" },
        { "log: {level: loud}\n", "w.yaml: log.level: must be one of debug, info, warn, error" },
        { "auth:\n  admin_password: hunter2hunter2\n",
          "w.yaml:2: auth.admin_password: a secret does not belong here; name a file with auth.admin_password_file" },
        { "auth:\n  admin_password_file: /nonexistent\n",
          "w.yaml:2: auth.admin_password_file: /nonexistent: No such file or directory" },
        { "htpp:\n  threads: 1\n", "w.yaml:1: " },
        { "http:\n  threads: 1\n  # x\n  thraeds: 2\n", "w.yaml:4: Unexpected key: thraeds" },
        { "http: 3\n", "w.yaml:1: " },
        { "http:\n  threads: [1]\n", "w.yaml:2: " },
        { "http:\n  threads: 1\n   bind: x\n", "w.yaml:2: libyaml: mapping values are not allowed" },
        { "http: {threads: 1", "w.yaml:" },
        { "- a\n", "w.yaml:1: " },
        { "http: &a\n  threads: 1\nstore: *a\n", "w.yaml:" },
        { "http:\n  bind: \"\xff\"\n", "w.yaml: is not UTF-8" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (read_text(rows[i].text))
            fail_msg("taken: %s", rows[i].text);
        if (strncmp(err.text, rows[i].said, strlen(rows[i].said)) != 0)
            fail_msg("%s said: %s", rows[i].text, err.text);
        assert_null(strstr(err.text, "hunter2"));
        assert_int_equal(err.kind, ERR_CONFIG);
    }
}

static void test_a_key_twice_is_refused(void **state)
{
    (void)state;
    assert_false(read_text("http:\n  threads: 1\n  threads: 2\n"));
    assert_string_equal(err.text, "w.yaml:3: Mapping field already seen: threads");
    assert_false(read_text("http:\n  threads: 1\nlog:\n  level: info\nhttp:\n  bind: x\n"));
    assert_string_equal(err.text, "w.yaml:5: Mapping field already seen: http");
}

static void test_empty_files(void **state)
{
    (void)state;
    assert_true(read_text(""));
    assert_true(read_text("# nothing\n\n"));
    assert_int_equal(config.http.threads, 2);
}

static void test_environment_wins_over_file(void **state)
{
    (void)state;
    char bind[] = "WARDSCRIBE_HTTP_BIND=0.0.0.0", other[] = "HTTP_BIND=x", service[] = "WARDSCRIBE_SERVICE_PORT=1";
    char near[] = "WARDSCRIBE_HTTP_BINDX=1", bad[] = "WARDSCRIBE_HTTP_THREADS=0";
    char *env[] = { bind, other, service, near, NULL };
    assert_true(read_text("http:\n  bind: 10.0.0.1\n"));
    assert_true(config_read_env(&config, env, &err));
    assert_string_equal(config.http.bind, "0.0.0.0");
    struct buf out;
    buf_init(&out, 1 << 16);
    config_unknown_env(env, &out);
    assert_string_equal(out.data, "WARDSCRIBE_SERVICE_PORT\nWARDSCRIBE_HTTP_BINDX\n");
    buf_reset(&out);
    config_print(&config, &out);
    assert_non_null(strstr(out.data, "bind: \"0.0.0.0\"  # environment WARDSCRIBE_HTTP_BIND\n"));
    buf_free(&out);
    assert_true(config_set(&config, "http.bind", "::1", CONFIG_FROM_FLAG, &err));
    assert_string_equal(config.http.bind, "::1");
    env[0] = bad;
    assert_false(config_read_env(&config, env, &err));
    assert_string_equal(err.text,
                        "environment WARDSCRIBE_HTTP_THREADS: http.threads: must be an integer between 1 and 64");
}

static void test_secrets_come_from_files_and_are_masked(void **state)
{
    (void)state;
    char path[] = "/tmp/wardscribe-config-test-XXXXXX", entry[128];
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, "correct horse battery\n", 22) == 22);
    (void)close(fd);
    (void)snprintf(entry, sizeof entry, "WARDSCRIBE_AUTH_ADMIN_PASSWORD_FILE=%s", path);
    char *env[] = { entry, NULL };
    config_defaults(&config);
    assert_true(config_read_env(&config, env, &err));
    assert_string_equal(config.auth.admin_password, "correct horse battery");
    struct buf out;
    buf_init(&out, 1 << 16);
    config_print(&config, &out);
    assert_null(strstr(out.data, "horse"));
    assert_non_null(strstr(out.data, "admin_password: \"********\"  # environment"));
    assert_non_null(strstr(out.data, "signing_key: \"\"  # default"));
    buf_free(&out);
    assert_true(truncate(path, 3) == 0);
    config_defaults(&config);
    assert_false(config_read_env(&config, env, &err));
    assert_null(strstr(err.text, "cor:"));
    assert_true(truncate(path, 0) == 0);
    assert_false(config_read_env(&config, env, &err));
    assert_non_null(strstr(err.text, "is empty"));
    assert_true(truncate(path, 5000) == 0);
    assert_false(config_read_env(&config, env, &err));
    (void)unlink(path);
}

static void test_keys_that_must_fit_together(void **state)
{
    (void)state;
    static const char *const rows[][3] = {
        { "target", "alert-engin", "target: 'alert-engin' is not one of all, vitals" },
        { "target", "alert-engine,,auth-service", "target: '' is not one of" },
        { "target", "auth-service,all", "target: 'all' is not one of" },
        { "http.allowed_origins", "https://a.example, ward.example", "http.allowed_origins: ward.example must begin" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        config_defaults(&config);
        assert_true(config_set(&config, rows[i][0], rows[i][1], CONFIG_FROM_FLAG, &err));
        assert_false(config_validate(&config, &err));
        assert_non_null(strstr(err.text, rows[i][2]));
    }
    config_defaults(&config);
    assert_true(config_set(&config, "http.allowed_origins", "https://a.example, http://b", CONFIG_FROM_FLAG, &err));
    assert_true(config_validate(&config, &err));
    assert_true(config_set(&config, "target", "alert-engine,vitals-generator", CONFIG_FROM_FLAG, &err));
    assert_true(config_validate(&config, &err));
    assert_false(config_set(&config, "no.such", "1", CONFIG_FROM_FLAG, &err));
    assert_false(config_set(&config, "auth.admin_password", "seen by ps for ever", CONFIG_FROM_FLAG, &err));
}

static void test_example_reads_back_as_the_defaults(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, CONFIG_FILE_SIZE_MAX);
    config_example(&out);
    assert_false(out.overflow);
    if (!read_text(out.data))
        fail_msg("%s", err.text);
    struct config plain;
    config_defaults(&plain);
    memcpy(plain.origins, config.origins, sizeof plain.origins);
    assert_memory_equal(&plain, &config, sizeof plain);
    buf_free(&out);
}

static void test_schema_is_json_with_every_section(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1 << 16);
    config_schema(&out);
    struct json *root;
    const struct json *properties = NULL, *http = NULL;
    if (!json_parse_object(out.data, out.length, out.length, &root, &err))
        fail_msg("%s", err.text);
    assert_true(json_get_object(root, "properties", JSON_REQUIRED, &properties, &err));
    assert_int_equal(json_count(properties), 7);
    assert_true(json_get_object(properties, "http", JSON_REQUIRED, &http, &err));
    assert_true(json_get_object(http, "properties", JSON_REQUIRED, &http, &err));
    assert_true(json_has(http, "bind") && json_has(http, "dashboard_dir") && !json_has(http, "engine"));
    json_free(root);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_is_sound),
        cmocka_unit_test(test_a_file_sets_and_remembers_lines),
        cmocka_unit_test(test_files_that_are_refused),
        cmocka_unit_test(test_a_key_twice_is_refused),
        cmocka_unit_test(test_empty_files),
        cmocka_unit_test(test_environment_wins_over_file),
        cmocka_unit_test(test_secrets_come_from_files_and_are_masked),
        cmocka_unit_test(test_keys_that_must_fit_together),
        cmocka_unit_test(test_example_reads_back_as_the_defaults),
        cmocka_unit_test(test_schema_is_json_with_every_section),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
