/* The contract of a store: the same cases over every engine, then both side by side on random work. */
#include "store/testing.h"

#include "store/db.h"
#include "store/series.h"

#include <pthread.h>
#include <stdlib.h>

enum { RETENTION_H = 24 };

static size_t count_readings(struct test_store *t, uint32_t patient)
{
    struct reading *rows;
    size_t count;
    struct err err = { 0 };
    assert_true(store_readings(t->store, &t->arena, patient, 0, INT64_MAX, SIZE_MAX, &rows, &count, &err));
    return count;
}

static struct history draw(struct test_store *t, uint32_t patient, int64_t from_us, int64_t to_us, size_t points)
{
    struct history history;
    struct err err = { 0 };
    assert_true(store_history(t->store, &t->arena, patient, from_us, to_us, points, &history, &err));
    return history;
}

static uint64_t drawn(const struct history *history, enum vital vital)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < history->count[vital]; i++)
        sum += history->points[vital][i].count;
    return sum;
}

static size_t audits(struct test_store *t, struct audit_row **out)
{
    size_t count;
    struct err err = { 0 };
    assert_true(store_audits(t->store, &t->arena, 0, 1000, out, &count, &err));
    return count;
}

static void fill(struct test_store *t, uint32_t patient, int64_t from_us, int count, int64_t every_us)
{
    struct reading *r = calloc((size_t)count, sizeof *r);
    for (int i = 0; i < count; i++)
        r[i] = test_reading(patient, from_us + i * every_us, 60 + i % 40);
    for (int at = 0; at < count; at += 10000)
        test_put_readings(t, r + at, (uint32_t)(count - at < 10000 ? count - at : 10000));
    free(r);
}

/* ---- readings ---- */

static void a_reading_is_stored_once(struct test_store *t)
{
    struct reading r[6];
    for (int i = 0; i < 6; i++)
        r[i] = test_reading(1, TEST_DAY_US + i / 2 * US_PER_S, 80 + i / 2); /* each twice in one unit */
    for (int again = 0; again < 3; again++) {
        test_put_readings(t, r, 6);
        assert_int_equal(count_readings(t, 1), 3);
        if (again == 1)
            test_fold(t);
    }
    test_fold(t);
    assert_int_equal(count_readings(t, 1), 3);
    struct audit_row *rows;
    assert_int_equal(audits(t, &rows), 0); /* a repetition is no conflict */
}

static void other_values_at_the_same_instant_keep_the_first_and_are_audited(struct test_store *t)
{
    struct reading first = test_reading(7, TEST_DAY_US, 80), other = test_reading(7, TEST_DAY_US, 99);
    struct reading *rows;
    struct audit_row *audit;
    size_t count;
    test_put_readings(t, &first, 1);
    test_put_readings(t, &other, 1);
    test_fold(t);
    test_put_readings(t, &other, 1); /* and when the first is folded away already */
    test_fold(t);
    assert_true(store_readings(t->store, &t->arena, 7, 0, INT64_MAX, 10, &rows, &count, NULL));
    assert_int_equal(count, 1);
    assert_int_equal(rows[0].value_milli[VITAL_HEART_RATE], 80000);
    assert_int_equal(audits(t, &audit), 2);
    assert_string_equal(audit[0].action, "reading.conflict");
    assert_string_equal(audit[0].object, "patient-number:7");
    assert_string_equal(audit[0].detail, "{\"count\":1,\"kept\":\"first\"}");
    other.source = 2; /* another device at the same instant is another reading */
    test_put_readings(t, &other, 1);
    assert_int_equal(count_readings(t, 7), 2);
}

static void readings_come_back_by_time_then_source_up_to_a_limit(struct test_store *t)
{
    struct reading in[] = { test_reading(1, TEST_DAY_US + 5 * US_PER_S, 3), test_reading(1, TEST_DAY_US, 1),
                            test_reading(1, TEST_DAY_US + 5 * US_PER_S, 2), test_reading(2, TEST_DAY_US, 9) };
    struct reading *rows;
    size_t count;
    in[0].source = 9;
    test_put_readings(t, in, 4);
    for (int folded = 0; folded < 2; folded++) {
        assert_true(
            store_readings(t->store, &t->arena, 1, TEST_DAY_US, TEST_DAY_US + 6 * US_PER_S, 10, &rows, &count, NULL));
        assert_int_equal(count, 3);
        for (int i = 0; i < 3; i++)
            assert_int_equal(rows[i].value_milli[VITAL_HEART_RATE], (i + 1) * 1000);
        assert_true(
            store_readings(t->store, &t->arena, 1, TEST_DAY_US, TEST_DAY_US + 5 * US_PER_S, 10, &rows, &count, NULL));
        assert_int_equal(count, 1); /* the end is not in the range */
        assert_true(store_readings(t->store, &t->arena, 1, 0, INT64_MAX, 2, &rows, &count, NULL));
        assert_int_equal(count, 2);
        test_fold(t);
    }
}

static void what_no_engine_may_hold_is_refused(struct test_store *t)
{
    struct err err = { 0 };
    struct reading wrong[] = { test_reading(0, TEST_DAY_US, 80), test_reading(PATIENT_COUNT_MAX + 1, TEST_DAY_US, 80),
                               test_reading(1, -1, 80), test_reading(1, INT64_MAX, 80) };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct journal_batch batch = { .seq = t->seq, .kind = JOURNAL_READINGS, .count = 1, .readings = &wrong[i] };
        struct store_write write = { .journal = &batch, .journal_count = 1 };
        assert_false(store_submit(t->store, &write, &err));
        assert_int_equal(err.kind, ERR_INPUT);
    }
}

/* ---- units ---- */

struct unit {
    struct store_write write; /* first */
    int *order, at, done;
    bool ok;
    enum err_kind kind;
};

static void on_done(struct store_write *write, bool ok, const struct err *err)
{
    struct unit *unit = (struct unit *)write;
    unit->done = ++*unit->order;
    unit->ok = ok;
    unit->kind = ok ? ERR_NONE : err->kind;
}

static void units_are_done_in_order_and_together(struct test_store *t)
{
    enum { COUNT = 50 };
    static struct unit units[COUNT];
    struct reading r[COUNT];
    struct journal_batch batches[COUNT];
    int order = 0;
    struct err err = { 0 };
    fill(t, 1, TEST_DAY_US - US_PER_DAY, 1, 1); /* the first commit also makes the log */
    for (int i = 0; i < COUNT; i++) {
        r[i] = test_reading(1, TEST_DAY_US + i * US_PER_S, 60 + i);
        batches[i] = (struct journal_batch){ .seq = t->seq++, .kind = JOURNAL_READINGS, .count = 1, .readings = &r[i] };
        units[i] = (struct unit){ .write = { .done = on_done, .journal = &batches[i], .journal_count = 1 },
                                  .order = &order };
        assert_true(store_submit(t->store, &units[i].write, &err));
    }
    uint64_t syncs = t->disk ? crash_disk_count(t->disk, CRASH_SYNC) : 0;
    assert_int_equal(order, 0);
    assert_true(store_step(t->store));
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(units[i].done, i + 1);
        assert_true(units[i].ok);
    }
    if (t->disk) /* one group, one sync of the log */
        assert_int_equal(crash_disk_count(t->disk, CRASH_SYNC) - syncs, 1);
    assert_int_equal(store_journal_next_seq(t->store), t->seq);
}

static struct user_row user(const char *name)
{
    struct user_row row = { .active = true, .created_us = TEST_DAY_US };
    (void)snprintf(row.username, sizeof row.username, "%s", name);
    (void)snprintf(row.role, sizeof row.role, "nurse");
    return row;
}

/* A unit with a name that is taken fails whole; the others of its group do not pay for it. */
static void one_wrong_unit_fails_alone(struct test_store *t)
{
    static struct unit units[3];
    struct user_row names[3] = { user("anna"), user("ANNA"), user("berta") };
    struct reading r[3];
    struct journal_batch batches[3];
    struct alert alert = { .patient = 2, .type = ALERT_FEVER, .onset_us = TEST_DAY_US, .version = 1,
                           .state = ALERT_ACTIVE };
    int order = 0;
    for (int i = 0; i < 3; i++) {
        r[i] = test_reading((uint32_t)i + 1, TEST_DAY_US, 80);
        batches[i] = (struct journal_batch){ .seq = t->seq++, .kind = JOURNAL_READINGS, .count = 1, .readings = &r[i] };
        units[i] = (struct unit){ .order = &order, .write = { .done = on_done, .users = &names[i], .user_count = 1,
                                                             .journal = &batches[i], .journal_count = 1 } };
        if (i == 1)
            units[i].write.alerts = &alert, units[i].write.alert_count = 1;
        assert_true(store_submit(t->store, &units[i].write, NULL));
    }
    while (order < 3)
        assert_true(store_step(t->store));
    assert_true(units[0].ok && !units[1].ok && units[2].ok);
    assert_int_equal(units[1].kind, ERR_CONFLICT);
    struct user_row *users;
    struct alert *alerts;
    size_t count;
    assert_true(store_users(t->store, &t->arena, &users, &count, NULL));
    assert_int_equal(count, 2);
    assert_string_equal(users[1].username, "berta");
    assert_int_equal(users[1].id, 2);
    assert_int_equal(count_readings(t, 1), 1);
    assert_int_equal(count_readings(t, 2), 0);
    assert_int_equal(count_readings(t, 3), 1);
    assert_true(store_alerts(t->store, &t->arena, &(struct alert_query){ .limit = 10 }, &alerts, &count, NULL));
    assert_int_equal(count, 0);
    char health[128];
    assert_true(store_health(t->store, health, sizeof health)); /* the unit was wrong, not the store */
}

static void the_queue_has_a_bound(struct test_store *t)
{
    struct store_write *units = calloc(STORE_QUEUE_ITEMS_MAX + 1, sizeof *units);
    struct err err = { 0 };
    for (int i = 0; i < STORE_QUEUE_ITEMS_MAX; i++)
        assert_true(store_submit(t->store, &units[i], &err));
    assert_false(store_submit(t->store, &units[STORE_QUEUE_ITEMS_MAX], &err));
    assert_int_equal(err.kind, ERR_BUSY);
    while (store_step(t->store))
        ;
    assert_true(store_submit(t->store, &units[STORE_QUEUE_ITEMS_MAX], &err));
    while (store_step(t->store))
        ;
    free(units);
}

/* ---- charts ---- */

static void a_chart_picks_raw_minutes_or_hours(struct test_store *t)
{
    int64_t start = TEST_DAY_US + 6 * US_PER_HOUR;
    fill(t, 1, start, 6 * 3600, US_PER_S);
    test_fold(t);
    struct { int64_t span_us; size_t points; int64_t bucket_us; } cases[] = {
        { 10 * US_PER_MIN, 600, 0 },                  { 10 * US_PER_MIN, 301, 2 * US_PER_S },
        { US_PER_HOUR, 361, 10 * US_PER_S },          { 5 * US_PER_HOUR, 301, US_PER_MIN },
        { 5 * US_PER_HOUR, 61, 5 * US_PER_MIN },      { 6 * US_PER_HOUR, 7, US_PER_HOUR },
        { 6 * US_PER_HOUR, 3, 3 * US_PER_HOUR },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct history h = draw(t, 1, start, start + cases[i].span_us, cases[i].points);
        assert_int_equal(h.bucket_us, cases[i].bucket_us);
        assert_in_range(h.count[VITAL_HEART_RATE], 1, cases[i].points);
        assert_int_equal(drawn(&h, VITAL_HEART_RATE), cases[i].span_us / US_PER_S);
        assert_int_equal(h.count[VITAL_SPO2], 0);
    }
}

static void implausible_values_are_counted_and_not_drawn(struct test_store *t)
{
    struct reading r[3];
    for (int i = 0; i < 3; i++)
        r[i] = test_reading(1, TEST_DAY_US + 11 * US_PER_HOUR + i * US_PER_S, i ? 80 : 0);
    r[0].implausible = 1u << VITAL_HEART_RATE;
    test_put_readings(t, r, 3);
    struct history h = draw(t, 1, TEST_DAY_US, TEST_DAY_US + US_PER_DAY, 100);
    assert_int_equal(h.implausible_count, 1);
    assert_int_equal(drawn(&h, VITAL_HEART_RATE), 2);
    assert_int_equal(h.points[VITAL_HEART_RATE][0].min_milli, 80000);
}

/* Raw readings go after raw_retention_h; minutes and hours stay for ever. */
static void old_readings_go_and_their_buckets_stay(struct test_store *t)
{
    int64_t start = TEST_DAY_US + 11 * US_PER_HOUR;
    fill(t, 1, start, 3600, US_PER_S);
    struct history before = draw(t, 1, start, start + US_PER_HOUR, 61);
    assert_int_equal(before.bucket_us, US_PER_MIN);
    for (int hour = 0; hour < RETENTION_H + 2; hour++) {
        fake_clock_advance(&t->clock, US_PER_HOUR);
        test_fold(t);
    }
    assert_int_equal(count_readings(t, 1), 0);
    struct history after = draw(t, 1, start, start + US_PER_HOUR, 61);
    assert_int_equal(after.count[VITAL_HEART_RATE], before.count[VITAL_HEART_RATE]);
    assert_memory_equal(after.points[VITAL_HEART_RATE], before.points[VITAL_HEART_RATE],
                        before.count[VITAL_HEART_RATE] * sizeof(struct history_point));
    struct history finest = draw(t, 1, start, start + US_PER_HOUR, 3600);
    assert_int_equal(finest.bucket_us, US_PER_MIN); /* finer is not kept */
    struct history years = draw(t, 1, 0, TEST_DAY_US + 30 * US_PER_DAY, 50);
    assert_int_equal(drawn(&years, VITAL_HEART_RATE), 3600);
}

static void a_late_reading_corrects_its_bucket_once(struct test_store *t)
{
    int64_t start = TEST_DAY_US + 11 * US_PER_HOUR;
    fill(t, 1, start, 100, US_PER_S);
    fake_clock_advance(&t->clock, 30 * US_PER_MIN);
    test_fold(t); /* the hour from 11 is rolled up */
    struct reading late = test_reading(1, start + 500 * US_PER_S, 200);
    for (int i = 0; i < 2; i++) {
        test_put_readings(t, &late, 1);
        test_fold(t);
        struct history h = draw(t, 1, start, start + US_PER_HOUR, 1);
        assert_int_equal(drawn(&h, VITAL_HEART_RATE), 101);
        assert_int_equal(h.points[VITAL_HEART_RATE][0].max_milli, 200000);
    }
    for (int hour = 0; hour < RETENTION_H + 2; hour++) {
        fake_clock_advance(&t->clock, US_PER_HOUR);
        test_fold(t);
    }
    test_put_readings(t, &late, 1); /* its minute is dropped: it may be a repetition, so it does not count */
    test_fold(t);
    struct history h = draw(t, 1, start, start + US_PER_HOUR, 1);
    assert_int_equal(drawn(&h, VITAL_HEART_RATE), 101);
}

/* ---- plain rows ---- */

static void an_older_alert_never_replaces_a_newer_one(struct test_store *t)
{
    struct alert *rows;
    size_t count;
    static const uint32_t versions[] = { 1, 3, 2, 3 };
    for (int i = 0; i < 4; i++) {
        struct alert a = { .patient = 4, .type = ALERT_HYPOXIA, .onset_us = TEST_DAY_US, .version = versions[i],
                           .state = ALERT_ACTIVE, .severity = SEVERITY_CRITICAL, .value_milli = 80000 + i };
        test_write(t, (struct store_write){ .alerts = &a, .alert_count = 1 });
    }
    assert_true(store_alerts(t->store, &t->arena, &(struct alert_query){ .limit = 10 }, &rows, &count, NULL));
    assert_int_equal(count, 1);
    assert_int_equal(rows[0].version, 3);
    assert_int_equal(rows[0].value_milli, 80003); /* the same version again is the same alert */
}

static void alerts_are_found_by_patient_state_and_time(struct test_store *t)
{
    struct alert in[20];
    struct alert *rows;
    size_t count;
    for (int i = 0; i < 20; i++)
        in[i] = (struct alert){ .patient = (uint32_t)(1 + i % 2), .type = (uint8_t)(i % 4), .version = 1,
                                .onset_us = TEST_DAY_US + i / 2 * US_PER_S,
                                .state = i < 10 ? ALERT_CLOSED : ALERT_LATCHED };
    test_write(t, (struct store_write){ .alerts = in, .alert_count = 20 });
    struct { struct alert_query query; size_t count; int64_t first_us; } cases[] = {
        { { .limit = 100 }, 20, 9 }, { { .limit = 3 }, 3, 9 }, { { .patient = 2, .limit = 100 }, 10, 9 },
        { { .patient = 3, .limit = 100 }, 0, 0 }, { { .open_only = true, .limit = 100 }, 10, 9 },
        { { .from_us = TEST_DAY_US + 2 * US_PER_S, .to_us = TEST_DAY_US + 4 * US_PER_S, .limit = 100 }, 4, 3 },
        { { .patient = 1, .open_only = true, .to_us = TEST_DAY_US + 6 * US_PER_S, .limit = 100 }, 1, 5 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(store_alerts(t->store, &t->arena, &cases[i].query, &rows, &count, NULL));
        assert_int_equal(count, cases[i].count);
        if (count)
            assert_int_equal(rows[0].onset_us, TEST_DAY_US + cases[i].first_us * US_PER_S);
        for (size_t k = 1; k < count; k++)
            assert_true(rows[k - 1].onset_us >= rows[k].onset_us);
    }
}

static void patients_sources_and_limits_are_kept_by_number(struct test_store *t)
{
    struct patient_row in[] = { { .number = 2, .id = "P002", .name = "B", .age = 40 },
                                { .number = 1, .id = "P001", .name = "A", .age = -1 } };
    struct source_row source = { 1, "monitor-7" }, taken = { 2, "monitor-7" };
    struct limits_row limits = { 2, alarm_limits_default };
    struct err err = { 0 };
    test_write(t, (struct store_write){ .patients = in, .patient_count = 2, .sources = &source, .source_count = 1,
                                        .limits = &limits, .limits_count = 1 });
    in[0] = (struct patient_row){ .number = 2, .id = "other", .name = "B2", .age = 41, .discharged = true };
    limits.limits.spo2_scale = 2;
    test_write(t, (struct store_write){ .patients = in, .patient_count = 1, .limits = &limits, .limits_count = 1 });
    struct patient_row *patients;
    struct source_row *sources;
    struct limits_row *found;
    size_t count;
    assert_true(store_patients(t->store, &t->arena, &patients, &count, NULL));
    assert_int_equal(count, 2);
    assert_string_equal(patients[0].id, "P001");
    assert_string_equal(patients[1].id, "P002"); /* an id is for life */
    assert_string_equal(patients[1].name, "B2");
    assert_true(patients[1].discharged && patients[1].age == 41);
    struct store_write twice = { .sources = &taken, .source_count = 1 };
    assert_false(store_write_sync(t->store, &twice, &err));
    assert_int_equal(err.kind, ERR_CONFLICT);
    struct patient_row same_id = { .number = 3, .id = "P001" };
    struct store_write same = { .patients = &same_id, .patient_count = 1 };
    assert_false(store_write_sync(t->store, &same, &err));
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_true(store_sources(t->store, &t->arena, &sources, &count, NULL));
    assert_int_equal(count, 1);
    assert_true(store_limits(t->store, &t->arena, &found, &count, NULL));
    assert_int_equal(count, 1);
    assert_int_equal(found[0].limits.spo2_scale, 2);
}

static void users_keep_their_id_and_give_a_name_free(struct test_store *t)
{
    struct user_row in = user("anna"), other = user("berta"), *rows;
    struct err err = { 0 };
    size_t count;
    test_write(t, (struct store_write){ .users = &in, .user_count = 1 });
    in = user("clara"), in.id = 1, in.created_us = 5, in.last_login_us = 77;
    test_write(t, (struct store_write){ .users = &in, .user_count = 1 });
    test_write(t, (struct store_write){ .users = &other, .user_count = 1 });
    other = user("Clara"), other.id = 2;
    struct store_write taken = { .users = &other, .user_count = 1 };
    assert_false(store_write_sync(t->store, &taken, &err));
    assert_int_equal(err.kind, ERR_CONFLICT);
    other = user("anna");
    test_write(t, (struct store_write){ .users = &other, .user_count = 1 });
    assert_true(store_users(t->store, &t->arena, &rows, &count, NULL));
    assert_int_equal(count, 3);
    assert_string_equal(rows[0].username, "clara");
    assert_int_equal(rows[0].created_us, TEST_DAY_US);
    assert_int_equal(rows[0].last_login_us, 77);
    assert_int_equal(rows[2].id, 3);
}

static void settings_come_back_byte_for_byte(struct test_store *t)
{
    void *value;
    size_t size;
    struct setting_row in[] = { { "key", "a\0b", 3 }, { "empty", "", 0 }, { "other", "x", 1 } };
    test_write(t, (struct store_write){ .settings = in, .setting_count = 3 });
    assert_true(store_setting(t->store, &t->arena, "key", &value, &size, NULL));
    assert_int_equal(size, 3);
    assert_memory_equal(value, "a\0b", 3);
    assert_true(store_setting(t->store, &t->arena, "empty", &value, &size, NULL));
    assert_true(value && !size);
    in[0] = (struct setting_row){ "key", "new", 3 }, in[1] = (struct setting_row){ "other", NULL, 0 };
    test_write(t, (struct store_write){ .settings = in, .setting_count = 2 });
    assert_true(store_setting(t->store, &t->arena, "key", &value, &size, NULL));
    assert_memory_equal(value, "new", 3);
    assert_true(store_setting(t->store, &t->arena, "other", &value, &size, NULL));
    assert_null(value);
}

static void feedback_is_oldest_first(struct test_store *t)
{
    struct feedback_row in[3], *rows;
    struct summary_row summary = { .id = "s1", .patient_id = "P1", .time_us = TEST_DAY_US,
                                   .document = "{\"a\":1}" }, *one;
    size_t count;
    for (int i = 0; i < 3; i++) {
        in[i] = (struct feedback_row){ .time_us = TEST_DAY_US + (2 - i) * US_PER_S, .document = "{}" };
        (void)snprintf(in[i].id, sizeof in[i].id, "f%d", i);
        (void)snprintf(in[i].summary_id, sizeof in[i].summary_id, "s1");
    }
    test_write(t, (struct store_write){ .feedbacks = in, .feedback_count = 3, .summaries = &summary,
                                        .summary_count = 1 });
    in[2].document = "{\"again\":true}";
    test_write(t, (struct store_write){ .feedbacks = &in[2], .feedback_count = 1 });
    assert_true(store_feedbacks(t->store, &t->arena, TEST_DAY_US, TEST_DAY_US + 2 * US_PER_S, 10, &rows, &count, NULL));
    assert_int_equal(count, 2);
    assert_string_equal(rows[0].id, "f2");
    assert_string_equal(rows[0].document, "{\"again\":true}");
    assert_string_equal(rows[1].id, "f1");
    assert_true(store_summary(t->store, &t->arena, "s1", &one, NULL));
    assert_string_equal(one->document, "{\"a\":1}");
    assert_true(store_summary(t->store, &t->arena, "s2", &one, NULL));
    assert_null(one);
}

static void summaries_are_newest_first(struct test_store *t)
{
    struct summary_row in[4], *rows;
    size_t count;
    for (int i = 0; i < 4; i++) {
        in[i] = (struct summary_row){ .time_us = TEST_DAY_US + i / 2 * US_PER_S, .document = "{}" };
        (void)snprintf(in[i].id, sizeof in[i].id, "s%d", i);
        (void)snprintf(in[i].patient_id, sizeof in[i].patient_id, "P%d", i % 2);
    }
    test_write(t, (struct store_write){ .summaries = in, .summary_count = 4 });
    in[1].document = "{\"again\":true}", in[1].time_us += US_PER_DAY;
    test_write(t, (struct store_write){ .summaries = &in[1], .summary_count = 1 });
    assert_true(store_summaries(t->store, &t->arena, &(struct summary_query){ .limit = 3 }, &rows, &count, NULL));
    assert_int_equal(count, 3);
    assert_string_equal(rows[0].id, "s3");
    assert_string_equal(rows[1].id, "s2");
    assert_string_equal(rows[2].id, "s1");
    assert_string_equal(rows[2].document, "{\"again\":true}");
    struct summary_query query = { .patient_id = "P0", .limit = 10 };
    assert_true(store_summaries(t->store, &t->arena, &query, &rows, &count, NULL));
    assert_int_equal(count, 2);
    assert_string_equal(rows[1].id, "s0");
    query = (struct summary_query){ .patient_id = "P0", .from_us = TEST_DAY_US, .to_us = TEST_DAY_US + US_PER_S,
                                    .limit = 10 };
    assert_true(store_summaries(t->store, &t->arena, &query, &rows, &count, NULL));
    assert_int_equal(count, 1);
    assert_string_equal(rows[0].id, "s0");
    query = (struct summary_query){ .from_us = TEST_DAY_US + 1, .limit = 10 };
    assert_true(store_summaries(t->store, &t->arena, &query, &rows, &count, NULL));
    assert_int_equal(count, 2);
    assert_string_equal(rows[1].id, "s2");
}

static void the_audit_is_a_chain(struct test_store *t)
{
    struct audit_row in[5], *rows;
    struct err err = { 0 };
    int64_t verified;
    size_t count;
    for (int i = 0; i < 5; i++) {
        in[i] = (struct audit_row){ .time_us = TEST_DAY_US + i, .actor = "anna", .action = "login",
                                    .detail = i ? "{}" : NULL };
        (void)snprintf(in[i].object, sizeof in[i].object, "user:%d", i);
    }
    test_write(t, (struct store_write){ .audits = in, .audit_count = 3 });
    test_write(t, (struct store_write){ .audits = in + 3, .audit_count = 2 });
    assert_true(store_audit_verify(t->store, &verified, &err));
    assert_int_equal(verified, 5);
    assert_true(store_audits(t->store, &t->arena, 4, 2, &rows, &count, &err));
    assert_int_equal(count, 2);
    assert_int_equal(rows[0].seq, 3);
    assert_string_equal(rows[0].object, "user:2");
    assert_string_equal(rows[1].detail, "{}");
    assert_memory_not_equal(rows[0].hash, rows[1].hash, 32);
}

/* ---- the journal ---- */

struct walked {
    int64_t first, next;
    size_t readings, commands, sum;
};

static bool walk(void *context, const struct journal_batch *batch, struct err *err)
{
    struct walked *w = context;
    if (w->next && batch->seq < w->next)
        return err_set(err, ERR_IO, "out of order");
    if (!w->readings && !w->commands)
        w->first = batch->seq;
    w->next = batch->seq + batch->count;
    for (uint32_t i = 0; batch->kind == JOURNAL_READINGS && i < batch->count; i++)
        w->sum += (size_t)batch->readings[i].value_milli[VITAL_HEART_RATE];
    *(batch->kind == JOURNAL_READINGS ? &w->readings : &w->commands) += batch->count;
    return true;
}

static struct walked walk_from(struct test_store *t, int64_t seq)
{
    struct walked w = { 0 };
    struct err err = { 0 };
    if (!store_journal_read(t->store, seq, walk, &w, &err))
        fail_msg("%s", err.text);
    return w;
}

static void the_journal_repeats_what_came_from_any_record(struct test_store *t)
{
    struct alarm_command command = { .kind = ALARM_PAUSE, .time_us = TEST_DAY_US, .until_us = TEST_DAY_US + 5 };
    fill(t, 3, TEST_DAY_US, 250, US_PER_S);
    struct journal_batch batch = { .seq = t->seq++, .kind = JOURNAL_COMMAND, .count = 1, .command = &command,
                                   .command_patient = 3 };
    test_write(t, (struct store_write){ .journal = &batch, .journal_count = 1 });
    fill(t, 4, TEST_DAY_US, 30, US_PER_S);
    for (int64_t from = 0; from <= 281; from += 7) {
        struct walked w = walk_from(t, from);
        assert_int_equal(w.readings + w.commands, 281 - from);
        assert_int_equal(w.commands, from <= 250);
        assert_int_equal(w.first, from < 281 ? from : 0);
    }
    assert_int_equal(store_journal_next_seq(t->store), 281);
    struct reading again = test_reading(1, TEST_DAY_US, 80);
    batch = (struct journal_batch){ .seq = 250, .kind = JOURNAL_READINGS, .count = 1, .readings = &again };
    struct store_write taken = { .journal = &batch, .journal_count = 1 };
    struct err err = { 0 };
    assert_false(store_write_sync(t->store, &taken, &err));
    assert_int_equal(err.kind, ERR_CONFLICT);
}

/* What is in the alert-engine's snapshot and folded away is not needed again. */
static void a_snapshot_lets_the_journal_go(struct test_store *t)
{
    struct snapshot_row in[] = { { 5, "five", 4 }, { 3, "three", 5 } }, *rows;
    size_t count;
    int64_t seq;
    for (int i = 0; i < 10; i++)
        fill(t, 3, TEST_DAY_US + 11 * US_PER_HOUR + i * 100 * US_PER_S, 100, US_PER_S);
    test_fold(t);
    assert_int_equal(walk_from(t, 0).readings, 1000);
    test_write(t, (struct store_write){ .snapshots = in, .snapshot_count = 2, .snapshot_seq = 950 });
    in[0].state = "FIVE";
    test_write(t, (struct store_write){ .snapshots = in, .snapshot_count = 1, .snapshot_seq = 400 }); /* never back */
    test_fold(t);
    assert_true(store_snapshots(t->store, &t->arena, &rows, &count, &seq, NULL));
    assert_int_equal(seq, 950);
    assert_int_equal(count, 2);
    assert_int_equal(rows[0].patient, 3);
    assert_memory_equal(rows[1].state, "FIVE", 4);
    assert_in_range(walk_from(t, 0).readings, 50, 150); /* at most one row more than needed */
    assert_int_equal(walk_from(t, 950).readings, 50);
    assert_int_equal(store_journal_next_seq(t->store), 1000);
    assert_int_equal(count_readings(t, 3), 1000);
}

/* ---- many threads ---- */

enum { WRITER_THREADS = 3, READER_THREADS = 2, UNITS_PER_THREAD = 60 };

struct crew {
    struct store *store;
    pthread_mutex_t order;              /* numbers are submitted in order, as the stream does */
    int64_t seq;
    _Atomic int writing;
};
struct hand {
    struct crew *crew;
    uint32_t number;
};

static void *write_many(void *context)
{
    struct hand *hand = context;
    struct reading r[UNITS_PER_THREAD];
    struct journal_batch batches[UNITS_PER_THREAD];
    static struct unit units[WRITER_THREADS][UNITS_PER_THREAD];
    static int order[WRITER_THREADS];
    struct crew *crew = hand->crew;
    for (int i = 0; i < UNITS_PER_THREAD; i++) {
        r[i] = test_reading(hand->number, TEST_DAY_US + i * US_PER_S, 60);
        batches[i] = (struct journal_batch){ .kind = JOURNAL_READINGS, .count = 1, .readings = &r[i] };
        units[hand->number - 1][i] = (struct unit){
            .write = { .done = on_done, .journal = &batches[i], .journal_count = 1 }, .order = &order[hand->number - 1]
        };
        (void)pthread_mutex_lock(&crew->order);
        batches[i].seq = crew->seq++;
        bool ok = store_submit(crew->store, &units[hand->number - 1][i].write, NULL);
        (void)pthread_mutex_unlock(&crew->order);
        if (!ok)
            abort();
    }
    struct store_write last = { 0 };
    if (!store_write_sync(crew->store, &last, NULL)) /* behind all of ours */
        abort();
    crew->writing--;
    return NULL;
}

static void *read_many(void *context)
{
    struct hand *hand = context;
    struct arena arena;
    arena_init(&arena, 16 << 20);
    while (hand->crew->writing) {
        struct reading *rows;
        struct history history;
        size_t count;
        struct err err = { 0 };
        if (!store_readings(hand->crew->store, &arena, hand->number, 0, INT64_MAX, 1000, &rows, &count, &err) ||
            !store_history(hand->crew->store, &arena, hand->number, 0, INT64_MAX, 10, &history, &err))
            abort();
        arena_reset(&arena);
    }
    arena_free(&arena);
    return NULL;
}

static void threads_write_and_read_at_once(struct test_store *t)
{
    pthread_t threads[WRITER_THREADS + READER_THREADS];
    struct hand hands[WRITER_THREADS + READER_THREADS];
    struct err err = { 0 };
    store_close(t->store);
    t->options.threaded = true;
    test_store_open(t);
    struct crew crew = { .store = t->store, .order = PTHREAD_MUTEX_INITIALIZER, .seq = t->seq,
                         .writing = WRITER_THREADS };
    for (uint32_t i = 0; i < WRITER_THREADS + READER_THREADS; i++) {
        hands[i] = (struct hand){ &crew, i % WRITER_THREADS + 1 };
        assert_int_equal(pthread_create(&threads[i], NULL, i < WRITER_THREADS ? write_many : read_many, &hands[i]), 0);
    }
    for (int i = 0; i < 5; i++)
        assert_true(store_fold(t->store, &err));
    for (int i = 0; i < WRITER_THREADS + READER_THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (uint32_t patient = 1; patient <= WRITER_THREADS; patient++)
        assert_int_equal(count_readings(t, patient), UNITS_PER_THREAD);
}

/* ---- the table ---- */

#define CASE(name) { #name, name }
static const struct {
    const char *name;
    void (*run)(struct test_store *t);
} cases[] = {
    CASE(a_reading_is_stored_once),
    CASE(other_values_at_the_same_instant_keep_the_first_and_are_audited),
    CASE(readings_come_back_by_time_then_source_up_to_a_limit),
    CASE(what_no_engine_may_hold_is_refused),
    CASE(units_are_done_in_order_and_together),
    CASE(one_wrong_unit_fails_alone),
    CASE(the_queue_has_a_bound),
    CASE(a_chart_picks_raw_minutes_or_hours),
    CASE(implausible_values_are_counted_and_not_drawn),
    CASE(old_readings_go_and_their_buckets_stay),
    CASE(a_late_reading_corrects_its_bucket_once),
    CASE(an_older_alert_never_replaces_a_newer_one),
    CASE(alerts_are_found_by_patient_state_and_time),
    CASE(patients_sources_and_limits_are_kept_by_number),
    CASE(users_keep_their_id_and_give_a_name_free),
    CASE(settings_come_back_byte_for_byte),
    CASE(summaries_are_newest_first),
    CASE(feedback_is_oldest_first),
    CASE(the_audit_is_a_chain),
    CASE(the_journal_repeats_what_came_from_any_record),
    CASE(a_snapshot_lets_the_journal_go),
    CASE(threads_write_and_read_at_once),
};
enum { CASE_COUNT = sizeof cases / sizeof *cases };
static const char *const engines[] = { "sqlite", "memory" };
enum { ENGINE_COUNT = 2 };

static struct case_of { size_t engine, number; } states[ENGINE_COUNT][CASE_COUNT];

static void run_case(void **state)
{
    const struct case_of *of = *state;
    struct test_store t;
    test_store_begin(&t, engines[of->engine], RETENTION_H);
    cases[of->number].run(&t);
    test_store_end(&t);
}

/* ---- both engines on the same random work ---- */

struct twins {
    struct test_store t[ENGINE_COUNT];
    uint64_t random;
};

static uint32_t pick(struct twins *twins, uint32_t below)
{
    twins->random = twins->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(twins->random >> 33) % below;
}

enum { TWIN_PATIENTS = 4, TWIN_ROUNDS = 60 };

static void write_both(struct twins *twins, const struct store_write *write)
{
    struct err err[ENGINE_COUNT] = { 0 };
    bool ok[ENGINE_COUNT];
    for (int e = 0; e < ENGINE_COUNT; e++) {
        struct store_write copy = *write;
        ok[e] = store_write_sync(twins->t[e].store, &copy, &err[e]);
    }
    assert_int_equal(ok[0], ok[1]);
    assert_int_equal(err[0].kind, err[1].kind);
}

static void random_readings(struct twins *twins)
{
    struct reading r[400];
    uint32_t count = 1 + pick(twins, 400);
    int64_t now = clock_now_us(&twins->t[0].clock.clock);
    for (uint32_t i = 0; i < count; i++) {
        r[i] = test_reading(1 + pick(twins, TWIN_PATIENTS), now - pick(twins, 5400) * US_PER_S,
                            40 + (int)pick(twins, 100));
        r[i].source = (uint16_t)(1 + pick(twins, 2));
        r[i].value_milli[VITAL_SPO2] = pick(twins, 3) ? 90000 + (int)pick(twins, 10000) : VITAL_ABSENT;
        r[i].implausible = (uint8_t)((pick(twins, 20) == 0) << VITAL_HEART_RATE);
    }
    struct journal_batch batch = { .seq = twins->t[0].seq, .kind = JOURNAL_READINGS, .count = count, .readings = r };
    write_both(twins, &(struct store_write){ .journal = &batch, .journal_count = 1 });
    twins->t[0].seq += count;
}

static void random_rows(struct twins *twins)
{
    struct alert alert = { .patient = 1 + pick(twins, TWIN_PATIENTS), .type = (uint8_t)pick(twins, ALERT_TYPE_COUNT),
                           .onset_us = TEST_DAY_US + pick(twins, 5) * US_PER_S, .version = 1 + pick(twins, 4),
                           .state = (uint8_t)(1 + pick(twins, 3)), .value_milli = (int32_t)pick(twins, 1000) };
    struct audit_row audit = { .time_us = TEST_DAY_US, .actor = "anna", .action = "x", .object = "y", .detail = "{}" };
    char name[16], id[16];
    (void)snprintf(name, sizeof name, "user%u", pick(twins, 6));
    (void)snprintf(id, sizeof id, "s%u", pick(twins, 6));
    struct user_row row = user(name);
    row.id = pick(twins, 4);
    struct summary_row summary = { .patient_id = "P1", .time_us = TEST_DAY_US + pick(twins, 9), .document = name };
    memcpy(summary.id, id, sizeof id);
    struct patient_row patient = { .number = 1 + pick(twins, 5), .age = (int16_t)pick(twins, 90) };
    (void)snprintf(patient.id, sizeof patient.id, "P%u", pick(twins, 5));
    write_both(twins, &(struct store_write){ .alerts = &alert, .alert_count = 1, .audits = &audit, .audit_count = 1,
                                             .users = &row, .user_count = 1, .summaries = &summary, .summary_count = 1,
                                             .patients = &patient, .patient_count = 1 });
}

static void same_history(const struct history *a, const struct history *b)
{
    assert_int_equal(a->bucket_us, b->bucket_us);
    assert_int_equal(a->implausible_count, b->implausible_count);
    for (int v = 0; v < VITAL_COUNT; v++) {
        assert_int_equal(a->count[v], b->count[v]);
        assert_memory_equal(a->points[v], b->points[v], a->count[v] * sizeof *a->points[v]);
    }
}

static void compare_patient(struct twins *twins, uint32_t patient)
{
    struct history h[ENGINE_COUNT];
    struct reading *r[ENGINE_COUNT];
    size_t n[ENGINE_COUNT];
    int64_t to = clock_now_us(&twins->t[0].clock.clock) - pick(twins, 4 * 3600) * US_PER_S;
    int64_t from = to - (1 + pick(twins, 20 * 3600)) * US_PER_S;
    size_t points = 1 + pick(twins, 600);
    for (int e = 0; e < ENGINE_COUNT; e++) {
        h[e] = draw(&twins->t[e], patient, from, to, points);
        assert_true(store_readings(twins->t[e].store, &twins->t[e].arena, patient, from, to, 500, &r[e], &n[e], NULL));
    }
    same_history(&h[0], &h[1]);
    assert_int_equal(n[0], n[1]);
    assert_memory_equal(r[0], r[1], n[0] * sizeof *r[0]);
}

#define COMPARE_ROWS(function, type, ...)                                                              \
    do {                                                                                               \
        type *rows[ENGINE_COUNT];                                                                      \
        size_t count[ENGINE_COUNT];                                                                    \
        for (int e = 0; e < ENGINE_COUNT; e++)                                                         \
            assert_true(function(twins->t[e].store, &twins->t[e].arena, ##__VA_ARGS__, &rows[e], &count[e], NULL)); \
        assert_int_equal(count[0], count[1]);                                                          \
        for (size_t i = 0; i < count[0]; i++)                                                          \
            same_row_##type(&rows[0][i], &rows[1][i]);                                                 \
    } while (0)

typedef struct alert alert;
typedef struct user_row user_row;
typedef struct patient_row patient_row;
typedef struct summary_row summary_row;
typedef struct audit_row audit_row;
static void same_row_alert(const alert *a, const alert *b) { assert_memory_equal(a, b, sizeof *a); }
static void same_row_patient_row(const patient_row *a, const patient_row *b)
{
    assert_int_equal(a->number, b->number);
    assert_string_equal(a->id, b->id);
    assert_int_equal(a->age, b->age);
}
static void same_row_user_row(const user_row *a, const user_row *b)
{
    assert_int_equal(a->id, b->id);
    assert_string_equal(a->username, b->username);
}
static void same_row_summary_row(const summary_row *a, const summary_row *b)
{
    assert_string_equal(a->id, b->id);
    assert_int_equal(a->time_us, b->time_us);
    assert_string_equal(a->document, b->document);
}
static void same_row_audit_row(const audit_row *a, const audit_row *b)
{
    assert_int_equal(a->seq, b->seq);
    assert_memory_equal(a->hash, b->hash, 32); /* the same chain over the same rows */
}

static void compare_all(struct twins *twins)
{
    for (uint32_t patient = 1; patient <= TWIN_PATIENTS; patient++)
        compare_patient(twins, patient);
    struct alert_query query = { .patient = pick(twins, 3), .open_only = pick(twins, 2), .limit = 1 + pick(twins, 50) };
    COMPARE_ROWS(store_alerts, alert, &query);
    COMPARE_ROWS(store_patients, patient_row);
    COMPARE_ROWS(store_users, user_row);
    struct summary_query summaries = { .patient_id = pick(twins, 2) ? "P1" : NULL,
                                       .from_us = TEST_DAY_US + pick(twins, 4),
                                       .to_us = pick(twins, 2) ? TEST_DAY_US + pick(twins, 10) : 0,
                                       .limit = 1 + pick(twins, 100) };
    COMPARE_ROWS(store_summaries, summary_row, &summaries);
    COMPARE_ROWS(store_audits, audit_row, (int64_t)0, (size_t)1000);
    for (int e = 0; e < ENGINE_COUNT; e++)
        arena_reset(&twins->t[e].arena);
}

static void twins_answer_alike(uint64_t seed)
{
    struct twins *twins = calloc(1, sizeof *twins);
    twins->random = seed;
    for (int e = 0; e < ENGINE_COUNT; e++) {
        test_store_begin(&twins->t[e], engines[e], 2);
        test_fold(&twins->t[e]);
    }
    for (int round = 0; round < TWIN_ROUNDS; round++) {
        int64_t pass_us = pick(twins, 30) * US_PER_MIN;
        for (int e = 0; e < ENGINE_COUNT; e++)
            fake_clock_advance(&twins->t[e].clock, pass_us);
        random_readings(twins);
        random_rows(twins);
        for (int e = 0; e < ENGINE_COUNT; e++)
            test_fold(&twins->t[e]);
        compare_all(twins);
    }
    for (int e = 0; e < ENGINE_COUNT; e++)
        test_store_end(&twins->t[e]);
    free(twins);
}

static void twins_test(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        printf("seed %llu\n", (unsigned long long)seed);
        twins_answer_alike(seed);
    }
}

/* ---- cost: what is drawn, not what there is ---- */

static uint64_t steps_for(struct test_store *t, int64_t span_us, size_t points)
{
    uint64_t before = db_thread_steps();
    int64_t to = clock_now_us(&t->clock.clock);
    struct history h = draw(t, 1, to - span_us, to, points);
    assert_true(h.count[VITAL_HEART_RATE] > 0);
    return db_thread_steps() - before;
}

static void cost_goes_with_what_is_drawn(void **state)
{
    struct test_store t;
    (void)state;
    test_store_begin(&t, "sqlite", RETENTION_H);
    for (int day = 0; day < 90; day++) {
        fill(&t, 1, clock_now_us(&t.clock.clock), 1440, US_PER_MIN);
        fake_clock_advance(&t.clock, US_PER_DAY);
        test_fold(&t);
    }
    uint64_t hour = steps_for(&t, US_PER_DAY, 60), quarter = steps_for(&t, 90 * US_PER_DAY, 60);
    uint64_t always = steps_for(&t, TEST_DAY_US + 90 * US_PER_DAY, 60);
    printf("statements for 60 points: 1 day %llu, 90 days %llu, since 1970 %llu\n", (unsigned long long)hour,
           (unsigned long long)quarter, (unsigned long long)always);
    assert_true(quarter <= 4 * hour + 100); /* 90 times the range */
    assert_true(always <= 4 * hour + 100);
    test_store_end(&t);
}

int main(void)
{
    static struct CMUnitTest tests[ENGINE_COUNT * CASE_COUNT + 2];
    static char names[ENGINE_COUNT * CASE_COUNT][96];
    size_t count = 0;
    for (size_t e = 0; e < ENGINE_COUNT; e++)
        for (size_t c = 0; c < CASE_COUNT; c++, count++) {
            states[e][c] = (struct case_of){ e, c };
            (void)snprintf(names[count], sizeof *names, "%s: %s", engines[e], cases[c].name);
            tests[count] = (struct CMUnitTest){ names[count], run_case, NULL, NULL, &states[e][c] };
        }
    tests[count++] = (struct CMUnitTest)cmocka_unit_test(twins_test);
    tests[count++] = (struct CMUnitTest)cmocka_unit_test(cost_goes_with_what_is_drawn);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
