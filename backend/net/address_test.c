#include "net/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>

#include <cmocka.h>

static const struct { const char *host; bool is_private, is_loopback; } hosts[] = {
    { "127.0.0.1", true, true },          { "127.255.0.9", true, true },       { "[::1]", true, true },
    { "::1", true, true },                { "0.0.0.0", true, false },          { "10.0.0.1", true, false },
    { "11.0.0.1", false, false },         { "100.63.255.255", false, false },  { "100.64.0.1", true, false },
    { "100.128.0.0", false, false },      { "169.254.169.254", true, false },  { "172.15.255.255", false, false },
    { "172.16.0.1", true, false },        { "172.31.255.255", true, false },   { "172.32.0.0", false, false },
    { "192.168.1.1", true, false },       { "192.169.0.1", false, false },     { "198.17.9.9", false, false },
    { "198.19.9.9", true, false },        { "224.0.0.1", true, false },        { "255.255.255.255", true, false },
    { "8.8.8.8", false, false },          { "[2600:1f18::1]", false, false },  { "[fe80::1%25eth0]", true, false },
    { "[fd00::1]", true, false },         { "[fec0::1]", true, false },        { "[ff02::1]", true, false },
    { "[::ffff:10.0.0.1]", true, false }, { "[::ffff:8.8.8.8]", false, false },
    { "[64:ff9b::a9fe:a9fe]", true, false }, { "[64:ff9b::808:808]", false, false },
    { "[2002:7f00:1::]", true, false },   { "[2002:808:808::]", false, false },
    { "[::127.0.0.1]", true, false },     { "[2001:db8::1]", true, false },    { "[::]", true, false },
    { "localhost", false, true },         { "LOCALHOST", false, true },        { "localhost.example", false, false },
    { "127.0.0.1.example", false, false },{ "hub.example", false, false },     { "", false, false },
};

static void test_hosts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        print_message("%s\n", hosts[i].host);
        assert_int_equal(host_is_private_literal(hosts[i].host), hosts[i].is_private);
        assert_int_equal(host_is_loopback(hosts[i].host), hosts[i].is_loopback);
    }
}

static void test_other_families_are_private(void **state)
{
    (void)state;
    assert_true(address_is_private(&(struct sockaddr){ .sa_family = AF_UNIX }));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_hosts),
                                        cmocka_unit_test(test_other_families_are_private) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
