/* recording_format.h - what a format's file sees of a recording in the making.  Inside ingest/. */
#ifndef INGEST_RECORDING_FORMAT_H
#define INGEST_RECORDING_FORMAT_H

#include "ingest/recording.h"
#include "ingest/table.h"

struct recording_format {
    const char *name;
    const char *suffixes[3];      /* which files of a folder are of this format */
    bool absolute;                /* times are dates, not since the beginning of the stay */
    /* Reads one file; `path` is its name, also when it comes from memory. */
    bool (*read)(struct recording *recording, const char *path, struct lines *lines, struct err *err);
    /* Once per file from disk, before read(): what stands beside it.  May be NULL. */
    bool (*read_beside)(struct recording *recording, const char *path, struct err *err);
};
extern const struct recording_format format_bidmc, format_challenge2019, format_challenge2012, format_mimic;

#define ROW_ABSENT INT64_MIN
struct recording_row {
    uint32_t patient;
    int64_t time_us;                    /* since the beginning, or UTC where the format is absolute */
    int64_t milli[VITAL_COUNT];         /* ROW_ABSENT where not measured; any other number is judged */
};
void recording_row_init(struct recording_row *row);
/* The field as a number in thousandths: blank and NaN are absent; what is no number is counted. */
void recording_value(struct recording *recording, struct recording_row *row, enum vital vital, const char *text);
bool recording_add(struct recording *recording, const struct recording_row *row, struct err *err) MUST_CHECK;
/* The row cannot be used: counted, and the first one is told about. */
void recording_refuse(struct recording *recording, const struct lines *lines, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "%s%s" of prefix and id; other characters than a patient id may have become '-'.  The number, or 0. */
uint32_t recording_admit(struct recording *recording, const char *prefix, const char *id, struct err *err);
struct recording_patient *recording_person(struct recording *recording, uint32_t number);

/* A decimal number of JSON's grammar, in thousandths. */
bool recording_number(const char *text, int64_t *out_milli);
bool recording_is_blank(const char *text);             /* "", or NaN by any case */
/* A whole or decimal age; below 0 or not a number is not known.  "90+" is 90. */
int16_t recording_age(const char *text);
/* The file's name without folders and without `suffix`. */
void recording_stem(const char *path, const char *suffix, char *out, size_t size);
/* A row of the right width; false: refused. */
bool recording_row_whole(struct recording *recording, const struct table *table);

#endif
