/* forge.h - for tests and the fuzzer: tokens signed by hand, right and wrong. */
#ifndef AUTH_FORGE_H
#define AUTH_FORGE_H

#include "auth-service/token.h"

struct forge;                       /* a P-256 key of which the test knows everything */
struct forge *forge_new(void);
void forge_free(struct forge *forge);
const char *forge_pem(const struct forge *forge);          /* private */
const char *forge_public_pem(const struct forge *forge);

enum forge_how { FORGE_ES256, FORGE_ES256_DER, FORGE_HS256_PUBLIC_PEM, FORGE_HS256_EMPTY_KEY,
                 FORGE_NO_SIGNATURE, FORGE_ZEROS };
/* base64url(header) "." base64url(payload) "." signature; the caller frees with mem_free(). */
char *forge_token(const struct forge *forge, const char *header, const char *payload, enum forge_how how);

#endif
