/* sqlite_audit.c - who did what, as a chain of hashes (audit_chain.h).
 *
 * Changing or removing a row breaks every hash behind it; removing the last rows is seen because
 * the newest seq and hash also stand in the table `setting` under "audit.head". */
#include "store/audit_chain.h"
#include "store/sqlite.h"

#include <string.h>

enum { HEAD_SIZE = 8 + 32 };

bool audit_load_head(struct db *db, struct audit_head *out, struct err *err)
{
    bool row;
    *out = (struct audit_head){ 0 };
    struct db_query *q = db_query(db, "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1");
    if (!db_step(q, &row, err))
        return false;
    if (!row)
        return true;
    size_t size;
    out->seq = db_int(q);
    const void *hash = db_blob(q, &size);
    if (size == sizeof out->hash)
        memcpy(out->hash, hash, size);
    db_reset(q);
    return true;
}

static bool save_head(struct db *db, const struct audit_head *head, struct err *err)
{
    unsigned char value[HEAD_SIZE];
    memcpy(value, &head->seq, 8);
    memcpy(value + 8, head->hash, 32);
    struct db_query *q = db_query(db, "INSERT INTO setting(key, value) VALUES('audit.head', ?)"
                                      " ON CONFLICT(key) DO UPDATE SET value = excluded.value");
    db_bind_blob(q, value, sizeof value);
    return db_run(q, err);
}

bool audit_append(struct db *db, struct audit_head *head, const struct audit_row *rows, size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        struct audit_row row = rows[i];
        row.seq = head->seq + 1;
        audit_chain(head->hash, &row, row.hash);
        struct db_query *q = db_query(db, "INSERT INTO audit(seq, time_us, actor, action, object, detail, hash)"
                                          " VALUES(?, ?, ?, ?, ?, ?, ?)");
        db_bind_int(q, row.seq);
        db_bind_int(q, row.time_us);
        db_bind_text(q, row.actor);
        db_bind_text(q, row.action);
        db_bind_text(q, row.object);
        db_bind_text(q, row.detail ? row.detail : "");
        db_bind_blob(q, row.hash, sizeof row.hash);
        if (!db_run(q, err))
            return false;
        head->seq = row.seq;
        memcpy(head->hash, row.hash, sizeof head->hash);
    }
    return !count || save_head(db, head, err);
}

static bool read_row(struct db_query *q, struct arena *arena, struct audit_row *row, struct err *err)
{
    size_t size;
    *row = (struct audit_row){ 0 };
    row->seq = db_int(q), row->time_us = db_int(q);
    db_text(q, row->actor, sizeof row->actor);
    db_text(q, row->action, sizeof row->action);
    db_text(q, row->object, sizeof row->object);
    if (!db_text_arena(q, arena, &row->detail))
        return err_set(err, ERR_TOO_LARGE, "the audit rows do not fit");
    const void *hash = db_blob(q, &size);
    if (size == sizeof row->hash)
        memcpy(row->hash, hash, size);
    return true;
}

static bool read_list(struct db *db, struct arena *arena, int64_t before, size_t limit, struct audit_row *out,
                      size_t *out_count, struct err *err)
{
    bool more;
    struct db_query *q = db_query(db, "SELECT seq, time_us, actor, action, object, detail, hash FROM audit"
                                      " WHERE seq < ? ORDER BY seq DESC LIMIT ?");
    db_bind_int(q, before > 0 ? before : INT64_MAX);
    db_bind_int(q, (int64_t)limit);
    while (db_step(q, &more, err)) {
        if (!more)
            return true;
        if (!read_row(q, arena, &out[(*out_count)++], err)) {
            db_reset(q);
            return false;
        }
    }
    return false;
}

bool audit_read(void *impl, struct arena *arena, int64_t before, size_t limit, struct audit_row **out,
                size_t *out_count, struct err *err)
{
    struct sqlite_engine *engine = impl;
    struct db *db;
    *out_count = 0;
    *out = arena_try_alloc(arena, limit * sizeof **out);
    if (!*out)
        return err_set(err, ERR_TOO_LARGE, "%zu audit rows do not fit", limit);
    if (!reader_take(engine, &db, err))
        return false;
    bool ok = read_list(db, arena, before, limit, *out, out_count, err);
    reader_give(engine, db);
    return ok;
}

static bool head_matches(struct db *db, const struct audit_head *walked, struct err *err)
{
    bool row;
    size_t size = 0;
    struct audit_head kept = { 0 };
    struct db_query *q = db_query(db, "SELECT value FROM setting WHERE key = 'audit.head'");
    if (!db_step(q, &row, err))
        return false;
    const unsigned char *value = row ? db_blob(q, &size) : NULL;
    if (size == HEAD_SIZE) {
        memcpy(&kept.seq, value, 8);
        memcpy(kept.hash, value + 8, 32);
    }
    if (row)
        db_reset(q);
    if (kept.seq != walked->seq || memcmp(kept.hash, walked->hash, 32) != 0)
        return err_set(err, ERR_CONFLICT, "audit row %lld: rows behind it are missing (the head is %lld)",
                       (long long)walked->seq, (long long)kept.seq);
    return true;
}

static bool walk(struct db *db, struct audit_head *head, struct err *err)
{
    bool more, ok = true;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct db_query *q = db_query(db,
                                  "SELECT seq, time_us, actor, action, object, detail, hash FROM audit ORDER BY seq");
    while (ok && (ok = db_step(q, &more, err)) && more) {
        struct audit_row row;
        uint8_t hash[32];
        arena_reset(&arena);
        ok = read_row(q, &arena, &row, err);
        if (ok && row.seq != head->seq + 1)
            ok = err_set(err, ERR_CONFLICT, "audit row %lld is missing", (long long)head->seq + 1);
        audit_chain(head->hash, &row, hash);
        if (ok && memcmp(hash, row.hash, 32) != 0)
            ok = err_set(err, ERR_CONFLICT, "audit row %lld was changed", (long long)row.seq);
        head->seq = row.seq;
        memcpy(head->hash, row.hash, 32);
        if (!ok)
            db_reset(q);
    }
    arena_free(&arena);
    return ok && head_matches(db, head, err);
}

bool audit_verify(void *impl, int64_t *out_count, struct err *err)
{
    struct sqlite_engine *engine = impl;
    struct audit_head head = { 0 };
    struct db *db;
    if (!reader_take(engine, &db, err))
        return false;
    /* One transaction: rows that come meanwhile are not seen half. */
    bool ok = db_exec(db, "BEGIN", err) && walk(db, &head, err);
    db_rollback(db);
    reader_give(engine, db);
    *out_count = head.seq;
    return ok;
}
