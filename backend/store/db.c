#include "store/db.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Statements in all of store/: about 60.  A power of two, so that a pointer hashes by a mask. */
enum { QUERY_CACHE_SIZE = 256 };

struct db_query {
    struct db *db;
    const char *sql;
    sqlite3_stmt *stmt;
    int index, column;
    int failure;            /* first failed bind or prepare since the last reset */
};

struct db {
    sqlite3 *handle;
    int wal_pages;          /* as of the last commit */
    struct db_query queries[QUERY_CACHE_SIZE];
};

static enum err_kind kind_of(int code)
{
    switch (code & 0xff) {
    case SQLITE_CONSTRAINT: return ERR_CONFLICT;
    case SQLITE_TOOBIG:
    case SQLITE_MISMATCH:
    case SQLITE_RANGE: return ERR_INPUT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_NOMEM: return ERR_UNAVAILABLE;
    default: return ERR_IO;
    }
}

static bool fail(struct db *db, int code, const char *what, struct err *err)
{
    const char *text = db->handle ? sqlite3_errmsg(db->handle) : "";
    return err_set(err, kind_of(code), "%s: %s (%s, SQLite code %d)", what, text,
                   sqlite3_errstr(code), db->handle ? sqlite3_extended_errcode(db->handle) : code);
}

static int on_wal(void *context, sqlite3 *handle, const char *name, int pages)
{
    (void)handle, (void)name;
    ((struct db *)context)->wal_pages = pages;
    return SQLITE_OK;
}

bool db_exec(struct db *db, const char *sql, struct err *err)
{
    int code = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return code == SQLITE_OK || fail(db, code, "the database refuses", err);
}

/* cache_size: 8 MB for the writer, whose fold touches whole minutes; 2 MB per reader, whose pages
 * are in the kernel's cache anyway.  temp_store: nothing of a patient outside the data directory. */
static const char WRITER_PRAGMAS[] =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;"
    "PRAGMA cache_size=-8192; PRAGMA temp_store=MEMORY; PRAGMA foreign_keys=OFF;"
    "PRAGMA journal_size_limit=16777216; PRAGMA trusted_schema=OFF;";
static const char READER_PRAGMAS[] =
    "PRAGMA wal_autocheckpoint=0; PRAGMA query_only=1; PRAGMA cache_size=-2048;"
    "PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF;";

static bool configure(struct db *db, enum db_mode mode, struct err *err)
{
    sqlite3_busy_timeout(db->handle, 5000);
    sqlite3_extended_result_codes(db->handle, 1);
    if (!db_exec(db, mode == DB_WRITER ? WRITER_PRAGMAS : READER_PRAGMAS, err))
        return false;
    if (mode == DB_WRITER)
        sqlite3_wal_hook(db->handle, on_wal, db);
    else
        sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return true;
}

bool db_open(const char *path, const char *vfs, enum db_mode mode, struct db **out, struct err *err)
{
    struct db *db = mem_new(1, sizeof *db);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
                (mode == DB_WRITER ? SQLITE_OPEN_CREATE : 0);
    int code = sqlite3_open_v2(path, &db->handle, flags, vfs);
    if (code != SQLITE_OK)
        fail(db, code, path, err);
    if (code != SQLITE_OK || !configure(db, mode, err)) {
        db_close(db);
        return false;
    }
    *out = db;
    return true;
}

void db_close(struct db *db)
{
    if (!db)
        return;
    for (size_t i = 0; i < QUERY_CACHE_SIZE; i++)
        sqlite3_finalize(db->queries[i].stmt);
    CHECK(sqlite3_close(db->handle) == SQLITE_OK);
    mem_free(db);
}

const char *db_library_version(void)
{
    return sqlite3_libversion();
}

struct db_query *db_query(struct db *db, const char *sql)
{
    size_t slot = ((uintptr_t)sql >> 3) & (QUERY_CACHE_SIZE - 1);
    while (db->queries[slot].sql && db->queries[slot].sql != sql)
        slot = (slot + 1) & (QUERY_CACHE_SIZE - 1);
    struct db_query *query = &db->queries[slot];
    if (!query->stmt) {
        *query = (struct db_query){ .db = db, .sql = sql };
        query->failure = sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT,
                                            &query->stmt, NULL);
    }
    query->index = 0;
    return query;
}

static void keep_failure(struct db_query *query, int code)
{
    if (query->failure == SQLITE_OK)
        query->failure = code;
}

void db_bind_int(struct db_query *query, int64_t value)
{
    if (query->failure == SQLITE_OK)
        keep_failure(query, sqlite3_bind_int64(query->stmt, ++query->index, value));
}

void db_bind_text(struct db_query *query, const char *text)
{
    if (query->failure == SQLITE_OK)
        keep_failure(query, sqlite3_bind_text(query->stmt, ++query->index, text, -1, SQLITE_STATIC));
}

void db_bind_blob(struct db_query *query, const void *data, size_t size)
{
    if (query->failure == SQLITE_OK)
        keep_failure(query, sqlite3_bind_blob64(query->stmt, ++query->index, data, size, SQLITE_STATIC));
}

void db_reset(struct db_query *query)
{
    if (query->stmt)
        sqlite3_reset(query->stmt);
    query->failure = SQLITE_OK;
}

static _Thread_local uint64_t steps;

uint64_t db_thread_steps(void)
{
    return steps;
}

bool db_step(struct db_query *query, bool *out_row, struct err *err)
{
    *out_row = false;
    steps++;
    int code = query->failure != SQLITE_OK ? query->failure : sqlite3_step(query->stmt);
    query->column = 0;
    if (code == SQLITE_ROW)
        return *out_row = true;
    if (code != SQLITE_DONE)
        fail(query->db, code, "database", err);
    db_reset(query);
    return code == SQLITE_DONE;
}

bool db_run(struct db_query *query, struct err *err)
{
    bool row;
    if (!db_step(query, &row, err))
        return false;
    if (row)
        db_reset(query);
    return true;
}

int64_t db_changes(struct db *db)
{
    return sqlite3_changes64(db->handle);
}

int64_t db_int(struct db_query *query)
{
    return sqlite3_column_int64(query->stmt, query->column++);
}

void db_text(struct db_query *query, char *to, size_t size)
{
    const unsigned char *text = sqlite3_column_text(query->stmt, query->column++);
    snprintf(to, size, "%s", text ? (const char *)text : "");
}

bool db_text_arena(struct db_query *query, struct arena *arena, const char **out)
{
    const unsigned char *text = sqlite3_column_text(query->stmt, query->column);
    size_t size = (size_t)sqlite3_column_bytes(query->stmt, query->column++);
    char *copy = arena_try_alloc(arena, size + 1);
    if (!copy)
        return false;
    if (size)
        memcpy(copy, text, size);
    *out = copy;
    return true;
}

const void *db_blob(struct db_query *query, size_t *out_size)
{
    const void *data = sqlite3_column_blob(query->stmt, query->column);
    *out_size = (size_t)sqlite3_column_bytes(query->stmt, query->column++);
    return data;
}

bool db_begin(struct db *db, struct err *err)
{
    return db_run(db_query(db, "BEGIN IMMEDIATE"), err);
}

void db_rollback(struct db *db)
{
    if (!sqlite3_get_autocommit(db->handle))
        sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
}

bool db_commit(struct db *db, struct err *err)
{
    if (db_run(db_query(db, "COMMIT"), err))
        return true;
    db_rollback(db);
    return false;
}

bool db_checkpoint(struct db *db, int pages, struct err *err)
{
    if (db->wal_pages <= pages)
        return true;
    /* PASSIVE waits for nobody; once it has copied everything and no reader is in the log, the
     * next commit starts the log anew. */
    int code = sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    db->wal_pages = 0;
    return code == SQLITE_OK || code == SQLITE_BUSY || fail(db, code, "checkpoint", err);
}

static bool copy_pages(struct db *from, sqlite3 *to, struct err *err)
{
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from->handle, "main");
    if (!backup)
        return err_set(err, kind_of(sqlite3_errcode(to)), "backup: %s", sqlite3_errmsg(to));
    int code = sqlite3_backup_step(backup, -1);
    sqlite3_backup_finish(backup);
    return code == SQLITE_DONE || fail(from, code, "backup", err);
}

bool db_backup(struct db *db, const char *path, const char *vfs, struct err *err)
{
    if (!vfs) { /* SQLite would create it with the umask's mode; 0600 and never over something */
        int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
        if (fd < 0)
            return err_set_errno(err, ERR_IO, errno, "%s", path);
        close(fd);
    }
    sqlite3 *to = NULL;
    int code = sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs);
    bool ok = code == SQLITE_OK ? copy_pages(db, to, err)
                                : err_set(err, kind_of(code), "%s: %s", path, sqlite3_errstr(code));
    code = sqlite3_close(to);
    return ok && (code == SQLITE_OK || err_set(err, ERR_IO, "%s: %s", path, sqlite3_errstr(code)));
}

bool db_integrity(struct db *db, struct err *err)
{
    char text[256] = "no answer";
    bool row;
    struct db_query *q = db_query(db, "PRAGMA integrity_check(1)");
    if (!db_step(q, &row, err))
        return false;
    if (row)
        db_text(q, text, sizeof text);
    db_reset(q);
    return strcmp(text, "ok") == 0 || err_set(err, ERR_IO, "integrity_check: %s", text);
}
