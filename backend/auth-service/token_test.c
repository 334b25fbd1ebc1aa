#include "auth-service/token.h"

#include "auth-service/secrets.h"
#include "auth-service/forge.h"
#include "auth-service/verified.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define NOW_S INT64_C(1795440000)
#define NOW_US (NOW_S * US_PER_S)

static struct forge *forge;
static struct token_keys *keys;
static char kid[TOKEN_KID_SIZE], good_header[128], good_payload[512], good[TOKEN_SIZE_MAX + 1], jti[TOKEN_JTI_SIZE];
static int refused;     /* E1: how many forgeries were tried; every one must fail */

static int setup(void **state)
{
    (void)state;
    struct err err = { 0 };
    forge = forge_new();
    keys = token_keys_new();
    if (!token_keys_use(keys, forge_pem(forge), NOW_US, &err))
        fail_msg("%s", err.text);
    (void)snprintf(kid, sizeof kid, "%s", token_keys_signing_kid(keys));
    (void)snprintf(jti, sizeof jti, "%016" PRIx64 ".AAAAAAAAAAAAAAAAAAAAAA", (uint64_t)NOW_US);
    (void)snprintf(good_header, sizeof good_header, "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"%s\"}", kid);
    (void)snprintf(
        good_payload, sizeof good_payload,
        "{\"iss\":\"wardscribe\",\"aud\":\"wardscribe\",\"sub\":\"7\",\"username\":\"anna\",\"role\":\"nurse\","
        "\"iat\":%" PRId64 ",\"nbf\":%" PRId64 ",\"exp\":%" PRId64 ",\"jti\":\"%s\"}",
        NOW_S, NOW_S, NOW_S + 600, jti);
    char *token = forge_token(forge, good_header, good_payload, FORGE_ES256);
    (void)snprintf(good, sizeof good, "%s", token);
    mem_free(token);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    print_message("%d forged tokens refused\n", refused);
    token_keys_free(keys);
    forge_free(forge);
    return refused >= 200 ? 0 : -1;
}

static bool accepted(const char *token)
{
    struct token_claims claims;
    struct err err = { 0 };
    bool ok = token_verify(keys, token, strlen(token), NOW_US, &claims, NULL, &err);
    assert_true(ok || err.kind == ERR_AUTH);
    return ok;
}

static void refuse(const char *what, const char *token)
{
    if (accepted(token))
        fail_msg("ACCEPTED: %s: %.300s", what, token);
    refused++;
}

static void refuse_made(const char *what, const char *header, const char *payload, enum forge_how how)
{
    char *token = forge_token(forge, header, payload, how);
    refuse(what, token);
    mem_free(token);
}

/* `text` with its first `from` replaced. */
static char *replaced(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    assert_non_null(at);
    struct buf out;
    buf_init(&out, 4 << 20);
    buf_add(&out, text, (size_t)(at - text));
    buf_add_text(&out, to);
    buf_add_text(&out, at + strlen(from));
    return out.data;
}

static void refuse_header(const char *from, const char *to)
{
    char *header = replaced(good_header, from, to);
    refuse_made(to, header, good_payload, FORGE_ES256);
    mem_free(header);
}

static void refuse_payload(const char *from, const char *to)
{
    char *payload = replaced(good_payload, from, to);
    refuse_made(to, good_header, payload, FORGE_ES256);
    mem_free(payload);
}

/* Without this every test below could pass because nothing at all is accepted. */
static void test_what_we_sign_and_what_is_signed_by_hand_is_accepted(void **state)
{
    (void)state;
    assert_true(accepted(good));
    struct token_claims claims = { .user_id = 7, .username = "anna", .role = "nurse", .issued_us = NOW_US + 123456,
                                   .expires_us = NOW_US + 600 * US_PER_S }, back = { 0 };
    char token[TOKEN_SIZE_MAX + 1];
    struct err err = { 0 };
    token_make_jti(claims.issued_us, claims.jti);
    assert_true(token_sign(keys, &claims, token, &err));
    assert_true(strlen(token) < 600);
    assert_true(token_verify(keys, token, strlen(token), NOW_US, &back, NULL, &err));
    assert_memory_equal(&claims, &back, sizeof claims);
}

/* cjose would refuse these as well, later: that is not what this is about. */
static void refuse_by_us(const char *header)
{
    char *token = forge_token(forge, header, good_payload, FORGE_ES256);
    struct token_claims claims;
    struct err err;
    const char *reason = "";
    assert_false(token_verify(keys, token, strlen(token), NOW_US, &claims, &reason, &err));
    assert_true(strcmp(reason, "alg") == 0 || (strstr(header, "u0000") && strcmp(reason, "header") == 0));
    mem_free(token);
}

static void test_algorithms(void **state)
{
    (void)state;
    static const char *const algorithms[] = {
        "none", "None", "NONE", "nOnE", "NoNe", "", "HS256", "hs256", "HS384", "HS512", "RS256", "RS512", "PS256",
        "ES384", "ES512", "es256", "Es256", "ES256 ", " ES256", "ES256\\u0000", "ES256K", "EdDSA", "dir", "A128KW",
        "ECDH-ES", "ES2561",
    };
    for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++) {
        char *header = replaced(good_header, "\"ES256\"", "\"@\""), *final = replaced(header, "@", algorithms[i]);
        for (int how = FORGE_ES256; how <= FORGE_ZEROS; how++)
            refuse_made(algorithms[i], final, good_payload, (enum forge_how)how);
        refuse_by_us(final);
        mem_free(header);
        mem_free(final);
    }
    refuse_header("\"ES256\"", "null");
    refuse_header("\"ES256\"", "256");
    refuse_header("\"ES256\"", "[\"ES256\"]");
    refuse_header("\"ES256\"", "{\"ES256\":1}");
    refuse_header("\"alg\":\"ES256\",", "");
    refuse_header("\"alg\":\"ES256\",", "\"alg\":\"none\",\"alg\":\"ES256\",");
    refuse_header("\"alg\":\"ES256\",", "\"alg\":\"ES256\",\"alg\":\"none\",");
    refuse_header("\"alg\":", "\"ALG\":\"ES256\",\"aalg\":");
    /* Right header, wrong kind of signature. */
    for (int how = FORGE_ES256_DER; how <= FORGE_ZEROS; how++)
        refuse_made("signature", good_header, good_payload, (enum forge_how)how);
}

static void test_kids(void **state)
{
    (void)state;
    static const char *const kids[] = {
        "", "../../../../dev/null", "../keys/x", "/etc/passwd", "file:///dev/null", "https://evil.example/jwks.json",
        "' OR '1'='1", "x' UNION SELECT 'key' --", "\\u0000", "$(id)", "|cat /etc/passwd", "0", "-1", "%00",
        "key\\u0000", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "auth.keys", "null",
    };
    for (size_t i = 0; i < sizeof kids / sizeof *kids; i++)
        refuse_header(kid, kids[i]);
    char longer[80];
    (void)snprintf(longer, sizeof longer, "%sA", kid);
    refuse_header(kid, longer);
    (void)snprintf(longer, sizeof longer, "%.42s", kid);
    refuse_header(kid, longer);
    (void)snprintf(longer, sizeof longer, "%s\\u0000", kid);
    refuse_header(kid, longer);
    char wanted[80];
    (void)snprintf(wanted, sizeof wanted, ",\"kid\":\"%s\"", kid);
    refuse_header(wanted, "");
    refuse_header(wanted, ",\"kid\":null");
    refuse_header(wanted, ",\"kid\":1");
}

static void test_keys_inside_the_token(void **state)
{
    (void)state;
    static const char *const fields[] = {
        "\"jku\":\"https://evil.example/jwks.json\"", "\"jku\":\"http://127.0.0.1:1/\"",
        "\"x5u\":\"https://evil.example/x.pem\"", "\"x5c\":[\"MIIB\"]", "\"x5t\":\"AAAA\"", "\"x5t#S256\":\"AAAA\"",
        "\"crit\":[\"exp\"]", "\"crit\":[\"b64\"],\"b64\":false", "\"b64\":false", "\"b64\":true", "\"zip\":\"DEF\"",
        "\"cty\":\"JWT\"", "\"enc\":\"A128GCM\"", "\"iss\":\"wardscribe\"",
        ("\"jwk\":{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","
         "\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"}"),
        "\"jwk\":{\"kty\":\"oct\",\"k\":\"\"}", "\"jwk\":null", "\"\":1",
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        char field[400];
        (void)snprintf(field, sizeof field, "{%s,", fields[i]);
        refuse_header("{", field);
    }
    /* Signed by a stranger's key, under our kid. */
    struct forge *stranger = forge_new();
    char *token = forge_token(stranger, good_header, good_payload, FORGE_ES256);
    refuse("stranger's key", token);
    mem_free(token);
    forge_free(stranger);
}

static void test_types(void **state)
{
    (void)state;
    static const char *const types[] = { "\"jwt\"", "\"at+jwt\"", "\"JWE\"", "\"refresh\"", "\"\"", "null", "1" };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        refuse_header("\"JWT\"", types[i]);
    refuse_header("\"typ\":\"JWT\",", "");
}

static void test_claims(void **state)
{
    (void)state;
    char exp[40], iat[40], nbf[40], text[64];
    (void)snprintf(exp, sizeof exp, "\"exp\":%" PRId64, NOW_S + 600);
    (void)snprintf(iat, sizeof iat, "\"iat\":%" PRId64, NOW_S);
    (void)snprintf(nbf, sizeof nbf, "\"nbf\":%" PRId64, NOW_S);
    static const int64_t bad_exp[] = { 0, -1, 1, NOW_S - 1, NOW_S, NOW_S + TOKEN_LIFE_MAX_S + 1,
                                       INT64_C(9007199254740993),
                                       INT64_MAX, INT64_MIN };
    for (size_t i = 0; i < sizeof bad_exp / sizeof *bad_exp; i++) {
        (void)snprintf(text, sizeof text, "\"exp\":%" PRId64, bad_exp[i]);
        refuse_payload(exp, text);
    }
    static const char *const not_numbers[] = { "null", "\"1795440600\"", "1795440600.5", "1.7954406e9", "true", "[]",
                                               "{}", "99999999999999999999" };
    for (size_t i = 0; i < sizeof not_numbers / sizeof *not_numbers; i++) {
        (void)snprintf(text, sizeof text, "\"exp\":%s", not_numbers[i]);
        refuse_payload(exp, text);
        (void)snprintf(text, sizeof text, "\"nbf\":%s", not_numbers[i]);
        refuse_payload(nbf, text);
        (void)snprintf(text, sizeof text, "\"iat\":%s", not_numbers[i]);
        refuse_payload(iat, text);
    }
    (void)snprintf(text, sizeof text, "\"nbf\":%" PRId64, NOW_S + TOKEN_SKEW_S + 1);
    refuse_payload(nbf, text);
    (void)snprintf(text, sizeof text, "\"iat\":%" PRId64, NOW_S + TOKEN_SKEW_S + 1);
    refuse_payload(iat, text);
    (void)snprintf(text, sizeof text, "\"iat\":%" PRId64, NOW_S - 1);
    refuse_payload(iat, text);      /* not what the jti says */
    static const char *const others[] = { "\"Wardscribe\"", "\"\"", "null", "1", "[\"wardscribe\"]",
                                          "[\"wardscribe\",\"x\"]", "\"wardscribe \"", "\"https://wardscribe\"",
                                          "\"wardscribe\\u0000\"", "{}" };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        (void)snprintf(text, sizeof text, "\"iss\":%s", others[i]);
        refuse_payload("\"iss\":\"wardscribe\"", text);
        (void)snprintf(text, sizeof text, "\"aud\":%s", others[i]);
        refuse_payload("\"aud\":\"wardscribe\"", text);
    }
    static const char *const roles[] = { "\"root\"", "\"ADMIN\"", "\"\"", "null", "[\"admin\"]", "\"nurse,admin\"",
                                         "\"admin\\u0000\"" };
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        refuse_payload("\"nurse\"", roles[i]);
    static const char *const subjects[] = { "\"0\"", "\"-1\"", "\"\"", "7", "\"7 \"", "\"x\"", "null",
                                            "\"99999999999999999999\"", "\"1e1\"" };
    for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++)
        refuse_payload("\"7\"", subjects[i]);
    static const char *const names[] = { "\"\"", "null", "1", "\"a\\nb\"", "\"an\\u0000na\"" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        refuse_payload("\"anna\"", names[i]);
    static const char *const jtis[] = { "", "x", "0006613b89d6c000", "-006613b89d6c000.AAAAAAAAAAAAAAAAAAAAAA",
                                        "ffffffffffffffff.AAAAAAAAAAAAAAAAAAAAAA",
                                        "0000000000000000.AAAAAAAAAAAAAAAAAAAAAA" };
    for (size_t i = 0; i < sizeof jtis / sizeof *jtis; i++)
        refuse_payload(jti, jtis[i]);
    static const char *const missing[] = { "\"iss\":\"wardscribe\",", "\"aud\":\"wardscribe\",", "\"sub\":\"7\",",
                                           "\"username\":\"anna\",", "\"role\":\"nurse\"," };
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++)
        refuse_payload(missing[i], "");
    char with_comma[48];
    (void)snprintf(with_comma, sizeof with_comma, "%s,", exp);
    refuse_payload(with_comma, "");
    (void)snprintf(with_comma, sizeof with_comma, "%s,", nbf);
    refuse_payload(with_comma, "");
    (void)snprintf(with_comma, sizeof with_comma, "%s,", iat);
    refuse_payload(with_comma, "");
    refuse_payload("\"role\":\"nurse\"", "\"role\":\"nurse\",\"role\":\"admin\"");
    refuse_payload("\"role\":\"nurse\"", "\"role\":\"nurse\",\"r\\u006fle\":\"admin\"");
    refuse_payload("\"role\":\"nurse\"", "\"role\":\"nurse\",\"is_admin\":true");
    refuse_payload("{", "{\"exp\":9999999999,");
    refuse_payload("{", "[");
    refuse_payload("}", "}}");
    refuse_payload("}", "");
    refuse_made("empty claims", good_header, "{}", FORGE_ES256);
    refuse_made("no claims", good_header, "", FORGE_ES256);
    refuse_made("deep", good_header, "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]", FORGE_ES256);
}

static void test_shapes(void **state)
{
    (void)state;
    char text[TOKEN_SIZE_MAX + 100];
    size_t length = strlen(good);
    refuse("empty", "");
    refuse("dots", "..");
    refuse("dots", "...");
    for (size_t cut = 1; cut < length; cut += cut < length - 100 ? 7 : 1) {
        (void)snprintf(text, sizeof text, "%.*s", (int)(length - cut), good);
        refuse("truncated", text);
    }
    static const char *const tails[] = { ".", "=", "==", "A", "AA", " ", "\n", ".AAAA", "%00" };
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        (void)snprintf(text, sizeof text, "%s%s", good, tails[i]);
        refuse("tail", text);
        (void)snprintf(text, sizeof text, "%s%s", tails[i], good);
        refuse("head", text);
    }
    (void)snprintf(text, sizeof text, "Bearer %s", good);
    refuse("scheme", text);
    /* Payload and header swapped between two good tokens, and one part doubled. */
    const char *dot = strchr(good, '.');
    (void)snprintf(text, sizeof text, "%.*s.%s", (int)(dot - good), good, good);
    refuse("four parts", text);
    (void)snprintf(text, sizeof text, ".%s", dot + 1);
    refuse("no header", text);
    (void)snprintf(text, sizeof text, "%.*s.%s", (int)(dot - good), good, strrchr(good, '.'));
    refuse("no payload", text);
    struct token_claims claims;
    struct err err;
    assert_false(token_verify(keys, NULL, 0, NOW_US, &claims, NULL, &err));
    assert_false(token_verify(keys, good, length - 1, NOW_US, &claims, NULL, &err));
    memcpy(text, good, length + 1);
    text[length / 2] = '\0';
    assert_false(token_verify(keys, text, length, NOW_US, &claims, NULL, &err));
}

static void test_sizes(void **state)
{
    (void)state;
    size_t big = 1 << 20;
    char *filler = mem_new(big + 1, 1), *field = mem_new(big + 64, 1);
    memset(filler, 'A', big);
    (void)snprintf(field, big + 64, "{\"pad\":\"%s\",", filler);
    refuse_header("{", field);
    refuse_payload("{", field);
    refuse_header(kid, filler);
    filler[3000] = '\0';
    refuse_header(kid, filler);
    refuse("junk", filler);
    filler[TOKEN_SIZE_MAX] = '\0';
    refuse("junk", filler);
    mem_free(filler);
    mem_free(field);
}

/* Every bit of a good token, one at a time.  Also those that a lax base64 reader would drop. */
static void test_bit_flips(void **state)
{
    (void)state;
    char token[TOKEN_SIZE_MAX + 1];
    size_t length = strlen(good);
    for (size_t i = 0; i < length; i++) {
        for (int bit = 0; bit < 8; bit++) {
            struct token_claims claims;
            struct err err;
            memcpy(token, good, length + 1);
            token[i] = (char)(token[i] ^ 1 << bit);
            if (token_verify(keys, token, length, NOW_US, &claims, NULL, &err))
                fail_msg("ACCEPTED: byte %zu bit %d", i, bit);
            refused++;
        }
    }
    /* The last character holds four unused bits. */
    for (const char *c = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/="; *c; c++) {
        memcpy(token, good, length + 1);
        token[length - 1] = *c;
        if (*c != good[length - 1])
            refuse("last character", token);
    }
}

static void test_no_keys_refuse_all(void **state)
{
    (void)state;
    struct token_keys *none = token_keys_new();
    struct token_claims claims = { .user_id = 1, .username = "a", .role = "admin" };
    char token[TOKEN_SIZE_MAX + 1];
    struct err err;
    assert_false(token_verify(none, good, strlen(good), NOW_US, &claims, NULL, &err));
    assert_int_equal(err.kind, ERR_AUTH);
    assert_false(token_sign(none, &claims, token, &err));
    assert_null(token_keys_signing_kid(none));
    token_keys_free(none);
}

static void test_expiry_says_so(void **state)
{
    (void)state;
    struct token_claims claims;
    struct err err;
    const char *reason;
    assert_true(token_verify(keys, good, strlen(good), NOW_US + 600 * US_PER_S - 1, &claims, NULL, &err));
    assert_false(token_verify(keys, good, strlen(good), NOW_US + 600 * US_PER_S, &claims, &reason, &err));
    assert_string_equal(err.text, "The token has expired");
    assert_string_equal(reason, "expired");
    assert_true(token_verify(keys, good, strlen(good), NOW_US - TOKEN_SKEW_S * US_PER_S, &claims, NULL, &err));
    assert_false(token_verify(keys, good, strlen(good), NOW_US - (TOKEN_SKEW_S + 1) * US_PER_S, &claims, NULL, &err));
    assert_string_equal(err.text, "The token is not valid");
}

static void test_rotation(void **state)
{
    (void)state;
    struct token_keys *set = token_keys_new();
    struct err err = { 0 };
    struct token_claims claims = { .user_id = 3, .username = "bo", .role = "viewer", .issued_us = NOW_US,
                                   .expires_us = NOW_US + 3600 * US_PER_S }, back;
    char token[TOKEN_SIZE_MAX + 1];
    assert_true(token_keys_rotate(set, NOW_US, &err));
    token_make_jti(NOW_US, claims.jti);
    assert_true(token_sign(set, &claims, token, &err));
    char first[TOKEN_KID_SIZE];
    (void)snprintf(first, sizeof first, "%s", token_keys_signing_kid(set));
    assert_true(token_keys_rotate(set, NOW_US + US_PER_S, &err));
    assert_string_not_equal(first, token_keys_signing_kid(set));
    assert_true(token_verify(set, token, strlen(token), NOW_US + 2 * US_PER_S, &back, NULL, &err));

    /* Stored and read again: the same. */
    struct buf text, jwks;
    buf_init(&text, 1 << 16);
    buf_init(&jwks, 1 << 16);
    token_keys_write(set, &text);
    struct token_keys *again = token_keys_new();
    if (!token_keys_read(again, text.data, text.length, &err))
        fail_msg("%s", err.text);
    assert_int_equal(token_keys_count(again), 2);
    assert_string_equal(token_keys_signing_kid(again), token_keys_signing_kid(set));
    assert_true(token_verify(again, token, strlen(token), NOW_US + 2 * US_PER_S, &back, NULL, &err));
    token_keys_jwks(again, &jwks);
    assert_null(strstr(jwks.data, "\"d\""));
    assert_non_null(strstr(jwks.data, first));
    buf_free(&text);
    buf_free(&jwks);

    assert_false(token_keys_prune(set, NOW_US + TOKEN_LIFE_MAX_S * US_PER_S));
    assert_true(token_keys_prune(set, NOW_US + (TOKEN_LIFE_MAX_S + 60) * US_PER_S));
    assert_int_equal(token_keys_count(set), 1);
    assert_false(token_verify(set, token, strlen(token), NOW_US + 2 * US_PER_S, &back, NULL, &err));
    for (int i = 1; i < TOKEN_KEY_COUNT_MAX; i++)
        assert_true(token_keys_rotate(set, NOW_US + 100000 * US_PER_S, &err));
    assert_false(token_keys_rotate(set, NOW_US + 100000 * US_PER_S, &err));
    assert_int_equal(err.kind, ERR_BUSY);
    token_keys_free(set);
    token_keys_free(again);
}

static void test_keys_that_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "", "hello", "{}", "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
        /* RFC 7515, appendix A.3 */
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
        "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\",\"d\":\"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI\"}",
        /* a public key only */
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","
        "\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"}",
        /* a point that is not on the curve */
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\","
        "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\",\"d\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\"}",
        "{\"kty\":\"oct\",\"k\":\"c2VjcmV0\"}",
        "{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct token_keys *set = token_keys_new();
        struct err err = { 0 };
        if (token_keys_use(set, texts[i], NOW_US, &err))
            fail_msg("taken: %s", texts[i]);
        assert_int_equal(err.kind, ERR_CONFIG);
        if (i == 4)
            assert_non_null(strstr(err.text, "public documentation"));
        token_keys_free(set);
    }
    struct token_keys *set = token_keys_new();
    struct err err = { 0 };
    assert_false(token_keys_use(set, forge_public_pem(forge), NOW_US, &err));
    token_keys_free(set);
}

/* A private number next to somebody else's public point. */
static void test_a_mismatched_pair_is_refused(void **state)
{
    (void)state;
    struct token_keys *a = token_keys_new(), *b = token_keys_new(), *mixed = token_keys_new();
    struct err err = { 0 };
    struct buf text_a, text_b;
    buf_init(&text_a, 4096);
    buf_init(&text_b, 4096);
    assert_true(token_keys_rotate(a, NOW_US, &err) && token_keys_rotate(b, NOW_US, &err));
    token_keys_write(a, &text_a);
    token_keys_write(b, &text_b);
    char *jwk = strchr(strstr(text_a.data, "\"jwk\""), '{'), *d = strstr(jwk, "\"d\":\"") + 5;
    memcpy(d, strstr(text_b.data, "\"d\":\"") + 5, 43);
    *(strchr(jwk, '}') + 1) = '\0';
    assert_false(token_keys_use(mixed, jwk, NOW_US, &err));
    buf_free(&text_a);
    buf_free(&text_b);
    token_keys_free(a);
    token_keys_free(b);
    token_keys_free(mixed);
}

static void test_verified_cache(void **state)
{
    (void)state;
    struct verified *cache = verified_new();
    struct verified_ticket ticket, old;
    struct token_claims claims = { .user_id = 9, .expires_us = NOW_US + 10 };
    assert_null(verified_get(cache, "token", 5, NOW_US, &ticket));
    verified_put(cache, &ticket, &claims);
    const struct token_claims *hit = verified_get(cache, "token", 5, NOW_US, &old);
    assert_true(hit && hit->user_id == 9);
    assert_null(verified_get(cache, "tokeN", 5, NOW_US, &ticket));
    assert_null(verified_get(cache, "token", 4, NOW_US, &ticket));
    assert_null(verified_get(cache, "token", 5, NOW_US + 10, &ticket));
    verified_forget_all(cache);
    assert_null(verified_get(cache, "token", 5, NOW_US, &ticket));
    /* Verified before the change, put after it: must not come back. */
    verified_put(cache, &old, &claims);
    assert_null(verified_get(cache, "token", 5, NOW_US, &ticket));
    verified_free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_we_sign_and_what_is_signed_by_hand_is_accepted),
        cmocka_unit_test(test_algorithms),
        cmocka_unit_test(test_kids),
        cmocka_unit_test(test_keys_inside_the_token),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_claims),
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_bit_flips),
        cmocka_unit_test(test_no_keys_refuse_all),
        cmocka_unit_test(test_expiry_says_so),
        cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_keys_that_are_refused),
        cmocka_unit_test(test_a_mismatched_pair_is_refused),
        cmocka_unit_test(test_verified_cache),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
