/* sqlite_journal.c - the vitals stream on disk, in order of arrival. */
#include "store/sqlite.h"

#include "base/log.h"

#include <string.h>

static int64_t checksum_key(int64_t seq, int64_t kind, uint32_t patient)
{
    return seq ^ kind << 60 ^ (int64_t)patient << 32;
}

static bool insert_row(struct db *db, int64_t seq, enum journal_kind kind, uint32_t patient,
                       const void *data, size_t size, struct err *err)
{
    struct db_query *q = db_query(db, "INSERT INTO journal(seq, kind, patient, checksum, data) VALUES(?, ?, ?, ?, ?)");
    db_bind_int(q, seq);
    db_bind_int(q, kind);
    db_bind_int(q, patient);
    db_bind_int(q, series_checksum(data, size, checksum_key(seq, kind, patient)));
    db_bind_blob(q, data, size);
    return db_run(q, err);
}

/* Readings of small batches that follow each other share a row. */
struct packer {
    struct db *db;
    int64_t seq;
    size_t count;
    struct reading readings[JOURNAL_ROW_READINGS];
};

static bool flush(struct packer *packer, struct err *err)
{
    size_t count = packer->count;
    packer->count = 0;
    return !count || insert_row(packer->db, packer->seq, JOURNAL_READINGS, 0, packer->readings,
                                count * sizeof *packer->readings, err);
}

static bool pack(struct packer *packer, const struct journal_batch *batch, struct err *err)
{
    if (packer->count && packer->seq + (int64_t)packer->count != batch->seq && !flush(packer, err))
        return false;
    for (uint32_t done = 0; done < batch->count;) {
        if (!packer->count)
            packer->seq = batch->seq + done;
        size_t room = JOURNAL_ROW_READINGS - packer->count, left = batch->count - done;
        size_t n = left < room ? left : room;
        memcpy(packer->readings + packer->count, batch->readings + done, n * sizeof *packer->readings);
        packer->count += n;
        done += (uint32_t)n;
        if (packer->count == JOURNAL_ROW_READINGS && !flush(packer, err))
            return false;
    }
    return true;
}

bool journal_write(struct db *db, const struct store_write *first, struct err *err)
{
    struct packer packer = { .db = db };
    for (const struct store_write *w = first; w; w = w->next)
        for (size_t i = 0; i < w->journal_count; i++) {
            const struct journal_batch *b = &w->journal[i];
            bool ok = b->kind == JOURNAL_READINGS
                          ? pack(&packer, b, err)
                          : flush(&packer, err) && insert_row(db, b->seq, JOURNAL_COMMAND, b->command_patient,
                                                              b->command, sizeof *b->command, err);
            if (!ok)
                return false;
        }
    return flush(&packer, err);
}

bool journal_reserve_tail(struct sqlite_engine *engine, const struct store_write *first, struct err *err)
{
    bool ok = true;
    tail_lock_write(engine->tail);
    for (const struct store_write *w = first; ok && w; w = w->next)
        for (size_t i = 0; ok && i < w->journal_count; i++) {
            const struct journal_batch *b = &w->journal[i];
            ok = b->kind != JOURNAL_READINGS || tail_reserve(engine->tail, b->seq, b->readings, b->count);
        }
    tail_unlock(engine->tail);
    return ok || err_set(err, ERR_UNAVAILABLE, "no memory for the newest readings");
}

void journal_to_tail(struct sqlite_engine *engine, const struct store_write *first)
{
    tail_lock_write(engine->tail);
    for (const struct store_write *w = first; w; w = w->next)
        for (size_t i = 0; i < w->journal_count; i++) {
            const struct journal_batch *b = &w->journal[i];
            if (b->kind == JOURNAL_READINGS)
                tail_append(engine->tail, b->seq, b->readings, b->count);
            if (engine->next_seq < b->seq + b->count)
                engine->next_seq = b->seq + b->count;
        }
    tail_unlock(engine->tail);
}

/* ---- reading ---- */

struct row {
    int64_t seq, kind;
    uint32_t patient;
    const void *data;
    size_t size;
};

static bool parse_row(struct sqlite_engine *engine, struct db_query *q, struct row *row)
{
    row->seq = db_int(q), row->kind = db_int(q), row->patient = (uint32_t)db_int(q);
    int64_t checksum = db_int(q);
    row->data = db_blob(q, &row->size);
    size_t unit = row->kind == JOURNAL_READINGS ? sizeof(struct reading) : sizeof(struct alarm_command);
    struct err err = { 0 };
    if (checksum == series_checksum(row->data, row->size, checksum_key(row->seq, row->kind, row->patient)) &&
        row->size && row->size % unit == 0)
        return true;
    err_set(&err, ERR_IO, "a stored row is damaged: wrong checksum");
    note_damage(engine, "journal", row->seq, &err);
    return false;
}

/* The row that holds `from_seq` may begin before it. */
static const char ROWS[] =
    "SELECT seq, kind, patient, checksum, data FROM journal"
    " WHERE seq >= ifnull((SELECT max(seq) FROM journal WHERE seq <= ?), 0) ORDER BY seq";

static bool visit_row(const struct row *row, int64_t from_seq, journal_visitor *visit, void *context, struct err *err)
{
    struct reading readings[JOURNAL_ROW_READINGS];
    struct alarm_command command;
    struct journal_batch batch = { .seq = row->seq, .kind = (enum journal_kind)row->kind, .count = 1,
                                   .command_patient = row->patient };
    if (batch.kind == JOURNAL_COMMAND) {
        if (row->seq < from_seq)
            return true;
        memcpy(&command, row->data, sizeof command);
        batch.command = &command;
        return visit(context, &batch, err);
    }
    size_t count = row->size / sizeof *readings;
    size_t skip = from_seq > row->seq ? (size_t)(from_seq - row->seq) : 0;
    if (skip >= count || count > JOURNAL_ROW_READINGS)
        return true;
    memcpy(readings, row->data, row->size);
    batch.seq += (int64_t)skip;
    batch.count = (uint32_t)(count - skip);
    batch.readings = readings + skip;
    return visit(context, &batch, err);
}

static bool read_rows(struct sqlite_engine *engine, struct db *db, int64_t from_seq,
                      journal_visitor *visit, void *context, struct err *err)
{
    bool more;
    struct row row;
    struct db_query *q = db_query(db, ROWS);
    db_bind_int(q, from_seq);
    while (db_step(q, &more, err)) {
        if (!more)
            return true;
        if (parse_row(engine, q, &row) && !visit_row(&row, from_seq, visit, context, err)) {
            db_reset(q);
            return false;
        }
    }
    return false;
}

bool journal_read(void *impl, int64_t from_seq, journal_visitor *visit, void *context, struct err *err)
{
    struct sqlite_engine *engine = impl;
    struct db *db;
    if (!reader_take(engine, &db, err))
        return false;
    bool ok = read_rows(engine, db, from_seq, visit, context, err);
    reader_give(engine, db);
    return ok;
}

static bool add_to_tail(void *context, const struct journal_batch *batch, struct err *err)
{
    struct sqlite_engine *engine = context;
    if (batch->kind != JOURNAL_READINGS)
        return true;
    if (!tail_reserve(engine->tail, batch->seq, batch->readings, batch->count))
        return err_set(err, ERR_UNAVAILABLE, "no memory for the newest readings");
    tail_append(engine->tail, batch->seq, batch->readings, batch->count);
    return true;
}

bool journal_load_tail(struct sqlite_engine *engine, struct db *db, struct err *err)
{
    return read_rows(engine, db, engine->position.fold_from, add_to_tail, engine, err);
}

bool journal_end(struct db *db, int64_t *out_seq, struct err *err)
{
    bool row;
    *out_seq = 0;
    struct db_query *q = db_query(db, "SELECT seq, kind, length(data) FROM journal ORDER BY seq DESC LIMIT 1");
    if (!db_step(q, &row, err))
        return false;
    if (row) {
        int64_t seq = db_int(q), kind = db_int(q), size = db_int(q);
        *out_seq = seq + (kind == JOURNAL_READINGS ? size / (int64_t)sizeof(struct reading) : 1);
        db_reset(q);
    }
    return true;
}

/* ---- dropping what is folded and in the alert-engine's snapshot ---- */

static bool one_int(struct db_query *q, int64_t missing, int64_t *out, struct err *err)
{
    bool row;
    if (!db_step(q, &row, err))
        return false;
    *out = row ? db_int(q) : missing;
    if (row)
        db_reset(q);
    return true;
}

bool journal_trim(struct sqlite_engine *engine, bool *out_more, struct err *err)
{
    const struct position *p = &engine->position;
    int64_t bound = p->fold_from < p->snapshot_seq ? p->fold_from : p->snapshot_seq;
    int64_t cap = engine->next_seq - JOURNAL_RECORDS_MAX;
    if (cap > bound)
        bound = cap < p->fold_from ? cap : p->fold_from;
    *out_more = false;
    if (bound <= engine->trimmed_seq)
        return true;
    /* The row that holds `bound` stays, so the last row always stays: it keeps the sequence. */
    int64_t keep, slice;
    struct db_query *q = db_query(engine->writer, "SELECT ifnull(max(seq), 0) FROM journal WHERE seq <= ?");
    db_bind_int(q, bound);
    if (!one_int(q, 0, &keep, err))
        return false;
    q = db_query(engine->writer, "SELECT seq FROM journal ORDER BY seq LIMIT 1 OFFSET ?");
    db_bind_int(q, TRIM_SLICE_ROWS);
    if (!one_int(q, keep, &slice, err))
        return false;
    *out_more = slice < keep;
    q = db_query(engine->writer, "DELETE FROM journal WHERE seq < ?");
    db_bind_int(q, *out_more ? slice : keep);
    if (!db_run(q, err))
        return false;
    if (!*out_more)
        engine->trimmed_seq = bound;
    return true;
}
