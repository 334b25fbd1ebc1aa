#include "auth-service/token.h"

#include "auth-service/secrets.h"
#include "auth-service/pem.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "net/access.h"

#include <cjose/cjose.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { SIGNATURE_TEXT_SIZE = 86, JWK_SIZE_MAX = 1024, HEADER_SIZE_MAX = 256, KEYS_SIZE_MAX = 32 << 10 };

struct token_key {
    cjose_jwk_t *jwk;
    char kid[TOKEN_KID_SIZE];
    int64_t made_us, retired_us;    /* retired 0: signs */
};

/* The last one signs. */
struct token_keys {
    struct token_key keys[TOKEN_KEY_COUNT_MAX];
    size_t count;
};

/* x of P-256 keys that stand in documents and on web sites, private part and all (trust.md E6). */
static const char *const published_keys[] = {
    "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", /* RFC 7515, appendix A.3 */
    "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", /* RFC 7517, appendix A.2 */
    "gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0", /* RFC 7517 and 7518, appendix C (Alice) */
    "weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ", /* RFC 7518, appendix C (Bob) */
    "EVs_o5-uQbTjL3chynL4wXgUg2R9q9UU8I5mEovUf84", /* jwt.io's ES256 example */
};

/* ---- keys ---- */

struct token_keys *token_keys_new(void)
{
    secret_start();
    return mem_new(1, sizeof(struct token_keys));
}

static void key_free(struct token_key *key)
{
    (void)cjose_jwk_release(key->jwk);   /* OpenSSL clears the private number */
    secret_wipe(key, sizeof *key);
}

void token_keys_free(struct token_keys *keys)
{
    if (!keys)
        return;
    for (size_t i = 0; i < keys->count; i++)
        key_free(&keys->keys[i]);
    mem_free(keys);
}

static void jwk_text_free(char *text)
{
    if (text) {
        secret_wipe(text, strlen(text));
        cjose_get_dealloc()(text);
    }
}

/* x and y of a key as base64url. */
static bool public_part(const cjose_jwk_t *jwk, char x[44], char y[44])
{
    char *text = cjose_jwk_to_json(jwk, false, NULL);
    struct json *root = NULL;
    struct err err;
    const char *got_x = "", *got_y = "", *curve = "";
    bool ok = text && json_parse_object(text, strlen(text), JWK_SIZE_MAX, &root, &err) &&
              json_get_text(root, "x", JSON_REQUIRED, 43, 43, &got_x, &err) &&
              json_get_text(root, "y", JSON_REQUIRED, 43, 43, &got_y, &err) &&
              json_get_text(root, "crv", JSON_REQUIRED, 1, 16, &curve, &err) && strcmp(curve, "P-256") == 0;
    if (ok) {
        memcpy(x, got_x, 44);
        memcpy(y, got_y, 44);
    }
    json_free(root);
    jwk_text_free(text);
    return ok;
}

static void write_public(struct json_writer *w, const char *x, const char *y)
{
    /* In this order without blanks it is what RFC 7638 section 3.3 hashes. */
    json_put_text(w, "crv", "P-256");
    json_put_text(w, "kty", "EC");
    json_put_text(w, "x", x);
    json_put_text(w, "y", y);
}

static bool name_key(struct token_key *key, struct err *err)
{
    char x[44], y[44];
    if (!public_part(key->jwk, x, y))
        return err_set(err, ERR_CONFIG, "the signing key must be an EC key on P-256");
    for (size_t i = 0; i < sizeof published_keys / sizeof *published_keys; i++)
        if (strcmp(published_keys[i], x) == 0)
            return err_set(err, ERR_CONFIG, "this signing key stands in public documentation; make one of your own");
    struct buf text;
    buf_init(&text, JWK_SIZE_MAX);
    struct json_writer w = json_write(&text);
    json_put_object(&w, NULL);
    write_public(&w, x, y);
    json_put_end(&w);
    secret_sha256_base64url(text.data, text.length, key->kid);
    buf_free(&text);
    return true;
}

/* Takes the jwk over; the key that signed until now retires. */
static bool add_key(struct token_keys *keys, cjose_jwk_t *jwk, int64_t now_us, struct err *err)
{
    struct token_key key = { .jwk = jwk, .made_us = now_us };
    if (!jwk)
        return err_set(err, ERR_UNAVAILABLE, "a signing key could not be made");
    if (!name_key(&key, err)) {
        key_free(&key);
        return false;
    }
    struct token_key *last = keys->count ? &keys->keys[keys->count - 1] : NULL;
    if (last && strcmp(last->kid, key.kid) == 0 && !last->retired_us) {
        key_free(&key);     /* it signs already */
        return true;
    }
    for (size_t i = 0; i < keys->count; i++) {
        if (strcmp(keys->keys[i].kid, key.kid) == 0) {
            key_free(&keys->keys[i]);
            memmove(&keys->keys[i], &keys->keys[i + 1], (--keys->count - i) * sizeof keys->keys[0]);
        }
    }
    if (keys->count == TOKEN_KEY_COUNT_MAX) {
        key_free(&key);
        return err_set(err, ERR_BUSY,
                       "%d keys are alive; rotate again when the oldest tokens have ended", TOKEN_KEY_COUNT_MAX);
    }
    if (keys->count && !keys->keys[keys->count - 1].retired_us)
        keys->keys[keys->count - 1].retired_us = now_us;
    keys->keys[keys->count++] = key;
    return true;
}

bool token_keys_rotate(struct token_keys *keys, int64_t now_us, struct err *err)
{
    (void)token_keys_prune(keys, now_us);
    return add_key(keys, cjose_jwk_create_EC_random(CJOSE_JWK_EC_P_256, NULL), now_us, err);
}

/* cjose makes the public point from d and does not look at x and y: a key that is not what its owner
 * thinks it is. */
static bool point_is(const cjose_jwk_t *jwk, const char *x, const char *y)
{
    char real_x[44], real_y[44];
    return public_part(jwk, real_x, real_y) && strcmp(x, real_x) == 0 && strcmp(y, real_y) == 0;
}

/* cjose would take a JWK without `d` as well: a public key, which cannot sign. */
static cjose_jwk_t *jwk_from_json(const struct json *object, struct err *err)
{
    static const char *const names[] = { "d", "x", "y" };
    uint8_t numbers[3][32];
    size_t size;
    const char *text[3], *type = "", *curve = "";
    if (!json_get_text(object, "kty", JSON_REQUIRED, 2, 2, &type, err) || strcmp(type, "EC") != 0 ||
        !json_get_text(object, "crv", JSON_REQUIRED, 1, 16, &curve, err) || strcmp(curve, "P-256") != 0) {
        err_set(err, ERR_CONFIG, "the signing key must be an EC key on P-256");
        return NULL;
    }
    for (int i = 0; i < 3; i++)
        if (!json_get_text(object, names[i], JSON_REQUIRED, 43, 43, &text[i], err) ||
            !secret_from_base64url(text[i], 43, numbers[i], 32, &size) || size != 32) {
            err_set(err, ERR_CONFIG, "the signing key's %s must be 32 bytes in base64url", names[i]);
            return NULL;
        }
    cjose_jwk_ec_keyspec spec = { .crv = CJOSE_JWK_EC_P_256, .d = numbers[0], .dlen = 32,
                                  .x = numbers[1], .xlen = 32, .y = numbers[2], .ylen = 32 };
    cjose_jwk_t *jwk = cjose_jwk_create_EC_spec(&spec, NULL);
    secret_wipe(numbers, sizeof numbers);
    if (jwk && point_is(jwk, text[1], text[2]))
        return jwk;
    (void)cjose_jwk_release(jwk);
    err_set(err, ERR_CONFIG, "the signing key is not a point of P-256 with its private number");
    return NULL;
}

static cjose_jwk_t *jwk_from_text(const char *text, struct err *err)
{
    size_t length = strlen(text);
    if (strstr(text, "-----BEGIN")) {
        uint8_t d[32], x[32], y[32];
        if (!pem_read_p256(text, length, d, x, y, err))
            return NULL;
        cjose_jwk_ec_keyspec spec = { .crv = CJOSE_JWK_EC_P_256, .d = d, .dlen = 32, .x = x,
                                      .xlen = 32, .y = y, .ylen = 32 };
        cjose_jwk_t *jwk = cjose_jwk_create_EC_spec(&spec, NULL);
        secret_wipe(d, sizeof d);
        return jwk;
    }
    struct json *root;
    if (!json_parse_object(text, length, JWK_SIZE_MAX, &root, err)) {
        err_set(err, ERR_CONFIG, "the signing key is neither PEM nor a JWK");
        return NULL;
    }
    cjose_jwk_t *jwk = jwk_from_json(root, err);
    json_free(root);
    return jwk;
}

bool token_keys_use(struct token_keys *keys, const char *text, int64_t now_us, struct err *err)
{
    struct err why = { .kind = ERR_CONFIG, .text = "the signing key is not usable" };
    cjose_jwk_t *jwk = jwk_from_text(text, &why);
    if (!jwk)
        return err_set(err, why.kind, "%s", why.text);
    (void)token_keys_prune(keys, now_us);
    return add_key(keys, jwk, now_us, err);
}

bool token_keys_prune(struct token_keys *keys, int64_t now_us)
{
    size_t kept = 0, before = keys->count;
    for (size_t i = 0; i < before; i++) {
        struct token_key *key = &keys->keys[i];
        bool over = key->retired_us && key->retired_us + (TOKEN_LIFE_MAX_S + TOKEN_SKEW_S) * US_PER_S < now_us;
        if (over)
            key_free(key);
        else
            keys->keys[kept++] = *key;
    }
    keys->count = kept;
    return kept != before;
}

size_t token_keys_count(const struct token_keys *keys)
{
    return keys->count;
}

static const struct token_key *signing_key(const struct token_keys *keys)
{
    const struct token_key *key = keys->count ? &keys->keys[keys->count - 1] : NULL;
    return key && !key->retired_us ? key : NULL;
}

const char *token_keys_signing_kid(const struct token_keys *keys)
{
    const struct token_key *key = signing_key(keys);
    return key ? key->kid : NULL;
}

void token_keys_write(const struct token_keys *keys, struct buf *out)
{
    struct json_writer w = json_write(out);
    json_put_object(&w, NULL);
    json_put_array(&w, "keys");
    for (size_t i = 0; i < keys->count; i++) {
        char *jwk = cjose_jwk_to_json(keys->keys[i].jwk, true, NULL);
        CHECK(jwk);
        json_put_object(&w, NULL);
        json_put_int(&w, "made_us", keys->keys[i].made_us);
        json_put_int(&w, "retired_us", keys->keys[i].retired_us);
        json_put_raw(&w, "jwk", jwk);
        json_put_end(&w);
        jwk_text_free(jwk);
    }
    json_put_end(&w);
    json_put_end(&w);
}

static bool read_key(struct token_keys *keys, const struct json *item, struct err *err)
{
    const struct json *object = NULL;
    int64_t made = 0, retired = 0;
    if (!json_get_int(item, "made_us", JSON_REQUIRED, 0, INT64_MAX / 2, &made, err) ||
        !json_get_int(item, "retired_us", JSON_REQUIRED, 0, INT64_MAX / 2, &retired, err) ||
        !json_get_object(item, "jwk", JSON_REQUIRED, &object, err))
        return false;
    cjose_jwk_t *jwk = jwk_from_json(object, err);
    if (!jwk || !add_key(keys, jwk, made, err))
        return false;
    keys->keys[keys->count - 1].retired_us = retired;
    return true;
}

bool token_keys_read(struct token_keys *keys, const char *text, size_t length, struct err *err)
{
    struct json *root;
    const struct json *list = NULL;
    if (!json_parse_object(text, length, KEYS_SIZE_MAX, &root, err))
        return err_context(err, "stored keys");
    bool ok = json_get_array(root, "keys", JSON_REQUIRED, TOKEN_KEY_COUNT_MAX, &list, err);
    for (size_t i = 0; ok && i < json_count(list); i++)
        ok = read_key(keys, json_item(list, i), err);
    json_free(root);
    return ok || err_context(err, "stored keys");
}

void token_keys_jwks(const struct token_keys *keys, struct buf *out)
{
    struct json_writer w = json_write(out);
    json_put_object(&w, NULL);
    json_put_array(&w, "keys");
    for (size_t i = 0; i < keys->count; i++) {
        char x[44], y[44];
        CHECK(public_part(keys->keys[i].jwk, x, y));
        json_put_object(&w, NULL);
        write_public(&w, x, y);
        json_put_text(&w, "kid", keys->keys[i].kid);
        json_put_text(&w, "alg", "ES256");
        json_put_text(&w, "use", "sig");
        json_put_end(&w);
    }
    json_put_end(&w);
    json_put_end(&w);
}

/* ---- making ---- */

void token_make_jti(int64_t issued_us, char out[TOKEN_JTI_SIZE])
{
    char id[SECRET_ID_SIZE];
    secret_random_id(id);
    (void)snprintf(out, TOKEN_JTI_SIZE, "%016" PRIx64 ".%s", (uint64_t)issued_us, id);
}

static void write_claims(const struct token_claims *claims, struct buf *out)
{
    char subject[24];
    (void)snprintf(subject, sizeof subject, "%" PRId64, claims->user_id);
    struct json_writer w = json_write(out);
    json_put_object(&w, NULL);
    json_put_text(&w, "iss", TOKEN_ISSUER);
    json_put_text(&w, "aud", TOKEN_AUDIENCE);
    json_put_text(&w, "sub", subject);
    json_put_text(&w, "username", claims->username);
    json_put_text(&w, "role", claims->role);
    json_put_int(&w, "iat", claims->issued_us / US_PER_S);
    json_put_int(&w, "nbf", claims->issued_us / US_PER_S);
    json_put_int(&w, "exp", claims->expires_us / US_PER_S);
    json_put_text(&w, "jti", claims->jti);
    json_put_end(&w);
}

static bool sign_with(const struct token_key *key, const struct token_claims *claims, char *out, struct err *err)
{
    cjose_header_t *header = cjose_header_new(NULL);
    cjose_jws_t *jws = NULL;
    const char *text = NULL;
    struct buf payload;
    buf_init(&payload, TOKEN_SIZE_MAX);
    write_claims(claims, &payload);
    bool ok = header && !payload.overflow && cjose_header_set(header, CJOSE_HDR_ALG, CJOSE_HDR_ALG_ES256, NULL) &&
              cjose_header_set(header, "typ", "JWT", NULL) && cjose_header_set(header, CJOSE_HDR_KID, key->kid, NULL) &&
              (jws = cjose_jws_sign(key->jwk, header, (const uint8_t *)payload.data, payload.length, NULL)) != NULL &&
              cjose_jws_export(jws, &text, NULL) && str_copy(out, TOKEN_SIZE_MAX + 1, text);
    cjose_jws_release(jws);
    cjose_header_release(header);
    buf_free(&payload);
    return ok || err_set(err, ERR_UNAVAILABLE, "a token could not be signed");
}

bool token_sign(const struct token_keys *keys, const struct token_claims *claims,
                char out[TOKEN_SIZE_MAX + 1], struct err *err)
{
    const struct token_key *key = signing_key(keys);
    if (!key)
        return err_set(err, ERR_UNAVAILABLE, "there is no signing key");
    return sign_with(key, claims, out, err);
}

/* ---- verifying ---- */

struct parts {
    const char *header, *payload, *signature;
    size_t header_size, payload_size, signature_size;
};

static bool split(const char *token, size_t length, struct parts *out)
{
    const char *first = memchr(token, '.', length);
    if (!first)
        return false;
    const char *second = memchr(first + 1, '.', length - (size_t)(first + 1 - token));
    if (!second)
        return false;
    *out = (struct parts){ token, first + 1, second + 1, (size_t)(first - token), (size_t)(second - first - 1),
                           length - (size_t)(second + 1 - token) };
    return out->header_size > 0 && out->payload_size > 0;
}

/* Every part must be strict base64url: a token has one spelling only. */
static bool strict_base64url(const struct parts *parts)
{
    uint8_t bytes[TOKEN_SIZE_MAX];
    size_t size;
    return secret_from_base64url(parts->payload, parts->payload_size, bytes, sizeof bytes, &size) &&
           secret_from_base64url(parts->signature, parts->signature_size, bytes, sizeof bytes, &size) && size == 64;
}

static const struct token_key *find_key(const struct token_keys *keys, const char *kid)
{
    for (size_t i = 0; i < keys->count; i++)
        if (strcmp(keys->keys[i].kid, kid) == 0)
            return &keys->keys[i];
    return NULL;
}

static const struct token_key *key_of_header(const struct token_keys *keys,
                                             const struct parts *parts, const char **reason)
{
    static const char *const known[] = { "alg", "typ", "kid", NULL };
    char text[HEADER_SIZE_MAX];
    size_t size;
    struct json *root = NULL;
    struct err err;
    const struct token_key *key = NULL;
    const char *alg = "", *typ = "", *kid = "";
    *reason = "header";
    if (!secret_from_base64url(parts->header, parts->header_size, text, sizeof text, &size) ||
        !json_parse_object(text, size, sizeof text, &root, &err))
        return NULL;
    if (!json_get_text(root, "alg", JSON_REQUIRED, 1, 16, &alg, &err) || strcmp(alg, "ES256") != 0)
        *reason = "alg";
    else if (!json_only(root, known, &err))
        *reason = "header field";
    else if (!json_get_text(root, "typ", JSON_REQUIRED, 1, 16, &typ, &err) || strcmp(typ, "JWT") != 0)
        *reason = "typ";
    else if (!json_get_text(root, "kid", JSON_REQUIRED, 1, TOKEN_KID_SIZE, &kid, &err) || !(key = find_key(keys, kid)))
        *reason = "kid";
    json_free(root);
    return key;
}

static bool parse_jti(const char *jti, int64_t *out_issued_us)
{
    uint64_t issued = 0;
    if (strlen(jti) != TOKEN_JTI_SIZE - 1 || jti[16] != '.')
        return false;
    for (int i = 0; i < 16; i++) {
        const char *digits = "0123456789abcdef", *at = strchr(digits, jti[i]);
        if (!at)
            return false;
        issued = issued << 4 | (uint64_t)(at - digits);
    }
    *out_issued_us = (int64_t)issued;
    return issued <= INT64_MAX;
}

static bool text_is(const struct json *root, const char *key, const char *wanted)
{
    const char *text = "";
    struct err err;
    return json_get_text(root, key, JSON_REQUIRED, 1, 64, &text, &err) && strcmp(text, wanted) == 0;
}

static bool read_names(const struct json *root, struct token_claims *out)
{
    const char *username, *role, *subject, *jti;
    struct err err;
    return json_get_text(root, "username", JSON_REQUIRED, 1, sizeof out->username - 1, &username, &err) &&
           json_get_text(root, "role", JSON_REQUIRED, 1, sizeof out->role - 1, &role, &err) &&
               access_role_known(role) &&
           json_get_text(root, "sub", JSON_REQUIRED, 1, 19, &subject, &err) &&
           str_to_int(subject, 1, INT64_MAX, &out->user_id) &&
           json_get_text(root, "jti", JSON_REQUIRED, TOKEN_JTI_SIZE - 1, TOKEN_JTI_SIZE - 1, &jti, &err) &&
           parse_jti(jti, &out->issued_us) && str_copy(out->username, sizeof out->username, username) &&
           str_copy(out->role, sizeof out->role, role) && str_copy(out->jti, sizeof out->jti, jti);
}

static bool check_claims(const struct json *root, int64_t now_us, struct token_claims *out, const char **reason)
{
    static const char *const known[] = { "iss", "aud", "sub", "username", "role", "iat", "nbf", "exp", "jti", NULL };
    struct err err;
    int64_t iat, nbf, exp, now_s = now_us / US_PER_S, most = INT64_MAX / US_PER_S;
    *reason = "claims";
    if (!json_only(root, known, &err) || !read_names(root, out) ||
        !json_get_int(root, "iat", JSON_REQUIRED, 0, most, &iat, &err) ||
        !json_get_int(root, "nbf", JSON_REQUIRED, 0, most, &nbf, &err) ||
        !json_get_int(root, "exp", JSON_REQUIRED, 0, most, &exp, &err))
        return false;
    *reason = "iss or aud";
    if (!text_is(root, "iss", TOKEN_ISSUER) || !text_is(root, "aud", TOKEN_AUDIENCE))
        return false;
    *reason = "iat, nbf or life";
    if (iat > now_s + TOKEN_SKEW_S || nbf > now_s + TOKEN_SKEW_S || exp <= iat || exp - iat > TOKEN_LIFE_MAX_S ||
        out->issued_us / US_PER_S != iat)
        return false;
    *reason = "expired";
    out->expires_us = exp * US_PER_S;
    return now_us < out->expires_us;
}

static bool signature_and_claims(const struct token_key *key, const char *token, size_t length, int64_t now_us,
                                 struct token_claims *out, const char **reason)
{
    uint8_t *payload = NULL;
    size_t size = 0;
    struct json *root = NULL;
    struct err err;
    *reason = "signature";
    cjose_jws_t *jws = cjose_jws_import(token, length, NULL);
    bool ok = jws && cjose_jws_verify(jws, key->jwk, NULL) && cjose_jws_get_plaintext(jws, &payload, &size, NULL);
    if (ok) {
        *reason = "claims";
        ok = json_parse_object((const char *)payload, size, TOKEN_SIZE_MAX, &root, &err) &&
             check_claims(root, now_us, out, reason);
    }
    json_free(root);
    cjose_jws_release(jws);
    return ok;
}

bool token_verify(const struct token_keys *keys, const char *token, size_t length, int64_t now_us,
                  struct token_claims *out, const char **out_reason, struct err *err)
{
    struct parts parts;
    struct token_claims claims = { 0 };
    const char *reason = "size";
    const struct token_key *key = NULL;
    bool ok = token && length > 0 && length <= TOKEN_SIZE_MAX;
    if (ok) {
        reason = "shape";
        ok = split(token, length, &parts) && parts.signature_size == SIGNATURE_TEXT_SIZE &&
             (key = key_of_header(keys, &parts, &reason)) != NULL;
    }
    if (ok) {
        reason = "base64url";
        ok = strict_base64url(&parts) && signature_and_claims(key, token, length, now_us, &claims, &reason);
    }
    if (out_reason)
        *out_reason = ok ? NULL : reason;
    if (!ok)
        return err_set(err, ERR_AUTH,
                       strcmp(reason, "expired") == 0 ? "The token has expired" : "The token is not valid");
    *out = claims;
    return true;
}
