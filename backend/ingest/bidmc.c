/* bidmc.c - the BIDMC PPG and respiration recordings: a monitor's numbers once a second for 8 minutes.
 *
 * Files:   bidmc_NN_Numerics.csv:  Time [s], HR, PULSE, RESP, SpO2
 *          bidmc_NN_Fix.txt beside it, "Age: 88", "Gender: M", "Location: micu" among other lines.
 * Taken:   HR (from the ECG) is the heart rate, RESP the respiration, SpO2.  PULSE is the same rate by the
 *          finger probe: a heart rate that is missing stays missing.
 * Units:   s, /min, /min, /min, %.  Blanks and NaN are not measured.
 * Source:  Pimentel 2016, IEEE Trans. Biomed. Eng. 64(8):1914; Goldberger 2000, Circulation 101(23). */
#include "ingest/recording_format.h"

#include "base/str.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define SUFFIX "_Numerics.csv"

static bool read_numerics(struct recording *recording, const char *path, struct lines *lines, struct err *err)
{
    struct table table;
    struct recording_row row;
    int64_t milli;
    int time, heart, respiration, spo2;
    bool more;
    char stem[PATIENT_ID_SIZE + 32];
    recording_stem(path, SUFFIX, stem, sizeof stem);
    uint32_t patient = recording_admit(recording, "", stem, err);
    if (!patient || !table_begin(&table, lines, ',', err) || !table_require(&table, "Time [s]", &time, err) ||
        !table_require(&table, "HR", &heart, err) || !table_require(&table, "RESP", &respiration, err) ||
        !table_require(&table, "SpO2", &spo2, err))
        return false;
    while (table_next(&table, &more, err)) {
        if (!more)
            return true;
        if (!recording_row_whole(recording, &table))
            continue;
        if (!recording_number(table.fields[time], &milli)) {
            recording_refuse(recording, lines, "Time: \"%.20s\" is not a number of seconds", table.fields[time]);
            continue;
        }
        recording_row_init(&row);
        row.patient = patient;
        row.time_us = milli * US_PER_MS;
        recording_value(recording, &row, VITAL_HEART_RATE, table.fields[heart]);
        recording_value(recording, &row, VITAL_RESPIRATORY, table.fields[respiration]);
        recording_value(recording, &row, VITAL_SPO2, table.fields[spo2]);
        if (!recording_add(recording, &row, err))
            return false;
    }
    return false;
}

static void take_fixed(struct recording_patient *person, const char *line)
{
    if (str_starts(line, "Age: ")) {
        person->age = recording_age(line + 5);
    } else if (str_starts(line, "Gender: ")) {
        (void)str_copy(person->gender, sizeof person->gender, line[8] == 'M' ? "male" : line[8] == 'F' ? "female" : "");
    } else if (str_starts(line, "Location: ")) {
        (void)str_copy(person->unit, sizeof person->unit, line + 10);
        for (char *p = person->unit; *p; p++)
            *p = (char)toupper((unsigned char)*p);
    }
}

/* A recording without its Fix.txt is fine: nothing is known of the person then. */
static bool read_fix(struct recording *recording, const char *path, struct err *err)
{
    char beside[4096], stem[PATIENT_ID_SIZE + 32], *line = NULL;
    struct lines *lines;
    struct err missing = { 0 };
    size_t length = strlen(path), suffix = strlen(SUFFIX);
    if (length < suffix || strcmp(path + length - suffix, SUFFIX) != 0 || length >= sizeof beside)
        return true;
    (void)snprintf(beside, sizeof beside, "%.*s_Fix.txt", (int)(length - suffix), path);
    if (!lines_open(beside, &lines, &missing))
        return true;
    recording_stem(path, SUFFIX, stem, sizeof stem);
    uint32_t patient = recording_admit(recording, "", stem, err);
    bool ok = patient != 0;
    while (ok && (ok = lines_next(lines, &line, err)) && line)
        take_fixed(recording_person(recording, patient), line);
    lines_close(lines);
    return ok || err_context(err, "%s", beside);
}

const struct recording_format format_bidmc = { "bidmc", { SUFFIX, NULL }, false, read_numerics, read_fix };
