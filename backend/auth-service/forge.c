#include "auth-service/forge.h"

#include "auth-service/secrets.h"
#include "base/mem.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <string.h>

struct forge {
    EVP_PKEY *key;
    char pem[1024], public_pem[1024];
};

static void copy_bio(BIO *bio, char *out, size_t size)
{
    int n = BIO_read(bio, out, (int)size - 1);
    CHECK(n > 0);
    out[n] = '\0';
    BIO_free(bio);
}

struct forge *forge_new(void)
{
    struct forge *forge = mem_new(1, sizeof *forge);
    forge->key = EVP_EC_gen("P-256");
    CHECK(forge->key);
    BIO *pem = BIO_new(BIO_s_mem()), *public_pem = BIO_new(BIO_s_mem());
    CHECK(PEM_write_bio_PrivateKey(pem, forge->key, NULL, NULL, 0, NULL, NULL) == 1);
    CHECK(PEM_write_bio_PUBKEY(public_pem, forge->key) == 1);
    copy_bio(pem, forge->pem, sizeof forge->pem);
    copy_bio(public_pem, forge->public_pem, sizeof forge->public_pem);
    return forge;
}

void forge_free(struct forge *forge)
{
    EVP_PKEY_free(forge->key);
    mem_free(forge);
}

const char *forge_pem(const struct forge *forge)
{
    return forge->pem;
}

const char *forge_public_pem(const struct forge *forge)
{
    return forge->public_pem;
}

static size_t sign_der(const struct forge *forge, const char *text, uint8_t out[128])
{
    size_t size = 128;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    CHECK(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, forge->key) == 1);
    CHECK(EVP_DigestSign(context, out, &size, (const uint8_t *)text, strlen(text)) == 1);
    EVP_MD_CTX_free(context);
    return size;
}

static size_t der_to_raw(uint8_t signature[128], size_t size)
{
    const uint8_t *p = signature;
    ECDSA_SIG *parsed = d2i_ECDSA_SIG(NULL, &p, (long)size);
    CHECK(parsed);
    CHECK(BN_bn2binpad(ECDSA_SIG_get0_r(parsed), signature, 32) == 32);
    CHECK(BN_bn2binpad(ECDSA_SIG_get0_s(parsed), signature + 32, 32) == 32);
    ECDSA_SIG_free(parsed);
    return 64;
}

static size_t sign_hmac(const char *key, const char *text, uint8_t out[128])
{
    unsigned size = 0;
    CHECK(HMAC(EVP_sha256(), key, (int)strlen(key), (const uint8_t *)text, strlen(text), out, &size));
    return size;
}

char *forge_token(const struct forge *forge, const char *header, const char *payload, enum forge_how how)
{
    size_t header_size = strlen(header), payload_size = strlen(payload);
    size_t room = (header_size + payload_size) * 4 / 3 + 300, used;
    char *token = mem_new(room, 1);
    uint8_t signature[128] = { 0 };
    secret_base64url(header, header_size, token, room);
    used = strlen(token);
    token[used++] = '.';
    secret_base64url(payload, payload_size, token + used, room - used);
    size_t size = how == FORGE_ES256 || how == FORGE_ES256_DER ? sign_der(forge, token, signature)
                : how == FORGE_HS256_PUBLIC_PEM ? sign_hmac(forge->public_pem, token, signature)
                : how == FORGE_HS256_EMPTY_KEY ? sign_hmac("", token, signature)
                : how == FORGE_ZEROS ? 64 : 0;
    if (how == FORGE_ES256)
        size = der_to_raw(signature, size);
    used = strlen(token);
    token[used++] = '.';
    secret_base64url(signature, size, token + used, room - used);
    return token;
}
