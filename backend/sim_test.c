/* A ward in one thread that one seed repeats: devices → HTTP → stream → alarms → store, on a fake
 * clock, a disk in memory and no socket, with lost answers, failing and full disks and power cuts.
 *
 *   sim_test [FIRST [COUNT [SECONDS]]]    seeds FIRST … FIRST+COUNT-1 (default 1, 200, 240 s each)
 *
 * Every fourth seed is a bad day: disks fail six times as often, power three times, and a nurse answers all the time.
 *
 * Devices send their readings in order, one request at a time, and again until they are acknowledged,
 * as api.md asks.  After every restart and at the end it must hold:
 *   kept       every acknowledged reading is stored once, and none that was never sent
 *   alarmed    every acknowledged critical reading lies within an episode of its alarm
 *   once       episodes of one alarm of a patient do not overlap; what the engine has open, the store has
 *   visible    where the newest stored value is critical, its alarm is open, unless a newer one that came and was
 *              refused ended it
 *   silent     a device that says nothing any more is reported, at the end
 *   audited    the audit chain verifies
 * and the same seed gives the same events, hash for hash.  A failing seed is printed. */
#include "alert-engine/engine.h"
#include "base/mem.h"
#include "clinical/alarm.h"
#include "ingest/simulator.h"
#include "net/memory_transport.h"
#include "store/testing.h"
#include "vitals-generator/vitals.h"

#include <sqlite3.h>
#include <stdlib.h>

enum { DEVICES = 5, SECONDS_MAX = 1200, BATCH_MAX = 30, FLIGHT_MAX = 4 * DEVICES };

struct device {
    char id[PATIENT_ID_SIZE];
    uint32_t number;                    /* of the patient; 0: not known yet */
    struct reading sent[SECONDS_MAX + 64]; /* one a second, in order */
    bool acked[SECONDS_MAX + 64];
    size_t count, first_unacked, posted; /* posted: those below came to the server at least once */
    struct memory_exchange *flight;     /* the request that is under way */
    size_t flight_from, flight_count;
    bool answered;
    int status, answer_lost;
    bool has_stored;
    struct reading newest_stored;       /* as of the last check */
    int spike_left, spike_kind, silent_left;
};

struct sim {
    uint64_t seed, random, hash;
    struct fake_clock clock;
    struct crash_disk *disk;
    struct store *store;
    struct registry *registry;
    struct stream *stream;
    struct stream_consumer *screen;
    struct config config;
    struct vitals vitals;
    struct alert_service alert;
    struct memory_http http;
    struct http_routes routes;
    struct simulator *simulator;
    struct device devices[DEVICES];
    struct memory_exchange *dead[FLIGHT_MAX]; /* of a process that is gone; freed with its store */
    size_t dead_count;
    bool gone;                          /* the process is dead: nobody hears its answers */
    bool bad_day;
    int fault_left, disk_number;
    long cuts, acked, alerts_seen, refused;
};

static uint32_t pick(struct sim *sim, uint32_t below)
{
    uint64_t z = sim->random += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    return (uint32_t)((z ^ z >> 31) >> 20) % below;
}

static void note(struct sim *sim, const void *data, size_t size)
{
    sim->hash = str_hash64(data, size, sim->hash);
}

static void note_number(struct sim *sim, int64_t a, int64_t b)
{
    int64_t both[] = { a, b };
    note(sim, both, sizeof both);
}

#define FAIL(sim, ...)                                                                                    \
    do {                                                                                                  \
        print_error("SEED %llu, second %lld: ", (unsigned long long)(sim)->seed,                          \
                    (long long)((clock_now_us(&(sim)->clock.clock) - TEST_DAY_US) / US_PER_S));           \
        fail_msg(__VA_ARGS__);                                                                            \
    } while (0)

/* ---- the process: what it is made of, its start and its end ---- */

static void answered(void *context, int status)
{
    struct device *device = context;
    device->answered = true;
    device->status = status;
}

static void start_process(struct sim *sim)
{
    struct err err = { 0 };
    struct store_options options = { .engine = "sqlite", .data_dir = "/ward", .vfs = crash_disk_name(sim->disk),
                                     .clock = &sim->clock.clock, .raw_retention_h = 1000, .checkpoint_pages = 30 };
    bool ok = store_open(&options, &sim->store, &err) && registry_open(sim->store, &sim->registry, &err) &&
              stream_open(sim->store, &sim->clock.clock, &sim->stream, &err) &&
              stream_subscribe(sim->stream, "screen", 1u << STREAM_ALERTS, -1, &sim->screen, &err);
    sim->config.ingest.admit = true;
    sim->vitals = (struct vitals){ .config = &sim->config, .clock = &sim->clock.clock, .store = sim->store,
                                   .stream = sim->stream, .registry = sim->registry };
    sim->alert = (struct alert_service){ .config = &sim->config, .clock = &sim->clock.clock, .store = sim->store,
                                         .stream = sim->stream, .registry = sim->registry, .unthreaded = true };
    sim->routes = vitals_routes(&sim->vitals);
    sim->http = (struct memory_http){ .tables = &sim->routes, .table_count = 1,
                                      .clock = &sim->clock.clock, .answered = answered };
    ok = ok && engine_open(&sim->alert, &sim->alert.engine, &err);
    if (!ok)
        FAIL(sim, "start: %s", err.text);
    sim->gone = false;
}

static void drain_screen(struct sim *sim)
{
    const struct stream_batch *batch;
    while ((batch = stream_next(sim->screen, 0))) {
        for (uint32_t i = 0; i < batch->count; i++) {
            const struct alert *a = &batch->alerts[i];
            note_number(sim, a->onset_us,
                        (int64_t)a->patient << 40 | (int64_t)a->type << 32 | (int64_t)a->state << 24 | a->version);
            sim->alerts_seen++;
        }
        stream_release(sim->screen, batch);
    }
}

/* Whatever it still does happens on a disk that nobody will see again. */
static void end_process(struct sim *sim)
{
    crash_disk_fail(sim->disk, 0, 0, 0, 0);
    sim->gone = true;
    for (int d = 0; d < DEVICES; d++) {
        struct device *device = &sim->devices[d];
        if (device->flight)
            sim->dead[sim->dead_count++] = device->flight;
        device->flight = NULL;
    }
    store_close(sim->store);
    engine_close(sim->alert.engine);
    stream_unsubscribe(sim->screen);
    stream_close(sim->stream);
    registry_free(sim->registry);
    while (sim->dead_count)
        memory_http_free(sim->dead[--sim->dead_count]);
    for (int d = 0; d < DEVICES; d++)
        sim->devices[d].answered = false;
}

/* ---- devices ---- */

static void disturb(struct sim *sim, struct device *device, struct reading *reading)
{
    static const struct { enum vital vital; int32_t low_milli, high_milli; } kinds[] = {
        { VITAL_HEART_RATE, 135000, 180000 }, { VITAL_HEART_RATE, 25000, 38000 }, { VITAL_SPO2, 70000, 84000 },
        { VITAL_TEMPERATURE, 39600, 41000 },  { VITAL_RESPIRATORY, 31000, 40000 }, { VITAL_SPO2, 0, 1 },
        { VITAL_HEART_RATE, 105000, 125000 },
    };
    if (!device->spike_left && pick(sim, 40) == 0) {
        device->spike_left = 1 + (int)pick(sim, 25);
        device->spike_kind = (int)pick(sim, sizeof kinds / sizeof *kinds);
    }
    if (!device->spike_left)
        return;
    device->spike_left--;
    const int32_t low = kinds[device->spike_kind].low_milli, high = kinds[device->spike_kind].high_milli;
    reading->value_milli[kinds[device->spike_kind].vital] = low + (int32_t)pick(sim, (uint32_t)(high - low));
}

static void measure(struct sim *sim, int d)
{
    struct device *device = &sim->devices[d];
    if (device->silent_left) {
        device->silent_left--;
        return;
    }
    if (pick(sim, 150) == 0)
        device->silent_left = 5 + (int)pick(sim, 40);
    struct reading *reading = &device->sent[device->count];
    simulator_step(sim->simulator, (uint32_t)d, clock_now_us(&sim->clock.clock), reading, NULL);
    disturb(sim, device, reading);
    device->count += !reading_is_empty(reading);
}

static void write_line(struct buf *out, const struct device *device, const struct reading *reading)
{
    char stamp[TIME_TEXT_SIZE];
    buf_printf(out, "{\"patient_id\":\"%s\",\"timestamp\":\"%s\",\"source\":\"monitor-%s\"", device->id,
               time_format(reading->time_us, stamp), device->id);
    for (int v = 0; v < VITAL_COUNT; v++) {
        static const char *const names[] = { "heartRate", "spO2", "systolic_bp", "diastolic_bp",
                                             "temperature", "respiratory" };
        if (reading->value_milli[v] == VITAL_ABSENT)
            continue;
        buf_printf(out, ",\"%s\":", names[v]);
        buf_add_decimal(out, reading->value_milli[v], 3);
    }
    buf_add_text(out, "}\n");
}

static void post(struct sim *sim, struct device *device)
{
    struct buf body;
    size_t left = device->count - device->first_unacked, count = 1 + pick(sim, BATCH_MAX);
    device->flight_from = device->first_unacked;
    device->flight_count = count < left ? count : left;
    device->answer_lost = pick(sim, 20) == 0;
    if (device->posted < device->flight_from + device->flight_count)
        device->posted = device->flight_from + device->flight_count;
    buf_init(&body, 1 << 20);
    for (size_t i = 0; i < device->flight_count; i++)
        write_line(&body, device, &device->sent[device->flight_from + i]);
    struct memory_call call = { .method = HTTP_POST, .target = "/api/ingest/vitals",
                                .content_type = "application/x-ndjson",
                                .body = body.data, .body_size = body.length, .context = device };
    device->answered = false;
    device->flight = memory_http_call(&sim->http, &call);
    buf_free(&body);
}

static void take_answer(struct sim *sim, struct device *device)
{
    if (!device->flight || !device->answered)
        return;
    note_number(sim, device->status, (int64_t)device->flight_from);
    if (device->status == 200 && !device->answer_lost) {
        for (size_t i = 0; i < device->flight_count; i++)
            device->acked[device->flight_from + i] = true;
        device->first_unacked = device->flight_from + device->flight_count;
        sim->acked += (long)device->flight_count;
    } else if (device->status != 200) {
        if (device->status < 429)
            FAIL(sim, "answer %d: %s", device->status, memory_http_body(device->flight));
        sim->refused++;
    }
    memory_http_free(device->flight);
    device->flight = NULL;
}

static void turn_of_device(struct sim *sim, struct device *device)
{
    take_answer(sim, device);
    if (!device->flight && device->first_unacked < device->count && pick(sim, 4))
        post(sim, device);
}

/* ---- what must hold ---- */

static void settle(struct sim *sim)
{
    for (int idle = 0; idle < 3;) {
        bool worked = engine_step(sim->alert.engine, 0);
        worked = store_step(sim->store) || worked;
        idle = worked ? 0 : idle + 1;
    }
}

static void check_kept(struct sim *sim, struct device *device, struct arena *arena)
{
    struct err err = { 0 };
    struct reading *rows;
    size_t count, at = 0;
    device->number = registry_find(sim->registry, device->id);
    if (!store_readings(sim->store, arena, device->number, 0, INT64_MAX, SIZE_MAX, &rows, &count, &err))
        FAIL(sim, "readings: %s", err.text);
    for (size_t i = 0; i < count; i++) {
        while (at < device->count && device->sent[at].time_us < rows[i].time_us) {
            if (device->acked[at])
                FAIL(sim, "%s: the acknowledged reading %zu is lost", device->id, at);
            at++;
        }
        if (at == device->count || device->sent[at].time_us != rows[i].time_us)
            FAIL(sim, "%s: a reading is stored twice, or was never sent", device->id);
        if (memcmp(device->sent[at].value_milli, rows[i].value_milli, sizeof rows[i].value_milli) != 0)
            FAIL(sim, "%s: reading %zu has other values", device->id, at);
        at++;
    }
    for (; at < device->count; at++)
        if (device->acked[at])
            FAIL(sim, "%s: the acknowledged reading %zu is lost", device->id, at);
    device->has_stored = count > 0;
    if (count)
        device->newest_stored = rows[count - 1];
}

static bool is_critical(const struct reading *reading, int type)
{
    int32_t value = reading_usable(reading, alert_rules[type].vital);
    return value != VITAL_ABSENT &&
           limits_judge(&alarm_limits_default, (enum alert_type)type, value) == SEVERITY_CRITICAL;
}

static bool ended_unstored(const struct device *device, int type)
{
    for (size_t i = 0; i < device->posted; i++) {
        struct reading reading = device->sent[i];
        reading_mark_implausible(&reading);
        bool newer = reading.time_us > device->newest_stored.time_us;
        if (newer && reading_usable(&reading, alert_rules[type].vital) != VITAL_ABSENT && !is_critical(&reading, type))
            return true;
    }
    return false;
}

/* After a restart the engine knows what the store knows, and more where the disk refused it. */
static void check_visible(struct sim *sim, struct device *device, struct arena *arena)
{
    struct alert *open;
    size_t opened = engine_open_alerts(sim->alert.engine, device->number, arena, &open);
    for (int type = 0; device->has_stored && type < ALERT_RULE_COUNT; type++) {
        bool found = !is_critical(&device->newest_stored, type) || ended_unstored(device, type);
        for (size_t i = 0; i < opened && !found; i++)
            found = open[i].type == type;
        if (!found)
            FAIL(sim, "%s: %s is critical now, and no alarm is open", device->id,
                 alert_type_slug((enum alert_type)type));
    }
}

static bool covered(const struct alert *alerts, size_t count, int type, int64_t time_us)
{
    for (size_t i = 0; i < count; i++)
        if (alerts[i].type == type && alerts[i].onset_us <= time_us &&
            (!alerts[i].end_us || alerts[i].end_us >= time_us))
            return true;
    return false;
}

static void check_alarmed(struct sim *sim, const struct device *device, const struct alert *alerts, size_t count)
{
    for (size_t i = 0; i < device->count; i++) {
        struct reading reading = device->sent[i];
        if (!device->acked[i])
            continue;
        reading_mark_implausible(&reading);
        for (int type = 0; type < ALERT_RULE_COUNT; type++)
            if (is_critical(&reading, type) && !covered(alerts, count, type, reading.time_us))
                FAIL(sim, "%s: reading %zu, %s %d is critical and no alarm covers it", device->id, i,
                     alert_type_slug((enum alert_type)type), reading.value_milli[alert_rules[type].vital]);
    }
}

static void print_episodes(const struct alert *alerts, size_t count, int type)
{
    for (size_t i = 0; i < count; i++)
        if (alerts[i].type == type)
            print_error("  %s onset %.3f raised %.3f end %.3f updated %.3f state %d version %u lost %x\n",
                        alert_type_slug((enum alert_type)type),
                        (double)(alerts[i].onset_us - TEST_DAY_US) / 1e6,
                            (double)(alerts[i].raised_us - TEST_DAY_US) / 1e6,
                        alerts[i].end_us ? (double)(alerts[i].end_us - TEST_DAY_US) / 1e6 : 0.0,
                        (double)(alerts[i].updated_us - TEST_DAY_US) / 1e6, alerts[i].state,
                            alerts[i].version, alerts[i].lost);
}

/* `alerts` newest first. */
static void check_once(struct sim *sim, const struct device *device, const struct alert *alerts, size_t count)
{
    for (int type = 0; type < ALERT_TYPE_COUNT; type++) {
        const struct alert *later = NULL;
        for (size_t i = 0; i < count; i++) {
            if (alerts[i].type != type)
                continue;
            bool overlap = later && (alerts[i].state != ALERT_CLOSED || alerts[i].end_us > later->onset_us);
            if (overlap)
                print_episodes(alerts, count, type);
            if (overlap && alerts[i].state != ALERT_CLOSED)
                FAIL(sim, "%s: two episodes of %s are open", device->id, alert_type_slug((enum alert_type)type));
            if (overlap)
                FAIL(sim, "%s: episodes of %s overlap", device->id, alert_type_slug((enum alert_type)type));
            later = &alerts[i];
        }
    }
}

static void check_open(struct sim *sim, const struct device *device, const struct alert *alerts,
                       size_t count, struct arena *arena)
{
    struct alert *open;
    size_t opened = engine_open_alerts(sim->alert.engine, device->number, arena, &open), stored = 0;
    for (size_t i = 0; i < count; i++)
        stored += alerts[i].state != ALERT_CLOSED;
    for (int type = 0; opened != stored && type < ALERT_TYPE_COUNT; type++) {
        print_episodes(open, opened, type);
        print_error(" stored:\n");
        print_episodes(alerts, count, type);
    }
    if (opened != stored)
        FAIL(sim, "%s: the engine has %zu alerts open, the store %zu", device->id, opened, stored);
    for (size_t o = 0; o < opened; o++) {
        bool found = false;
        for (size_t i = 0; i < count; i++)
            found = found || (alerts[i].type == open[o].type && alerts[i].onset_us == open[o].onset_us &&
                              alerts[i].version == open[o].version);
        if (!found)
            FAIL(sim, "%s: an open alert is not in the store as it is", device->id);
    }
}

static void check_all(struct sim *sim)
{
    struct arena arena;
    struct err err = { 0 };
    int64_t audited;
    arena_init(&arena, 64 << 20);
    for (int d = 0; d < DEVICES; d++) {
        struct device *device = &sim->devices[d];
        struct alert *alerts;
        size_t count;
        check_kept(sim, device, &arena);
        if (!device->number)
            continue;
        struct alert_query query = { .patient = device->number, .limit = SIZE_MAX };
        if (!store_alerts(sim->store, &arena, &query, &alerts, &count, &err))
            FAIL(sim, "alerts: %s", err.text);
        check_alarmed(sim, device, alerts, count);
        check_once(sim, device, alerts, count);
        check_visible(sim, device, &arena);
        check_open(sim, device, alerts, count, &arena);
        note_number(sim, (int64_t)count, device->number);
    }
    if (!store_audit_verify(sim->store, &audited, &err))
        FAIL(sim, "audit: %s", err.text);
    arena_free(&arena);
}

/* ---- what befalls it ---- */

static void power_cut(struct sim *sim)
{
    char name[32];
    (void)snprintf(name, sizeof name, "sim-%llu-%d", (unsigned long long)sim->seed, ++sim->disk_number);
    struct crash_disk *left = crash_disk_after_power_cut(sim->disk, name, sim->random);
    drain_screen(sim);
    end_process(sim);
    crash_disk_free(sim->disk);
    sim->disk = left;
    sim->fault_left = 0;
    sim->cuts++;
    fake_clock_advance(&sim->clock, (1 + pick(sim, 90)) * US_PER_S); /* down for a while */
    start_process(sim);
    settle(sim);
    check_all(sim);
}

static void break_disk(struct sim *sim)
{
    static const struct { unsigned op; int code; } faults[] = {
        { CRASH_SYNC, SQLITE_IOERR_FSYNC }, { CRASH_WRITE, SQLITE_FULL }, { CRASH_WRITE, SQLITE_IOERR_WRITE },
        { CRASH_OPEN, SQLITE_CANTOPEN }, { CRASH_SYNC | CRASH_WRITE, SQLITE_IOERR_WRITE },
    };
    uint32_t kind = pick(sim, 5);
    sim->fault_left = 1 + (int)pick(sim, 8);
    crash_disk_fail(sim->disk, faults[kind].op, 1 + pick(sim, 10), pick(sim, 2) ? 1 : -1, faults[kind].code);
}

static void acknowledge_something(struct sim *sim)
{
    struct arena arena;
    struct alert *open;
    arena_init(&arena, 1 << 20);
    size_t count = engine_open_alerts(sim->alert.engine, 0, &arena, &open);
    if (count) {
        const struct alert *alert = &open[pick(sim, (uint32_t)count)];
        struct alarm_command command = { .kind = ALARM_ACKNOWLEDGE,
                                         .time_us = clock_now_us(&sim->clock.clock), .user = 1,
                                         .type = (enum alert_type)alert->type, .onset_us = alert->onset_us };
        struct audit_row audit = { .time_us = command.time_us, .actor = "nurse",
                                   .action = "alert.acknowledge", .detail = "" };
        struct stream_rows rows = { .audits = &audit, .audit_count = 1 };
        (void)!stream_publish_command(sim->stream, alert->patient, &command, &rows, NULL, NULL, NULL, NULL);
    }
    arena_free(&arena);
}

/* Once in so many seconds; more often on a bad day. */
static bool befalls(struct sim *sim, uint32_t seconds, uint32_t on_a_bad_day)
{
    return pick(sim, sim->bad_day ? on_a_bad_day : seconds) == 0;
}

static void one_second(struct sim *sim)
{
    fake_clock_advance(&sim->clock, US_PER_S);
    if (sim->fault_left && --sim->fault_left == 0)
        crash_disk_fail(sim->disk, 0, 0, 0, 0);
    for (int d = 0; d < DEVICES; d++)
        measure(sim, d);
    uint32_t power_in = befalls(sim, 50, 15) ? pick(sim, 20) : UINT32_MAX;
    for (uint32_t turn = 0; turn < 20; turn++) {
        if (turn == power_in)
            power_cut(sim);
        switch (pick(sim, 3)) {
        case 0: turn_of_device(sim, &sim->devices[pick(sim, DEVICES)]); break;
        case 1: (void)engine_step(sim->alert.engine, 0); break;
        default: (void)store_step(sim->store); break;
        }
    }
    if (befalls(sim, 60, 10))
        break_disk(sim);
    if (befalls(sim, 15, 2))
        acknowledge_something(sim);
    drain_screen(sim);
}

/* They have sent all they have.  The longest silence that is taken for a rhythm is 45 s (measure): 2 of those, and
 * the lag of a device that sent late. */
static void check_silent(struct sim *sim)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (int s = 0; s < 240; s++) {
        fake_clock_advance(&sim->clock, US_PER_S);
        settle(sim);
    }
    for (int d = 0; d < DEVICES; d++) {
        struct alert *open;
        size_t opened = engine_open_alerts(sim->alert.engine, sim->devices[d].number, &arena, &open), found = 0;
        for (size_t i = 0; i < opened; i++)
            found += open[i].type == ALERT_SENSOR;
        if (found != 1)
            FAIL(sim, "%s is silent, and %zu alarms say so", sim->devices[d].id, found);
    }
    drain_screen(sim);
    arena_free(&arena);
}

/* Everything works again: what the devices still hold arrives, and two restarts change nothing. */
static void calm_down(struct sim *sim)
{
    crash_disk_fail(sim->disk, 0, 0, 0, 0);
    for (int i = 0; i < 2000; i++) {
        bool all = true;
        fake_clock_advance(&sim->clock, 200 * US_PER_MS);
        for (int d = 0; d < DEVICES; d++) {
            turn_of_device(sim, &sim->devices[d]);
            all = all && sim->devices[d].first_unacked == sim->devices[d].count;
        }
        settle(sim);
        if (all)
            break;
    }
    fake_clock_advance(&sim->clock, 5 * US_PER_S); /* alerts that could not be written are tried again */
    settle(sim);
    fake_clock_advance(&sim->clock, 5 * US_PER_S);
    settle(sim);
    for (int d = 0; d < DEVICES; d++)
        if (sim->devices[d].first_unacked != sim->devices[d].count)
            FAIL(sim, "%s: readings were never acknowledged", sim->devices[d].id);
    check_all(sim);
    char health[128];
    if (!store_health(sim->store, health, sizeof health))
        FAIL(sim, "%s", health);
    power_cut(sim);
    power_cut(sim);
    check_silent(sim);
}

struct outcome {
    uint64_t hash;
    long cuts, acked, alerts, refused;
};

static struct sim *new_sim(uint64_t seed)
{
    char name[32];
    struct sim *sim = mem_new(1, sizeof *sim);
    sim->seed = sim->random = seed;
    sim->bad_day = seed % 4 == 0;
    fake_clock_init(&sim->clock, TEST_DAY_US);
    (void)snprintf(name, sizeof name, "sim-%llu-0", (unsigned long long)seed);
    sim->disk = crash_disk_new(name, seed);
    sim->simulator = simulator_new(DEVICES, seed);
    for (int d = 0; d < DEVICES; d++)
        (void)snprintf(sim->devices[d].id, sizeof sim->devices[d].id, "S%d", d + 1);
    start_process(sim);
    return sim;
}

static void free_sim(struct sim *sim)
{
    end_process(sim);
    crash_disk_free(sim->disk);
    simulator_free(sim->simulator);
    mem_free(sim);
}

static struct outcome simulate(uint64_t seed, int seconds)
{
    struct sim *sim = new_sim(seed);
    for (int second = 0; second < seconds; second++)
        one_second(sim);
    calm_down(sim);
    struct outcome outcome = { sim->hash, sim->cuts, sim->acked, sim->alerts_seen, sim->refused };
    free_sim(sim);
    return outcome;
}

static void send_now(struct sim *sim, int d, int32_t heart_rate_milli, int status)
{
    struct device *device = &sim->devices[d];
    struct reading *reading = &device->sent[device->count++];
    simulator_step(sim->simulator, (uint32_t)d, clock_now_us(&sim->clock.clock), reading, NULL);
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        reading->value_milli[vital] = vital == VITAL_HEART_RATE ? heart_rate_milli : VITAL_ABSENT;
    post(sim, device);
    settle(sim);
    assert_true(device->answered);
    assert_int_equal(device->status, status);
    take_answer(sim, device);
}

/* Its alarm was shown and is stored; with the number given to the next patient it would be that one's. */
static void a_patient_whom_the_disk_refused_keeps_the_number(void **state)
{
    (void)state;
    struct sim *sim = new_sim(1);
    crash_disk_fail(sim->disk, CRASH_SYNC, 1, -1, SQLITE_IOERR_FSYNC);
    send_now(sim, 0, 150000, 503);
    crash_disk_fail(sim->disk, 0, 0, 0, 0);
    fake_clock_advance(&sim->clock, 5 * US_PER_S);
    settle(sim);
    power_cut(sim);
    send_now(sim, 1, 80000, 200);
    struct arena arena;
    struct alert *open;
    arena_init(&arena, 1 << 20);
    assert_int_equal(engine_open_alerts(sim->alert.engine, registry_find(sim->registry, "S2"), &arena, &open), 0);
    assert_int_equal(engine_open_alerts(sim->alert.engine, registry_find(sim->registry, "S1"), &arena, &open), 1);
    assert_int_equal(open->type, ALERT_TACHYCARDIA);
    arena_free(&arena);
    free_sim(sim);
}

static uint64_t first_seed = 1, seed_count = 200;
static int seconds = 240;

static void no_seed_loses_a_reading_or_an_alarm(void **state)
{
    struct outcome sum = { 0 };
    (void)state;
    for (uint64_t seed = first_seed; seed < first_seed + seed_count; seed++) {
        struct outcome one = simulate(seed, seconds);
        sum.cuts += one.cuts, sum.acked += one.acked, sum.alerts += one.alerts, sum.refused += one.refused;
    }
    printf("%llu seeds of %d s: %ld power cuts, %ld readings acknowledged, %ld requests refused, %ld alert changes\n",
           (unsigned long long)seed_count, seconds, sum.cuts, sum.acked, sum.refused, sum.alerts);
}

static void one_seed_repeats_a_whole_run(void **state)
{
    (void)state;
    struct outcome last = { 0 };
    for (uint64_t seed = first_seed; seed < first_seed + 5; seed++) {
        struct outcome one = simulate(seed, seconds), again = simulate(seed, seconds);
        assert_int_equal(one.hash, again.hash);
        assert_int_equal(one.acked, again.acked);
        assert_int_not_equal(one.hash, last.hash);
        last = one;
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_patient_whom_the_disk_refused_keeps_the_number),
        cmocka_unit_test(one_seed_repeats_a_whole_run),
        cmocka_unit_test(no_seed_loses_a_reading_or_an_alarm),
    };
    if (argc > 1)
        first_seed = strtoull(argv[1], NULL, 10);
    if (argc > 2)
        seed_count = strtoull(argv[2], NULL, 10);
    if (argc > 3)
        seconds = atoi(argv[3]) < SECONDS_MAX ? atoi(argv[3]) : SECONDS_MAX;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
