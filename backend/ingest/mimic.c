/* mimic.c - vital signs of the MIMIC-III demo, charted minutes to hours apart.
 *
 * File:    icustay_id,subject_id,charttime,heart_rate_bpm,spo2_pct,systolic_mmHg,diastolic_mmHg,bp_source,
 *          temperature_C,resp_rate_bpm
 * Patient: the subject; several stays are one patient with gaps.  Nothing else is known of the person.
 * Units:   stand in the header and are read from it: temperature_C or temperature_F, pressures in mmHg or
 *          kPa.  A column without a unit that is known is an error: units are never guessed.
 * Time:    charttime, "2107-03-24 04:00:00": shifted into the future by the publisher, each subject by an
 *          amount of its own; taken as UTC.
 * Source:  Johnson 2016, Scientific Data 3:160035. */
#include "ingest/recording_format.h"

#include <stdio.h>
#include <string.h>

/* value * multiply / divide after `offset_milli` was added, half away from zero. */
static const struct unit_column {
    const char *name;
    enum vital vital;
    int64_t offset_milli, multiply, divide;
} unit_columns[] = {
    /* clang-format off */
    { "heart_rate_bpm",  VITAL_HEART_RATE,       0,       1,      1 },
    { "spo2_pct",        VITAL_SPO2,             0,       1,      1 },
    { "systolic_mmHg",   VITAL_SYSTOLIC,         0,       1,      1 },
    { "systolic_kPa",    VITAL_SYSTOLIC,         0,  750062, 100000 },   /* 1 kPa = 7.50062 mmHg, NIST SP 811 */
    { "diastolic_mmHg",  VITAL_DIASTOLIC,        0,       1,      1 },
    { "diastolic_kPa",   VITAL_DIASTOLIC,        0,  750062, 100000 },
    { "temperature_C",   VITAL_TEMPERATURE,      0,       1,      1 },
    { "temperature_F",   VITAL_TEMPERATURE, -32000,       5,      9 },
    { "resp_rate_bpm",   VITAL_RESPIRATORY,      0,       1,      1 },
    /* clang-format on */
};
enum { UNIT_COLUMN_COUNT = sizeof unit_columns / sizeof *unit_columns };

struct columns {
    int subject, time;
    int at[VITAL_COUNT];
    const struct unit_column *units[VITAL_COUNT];
};

static bool find_columns(const struct table *table, struct columns *out, struct err *err)
{
    memset(out->units, 0, sizeof out->units);
    if (!table_require(table, "subject_id", &out->subject, err) || !table_require(table, "charttime", &out->time, err))
        return false;
    for (int i = 0; i < UNIT_COLUMN_COUNT; i++) {
        int at = table_find(table, unit_columns[i].name);
        enum vital vital = unit_columns[i].vital;
        if (at < 0)
            continue;
        if (out->units[vital])
            return err_set(err, ERR_INPUT, "both %s and %s in the header", out->units[vital]->name,
                           unit_columns[i].name);
        out->units[vital] = &unit_columns[i];
        out->at[vital] = at;
    }
    for (int i = 0; i < UNIT_COLUMN_COUNT; i++)
        if (!out->units[unit_columns[i].vital])
            return err_set(err, ERR_INPUT, "no column %s in the header, nor one in another unit", unit_columns[i].name);
    return true;
}

static void convert(struct recording_row *row, const struct unit_column *unit)
{
    int64_t *milli = &row->milli[unit->vital];
    if (*milli == ROW_ABSENT || unit->multiply == 1)
        return;
    int64_t scaled = (*milli + unit->offset_milli) * unit->multiply; /* at most 2^40 * 2^20 */
    *milli = (scaled + (scaled < 0 ? -unit->divide : unit->divide) / 2) / unit->divide;
}

static bool read_time(const char *text, int64_t *out_us)
{
    char utc[40];
    return snprintf(utc, sizeof utc, "%sZ", text) < (int)sizeof utc && time_parse(utc, strlen(utc), out_us, NULL);
}

static bool take_row(struct recording *recording, const struct table *table, const struct columns *columns,
                     struct err *err)
{
    struct recording_row row;
    const char *id = table->fields[columns->subject], *time = table->fields[columns->time];
    recording_row_init(&row);
    if (!id[0] || strspn(id, "0123456789") != strlen(id) || strlen(id) > 12) {
        recording_refuse(recording, table->lines, "subject_id: \"%.20s\" is not a subject's number", id);
        return true;
    }
    if (!read_time(time, &row.time_us)) {
        recording_refuse(recording, table->lines, "charttime: \"%.30s\" is not a date and time", time);
        return true;
    }
    row.patient = recording_admit(recording, "mimic-", id, err);
    if (!row.patient)
        return false;
    for (int vital = 0; vital < VITAL_COUNT; vital++) {
        recording_value(recording, &row, (enum vital)vital, table->fields[columns->at[vital]]);
        convert(&row, columns->units[vital]);
    }
    return recording_add(recording, &row, err);
}

static bool read_table(struct recording *recording, const char *path, struct lines *lines, struct err *err)
{
    struct table table;
    struct columns columns;
    bool more;
    (void)path;
    if (!table_begin(&table, lines, ',', err) || !find_columns(&table, &columns, err))
        return false;
    while (table_next(&table, &more, err)) {
        if (!more)
            return true;
        if (recording_row_whole(recording, &table) && !take_row(recording, &table, &columns, err))
            return false;
    }
    return false;
}

const struct recording_format format_mimic = { "mimic", { ".csv", ".csv.gz", NULL }, true, read_table, NULL };
