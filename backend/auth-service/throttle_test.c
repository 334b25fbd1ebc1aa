#include "auth-service/throttle.h"

#include "auth-service/secrets.h"
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static bool try(struct throttle *throttle, const char *name, const char *remote, int64_t now_us)
{
    int wait;
    bool first;
    return throttle_try(throttle, name, remote, now_us, &wait, &first);
}

static void test_five_tries_then_doubling(void **state)
{
    (void)state;
    struct throttle *t = throttle_new();
    int64_t now = US_PER_DAY;
    int wait;
    bool first;
    for (int i = 0; i < THROTTLE_FREE_TRIES; i++)
        assert_true(try(t, "anna", "10.0.0.1", now));
    static const int waits[] = { 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300 };
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        assert_false(throttle_try(t, "Anna", "10.0.0.1", now, &wait, &first));
        assert_int_equal(wait, waits[i]);
        assert_true(first);
        assert_false(throttle_try(t, "anna", "10.0.0.1", now + waits[i] * US_PER_S - 1, &wait, &first));
        assert_int_equal(wait, 1);
        assert_false(first);
        now += waits[i] * US_PER_S;
        assert_true(try(t, "anna", "10.0.0.1", now));
    }
    assert_true(try(t, "anna", "10.0.0.2", now));   /* nobody is locked out from elsewhere */
    assert_true(try(t, "bo", "10.0.0.1", now));
    throttle_forget(t, "ANNA", "10.0.0.1");
    assert_true(try(t, "anna", "10.0.0.1", now));
    throttle_free(t);
}

static void test_a_thousand_a_minute_become_few(void **state)
{
    (void)state;
    struct throttle *t = throttle_new();
    int allowed = 0;
    for (int i = 0; i < 15000; i++)
        allowed += try(t, "admin", "10.0.0.9", US_PER_DAY + i * INT64_C(60000));
    assert_in_range(allowed, 10, 15);
    throttle_free(t);
}

static void test_quiet_time_forgets(void **state)
{
    (void)state;
    struct throttle *t = throttle_new();
    for (int i = 0; i < THROTTLE_FREE_TRIES; i++)
        assert_true(try(t, "anna", "r", US_PER_DAY));
    assert_false(try(t, "anna", "r", US_PER_DAY));
    assert_true(try(t, "anna", "r", US_PER_DAY + 16 * US_PER_MIN));
    assert_true(try(t, "anna", "r", US_PER_DAY + 16 * US_PER_MIN));
    throttle_free(t);
}

static void test_noise_does_not_wash_out_a_guesser(void **state)
{
    (void)state;
    struct throttle *t = throttle_new();
    for (int i = 0; i < THROTTLE_FREE_TRIES; i++)
        assert_true(try(t, "admin", "evil", US_PER_DAY));
    for (int i = 0; i < 100000; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "noise%d", i);
        (void)try(t, name, "evil", US_PER_DAY + i);
    }
    assert_false(try(t, "admin", "evil", US_PER_DAY + 100001));
    throttle_free(t);
}

static void test_passwords(void **state)
{
    (void)state;
    struct err err;
    char hash[PASSWORD_HASH_SIZE], other[PASSWORD_HASH_SIZE], made[GENERATED_PASSWORD_SIZE];
    secret_start();
    assert_true(secret_password_hash("correct horse battery", hash, &err));
    assert_true(strncmp(hash, "$argon2id$v=19$m=47104,t=1,p=1$", 31) == 0);
    assert_true(secret_password_verify(hash, "correct horse battery"));
    assert_false(secret_password_verify(hash, "correct horse batterz"));
    assert_false(secret_password_verify(hash, ""));
    assert_false(secret_password_verify(NULL, "correct horse battery"));
    assert_false(secret_password_verify("", "correct horse battery"));
    assert_false(secret_password_outdated(hash));
    assert_true(secret_password_hash("correct horse battery", other, &err));
    assert_string_not_equal(hash, other);
    secret_generate_password(made);
    assert_int_equal(strlen(made), GENERATED_PASSWORD_SIZE - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_five_tries_then_doubling),
        cmocka_unit_test(test_a_thousand_a_minute_become_few),
        cmocka_unit_test(test_quiet_time_forgets),
        cmocka_unit_test(test_noise_does_not_wash_out_a_guesser),
        cmocka_unit_test(test_passwords),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
