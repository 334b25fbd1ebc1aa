/* audit_chain.h - the hash that ties an audit row to the one before it.  Shared by the engines.
 *
 * hash(n) = BLAKE2b-256(hash(n-1) | seq | time | length and bytes of actor, action, object, detail).
 * hash(0) is 32 zero bytes. */
#ifndef STORE_AUDIT_CHAIN_H
#define STORE_AUDIT_CHAIN_H

#include "store/store.h"

void audit_chain(const uint8_t previous[32], const struct audit_row *row, uint8_t out[32]);

#endif
