/* pem.h - the P-256 private key in a PEM file, by OpenSSL. */
#ifndef AUTH_PEM_H
#define AUTH_PEM_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/* Big-endian.  ERR_CONFIG when it is not an unencrypted EC private key on P-256. */
bool pem_read_p256(const char *text, size_t length, uint8_t d[32], uint8_t x[32], uint8_t y[32],
                   struct err *err) MUST_CHECK;

#endif
