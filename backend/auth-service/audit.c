#include "auth-service/audit.h"

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"

#include <stdio.h>

static struct metric lost = METRIC_COUNTER("wardscribe_audit_lost_total", "Audit rows that could not be written.");

struct audit_row audit_row_make(const struct clock *clock, const char *actor, const char *action, const char *object,
                                const char *detail)
{
    struct audit_row row = { .time_us = clock_now_us(clock), .detail = detail };
    (void)str_copy(row.actor, sizeof row.actor, actor);
    (void)str_copy(row.action, sizeof row.action, action);
    (void)str_copy(row.object, sizeof row.object, object);
    return row;
}

struct buf audit_detail(const char *remote)
{
    struct buf detail;
    buf_init(&detail, 1024);
    struct json_writer w = json_write(&detail);
    json_put_object(&w, NULL);
    json_put_text(&w, "remote", remote);
    json_put_end(&w);
    return detail;
}

void audit_lost(const char *action, const struct err *err)
{
    metric_add(&lost, 1);
    log_error("an audit row is lost", LOG_STR("action", action), LOG_ERR(err));
}

struct later {
    struct store_write write;   /* first */
    struct audit_row row;
    struct buf detail;
};

static void later_done(struct store_write *write, bool ok, const struct err *err)
{
    struct later *later = (struct later *)write;
    if (!ok)
        audit_lost(later->row.action, err);
    buf_free(&later->detail);
    mem_free(later);
}

void audit_later(struct store *store, const struct clock *clock, const struct actor *actor,
                 const char *action, const char *object)
{
    struct later *later = mem_new(1, sizeof *later);
    struct err err = { 0 };
    later->detail = audit_detail(actor->remote);
    later->row = audit_row_make(clock, actor->username, action, object, later->detail.data);
    later->write = (struct store_write){ .done = later_done, .audits = &later->row, .audit_count = 1 };
    if (!store_submit(store, &later->write, &err))
        later_done(&later->write, false, &err);
}

bool audit_now(struct store *store, const struct clock *clock, const struct actor *actor, const char *action,
               const char *object, const struct setting_row *settings, size_t setting_count, struct err *err)
{
    struct buf detail = audit_detail(actor->remote);
    struct audit_row row = audit_row_make(clock, actor->username, action, object, detail.data);
    struct store_write write = { .audits = &row, .audit_count = 1, .settings = settings,
                                 .setting_count = setting_count };
    bool ok = store_write_sync(store, &write, err);
    buf_free(&detail);
    return ok;
}

void audit_write_json(struct json_writer *w, const struct audit_row *row)
{
    char hex[sizeof row->hash * 2 + 1];
    for (size_t i = 0; i < sizeof row->hash; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", row->hash[i]);
    json_put_object(w, NULL);
    json_put_int(w, "seq", row->seq);
    json_put_time(w, "timestamp", row->time_us);
    json_put_text(w, "actor", row->actor);
    json_put_text(w, "action", row->action);
    json_put_text(w, "object", row->object);
    if (row->detail && row->detail[0] == '{')
        json_put_raw(w, "detail", row->detail);
    else
        json_put_text(w, "detail", row->detail && row->detail[0] ? row->detail : NULL);
    json_put_text(w, "hash", hex);
    json_put_end(w);
}
