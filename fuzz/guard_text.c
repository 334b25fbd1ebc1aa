/* Fuzz target: any text against one window (clinical/guard.h).
 * Holds: no crash, bounded time, every kept sentence is proven again when it is checked alone, and the open
 * critical alert is always told. */
#include "base/clock.h"
#include "base/mem.h"
#include "clinical/guard.h"

#include <string.h>

static const struct facts *make_facts(void)
{
    static struct reading readings[5];
    static struct alert alerts[2];
    static struct window window;
    static struct facts facts;
    const int64_t t0 = INT64_C(1795438560000000);
    for (int i = 0; i < 5; i++)
        readings[i] = (struct reading){ .time_us = t0 + i * US_PER_MIN,
                                        .patient = 1,
                                        .source = 1,
                                        .value_milli = { (88 + 8 * i) * 1000, (97 - 3 * i) * 1000, 128000 - i * 4000,
                                                         82000, 37000 + 100 * (i % 2), VITAL_ABSENT } };
    alerts[0] = (struct alert){ .type = ALERT_HYPOXIA, .severity = SEVERITY_CRITICAL, .state = ALERT_ACTIVE,
                                .onset_us = t0 + 3 * US_PER_MIN, .peak_milli = 85000, .peak_us = t0 + 4 * US_PER_MIN };
    alerts[1] = (struct alert){ .type = ALERT_FEVER, .severity = SEVERITY_WARNING, .state = ALERT_CLOSED,
                                .onset_us = t0 - 9 * US_PER_MIN, .end_us = t0 + 1, .peak_milli = 38500,
                                .peak_us = t0 - 5 * US_PER_MIN, .ack_us = t0 };
    window = (struct window){ .patient = 1, .from_us = t0, .to_us = t0 + 5 * US_PER_MIN, .readings = readings,
                              .reading_count = 5, .alerts = alerts, .alert_count = 2 };
    facts_make(&window, &alarm_limits_default, &facts);
    return &facts;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct facts *facts;
    struct guard_options options = { .patient_id = "P001", .alias = size & 1 };
    struct arena arena;
    if (size > 4096)
        return 0;
    facts = facts ? facts : make_facts();
    arena_init(&arena, 64 << 20);
    char *text = arena_copy(&arena, (const char *)data, size);
    struct guard_result *result = arena_alloc(&arena, sizeof *result), *again = arena_alloc(&arena, sizeof *again);
    guard_check(facts, text, &options, &arena, result);
    bool told = false;
    for (int i = 0; i < result->kept.count; i++) {
        guard_check(facts, result->kept.sentences[i].text, &options, &arena, again);
        CHECK(again->cut_count == 0);
        told |= strstr(result->kept.sentences[i].text, "ritical ") ||
                strstr(result->kept.sentences[i].text, "evere ") || strstr(result->kept.sentences[i].text, "RITICAL") ||
                strstr(result->kept.sentences[i].text, "EVERE") || again->added == 0;
    }
    CHECK(told);
    arena_free(&arena);
    return 0;
}
