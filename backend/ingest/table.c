#include "ingest/table.h"

#include "base/str.h"

#include <string.h>

/* Cuts `line` in place; one more than the limit says "too many". */
static int split(char *line, char separator, const char **fields)
{
    int count = 0;
    for (char *p = line, *next; p; p = next) {
        next = strchr(p, separator);
        if (next)
            *next++ = '\0';
        if (count == TABLE_COLUMN_MAX)
            return count + 1;
        p += strspn(p, " \t");
        size_t length = strlen(p);
        while (length && (p[length - 1] == ' ' || p[length - 1] == '\t'))
            p[--length] = '\0';
        fields[count++] = p;
    }
    return count;
}

static bool next_line(struct table *table, char **out, struct err *err)
{
    do {
        if (!lines_next(table->lines, out, err))
            return false;
    } while (*out && (*out)[strspn(*out, " \t")] == '\0');
    return true;
}

bool table_begin(struct table *table, struct lines *lines, char separator, struct err *err)
{
    char *line;
    *table = (struct table){ .lines = lines, .separator = separator };
    if (!next_line(table, &line, err))
        return false;
    if (!line)
        return err_set(err, ERR_INPUT, "the file is empty");
    table->count = split(line, separator, table->fields);
    if (table->count > TABLE_COLUMN_MAX)
        return err_set(err, ERR_INPUT, "the header has more than %d columns", TABLE_COLUMN_MAX);
    for (int i = 0; i < table->count; i++)
        if (!str_copy(table->names[i], TABLE_NAME_SIZE, table->fields[i]))
            return err_set(err, ERR_INPUT, "column %d of the header has a name of more than %d bytes", i + 1,
                           TABLE_NAME_SIZE - 1);
    return true;
}

int table_find(const struct table *table, const char *name)
{
    for (int i = 0; i < table->count; i++)
        if (strcmp(table->names[i], name) == 0)
            return i;
    return -1;
}

bool table_require(const struct table *table, const char *name, int *out, struct err *err)
{
    *out = table_find(table, name);
    return *out >= 0 || err_set(err, ERR_INPUT, "no column %s in the header", name);
}

bool table_next(struct table *table, bool *out, struct err *err)
{
    char *line;
    if (!next_line(table, &line, err))
        return false;
    *out = line != NULL;
    table->field_count = line ? split(line, table->separator, table->fields) : 0;
    return true;
}
