/* challenge2012.c - PhysioNet/Computing in Cardiology Challenge 2012 (mortality): the vitals of the
 * first 48 hours of many stays, in one table.
 *
 * File:    RecordID,Age,Gender,ICUType,Time,HR,NISysABP,NIDiasABP,NIMAP,SysABP,DiasABP,MAP,Temp,RespRate,SaO2
 * Taken:   HR, Temp, RespRate; SaO2 (from blood, rare) as the oxygen saturation; the pressure of the
 *          arterial line (SysABP, DiasABP) where both can be believed, else the cuff's (NISysABP,
 *          NIDiasABP): a line that is flushed or off shows 0.  The two are never mixed.
 * Time:    hh:mm since the admission, up to 48:00.
 * Units:   /min, mmHg, Cel, /min, %.  Blank is not measured.
 * Person:  Age in years, Gender 0 female, 1 male, -1 not known; ICUType 1 coronary, 2 cardiac surgery
 *          recovery, 3 medical, 4 surgical.
 * Source:  Silva 2012, Computing in Cardiology 39:245. */
#include "ingest/recording_format.h"

#include "base/str.h"

#include <string.h>

enum column { RECORD, AGE, GENDER, UNIT, TIME, HR, CUFF_SYSTOLIC, CUFF_DIASTOLIC, LINE_SYSTOLIC, LINE_DIASTOLIC,
              TEMPERATURE,
              RESPIRATION, SATURATION, COLUMN_COUNT };
static const char *const names[COLUMN_COUNT] = {
    "RecordID", "Age", "Gender", "ICUType", "Time", "HR", "NISysABP", "NIDiasABP", "SysABP", "DiasABP", "Temp",
    "RespRate", "SaO2",
};

/* hh:mm, hours of one to four digits. */
static bool read_time(const char *text, int64_t *out_us)
{
    int64_t hours = 0, minutes;
    size_t digits = strspn(text, "0123456789");
    char hour_text[8];
    if (digits < 1 || digits > 4 || text[digits] != ':' || strlen(text + digits) != 3)
        return false;
    (void)memcpy(hour_text, text, digits);
    hour_text[digits] = '\0';
    if (!str_to_int(hour_text, 0, 9999, &hours) || !str_to_int(text + digits + 1, 0, 59, &minutes))
        return false;
    *out_us = hours * US_PER_HOUR + minutes * US_PER_MIN;
    return true;
}

static bool believable(const struct recording_row *row)
{
    for (int vital = VITAL_SYSTOLIC; vital <= VITAL_DIASTOLIC; vital++)
        if (row->milli[vital] < vital_infos[vital].plausible_min_milli ||
            row->milli[vital] > vital_infos[vital].plausible_max_milli)
            return false; /* absent is far below */
    return row->milli[VITAL_DIASTOLIC] < row->milli[VITAL_SYSTOLIC];
}

static void take_pressure(struct recording *recording, struct recording_row *row, const struct table *table,
                          const int at[COLUMN_COUNT])
{
    const char *const *fields = table->fields;
    bool line = !recording_is_blank(fields[at[LINE_SYSTOLIC]]) || !recording_is_blank(fields[at[LINE_DIASTOLIC]]);
    bool cuff = !recording_is_blank(fields[at[CUFF_SYSTOLIC]]) || !recording_is_blank(fields[at[CUFF_DIASTOLIC]]);
    if (line) {
        recording_value(recording, row, VITAL_SYSTOLIC, fields[at[LINE_SYSTOLIC]]);
        recording_value(recording, row, VITAL_DIASTOLIC, fields[at[LINE_DIASTOLIC]]);
    }
    if (cuff && !(line && believable(row))) {
        row->milli[VITAL_SYSTOLIC] = row->milli[VITAL_DIASTOLIC] = ROW_ABSENT;
        recording_value(recording, row, VITAL_SYSTOLIC, fields[at[CUFF_SYSTOLIC]]);
        recording_value(recording, row, VITAL_DIASTOLIC, fields[at[CUFF_DIASTOLIC]]);
    }
}

static void take_person(struct recording_patient *person, const struct table *table, const int at[COLUMN_COUNT])
{
    static const char *const units[] = { "CCU", "CSRU", "MICU", "SICU" };
    const char *unit = table->fields[at[UNIT]], *gender = table->fields[at[GENDER]];
    if (person->readings)
        return;
    person->age = recording_age(table->fields[at[AGE]]);
    (void)str_copy(person->gender, sizeof person->gender,
                   str_equal(gender, "1")   ? "male"
                   : str_equal(gender, "0") ? "female"
                                            : "");
    if (unit[0] >= '1' && unit[0] <= '4' && !unit[1])
        (void)str_copy(person->unit, sizeof person->unit, units[unit[0] - '1']);
}

static bool take_row(struct recording *recording, const struct table *table, const int at[COLUMN_COUNT],
                     struct err *err)
{
    struct recording_row row;
    const char *id = table->fields[at[RECORD]];
    recording_row_init(&row);
    if (!id[0] || strspn(id, "0123456789") != strlen(id) || strlen(id) > 12) {
        recording_refuse(recording, table->lines, "RecordID: \"%.20s\" is not a record's number", id);
        return true;
    }
    if (!read_time(table->fields[at[TIME]], &row.time_us)) {
        recording_refuse(recording, table->lines, "Time: \"%.20s\" is not hh:mm", table->fields[at[TIME]]);
        return true;
    }
    row.patient = recording_admit(recording, "challenge2012-", id, err);
    if (!row.patient)
        return false;
    take_person(recording_person(recording, row.patient), table, at);
    recording_value(recording, &row, VITAL_HEART_RATE, table->fields[at[HR]]);
    recording_value(recording, &row, VITAL_TEMPERATURE, table->fields[at[TEMPERATURE]]);
    recording_value(recording, &row, VITAL_RESPIRATORY, table->fields[at[RESPIRATION]]);
    recording_value(recording, &row, VITAL_SPO2, table->fields[at[SATURATION]]);
    take_pressure(recording, &row, table, at);
    return recording_add(recording, &row, err);
}

static bool read_table(struct recording *recording, const char *path, struct lines *lines, struct err *err)
{
    struct table table;
    int at[COLUMN_COUNT];
    bool more;
    (void)path;
    if (!table_begin(&table, lines, ',', err))
        return false;
    for (int i = 0; i < COLUMN_COUNT; i++)
        if (!table_require(&table, names[i], &at[i], err))
            return false;
    while (table_next(&table, &more, err)) {
        if (!more)
            return true;
        if (recording_row_whole(recording, &table) && !take_row(recording, &table, at, err))
            return false;
    }
    return false;
}

const struct recording_format format_challenge2012 = {
    "challenge2012", { ".csv", ".csv.gz", NULL }, false, read_table, NULL
};
