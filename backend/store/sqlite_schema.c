/* sqlite_schema.c - the tables, and how an older database becomes the newest.
 *
 * PRAGMA user_version is the schema's version.  A change is a new row at the end of the table of
 * migrations, never an edit of an old one.  Before the first step the database is copied to
 * wardscribe.db.vN.bak beside it; each step is one transaction together with its user_version, so
 * that a kill in between continues with the next step.  A newer version than ours is refused. */
#include "store/sqlite.h"

#include "base/log.h"

#include <stdio.h>
#include <unistd.h>

static const char VERSION_1[] =
    "CREATE TABLE position(id INTEGER PRIMARY KEY CHECK(id = 1), fold_from INTEGER NOT NULL,"
    "  fold_to INTEGER NOT NULL, fold_patient INTEGER NOT NULL, roll_hour INTEGER NOT NULL,"
    "  roll_patient INTEGER NOT NULL, snapshot_seq INTEGER NOT NULL);"
    "INSERT INTO position VALUES(1, 0, 0, 0, 0, 0, 0);"
    "CREATE TABLE journal(seq INTEGER PRIMARY KEY, kind INTEGER NOT NULL, patient INTEGER NOT NULL,"
    "  checksum INTEGER NOT NULL, data BLOB NOT NULL);"
    "CREATE TABLE raw(key INTEGER PRIMARY KEY, data BLOB NOT NULL);"
    "CREATE TABLE hour(key INTEGER PRIMARY KEY, data BLOB NOT NULL);"
    "CREATE TABLE day(key INTEGER PRIMARY KEY, data BLOB NOT NULL);"
    "CREATE TABLE patient(number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL,"
    "  bed TEXT NOT NULL, gender TEXT NOT NULL, diagnosis TEXT NOT NULL, physician TEXT NOT NULL,"
    "  age INTEGER NOT NULL, simulated INTEGER NOT NULL, discharged INTEGER NOT NULL,"
    "  admitted_us INTEGER NOT NULL);"
    "CREATE TABLE source(number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
    "CREATE TABLE limits(patient INTEGER PRIMARY KEY, data BLOB NOT NULL);"
    "CREATE TABLE summary(id TEXT PRIMARY KEY, patient_id TEXT NOT NULL, time_us INTEGER NOT NULL,"
    "  window_start_us INTEGER NOT NULL, window_end_us INTEGER NOT NULL, document TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX summary_time ON summary(time_us);"
    "CREATE INDEX summary_patient ON summary(patient_id, time_us);"
    "CREATE TABLE user(id INTEGER PRIMARY KEY AUTOINCREMENT, username TEXT NOT NULL UNIQUE COLLATE NOCASE,"
    "  full_name TEXT NOT NULL, email TEXT NOT NULL, role TEXT NOT NULL, password_hash TEXT NOT NULL,"
    "  active INTEGER NOT NULL, created_us INTEGER NOT NULL, last_login_us INTEGER NOT NULL,"
    "  valid_after_us INTEGER NOT NULL);"
    "CREATE TABLE audit(seq INTEGER PRIMARY KEY, time_us INTEGER NOT NULL, actor TEXT NOT NULL,"
    "  action TEXT NOT NULL, object TEXT NOT NULL, detail TEXT NOT NULL, hash BLOB NOT NULL);"
    "CREATE TABLE setting(key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE snapshot(patient INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, state BLOB NOT NULL);"
    "CREATE TABLE alert(patient INTEGER NOT NULL, type INTEGER NOT NULL, onset_us INTEGER NOT NULL,"
    "  raised_us INTEGER NOT NULL, peak_us INTEGER NOT NULL, end_us INTEGER NOT NULL, ack_us INTEGER NOT NULL,"
    "  updated_us INTEGER NOT NULL, ack_by INTEGER NOT NULL, version INTEGER NOT NULL, value_milli INTEGER NOT NULL,"
    "  other_milli INTEGER NOT NULL, threshold_milli INTEGER NOT NULL, peak_milli INTEGER NOT NULL,"
    "  severity INTEGER NOT NULL, state INTEGER NOT NULL, priority INTEGER NOT NULL, lost INTEGER NOT NULL,"
    "  escalation INTEGER NOT NULL, PRIMARY KEY(patient, onset_us, type)) WITHOUT ROWID;"
    "CREATE INDEX alert_onset ON alert(onset_us);"
    "CREATE INDEX alert_open ON alert(patient) WHERE state <> 3;";

static const struct migration migrations[] = {
    { 1, VERSION_1 },
    { 2, "CREATE TABLE feedback(id TEXT PRIMARY KEY, summary_id TEXT NOT NULL, patient_id TEXT NOT NULL,"
         "  time_us INTEGER NOT NULL, document TEXT NOT NULL) WITHOUT ROWID;"
         "CREATE INDEX feedback_time ON feedback(time_us);" },
};

static bool version_of(struct db *db, int *out, struct err *err)
{
    bool row;
    struct db_query *q = db_query(db, "PRAGMA user_version");
    if (!db_step(q, &row, err))
        return false;
    *out = row ? (int)db_int(q) : 0;
    db_reset(q);
    return true;
}

static bool keep_copy(struct db *db, const char *path, const char *vfs, int version, struct err *err)
{
    char copy[4200];
    snprintf(copy, sizeof copy, "%s.v%d.bak", path, version);
    if (!vfs)
        unlink(copy); /* left by a migration that was killed: the database is still at `version` */
    if (!db_backup(db, copy, vfs, err))
        return err_context(err, "copy before the upgrade");
    log_info("database copied before its upgrade", LOG_INT("version", version));
    return true;
}

static bool apply(struct db *db, const struct migration *step, struct err *err)
{
    char pragma[64];
    snprintf(pragma, sizeof pragma, "PRAGMA user_version=%d", step->version);
    if (!db_begin(db, err))
        return false;
    if (!db_exec(db, step->sql, err) || !db_exec(db, pragma, err)) {
        db_rollback(db);
        return err_context(err, "upgrade to schema %d", step->version);
    }
    return db_commit(db, err);
}

bool schema_migrate(struct db *db, const char *path, const char *vfs, const struct migration *table,
                    size_t count, struct err *err)
{
    int version, newest = table[count - 1].version;
    if (!version_of(db, &version, err))
        return false;
    if (version > newest)
        return err_set(err, ERR_CONFIG, "%s has schema %d; this program knows up to %d: use the newer program",
                       path, version, newest);
    if (version > 0 && version < newest && !keep_copy(db, path, vfs, version, err))
        return false;
    for (size_t i = 0; i < count; i++)
        if (table[i].version > version && !apply(db, &table[i], err))
            return false;
    return true;
}

bool schema_open(struct db *db, const char *path, const char *vfs, struct err *err)
{
    return schema_migrate(db, path, vfs, migrations, sizeof migrations / sizeof *migrations, err);
}

bool schema_check(struct db *db, const char *path, struct err *err)
{
    int version, newest = migrations[sizeof migrations / sizeof *migrations - 1].version;
    if (!version_of(db, &version, err))
        return false;
    return version == newest ||
           err_set(err, ERR_CONFIG, "%s has schema %d, this program reads %d: %s", path, version, newest,
                   version < newest ? "start the server once, it upgrades" : "use the newer program");
}

bool position_load(struct db *db, struct position *out, struct err *err)
{
    bool row;
    struct db_query *q = db_query(db, "SELECT fold_from, fold_to, fold_patient, roll_hour, roll_patient,"
                                      " snapshot_seq FROM position WHERE id = 1");
    if (!db_step(q, &row, err))
        return false;
    if (!row)
        return err_set(err, ERR_IO, "the database has lost its position");
    out->fold_from = db_int(q), out->fold_to = db_int(q), out->fold_patient = db_int(q);
    out->roll_hour = db_int(q), out->roll_patient = db_int(q), out->snapshot_seq = db_int(q);
    db_reset(q);
    return true;
}

bool position_save(struct db *db, const struct position *p, struct err *err)
{
    struct db_query *q = db_query(db, "UPDATE position SET fold_from = ?, fold_to = ?, fold_patient = ?,"
                                      " roll_hour = ?, roll_patient = ?, snapshot_seq = ? WHERE id = 1");
    db_bind_int(q, p->fold_from);
    db_bind_int(q, p->fold_to);
    db_bind_int(q, p->fold_patient);
    db_bind_int(q, p->roll_hour);
    db_bind_int(q, p->roll_patient);
    db_bind_int(q, p->snapshot_seq);
    return db_run(q, err);
}
