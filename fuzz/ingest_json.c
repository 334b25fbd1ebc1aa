/* Fuzz target: bodies of POST /api/ingest/vitals (ingest/ndjson.h, ingest/json_reading.h).
 * Holds: no reading outside the limits, ids only of allowed characters, what is written again from an
 * accepted reading reads back the same, and the answer is consistent. */
#include "base/clock.h"
#include "ingest/ndjson.h"

#include <string.h>

#define NOW INT64_C(1795440000000000)

static void check_reading(const struct reading *r, const struct json_reading *from)
{
    static struct json_reading again;
    struct json_reading_error error;
    struct buf line;
    CHECK(r->time_us >= 0 && r->time_us <= NOW + INGEST_FUTURE_MAX_US);
    for (int v = 0; v < VITAL_COUNT; v++)
        CHECK(r->value_milli[v] == VITAL_ABSENT ||
              (r->value_milli[v] >= 0 && r->value_milli[v] <= vital_infos[v].accept_max_milli));
    buf_init(&line, 4096);
    json_reading_write(&line, r, from->patient_id, from->source);
    CHECK(json_reading_parse(line.data, line.length, NOW, &again, &error));
    CHECK(again.reading_count == 1 && memcmp(&again.readings[0], r, sizeof *r) == 0);
    buf_free(&line);
}

static bool take(void *context, size_t line, const struct json_reading *reading, struct json_reading_error *error)
{
    (void)error;
    CHECK(line > 0 && reading->reading_count >= 1 && reading->reading_count <= VITAL_COUNT);
    CHECK(strlen(reading->patient_id) >= 1 && strlen(reading->patient_id) < PATIENT_ID_SIZE);
    for (size_t i = 0; i < reading->reading_count; i++)
        check_reading(&reading->readings[i], reading);
    ++*(int64_t *)context;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ingest_answer answer;
    struct err err;
    int64_t taken = 0;
    ingest_answer_init(&answer);
    if (ndjson_parse((const char *)data, size, NOW, take, &taken, &answer, &err)) {
        CHECK(taken == answer.accepted && !answer.rejects.overflow);
        CHECK(answer.accepted + answer.rejected <= LINE_COUNT_MAX + 1);
    }
    ingest_answer_free(&answer);
    return 0;
}
