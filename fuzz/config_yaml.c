/* Fuzz target: the YAML configuration (base/config.h).
 * Holds: every value is within its range whatever was read, and an error has a text. */
#include "base/config.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct config config;
    struct err err = { 0 };
    if (memmem(data, size, "_file", 5))
        return 0;   /* would open files */
    config_defaults(&config);
    if (!config_read_text(&config, (const char *)data, size, "fuzz.yaml", &err))
        CHECK(err.kind == ERR_CONFIG && err.text[0]);
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        const char *at = (const char *)&config + key->offset;
        int number;
        memcpy(&number, at, sizeof number);
        CHECK(key->kind != CONFIG_INT || (number >= key->min && number <= key->max));
        CHECK(key->kind == CONFIG_INT || key->kind == CONFIG_BOOL || memchr(at, '\0', key->size));
    }
    return 0;
}
