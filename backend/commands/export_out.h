/* export_out.h - rows of an export as NDJSON or CSV, into a file that appears when it is whole.
 *
 * NDJSON: a JSON object a line; readings in the format of POST /api/ingest/vitals, so that they can be
 *         sent again.
 * CSV:    RFC 4180 (CRLF, UTF-8), one header line, times as RFC 3339; absent is empty.  A text that a
 *         spreadsheet would take for a formula (= + - @, tab, CR, LF, and their full-width forms in front)
 *         gets an apostrophe in front and quotes around: names come from outside (OWASP, CSV injection).
 * File:   written beside its name as NAME.part, and renamed at the end; "-" is standard output. */
#ifndef COMMANDS_EXPORT_OUT_H
#define COMMANDS_EXPORT_OUT_H

#include "base/err.h"
#include "base/str.h"
#include "clinical/reading.h"

#include <stdio.h>

enum export_what { EXPORT_READINGS, EXPORT_ALERTS, EXPORT_SUMMARIES, EXPORT_AUDIT, EXPORT_WHAT_COUNT };
extern const char *const export_whats[EXPORT_WHAT_COUNT + 1];   /* names, NULL at the end */

struct export_out {
    enum export_what what;
    bool csv;
    const char *path;
    char part[4096];
    FILE *file;
    struct buf line;
    int64_t rows;
};

bool export_open(struct export_out *out, enum export_what what, bool csv, const char *path, struct err *err) MUST_CHECK;
bool export_reading(struct export_out *out, const struct reading *reading, const char *patient_id, const char *source,
                    struct err *err) MUST_CHECK;
/* One JSON object as the API shows it: an alert, a summary, a row of the audit log. */
bool export_object(struct export_out *out, const char *json, size_t length, struct err *err) MUST_CHECK;
/* `ok` false: what was written goes away again. */
bool export_close(struct export_out *out, bool ok, struct err *err) MUST_CHECK;

/* One cell of text, safe in a spreadsheet. */
void csv_text(struct buf *out, const char *text, size_t length);

#endif
