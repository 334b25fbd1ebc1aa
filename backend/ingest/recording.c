#include "ingest/recording_format.h"

#include "base/mem.h"
#include "base/str.h"
#include "ingest/json_scan.h"
#include "ingest/recording_paths.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A patient's recording of 50 years has a wrong unit of time; and now less 50 years is after 1970. */
#define TIME_SPAN_MAX_US (INT64_C(50) * 365 * US_PER_DAY)

static const struct recording_format *const formats[] = { &format_bidmc, &format_challenge2019, &format_challenge2012,
                                                          &format_mimic };
enum { FORMAT_COUNT = sizeof formats / sizeof *formats };

struct recording {
    const struct recording_format *format;
    const char *path;                    /* of the file that is being read */
    struct recording_patient *patients;  /* number - 1 */
    uint32_t patient_count, patient_room;
    uint32_t *slots;                     /* hash of ids → number; 0: free */
    uint32_t slot_count;                 /* a power of two, at most half full */
    struct reading *readings;            /* as in the files; time_us as the format has it */
    uint32_t reading_count, reading_room;
    uint32_t *order;
    uint32_t at;
    struct recording_counts counts;
};

const char *recording_format_names(void)
{
    return "bidmc, challenge2019, challenge2012, mimic";
}

static const struct recording_format *find_format(const char *name)
{
    for (int i = 0; i < FORMAT_COUNT; i++)
        if (str_equal(formats[i]->name, name))
            return formats[i];
    return NULL;
}

/* Doubles where full; the memory is bounded by bounds.h. */
static void *grown(void *items, uint32_t count, uint32_t *room, size_t size)
{
    if (count < *room)
        return items;
    *room = *room ? *room * 2 : 256;
    void *more = mem_try_resize(items, *room, size);
    CHECK(more != NULL);
    return more;
}

/* ---- numbers and texts ---- */

bool recording_number(const char *text, int64_t *out_milli)
{
    struct json_scan scan = { text, text + strlen(text) };
    return json_scan_milli(&scan, out_milli) && scan.p == scan.end;
}

bool recording_is_blank(const char *text)
{
    return !text[0] || strcasecmp(text, "nan") == 0;
}

int16_t recording_age(const char *text)
{
    char digits[16];
    int64_t milli;
    size_t length = strlen(text);
    if (length && text[length - 1] == '+')
        length--; /* above 89 years PhysioNet gives no exact age */
    if (!length || length >= sizeof digits)
        return -1;
    memcpy(digits, text, length);
    digits[length] = '\0';
    return recording_number(digits, &milli) && milli >= 0 && milli <= 130000 ? (int16_t)(milli / 1000) : -1;
}

void recording_stem(const char *path, const char *suffix, char *out, size_t size)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t length = strlen(name), cut = strlen(suffix);
    if (length > cut && strcmp(name + length - cut, suffix) == 0)
        length -= cut;
    (void)snprintf(out, size, "%.*s", (int)length, name);
}

/* ---- patients ---- */

static uint32_t *slot_of(struct recording *recording, const char *id)
{
    uint32_t at = (uint32_t)str_hash64(id, strlen(id), 0) & (recording->slot_count - 1);
    while (recording->slots[at] && strcmp(recording->patients[recording->slots[at] - 1].id, id) != 0)
        at = (at + 1) & (recording->slot_count - 1);
    return &recording->slots[at];
}

static void grow_slots(struct recording *recording)
{
    if (recording->patient_count * 2 < recording->slot_count)
        return;
    mem_free(recording->slots);
    recording->slot_count = recording->slot_count ? recording->slot_count * 2 : 1024;
    recording->slots = mem_new(recording->slot_count, sizeof *recording->slots);
    for (uint32_t i = 0; i < recording->patient_count; i++)
        *slot_of(recording, recording->patients[i].id) = i + 1;
}

uint32_t recording_admit(struct recording *recording, const char *prefix, const char *id, struct err *err)
{
    char name[PATIENT_ID_SIZE];
    int length = snprintf(name, sizeof name, "%s%s", prefix, id);
    if (!id[0] || length >= (int)sizeof name) {
        err_set(err, ERR_INPUT, "\"%.40s\" does not make a patient id of 1 to %d characters", id, PATIENT_ID_SIZE - 1);
        return 0;
    }
    for (char *p = name; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("._-", *p))
            *p = '-';
    grow_slots(recording);
    uint32_t *slot = slot_of(recording, name);
    if (*slot)
        return *slot;
    if (recording->patient_count == PATIENT_COUNT_MAX) {
        err_set(err, ERR_TOO_LARGE, "more than %d patients", PATIENT_COUNT_MAX);
        return 0;
    }
    recording->patients = grown(recording->patients, recording->patient_count, &recording->patient_room,
                                sizeof *recording->patients);
    struct recording_patient *patient = &recording->patients[recording->patient_count++];
    *patient = (struct recording_patient){ .age = -1 };
    memcpy(patient->id, name, sizeof name);
    return *slot = recording->patient_count;
}

struct recording_patient *recording_person(struct recording *recording, uint32_t number)
{
    CHECK(number && number <= recording->patient_count);
    return &recording->patients[number - 1];
}

/* ---- rows ---- */

void recording_row_init(struct recording_row *row)
{
    row->patient = 0;
    row->time_us = 0;
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        row->milli[vital] = ROW_ABSENT;
}

void recording_value(struct recording *recording, struct recording_row *row, enum vital vital, const char *text)
{
    if (!recording_is_blank(text) && !recording_number(text, &row->milli[vital])) {
        row->milli[vital] = ROW_ABSENT;
        recording->counts.unreadable[vital]++;
    }
}

static void note_refusal(struct recording *recording, size_t line, const char *why)
{
    if (!recording->counts.first_refusal[0])
        (void)snprintf(recording->counts.first_refusal, sizeof recording->counts.first_refusal, "%.90s line %zu: %.80s",
                       recording->path, line, why);
}

void recording_refuse(struct recording *recording, const struct lines *lines, const char *format, ...)
{
    char why[100];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(why, sizeof why, format, args);
    va_end(args);
    recording->counts.rows++;
    recording->counts.rows_refused++;
    note_refusal(recording, lines_number(lines), why);
}

bool recording_row_whole(struct recording *recording, const struct table *table)
{
    if (table->field_count == table->count)
        return true;
    recording_refuse(recording, table->lines, "%d columns where the header has %d", table->field_count, table->count);
    return false;
}

/* What no device means is refused by itself; its neighbours stay. */
static int32_t judge(struct recording_counts *counts, int vital, int64_t milli)
{
    if (milli == ROW_ABSENT)
        return VITAL_ABSENT;
    if (milli < 0 || milli > vital_infos[vital].accept_max_milli) {
        (milli < 0 ? counts->below : counts->above)[vital]++;
        return VITAL_ABSENT;
    }
    counts->present[vital]++;
    return (int32_t)milli;
}

static void count_implausible(struct recording_counts *counts, const struct reading *reading)
{
    for (unsigned left = reading->implausible; left; left &= left - 1) {
        int vital = __builtin_ctz(left);
        counts->implausible[vital][reading_vital_plausible(reading, (enum vital)vital)]++;
    }
}

/* bidmc_23 begins at -1 s: the numbers of a monitor are not cut where the signals are. */
static bool time_fits(const struct recording_format *format, int64_t time_us)
{
    return time_us >= (format->absolute ? 0 : -US_PER_DAY) && (format->absolute || time_us <= TIME_SPAN_MAX_US);
}

bool recording_add(struct recording *recording, const struct recording_row *row, struct err *err)
{
    struct recording_counts *counts = &recording->counts;
    counts->rows++;
    if (!time_fits(recording->format, row->time_us)) {
        counts->rows_refused++;
        note_refusal(recording, (size_t)counts->rows, "its time is long before the beginning, or 50 years later");
        return true;
    }
    if (recording->reading_count == RECORDING_READINGS_MAX)
        return err_set(err, ERR_TOO_LARGE, "more than %d readings: replay fewer files at a time",
                       RECORDING_READINGS_MAX);
    recording->readings = grown(recording->readings, recording->reading_count, &recording->reading_room,
                                sizeof *recording->readings);
    struct reading *reading = &recording->readings[recording->reading_count++];
    *reading = (struct reading){ .time_us = row->time_us, .patient = row->patient };
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        reading->value_milli[vital] = judge(counts, vital, row->milli[vital]);
    reading_mark_implausible(reading);
    count_implausible(counts, reading);
    counts->readings++;
    counts->empty += reading_is_empty(reading);
    recording_person(recording, row->patient)->readings++;
    return true;
}

/* ---- order and time ---- */

static int64_t stamp(const struct recording *recording, const struct reading *reading)
{
    return recording->patients[reading->patient - 1].base_us + reading->time_us;
}

static int by_time(const void *a, const void *b, void *context)
{
    const struct recording *recording = context;
    uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    const struct reading *x = &recording->readings[i], *y = &recording->readings[j];
    int64_t tx = stamp(recording, x), ty = stamp(recording, y);
    if (tx != ty)
        return tx < ty ? -1 : 1;
    if (x->patient != y->patient)
        return x->patient < y->patient ? -1 : 1;
    return i < j ? -1 : i > j;
}

static void find_origins(struct recording *recording)
{
    for (uint32_t i = 0; i < recording->patient_count; i++)
        recording->patients[i].origin_us = recording->format->absolute ? INT64_MAX : 0;
    for (uint32_t i = 0; recording->format->absolute && i < recording->reading_count; i++) {
        int64_t *origin_us = &recording->patients[recording->readings[i].patient - 1].origin_us;
        if (recording->readings[i].time_us < *origin_us)
            *origin_us = recording->readings[i].time_us;
    }
}

static int64_t longest_us(const struct recording *recording)
{
    int64_t longest = 0;
    for (uint32_t i = 0; i < recording->reading_count; i++) {
        int64_t length = recording->readings[i].time_us -
                         recording->patients[recording->readings[i].patient - 1].origin_us;
        longest = length > longest ? length : longest;
    }
    return longest;
}

void recording_restart(struct recording *recording, enum recording_start start, int64_t start_us)
{
    bool as_is = start == START_RECORDED && recording->format->absolute;
    int64_t begin_us = start_us && start != START_RECORDED ? start_us : RECORDING_EPOCH_US;
    if (start == START_ENDS_AT)
        begin_us -= longest_us(recording);
    for (uint32_t i = 0; i < recording->patient_count; i++)
        recording->patients[i].base_us = as_is ? 0 : begin_us - recording->patients[i].origin_us;
    for (uint32_t i = 0; i < recording->reading_count; i++)
        recording->order[i] = i;
    qsort_r(recording->order, recording->reading_count, sizeof *recording->order, by_time, recording);
    recording->at = 0;
}

static bool finish(struct recording *recording, const struct recording_options *options, struct err *err)
{
    if (!recording->reading_count)
        return err_set(err, ERR_INPUT, "no reading in it%s%s", recording->counts.first_refusal[0] ? "; " : "",
                       recording->counts.first_refusal);
    recording->order = mem_new(recording->reading_count, sizeof *recording->order);
    find_origins(recording);
    if (longest_us(recording) > TIME_SPAN_MAX_US)
        return err_set(err, ERR_INPUT, "one patient's readings are more than 50 years apart");
    recording_restart(recording, options->start, options->start_us);
    return true;
}

/* ---- opening ---- */

static bool read_lines(struct recording *recording, const char *path, struct lines *lines, struct err *err)
{
    recording->path = path;
    return recording->format->read(recording, path, lines, err) ||
           err_context(err, "%.200s line %zu", path, lines_number(lines));
}

static bool read_file(struct recording *recording, const char *path, struct err *err)
{
    struct lines *lines;
    if (recording->format->read_beside && !recording->format->read_beside(recording, path, err))
        return false;
    if (!lines_open(path, &lines, err))
        return false;
    bool ok = read_lines(recording, path, lines, err);
    lines_close(lines);
    return ok;
}

static bool begin(const struct recording_options *options, struct recording **out, struct err *err)
{
    const struct recording_format *format = find_format(options->format);
    if (!format)
        return err_set(err, ERR_INPUT, "no format \"%.40s\" (%s)", options->format ? options->format : "",
                       recording_format_names());
    *out = mem_new(1, sizeof **out);
    (*out)->format = format;
    return true;
}

static bool end(struct recording *recording, bool ok, struct recording **out)
{
    recording->path = NULL;
    *out = ok ? recording : NULL;
    if (!ok)
        recording_close(recording);
    return ok;
}

bool recording_open(const struct recording_options *options, struct recording **out, struct err *err)
{
    struct recording *recording;
    struct path_list files = { 0 };
    if (!begin(options, &recording, err))
        return false;
    bool ok = paths_expand(options->paths, options->path_count, recording->format->suffixes, &files, err);
    for (size_t i = 0; ok && i < files.count; i++)
        ok = read_file(recording, files.items[i], err);
    ok = ok && finish(recording, options, err);
    paths_free(&files);
    return end(recording, ok, out);
}

bool recording_open_memory(const struct recording_options *options, const char *name, const void *data, size_t size,
                           struct recording **out, struct err *err)
{
    struct recording *recording;
    if (!begin(options, &recording, err))
        return false;
    struct lines *lines = lines_of_memory(data, size);
    bool ok = read_lines(recording, name, lines, err) && finish(recording, options, err);
    lines_close(lines);
    return end(recording, ok, out);
}

void recording_close(struct recording *recording)
{
    if (!recording)
        return;
    mem_free(recording->patients);
    mem_free(recording->slots);
    mem_free(recording->readings);
    mem_free(recording->order);
    mem_free(recording);
}

/* ---- reading back ---- */

const char *recording_format(const struct recording *recording)
{
    return recording->format->name;
}

uint32_t recording_patient_count(const struct recording *recording)
{
    return recording->patient_count;
}

const struct recording_patient *recording_patient(const struct recording *recording, uint32_t number)
{
    CHECK(number && number <= recording->patient_count);
    return &recording->patients[number - 1];
}

const struct recording_counts *recording_counts(const struct recording *recording)
{
    return &recording->counts;
}

int64_t recording_first_us(const struct recording *recording)
{
    return stamp(recording, &recording->readings[recording->order[0]]);
}

int64_t recording_last_us(const struct recording *recording)
{
    return stamp(recording, &recording->readings[recording->order[recording->reading_count - 1]]);
}

bool recording_next(struct recording *recording, struct reading *out)
{
    if (recording->at == recording->reading_count)
        return false;
    *out = recording->readings[recording->order[recording->at++]];
    out->time_us = stamp(recording, out);
    return true;
}

void recording_rewind(struct recording *recording)
{
    recording->at = 0;
}
