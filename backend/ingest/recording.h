/* recording.h - recordings of real patients, in the formats that their publishers use.
 *
 *     recording_open(&(struct recording_options){ .format = format, .paths = paths, .path_count = 1 }, &recording,
 *     &err)
 *     while (recording_next(recording, &reading))
 *         …recording_patient(recording, reading.patient)->id, reading…
 *
 * Formats:  ingest/bidmc.c, challenge2019.c, challenge2012.c, mimic.c; each says what it takes and leaves.
 * Values:   what is blank or NaN is absent.  Nothing is filled in, nothing is guessed.  A value below 0
 *           or above vital_infos[].accept_max_milli is refused and counted, its neighbours are kept; an
 *           implausible one is marked, as at the door of the server.
 * Rows:     each row of the file is one reading, also one that measured nothing: time passed.
 * Order:    by time, then patient (in the order of the files), then as in the file.
 * Time:     three of the formats count from the beginning of the stay, the fourth has dates of the
 *           22nd century (de-identified).  So a patient's recording is laid so that its beginning falls
 *           on `start_us`; RECORDING_EPOCH by default, always the same, so that the same recording gives
 *           the same readings and the same alerts whenever it is played.
 * Bounds:   RECORDING_READINGS_MAX in memory, 44 bytes each; PATIENT_COUNT_MAX patients.
 * Threads:  one. */
#ifndef INGEST_RECORDING_H
#define INGEST_RECORDING_H

#include "base/bounds.h"
#include "base/clock.h"
#include "clinical/reading.h"

/* 2020-01-01T00:00:00Z: the longest recording, a subject's stays over four years, ends in the past. */
#define RECORDING_EPOCH_US (INT64_C(1577836800) * US_PER_S)

enum recording_start {
    START_AT,        /* every patient begins at start_us (0: RECORDING_EPOCH_US) */
    START_ENDS_AT,   /* the last reading of all is at start_us */
    START_RECORDED,  /* stamps as they are, where the format has any; else as START_AT */
};

struct recording_options {
    const char *format;                 /* "bidmc" … */
    const char *const *paths;           /* files, or folders with such files in them */
    size_t path_count;
    enum recording_start start;
    int64_t start_us;
};

struct recording_patient {
    char id[PATIENT_ID_SIZE];
    char gender[16], unit[24];          /* "male", "female" or ""; "MICU" or "" */
    int16_t age;                        /* -1: not known */
    uint32_t readings;
    /* where the patient's clock begins: 0 (a row may be a second before), or the first stamp */
    int64_t origin_us;
    int64_t base_us;                    /* what is added to a reading's time */
};

struct recording_counts {
    int64_t rows, readings, empty;             /* rows of the files; readings made of them; of these without a vital */
    int64_t rows_refused;                      /* torn, or a time or an id that cannot be read */
    int64_t present[VITAL_COUNT];              /* values taken, implausible ones included */
    int64_t unreadable[VITAL_COUNT];           /* not a number */
    int64_t below[VITAL_COUNT], above[VITAL_COUNT];      /* refused: outside what any device means */
    int64_t implausible[VITAL_COUNT][IMPLAUSIBLE_PRESSURE + 1];  /* by reason */
    char first_refusal[200];                   /* file, line and why; "": none */
};

struct recording;

bool recording_open(const struct recording_options *options, struct recording **out, struct err *err) MUST_CHECK;
/* One file in memory; `name` is what it would be called. */
bool recording_open_memory(const struct recording_options *options, const char *name, const void *data, size_t size,
                           struct recording **out, struct err *err) MUST_CHECK;
void recording_close(struct recording *recording);   /* NULL is fine */

const char *recording_format(const struct recording *recording);
uint32_t recording_patient_count(const struct recording *recording);
const struct recording_patient *recording_patient(const struct recording *recording, uint32_t number);  /* from 1 */
const struct recording_counts *recording_counts(const struct recording *recording);
int64_t recording_first_us(const struct recording *recording);   /* of the first and the last reading; 0: none */
int64_t recording_last_us(const struct recording *recording);

/* false: the end.  reading->patient is the number within this recording, source 0. */
bool recording_next(struct recording *recording, struct reading *out);
void recording_rewind(struct recording *recording);
/* Lays the stamps anew (options.start) and rewinds. */
void recording_restart(struct recording *recording, enum recording_start start, int64_t start_us);

/* "bidmc, challenge2019, …" */
const char *recording_format_names(void);

#endif
