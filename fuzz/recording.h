/* recording.h - one fuzz target per recording format (ingest/recording.h).
 * Holds: readings come in order of time; a value is absent or within what a device can mean; marks are
 * those of clinical/reading.h; the counts add up; an id is one that the server takes. */
#ifndef FUZZ_RECORDING_H
#define FUZZ_RECORDING_H

#include "ingest/recording.h"

#include <string.h>

static void check_reading(const struct recording *recording, const struct reading *reading, int64_t last_us)
{
    struct reading again = *reading;
    const char *id = recording_patient(recording, reading->patient)->id;
    CHECK(reading->time_us >= last_us);
    for (int v = 0; v < VITAL_COUNT; v++)
        CHECK(reading->value_milli[v] == VITAL_ABSENT ||
              (reading->value_milli[v] >= 0 && reading->value_milli[v] <= vital_infos[v].accept_max_milli));
    reading_mark_implausible(&again);
    CHECK(again.implausible == reading->implausible);
    CHECK(id[0] && strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == strlen(id));
}

static int fuzz_recording(const char *format, const char *name, const uint8_t *data, size_t size)
{
    static const enum recording_start starts[] = { START_AT, START_ENDS_AT, START_RECORDED };
    struct recording *recording;
    struct reading reading;
    struct err err = { 0 };
    struct recording_options options = { .format = format };
    if (!recording_open_memory(&options, name, data, size, &recording, &err)) {
        CHECK(err.kind != ERR_NONE && err.text[0]);
        return 0;
    }
    const struct recording_counts *counts = recording_counts(recording);
    CHECK(counts->rows == counts->readings + counts->rows_refused && counts->empty <= counts->readings);
    for (int i = 0; i < 3; i++) {
        int64_t last_us = INT64_MIN, count = 0;
        recording_restart(recording, starts[i], INT64_C(1800000000) * US_PER_S);
        for (; recording_next(recording, &reading); count++) {
            check_reading(recording, &reading, last_us);
            last_us = reading.time_us;
        }
        CHECK(count == counts->readings);
    }
    recording_close(recording);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
