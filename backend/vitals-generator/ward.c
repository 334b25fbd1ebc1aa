#include "vitals-generator/ward.h"

#include "base/mem.h"
#include "clinical/alert_json.h"
#include "clinical/news2.h"

#include <pthread.h>
#include <string.h>

/* Patients live in pages that never move: a page is made when its first patient comes. */
enum { PAGE_SIZE = 1024, PAGE_COUNT = PATIENT_COUNT_MAX / PAGE_SIZE + 1 };
/* Without any message for so long a patient is shown as silent. */
#define SILENT_AFTER_US (60 * US_PER_S)
/* Of the 3 s from a restart to the first alarm. */
#define LOAD_MAX_US US_PER_S

struct bed {
    int64_t time_us[VITAL_COUNT];
    int32_t value_milli[VITAL_COUNT];    /* newest usable; VITAL_ABSENT: never */
    uint64_t sequence;
    uint32_t before, after;              /* the list of changes */
    int64_t received_us;                 /* monotonic; 0: never */
    int64_t paused_until_us, implausible_us;
    int32_t implausible_milli;
    uint32_t implausible_count;
    struct alarm_limits *limits;         /* NULL: the defaults */
    struct alert *alerts;                /* the open ones */
    uint16_t source;
    uint8_t alert_count, implausible_vital, implausible_reason, simulated;
};

struct ward {
    pthread_mutex_t lock;
    const struct registry *registry;
    const struct clock *clock;
    struct bed *pages[PAGE_COUNT];
    uint32_t count;                      /* numbers 1 … count have a bed */
    uint32_t oldest, newest;             /* ends of the list of changes; 0: empty */
    uint64_t sequence;
};

struct ward *ward_new(const struct registry *registry, const struct clock *clock)
{
    struct ward *ward = mem_new(1, sizeof *ward);
    ward->registry = registry;
    ward->clock = clock;
    CHECK(pthread_mutex_init(&ward->lock, NULL) == 0);
    return ward;
}

static struct bed *bed_of(struct ward *ward, uint32_t number)
{
    return &ward->pages[number / PAGE_SIZE][number % PAGE_SIZE];
}

void ward_free(struct ward *ward)
{
    if (!ward)
        return;
    for (uint32_t number = 1; number <= ward->count; number++) {
        mem_free(bed_of(ward, number)->limits);
        mem_free(bed_of(ward, number)->alerts);
    }
    for (int i = 0; i < PAGE_COUNT; i++)
        mem_free(ward->pages[i]);
    (void)pthread_mutex_destroy(&ward->lock);
    mem_free(ward);
}

static void unlink_bed(struct ward *ward, struct bed *bed)
{
    if (bed->before)
        bed_of(ward, bed->before)->after = bed->after;
    else
        ward->oldest = bed->after;
    if (bed->after)
        bed_of(ward, bed->after)->before = bed->before;
    else
        ward->newest = bed->before;
}

static void mark_changed(struct ward *ward, uint32_t number, struct bed *bed)
{
    if (bed->sequence)
        unlink_bed(ward, bed);
    bed->before = ward->newest;
    bed->after = 0;
    if (ward->newest)
        bed_of(ward, ward->newest)->after = number;
    else
        ward->oldest = number;
    ward->newest = number;
    bed->sequence = ++ward->sequence;
}

/* Beds up to `number`, each shown from its first moment on. */
static struct bed *make_bed(struct ward *ward, uint32_t number)
{
    CHECK(number && number <= PATIENT_COUNT_MAX);
    while (ward->count < number) {
        uint32_t next = ward->count + 1;
        if (!ward->pages[next / PAGE_SIZE])
            ward->pages[next / PAGE_SIZE] = mem_new(PAGE_SIZE, sizeof(struct bed));
        struct bed *bed = bed_of(ward, next);
        for (int vital = 0; vital < VITAL_COUNT; vital++)
            bed->value_milli[vital] = VITAL_ABSENT;
        ward->count = next;
        mark_changed(ward, next, bed);
    }
    return bed_of(ward, number);
}

/* Who was admitted has a bed, also before the stream has brought the first reading here. */
static bool has_bed(struct ward *ward, uint32_t number)
{
    if (!number || number > registry_count(ward->registry))
        return false;
    (void)make_bed(ward, number);
    return true;
}

/* ---- feeding ---- */

static void note_implausible(struct bed *bed, const struct reading *reading, int vital)
{
    bed->implausible_count++;
    bed->implausible_vital = (uint8_t)vital;
    bed->implausible_milli = reading->value_milli[vital];
    bed->implausible_us = reading->time_us;
    bed->implausible_reason = (uint8_t)reading_vital_plausible(reading, (enum vital)vital);
}

static void take_reading(struct ward *ward, const struct reading *reading, int64_t now_us)
{
    struct bed *bed = make_bed(ward, reading->patient);
    for (int vital = 0; vital < VITAL_COUNT; vital++) {
        if (reading->implausible >> vital & 1)
            note_implausible(bed, reading, vital);
        else if (reading->value_milli[vital] != VITAL_ABSENT && reading->time_us > bed->time_us[vital]) {
            bed->value_milli[vital] = reading->value_milli[vital];
            bed->time_us[vital] = reading->time_us;
        }
    }
    bed->source = reading->source;
    bed->simulated = (reading->flags & READING_SIMULATED) != 0;
    bed->received_us = now_us;
    mark_changed(ward, reading->patient, bed);
}

void ward_readings(struct ward *ward, const struct reading *readings, uint32_t count)
{
    int64_t now_us = clock_monotonic_us(ward->clock);
    /* In slices: a request that waits for the lock waits for 64 readings, not for a batch. */
    for (uint32_t i = 0; i < count;) {
        (void)pthread_mutex_lock(&ward->lock);
        for (uint32_t end = i + 64 < count ? i + 64 : count; i < end; i++)
            take_reading(ward, &readings[i], now_us);
        (void)pthread_mutex_unlock(&ward->lock);
    }
}

static void set_limits(struct bed *bed, const struct alarm_limits *limits)
{
    if (!bed->limits)
        bed->limits = mem_new(1, sizeof *bed->limits);
    *bed->limits = *limits;
}

void ward_command(struct ward *ward, uint32_t patient, const struct alarm_command *command)
{
    if (!patient)
        return;
    (void)pthread_mutex_lock(&ward->lock);
    struct bed *bed = make_bed(ward, patient);
    if (command->kind == ALARM_LIMITS)
        set_limits(bed, &command->limits);
    else if (command->kind == ALARM_PAUSE || command->kind == ALARM_RESUME)
        bed->paused_until_us = command->kind == ALARM_PAUSE ? command->until_us : 0;
    mark_changed(ward, patient, bed);
    (void)pthread_mutex_unlock(&ward->lock);
}

static struct alert *find_alert(struct bed *bed, const struct alert *wanted)
{
    for (int i = 0; i < bed->alert_count; i++)
        if (bed->alerts[i].type == wanted->type)
            return &bed->alerts[i];
    return NULL;
}

static void take_alert(struct ward *ward, const struct alert *alert)
{
    struct bed *bed = make_bed(ward, alert->patient);
    struct alert *known = find_alert(bed, alert);
    bool open = alert->state != ALERT_CLOSED;
    /* After a restart the engine repeats what it has said: an older word changes nothing. */
    if (known && (known->onset_us > alert->onset_us ||
                  (known->onset_us == alert->onset_us && known->version > alert->version)))
        return;
    if (open && !known) {
        if (!bed->alerts)
            bed->alerts = mem_new(ALERT_TYPE_COUNT, sizeof *bed->alerts);
        known = &bed->alerts[bed->alert_count++];
    }
    if (open)
        *known = *alert;
    else if (known && known->onset_us == alert->onset_us)
        *known = bed->alerts[--bed->alert_count];
    if (!bed->alert_count) {
        mem_free(bed->alerts);
        bed->alerts = NULL;
    }
    mark_changed(ward, alert->patient, bed);
}

void ward_alerts(struct ward *ward, const struct alert *alerts, uint32_t count)
{
    (void)pthread_mutex_lock(&ward->lock);
    for (uint32_t i = 0; i < count; i++)
        take_alert(ward, &alerts[i]);
    (void)pthread_mutex_unlock(&ward->lock);
}

void ward_touch(struct ward *ward, uint32_t patient)
{
    (void)pthread_mutex_lock(&ward->lock);
    mark_changed(ward, patient, make_bed(ward, patient));
    (void)pthread_mutex_unlock(&ward->lock);
}

static void load_newest(struct ward *ward, const struct reading *readings, size_t count)
{
    for (size_t i = 0; i < count; i++)
        take_reading(ward, &readings[i], 0);
}

/* The newest hour of each patient: what a screen shows right after a restart.  About 8,000 patients are read in
 * LOAD_MAX_US; those beyond have no value until their device sends the next, which they do within seconds. */
bool ward_load(struct ward *ward, struct store *store, struct err *err)
{
    struct arena arena;
    struct limits_row *limits;
    struct alert *alerts;
    size_t count;
    arena_init(&arena, (size_t)256 << 20);
    uint32_t patients = registry_count(ward->registry);
    if (patients)
        (void)make_bed(ward, patients);
    bool ok = store_limits(store, &arena, &limits, &count, err);
    for (size_t i = 0; ok && i < count; i++)
        set_limits(make_bed(ward, limits[i].patient), &limits[i].limits);
    struct alert_query open = { .open_only = true, .limit = (size_t)PATIENT_COUNT_MAX * 2 };
    ok = ok && store_alerts(store, &arena, &open, &alerts, &count, err);
    for (size_t i = 0; ok && i < count; i++)
        take_alert(ward, &alerts[i]);
    int64_t now_us = clock_now_us(ward->clock);
    int64_t until_us = clock_monotonic_us(ward->clock) + LOAD_MAX_US;
    for (uint32_t number = 1; ok && number <= patients && clock_monotonic_us(ward->clock) < until_us; number++) {
        struct reading *readings;
        arena_reset(&arena);
        ok = store_readings(store, &arena, number, now_us - US_PER_HOUR, now_us + US_PER_HOUR, 10000,
                            &readings, &count, err);
        if (ok)
            load_newest(ward, readings, count);
    }
    arena_free(&arena);
    return ok;
}

/* ---- showing ---- */

static uint8_t lost_vitals(const struct bed *bed)
{
    for (int i = 0; i < bed->alert_count; i++)
        if (bed->alerts[i].type == ALERT_SENSOR)
            return bed->alerts[i].lost;
    return 0;
}

static int32_t shown_value(const struct bed *bed, uint8_t lost, int vital)
{
    return lost >> vital & 1 ? VITAL_ABSENT : bed->value_milli[vital];
}

static int64_t newest_time(const struct bed *bed)
{
    int64_t newest = 0;
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        newest = bed->time_us[vital] > newest ? bed->time_us[vital] : newest;
    return newest;
}

static void put_vitals(struct json_writer *w, const struct bed *bed)
{
    uint8_t lost = lost_vitals(bed);
    vital_put_json(w, "heartRate", shown_value(bed, lost, VITAL_HEART_RATE));
    vital_put_json(w, "spO2", shown_value(bed, lost, VITAL_SPO2));
    json_put_object(w, "bloodPressure");
    vital_put_json(w, "systolic", shown_value(bed, lost, VITAL_SYSTOLIC));
    vital_put_json(w, "diastolic", shown_value(bed, lost, VITAL_DIASTOLIC));
    json_put_end(w);
    vital_put_json(w, "temperature", shown_value(bed, lost, VITAL_TEMPERATURE));
    vital_put_json(w, "respiratory", shown_value(bed, lost, VITAL_RESPIRATORY));
}

static void put_times(struct json_writer *w, const struct bed *bed)
{
    json_put_object(w, "vitalTimes");
    json_put_time_if(w, "heartRate", bed->time_us[VITAL_HEART_RATE]);
    json_put_time_if(w, "spO2", bed->time_us[VITAL_SPO2]);
    int64_t systolic = bed->time_us[VITAL_SYSTOLIC], diastolic = bed->time_us[VITAL_DIASTOLIC];
    json_put_time_if(w, "bloodPressure", systolic > diastolic ? systolic : diastolic);
    json_put_time_if(w, "temperature", bed->time_us[VITAL_TEMPERATURE]);
    json_put_time_if(w, "respiratory", bed->time_us[VITAL_RESPIRATORY]);
    json_put_end(w);
}

static void put_stale(struct json_writer *w, const struct bed *bed)
{
    uint8_t lost = lost_vitals(bed);
    json_put_array(w, "stale");
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        if (lost >> vital & 1)
            json_put_text(w, NULL, vital_infos[vital].json_name);
    json_put_end(w);
}

static void put_news2(struct json_writer *w, const struct bed *bed)
{
    static const enum vital vital_of[NEWS2_INPUT_COUNT] = {
        [NEWS2_RESPIRATORY] = VITAL_RESPIRATORY, [NEWS2_SPO2] = VITAL_SPO2, [NEWS2_SYSTOLIC] = VITAL_SYSTOLIC,
        [NEWS2_PULSE] = VITAL_HEART_RATE, [NEWS2_TEMPERATURE] = VITAL_TEMPERATURE,
        [NEWS2_OXYGEN] = VITAL_COUNT, [NEWS2_CONSCIOUSNESS] = VITAL_COUNT,
    };
    int32_t values[VITAL_COUNT];
    uint8_t lost = lost_vitals(bed);
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        values[vital] = shown_value(bed, lost, vital);
    struct news2 score = news2_score(values, bed->limits ? bed->limits : &alarm_limits_default);
    json_put_object(w, "news2");
    json_put_int(w, "low", score.low);
    json_put_int(w, "high", score.high);
    json_put_int(w, "scale", score.scale);
    for (int stale = 0; stale < 2; stale++) {
        json_put_array(w, stale ? "stale" : "missing");
        for (int input = 0; input < NEWS2_INPUT_COUNT; input++) {
            bool is_stale = vital_of[input] < VITAL_COUNT && (lost >> vital_of[input] & 1);
            if ((score.missing >> input & 1) && is_stale == (stale == 1))
                json_put_text(w, NULL, news2_input_name((enum news2_input)input));
        }
        json_put_end(w);
    }
    json_put_text(w, "band", news2_band_name((enum news2_band)score.band));
    json_put_end(w);
}

static enum alert_severity severity_of(const struct bed *bed)
{
    enum alert_severity worst = SEVERITY_NORMAL;
    for (int i = 0; i < bed->alert_count; i++)
        worst = bed->alerts[i].severity > worst ? (enum alert_severity)bed->alerts[i].severity : worst;
    return worst;
}

static void put_implausible(struct json_writer *w, const struct bed *bed)
{
    json_put_object(w, "implausible");
    json_put_int(w, "count", bed->implausible_count);
    if (!bed->implausible_count) {
        json_put_null(w, "last");
    } else {
        json_put_object(w, "last");
        json_put_text(w, "vital", vital_infos[bed->implausible_vital].json_name);
        vital_put_json(w, "value", bed->implausible_milli);
        json_put_text(w, "reason", implausible_reason_name((enum implausible_reason)bed->implausible_reason));
        json_put_time(w, "timestamp", bed->implausible_us);
        json_put_end(w);
    }
    json_put_end(w);
}

static void put_person(struct json_writer *w, const struct patient_row *row)
{
    json_put_text(w, "id", row->id);
    json_put_text(w, "name", row->name);
    json_put_text(w, "bedNumber", row->bed[0] ? row->bed : NULL);
    if (row->age >= 0)
        json_put_int(w, "age", row->age);
    else
        json_put_null(w, "age");
    json_put_text(w, "gender", row->gender[0] ? row->gender : NULL);
    json_put_time_if(w, "admissionDate", row->admitted_us);
    json_put_text(w, "diagnosis", row->diagnosis[0] ? row->diagnosis : NULL);
    json_put_text(w, "attendingPhysician", row->physician[0] ? row->physician : NULL);
}

static const char *status_of(const struct ward *ward, const struct bed *bed, const struct patient_row *row)
{
    if (row->discharged)
        return "discharged";
    bool heard = bed->received_us && clock_monotonic_us(ward->clock) - bed->received_us < SILENT_AFTER_US;
    return heard ? "monitored" : "silent";
}

static void put_alerts(struct json_writer *w, const struct bed *bed, const struct patient_row *row)
{
    struct alert_context context = { row->id, row->name, row->bed, NULL };
    json_put_array(w, "activeAlerts");
    for (int i = 0; i < bed->alert_count; i++)
        alert_write_json(w, NULL, &bed->alerts[i], &context);
    json_put_end(w);
}

static void put_patient(struct ward *ward, uint32_t number, struct json_writer *w, const char *key)
{
    struct bed *bed = bed_of(ward, number);
    struct patient_row row;
    CHECK(registry_row(ward->registry, number, &row));
    json_put_object(w, key);
    put_person(w, &row);
    json_put_object(w, "vitals");
    put_vitals(w, bed);
    json_put_end(w);
    json_put_text(w, "alertSeverity", severity_name(severity_of(bed)));
    json_put_time_if(w, "timestamp", newest_time(bed));
    put_times(w, bed);
    put_stale(w, bed);
    put_news2(w, bed);
    json_put_text(w, "source", registry_source_name(ward->registry, bed->source));
    json_put_bool(w, "simulated", bed->simulated || row.simulated);
    json_put_text(w, "status", status_of(ward, bed, &row));
    bool paused = bed->paused_until_us > clock_now_us(ward->clock);
    json_put_time_if(w, "alarmsPausedUntil", paused ? bed->paused_until_us : 0);
    put_alerts(w, bed, &row);
    put_implausible(w, bed);
    json_put_end(w);
}

uint64_t ward_sequence(struct ward *ward)
{
    (void)pthread_mutex_lock(&ward->lock);
    uint64_t sequence = ward->sequence;
    (void)pthread_mutex_unlock(&ward->lock);
    return sequence;
}

static uint32_t first_after(struct ward *ward, uint64_t cursor)
{
    if (!cursor)
        return ward->oldest;
    uint32_t number = 0;
    for (uint32_t at = ward->newest; at && bed_of(ward, at)->sequence > cursor; at = bed_of(ward, at)->before)
        number = at;
    return number;
}

size_t ward_write_changes(struct ward *ward, uint64_t *cursor, size_t size_soft, struct json_writer *w)
{
    size_t written = 0;
    (void)pthread_mutex_lock(&ward->lock);
    for (uint32_t at = first_after(ward, *cursor); at && w->out->length < size_soft; at = bed_of(ward, at)->after) {
        put_patient(ward, at, w, NULL);
        *cursor = bed_of(ward, at)->sequence;
        written++;
    }
    (void)pthread_mutex_unlock(&ward->lock);
    return written;
}

bool ward_write_patient(struct ward *ward, uint32_t patient, struct json_writer *writer, const char *key)
{
    (void)pthread_mutex_lock(&ward->lock);
    bool known = has_bed(ward, patient);
    if (known)
        put_patient(ward, patient, writer, key);
    (void)pthread_mutex_unlock(&ward->lock);
    return known;
}

size_t ward_write_all(struct ward *ward, size_t offset, size_t limit, struct json_writer *writer)
{
    size_t written = 0;
    for (uint32_t number = (uint32_t)offset + 1; written < limit; number++, written++)
        if (!ward_write_patient(ward, number, writer, NULL))
            break;
    return written;
}

bool ward_write_vitals(struct ward *ward, uint32_t patient, struct buf *out)
{
    struct json_writer w = json_write(out);
    (void)pthread_mutex_lock(&ward->lock);
    bool known = has_bed(ward, patient);
    if (known) {
        struct bed *bed = bed_of(ward, patient);
        json_put_object(&w, NULL);
        put_vitals(&w, bed);
        json_put_time_if(&w, "timestamp", newest_time(bed));
        put_times(&w, bed);
        put_stale(&w, bed);
        json_put_end(&w);
    }
    (void)pthread_mutex_unlock(&ward->lock);
    return known;
}

bool ward_write_live(struct ward *ward, uint32_t patient, struct buf *out)
{
    struct json_writer w = json_write(out);
    (void)pthread_mutex_lock(&ward->lock);
    bool known = has_bed(ward, patient);
    if (known) {
        struct bed *bed = bed_of(ward, patient);
        uint8_t lost = lost_vitals(bed);
        json_put_object(&w, NULL);
        for (int vital = 0; vital < VITAL_COUNT; vital++)
            vital_put_json(&w, vital_infos[vital].json_name, shown_value(bed, lost, vital));
        json_put_text(&w, "alertSeverity", severity_name(severity_of(bed)));
        json_put_time_if(&w, "timestamp", newest_time(bed));
        put_times(&w, bed); /* a cuff pressure of an hour ago must not look like one of now */
        put_stale(&w, bed);
        json_put_end(&w);
    }
    (void)pthread_mutex_unlock(&ward->lock);
    return known;
}
