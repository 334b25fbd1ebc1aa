/* Fuzz target: a window as a document (learn/window_json.h).
 * Holds: bounded counts, readings in order, known types and severities, facts of it can be made and written. */
#include "clinical/writer.h"
#include "learn/window_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct window_document document;
    struct arena arena;
    struct err err = { 0 };
    if (size > 65536)
        return 0;
    arena_init(&arena, 64 << 20);
    if (window_json_parse((const char *)data, size, &arena, &document, &err)) {
        const struct window *window = &document.window;
        struct facts *facts = arena_alloc(&arena, sizeof *facts);
        struct summary_text *text = arena_alloc(&arena, sizeof *text);
        CHECK(window->reading_count <= WINDOW_JSON_READINGS_MAX && window->alert_count <= WINDOW_ALERTS_MAX);
        for (size_t i = 1; i < window->reading_count; i++)
            CHECK(window->readings[i - 1].time_us <= window->readings[i].time_us);
        for (size_t i = 0; i < window->alert_count; i++)
            CHECK(window->alerts[i].type < ALERT_TYPE_COUNT && window->alerts[i].severity <= SEVERITY_CRITICAL);
        facts_make(window, &alarm_limits_default, facts);
        writer_write(facts, size, &arena, text);
        CHECK(text->count <= SENTENCES_MAX);
    } else {
        CHECK(err.kind != ERR_NONE && err.text[0]);
    }
    arena_free(&arena);
    return 0;
}
