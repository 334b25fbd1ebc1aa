/* db.h - the only door to SQLite: connections, statements, errors.
 *
 * Statements are cached per connection by the address of their text, so the text must be a string
 * literal.  Failures stick to the statement until db_step(), so that binding needs no checks:
 *
 *     struct db_query *q = db_query(db, "SELECT name FROM source WHERE number = ?");
 *     db_bind_int(q, number);
 *     while (db_step(q, &row, err) && row) ...
 *
 * Threads: a struct db belongs to one thread at a time.
 * Why one writer: SQLite before 3.51.3 can corrupt when a checkpoint of one connection races a
 *         commit of another, so DB_WRITER alone commits and checkpoints; all others are query_only
 *         and never checkpoint, not even when they are closed. */
#ifndef STORE_DB_H
#define STORE_DB_H

#include "base/arena.h"
#include "base/err.h"

#include <stdint.h>

struct db;
struct db_query;

enum db_mode { DB_WRITER, DB_READER };

bool db_open(const char *path, const char *vfs, enum db_mode mode, struct db **out,
             struct err *err) MUST_CHECK;
void db_close(struct db *db);
const char *db_library_version(void);

/* Runs one or more statements without parameters or rows of interest. */
bool db_exec(struct db *db, const char *sql, struct err *err) MUST_CHECK;
/* BEGIN IMMEDIATE, COMMIT.  A failed commit has been rolled back when it returns. */
bool db_begin(struct db *db, struct err *err) MUST_CHECK;
bool db_commit(struct db *db, struct err *err) MUST_CHECK;
void db_rollback(struct db *db);

struct db_query *db_query(struct db *db, const char *sql_literal);
void db_bind_int(struct db_query *query, int64_t value);
void db_bind_text(struct db_query *query, const char *text);              /* NULL: NULL */
void db_bind_blob(struct db_query *query, const void *data, size_t size); /* kept until the step */
/* *out_row false: no more rows, and the statement is ready for its next use.  A caller that stops
 * before that must db_reset(). */
bool db_step(struct db_query *query, bool *out_row, struct err *err) MUST_CHECK;
bool db_run(struct db_query *query, struct err *err) MUST_CHECK;          /* a step without rows */
void db_reset(struct db_query *query);
int64_t db_changes(struct db *db);
/* Statements stepped by this thread so far: what a test of cost counts instead of time. */
uint64_t db_thread_steps(void);

/* The columns of the current row, from left to right. */
int64_t db_int(struct db_query *query);
void db_text(struct db_query *query, char *to, size_t size);
bool db_text_arena(struct db_query *query, struct arena *arena, const char **out);
/* Valid until the next step or reset. */
const void *db_blob(struct db_query *query, size_t *out_size);

/* Copies the write-ahead log into the database file once it is longer than `pages`. */
bool db_checkpoint(struct db *db, int pages, struct err *err) MUST_CHECK;
/* A consistent copy, also while the writer works. */
bool db_backup(struct db *db, const char *path, const char *vfs, struct err *err) MUST_CHECK;
bool db_integrity(struct db *db, struct err *err) MUST_CHECK;

#endif
