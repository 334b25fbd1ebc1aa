#include "net/access.h"

#include "base/err.h"
#include "base/str.h"

#define BIT(right) (1u << (right))

static const struct {
    const char *role;
    unsigned rights;
} table[] = {
    { "admin",  (1u << RIGHT_COUNT) - 1 },
    { "doctor", BIT(RIGHT_SELF) | BIT(RIGHT_READ) | BIT(RIGHT_ALARM_RESPOND) | BIT(RIGHT_PATIENT_EDIT) |
                BIT(RIGHT_SUMMARY) | BIT(RIGHT_LIMITS) },
    { "nurse",  BIT(RIGHT_SELF) | BIT(RIGHT_READ) | BIT(RIGHT_ALARM_RESPOND) | BIT(RIGHT_PATIENT_EDIT) |
                BIT(RIGHT_SUMMARY) },
    { "viewer", BIT(RIGHT_SELF) | BIT(RIGHT_READ) },
    { "device", BIT(RIGHT_SELF) | BIT(RIGHT_INGEST) },
};

static unsigned rights_of(const char *role)
{
    for (unsigned i = 0; i < sizeof table / sizeof *table; i++)
        if (str_equal(role, table[i].role))
            return table[i].rights;
    return 0;
}

bool access_role_known(const char *role)
{
    return rights_of(role) != 0;
}

bool access_allowed(const char *role, enum right right)
{
    CHECK(right < RIGHT_COUNT);
    return right == RIGHT_PUBLIC || (rights_of(role) >> right & 1);
}
