#include "store/memory_table.h"

#include "base/err.h"
#include "base/mem.h"

#include <string.h>

size_t memory_table_at(const struct memory_table *table, const void *row, bool *out_there)
{
    size_t low = 0, high = table->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (table->compare(memory_table_row(table, middle), row) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *out_there = low < table->count && table->compare(memory_table_row(table, low), row) == 0;
    return low;
}

void *memory_table_find(const struct memory_table *table, const void *row)
{
    bool there;
    size_t at = memory_table_at(table, row, &there);
    return there ? memory_table_row(table, at) : NULL;
}

static void drop(const struct memory_table *table, const void *row)
{
    void *owned;
    if (!table->owns)
        return;
    memcpy(&owned, row, sizeof owned);
    mem_free(owned);
}

static void insert(struct memory_table *table, size_t at, const void *row)
{
    CHECK(table->count < table->room);
    char *place = memory_table_row(table, at);
    memmove(place + table->row_size, place, (table->count - at) * table->row_size);
    memcpy(place, row, table->row_size);
    table->count++;
}

static void take_out(struct memory_table *table, size_t at)
{
    char *place = memory_table_row(table, at);
    table->count--;
    memmove(place, place + table->row_size, (table->count - at) * table->row_size);
}

static bool reserve(struct memory_table *table, struct memory_undo *undo)
{
    if (table->count == table->room) {
        size_t room = table->room ? table->room * 2 : 16;
        char *more = mem_try_resize(table->rows, room, table->row_size);
        if (!more)
            return false;
        table->rows = more;
        table->room = room;
    }
    if (undo->count == undo->room) {
        size_t room = undo->room ? undo->room * 2 : 64;
        struct memory_change *more = mem_try_resize(undo->changes, room, sizeof *more);
        if (!more)
            return false;
        undo->changes = more;
        undo->room = room;
    }
    return true;
}

static char *copy_row(const struct memory_table *table, const void *row)
{
    char *copy = row ? mem_try_new(1, table->row_size) : NULL;
    if (copy)
        memcpy(copy, row, table->row_size);
    return copy;
}

/* Logs the change of a key from `old` to `row`, either of them NULL. */
static bool note(struct memory_table *table, const void *old, const void *row, struct memory_undo *undo)
{
    struct memory_change change = { table, copy_row(table, row), copy_row(table, old) };
    if (!reserve(table, undo) || (row && !change.row) || (old && !change.old)) {
        mem_free(change.row);
        mem_free(change.old);
        return false;
    }
    undo->changes[undo->count++] = change;
    return true;
}

bool memory_table_put(struct memory_table *table, const void *row, struct memory_undo *undo)
{
    bool there;
    size_t at = memory_table_at(table, row, &there);
    if (!note(table, there ? memory_table_row(table, at) : NULL, row, undo)) {
        drop(table, row);
        return false;
    }
    if (there)
        memcpy(memory_table_row(table, at), row, table->row_size);
    else
        insert(table, at, row);
    return true;
}

bool memory_table_remove(struct memory_table *table, const void *row, struct memory_undo *undo)
{
    bool there;
    size_t at = memory_table_at(table, row, &there);
    if (!there)
        return true;
    if (!note(table, memory_table_row(table, at), NULL, undo))
        return false;
    take_out(table, at);
    return true;
}

void memory_table_free(struct memory_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        drop(table, memory_table_row(table, i));
    mem_free(table->rows);
}

void memory_undo_keep(struct memory_undo *undo)
{
    for (size_t i = 0; i < undo->count; i++) {
        struct memory_change *change = &undo->changes[i];
        if (change->old)
            drop(change->table, change->old);
        mem_free(change->old);
        mem_free(change->row);
    }
    undo->count = 0;
}

static void take_back(const struct memory_change *change)
{
    bool there;
    size_t at = memory_table_at(change->table, change->row ? change->row : change->old, &there);
    CHECK(there == (change->row != NULL));
    if (change->row)
        drop(change->table, change->row);
    if (change->row && change->old)
        memcpy(memory_table_row(change->table, at), change->old, change->table->row_size);
    else if (change->row)
        take_out(change->table, at);
    else
        insert(change->table, at, change->old);
}

void memory_undo_back(struct memory_undo *undo)
{
    while (undo->count) {
        struct memory_change *change = &undo->changes[--undo->count];
        take_back(change);
        mem_free(change->row);
        mem_free(change->old);
    }
}

void memory_undo_free(struct memory_undo *undo)
{
    mem_free(undo->changes);
}
