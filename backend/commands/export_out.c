#include "commands/export_out.h"

#include "base/clock.h"
#include "base/json.h"
#include "ingest/json_reading.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { LINE_MAX = 4 << 20, COLUMN_COUNT_MAX = 24 };

const char *const export_whats[] = { "readings", "alerts", "summaries", "audit", NULL };

static const char *const columns[EXPORT_WHAT_COUNT][COLUMN_COUNT_MAX] = {
    [EXPORT_READINGS] = { "patient_id", "timestamp", "heartRate", "spO2", "systolic", "diastolic", "temperature",
                          "respiratory", "source", "simulated", "implausible", NULL },
    [EXPORT_ALERTS] = { "id", "patient_id", "patient_name", "bed_number", "type", "severity", "priority", "kind",
                        "state", "message", "vital_type", "vital_value", "threshold", "onset", "raised", "peak_value",
                        "peak_at", "end", "acknowledged", "acknowledged_at", "acknowledged_by", "escalation", "version",
                        NULL },
    [EXPORT_SUMMARIES] = { "id", "patient_id", "patient_name", "timestamp", "window_start", "window_end", "text",
                           "ml_summary", "vitals_count", "alerts_count", "processing_time_ms", "model_name",
                           "model_version", NULL },
    [EXPORT_AUDIT] = { "seq", "timestamp", "actor", "action", "object", "detail", "hash", NULL },
};

/* ---- CSV ---- */

static bool is_formula(const char *text, size_t length)
{
    static const char *const openings[] = { "=", "+", "-", "@", "\t", "\r", "\n", "\xef\xbc\x9d", "\xef\xbc\x8b",
                                            "\xef\xbc\x8d", "\xef\xbc\xa0" };
    while (length && *text == ' ') { /* some spreadsheets take leading spaces off */
        text++;
        length--;
    }
    for (size_t i = 0; i < sizeof openings / sizeof *openings; i++)
        if (length >= strlen(openings[i]) && memcmp(text, openings[i], strlen(openings[i])) == 0)
            return true;
    return false;
}

void csv_text(struct buf *out, const char *text, size_t length)
{
    bool formula = is_formula(text, length), quote = formula;
    for (size_t i = 0; i < length && !quote; i++)
        quote = text[i] == ',' || text[i] == '"' || text[i] == '\r' || text[i] == '\n' || text[i] == ';' ||
                text[i] == '\t';
    if (!quote) {
        buf_add(out, text, length);
        return;
    }
    buf_add_text(out, formula ? "\"'" : "\"");
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '"')
            buf_add_char(out, '"');
        buf_add_char(out, text[i]);
    }
    buf_add_char(out, '"');
}

static void csv_value(struct buf *out, const struct json *object, const char *key)
{
    struct buf text;
    const struct json *value = json_member(object, key);
    if (!value || json_kind_of(value) == JSON_IS_NULL)
        return;
    const char *plain = json_text_of(value);
    if (plain) {
        csv_text(out, plain, strlen(plain));
        return;
    }
    buf_init(&text, LINE_MAX);
    json_print(value, &text);
    if (json_kind_of(value) == JSON_IS_OBJECT || json_kind_of(value) == JSON_IS_ARRAY)
        csv_text(out, text.data, text.length);
    else
        buf_add(out, text.data, text.length); /* a number or a truth value is what it is, -5 too */
    buf_free(&text);
}

static void csv_implausible(struct buf *out, const struct reading *reading)
{
    bool first = true;
    for (int vital = 0; vital < VITAL_COUNT; vital++) {
        if (!(reading->implausible >> vital & 1))
            continue;
        buf_printf(out, "%s%s", first ? "" : " ", vital_infos[vital].json_name);
        first = false;
    }
}

static void csv_reading(struct buf *out, const struct reading *reading, const char *patient_id, const char *source)
{
    char time[TIME_TEXT_SIZE];
    csv_text(out, patient_id, strlen(patient_id));
    buf_printf(out, ",%s", time_format(reading->time_us, time));
    for (int vital = 0; vital < VITAL_COUNT; vital++) {
        buf_add_char(out, ',');
        if (reading->value_milli[vital] != VITAL_ABSENT)
            buf_add_decimal(out, reading->value_milli[vital], 3);
    }
    buf_add_char(out, ',');
    csv_text(out, source, strlen(source));
    buf_add_text(out, reading->flags & READING_SIMULATED ? ",true," : ",false,");
    csv_implausible(out, reading);
    buf_add_text(out, "\r\n");
}

/* ---- rows ---- */

static bool put_line(struct export_out *out, struct err *err)
{
    if (out->line.overflow)
        return err_set(err, ERR_TOO_LARGE, "row %lld has more than %d bytes", (long long)out->rows + 1, LINE_MAX);
    out->rows++;
    return fwrite(out->line.data, 1, out->line.length, out->file) == out->line.length ||
           err_set_errno(err, ERR_IO, errno, "%s", out->path);
}

bool export_reading(struct export_out *out, const struct reading *reading, const char *patient_id, const char *source,
                    struct err *err)
{
    buf_reset(&out->line);
    if (out->csv)
        csv_reading(&out->line, reading, patient_id, source);
    else
        json_reading_write(&out->line, reading, patient_id, source);
    return put_line(out, err);
}

bool export_object(struct export_out *out, const char *json, size_t length, struct err *err)
{
    struct json *root;
    buf_reset(&out->line);
    if (!out->csv) {
        buf_add(&out->line, json, length);
        buf_add_char(&out->line, '\n');
        return put_line(out, err);
    }
    if (!json_parse_object(json, length, LINE_MAX, &root, err))
        return err_context(err, "row %lld", (long long)out->rows + 1);
    for (const char *const *column = columns[out->what]; *column; column++) {
        if (column != columns[out->what])
            buf_add_char(&out->line, ',');
        csv_value(&out->line, root, *column);
    }
    buf_add_text(&out->line, "\r\n");
    json_free(root);
    return put_line(out, err);
}

/* ---- the file ---- */

static bool put_header(struct export_out *out, struct err *err)
{
    for (const char *const *column = columns[out->what]; *column; column++)
        if (fprintf(out->file, "%s%s", column == columns[out->what] ? "" : ",", *column) < 0)
            return err_set_errno(err, ERR_IO, errno, "%s", out->path);
    return fputs("\r\n", out->file) >= 0 || err_set_errno(err, ERR_IO, errno, "%s", out->path);
}

bool export_open(struct export_out *out, enum export_what what, bool csv, const char *path, struct err *err)
{
    *out = (struct export_out){ .what = what, .csv = csv, .path = path };
    buf_init(&out->line, LINE_MAX);
    if (strcmp(path, "-") == 0) {
        out->file = stdout;
        out->path = "standard output";
    } else {
        if (snprintf(out->part, sizeof out->part, "%s.part", path) >= (int)sizeof out->part)
            return err_set(err, ERR_INPUT, "--out: the name is too long");
        out->file = fopen(out->part, "we");
        if (!out->file)
            return err_set_errno(err, ERR_IO, errno, "%s", out->part);
    }
    return !csv || put_header(out, err);
}

bool export_close(struct export_out *out, bool ok, struct err *err)
{
    buf_free(&out->line);
    if (!out->file)
        return ok;
    bool flushed = fflush(out->file) == 0 && (!out->part[0] || fsync(fileno(out->file)) == 0);
    if (ok && !flushed)
        ok = err_set_errno(err, ERR_IO, errno, "%s", out->path);
    if (!out->part[0])
        return ok;
    (void)fclose(out->file);
    if (ok && rename(out->part, out->path) != 0)
        ok = err_set_errno(err, ERR_IO, errno, "%s", out->path);
    if (!ok)
        (void)unlink(out->part);
    return ok;
}
