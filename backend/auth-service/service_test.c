/* The service over real sockets: a SQLite store in a fresh folder, the HTTP server, libcurl. */
#include "auth-service/service.h"

#include "auth-service/internal.h"
#include "auth-service/secrets.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/access.h"

#include <curl/curl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

enum { PORT = 41510 };

static struct fake_clock fake;
static char dir[64], admin_password[64];
static struct store *store;
static struct auth *auth;
static struct http_server *server;
static struct auth_first_start first;

/* ---- a server ---- */

static void start(const char *given_password, const char *given_key)
{
    struct err err = { 0 };
    struct store_options options = { .engine = "sqlite", .data_dir = dir, .clock = &fake.clock, .threaded = true,
                                     .raw_retention_h = 168 };
    if (!store_open(&options, &store, &err))
        fail_msg("%s", err.text);
    struct auth_options auth_options = { .store = store, .clock = &fake.clock, .owner = true, .token_minutes = 480,
                                         .admin_password = given_password, .signing_key = given_key };
    if (!auth_start(&auth_options, &auth, &first, &err))
        fail_msg("%s", err.text);
    struct http_server_options http = { .clock = &fake.clock, .bind = "127.0.0.1", .threads = 2, .pool_threads = 2,
                                        .authorize = auth_authorize, .authorize_context = auth };
    struct http_routes routes = auth_routes(auth);
    if (!http_server_new(&http, &server, &err) || !http_server_listen(server, PORT, &routes, 1, false, &err))
        fail_msg("%s", err.text);
}

static void stop(void)
{
    http_server_stop(server, 1000);
    auth_stop(auth);
    http_server_free(server);
    store_close(store);
}

static int setup(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/wardscribe-auth-XXXXXX");
    assert_non_null(mkdtemp(dir));
    fake_clock_init(&fake, INT64_C(1795440000) * US_PER_S);
    start(NULL, NULL);
    (void)snprintf(admin_password, sizeof admin_password, "%s", first.password);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    stop();
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command);
}

/* ---- a client ---- */

struct answer {
    long status, retry_after;
    struct buf body;
};

static size_t collect(char *data, size_t size, size_t count, void *context)
{
    buf_add(context, data, size * count);
    return size * count;
}

static struct answer call(const char *method, const char *path, const char *token, const char *body)
{
    struct answer answer = { 0 };
    char url[256], header[TOKEN_SIZE_MAX + 64];
    buf_init(&answer.body, 1 << 20);
    buf_add_text(&answer.body, "");
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d%s", PORT, path);
    (void)snprintf(header, sizeof header, "Authorization: Bearer %s", token ? token : "");
    if (token)
        headers = curl_slist_append(headers, header);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 20L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer.body);
    if (body)
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    CURLcode code = curl_easy_perform(curl);
    curl_off_t retry = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
    curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &retry);
    answer.retry_after = (long)retry;
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    if (code != CURLE_OK)
        print_error("curl: %s\n", curl_easy_strerror(code));
    return answer;
}

static long status_of(const char *method, const char *path, const char *token, const char *body)
{
    struct answer answer = call(method, path, token, body);
    buf_free(&answer.body);
    return answer.status;
}

/* The body's text field; the caller frees it. */
static char *field(const struct answer *answer, const char *key)
{
    struct json *root;
    struct err err;
    const char *text = NULL;
    if (!json_parse_object(answer->body.data, answer->body.length, 1 << 20, &root, &err) ||
        !json_get_text(root, key, JSON_REQUIRED, 0, TOKEN_SIZE_MAX, &text, &err))
        fail_msg("%s in %s", err.text, answer->body.data);
    char *copy = mem_copy_string(text);
    json_free(root);
    return copy;
}

static struct answer login_answer(const char *username, const char *password)
{
    char body[400];
    (void)snprintf(body, sizeof body, "{\"username\":\"%s\",\"password\":\"%s\"}", username, password);
    return call("POST", "/api/auth/login", NULL, body);
}

static char *login(const char *username, const char *password)
{
    struct answer answer = login_answer(username, password);
    if (answer.status != 200)
        fail_msg("login: %ld %s", answer.status, answer.body.data);
    char *token = field(&answer, "access_token");
    buf_free(&answer.body);
    return token;
}

static void add_user(const char *admin, const char *username, const char *role)
{
    char body[300];
    (void)snprintf(body, sizeof body, "{\"username\":\"%s\",\"password\":\"ward seven at dawn\",\"role\":\"%s\"}",
                   username, role);
    struct answer answer = call("POST", "/api/auth/users", admin, body);
    if (answer.status != 201)
        fail_msg("%ld %s", answer.status, answer.body.data);
    assert_null(strstr(answer.body.data, "argon2"));
    buf_free(&answer.body);
}

/* How often the audit log has "action":"X","object":"Y" by anybody. */
static int audited_now(const char *admin, const char *action, const char *object)
{
    struct answer answer = call("GET", "/api/audit?limit=1000", admin, NULL);
    char wanted[128];
    int count = 0;
    assert_int_equal(answer.status, 200);
    (void)snprintf(wanted, sizeof wanted, "\"action\":\"%s\",\"object\":\"%s\"", action, object);
    for (const char *p = answer.body.data; (p = strstr(p, wanted)); p++)
        count++;
    buf_free(&answer.body);
    return count;
}

/* Refusals are written behind the answer: up to two seconds for the disk. */
static int audited(const char *admin, const char *action, const char *object)
{
    int count = 0;
    for (int i = 0; i < 40 && !(count = audited_now(admin, action, object)); i++)
        (void)usleep(50000);
    return count;
}

/* ---- E6: first start ---- */

static void test_first_start_makes_everything_new(void **state)
{
    (void)state;
    struct stat file;
    char path[128];
    assert_string_equal(first.username, "admin");
    assert_int_equal(strlen(first.password), GENERATED_PASSWORD_SIZE - 1);
    (void)snprintf(path, sizeof path, "%s/wardscribe.db", dir);
    assert_true(stat(path, &file) == 0);
    assert_int_equal(file.st_mode & 0777, 0600);
    static const char *const defaults[] = { "admin", "admin123", "password", "wardscribe" };
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++) {
        struct answer answer = login_answer("admin", defaults[i]);
        assert_int_equal(answer.status, 401);
        buf_free(&answer.body);
    }
    char *token = login("admin", admin_password), kid[TOKEN_KID_SIZE];
    (void)snprintf(kid, sizeof kid, "%s", token_keys_signing_kid(auth->keys));
    stop();
    start("something else entirely", NULL);
    assert_string_equal(first.password, "");     /* not made again */
    assert_string_equal(kid, token_keys_signing_kid(auth->keys));
    assert_int_equal(status_of("GET", "/api/auth/me", token, NULL), 200);
    mem_free(token);
    token = login("admin", admin_password);
    mem_free(token);
}

static void test_two_first_starts_share_nothing(void **state)
{
    (void)state;
    char kid[TOKEN_KID_SIZE], password[64];
    (void)snprintf(kid, sizeof kid, "%s", token_keys_signing_kid(auth->keys));
    (void)snprintf(password, sizeof password, "%s", admin_password);
    assert_int_equal(teardown(NULL), 0);
    assert_int_equal(setup(NULL), 0);
    assert_string_not_equal(kid, token_keys_signing_kid(auth->keys));
    assert_string_not_equal(password, admin_password);
}

/* ---- login ---- */

static void test_login_answers_as_documented(void **state)
{
    (void)state;
    struct answer answer = login_answer("ADMIN", admin_password);
    struct json *root;
    struct err err = { 0 };
    const struct json *user = NULL;
    int64_t expires = 0;
    const char *type = NULL, *name = NULL;
    assert_int_equal(answer.status, 200);
    assert_true(json_parse_object(answer.body.data, answer.body.length, 1 << 16, &root, &err));
    assert_true(json_get_int(root, "expires_in", JSON_REQUIRED, 28800, 28800, &expires, &err));
    assert_true(json_get_text(root, "token_type", JSON_REQUIRED, 6, 6, &type, &err));
    assert_string_equal(type, "bearer");
    assert_true(json_get_object(root, "user", JSON_REQUIRED, &user, &err));
    assert_true(json_get_text(user, "username", JSON_REQUIRED, 1, 63, &name, &err));
    assert_string_equal(name, "admin");
    static const char *const fields[] = { "id", "email", "full_name", "role", "is_active", "created_at", "last_login" };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        assert_true(json_has(user, fields[i]));
    assert_false(json_has_null(user, "last_login"));
    assert_null(strstr(answer.body.data, "argon2"));
    json_free(root);
    buf_free(&answer.body);
}

static void test_no_user_enumeration(void **state)
{
    (void)state;
    char *admin = login("admin", admin_password);
    add_user(admin, "idle", "nurse");
    assert_int_equal(status_of("PATCH", "/api/auth/users/idle", admin, "{\"is_active\":false}"), 200);
    static const char *const who[][2] = { { "admin", "wrong wrong wrong" }, { "nobody", "wrong wrong wrong" },
                                          { "idle", "ward seven at dawn" }, { "' OR 1=1 --", "x" } };
    char first_text[300] = "";
    for (size_t i = 0; i < sizeof who / sizeof *who; i++) {
        struct answer answer = login_answer(who[i][0], who[i][1]);
        assert_int_equal(answer.status, 401);
        if (i == 0)
            (void)snprintf(first_text, sizeof first_text, "%s", answer.body.data);
        assert_string_equal(first_text, answer.body.data);
        buf_free(&answer.body);
    }
    (void)usleep(200000);
    assert_int_equal(audited(admin, "login_failed", "admin"), 1);
    assert_int_equal(audited(admin, "login_failed", "(unknown)"), 2);
    mem_free(admin);
}

static void test_bad_login_bodies(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "", "x", "[]", "{}", "{\"username\":\"a\"}", "{\"username\":\"a\",\"password\":1}",
        "{\"username\":\"a\",\"password\":\"\"}", "{\"username\":\"a\",\"password\":\"b\",\"role\":\"admin\"}",
        "{\"username\":\"a\",\"username\":\"admin\",\"password\":\"b\"}", "{\"username\":[\"a\"],\"password\":\"b\"}",
        "{\"username\":\"a\\u0000\",\"password\":\"b\"}",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        assert_int_equal(status_of("POST", "/api/auth/login", NULL, bodies[i]), 400);
}

/* E5: what an unknown name costs, in this thread's own processor time. */
static double verify_ms(const char *hash)
{
    struct timespec a, b;
    CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a) == 0);
    assert_false(secret_password_verify(hash, "not this one at all"));
    CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b) == 0);
    return (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void test_unknown_and_known_users_cost_the_same(void **state)
{
    (void)state;
    enum { N = 15 };
    double known[N], unknown[N];
    char hash[PASSWORD_HASH_SIZE];
    struct err err;
    assert_true(secret_password_hash("correct horse battery", hash, &err));
    for (int i = 0; i < N; i++) {
        known[i] = verify_ms(hash);
        unknown[i] = verify_ms(NULL);
    }
    qsort(known, N, sizeof *known, by_value);
    qsort(unknown, N, sizeof *unknown, by_value);
    double difference = known[N / 2] - unknown[N / 2];
    print_message("known %.1f ms, unknown %.1f ms\n", known[N / 2], unknown[N / 2]);
    assert_true(difference < 5 && difference > -5);
}

static void test_guessing_is_slowed_down(void **state)
{
    (void)state;
    char *admin = login("admin", admin_password);
    add_user(admin, "greta", "nurse");
    for (int i = 0; i < THROTTLE_FREE_TRIES; i++) {
        struct answer answer = login_answer("greta", "wrong wrong wrong");
        assert_int_equal(answer.status, 401);
        buf_free(&answer.body);
    }
    for (int i = 0; i < 20; i++) {
        struct answer answer = login_answer("greta", "ward seven at dawn");   /* even the right one waits */
        assert_int_equal(answer.status, 429);
        assert_true(answer.retry_after >= 1);
        buf_free(&answer.body);
    }
    assert_int_equal(audited(admin, "login_throttled", "greta"), 1);
    fake_clock_advance(&fake, 2 * US_PER_S);
    char *token = login("greta", "ward seven at dawn");
    mem_free(token);
    mem_free(admin);
}

/* ---- E4: what ends a token ---- */

static void test_logout_ends_the_token_also_after_a_restart(void **state)
{
    (void)state;
    char *mine = login("admin", admin_password), *other = login("admin", admin_password);
    assert_int_equal(status_of("GET", "/api/auth/verify", mine, NULL), 200);
    assert_int_equal(status_of("POST", "/api/auth/logout", mine, ""), 200);
    assert_int_equal(status_of("GET", "/api/auth/verify", mine, NULL), 401);
    assert_int_equal(status_of("POST", "/api/auth/logout", mine, ""), 401);
    assert_int_equal(status_of("GET", "/api/auth/verify", other, NULL), 200);
    stop();
    start(NULL, NULL);
    assert_int_equal(status_of("GET", "/api/auth/verify", mine, NULL), 401);
    assert_int_equal(status_of("GET", "/api/auth/verify", other, NULL), 200);
    mem_free(mine);
    mem_free(other);
}

static void test_changes_end_tokens(void **state)
{
    (void)state;
    static const char *const changes[] = { "{\"role\":\"doctor\"}", "{\"is_active\":false}",
                                           "{\"password\":\"another one entirely\"}" };
    char *admin = login("admin", admin_password);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        char name[16], path[64];
        (void)snprintf(name, sizeof name, "user%zu", i);
        (void)snprintf(path, sizeof path, "/api/auth/users/%s", name);
        add_user(admin, name, "nurse");
        char *token = login(name, "ward seven at dawn");
        assert_int_equal(status_of("GET", "/api/auth/me", token, NULL), 200);
        assert_int_equal(status_of("PATCH", path, admin, "{\"full_name\":\"A B\"}"), 200);
        assert_int_equal(status_of("GET", "/api/auth/me", token, NULL), 200);      /* a name ends nothing */
        assert_int_equal(status_of("PATCH", path, admin, changes[i]), 200);
        assert_int_equal(status_of("GET", "/api/auth/me", token, NULL), 401);
        assert_int_equal(status_of("PATCH", path, admin, "{\"is_active\":true,\"role\":\"nurse\"}"), 200);
        assert_int_equal(status_of("GET", "/api/auth/me", token, NULL), 401);      /* and it does not come back */
        mem_free(token);
        token = login(name, i == 2 ? "another one entirely" : "ward seven at dawn");
        assert_int_equal(status_of("GET", "/api/auth/me", token, NULL), 200); /* the clock stood still: jti tells */
        mem_free(token);
    }
    mem_free(admin);
}

static void test_own_password(void **state)
{
    (void)state;
    char *admin = login("admin", admin_password);
    add_user(admin, "hanna", "viewer");
    char *token = login("hanna", "ward seven at dawn");
    const char *path = "/api/auth/password";
    assert_int_equal(status_of("POST", path, token, "{\"old\":\"no\",\"new\":\"a whole new phrase\"}"), 403);
    assert_int_equal(status_of("POST", path, token, "{\"old\":\"ward seven at dawn\",\"new\":\"short\"}"), 400);
    assert_int_equal(status_of("POST", path, token, "{\"old\":\"ward seven at dawn\",\"new\":\"aaaaaaaaaaaaaaaa\"}"),
                     400);
    assert_int_equal(status_of("POST", path, token, "{\"old\":\"ward seven at dawn\",\"new\":\"i am HANNA hello\"}"),
                     400);
    assert_int_equal(status_of("POST", path, token, "{\"old\":\"ward seven at dawn\",\"new\":\"ward seven at dawn\"}"),
                     400);
    assert_int_equal(status_of("POST", path, token,
                               "{\"old\":\"ward seven at dawn\",\"new\":\"a whole new phrase\",\"role\":\"admin\"}"),
                     400);
    assert_int_equal(status_of("GET", "/api/auth/me", token, NULL), 200);
    assert_int_equal(status_of("POST", path, token, "{\"old\":\"ward seven at dawn\",\"new\":\"a whole new phrase\"}"),
                     200);
    assert_int_equal(status_of("GET", "/api/auth/me", token, NULL), 401);
    mem_free(token);
    token = login("hanna", "a whole new phrase");
    mem_free(token);
    mem_free(admin);
}

static void test_tokens_end_by_themselves(void **state)
{
    (void)state;
    char *token = login("admin", admin_password);
    fake_clock_advance(&fake, 479 * US_PER_MIN);
    assert_int_equal(status_of("GET", "/api/auth/me", token, NULL), 200);
    fake_clock_advance(&fake, US_PER_MIN);
    assert_int_equal(status_of("GET", "/api/auth/me", token, NULL), 401);
    mem_free(token);
}

/* ---- rights ---- */

static void test_rights(void **state)
{
    (void)state;
    char *admin = login("admin", admin_password);
    static const char *const roles[] = { "doctor", "nurse", "viewer", "device" };
    static const char *const admin_only[][3] = {
        { "GET", "/api/auth/users", NULL }, { "GET", "/api/audit", NULL }, { "GET", "/api/audit/verify", NULL },
        { "POST", "/api/auth/users", "{\"username\":\"evil\",\"password\":\"ward seven at dawn\",\"role\":\"admin\"}" },
        { "PATCH", "/api/auth/users/admin", "{\"is_active\":false}" }, { "POST", "/api/auth/keys/rotate", "" },
    };
    for (size_t r = 0; r < 4; r++) {
        char path[64];
        add_user(admin, roles[r], roles[r]);
        char *token = login(roles[r], "ward seven at dawn");
        assert_int_equal(status_of("GET", "/api/auth/me", token, NULL), 200);
        assert_int_equal(status_of("GET", "/api/auth/verify", token, NULL), 200);
        (void)snprintf(path, sizeof path, "/api/auth/users/%s", roles[r]);
        assert_int_equal(status_of("PATCH", path, token, "{\"role\":\"admin\"}"), 403);    /* mass assignment */
        for (size_t i = 0; i < sizeof admin_only / sizeof *admin_only; i++)
            assert_int_equal(status_of(admin_only[i][0], admin_only[i][1], token, admin_only[i][2]), 403);
        mem_free(token);
    }
    for (size_t i = 0; i < sizeof admin_only / sizeof *admin_only; i++) {
        assert_int_equal(status_of(admin_only[i][0], admin_only[i][1], NULL, admin_only[i][2]), 401);
        assert_int_equal(status_of(admin_only[i][0], admin_only[i][1], "rubbish", admin_only[i][2]), 401);
    }
    assert_int_equal(status_of("GET", "/api/auth/jwks", NULL, NULL), 200);
    mem_free(admin);
}

static void test_user_administration(void **state)
{
    (void)state;
    char *admin = login("admin", admin_password);
    static const char *const bad[] = {
        "{}", "{\"username\":\"a b\",\"password\":\"ward seven at dawn\",\"role\":\"nurse\"}",
        "{\"username\":\"\",\"password\":\"ward seven at dawn\",\"role\":\"nurse\"}",
        "{\"username\":\"ida\",\"password\":\"short\",\"role\":\"nurse\"}",
        "{\"username\":\"ida\",\"password\":\"ward seven at dawn\"}",
        "{\"username\":\"ida\",\"password\":\"ward seven at dawn\",\"role\":\"root\"}",
        "{\"username\":\"ida\",\"password\":\"ward seven at dawn\",\"role\":\"nurse\",\"id\":1}",
        "{\"username\":\"ida\",\"password\":\"ward seven at dawn\",\"role\":\"nurse\",\"is_active\":true}",
        "{\"username\":\"ida\",\"password\":\"ward seven at dawn\",\"role\":\"nurse\",\"email\":\"a\\nb\"}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(status_of("POST", "/api/auth/users", admin, bad[i]), 400);
    add_user(admin, "ida", "nurse");
    assert_int_equal(status_of("POST", "/api/auth/users", admin,
                               "{\"username\":\"IDA\",\"password\":\"ward seven at dawn\",\"role\":\"admin\"}"), 409);
    assert_int_equal(status_of("PATCH", "/api/auth/users/nobody", admin, "{\"role\":\"nurse\"}"), 404);
    assert_int_equal(status_of("PATCH", "/api/auth/users/ida", admin, "{}"), 400);
    assert_int_equal(status_of("PATCH", "/api/auth/users/ida", admin, "{\"valid_after\":0}"), 400);
    assert_int_equal(status_of("PATCH", "/api/auth/users/admin", admin, "{\"role\":\"nurse\"}"), 409);
    assert_int_equal(status_of("PATCH", "/api/auth/users/admin", admin, "{\"is_active\":false}"), 409);
    struct answer answer = call("GET", "/api/auth/users", admin, NULL);
    assert_non_null(strstr(answer.body.data, "\"username\":\"ida\""));
    assert_null(strstr(answer.body.data, "argon2"));
    buf_free(&answer.body);
    mem_free(admin);
}

/* ---- keys, audit ---- */

static void test_rotation_over_http(void **state)
{
    (void)state;
    char *old = login("admin", admin_password);
    struct answer answer = call("POST", "/api/auth/keys/rotate", old, "");
    assert_int_equal(answer.status, 200);
    char *kid = field(&answer, "kid");
    buf_free(&answer.body);
    assert_int_equal(status_of("GET", "/api/auth/me", old, NULL), 200);
    answer = call("GET", "/api/auth/jwks", NULL, NULL);
    assert_non_null(strstr(answer.body.data, kid));
    assert_null(strstr(answer.body.data, "\"d\""));
    buf_free(&answer.body);
    char *fresh = login("admin", admin_password);
    stop();
    start(NULL, NULL);
    assert_int_equal(status_of("GET", "/api/auth/me", old, NULL), 200);
    assert_int_equal(status_of("GET", "/api/auth/me", fresh, NULL), 200);
    assert_string_equal(kid, token_keys_signing_kid(auth->keys));
    assert_int_equal(audited(fresh, "keys_rotate", kid), 1);
    mem_free(kid);
    mem_free(old);
    mem_free(fresh);
}

static void test_the_audit_log_is_whole_and_holds_no_secret(void **state)
{
    (void)state;
    char *admin = login("admin", admin_password);
    add_user(admin, "jo", "nurse");
    char *token = login("jo", "ward seven at dawn");
    assert_int_equal(status_of("POST", "/api/auth/logout", token, ""), 200);
    assert_int_equal(status_of("PATCH", "/api/auth/users/jo", admin,
                               "{\"role\":\"doctor\",\"password\":\"another one entirely\"}"),
                     200);
    assert_int_equal(audited(admin, "user_add", "jo"), 1);
    assert_int_equal(audited(admin, "login", "jo"), 1);
    assert_int_equal(audited(admin, "logout", "jo"), 1);
    assert_int_equal(audited(admin, "user_change", "jo"), 1);
    struct answer answer = call("GET", "/api/audit?limit=1000", admin, NULL);
    assert_null(strstr(answer.body.data, "dawn"));
    assert_null(strstr(answer.body.data, "entirely"));
    assert_null(strstr(answer.body.data, token));
    assert_null(strstr(answer.body.data, "argon2"));
    buf_free(&answer.body);
    answer = call("GET", "/api/audit/verify", admin, NULL);
    assert_non_null(strstr(answer.body.data, "\"valid\":true"));
    buf_free(&answer.body);
    assert_int_equal(status_of("GET", "/api/audit?limit=0", admin, NULL), 400);
    assert_int_equal(status_of("GET", "/api/audit?limit=1001", admin, NULL), 400);
    mem_free(token);
    mem_free(admin);
}

static void test_a_given_key_and_password(void **state)
{
    (void)state;
    struct err err = { 0 };
    stop();
    struct store_options options = { .engine = "sqlite", .data_dir = dir, .clock = &fake.clock, .threaded = true };
    assert_true(store_open(&options, &store, &err));
    struct auth_options bad = {
        .store = store,
        .clock = &fake.clock,
        .owner = true,
        .token_minutes = 480,
        .signing_key = "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
                       "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\",\"d\":\"jpsQnnGQmL-YBIffH1136cspYG6-"
                       "0iY7X1fCE9-E9LI\"}"
    };
    assert_false(auth_start(&bad, &auth, &first, &err));
    assert_non_null(strstr(err.text, "public documentation"));
    store_close(store);
    struct token_keys *keys = token_keys_new();
    struct buf text;
    buf_init(&text, 4096);
    assert_true(token_keys_rotate(keys, 0, &err));
    token_keys_write(keys, &text);
    char *jwk = strchr(strstr(text.data, "\"jwk\""), '{'), kid[TOKEN_KID_SIZE];
    *(strchr(jwk, '}') + 1) = '\0';
    (void)snprintf(kid, sizeof kid, "%s", token_keys_signing_kid(keys));
    start(NULL, jwk);
    assert_string_equal(kid, token_keys_signing_kid(auth->keys));
    char *admin = login("admin", admin_password);
    assert_int_equal(status_of("POST", "/api/auth/keys/rotate", admin, ""), 409);
    mem_free(admin);
    buf_free(&text);
    token_keys_free(keys);
}

/* ---- many at once ---- */

static void *log_in_often(void *counts)
{
    for (int i = 0; i < 4; i++) {
        struct answer answer = login_answer("admin", admin_password);
        ((int *)counts)[answer.status == 200 ? 0 : answer.status == 429 ? 1 : 2]++;
        buf_free(&answer.body);
    }
    return NULL;
}

static void test_a_burst_of_logins_is_served_two_at_a_time(void **state)
{
    (void)state;
    enum { N = 12 };
    pthread_t threads[N];
    int counts[N][3] = { 0 }, total[3] = { 0 };
    for (int i = 0; i < N; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_in_often, counts[i]), 0);
    for (int i = 0; i < N; i++) {
        (void)pthread_join(threads[i], NULL);
        for (int k = 0; k < 3; k++)
            total[k] += counts[i][k];
    }
    print_message("%d in, %d told to wait\n", total[0], total[1]);
    assert_int_equal(total[2], 0);
    assert_true(total[0] > 0);
}

static void test_the_queue_has_an_end(void **state)
{
    (void)state;
    struct worker *worker = worker_start(NULL);
    for (int i = 0; i < LOGIN_QUEUE_MAX; i++)
        assert_true(worker_reserve(worker));
    assert_false(worker_reserve(worker));
    worker_stop(worker);
}

struct prober {
    const char *token;
    _Atomic bool stop;
    _Atomic int64_t accepted, refused, accepted_after;    /* after this thread saw the first refusal */
};

static void *probe(void *context)
{
    struct prober *prober = context;
    while (!prober->stop) {
        struct http_request request = { 0 };
        struct err err;
        bool ok = auth_authorize(auth, &request, prober->token, RIGHT_READ, &err);
        prober->accepted_after += ok && prober->refused;
        *(ok ? &prober->accepted : &prober->refused) += 1;
    }
    return NULL;
}

/* Threads look tokens up while users, keys and logouts change under them (what TSan is for). */
static void test_lookups_beside_changes(void **state)
{
    (void)state;
    char *admin = login("admin", admin_password);
    add_user(admin, "kim", "nurse");
    char *token = login("kim", "ward seven at dawn");
    struct prober probers[3] = { { .token = token }, { .token = token }, { .token = token } };
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, probe, &probers[i]), 0);
    bool changed = true;
    for (int i = 0; i < 3; i++) {
        struct err err;
        char *other = login("admin", admin_password);
        changed = changed && status_of("POST", "/api/auth/keys/rotate", admin, "") == 200 &&
                  status_of("PATCH", "/api/auth/users/kim", admin, "{\"full_name\":\"K\"}") == 200 &&
                  auth_refresh(auth, &err) && status_of("POST", "/api/auth/logout", other, "") == 200;
        mem_free(other);
    }
    int64_t refused_early = probers[0].refused + probers[1].refused + probers[2].refused;
    changed = changed && status_of("PATCH", "/api/auth/users/kim", admin, "{\"is_active\":false}") == 200;
    /* A thread may be in the middle of one lookup; its next one, and all behind it, are refused. */
    for (int i = 0; i < 3; i++)
        for (int waited = 0; probers[i].refused < 100 && waited < 5000; waited++)
            (void)usleep(1000);
    for (int i = 0; i < 3; i++) {
        probers[i].stop = true;
        (void)pthread_join(threads[i], NULL);
    }
    assert_true(changed && refused_early == 0);
    for (int i = 0; i < 3; i++)
        assert_true(probers[i].accepted > 0 && probers[i].refused >= 100 && probers[i].accepted_after == 0);
    mem_free(token);
    mem_free(admin);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_first_start_makes_everything_new), TEST(test_two_first_starts_share_nothing),
        TEST(test_login_answers_as_documented), TEST(test_no_user_enumeration), TEST(test_bad_login_bodies),
        cmocka_unit_test(test_unknown_and_known_users_cost_the_same), TEST(test_guessing_is_slowed_down),
        TEST(test_logout_ends_the_token_also_after_a_restart), TEST(test_changes_end_tokens), TEST(test_own_password),
        TEST(test_tokens_end_by_themselves), TEST(test_rights), TEST(test_user_administration),
        TEST(test_rotation_over_http), TEST(test_the_audit_log_is_whole_and_holds_no_secret),
        TEST(test_a_given_key_and_password), TEST(test_a_burst_of_logins_is_served_two_at_a_time),
        cmocka_unit_test(test_the_queue_has_an_end), TEST(test_lookups_beside_changes),
    };
    log_set_level(LOG_ERROR);
    secret_start();
    curl_global_init(CURL_GLOBAL_DEFAULT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
