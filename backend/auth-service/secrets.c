#include "auth-service/secrets.h"

#include "base/bounds.h"

#include <sodium.h>
#include <stdatomic.h>
#include <string.h>

enum { PASSWORD_PASSES = 1, PASSWORD_MEMORY = 46 << 20 };

_Static_assert(crypto_pwhash_STRBYTES <= PASSWORD_HASH_SIZE, "user_row.password_hash is too small");

/* What an unknown user's password is compared with: made of a random password, so nothing matches. */
static char dummy_hash[PASSWORD_HASH_SIZE];
static atomic_int started;

void secret_start(void)
{
    CHECK(sodium_init() >= 0);
    int before = 0;
    if (!atomic_compare_exchange_strong(&started, &before, 1)) {
        while (atomic_load(&started) != 2)
            ;
        return;
    }
    char password[SECRET_ID_SIZE];
    secret_random_id(password);
    struct err err;
    CHECK(secret_password_hash(password, dummy_hash, &err));
    atomic_store(&started, 2);
}

void secret_random(void *out, size_t size)
{
    randombytes_buf(out, size);
}

void secret_random_id(char out[SECRET_ID_SIZE])
{
    uint8_t bytes[16];
    secret_random(bytes, sizeof bytes);
    secret_base64url(bytes, sizeof bytes, out, SECRET_ID_SIZE);
}

void secret_generate_password(char out[GENERATED_PASSWORD_SIZE])
{
    static const char letters[] = "abcdefghjkmnpqrstuvwxyz23456789A"; /* 32: no i, l, o, 0, 1 */
    _Static_assert(sizeof letters == 33, "5 bits a letter");
    for (int i = 0; i < GENERATED_PASSWORD_SIZE - 1; i++)
        out[i] = letters[randombytes_uniform(32)];
    out[GENERATED_PASSWORD_SIZE - 1] = '\0';
}

void secret_wipe(void *memory, size_t size)
{
    sodium_memzero(memory, size);
}

bool secret_password_hash(const char *password, char out[PASSWORD_HASH_SIZE], struct err *err)
{
    memset(out, 0, PASSWORD_HASH_SIZE);
    if (crypto_pwhash_str_alg(out, password, strlen(password), PASSWORD_PASSES, PASSWORD_MEMORY,
                              crypto_pwhash_ALG_ARGON2ID13) != 0)
        return err_set(err, ERR_UNAVAILABLE, "not enough memory to hash a password");
    return true;
}

bool secret_password_verify(const char *hash, const char *password)
{
    bool same = crypto_pwhash_str_verify(hash ? hash : dummy_hash, password, strlen(password)) == 0;
    return same && hash;
}

bool secret_password_outdated(const char *hash)
{
    return crypto_pwhash_str_needs_rehash(hash, PASSWORD_PASSES, PASSWORD_MEMORY) != 0;
}

void secret_key_new(struct secret_key *out)
{
    _Static_assert(sizeof out->bytes == crypto_shorthash_siphashx24_KEYBYTES, "key");
    secret_random(out->bytes, sizeof out->bytes);
}

struct secret_hash secret_hash(const struct secret_key *key, const void *data, size_t size)
{
    struct secret_hash hash;
    _Static_assert(sizeof hash == crypto_shorthash_siphashx24_BYTES, "hash");
    (void)crypto_shorthash_siphashx24((uint8_t *)&hash, data, size, key->bytes);
    return hash;
}

void secret_sha256_base64url(const void *data, size_t size, char out[44])
{
    uint8_t digest[crypto_hash_sha256_BYTES];
    (void)crypto_hash_sha256(digest, data, size);
    secret_base64url(digest, sizeof digest, out, 44);
}

void secret_base64url(const void *data, size_t size, char *out, size_t out_size)
{
    CHECK(out_size >= sodium_base64_encoded_len(size, sodium_base64_VARIANT_URLSAFE_NO_PADDING));
    (void)sodium_bin2base64(out, out_size, data, size, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

bool secret_from_base64url(const char *text, size_t length, void *out, size_t size, size_t *out_size)
{
    return sodium_base642bin(out, size, text, length, NULL, out_size, NULL,
                             sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0;
}
