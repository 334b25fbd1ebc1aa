#include "store/sqlite.h"

_Static_assert(ALERT_CLOSED == 3, "the index alert_open names it");

static const char UPSERT[] =
    "INSERT INTO alert(patient, type, onset_us, raised_us, peak_us, end_us, ack_us, updated_us, ack_by, version,"
    "  value_milli, other_milli, threshold_milli, peak_milli, severity, state, priority, lost, escalation)"
    " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT(patient, onset_us, type) DO UPDATE SET raised_us = excluded.raised_us, peak_us = excluded.peak_us,"
    "  end_us = excluded.end_us, ack_us = excluded.ack_us, updated_us = excluded.updated_us, ack_by = excluded.ack_by,"
    "  version = excluded.version, value_milli = excluded.value_milli, other_milli = excluded.other_milli,"
    "  threshold_milli = excluded.threshold_milli, peak_milli = excluded.peak_milli, severity = excluded.severity,"
    "  state = excluded.state, priority = excluded.priority, lost = excluded.lost, escalation = excluded.escalation"
    " WHERE excluded.version >= alert.version";

static bool write_one(struct db *db, const struct alert *a, struct err *err)
{
    const int64_t values[] = {
        a->patient, a->type, a->onset_us, a->raised_us, a->peak_us, a->end_us, a->ack_us, a->updated_us, a->ack_by,
        a->version, a->value_milli, a->other_milli, a->threshold_milli, a->peak_milli, a->severity, a->state,
        a->priority, a->lost, a->escalation,
    };
    struct db_query *q = db_query(db, UPSERT);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        db_bind_int(q, values[i]);
    return db_run(q, err);
}

bool alerts_write(struct db *db, const struct alert *alerts, size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++)
        if (!write_one(db, &alerts[i], err))
            return false;
    return true;
}

static void read_one(struct db_query *q, struct alert *a)
{
    *a = (struct alert){ 0 };
    a->patient = (uint32_t)db_int(q), a->type = (uint8_t)db_int(q), a->onset_us = db_int(q);
    a->raised_us = db_int(q), a->peak_us = db_int(q), a->end_us = db_int(q), a->ack_us = db_int(q);
    a->updated_us = db_int(q), a->ack_by = (uint32_t)db_int(q), a->version = (uint32_t)db_int(q);
    a->value_milli = (int32_t)db_int(q), a->other_milli = (int32_t)db_int(q);
    a->threshold_milli = (int32_t)db_int(q), a->peak_milli = (int32_t)db_int(q);
    a->severity = (uint8_t)db_int(q), a->state = (uint8_t)db_int(q), a->priority = (uint8_t)db_int(q);
    a->lost = (uint8_t)db_int(q), a->escalation = (uint8_t)db_int(q);
}

#define COLUMNS "SELECT patient, type, onset_us, raised_us, peak_us, end_us, ack_us, updated_us, ack_by, version," \
                " value_milli, other_milli, threshold_milli, peak_milli, severity, state, priority, lost, escalation" \
                " FROM alert "
/* SQLite would walk all alerts by onset: nearly all of them are closed. */
#define OPEN     "INDEXED BY alert_open WHERE state <> 3 AND "
#define IN_RANGE "onset_us >= ? AND onset_us < ? "
#define NEWEST   "ORDER BY onset_us DESC, patient, type LIMIT ?"

static const char ALL[] = COLUMNS "WHERE " IN_RANGE NEWEST;
static const char ALL_OPEN[] = COLUMNS OPEN IN_RANGE NEWEST;
static const char ONE[] = COLUMNS "WHERE patient = ? AND " IN_RANGE NEWEST;
static const char ONE_OPEN[] = COLUMNS OPEN "patient = ? AND " IN_RANGE NEWEST;

static bool fill(struct db *db, struct arena *arena, const struct alert_query *query, struct alert **out,
                 size_t *out_count, struct err *err)
{
    bool row;
    size_t room = 0;
    *out = NULL;
    *out_count = 0;
    struct db_query *q = db_query(db, query->patient     ? (query->open_only ? ONE_OPEN : ONE)
                                      : query->open_only ? ALL_OPEN
                                                         : ALL);
    if (query->patient)
        db_bind_int(q, query->patient);
    db_bind_int(q, query->from_us);
    db_bind_int(q, query->to_us ? query->to_us : INT64_MAX);
    db_bind_int(q, (int64_t)query->limit);
    while (db_step(q, &row, err)) {
        if (!row)
            return true;
        if (*out_count == room) {
            room = room ? room * 2 : 32;
            struct alert *more = arena_try_alloc(arena, room * sizeof *more);
            if (!more) {
                db_reset(q);
                return err_set(err, ERR_TOO_LARGE, "%zu alerts do not fit", room);
            }
            for (size_t i = 0; i < *out_count; i++)
                more[i] = (*out)[i];
            *out = more;
        }
        read_one(q, &(*out)[(*out_count)++]);
    }
    return false;
}

bool alerts_read(void *impl, struct arena *arena, const struct alert_query *query, struct alert **out,
                 size_t *out_count, struct err *err)
{
    struct sqlite_engine *engine = impl;
    struct db *db;
    if (!reader_take(engine, &db, err))
        return false;
    bool ok = fill(db, arena, query, out, out_count, err);
    reader_give(engine, db);
    return ok;
}
