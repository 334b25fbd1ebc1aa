/* Fuzz target: tokens (auth-service/token.h).
 * The first byte chooses: the input is the token itself; or header and payload (split at the first
 * newline) that are signed by the right key, so that what is behind the signature is reached too.
 * Holds: a token not signed by the key is never accepted; what is accepted has a living, known role,
 * an end, and a jti that says when it was issued. */
#include "auth-service/forge.h"
#include "auth-service/token.h"
#include "base/clock.h"
#include "base/mem.h"
#include "net/access.h"

#include <string.h>

#define NOW_US INT64_C(1795440000000000)

static struct forge *forge;
static struct token_keys *keys;

static void start(void)
{
    struct err err;
    forge = forge_new();
    keys = token_keys_new();
    CHECK(token_keys_use(keys, forge_pem(forge), NOW_US, &err));
}

static bool verify(const char *token, size_t length)
{
    struct token_claims claims;
    struct err err = { 0 };
    if (!token_verify(keys, token, length, NOW_US, &claims, NULL, &err)) {
        CHECK(err.kind == ERR_AUTH);
        return false;
    }
    CHECK(access_role_known(claims.role) && claims.user_id > 0 && claims.username[0]);
    CHECK(claims.expires_us > NOW_US && claims.issued_us >= 0 && strlen(claims.jti) == TOKEN_JTI_SIZE - 1);
    CHECK(claims.expires_us - claims.issued_us <= (int64_t)TOKEN_LIFE_MAX_S * US_PER_S);
    return true;
}

static char *text_of(const uint8_t *data, size_t size)
{
    char *text = mem_new(size + 1, 1);
    memcpy(text, data, size);
    return text;
}

/* "@" in the header stands for our kid, which changes with every run. */
static char *with_kid(const char *header)
{
    struct buf out;
    buf_init(&out, 1 << 22);
    buf_add_text(&out, "");
    for (; *header; header++) {
        if (*header == '@')
            buf_add_text(&out, token_keys_signing_kid(keys));
        else
            buf_add_char(&out, *header);
    }
    return out.data;
}

static void verify_signed(const uint8_t *data, size_t size)
{
    const uint8_t *stop = memchr(data, '\n', size);
    if (!stop)
        return;
    char *header = text_of(data, (size_t)(stop - data)), *payload = text_of(stop + 1, size - (size_t)(stop + 1 - data));
    char *full = with_kid(header), *token = forge_token(forge, full, payload, FORGE_ES256);
    (void)verify(token, strlen(token));
    char *unsigned_token = forge_token(forge, full, payload, FORGE_HS256_PUBLIC_PEM);
    CHECK(!verify(unsigned_token, strlen(unsigned_token)));
    mem_free(unsigned_token);
    mem_free(token);
    mem_free(full);
    mem_free(header);
    mem_free(payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!forge)
        start();
    if (size == 0)
        return 0;
    if (data[0] & 1)
        verify_signed(data + 1, size - 1);
    else
        CHECK(!verify((const char *)data + 1, size - 1));
    return 0;
}
