#include "auth-service/pem.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

/* Without this OpenSSL would ask for a pass phrase on the terminal. */
static int no_pass_phrase(char *out, int size, int writing, void *context)
{
    (void)out, (void)size, (void)writing, (void)context;
    return 0;
}

static bool number_of(const EVP_PKEY *key, const char *name, uint8_t out[32])
{
    BIGNUM *number = NULL;
    bool ok = EVP_PKEY_get_bn_param(key, name, &number) == 1 && BN_bn2binpad(number, out, 32) == 32;
    BN_clear_free(number);
    return ok;
}

static bool on_p256(const EVP_PKEY *key)
{
    char group[32] = "";
    return EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, group, sizeof group, NULL) == 1 &&
           OPENSSL_strcasecmp(group, "prime256v1") == 0;
}

bool pem_read_p256(const char *text, size_t length, uint8_t d[32], uint8_t x[32], uint8_t y[32], struct err *err)
{
    BIO *bio = BIO_new_mem_buf(text, (int)length);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_pass_phrase, NULL) : NULL;
    bool ok = key && on_p256(key) && number_of(key, OSSL_PKEY_PARAM_PRIV_KEY, d) &&
              number_of(key, OSSL_PKEY_PARAM_EC_PUB_X, x) && number_of(key, OSSL_PKEY_PARAM_EC_PUB_Y, y);
    EVP_PKEY_free(key);
    BIO_free(bio);
    return ok || err_set(err, ERR_CONFIG, "the signing key must be an unencrypted EC private key on P-256 "
                                          "(openssl ecparam -name prime256v1 -genkey -noout)");
}
