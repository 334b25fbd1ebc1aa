/* What holds for the SQLite engine alone: who may write, upgrades, tampering, damage. */
#include "store/testing.h"

#include "base/mem.h"
#include "store/sqlite.h"

#include <stdlib.h>

static int64_t ask(struct db *db, const char *sql_literal)
{
    bool row;
    struct err err = { 0 };
    struct db_query *q = db_query(db, sql_literal);
    if (!db_step(q, &row, &err) || !row)
        fail_msg("%s: %s", sql_literal, err.text);
    int64_t value = db_int(q);
    db_reset(q);
    return value;
}

static struct db *open_db(const char *vfs, enum db_mode mode)
{
    struct db *db;
    struct err err = { 0 };
    if (!db_open("/ward/wardscribe.db", vfs, mode, &db, &err))
        fail_msg("%s", err.text);
    return db;
}

/* SQLite before 3.51.3 can corrupt when a checkpoint of one connection races another's commit. */
static void one_connection_writes_and_checkpoints(void **state)
{
    struct err err = { 0 };
    struct sqlite_engine *engine;
    struct fake_clock clock;
    void *opened;
    char mode[8];
    bool row;
    (void)state;
    fake_clock_init(&clock, TEST_DAY_US);
    struct crash_disk *disk = crash_disk_new("rules", 1);
    struct store_options options = { .data_dir = "/ward", .vfs = "rules", .clock = &clock.clock, .raw_retention_h = 1 };
    assert_true(store_engine_sqlite.open(&options, &opened, &err));
    engine = opened;
    assert_int_equal(ask(engine->writer, "PRAGMA wal_autocheckpoint"), 0);
    assert_int_equal(ask(engine->writer, "PRAGMA synchronous"), 2); /* FULL */
    struct db_query *q = db_query(engine->writer, "PRAGMA journal_mode");
    assert_true(db_step(q, &row, &err) && row);
    db_text(q, mode, sizeof mode);
    assert_string_equal(mode, "wal");
    db_reset(q);
    struct db *readers[READER_COUNT];
    for (int i = 0; i < READER_COUNT; i++) {
        assert_true(reader_take(engine, &readers[i], &err));
        assert_int_equal(ask(readers[i], "PRAGMA wal_autocheckpoint"), 0);
        assert_int_equal(ask(readers[i], "PRAGMA query_only"), 1);
        assert_false(db_exec(readers[i], "INSERT INTO setting VALUES('x', 'y')", &err));
        assert_non_null(strstr(err.text, "readonly"));
        /* With query_only a checkpoint is still possible, so no code but the writer's asks for one. */
    }
    assert_int_equal(engine->pool_opened, READER_COUNT);
    for (int i = 0; i < READER_COUNT; i++)
        reader_give(engine, readers[i]);
    store_engine_sqlite.close(engine);
    crash_disk_free(disk);
}

/* The last one to close a log copies it into the database, unless it is told not to. */
static void a_reader_that_closes_last_copies_nothing(void **state)
{
    struct err err = { 0 };
    (void)state;
    struct crash_disk *disk = crash_disk_new("last", 1);
    struct db *writer = open_db("last", DB_WRITER), *reader;
    assert_true(db_exec(writer, "CREATE TABLE t(x); INSERT INTO t VALUES(1)", &err));
    reader = open_db("last", DB_READER);
    assert_int_equal(ask(reader, "SELECT count(*) FROM t"), 1);
    db_close(writer);
    uint64_t writes = crash_disk_count(disk, CRASH_WRITE);
    db_close(reader);
    assert_int_equal(crash_disk_count(disk, CRASH_WRITE), writes);
    writer = open_db("last", DB_WRITER);
    assert_int_equal(ask(writer, "SELECT count(*) FROM t"), 1);
    db_close(writer);
    crash_disk_free(disk);
}

/* ---- upgrades ---- */

static const struct migration upgrades[] = {
    { 1, "CREATE TABLE t(x); INSERT INTO t VALUES(1);" },
    { 2, "ALTER TABLE t ADD COLUMN y DEFAULT 2; INSERT INTO t VALUES(5, 6);" },
    { 3, "CREATE TABLE u(z); INSERT INTO u SELECT x FROM t;" },
};

static bool upgrade(struct db *db, const char *vfs, size_t to, struct err *err)
{
    return schema_migrate(db, "/ward/wardscribe.db", vfs, upgrades, to, err);
}

static void an_older_schema_is_upgraded_beside_a_copy(void **state)
{
    struct err err = { 0 };
    size_t size;
    (void)state;
    struct crash_disk *disk = crash_disk_new("old", 1);
    struct db *db = open_db("old", DB_WRITER);
    assert_true(upgrade(db, "old", 1, &err));
    assert_null(crash_disk_bytes(disk, "/ward/wardscribe.db.v0.bak", &size)); /* a new database needs none */
    assert_true(upgrade(db, "old", 3, &err));
    assert_int_equal(ask(db, "PRAGMA user_version"), 3);
    assert_int_equal(ask(db, "SELECT count(*) FROM u"), 2);
    assert_true(upgrade(db, "old", 3, &err)); /* again: nothing to do */
    assert_int_equal(ask(db, "SELECT sum(x) FROM t"), 6);
    db_close(db);
    assert_true(db_open("/ward/wardscribe.db.v1.bak", "old", DB_READER, &db, &err));
    assert_int_equal(ask(db, "PRAGMA user_version"), 1);
    assert_int_equal(ask(db, "SELECT count(*) FROM t"), 1);
    db_close(db);
    crash_disk_free(disk);
}

static void a_newer_schema_is_refused(void **state)
{
    struct err err = { 0 };
    struct test_store t;
    struct store *store;
    (void)state;
    test_store_begin(&t, "sqlite", 1);
    store_close(t.store);
    struct db *db = open_db("test-disk", DB_WRITER);
    assert_true(db_exec(db, "PRAGMA user_version=99", &err));
    db_close(db);
    assert_false(store_open(&t.options, &store, &err));
    assert_int_equal(err.kind, ERR_CONFIG);
    assert_non_null(strstr(err.text, "schema 99"));
    assert_non_null(strstr(err.text, "use the newer program"));
    crash_disk_free(t.disk);
    arena_free(&t.arena);
}

/* Killed after the n-th write or sync of an upgrade: the next start finishes it, for every n. */
struct killed {
    struct crash_disk *disk, *after;
    long left;
    uint64_t seed;
};

static void kill_hook(void *context, enum crash_op op)
{
    struct killed *killed = context;
    (void)op;
    if (--killed->left == 0)
        killed->after = crash_disk_after_power_cut(killed->disk, "killed", killed->seed);
}

static void finish_upgrade(struct crash_disk *disk)
{
    struct err err = { 0 };
    struct db *db = open_db("killed", DB_WRITER);
    if (!upgrade(db, "killed", 3, &err))
        fail_msg("%s", err.text);
    assert_int_equal(ask(db, "SELECT sum(x) FROM t"), 6);
    assert_int_equal(ask(db, "SELECT count(*) FROM u"), 2);
    assert_true(db_integrity(db, &err));
    db_close(db);
    crash_disk_free(disk);
}

static void an_upgrade_that_was_killed_goes_on(void **state)
{
    struct err err = { 0 };
    int kills = 0;
    (void)state;
    for (long n = 1;; n++) {
        struct killed killed = { .left = n, .seed = (uint64_t)n };
        killed.disk = crash_disk_new("upgrading", 1);
        struct db *db = open_db("upgrading", DB_WRITER);
        assert_true(upgrade(db, "upgrading", 1, &err));
        crash_disk_set_hook(killed.disk, kill_hook, &killed);
        assert_true(upgrade(db, "upgrading", 3, &err));
        crash_disk_set_hook(killed.disk, NULL, NULL);
        db_close(db);
        crash_disk_free(killed.disk);
        if (!killed.after)
            break;
        finish_upgrade(killed.after);
        kills++;
    }
    assert_in_range(kills, 10, 1000);
}

/* ---- reading beside a running server ---- */

static void a_reading_store_changes_nothing(void **state)
{
    struct test_store t;
    struct store *reader;
    struct err err = { 0 };
    struct reading r[2] = { test_reading(1, TEST_DAY_US, 80), test_reading(1, TEST_DAY_US + US_PER_S, 81) }, *rows;
    struct store_write write = { 0 };
    size_t count;
    (void)state;
    test_store_begin(&t, "sqlite", 100);
    test_put_readings(&t, &r[0], 1);
    test_fold(&t);
    test_put_readings(&t, &r[1], 1); /* still in the journal only */
    struct store_options options = t.options;
    options.read_only = true;
    assert_true(store_open(&options, &reader, &err));
    uint64_t writes = crash_disk_count(t.disk, CRASH_WRITE);
    assert_true(store_readings(reader, &t.arena, 1, 0, INT64_MAX, 10, &rows, &count, &err));
    assert_int_equal(count, 2);
    assert_memory_equal(rows, r, sizeof r);
    assert_false(store_submit(reader, &write, &err));
    assert_int_equal(err.kind, ERR_UNAVAILABLE);
    assert_false(store_fold(reader, &err));
    assert_false(store_step(reader));
    test_put_readings(&t, r, 2); /* the server goes on */
    writes = crash_disk_count(t.disk, CRASH_WRITE);
    store_close(reader);
    assert_int_equal(crash_disk_count(t.disk, CRASH_WRITE), writes);
    test_store_end(&t);
    struct crash_disk *empty = crash_disk_new("nothing", 1);
    options.vfs = "nothing";
    assert_false(store_open(&options, &reader, &err));
    assert_non_null(strstr(err.text, "/ward/wardscribe.db"));
    crash_disk_free(empty);
}

/* ---- the audit chain ---- */

static void tampering_with_the_audit_is_seen(void **state)
{
    static const struct { const char *sql, *says; } cases[] = {
        { "UPDATE audit SET actor = 'nobody' WHERE seq = 3", "audit row 3 was changed" },
        { "UPDATE audit SET detail = '{}' WHERE seq = 1", "audit row 1 was changed" },
        { "UPDATE audit SET time_us = time_us + 1 WHERE seq = 5", "audit row 5 was changed" },
        { "UPDATE audit SET hash = zeroblob(32) WHERE seq = 4", "audit row 4 was changed" },
        { "UPDATE audit SET action = object, object = action WHERE seq = 2", "audit row 2 was changed" },
        { "DELETE FROM audit WHERE seq = 3", "audit row 3 is missing" },
        { "DELETE FROM audit WHERE seq = 1", "audit row 1 is missing" },
        { "DELETE FROM audit WHERE seq = 5", "rows behind it are missing" },
        { "DELETE FROM audit", "rows behind it are missing" },
        { "DELETE FROM audit WHERE seq = 3; UPDATE audit SET seq = seq - 1 WHERE seq > 3", "audit row 3 was changed" },
        { "UPDATE audit SET seq = 100 WHERE seq = 2; UPDATE audit SET seq = 2 WHERE seq = 3; UPDATE audit SET seq = 3 "
          "WHERE seq = 100",
          "audit row 2 was changed" },
        { "UPDATE setting SET value = zeroblob(40) WHERE key = 'audit.head'", "rows behind it are missing" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct test_store t;
        struct err err = { 0 };
        int64_t count;
        struct audit_row rows[5];
        for (int k = 0; k < 5; k++) {
            rows[k] = (struct audit_row){ .time_us = TEST_DAY_US, .actor = "anna", .action = "login", .detail = "" };
            (void)snprintf(rows[k].object, sizeof rows[k].object, "user:%d", k);
        }
        test_store_begin(&t, "sqlite", 1);
        test_write(&t, (struct store_write){ .audits = rows, .audit_count = 5 });
        assert_true(store_audit_verify(t.store, &count, &err));
        struct db *db = open_db("test-disk", DB_WRITER);
        assert_true(db_exec(db, cases[i].sql, &err));
        db_close(db);
        assert_false(store_audit_verify(t.store, &count, &err));
        if (!strstr(err.text, cases[i].says))
            fail_msg("%s: '%s' lacks '%s'", cases[i].sql, err.text, cases[i].says);
        test_store_end(&t);
    }
}

/* ---- damage ---- */

enum { FLIPS = 400, DAMAGE_READINGS = 500 };

/* One bit of the database is wrong: what is shown is right, or is not shown (trust.md A8). */
static void a_flipped_bit_never_shows_a_wrong_value(void **state)
{
    uint64_t random = 7, refused = 0;
    struct test_store t;
    (void)state;
    test_store_begin(&t, "sqlite", 100);
    static struct reading in[DAMAGE_READINGS];
    for (int i = 0; i < DAMAGE_READINGS; i++)
        in[i] = test_reading(1, TEST_DAY_US + i * US_PER_S, 60 + i % 50);
    test_put_readings(&t, in, DAMAGE_READINGS / 2);
    test_fold(&t);
    test_put_readings(&t, in + DAMAGE_READINGS / 2, DAMAGE_READINGS / 2);
    store_close(t.store);
    for (int flip = 0; flip < FLIPS; flip++) {
        struct crash_disk *disk = crash_disk_after_power_cut(t.disk, "flipped", 3);
        struct store_options options = t.options;
        struct store *store;
        struct reading *out;
        size_t size, count = 0;
        unsigned char *bytes = crash_disk_bytes(disk, "/ward/wardscribe.db", &size);
        random = random * 6364136223846793005u + 1442695040888963407u;
        bytes[(random >> 24) % size] ^= (unsigned char)(1 << (random >> 20 & 7));
        options.vfs = "flipped";
        if (store_open(&options, &store, NULL)) {
            if (!store_readings(store, &t.arena, 1, 0, INT64_MAX, SIZE_MAX, &out, &count, NULL))
                count = 0;
            refused += count < DAMAGE_READINGS;
            for (size_t i = 0; i < count; i++) {
                int64_t at = (out[i].time_us - TEST_DAY_US) / US_PER_S;
                assert_in_range(at, 0, DAMAGE_READINGS - 1);
                assert_memory_equal(&out[i], &in[at], sizeof in[at]);
            }
            store_close(store);
        } else {
            refused++;
        }
        arena_reset(&t.arena);
        crash_disk_free(disk);
    }
    printf("%d flips, %llu noticed\n", FLIPS, (unsigned long long)refused);
    assert_true(refused > 0);
    crash_disk_free(t.disk);
    arena_free(&t.arena);
}

/* ---- what a question costs in a full store ---- */

enum { FULL_PATIENTS = 200, FULL_MINUTES = 120, FULL_ALERTS = 20000, SMALL_PAGES = 60 };

static void fill_store(struct test_store *t)
{
    static struct reading minute[FULL_PATIENTS];
    for (int m = 0; m < FULL_MINUTES; m++) {
        for (uint32_t p = 0; p < FULL_PATIENTS; p++)
            minute[p] = test_reading(p + 1, TEST_DAY_US + m * US_PER_MIN, 60 + (int)p % 60);
        test_put_readings(t, minute, FULL_PATIENTS);
    }
    struct alert *alerts = mem_new(FULL_ALERTS, sizeof *alerts);
    for (uint32_t i = 0; i < FULL_ALERTS; i++)
        alerts[i] = (struct alert){ .patient = 1 + i % FULL_PATIENTS, .onset_us = TEST_DAY_US + i * US_PER_S,
                                    .version = 1, .state = i % 5000 ? ALERT_CLOSED : ALERT_ACTIVE };
    test_write(t, (struct store_write){ .alerts = alerts, .alert_count = FULL_ALERTS });
    mem_free(alerts);
    test_fold(t);
    store_close(t->store); /* nothing is left in its caches, nor in the log */
    test_store_open(t);
}

static uint64_t pages_read(struct test_store *t, uint64_t *before)
{
    uint64_t now = crash_disk_count(t->disk, CRASH_READ), count = now - *before;
    *before = now;
    return count;
}

/* A walk through all rows would read them from the disk: they are 165 pages and more. */
static void a_question_does_not_walk_through_the_store(void **state)
{
    (void)state;
    struct test_store t;
    struct reading *readings;
    struct history history;
    struct alert *alerts;
    struct summary_row *summaries;
    size_t count, size;
    uint64_t before = 0;
    test_store_begin(&t, "sqlite", 1000);
    fill_store(&t);
    assert_non_null(crash_disk_bytes(t.disk, "/ward/wardscribe.db", &size));
    assert_true(size > (size_t)10 * SMALL_PAGES * 4096);
    (void)pages_read(&t, &before);
    assert_true(
        store_readings(t.store, &t.arena, 7, TEST_DAY_US, TEST_DAY_US + 10 * US_PER_MIN, 100, &readings, &count, NULL));
    assert_int_equal(count, 10);
    assert_in_range(pages_read(&t, &before), 1, SMALL_PAGES);
    assert_true(store_history(t.store, &t.arena, 7, TEST_DAY_US, TEST_DAY_US + 10 * US_PER_MIN, 100, &history, NULL));
    assert_in_range(pages_read(&t, &before), 0, SMALL_PAGES);
    assert_true(store_alerts(t.store, &t.arena, &(struct alert_query){ .open_only = true,
                                                                       .limit = 1000 }, &alerts, &count, NULL));
    assert_int_equal(count, FULL_ALERTS / 5000);
    assert_in_range(pages_read(&t, &before), 1, SMALL_PAGES);
    assert_true(store_alerts(t.store, &t.arena, &(struct alert_query){ .patient = 7,
                                                                       .limit = 5 }, &alerts, &count, NULL));
    assert_true(store_summaries(t.store, &t.arena, &(struct summary_query){ .patient_id = "P7",
                                                                            .limit = 1 }, &summaries, &count, NULL));
    assert_in_range(pages_read(&t, &before), 0, SMALL_PAGES);
    test_store_end(&t);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_connection_writes_and_checkpoints),
        cmocka_unit_test(a_reader_that_closes_last_copies_nothing),
        cmocka_unit_test(an_older_schema_is_upgraded_beside_a_copy),
        cmocka_unit_test(a_newer_schema_is_refused),
        cmocka_unit_test(an_upgrade_that_was_killed_goes_on),
        cmocka_unit_test(a_reading_store_changes_nothing),
        cmocka_unit_test(tampering_with_the_audit_is_seen),
        cmocka_unit_test(a_flipped_bit_never_shows_a_wrong_value),
        cmocka_unit_test(a_question_does_not_walk_through_the_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
