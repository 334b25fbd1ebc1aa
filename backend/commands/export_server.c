/* export_server.c - an export from a running server, page by page over its API. */
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "commands/export_source.h"
#include "commands/feed.h"
#include "commands/interrupt.h"
#include "ingest/json_reading.h"
#include "ingest/json_scan.h"

#include <stdlib.h>
#include <string.h>

/* The API's own limits (api/openapi.yaml). */
enum { PAGE_PATIENTS = 5000, PAGE_READINGS = 10000, PAGE_ALERTS = 1000, PAGE_SUMMARIES = 500, PAGE_AUDIT = 1000 };
enum { ANSWER_MAX = 64 << 20, URL_SIZE = 2048 };

struct server {
    const struct export_query *query;
    struct export_out *out;
    struct client *client;
    const char *url;
    char *token;
    struct client_answer answer;          /* the page at hand */
    char **ids;
    size_t id_count, id_room;
};

/* ---- pages ---- */

static bool get(struct server *s, const char *path, struct err *err)
{
    char url[URL_SIZE];
    size_t length = strlen(s->url);
    while (length && s->url[length - 1] == '/')
        length--;
    if (snprintf(url, sizeof url, "%.*s%s", (int)length, s->url, path) >= (int)sizeof url)
        return err_set(err, ERR_INPUT, "the URL is too long");
    if (s->query->tick)
        s->query->tick(s->query->tick_context);
    client_answer_free(&s->answer);
    struct client_call call = { .url = url, .bearer = s->token, .compressed = true, .answer_max = ANSWER_MAX };
    return client_call(s->client, &call, &s->answer, err) && client_answer_check(&s->answer, err);
}

typedef bool visitor(struct server *s, const char *json, size_t length, void *context, struct err *err);

/* Each item of the array that `scan` stands before. */
static bool each_item(struct server *s, struct json_scan *scan, visitor *visit, void *context, size_t *out_count,
                      struct err *err)
{
    *out_count = 0;
    if (!json_scan_char(scan, '['))
        return err_set(err, ERR_INPUT, "%.200s: the answer is not a list", s->answer.url);
    if (json_scan_char(scan, ']'))
        return true;
    do {
        json_scan_space(scan);
        const char *start = scan->p;
        if (!json_scan_skip(scan, JSON_DEPTH_MAX))
            return err_set(err, ERR_INPUT, "%.200s: the answer is not JSON", s->answer.url);
        if (!visit(s, start, (size_t)(scan->p - start), context, err))
            return false;
        ++*out_count;
    } while (json_scan_char(scan, ','));
    return json_scan_char(scan, ']') || err_set(err, ERR_INPUT, "%.200s: the answer is cut", s->answer.url);
}

static bool each_of_page(struct server *s, visitor *visit, void *context, size_t *out_count, struct err *err)
{
    const char *text = s->answer.body.data ? s->answer.body.data : "";
    struct json_scan scan = { text, text + s->answer.body.length };
    return each_item(s, &scan, visit, context, out_count, err);
}

/* ---- patients ---- */

static bool take_id(struct server *s, const char *json, size_t length, void *context, struct err *err)
{
    struct json *root;
    const char *id = NULL;
    (void)context;
    if (!json_parse_object(json, length, ANSWER_MAX, &root, err))
        return false;
    bool ok = json_get_text(root, "id", JSON_REQUIRED, 1, PATIENT_ID_SIZE - 1, &id, err);
    if (ok && s->id_count == s->id_room) {
        s->id_room = s->id_room ? s->id_room * 2 : 256;
        char **more = mem_try_resize(s->ids, s->id_room, sizeof *more);
        CHECK(more != NULL);
        s->ids = more;
    }
    if (ok)
        s->ids[s->id_count++] = mem_copy_string(id);
    json_free(root);
    return ok;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool load_ids(struct server *s, struct err *err)
{
    char path[128];
    size_t count = PAGE_PATIENTS;
    for (size_t i = 0; i < s->query->patient_count; i++) {
        s->ids = s->ids ? s->ids : mem_new(s->query->patient_count, sizeof *s->ids);
        s->ids[s->id_count++] = mem_copy_string(s->query->patients[i]);
    }
    while (!s->query->patient_count && count == PAGE_PATIENTS) {
        (void)snprintf(path, sizeof path, "/api/patients?limit=%d&offset=%zu", PAGE_PATIENTS, s->id_count);
        if (!get(s, path, err) || !each_of_page(s, take_id, NULL, &count, err))
            return false;
    }
    if (s->id_count)
        qsort(s->ids, s->id_count, sizeof *s->ids, by_text);
    return true;
}

/* ---- readings ---- */

struct reading_page {
    const char *id;
    struct json_reading *items;
    size_t count;
};

/* The stored form without its patient becomes the form that is sent. */
static bool take_reading(struct server *s, const char *json, size_t length, void *context, struct err *err)
{
    struct reading_page *page = context;
    struct json_reading_error error;
    struct buf whole;
    (void)s;
    if (page->count == PAGE_READINGS)
        return err_set(err, ERR_TOO_LARGE, "the server sent more readings than were asked for");
    buf_init(&whole, 8192);
    buf_printf(&whole, "{\"patient_id\":\"%s\",", page->id);
    buf_add(&whole, json + 1, length - 1);
    bool ok = !whole.overflow &&
              json_reading_parse(whole.data, whole.length, INT64_MAX / 2, &page->items[page->count], &error);
    ok = ok && page->items[page->count].reading_count == 1;
    page->count += ok;
    if (!ok)
        err_set(err, ERR_INPUT, "patient %s: a reading that is none: %.100s", page->id,
                whole.overflow ? "too long" : error.detail);
    buf_free(&whole);
    return ok;
}

static bool readings_page(struct server *s, struct reading_page *page, int64_t from_us, struct err *err)
{
    char path[512], from[TIME_TEXT_SIZE], to[TIME_TEXT_SIZE];
    size_t count;
    (void)snprintf(path, sizeof path, "/api/patients/%s/vitals/history?raw=true&limit=%d&from=%s&to=%s", page->id,
                   PAGE_READINGS, time_format(from_us, from), time_format(s->query->to_us, to));
    page->count = 0;
    if (!get(s, path, err))
        return false;
    const char *text = s->answer.body.data ? s->answer.body.data : "";
    struct json_scan scan = { text, text + s->answer.body.length };
    struct json_slice key;
    if (!json_scan_char(&scan, '{') || (json_scan_space(&scan), !json_scan_string(&scan, &key)) || key.length != 8 ||
        memcmp(key.text, "readings", 8) != 0 || !json_scan_char(&scan, ':'))
        return err_set(err, ERR_INPUT, "%.200s: no readings in the answer", s->answer.url);
    return each_item(s, &scan, take_reading, page, &count, err);
}

/* A full page ends in the middle of an instant, perhaps: its last instant is asked for again. */
static size_t whole_instants(const struct reading_page *page)
{
    size_t keep = page->count;
    if (page->count < PAGE_READINGS)
        return page->count;
    while (keep && page->items[keep - 1].readings[0].time_us == page->items[page->count - 1].readings[0].time_us)
        keep--;
    return keep ? keep : page->count;
}

static bool readings_of(struct server *s, const char *id, struct err *err)
{
    struct reading_page page = { .id = id, .items = mem_new(PAGE_READINGS, sizeof *page.items),
                                 .count = PAGE_READINGS };
    int64_t from_us = s->query->from_us;
    bool ok = true;
    while (ok && page.count == PAGE_READINGS) {
        ok = readings_page(s, &page, from_us, err);
        size_t keep = ok ? whole_instants(&page) : 0;
        for (size_t i = 0; ok && i < keep; i++) {
            reading_mark_implausible(&page.items[i].readings[0]);
            ok = export_reading(s->out, &page.items[i].readings[0], id, page.items[i].source, err);
        }
        from_us = keep ? page.items[keep - 1].readings[0].time_us + 1 : from_us;
    }
    mem_free(page.items);
    return ok;
}

/* ---- a patient's alerts and summaries: newest first from the server ---- */

/* The server tells no more than a page at once; `visit` says in *to_us where the next one ends. */
static bool each_of_pages(struct server *s, const char *path, size_t page, visitor *visit, void *context,
                          int64_t *to_us, struct err *err)
{
    char whole[512], from[TIME_TEXT_SIZE], to[TIME_TEXT_SIZE];
    size_t count = page;
    *to_us = s->query->to_us;
    while (count == page) {
        (void)snprintf(whole, sizeof whole, "%s?limit=%zu&from=%s&to=%s", path, page,
                       time_format(s->query->from_us, from), time_format(*to_us, to));
        if (!get(s, whole, err) || !each_of_page(s, visit, context, &count, err))
            return false;
    }
    return true;
}

/* Oldest first into the file. */
struct alert_line {
    int64_t onset_us;
    char *json, id[128];
    size_t length;
};
struct alert_list {
    struct alert_line *items;
    size_t count, room;
    int64_t to_us;                        /* the oldest one's instant once more: what is known already is left out */
};

static bool have_alert(const struct alert_list *list, const char *id)
{
    for (size_t i = list->count; i > 0 && list->count - i < 16; i--) /* the ten types of one instant */
        if (strcmp(list->items[i - 1].id, id) == 0)
            return true;
    return false;
}

static bool take_alert(struct server *s, const char *json, size_t length, void *context, struct err *err)
{
    struct alert_list *list = context;
    struct json *root;
    const char *id = NULL;
    int64_t onset_us = 0;
    (void)s;
    if (!json_parse_object(json, length, ANSWER_MAX, &root, err))
        return false;
    bool ok = json_get_text(root, "id", JSON_REQUIRED, 1, 127, &id, err) &&
              json_get_time(root, "onset", JSON_REQUIRED, &onset_us, err);
    if (ok && !have_alert(list, id)) {
        if (list->count == list->room) {
            list->room = list->room ? list->room * 2 : 256;
            struct alert_line *more = mem_try_resize(list->items, list->room, sizeof *more);
            CHECK(more != NULL);
            list->items = more;
        }
        struct alert_line *line = &list->items[list->count++];
        *line = (struct alert_line){ .onset_us = onset_us, .json = mem_new(1, length + 1), .length = length };
        memcpy(line->json, json, length);
        (void)str_copy(line->id, sizeof line->id, id);
        list->to_us = onset_us + 1;
    }
    json_free(root);
    return ok;
}

static int by_onset(const void *a, const void *b)
{
    const struct alert_line *x = a, *y = b;
    if (x->onset_us != y->onset_us)
        return x->onset_us < y->onset_us ? -1 : 1;
    return strcmp(x->id, y->id);
}

static bool alerts_of(struct server *s, const char *id, struct err *err)
{
    char path[256];
    struct alert_list list = { 0 };
    (void)snprintf(path, sizeof path, "/api/alerts/%s/history", id);
    bool ok = each_of_pages(s, path, PAGE_ALERTS, take_alert, &list, &list.to_us, err);
    if (ok && list.count)
        qsort(list.items, list.count, sizeof *list.items, by_onset);
    for (size_t i = 0; i < list.count; i++) {
        ok = ok && export_object(s->out, list.items[i].json, list.items[i].length, err);
        mem_free(list.items[i].json);
    }
    mem_free(list.items);
    return ok;
}

static bool take_summary(struct server *s, const char *json, size_t length, void *context, struct err *err)
{
    struct json *root;
    int64_t *oldest_us = context;
    if (!json_parse_object(json, length, ANSWER_MAX, &root, err))
        return false;
    bool ok = json_get_time(root, "timestamp", JSON_REQUIRED, oldest_us, err);
    json_free(root);
    return ok && export_object(s->out, json, length, err);
}

/* A patient has one summary in a millisecond at most, which is in its id: the next page ends where the oldest of this
 * one was written. */
static bool summaries_of(struct server *s, const char *id, struct err *err)
{
    char path[256];
    int64_t to_us;
    (void)snprintf(path, sizeof path, "/api/summaries/%s", id);
    return each_of_pages(s, path, PAGE_SUMMARIES, take_summary, &to_us, &to_us, err);
}

/* ---- audit ---- */

static bool take_audit(struct server *s, const char *json, size_t length, void *context, struct err *err)
{
    struct json *root;
    int64_t time_us = 0, *seq = context;
    if (!json_parse_object(json, length, ANSWER_MAX, &root, err))
        return false;
    bool ok = json_get_time(root, "timestamp", JSON_REQUIRED, &time_us, err) &&
              json_get_int(root, "seq", JSON_REQUIRED, 1, INT64_MAX, seq, err);
    json_free(root);
    bool wanted = time_us >= s->query->from_us && time_us < s->query->to_us;
    return ok && (!wanted || export_object(s->out, json, length, err));
}

static bool all_audit(struct server *s, struct err *err)
{
    char path[128];
    size_t count = PAGE_AUDIT;
    int64_t before = 0;
    while (count == PAGE_AUDIT) {
        int length = snprintf(path, sizeof path, "/api/audit?limit=%d", PAGE_AUDIT);
        if (before)
            (void)snprintf(path + length, sizeof path - (size_t)length, "&before=%lld", (long long)before);
        if (!get(s, path, err) || !each_of_page(s, take_audit, &before, &count, err))
            return false;
    }
    return true;
}

/* ---- all of it ---- */

static bool all_patients(struct server *s, struct err *err)
{
    static bool (*const each[])(struct server *, const char *, struct err *) = {
        [EXPORT_READINGS] = readings_of, [EXPORT_ALERTS] = alerts_of, [EXPORT_SUMMARIES] = summaries_of,
    };
    if (!load_ids(s, err))
        return false;
    for (size_t i = 0; i < s->id_count; i++)
        if (!each[s->query->what](s, s->ids[i], err))
            return false;
    return true;
}

bool export_from_server(const struct export_query *query, const char *url, const char *token_file,
                        struct export_out *out, struct err *err)
{
    struct server s = { .query = query, .out = out, .url = url };
    if (!token_file)
        return err_set(err, ERR_USAGE, "a server wants a token: --token-file FILE (see --help for how to get one)");
    if (!feed_read_token(token_file, &s.token, err))
        return false;
    s.client = client_new(&(struct client_options){ .idle_timeout_ms = 120000, .cancel = interrupt_catch() });
    bool ok = query->what == EXPORT_AUDIT ? all_audit(&s, err) : all_patients(&s, err);
    client_answer_free(&s.answer);
    client_free(s.client);
    for (size_t i = 0; i < s.id_count; i++)
        mem_free(s.ids[i]);
    mem_free(s.ids);
    explicit_bzero(s.token, strlen(s.token));
    mem_free(s.token);
    return ok;
}
