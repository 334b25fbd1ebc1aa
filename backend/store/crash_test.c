/* Nothing acknowledged is lost: power cuts after every write, disks that fail or fill up, no memory.
 *
 *   crash_test [STATES [TEST]]    how many states after a power cut to open (default 3,000); one test
 *
 * A seeded run of commits, folds, roll-ups, snapshots and checkpoints goes on a disk in memory.
 * After each of its writes and syncs the disk is cut into a few states, and each is opened: every
 * acknowledged reading and alert is there once, a unit is there whole or not at all, the charts
 * count what the readings count, integrity_check says ok, and the store goes on. */
#include "store/testing.h"

#include "base/mem.h"
#include "store/db.h"

#include <sqlite3.h>
#include <stdlib.h>

enum { UNITS_MAX = 400, UNIT_READINGS = 3, PATIENTS = 3 };

/* Unit i: readings of a patient at times that no other unit has, and an alert of its own. */
struct unit {
    struct store_write write;           /* first: done() gets it back */
    struct journal_batch batch;
    struct reading readings[UNIT_READINGS];
    struct alert alert;
    struct audit_row audit;
    bool submitted, done, acked;
};

struct run {
    struct test_store t;
    struct unit units[UNITS_MAX];
    size_t count;
    uint64_t random, seed;
    long states, states_left;           /* opened so far; still wanted */
    bool nested;
    struct crash_disk *during_recovery;
    long recovery_op;
};

static uint32_t pick(struct run *run, uint32_t below)
{
    run->random = run->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(run->random >> 33) % below;
}

static int64_t unit_time(size_t i)
{
    return TEST_DAY_US + (int64_t)i * 20 * US_PER_S;
}

static void on_done(struct store_write *write, bool ok, const struct err *err)
{
    struct unit *unit = (struct unit *)write;
    (void)err;
    unit->done = true;
    unit->acked = ok;
}

static void fill_unit(struct unit *unit, size_t i)
{
    for (int k = 0; k < UNIT_READINGS; k++)
        unit->readings[k] = test_reading((uint32_t)(1 + i % PATIENTS), unit_time(i) + k * US_PER_S,
                                         60 + (int)(i % 100));
    unit->alert = (struct alert){ .patient = unit->readings[0].patient, .type = ALERT_TACHYCARDIA, .version = 1,
                                  .onset_us = unit_time(i), .state = ALERT_ACTIVE, .value_milli = (int32_t)i };
    unit->audit = (struct audit_row){ .time_us = unit_time(i), .actor = "test", .action = "unit", .detail = "" };
}

static void submit_unit(struct test_store *t, struct unit *unit)
{
    unit->batch = (struct journal_batch){ .seq = t->seq, .kind = JOURNAL_READINGS, .count = UNIT_READINGS,
                                          .readings = unit->readings };
    unit->write = (struct store_write){ .done = on_done, .journal = &unit->batch, .journal_count = 1,
                                        .alerts = &unit->alert, .alert_count = 1, .audits = &unit->audit,
                                        .audit_count = 1 };
    unit->done = unit->acked = false;
    unit->submitted = store_submit(t->store, &unit->write, NULL);
    if (unit->submitted)
        t->seq += UNIT_READINGS;
}

/* ---- what must hold of a state ---- */

struct found {
    uint8_t readings[UNITS_MAX][UNIT_READINGS];
    uint8_t alert[UNITS_MAX];
    size_t reading_count;
};

static void read_patient(const struct run *run, struct store *store, uint32_t patient, struct arena *arena,
                         struct found *found)
{
    struct err err = { 0 };
    struct reading *rows;
    size_t count;
    if (!store_readings(store, arena, patient, 0, INT64_MAX, SIZE_MAX, &rows, &count, &err))
        fail_msg("seed %llu: readings: %s", (unsigned long long)run->seed, err.text);
    for (size_t i = 0; i < count; i++) {
        int64_t s = (rows[i].time_us - TEST_DAY_US) / US_PER_S;
        size_t unit = (size_t)(s / 20), k = (size_t)(s % 20);
        assert_true(unit < UNITS_MAX && k < UNIT_READINGS);
        struct unit expected;
        fill_unit(&expected, unit);
        assert_memory_equal(&rows[i], &expected.readings[k], sizeof rows[i]);
        found->readings[unit][k]++;
    }
    found->reading_count += count;
}

/* Once folded: what comes after its hour was rolled up is charted from the next fold on. */
static void check_chart(const struct run *run, struct store *store, uint32_t patient, struct arena *arena)
{
    struct reading *rows;
    size_t count;
    struct history chart;
    uint64_t charted = 0;
    struct err err = { 0 };
    assert_true(store_readings(store, arena, patient, 0, INT64_MAX, SIZE_MAX, &rows, &count, &err));
    assert_true(store_history(store, arena, patient, 0, TEST_DAY_US + 100 * US_PER_DAY, 50, &chart, &err));
    for (size_t i = 0; i < chart.count[VITAL_HEART_RATE]; i++)
        charted += chart.points[VITAL_HEART_RATE][i].count;
    if (charted != count)
        fail_msg("seed %llu: patient %u has %zu readings, its chart counts %llu", (unsigned long long)run->seed,
                 patient, count, (unsigned long long)charted);
}

static void read_all(const struct run *run, struct store *store, struct arena *arena, struct found *found)
{
    struct alert *alerts;
    size_t count;
    *found = (struct found){ 0 };
    for (uint32_t patient = 1; patient <= PATIENTS; patient++)
        read_patient(run, store, patient, arena, found);
    assert_true(store_alerts(store, arena, &(struct alert_query){ .limit = 10000 }, &alerts, &count, NULL));
    for (size_t i = 0; i < count; i++)
        found->alert[(alerts[i].onset_us - TEST_DAY_US) / (20 * US_PER_S)]++;
}

static void check_units(const struct run *run, const struct found *found)
{
    for (size_t i = 0; i < UNITS_MAX; i++) {
        const struct unit *unit = &run->units[i];
        bool whole = found->alert[i] == 1, none = found->alert[i] == 0;
        for (int k = 0; k < UNIT_READINGS; k++) {
            whole = whole && found->readings[i][k] == 1;
            none = none && found->readings[i][k] == 0;
        }
        if (unit->acked ? !whole : !whole && !none)
            fail_msg("seed %llu, state %ld: unit %zu (%s) has readings %d %d %d and alert %d",
                     (unsigned long long)run->seed, run->states, i, unit->acked ? "acknowledged" : "not acknowledged",
                     found->readings[i][0], found->readings[i][1], found->readings[i][2], found->alert[i]);
        if (whole && i >= run->count)
            fail_msg("unit %zu was never submitted", i);
    }
}

static void check_file(const struct run *run, const char *vfs)
{
    struct db *db;
    struct err err = { 0 };
    if (!db_open("/ward/wardscribe.db", vfs, DB_READER, &db, &err) || !db_integrity(db, &err))
        fail_msg("seed %llu: %s", (unsigned long long)run->seed, err.text);
    db_close(db);
}

/* The device sends again what was not acknowledged; then everything is there once. */
static void send_again(const struct run *run, struct test_store *t)
{
    static struct unit again[UNITS_MAX];
    struct found *found = mem_new(1, sizeof *found);
    struct err err = { 0 };
    int64_t rows;
    for (size_t i = 0; i < run->count; i++) {
        if (run->units[i].acked)
            continue;
        fill_unit(&again[i], i);
        submit_unit(t, &again[i]);
    }
    test_fold(t);
    read_all(run, t->store, &t->arena, found);
    for (uint32_t patient = 1; patient <= PATIENTS; patient++)
        check_chart(run, t->store, patient, &t->arena);
    assert_int_equal(found->reading_count, run->count * UNIT_READINGS);
    if (!store_audit_verify(t->store, &rows, &err))
        fail_msg("seed %llu: %s", (unsigned long long)run->seed, err.text);
    assert_true(rows >= (int64_t)run->count);
    mem_free(found);
}

static void recovery_hook(void *context, enum crash_op op)
{
    struct run *run = context;
    (void)op;
    if (--run->recovery_op == 0)
        run->during_recovery = crash_disk_after_power_cut(run->t.disk, "cut again", run->seed ^ 0x5555);
}

static void check_state(struct run *run, struct crash_disk *disk)
{
    struct test_store t = { .clock = run->t.clock, .disk = disk, .options = run->t.options };
    struct found *found = mem_new(1, sizeof *found);
    struct err err = { 0 };
    t.options.vfs = crash_disk_name(disk);
    t.options.clock = &t.clock.clock;
    arena_init(&t.arena, 64 << 20);
    if (!store_open(&t.options, &t.store, &err))
        fail_msg("seed %llu, state %ld: %s", (unsigned long long)run->seed, run->states, err.text);
    t.seq = store_journal_next_seq(t.store);
    check_file(run, crash_disk_name(disk));
    read_all(run, t.store, &t.arena, found);
    check_units(run, found);
    send_again(run, &t);
    store_close(t.store);
    arena_free(&t.arena);
    mem_free(found);
    run->states++;
}

/* Sometimes the power goes again while the store recovers: the damage of the damage must hold too. */
static void cut_and_check(struct run *run, uint64_t seed)
{
    struct crash_disk *disk = crash_disk_after_power_cut(run->t.disk, "cut", seed);
    struct run inner = { .seed = seed, .recovery_op = 1 + (long)(seed >> 8) % 40 };
    bool twice = seed % 8 == 0;
    if (twice) {
        inner.t.disk = disk;
        crash_disk_set_hook(disk, recovery_hook, &inner);
    }
    check_state(run, disk);
    crash_disk_free(disk);
    if (inner.during_recovery) {
        check_state(run, inner.during_recovery);
        crash_disk_free(inner.during_recovery);
    }
}

enum { CUTS_PER_OP = 4 };

static void cut_hook(void *context, enum crash_op op)
{
    struct run *run = context;
    (void)op;
    for (int i = 0; i < CUTS_PER_OP && run->states < run->states_left; i++)
        cut_and_check(run, run->seed * 1000003 + (uint64_t)run->states * 7919 + (uint64_t)i);
}

/* ---- the run ---- */

static void begin_run(struct run *run, uint64_t seed)
{
    *run = (struct run){ .random = seed, .seed = seed };
    run->t.options = (struct store_options){ .engine = "sqlite", .data_dir = "/ward", .vfs = "run",
                                             .raw_retention_h = 10000, .checkpoint_pages = 20 };
    fake_clock_init(&run->t.clock, TEST_DAY_US);
    arena_init(&run->t.arena, 64 << 20);
    run->t.disk = crash_disk_new("run", seed);
}

static void end_run(struct run *run)
{
    if (run->t.store)
        store_close(run->t.store);
    crash_disk_free(run->t.disk);
    arena_free(&run->t.arena);
}

static void snapshot(struct run *run)
{
    static struct store_write write;
    static struct snapshot_row row;
    struct store *store = run->t.store;
    row = (struct snapshot_row){ 1, "state", 5 };
    write = (struct store_write){ .snapshots = &row, .snapshot_count = 1,
                                  .snapshot_seq = store_journal_next_seq(store) };
    (void)!store_submit(store, &write, NULL);
    (void)store_step(store);
}

/* A few units, then time passes: a commit, and now and then a fold, a roll-up, a checkpoint. */
static void round_of(struct run *run, uint32_t units)
{
    for (uint32_t i = 0; i < units && run->count < UNITS_MAX; i++, run->count++) {
        fill_unit(&run->units[run->count], run->count);
        submit_unit(&run->t, &run->units[run->count]);
    }
    (void)store_step(run->t.store);
    if (pick(run, 4) == 0)
        snapshot(run);
    fake_clock_advance(&run->t.clock, pick(run, 3) ? 20 * US_PER_S : 90 * US_PER_S);
    if (pick(run, 12) == 0)
        fake_clock_advance(&run->t.clock, US_PER_HOUR);
    for (int i = 0; i < 20 && store_step(run->t.store); i++)
        ;
}

static long wanted_states = 3000;

static void power_cuts_lose_nothing_that_was_acknowledged(void **state)
{
    long states = 0;
    uint64_t seed = 0;
    (void)state;
    for (seed = 1; states < wanted_states; seed++) {
        struct run *run = mem_new(1, sizeof *run);
        begin_run(run, seed);
        run->states_left = wanted_states - states;
        crash_disk_set_hook(run->t.disk, cut_hook, run);
        test_store_open(&run->t);
        for (int i = 0; i < 25 && run->states < run->states_left; i++)
            round_of(run, 1 + pick(run, 4));
        states += run->states;
        run->states_left = 0;
        end_run(run);
        mem_free(run);
    }
    printf("%ld states after a power cut, %llu runs\n", states, (unsigned long long)seed - 1);
}

/* ---- a disk that fails ---- */

static bool healthy(struct store *store)
{
    char text[256];
    return store_health(store, text, sizeof text);
}

static size_t acked(const struct run *run)
{
    size_t count = 0;
    for (size_t i = 0; i < run->count; i++)
        count += run->units[i].acked;
    return count;
}

static void cut_some(struct run *run, int cuts)
{
    for (int i = 0; i < cuts; i++)
        cut_and_check(run, run->seed * 31 + (uint64_t)i);
}

/* trust.md A4: no acknowledgement for that batch, degraded, a new connection, and on it goes. */
static void a_failed_fsync_acknowledges_nothing_and_is_not_tried_again(void **state)
{
    char text[256];
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct run *run = mem_new(1, sizeof *run);
        begin_run(run, seed);
        test_store_open(&run->t);
        round_of(run, 5);
        size_t before = acked(run);
        assert_int_equal(before, run->count);
        uint64_t opened = crash_disk_count(run->t.disk, CRASH_OPEN);
        crash_disk_fail(run->t.disk, CRASH_SYNC, 1, 1, SQLITE_IOERR_FSYNC);
        for (int i = 0; i < 3; i++, run->count++) {
            fill_unit(&run->units[run->count], run->count);
            submit_unit(&run->t, &run->units[run->count]);
        }
        (void)store_step(run->t.store);
        assert_int_equal(crash_disk_failed(run->t.disk), 1);
        assert_int_equal(acked(run), before);
        assert_true(run->units[run->count - 1].done);
        assert_false(store_health(run->t.store, text, sizeof text));
        assert_non_null(strstr(text, "cannot write"));
        assert_true(crash_disk_count(run->t.disk, CRASH_OPEN) > opened);
        cut_some(run, 4);
        fake_clock_advance(&run->t.clock, 3 * US_PER_S);
        round_of(run, 2);
        assert_int_equal(acked(run), before + 2);
        assert_true(healthy(run->t.store));
        cut_some(run, 4);
        end_run(run);
        mem_free(run);
    }
}

/* trust.md A5: nothing is acknowledged while the disk is full; within 5 s of its return it goes on. */
static void a_full_disk_stops_acknowledgements_until_there_is_room(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct run *run = mem_new(1, sizeof *run);
        begin_run(run, seed);
        test_store_open(&run->t);
        round_of(run, 3);
        size_t before = acked(run);
        crash_disk_fail(run->t.disk, CRASH_WRITE, 1, -1, SQLITE_FULL);
        uint64_t writes = crash_disk_count(run->t.disk, CRASH_WRITE);
        for (int i = 0; i < 100; i++) { /* 10 s */
            if (run->count < UNITS_MAX) {
                fill_unit(&run->units[run->count], run->count);
                submit_unit(&run->t, &run->units[run->count++]);
            }
            (void)store_step(run->t.store);
            fake_clock_advance(&run->t.clock, 100 * US_PER_MS);
        }
        assert_int_equal(acked(run), before);
        assert_false(healthy(run->t.store));
        assert_true(crash_disk_count(run->t.disk, CRASH_WRITE) - writes < 200); /* it backs off */
        crash_disk_fail(run->t.disk, 0, 0, 0, 0);
        fake_clock_advance(&run->t.clock, 5 * US_PER_S);
        round_of(run, 2);
        assert_true(run->units[run->count - 1].acked);
        assert_true(healthy(run->t.store));
        cut_some(run, 3);
        end_run(run);
        mem_free(run);
    }
}

/* The n-th operation of a kind fails, for every n, once and for ever; afterwards the power goes. */
static long fail_nth(enum crash_op op, long nth, long count, int code)
{
    struct run *run = mem_new(1, sizeof *run);
    struct err err = { 0 };
    begin_run(run, (uint64_t)nth);
    crash_disk_fail(run->t.disk, op, nth, count, code);
    run->t.options.clock = &run->t.clock.clock;
    bool open = store_open(&run->t.options, &run->t.store, &err);
    for (int i = 0; open && i < 12; i++) {
        round_of(run, 3);
        fake_clock_advance(&run->t.clock, 3 * US_PER_S);
    }
    long failed = (long)crash_disk_failed(run->t.disk);
    if (open && failed && count > 0) { /* it came back by itself */
        crash_disk_fail(run->t.disk, 0, 0, 0, 0);
        for (int i = 0; i < 20; i++, fake_clock_advance(&run->t.clock, US_PER_S))
            (void)store_step(run->t.store);
        round_of(run, 1);
        assert_true(run->units[run->count - 1].acked);
        assert_true(healthy(run->t.store));
    }
    cut_some(run, 2);
    if (open)
        store_close(run->t.store);
    run->t.store = NULL;
    crash_disk_fail(run->t.disk, 0, 0, 0, 0);
    cut_some(run, 1);
    end_run(run);
    mem_free(run);
    return failed;
}

static void every_operation_may_fail(void **state)
{
    static const struct { const char *name; enum crash_op op; int code; long step; } kinds[] = {
        { "write EIO", CRASH_WRITE, SQLITE_IOERR_WRITE, 7 },  { "write ENOSPC", CRASH_WRITE, SQLITE_FULL, 7 },
        { "fsync EIO", CRASH_SYNC, SQLITE_IOERR_FSYNC, 1 },   { "read EIO", CRASH_READ, SQLITE_IOERR_READ, 3 },
        { "truncate EIO", CRASH_TRUNCATE, SQLITE_IOERR_TRUNCATE, 1 }, { "open EMFILE", CRASH_OPEN, SQLITE_CANTOPEN, 1 },
        { "delete EIO", CRASH_DELETE, SQLITE_IOERR_DELETE, 1 },
    };
    (void)state;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        long n = 1;
        while (fail_nth(kinds[k].op, n, 1, kinds[k].code) > 0)
            n += wanted_states < 10000 ? 3 * kinds[k].step : kinds[k].step;
        long once = n;
        for (n = 1; n < once; n += kinds[k].step * 3)
            (void)fail_nth(kinds[k].op, n, -1, kinds[k].code);
        printf("%s: the first %ld operations failed once, and for ever\n", kinds[k].name, once - 1);
    }
}

/* ---- no memory ---- */

static sqlite3_mem_methods real_memory;
static long memory_left;                /* 0: never fails */
static bool memory_for_ever;

static bool memory_fails(void)
{
    if (memory_left <= 0)
        return false;
    if (memory_left > 1) {
        memory_left--;
        return false;
    }
    if (!memory_for_ever)
        memory_left = 0;
    return true;
}

static void *failing_malloc(int size)
{
    return memory_fails() ? NULL : real_memory.xMalloc(size);
}

static void *failing_realloc(void *old, int size)
{
    return memory_fails() ? NULL : real_memory.xRealloc(old, size);
}

/* Before SQLite is first used. */
static void install_failing_memory(void)
{
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_memory), SQLITE_OK);
    sqlite3_mem_methods failing = real_memory;
    failing.xMalloc = failing_malloc;
    failing.xRealloc = failing_realloc;
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_MALLOC, &failing), SQLITE_OK);
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0), SQLITE_OK); /* or most requests never come here */
}

/* Returns whether memory ran out at all. */
static bool starve(long nth, bool sqlite, bool for_ever)
{
    struct run *run = mem_new(1, sizeof *run);
    struct err err = { 0 };
    begin_run(run, (uint64_t)nth);
    run->t.options.clock = &run->t.clock.clock;
    memory_for_ever = for_ever;
    memory_left = sqlite ? nth : 0;
    mem_fail_after(sqlite ? 0 : nth);
    bool open = store_open(&run->t.options, &run->t.store, &err);
    for (int i = 0; open && i < 6; i++) {
        round_of(run, 3);
        fake_clock_advance(&run->t.clock, 3 * US_PER_S);
    }
    struct reading *rows;
    struct history history;
    size_t count;
    if (open) { /* readers may fail too, with a reason */
        bool read = store_readings(run->t.store, &run->t.arena, 1, 0, INT64_MAX, 10, &rows, &count, &err);
        read = store_history(run->t.store, &run->t.arena, 1, 0, INT64_MAX, 10, &history, &err) && read;
        assert_true(read || err.text[0]);
    }
    bool ran_out = sqlite ? memory_left == 0 || memory_for_ever : false;
    memory_left = 0;
    mem_fail_after(0);
    cut_some(run, 1);
    end_run(run);
    mem_free(run);
    return ran_out;
}

static void sqlite_may_run_out_of_memory_anywhere(void **state)
{
    long n = 1;
    (void)state;
    while (starve(n, true, false))
        n += 1 + n / (wanted_states < 10000 ? 15 : 100); /* each of the first, then some of every doubling */
    printf("SQLite: requests up to the %ldth failed once\n", n);
    for (long k = 1; k < n; k += 1 + k / 6)
        (void)starve(k, true, true);
}

static void the_store_may_run_out_of_memory_anywhere(void **state)
{
    (void)state;
    for (long n = 1; n < 200; n++)
        (void)starve(n, false, false);
}

/* The memory engine takes a failed commit back whole. */
static void the_memory_engine_keeps_a_unit_whole_or_not_at_all(void **state)
{
    (void)state;
    for (long n = 1; n < 120; n++) {
        struct run *run = mem_new(1, sizeof *run);
        struct found *found = mem_new(1, sizeof *found);
        begin_run(run, (uint64_t)n);
        run->t.options.engine = "memory";
        test_store_open(&run->t);
        mem_fail_after(n);
        for (int i = 0; i < 6; i++) {
            round_of(run, 3);
            fake_clock_advance(&run->t.clock, 3 * US_PER_S);
        }
        mem_fail_after(0);
        read_all(run, run->t.store, &run->t.arena, found);
        check_units(run, found);
        assert_true(acked(run) + 3 >= run->count);
        send_again(run, &run->t);
        end_run(run);
        mem_free(found);
        mem_free(run);
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(power_cuts_lose_nothing_that_was_acknowledged),
        cmocka_unit_test(a_failed_fsync_acknowledges_nothing_and_is_not_tried_again),
        cmocka_unit_test(a_full_disk_stops_acknowledgements_until_there_is_room),
        cmocka_unit_test(every_operation_may_fail),
        cmocka_unit_test(sqlite_may_run_out_of_memory_anywhere),
        cmocka_unit_test(the_store_may_run_out_of_memory_anywhere),
        cmocka_unit_test(the_memory_engine_keeps_a_unit_whole_or_not_at_all),
    };
    if (argc > 1)
        wanted_states = strtol(argv[1], NULL, 10);
    if (argc > 2)
        cmocka_set_test_filter(argv[2]);
    install_failing_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
