/* challenge2019.c - PhysioNet/Computing in Cardiology Challenge 2019 (sepsis): a stay, hour by hour.
 *
 * Files:   pNNNNNN.psv, columns by '|': HR O2Sat Temp SBP MAP DBP Resp … Age Gender Unit1 Unit2 … ICULOS SepsisLabel
 * Taken:   HR, O2Sat (pulse oximetry), Temp, SBP, DBP, Resp.  SaO2 is the laboratory's; labels are not vitals.
 * Time:    ICULOS, hours since the admission to intensive care.
 * Units:   /min, %, Cel, mmHg, mmHg, /min.  NaN is not measured.
 * Person:  Age in years, Gender 0 female, 1 male; Unit1 1: medical, Unit2 1: surgical intensive care.
 * Source:  Reyna 2020, Crit. Care Med. 48(2):210. */
#include "ingest/recording_format.h"

#include "base/str.h"

#include <string.h>

static const struct { enum vital vital; const char *column; } taken[] = {
    { VITAL_HEART_RATE, "HR" }, { VITAL_SPO2, "O2Sat" },    { VITAL_TEMPERATURE, "Temp" },
    { VITAL_SYSTOLIC, "SBP" },  { VITAL_DIASTOLIC, "DBP" }, { VITAL_RESPIRATORY, "Resp" },
};
enum { TAKEN_COUNT = sizeof taken / sizeof *taken };

struct columns {
    int hour, vitals[TAKEN_COUNT];
    int age, gender, unit1, unit2;   /* -1: not in this file */
};

static bool find_columns(const struct table *table, struct columns *out, struct err *err)
{
    for (int i = 0; i < TAKEN_COUNT; i++)
        if (!table_require(table, taken[i].column, &out->vitals[i], err))
            return false;
    out->age = table_find(table, "Age");
    out->gender = table_find(table, "Gender");
    out->unit1 = table_find(table, "Unit1");
    out->unit2 = table_find(table, "Unit2");
    return table_require(table, "ICULOS", &out->hour, err);
}

static bool field_is(const struct table *table, int column, const char *text)
{
    return column >= 0 && strcmp(table->fields[column], text) == 0;
}

static void take_person(const struct table *table, const struct columns *at, struct recording_patient *person)
{
    if (at->age >= 0 && person->age < 0)
        person->age = recording_age(table->fields[at->age]);
    if (!person->gender[0])
        (void)str_copy(person->gender, sizeof person->gender,
                       field_is(table, at->gender, "1") ? "male" : field_is(table, at->gender, "0") ? "female" : "");
    if (!person->unit[0])
        (void)str_copy(person->unit, sizeof person->unit,
                       field_is(table, at->unit1, "1") ? "MICU" : field_is(table, at->unit2, "1") ? "SICU" : "");
}

static bool read_stay(struct recording *recording, const char *path, struct lines *lines, struct err *err)
{
    struct table table;
    struct columns at;
    struct recording_row row;
    int64_t milli;
    bool more;
    char stem[PATIENT_ID_SIZE + 32];
    recording_stem(path, ".psv", stem, sizeof stem);
    uint32_t patient = recording_admit(recording, "", stem, err);
    if (!patient || !table_begin(&table, lines, '|', err) || !find_columns(&table, &at, err))
        return false;
    while (table_next(&table, &more, err)) {
        if (!more)
            return true;
        if (!recording_row_whole(recording, &table))
            continue;
        if (!recording_number(table.fields[at.hour], &milli)) {
            recording_refuse(recording, lines, "ICULOS: \"%.20s\" is not a number of hours", table.fields[at.hour]);
            continue;
        }
        take_person(&table, &at, recording_person(recording, patient));
        recording_row_init(&row);
        row.patient = patient;
        row.time_us = milli > INT32_MAX ? INT64_MAX : milli * (US_PER_HOUR / 1000);
        for (int i = 0; i < TAKEN_COUNT; i++)
            recording_value(recording, &row, taken[i].vital, table.fields[at.vitals[i]]);
        if (!recording_add(recording, &row, err))
            return false;
    }
    return false;
}

const struct recording_format format_challenge2019 = { "challenge2019", { ".psv", NULL }, false, read_stay, NULL };
