#include "net/address.h"

#include "base/str.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

static const struct { uint8_t net[4]; int bits; } private4[] = {
    { { 0, 0, 0, 0 }, 8 },        /* this network */
    { { 10, 0, 0, 0 }, 8 },       /* private use */
    { { 100, 64, 0, 0 }, 10 },    /* carrier-grade NAT */
    { { 127, 0, 0, 0 }, 8 },      /* loopback */
    { { 169, 254, 0, 0 }, 16 },   /* link-local; the metadata services of clouds */
    { { 172, 16, 0, 0 }, 12 },    /* private use */
    { { 192, 0, 0, 0 }, 24 },     /* IETF protocol assignments */
    { { 192, 0, 2, 0 }, 24 },     /* documentation */
    { { 192, 168, 0, 0 }, 16 },   /* private use */
    { { 198, 18, 0, 0 }, 15 },    /* benchmarking */
    { { 198, 51, 100, 0 }, 24 },  /* documentation */
    { { 203, 0, 113, 0 }, 24 },   /* documentation */
    { { 224, 0, 0, 0 }, 4 },      /* multicast */
    { { 240, 0, 0, 0 }, 4 },      /* reserved, broadcast */
};

static const struct { uint8_t net[16]; int bits; } private6[] = {
    { { 0 }, 127 },                               /* unspecified, loopback */
    { { 0x01, 0x00 }, 64 },                       /* discard */
    { { 0x20, 0x01, 0x00 }, 23 },                 /* IETF protocol assignments */
    { { 0x20, 0x01, 0x0d, 0xb8 }, 32 },           /* documentation */
    { { 0xfc }, 7 },                              /* unique local */
    { { 0xfe, 0x80 }, 10 },                       /* link-local */
    { { 0xfe, 0xc0 }, 10 },                       /* site-local, deprecated */
    { { 0xff }, 8 },                              /* multicast */
};

/* IPv6 prefixes that carry an IPv4 address, and at which byte. */
static const struct { uint8_t net[12]; int bits, at; } carriers[] = {
    { { 0 }, 96, 12 },                                              /* compatible, deprecated */
    { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff }, 96, 12 },       /* mapped */
    { { 0x00, 0x64, 0xff, 0x9b }, 96, 12 },                         /* NAT64 */
    { { 0x20, 0x02 }, 16, 2 },                                      /* 6to4 */
};

static bool in_net(const uint8_t *address, const uint8_t *net, int bits)
{
    int whole = bits / 8, rest = bits % 8;
    uint8_t mask = (uint8_t)(0xff << (8 - rest));
    return memcmp(address, net, (size_t)whole) == 0 && (rest == 0 || ((address[whole] ^ net[whole]) & mask) == 0);
}

static bool is_private4(const uint8_t address[4])
{
    for (size_t i = 0; i < sizeof private4 / sizeof *private4; i++)
        if (in_net(address, private4[i].net, private4[i].bits))
            return true;
    return false;
}

static bool is_private6(const uint8_t address[16])
{
    for (size_t i = 0; i < sizeof private6 / sizeof *private6; i++)
        if (in_net(address, private6[i].net, private6[i].bits))
            return true;
    for (size_t i = 0; i < sizeof carriers / sizeof *carriers; i++)
        if (in_net(address, carriers[i].net, carriers[i].bits) && is_private4(address + carriers[i].at))
            return true;
    return false;
}

bool address_is_private(const struct sockaddr *address)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (address->sa_family == AF_INET) {
        memcpy(&v4, address, sizeof v4);
        return is_private4((const uint8_t *)&v4.sin_addr);
    }
    if (address->sa_family == AF_INET6) {
        memcpy(&v6, address, sizeof v6);
        return is_private6(v6.sin6_addr.s6_addr);
    }
    return true;
}

bool address_is_loopback(const struct sockaddr *address)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (address->sa_family == AF_INET) {
        memcpy(&v4, address, sizeof v4);
        return *(const uint8_t *)&v4.sin_addr == 127;
    }
    memcpy(&v6, address, sizeof v6);
    return address->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
}

/* The host as an address; false when it is a name. */
static bool parse_literal(const char *host, struct sockaddr_storage *out)
{
    char bare[64];
    size_t length = strlen(host);
    bool bracketed = length > 2 && host[0] == '[' && host[length - 1] == ']';
    if (!str_copy(bare, sizeof bare, bracketed ? host + 1 : host))
        return false;
    if (bracketed)
        bare[length - 2] = '\0';
    char *zone = strchr(bare, '%');
    if (zone)
        *zone = '\0';
    *out = (struct sockaddr_storage){ 0 };
    struct sockaddr_in v4 = { .sin_family = AF_INET };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
    if (inet_pton(AF_INET, bare, &v4.sin_addr) == 1)
        memcpy(out, &v4, sizeof v4);
    else if (inet_pton(AF_INET6, bare, &v6.sin6_addr) == 1)
        memcpy(out, &v6, sizeof v6);
    else
        return false;
    return true;
}

bool host_is_loopback(const char *host)
{
    struct sockaddr_storage address;
    return strcasecmp(host, "localhost") == 0 ||
           (parse_literal(host, &address) && address_is_loopback((const struct sockaddr *)&address));
}

bool host_is_private_literal(const char *host)
{
    struct sockaddr_storage address;
    return parse_literal(host, &address) && address_is_private((const struct sockaddr *)&address);
}
