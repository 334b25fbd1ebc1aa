/* export_source.h - where an export comes from: a data directory, or a running server.
 *
 * Order:  patients by id; a patient's readings by time, then source; alerts by onset, then id;
 *         summaries and the audit log newest first.
 * Bounds: one page, or one patient's alerts or summaries, in memory at a time. */
#ifndef COMMANDS_EXPORT_SOURCE_H
#define COMMANDS_EXPORT_SOURCE_H

#include "commands/data_dir.h"
#include "commands/export_out.h"

#include <stdint.h>

struct export_query {
    enum export_what what;
    const char *const *patients;      /* ids; patient_count 0: all */
    size_t patient_count;
    int64_t from_us, to_us;           /* [from, to) */
    void (*tick)(void *context);      /* after each page; shows progress */
    void *tick_context;
};

bool export_from_directory(const struct export_query *query, const struct data_dir_place *place,
                           struct export_out *out, struct err *err) MUST_CHECK;
bool export_from_server(const struct export_query *query, const char *url, const char *token_file,
                        struct export_out *out, struct err *err) MUST_CHECK;

#endif
