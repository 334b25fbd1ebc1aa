/* memory_rows.c - the plain tables of the memory engine. */
#include "store/audit_chain.h"
#include "store/memory.h"

#include "base/mem.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Rows that own memory begin with it (memory_table.h). */
struct name_key { char name[PATIENT_ID_SIZE > SOURCE_SIZE ? PATIENT_ID_SIZE : SOURCE_SIZE]; uint32_t number; };
struct username_key { char name[64]; int64_t id; };
struct summary_memory { char *document; struct summary_row row; };
struct summary_time { int64_t time_us; char id[64]; };
struct feedback_memory { char *document; struct feedback_row row; };
struct setting_memory { void *value; size_t size; char key[128]; };
struct snapshot_memory { void *state; size_t size; uint32_t patient; };
struct audit_memory { char *detail; struct audit_row row; };

#define COMPARE(name, type, expression)                \
    static int name(const void *a, const void *b)      \
    {                                                  \
        const struct type *x = a, *y = b;              \
        return expression;                             \
    }
#define ORDER(p, q) (((p) > (q)) - ((p) < (q)))

COMPARE(by_patient_number, patient_row, ORDER(x->number, y->number))
COMPARE(by_source_number, source_row, ORDER(x->number, y->number))
COMPARE(by_name, name_key, strcmp(x->name, y->name))
COMPARE(by_limits, limits_row, ORDER(x->patient, y->patient))
COMPARE(by_summary_id, summary_memory, strcmp(x->row.id, y->row.id))
COMPARE(by_summary_time, summary_time, x->time_us != y->time_us ? ORDER(x->time_us, y->time_us) : strcmp(x->id, y->id))
COMPARE(by_feedback, feedback_memory, strcmp(x->row.id, y->row.id))
COMPARE(by_user, user_row, ORDER(x->id, y->id))
COMPARE(by_username, username_key, strcasecmp(x->name, y->name))
COMPARE(by_setting, setting_memory, strcmp(x->key, y->key))
COMPARE(by_snapshot, snapshot_memory, ORDER(x->patient, y->patient))
COMPARE(by_audit, audit_memory, ORDER(x->row.seq, y->row.seq))
/* Walked backwards: newest onset first, then by patient and type. */
COMPARE(by_alert, alert, x->onset_us != y->onset_us ? ORDER(x->onset_us, y->onset_us)
                         : x->patient != y->patient ? ORDER(y->patient, x->patient) : ORDER(y->type, x->type))

void rows_memory_init(struct memory_engine *e)
{
    e->patients = (struct memory_table){ .row_size = sizeof(struct patient_row), .compare = by_patient_number };
    e->patient_ids = (struct memory_table){ .row_size = sizeof(struct name_key), .compare = by_name };
    e->sources = (struct memory_table){ .row_size = sizeof(struct source_row), .compare = by_source_number };
    e->source_names = (struct memory_table){ .row_size = sizeof(struct name_key), .compare = by_name };
    e->limits = (struct memory_table){ .row_size = sizeof(struct limits_row), .compare = by_limits };
    e->alerts = (struct memory_table){ .row_size = sizeof(struct alert), .compare = by_alert };
    e->summaries = (struct memory_table){ .row_size = sizeof(struct summary_memory),
                                          .compare = by_summary_id, .owns = true };
    e->summary_times = (struct memory_table){ .row_size = sizeof(struct summary_time), .compare = by_summary_time };
    e->feedbacks = (struct memory_table){ .row_size = sizeof(struct feedback_memory),
                                          .compare = by_feedback, .owns = true };
    e->users = (struct memory_table){ .row_size = sizeof(struct user_row), .compare = by_user };
    e->usernames = (struct memory_table){ .row_size = sizeof(struct username_key), .compare = by_username };
    e->settings = (struct memory_table){ .row_size = sizeof(struct setting_memory),
                                         .compare = by_setting, .owns = true };
    e->snapshots = (struct memory_table){ .row_size = sizeof(struct snapshot_memory),
                                          .compare = by_snapshot, .owns = true };
    e->audits = (struct memory_table){ .row_size = sizeof(struct audit_memory), .compare = by_audit, .owns = true };
}

void rows_memory_free(struct memory_engine *e)
{
    struct memory_table *const tables[] = {
        &e->patients, &e->patient_ids, &e->sources, &e->source_names, &e->limits, &e->alerts, &e->summaries,
        &e->summary_times, &e->feedbacks, &e->users, &e->usernames, &e->settings, &e->snapshots, &e->audits,
    };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        memory_table_free(tables[i]);
    memory_undo_free(&e->undo);
}

/* ---- writing ---- */

static bool out_of_memory(struct err *err)
{
    return err_set(err, ERR_UNAVAILABLE, "the memory store has no memory");
}

static bool put(struct memory_engine *e, struct memory_table *table, const void *row, struct err *err)
{
    return memory_table_put(table, row, &e->undo) || out_of_memory(err);
}

/* A name belongs to one number. */
static bool put_name(struct memory_engine *e, struct memory_table *names, const char *name, uint32_t number,
                     const char *what, struct err *err)
{
    struct name_key key = { .number = number };
    (void)str_copy(key.name, sizeof key.name, name);
    const struct name_key *there = memory_table_find(names, &key);
    if (there && there->number != number)
        return err_set(err, ERR_CONFLICT, "%s '%s' has the number %u already", what, name, there->number);
    return there || put(e, names, &key, err);
}

static bool write_patient(struct memory_engine *e, const struct patient_row *p, struct err *err)
{
    const struct patient_row *old = memory_table_find(&e->patients, p);
    struct patient_row row = *p;
    if (old)
        memcpy(row.id, old->id, sizeof row.id);
    else if (!put_name(e, &e->patient_ids, p->id, p->number, "patient", err))
        return false;
    return put(e, &e->patients, &row, err);
}

static bool write_source(struct memory_engine *e, const struct source_row *s, struct err *err)
{
    return memory_table_find(&e->sources, s) ||
           (put_name(e, &e->source_names, s->name, s->number, "source", err) && put(e, &e->sources, s, err));
}

static bool write_limits(struct memory_engine *e, const struct limits_row *l, struct err *err)
{
    return put(e, &e->limits, l, err);
}

static bool write_alert(struct memory_engine *e, const struct alert *a, struct err *err)
{
    const struct alert *old = memory_table_find(&e->alerts, a);
    return (old && old->version > a->version) || put(e, &e->alerts, a, err);
}

/* A copy with a NUL behind it, for a row to own; NULL: no memory. */
static void *own(const void *from, size_t size)
{
    char *copy = mem_try_new(1, size + 1);
    if (copy && size)
        memcpy(copy, from, size);
    return copy;
}

static bool write_summary(struct memory_engine *e, const struct summary_row *s, struct err *err)
{
    struct summary_memory row = { .row = *s };
    const struct summary_memory *old = memory_table_find(&e->summaries, &row);
    if (old)
        row.row = old->row;
    row.row.document = row.document = own(s->document, strlen(s->document));
    if (!row.document)
        return out_of_memory(err);
    struct summary_time time = { .time_us = row.row.time_us };
    memcpy(time.id, row.row.id, sizeof time.id);
    return put(e, &e->summaries, &row, err) && (old || put(e, &e->summary_times, &time, err));
}

static bool write_feedback(struct memory_engine *e, const struct feedback_row *f, struct err *err)
{
    struct feedback_memory row = { .row = *f };
    const struct feedback_memory *old = memory_table_find(&e->feedbacks, &row);
    if (old)
        row.row = old->row;
    row.row.document = row.document = own(f->document, strlen(f->document));
    return row.document ? put(e, &e->feedbacks, &row, err) : out_of_memory(err);
}

static bool write_user(struct memory_engine *e, const struct user_row *u, struct err *err)
{
    struct user_row row = *u;
    struct username_key name = { 0 };
    if (!row.id)
        row.id = e->last_user + 1;
    const struct user_row *old = memory_table_find(&e->users, &row);
    memcpy(name.name, row.username, sizeof name.name);
    name.id = row.id;
    const struct username_key *there = memory_table_find(&e->usernames, &name);
    if (there && there->id != row.id)
        return err_set(err, ERR_CONFLICT, "the user name '%s' is taken", row.username);
    if (old) {
        struct username_key before = { 0 };
        memcpy(before.name, old->username, sizeof before.name);
        row.created_us = old->created_us;
        if (!memory_table_remove(&e->usernames, &before, &e->undo))
            return out_of_memory(err);
    }
    if (!put(e, &e->usernames, &name, err) || !put(e, &e->users, &row, err))
        return false;
    if (e->last_user < row.id)
        e->last_user = row.id;
    return true;
}

static bool write_setting(struct memory_engine *e, const struct setting_row *s, struct err *err)
{
    struct setting_memory row = { .size = s->size };
    if (!str_copy(row.key, sizeof row.key, s->key))
        return err_set(err, ERR_INPUT, "setting '%s': name too long", s->key);
    if (!s->value)
        return memory_table_remove(&e->settings, &row, &e->undo) || out_of_memory(err);
    row.value = own(s->value, s->size);
    return row.value ? put(e, &e->settings, &row, err) : out_of_memory(err);
}

static bool write_snapshot(struct memory_engine *e, const struct snapshot_row *s, struct err *err)
{
    struct snapshot_memory row = { .size = s->size, .patient = s->patient, .state = own(s->state, s->size) };
    return row.state ? put(e, &e->snapshots, &row, err) : out_of_memory(err);
}

bool rows_memory_audit(struct memory_engine *e, const struct audit_row *from, struct err *err)
{
    static const uint8_t origin[32];
    const struct audit_memory *last = e->audits.count ? memory_table_row(&e->audits, e->audits.count - 1) : NULL;
    const char *detail = from->detail ? from->detail : "";
    struct audit_memory row = { .row = *from, .detail = own(detail, strlen(detail)) };
    if (!row.detail)
        return out_of_memory(err);
    row.row.detail = row.detail;
    row.row.seq = last ? last->row.seq + 1 : 1;
    audit_chain(last ? last->row.hash : origin, &row.row, row.row.hash);
    return put(e, &e->audits, &row, err);
}

#define WRITE_ALL(items, count, one)            \
    for (size_t i = 0; i < (count); i++)        \
        if (!one(e, &(items)[i], err))          \
            return false

bool rows_memory_write(struct memory_engine *e, const struct store_write *w, struct err *err)
{
    WRITE_ALL(w->patients, w->patient_count, write_patient);
    WRITE_ALL(w->sources, w->source_count, write_source);
    WRITE_ALL(w->limits, w->limits_count, write_limits);
    WRITE_ALL(w->summaries, w->summary_count, write_summary);
    WRITE_ALL(w->feedbacks, w->feedback_count, write_feedback);
    WRITE_ALL(w->users, w->user_count, write_user);
    WRITE_ALL(w->settings, w->setting_count, write_setting);
    WRITE_ALL(w->snapshots, w->snapshot_count, write_snapshot);
    WRITE_ALL(w->alerts, w->alert_count, write_alert);
    WRITE_ALL(w->audits, w->audit_count, rows_memory_audit);
    return true;
}

/* ---- reading ---- */

static void *copy_bytes(struct arena *arena, const void *from, size_t size)
{
    void *copy = arena_try_alloc(arena, size + 1);
    if (copy && size)
        memcpy(copy, from, size);
    return copy;
}

static bool does_not_fit(struct err *err)
{
    return err_set(err, ERR_TOO_LARGE, "the rows do not fit into the memory for an answer");
}

/* Rows that own nothing are copied as they are. */
static bool read_all(struct memory_engine *e, const struct memory_table *table, struct arena *arena, void **out,
                     size_t *out_count, struct err *err)
{
    (void)pthread_rwlock_rdlock(&e->lock);
    *out_count = table->count;
    *out = copy_bytes(arena, table->rows, table->count * table->row_size);
    (void)pthread_rwlock_unlock(&e->lock);
    return *out || does_not_fit(err);
}

#define READ_ALL(function, type, table)                                                                            \
    bool function(void *impl, struct arena *arena, struct type **out, size_t *out_count, struct err *err)          \
    {                                                                                                              \
        struct memory_engine *e = impl;                                                                            \
        void *rows = NULL;                                                                                         \
        bool ok = read_all(e, &e->table, arena, &rows, out_count, err);                                            \
        *out = rows;                                                                                               \
        return ok;                                                                                                 \
    }
READ_ALL(rows_memory_patients, patient_row, patients)
READ_ALL(rows_memory_sources, source_row, sources)
READ_ALL(rows_memory_limits, limits_row, limits)
READ_ALL(rows_memory_users, user_row, users)

static bool alert_wanted(const struct alert *alert, const struct alert_query *query)
{
    return (!query->patient || alert->patient == query->patient) &&
           (!query->open_only || alert->state != ALERT_CLOSED) &&
           alert->onset_us >= query->from_us && (!query->to_us || alert->onset_us < query->to_us);
}

bool rows_memory_alerts(void *impl, struct arena *arena, const struct alert_query *query, struct alert **out,
                        size_t *out_count, struct err *err)
{
    struct memory_engine *e = impl;
    size_t wanted = 0, count = 0;
    (void)pthread_rwlock_rdlock(&e->lock);
    for (size_t i = e->alerts.count; i-- && wanted < query->limit;)
        wanted += alert_wanted(memory_table_row(&e->alerts, i), query);
    *out = arena_try_alloc(arena, (wanted + 1) * sizeof **out);
    for (size_t i = e->alerts.count; *out && i-- && count < wanted;) {
        const struct alert *alert = memory_table_row(&e->alerts, i);
        if (alert_wanted(alert, query))
            (*out)[count++] = *alert;
    }
    (void)pthread_rwlock_unlock(&e->lock);
    *out_count = count;
    return *out || does_not_fit(err);
}

static const struct summary_memory *summary_at(const struct memory_engine *e, size_t at)
{
    struct summary_memory key = { 0 };
    memcpy(key.row.id, ((const struct summary_time *)memory_table_row(&e->summary_times, at))->id, sizeof key.row.id);
    return memory_table_find(&e->summaries, &key);
}

static bool summary_wanted(const struct summary_row *row, const struct summary_query *query)
{
    return row->time_us >= query->from_us && row->time_us < query->to_us &&
           (!query->patient_id || strcmp(row->patient_id, query->patient_id) == 0);
}

bool rows_memory_summaries(void *impl, struct arena *arena, const struct summary_query *query, struct summary_row **out,
                           size_t *out_count, struct err *err)
{
    struct memory_engine *e = impl;
    size_t count = 0;
    bool ok = true;
    (void)pthread_rwlock_rdlock(&e->lock);
    size_t room = query->limit < e->summary_times.count ? query->limit : e->summary_times.count;
    *out = arena_try_alloc(arena, (room + 1) * sizeof **out);
    ok = *out != NULL;
    for (size_t i = e->summary_times.count; ok && i-- && count < room;) {
        const struct summary_memory *from = summary_at(e, i);
        if (!summary_wanted(&from->row, query))
            continue;
        (*out)[count] = from->row;
        (*out)[count].document = copy_bytes(arena, from->document, strlen(from->document) + 1);
        ok = (*out)[count++].document != NULL;
    }
    (void)pthread_rwlock_unlock(&e->lock);
    *out_count = count;
    return ok || does_not_fit(err);
}

bool rows_memory_summary(void *impl, struct arena *arena, const char *id, struct summary_row **out,
                         size_t *out_count, struct err *err)
{
    struct memory_engine *e = impl;
    struct summary_memory key = { 0 };
    bool ok = true;
    *out_count = 0;
    *out = NULL;
    if (!str_copy(key.row.id, sizeof key.row.id, id))
        return true;
    (void)pthread_rwlock_rdlock(&e->lock);
    const struct summary_memory *from = memory_table_find(&e->summaries, &key);
    if (from) {
        *out = copy_bytes(arena, &from->row, sizeof from->row);
        ok = *out && ((*out)->document = copy_bytes(arena, from->document, strlen(from->document) + 1));
        *out_count = 1;
    }
    (void)pthread_rwlock_unlock(&e->lock);
    return ok || does_not_fit(err);
}

static int oldest_first(const void *a, const void *b)
{
    const struct feedback_row *x = a, *y = b;
    return x->time_us != y->time_us ? ORDER(x->time_us, y->time_us) : strcmp(x->id, y->id);
}

bool rows_memory_feedbacks(void *impl, struct arena *arena, int64_t from_us, int64_t to_us, size_t limit,
                           struct feedback_row **out,
                           size_t *out_count, struct err *err)
{
    struct memory_engine *e = impl;
    size_t count = 0;
    (void)pthread_rwlock_rdlock(&e->lock);
    *out = arena_try_alloc(arena, (e->feedbacks.count + 1) * sizeof **out);
    bool ok = *out != NULL;
    for (size_t i = 0; ok && i < e->feedbacks.count; i++) {
        const struct feedback_memory *from = memory_table_row(&e->feedbacks, i);
        if (from->row.time_us < from_us || from->row.time_us >= to_us)
            continue;
        (*out)[count] = from->row;
        (*out)[count].document = copy_bytes(arena, from->document, strlen(from->document) + 1);
        ok = (*out)[count++].document != NULL;
    }
    (void)pthread_rwlock_unlock(&e->lock);
    if (ok)
        qsort(*out, count, sizeof **out, oldest_first);
    *out_count = count < limit ? count : limit;
    return ok || does_not_fit(err);
}

bool rows_memory_audits(void *impl, struct arena *arena, int64_t before, size_t limit, struct audit_row **out,
                        size_t *out_count, struct err *err)
{
    struct memory_engine *e = impl;
    size_t count = 0;
    bool there, ok;
    struct audit_memory key = { .row.seq = before > 0 ? before : INT64_MAX };
    (void)pthread_rwlock_rdlock(&e->lock);
    size_t at = memory_table_at(&e->audits, &key, &there);
    size_t room = limit < at ? limit : at;
    *out = arena_try_alloc(arena, (room + 1) * sizeof **out);
    ok = *out != NULL;
    while (ok && count < room) {
        const struct audit_memory *from = memory_table_row(&e->audits, --at);
        (*out)[count] = from->row;
        (*out)[count].detail = copy_bytes(arena, from->detail, strlen(from->detail) + 1);
        ok = (*out)[count++].detail != NULL;
    }
    (void)pthread_rwlock_unlock(&e->lock);
    *out_count = count;
    return ok || does_not_fit(err);
}

bool rows_memory_audit_verify(void *impl, int64_t *out_count, struct err *err)
{
    struct memory_engine *e = impl;
    uint8_t head[32] = { 0 }, hash[32];
    bool ok = true;
    (void)pthread_rwlock_rdlock(&e->lock);
    *out_count = (int64_t)e->audits.count;
    for (size_t i = 0; ok && i < e->audits.count; i++) {
        const struct audit_row *row = &((const struct audit_memory *)memory_table_row(&e->audits, i))->row;
        audit_chain(head, row, hash);
        if (row->seq != (int64_t)i + 1 || memcmp(hash, row->hash, sizeof hash) != 0)
            ok = err_set(err, ERR_CONFLICT, "audit row %zu was changed", i + 1);
        memcpy(head, hash, sizeof head);
    }
    (void)pthread_rwlock_unlock(&e->lock);
    return ok;
}

bool rows_memory_setting(void *impl, struct arena *arena, const char *key, void **out,
                         size_t *out_size, struct err *err)
{
    struct memory_engine *e = impl;
    struct setting_memory wanted = { 0 };
    bool ok = true;
    *out = NULL;
    *out_size = 0;
    if (!str_copy(wanted.key, sizeof wanted.key, key))
        return true;
    (void)pthread_rwlock_rdlock(&e->lock);
    const struct setting_memory *there = memory_table_find(&e->settings, &wanted);
    if (there) {
        *out = copy_bytes(arena, there->value, there->size);
        *out_size = there->size;
        ok = *out != NULL;
    }
    (void)pthread_rwlock_unlock(&e->lock);
    return ok || does_not_fit(err);
}

bool rows_memory_snapshots(void *impl, struct arena *arena, struct snapshot_row **out,
                           size_t *out_count, int64_t *out_seq,
                           struct err *err)
{
    struct memory_engine *e = impl;
    bool ok;
    (void)pthread_rwlock_rdlock(&e->lock);
    *out = arena_try_alloc(arena, (e->snapshots.count + 1) * sizeof **out);
    *out_count = 0;
    *out_seq = e->snapshot_seq;
    ok = *out != NULL;
    for (size_t i = 0; ok && i < e->snapshots.count; i++) {
        const struct snapshot_memory *from = memory_table_row(&e->snapshots, i);
        (*out)[i] = (struct snapshot_row){ from->patient, copy_bytes(arena, from->state, from->size), from->size };
        ok = (*out)[i].state != NULL;
        *out_count = i + 1;
    }
    (void)pthread_rwlock_unlock(&e->lock);
    return ok || does_not_fit(err);
}
