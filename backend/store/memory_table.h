/* memory_table.h - sorted rows in memory, and a log that takes changes back.
 *
 * Owner:    the memory engine.  A row may own one allocation (`owned_at`), which dies with the row.
 * Undo:     every change between undo_begin() and undo_keep() can be taken back by undo_back(), so
 *           that units of a commit are stored all or none.
 * Threads:  the caller's lock.
 * Bounds:   a change fails (false) only when memory is out; then nothing of it is done. */
#ifndef STORE_MEMORY_TABLE_H
#define STORE_MEMORY_TABLE_H

#include <stdbool.h>
#include <stddef.h>

struct memory_table {
    size_t row_size;
    int (*compare)(const void *a, const void *b); /* of two rows, by key; no two rows are equal */
    bool owns;                          /* the row begins with a pointer from mem_try_new(), its own */
    char *rows;
    size_t count, room;
};

struct memory_change {
    struct memory_table *table;
    char *row;                          /* as it is now; NULL: removed */
    char *old;                          /* as it was; NULL: new */
};
struct memory_undo {
    struct memory_change *changes;
    size_t count, room;
};

/* Where the key of `row` is, or would be. */
size_t memory_table_at(const struct memory_table *table, const void *row, bool *out_there);
void *memory_table_find(const struct memory_table *table, const void *row);
static inline void *memory_table_row(const struct memory_table *table, size_t at)
{
    return table->rows + at * table->row_size;
}
/* Inserts or replaces by key; the row's allocation becomes the table's, also on failure. */
bool memory_table_put(struct memory_table *table, const void *row, struct memory_undo *undo);
bool memory_table_remove(struct memory_table *table, const void *row, struct memory_undo *undo);
void memory_table_free(struct memory_table *table);

void memory_undo_keep(struct memory_undo *undo);
void memory_undo_back(struct memory_undo *undo);
void memory_undo_free(struct memory_undo *undo);

#endif
