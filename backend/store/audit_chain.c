#include "store/audit_chain.h"

#include <sodium.h>
#include <string.h>

static void add_field(crypto_generichash_state *state, const char *text)
{
    uint64_t length = strlen(text);
    crypto_generichash_update(state, (const unsigned char *)&length, sizeof length);
    crypto_generichash_update(state, (const unsigned char *)text, length);
}

void audit_chain(const uint8_t previous[32], const struct audit_row *row, uint8_t out[32])
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, 32);
    crypto_generichash_update(&state, previous, 32);
    crypto_generichash_update(&state, (const unsigned char *)&row->seq, sizeof row->seq);
    crypto_generichash_update(&state, (const unsigned char *)&row->time_us, sizeof row->time_us);
    add_field(&state, row->actor);
    add_field(&state, row->action);
    add_field(&state, row->object);
    add_field(&state, row->detail ? row->detail : "");
    crypto_generichash_final(&state, out, 32);
}
