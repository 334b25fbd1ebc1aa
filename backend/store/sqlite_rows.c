/* sqlite_rows.c - the plain tables: one statement to write a row, one to read it. */
#include "store/sqlite.h"

#include "base/mem.h"

#include <string.h>

/* ---- writing, in the writer's transaction ---- */

static bool write_patient(struct db *db, const struct patient_row *p, struct err *err)
{
    struct db_query *q = db_query(db, "INSERT INTO patient(number, id, name, bed, gender, diagnosis, physician, age,"
        " simulated, discharged, admitted_us) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT(number) DO UPDATE SET name = excluded.name, bed = excluded.bed, gender = excluded.gender,"
        " diagnosis = excluded.diagnosis, physician = excluded.physician, age = excluded.age,"
        " simulated = excluded.simulated, discharged = excluded.discharged, admitted_us = excluded.admitted_us");
    db_bind_int(q, p->number);
    db_bind_text(q, p->id);
    db_bind_text(q, p->name);
    db_bind_text(q, p->bed);
    db_bind_text(q, p->gender);
    db_bind_text(q, p->diagnosis);
    db_bind_text(q, p->physician);
    db_bind_int(q, p->age);
    db_bind_int(q, p->simulated);
    db_bind_int(q, p->discharged);
    db_bind_int(q, p->admitted_us);
    return db_run(q, err);
}

static bool write_source(struct db *db, const struct source_row *s, struct err *err)
{
    struct db_query *q = db_query(db, "INSERT INTO source(number, name) VALUES(?, ?) ON CONFLICT(number) DO NOTHING");
    db_bind_int(q, s->number);
    db_bind_text(q, s->name);
    return db_run(q, err);
}

static bool write_limits(struct db *db, const struct limits_row *l, struct err *err)
{
    struct db_query *q = db_query(db, "INSERT INTO limits(patient, data) VALUES(?, ?)"
                                      " ON CONFLICT(patient) DO UPDATE SET data = excluded.data");
    db_bind_int(q, l->patient);
    db_bind_blob(q, &l->limits, sizeof l->limits);
    return db_run(q, err);
}

static bool write_summary(struct db *db, const struct summary_row *s, struct err *err)
{
    struct db_query
        *q = db_query(db, "INSERT INTO summary(id, patient_id, time_us, window_start_us, window_end_us, document)"
                          " VALUES(?, ?, ?, ?, ?, ?) ON CONFLICT(id) DO UPDATE SET document = excluded.document");
    db_bind_text(q, s->id);
    db_bind_text(q, s->patient_id);
    db_bind_int(q, s->time_us);
    db_bind_int(q, s->window_start_us);
    db_bind_int(q, s->window_end_us);
    db_bind_text(q, s->document);
    return db_run(q, err);
}

static bool write_feedback(struct db *db, const struct feedback_row *f, struct err *err)
{
    struct db_query
        *q = db_query(db, "INSERT INTO feedback(id, summary_id, patient_id, time_us, document) VALUES(?, ?, ?, ?, ?)"
                          " ON CONFLICT(id) DO UPDATE SET document = excluded.document");
    db_bind_text(q, f->id);
    db_bind_text(q, f->summary_id);
    db_bind_text(q, f->patient_id);
    db_bind_int(q, f->time_us);
    db_bind_text(q, f->document);
    return db_run(q, err);
}

static void bind_user(struct db_query *q, const struct user_row *u)
{
    db_bind_text(q, u->username);
    db_bind_text(q, u->full_name);
    db_bind_text(q, u->email);
    db_bind_text(q, u->role);
    db_bind_text(q, u->password_hash);
    db_bind_int(q, u->active);
    db_bind_int(q, u->created_us);
    db_bind_int(q, u->last_login_us);
    db_bind_int(q, u->valid_after_us);
}

static bool write_user(struct db *db, const struct user_row *u, struct err *err)
{
    struct db_query *q = u->id
        ? db_query(db, "INSERT INTO user(username, full_name, email, role, password_hash, active, created_us,"
                       " last_login_us, valid_after_us, id) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                       " ON CONFLICT(id) DO UPDATE SET username = excluded.username, full_name = excluded.full_name,"
                       " email = excluded.email, role = excluded.role, password_hash = excluded.password_hash,"
                       " active = excluded.active, last_login_us = excluded.last_login_us,"
                       " valid_after_us = excluded.valid_after_us")
        : db_query(db, "INSERT INTO user(username, full_name, email, role, password_hash, active, created_us,"
                       " last_login_us, valid_after_us) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)");
    bind_user(q, u);
    if (u->id)
        db_bind_int(q, u->id);
    return db_run(q, err);
}

static bool write_setting(struct db *db, const struct setting_row *s, struct err *err)
{
    struct db_query *q;
    if (!s->value) {
        q = db_query(db, "DELETE FROM setting WHERE key = ?");
        db_bind_text(q, s->key);
        return db_run(q, err);
    }
    q = db_query(db,
                 "INSERT INTO setting(key, value) VALUES(?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value");
    db_bind_text(q, s->key);
    db_bind_blob(q, s->value, s->size);
    return db_run(q, err);
}

static bool write_snapshot(struct db *db, const struct snapshot_row *s, struct err *err)
{
    struct db_query
        *q = db_query(db, "INSERT INTO snapshot(patient, checksum, state) VALUES(?, ?, ?)"
                          " ON CONFLICT(patient) DO UPDATE SET checksum = excluded.checksum, state = excluded.state");
    db_bind_int(q, s->patient);
    db_bind_int(q, series_checksum(s->state, s->size, s->patient));
    db_bind_blob(q, s->state, s->size);
    return db_run(q, err);
}

#define WRITE_ALL(items, count, one)            \
    for (size_t i = 0; i < (count); i++)        \
        if (!one(db, &(items)[i], err))         \
            return false

bool rows_write(struct sqlite_engine *engine, const struct store_write *w, struct err *err)
{
    struct db *db = engine->writer;
    WRITE_ALL(w->patients, w->patient_count, write_patient);
    WRITE_ALL(w->sources, w->source_count, write_source);
    WRITE_ALL(w->limits, w->limits_count, write_limits);
    WRITE_ALL(w->summaries, w->summary_count, write_summary);
    WRITE_ALL(w->feedbacks, w->feedback_count, write_feedback);
    WRITE_ALL(w->users, w->user_count, write_user);
    WRITE_ALL(w->settings, w->setting_count, write_setting);
    WRITE_ALL(w->snapshots, w->snapshot_count, write_snapshot);
    return true;
}

/* ---- reading: a statement, a row's size, and how a row is read ---- */

struct reader {
    struct sqlite_engine *engine;
    struct arena *arena;
    size_t row_size;
    bool (*read)(struct reader *reader, struct db_query *q, void *row, bool *out_keep);
};

static bool read_all(struct reader *reader, struct db_query *q, void **out, size_t *out_count, struct err *err)
{
    bool more, keep;
    size_t room = 0;
    *out = NULL;
    *out_count = 0;
    while (db_step(q, &more, err)) {
        if (!more)
            return true;
        if (*out_count == room) {
            room = room ? room * 2 : 32;
            void *bigger = arena_try_alloc(reader->arena, room * reader->row_size);
            if (bigger && *out_count)
                memcpy(bigger, *out, *out_count * reader->row_size);
            *out = bigger;
        }
        if (!*out || !reader->read(reader, q, (char *)*out + *out_count * reader->row_size, &keep)) {
            db_reset(q);
            return err_set(err, ERR_TOO_LARGE, "the rows do not fit into the memory for an answer");
        }
        *out_count += keep;
    }
    return false;
}

static bool patient_read(struct reader *reader, struct db_query *q, void *row, bool *out_keep)
{
    struct patient_row *p = row;
    (void)reader;
    *out_keep = true;
    p->number = (uint32_t)db_int(q);
    db_text(q, p->id, sizeof p->id);
    db_text(q, p->name, sizeof p->name);
    db_text(q, p->bed, sizeof p->bed);
    db_text(q, p->gender, sizeof p->gender);
    db_text(q, p->diagnosis, sizeof p->diagnosis);
    db_text(q, p->physician, sizeof p->physician);
    p->age = (int16_t)db_int(q);
    p->simulated = db_int(q) != 0;
    p->discharged = db_int(q) != 0;
    p->admitted_us = db_int(q);
    return true;
}

static bool source_read(struct reader *reader, struct db_query *q, void *row, bool *out_keep)
{
    struct source_row *s = row;
    (void)reader;
    *out_keep = true;
    s->number = (uint16_t)db_int(q);
    db_text(q, s->name, sizeof s->name);
    return true;
}

static bool limits_read(struct reader *reader, struct db_query *q, void *row, bool *out_keep)
{
    struct limits_row *l = row;
    size_t size;
    struct err err = { 0 };
    l->patient = (uint32_t)db_int(q);
    const void *data = db_blob(q, &size);
    *out_keep = size == sizeof l->limits;
    if (*out_keep)
        memcpy(&l->limits, data, size);
    else
        note_damage(reader->engine, "limits", l->patient, (err_set(&err, ERR_IO, "size %zu", size), &err));
    return true;
}

static bool summary_read(struct reader *reader, struct db_query *q, void *row, bool *out_keep)
{
    struct summary_row *s = row;
    *out_keep = true;
    db_text(q, s->id, sizeof s->id);
    db_text(q, s->patient_id, sizeof s->patient_id);
    s->time_us = db_int(q);
    s->window_start_us = db_int(q);
    s->window_end_us = db_int(q);
    return db_text_arena(q, reader->arena, &s->document);
}

static bool feedback_read(struct reader *reader, struct db_query *q, void *row, bool *out_keep)
{
    struct feedback_row *f = row;
    *out_keep = true;
    db_text(q, f->id, sizeof f->id);
    db_text(q, f->summary_id, sizeof f->summary_id);
    db_text(q, f->patient_id, sizeof f->patient_id);
    f->time_us = db_int(q);
    return db_text_arena(q, reader->arena, &f->document);
}

static bool user_read(struct reader *reader, struct db_query *q, void *row, bool *out_keep)
{
    struct user_row *u = row;
    (void)reader;
    *out_keep = true;
    u->id = db_int(q);
    db_text(q, u->username, sizeof u->username);
    db_text(q, u->full_name, sizeof u->full_name);
    db_text(q, u->email, sizeof u->email);
    db_text(q, u->role, sizeof u->role);
    db_text(q, u->password_hash, sizeof u->password_hash);
    u->active = db_int(q) != 0;
    u->created_us = db_int(q);
    u->last_login_us = db_int(q);
    u->valid_after_us = db_int(q);
    return true;
}

static bool snapshot_read(struct reader *reader, struct db_query *q, void *row, bool *out_keep)
{
    struct snapshot_row *s = row;
    struct err err = { 0 };
    s->patient = (uint32_t)db_int(q);
    int64_t checksum = db_int(q);
    const void *data = db_blob(q, &s->size);
    void *copy = arena_try_alloc(reader->arena, s->size + 1);
    if (!copy)
        return false;
    memcpy(copy, data, s->size);
    s->state = copy;
    *out_keep = checksum == series_checksum(copy, s->size, s->patient);
    if (!*out_keep)
        note_damage(reader->engine, "snapshot", s->patient, (err_set(&err, ERR_IO, "wrong checksum"), &err));
    return true;
}

/* Takes a connection, prepares, reads, gives it back. */
#define READ(name, type, function, sql, bind)                                                                  \
    {                                                                                                          \
        struct db *db;                                                                                         \
        struct reader reader = { impl, arena, sizeof(type), function };                                        \
        void *rows = NULL;                                                                                     \
        if (!reader_take(impl, &db, err))                                                                      \
            return false;                                                                                      \
        struct db_query *q = db_query(db, sql);                                                                \
        bind;                                                                                                  \
        bool ok = read_all(&reader, q, &rows, out_count, err);                                                 \
        reader_give(impl, db);                                                                                 \
        *out = rows;                                                                                           \
        return ok;                                                                                             \
    }

bool rows_patients(void *impl, struct arena *arena, struct patient_row **out, size_t *out_count, struct err *err)
READ(patients, struct patient_row, patient_read,
     "SELECT number, id, name, bed, gender, diagnosis, physician, age, simulated, discharged, admitted_us"
     " FROM patient ORDER BY number", (void)0)

bool rows_sources(void *impl, struct arena *arena, struct source_row **out, size_t *out_count, struct err *err)
READ(sources, struct source_row, source_read, "SELECT number, name FROM source ORDER BY number", (void)0)

bool rows_limits(void *impl, struct arena *arena, struct limits_row **out, size_t *out_count, struct err *err)
READ(limits, struct limits_row, limits_read, "SELECT patient, data FROM limits ORDER BY patient", (void)0)

bool rows_users(void *impl, struct arena *arena, struct user_row **out, size_t *out_count, struct err *err)
READ(users, struct user_row, user_read,
     "SELECT id, username, full_name, email, role, password_hash, active, created_us, last_login_us, valid_after_us"
     " FROM user ORDER BY id", (void)0)

#define SUMMARY_COLUMNS "SELECT id, patient_id, time_us, window_start_us, window_end_us, document FROM summary "

#define SUMMARY_RANGE "time_us >= ? AND time_us < ? ORDER BY time_us DESC, id DESC LIMIT ?"

static void bind_range(struct db_query *q, const struct summary_query *query)
{
    db_bind_int(q, query->from_us);
    db_bind_int(q, query->to_us);
    db_bind_int(q, query->limit < INT64_MAX ? (int64_t)query->limit : INT64_MAX);
}

static bool all_summaries(void *impl, struct arena *arena, const struct summary_query *query, struct summary_row **out,
                          size_t *out_count, struct err *err)
READ(all, struct summary_row, summary_read, SUMMARY_COLUMNS "WHERE " SUMMARY_RANGE, bind_range(q, query))

static bool one_patient_summaries(void *impl, struct arena *arena, const struct summary_query *query,
                                  struct summary_row **out, size_t *out_count, struct err *err)
READ(one, struct summary_row, summary_read, SUMMARY_COLUMNS "WHERE patient_id = ? AND " SUMMARY_RANGE,
     (db_bind_text(q, query->patient_id), bind_range(q, query)))

bool rows_summaries(void *impl, struct arena *arena, const struct summary_query *query, struct summary_row **out,
                    size_t *out_count, struct err *err)
{
    return query->patient_id ? one_patient_summaries(impl, arena, query, out, out_count, err)
                             : all_summaries(impl, arena, query, out, out_count, err);
}

bool rows_summary(void *impl, struct arena *arena, const char *id, struct summary_row **out,
                  size_t *out_count, struct err *err)
READ(one, struct summary_row, summary_read, SUMMARY_COLUMNS "WHERE id = ?", db_bind_text(q, id))

bool rows_feedbacks(void *impl, struct arena *arena, int64_t from_us, int64_t to_us, size_t limit,
                    struct feedback_row **out,
                    size_t *out_count, struct err *err)
READ(feedbacks, struct feedback_row, feedback_read,
     "SELECT id, summary_id, patient_id, time_us, document FROM feedback WHERE time_us >= ? AND time_us < ?"
     " ORDER BY time_us, id LIMIT ?",
     (db_bind_int(q, from_us), db_bind_int(q, to_us), db_bind_int(q, (int64_t)limit)))

static bool snapshot_rows(void *impl, struct arena *arena, struct snapshot_row **out,
                          size_t *out_count, struct err *err)
READ(snapshots, struct snapshot_row, snapshot_read,
     "SELECT patient, checksum, state FROM snapshot ORDER BY patient", (void)0)

bool rows_snapshots(void *impl, struct arena *arena, struct snapshot_row **out, size_t *out_count, int64_t *out_seq,
                    struct err *err)
{
    struct sqlite_engine *engine = impl;
    *out_seq = engine->position.snapshot_seq;
    return snapshot_rows(impl, arena, out, out_count, err);
}

bool rows_setting(void *impl, struct arena *arena, const char *key, void **out, size_t *out_size, struct err *err)
{
    struct db *db;
    bool row;
    *out = NULL;
    *out_size = 0;
    if (!reader_take(impl, &db, err))
        return false;
    struct db_query *q = db_query(db, "SELECT value FROM setting WHERE key = ?");
    db_bind_text(q, key);
    bool ok = db_step(q, &row, err);
    if (ok && row) {
        const void *value = db_blob(q, out_size);
        *out = arena_try_alloc(arena, *out_size + 1);
        if (*out && *out_size)
            memcpy(*out, value, *out_size);
        ok = *out || err_set(err, ERR_TOO_LARGE, "setting %s does not fit", key);
        db_reset(q);
    }
    reader_give(impl, db);
    return ok;
}
