/* secrets.h - randomness, hashes and passwords, by libsodium; its types stay in secrets.c.
 *
 * Passwords: argon2id as libsodium's crypto_pwhash_str, 46 MiB and one pass.
 *            Source: OWASP Password Storage Cheat Sheet, "m=47104 (46 MiB), t=1, p=1".
 *            A hash takes about 50 ms and 46 MiB: callers bound how many run at once.
 * Threads:   any, after secret_start(). */
#ifndef AUTH_SECRETS_H
#define AUTH_SECRETS_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum {
    PASSWORD_HASH_SIZE = 128,     /* with the NUL; crypto_pwhash_STRBYTES */
    SECRET_ID_SIZE = 23,          /* 128 random bits as base64url, with the NUL */
    GENERATED_PASSWORD_SIZE = 25, /* 24 characters of 5 bits: 120 bits */
};

void secret_start(void);          /* once or more, before anything else here */
void secret_random(void *out, size_t size);
void secret_random_id(char out[SECRET_ID_SIZE]);
/* Letters and digits that are not mistaken for each other, to be read off a screen. */
void secret_generate_password(char out[GENERATED_PASSWORD_SIZE]);
void secret_wipe(void *memory, size_t size);

bool secret_password_hash(const char *password, char out[PASSWORD_HASH_SIZE], struct err *err) MUST_CHECK;
/* Takes the same time whatever is wrong.  `hash` NULL: no such user; a hash is verified all the same. */
bool secret_password_verify(const char *hash, const char *password);
bool secret_password_outdated(const char *hash);   /* made with other parameters than today's */

/* A keyed 128-bit hash (SipHash-2-4-128) for tables whose keys outsiders choose. */
struct secret_key { uint8_t bytes[16]; };
struct secret_hash { uint64_t low, high; };
void secret_key_new(struct secret_key *out);
struct secret_hash secret_hash(const struct secret_key *key, const void *data, size_t size);

/* SHA-256 as base64url, for RFC 7638 thumbprints. */
void secret_sha256_base64url(const void *data, size_t size, char out[44]);
void secret_base64url(const void *data, size_t size, char *out, size_t out_size);
/* Strict: no padding, no other characters, unused bits zero; so one value has one spelling. */
bool secret_from_base64url(const char *text, size_t length, void *out, size_t size, size_t *out_size);

#endif
