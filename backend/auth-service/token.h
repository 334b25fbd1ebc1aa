/* token.h - ES256 JSON Web Tokens: making, verifying, keys, JWKS.  By cjose (JWS only).
 *
 * Format:   three base64url parts, RFC 7515 compact form.
 *             header  {"alg":"ES256","typ":"JWT","kid":K}     these three and nothing else
 *             claims  {"iss","aud","sub","username","role","iat","nbf","exp","jti"}   likewise
 *             signature: 64 raw bytes, R and S (never DER)
 *           jti is the time of issue in microseconds (16 hex digits), a dot, 128 random bits:
 *           iat has whole seconds only, too coarse to tell a token issued just before a password
 *           change from one issued just after.
 * Verify:   in this order, each step before the next looks at anything: size, shape, header's alg,
 *           typ, kid (must be a key of ours; a key inside the token is never used, and its fields
 *           are unknown here and so refused), signature, claims.  libraries have been fooled by each
 *           of these (docs/trust.md, finding 1), so none is left to the library.
 * Keys:     P-256.  kid is the RFC 7638 thumbprint.  The newest signs; a retired one verifies until
 *           the last token it can have signed is over, then it goes.
 * Threads:  a key set does not lock: its owner does.  Verifying is reading.
 * Time:     comes in, microseconds UTC. */
#ifndef AUTH_TOKEN_H
#define AUTH_TOKEN_H

#include "base/bounds.h"
#include "base/err.h"
#include "base/str.h"

#define TOKEN_ISSUER "wardscribe"
#define TOKEN_AUDIENCE "wardscribe"

enum {
    TOKEN_KEY_COUNT_MAX = 16,   /* a rotation an hour with tokens of 8 h keeps 9 */
    TOKEN_KID_SIZE = 44,        /* SHA-256 as base64url */
    TOKEN_JTI_SIZE = 40,        /* 16 + 1 + 22 + NUL */
    TOKEN_SKEW_S = 5,           /* servers of one cluster run NTP; their clocks differ by less */
    TOKEN_LIFE_MAX_S = 86400,   /* auth.token_minutes is at most 1440 */
};

struct token_claims {
    int64_t user_id;
    char username[64], role[16], jti[TOKEN_JTI_SIZE];
    int64_t issued_us, expires_us;   /* issued_us from jti: exact */
};

struct token_keys;

struct token_keys *token_keys_new(void);
void token_keys_free(struct token_keys *keys);          /* wipes */
/* A new random key signs from now on; the one before retires. */
bool token_keys_rotate(struct token_keys *keys, int64_t now_us, struct err *err) MUST_CHECK;
/* A given private key, PEM (EC P-256) or JWK, signs from now on.  Keys from documentation are refused. */
bool token_keys_use(struct token_keys *keys, const char *text, int64_t now_us, struct err *err) MUST_CHECK;
/* Drops keys that no living token can have been signed with; true if any was. */
bool token_keys_prune(struct token_keys *keys, int64_t now_us);
size_t token_keys_count(const struct token_keys *keys);
const char *token_keys_signing_kid(const struct token_keys *keys);      /* NULL: none */
/* The private keys as JSON, for the store: a secret.  And back. */
void token_keys_write(const struct token_keys *keys, struct buf *out);
bool token_keys_read(struct token_keys *keys, const char *text, size_t length, struct err *err) MUST_CHECK;
/* {"keys":[…]}, public parts only (RFC 7517). */
void token_keys_jwks(const struct token_keys *keys, struct buf *out);

void token_make_jti(int64_t issued_us, char out[TOKEN_JTI_SIZE]);
/* claims->jti is made by token_make_jti(claims->issued_us, …). */
bool token_sign(const struct token_keys *keys, const struct token_claims *claims, char out[TOKEN_SIZE_MAX + 1],
                struct err *err) MUST_CHECK;
/* ERR_AUTH with a text that may be shown: "the token has expired", else "the token is not valid".
 * Which check failed is for the log at debug only: *out_reason, a static text, may be NULL. */
bool token_verify(const struct token_keys *keys, const char *token, size_t length, int64_t now_us,
                  struct token_claims *out, const char **out_reason, struct err *err) MUST_CHECK;

#endif
