/* address.h - which addresses may be reached on somebody else's word.
 *
 * A server may send us anywhere by a redirect.  Addresses of this machine, of the network behind it
 * and of no use on the open Internet are "private": a redirect there would let a stranger's server
 * ask questions inside the hospital (SSRF).
 * Source: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890 and its updates). */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/* Also of an IPv4 address inside an IPv6 one (mapped, NAT64, 6to4).  An unknown family is private. */
bool address_is_private(const struct sockaddr *address);
bool address_is_loopback(const struct sockaddr *address);
/* "localhost", 127.x.y.z, ::1 with or without brackets; other names are not looked up. */
bool host_is_loopback(const char *host);
/* An address written out as a host, with or without brackets, that is private; a name never is. */
bool host_is_private_literal(const char *host);

#endif
