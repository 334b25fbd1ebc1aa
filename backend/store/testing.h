/* testing.h - a store on a disk in memory, for the tests of store/ and of what stands on it. */
#ifndef STORE_TESTING_H
#define STORE_TESTING_H

#include "store/crash_vfs.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define TEST_DAY_US (INT64_C(1767225600) * US_PER_S) /* 2026-01-01T00:00:00Z */

struct test_store {
    struct fake_clock clock;
    struct crash_disk *disk;            /* NULL: memory engine */
    struct store_options options;
    struct store *store;
    struct arena arena;
    int64_t seq;
};

static inline void test_store_open(struct test_store *t)
{
    struct err err = { 0 };
    t->options.clock = &t->clock.clock;
    if (!store_open(&t->options, &t->store, &err))
        fail_msg("store_open: %s", err.text);
    t->seq = store_journal_next_seq(t->store);
}

static inline void test_store_begin(struct test_store *t, const char *engine, int raw_retention_h)
{
    *t = (struct test_store){ .options = {
                                  .engine = engine, .data_dir = "/ward", .raw_retention_h = raw_retention_h } };
    fake_clock_init(&t->clock, TEST_DAY_US + 12 * US_PER_HOUR);
    arena_init(&t->arena, 256 << 20);
    if (strcmp(engine, "sqlite") == 0) {
        t->disk = crash_disk_new("test-disk", 1);
        t->options.vfs = "test-disk";
    }
    test_store_open(t);
}

static inline void test_store_end(struct test_store *t)
{
    store_close(t->store);
    crash_disk_free(t->disk);
    arena_free(&t->arena);
}

static inline void test_fold(struct test_store *t)
{
    struct err err = { 0 };
    if (!store_fold(t->store, &err))
        fail_msg("store_fold: %s", err.text);
}

/* Writes a unit and steps until it is done. */
static inline void test_write(struct test_store *t, struct store_write write)
{
    struct err err = { 0 };
    if (!store_write_sync(t->store, &write, &err))
        fail_msg("store_write: %s", err.text);
}

static inline void test_put_readings(struct test_store *t, const struct reading *readings, uint32_t count)
{
    struct journal_batch batch = { .seq = t->seq, .kind = JOURNAL_READINGS, .count = count, .readings = readings };
    test_write(t, (struct store_write){ .journal = &batch, .journal_count = 1 });
    t->seq += count;
}

static inline struct reading test_reading(uint32_t patient, int64_t time_us, int heart_rate)
{
    struct reading r = { .time_us = time_us, .patient = patient, .source = 1 };
    for (int v = 0; v < VITAL_COUNT; v++)
        r.value_milli[v] = VITAL_ABSENT;
    r.value_milli[VITAL_HEART_RATE] = heart_rate * 1000;
    return r;
}

#endif
