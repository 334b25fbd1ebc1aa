/* table.h - rows of a separated text file whose first line names the columns.
 *
 * Format:  one separator, no quotes: none of the recordings has any.  White space around a field is
 *          not part of it.  Empty lines are skipped.
 * Bounds:  TABLE_COLUMN_MAX columns.
 * Owner:   fields live until the next table_next(). */
#ifndef INGEST_TABLE_H
#define INGEST_TABLE_H

#include "ingest/lines.h"

enum { TABLE_COLUMN_MAX = 64, TABLE_NAME_SIZE = 40 };

struct table {
    struct lines *lines;      /* the caller's */
    char separator;
    int count;                                        /* columns of the header */
    char names[TABLE_COLUMN_MAX][TABLE_NAME_SIZE];
    const char *fields[TABLE_COLUMN_MAX];
    int field_count;                                  /* of the row; a good row has `count` */
};

bool table_begin(struct table *table, struct lines *lines, char separator, struct err *err) MUST_CHECK;
int table_find(const struct table *table, const char *name);    /* -1: no such column */
/* Names what is missing: "no column HR in the header". */
bool table_require(const struct table *table, const char *name, int *out, struct err *err) MUST_CHECK;
/* *out false: the end. */
bool table_next(struct table *table, bool *out, struct err *err) MUST_CHECK;

#endif
