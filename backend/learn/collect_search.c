/* collect_search.c - samples from Elasticsearch 8 or OpenSearch 2.
 *
 * Asked:  POST /INDEX/_search?scroll=2m, PAGE_SIZE documents at a time, in order of time: the one paging that both
 *         servers spell alike.  A summary's readings: one search over its patient and window.  An index that
 *         does not exist counts as empty (ignore_unavailable). */
#include "base/mem.h"
#include "learn/collect_internal.h"
#include "learn/window_json.h"
#include "net/client.h"

#include <stdlib.h>
#include <string.h>

enum { PAGE_SIZE = 200, READINGS_MAX = 4000, ANSWER_MAX = 64 << 20, FEEDBACKS_MAX = 100000 };

struct source {
    struct collecting *collecting;
    struct client *client;
    struct arena arena, scratch;
    struct collect_feedback *feedbacks;
    size_t feedback_count, feedback_capacity;
};

typedef bool hit_visitor(struct source *source, const struct json *document, struct err *err);

/* `path` behind the server's address. */
static bool ask(struct source *s, const char *method, const char *path, const struct buf *query, struct json **out,
                struct err *err)
{
    const struct collect_options *options = s->collecting->options;
    char url[1024], authorization[512];
    const char *headers[] = { "Content-Type: application/json", NULL, NULL };
    struct client_answer answer;
    size_t length = strlen(options->from);
    if (options->authorization) {
        (void)snprintf(authorization, sizeof authorization, "Authorization: %s", options->authorization);
        headers[1] = authorization;
    }
    (void)snprintf(url, sizeof url, "%.*s/%s", (int)(length && options->from[length - 1] == '/' ? length - 1 : length),
                   options->from, path);
    struct client_call call = { .method = method, .url = url, .headers = headers, .body = query->data,
                                .body_size = query->length, .timeout_ms = 60000, .answer_max = ANSWER_MAX };
    bool ok = client_call(s->client, &call, &answer, err) && client_answer_check(&answer, err) &&
              json_parse_object(answer.body.data, answer.body.length, ANSWER_MAX, out, err);
    client_answer_free(&answer);
    return ok;
}

static bool search(struct source *s, const char *index, const char *more, const struct buf *query, struct json **out,
                   struct err *err)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/_search?ignore_unavailable=true&allow_no_indices=true%s", index, more);
    return ask(s, "POST", path, query, out, err) || err_context(err, "%s", index);
}

static const struct json *hits_of(const struct json *root, struct err *err)
{
    const struct json *outer = NULL, *hits = NULL;
    if (json_get_object(root, "hits", JSON_REQUIRED, &outer, err) &&
        json_get_array(outer, "hits", JSON_REQUIRED, READINGS_MAX, &hits, err))
        return hits;
    return NULL;
}

/* Both ends in: a date field has milliseconds, our stamps have microseconds, and what is too much is dropped here. */
static void put_range(struct json_writer *w, int64_t from_us, int64_t to_us)
{
    json_put_object(w, NULL);
    json_put_object(w, "range");
    json_put_object(w, "@timestamp");
    json_put_time(w, "gte", from_us);
    json_put_time(w, "lte", to_us);
    json_put_end(w);
    json_put_end(w);
    json_put_end(w);
}

static void put_sort(struct json_writer *w)
{
    json_put_array(w, "sort");
    json_put_object(w, NULL);
    json_put_object(w, "@timestamp");
    json_put_text(w, "order", "asc");
    json_put_text(w, "unmapped_type", "date");
    json_put_end(w);
    json_put_end(w);
    json_put_end(w);
}

static bool first_page(struct source *s, const char *index, struct json **out, struct err *err)
{
    const struct collect_options *options = s->collecting->options;
    struct buf query;
    buf_init(&query, 1 << 16);
    struct json_writer w = json_write(&query);
    json_put_object(&w, NULL);
    json_put_int(&w, "size", PAGE_SIZE);
    json_put_object(&w, "query");
    json_put_object(&w, "bool");
    json_put_array(&w, "filter");
    put_range(&w, options->from_us, options->to_us);
    json_put_end(&w);
    json_put_end(&w);
    json_put_end(&w);
    put_sort(&w);
    json_put_end(&w);
    bool ok = search(s, index, "&scroll=2m", &query, out, err);
    buf_free(&query);
    return ok;
}

static bool scroll(struct source *s, const char *method, const char *id, struct json **out, struct err *err)
{
    struct buf query;
    buf_init(&query, 1 << 16);
    struct json_writer w = json_write(&query);
    json_put_object(&w, NULL);
    if (strcmp(method, "POST") == 0)
        json_put_text(&w, "scroll", "2m");
    json_put_text(&w, "scroll_id", id);
    json_put_end(&w);
    bool ok = ask(s, method, "_search/scroll", &query, out, err);
    buf_free(&query);
    return ok;
}

static bool visit_hits(struct source *s, const struct json *hits, hit_visitor *visit, struct err *err)
{
    for (size_t i = 0; i < json_count(hits); i++) {
        const struct json *document = NULL;
        if (!json_get_object(json_item(hits, i), "_source", JSON_REQUIRED, &document, err) || !visit(s, document, err))
            return false;
    }
    return true;
}

/* OpenSearch gives none where no index matches: then there is no page behind this one either. */
static bool keep_scroll_id(const struct json *page, struct buf *out, struct err *err)
{
    const char *id = "";
    if (!json_get_text(page, "_scroll_id", JSON_NULLABLE, 0, 32 << 10, &id, err))
        return false;
    buf_reset(out);
    buf_add_text(out, id);
    return true;
}

static bool visit_all(struct source *s, const char *index, hit_visitor *visit, struct err *err)
{
    struct json *page = NULL, *ended = NULL;
    struct buf id;
    bool more = true, ok = first_page(s, index, &page, err);
    buf_init(&id, 64 << 10);
    while (ok && more) {
        const struct json *hits = hits_of(page, err);
        ok = hits && keep_scroll_id(page, &id, err) && visit_hits(s, hits, visit, err);
        more = ok && json_count(hits) == PAGE_SIZE && id.length;
        json_free(page);
        page = NULL;
        if (more)
            ok = scroll(s, "POST", id.data, &page, err);
    }
    json_free(page);
    if (id.length && scroll(s, "DELETE", id.data, &ended, NULL)) /* it would end by itself */
        json_free(ended);
    buf_free(&id);
    return ok || err_context(err, "%s", index);
}

/* ---- feedback ---- */

static bool keep_feedback(struct source *s, const struct json *document, struct err *err)
{
    if (s->feedback_count == FEEDBACKS_MAX)
        return err_set(err, ERR_TOO_LARGE, "more than %d feedbacks; ask for fewer days", FEEDBACKS_MAX);
    if (s->feedback_count == s->feedback_capacity) {
        s->feedback_capacity = s->feedback_capacity ? 2 * s->feedback_capacity : 256;
        struct collect_feedback *grown = mem_try_resize(s->feedbacks, s->feedback_capacity, sizeof *grown);
        if (!grown)
            return err_set(err, ERR_TOO_LARGE, "no memory for %zu feedbacks", s->feedback_capacity);
        s->feedbacks = grown;
    }
    return collect_parse_feedback(document, &s->arena, &s->feedbacks[s->feedback_count], err) && ++s->feedback_count;
}

static size_t feedbacks_of(struct source *s, const char *summary_id, struct collect_feedback **out)
{
    size_t count = 0;
    *out = arena_alloc(&s->scratch, (s->feedback_count + 1) * sizeof **out);
    for (size_t i = 0; i < s->feedback_count; i++) /* in order of time, as the search gave them */
        if (strcmp(s->feedbacks[i].summary_id, summary_id) == 0)
            (*out)[count++] = s->feedbacks[i];
    return count;
}

/* ---- a summary's readings ---- */

static void put_term(struct json_writer *w, const char *field, const char *value)
{
    json_put_object(w, NULL);
    json_put_object(w, "term");
    json_put_text(w, field, value);
    json_put_end(w);
    json_put_end(w);
}

/* patient_id is a keyword where our template made the index, text with a .keyword beside where nobody did. */
static void put_patient(struct json_writer *w, const char *patient_id)
{
    json_put_object(w, NULL);
    json_put_object(w, "bool");
    json_put_array(w, "should");
    put_term(w, "patient_id", patient_id);
    put_term(w, "patient_id.keyword", patient_id);
    json_put_end(w);
    json_put_int(w, "minimum_should_match", 1);
    json_put_end(w);
    json_put_end(w);
}

static void drop_outside(struct window *window)
{
    const struct reading *all = window->readings; /* in order of time */
    size_t from = 0, to = window->reading_count;
    while (from < to && all[from].time_us < window->from_us)
        from++;
    while (to > from && all[to - 1].time_us >= window->to_us)
        to--;
    window->readings = all + from;
    window->reading_count = to - from;
}

static bool load_readings(struct source *s, struct collect_summary *summary, struct err *err)
{
    struct buf query;
    struct json *root = NULL;
    buf_init(&query, 1 << 16);
    struct json_writer w = json_write(&query);
    json_put_object(&w, NULL);
    json_put_int(&w, "size", READINGS_MAX);
    json_put_object(&w, "query");
    json_put_object(&w, "bool");
    json_put_array(&w, "filter");
    put_patient(&w, summary->patient_id);
    put_range(&w, summary->window.from_us, summary->window.to_us);
    json_put_end(&w);
    json_put_end(&w);
    json_put_end(&w);
    put_sort(&w);
    json_put_end(&w);
    bool ok = search(s, "medical-vitals-*", "", &query, &root, err);
    const struct json *hits = ok ? hits_of(root, err) : NULL;
    ok = hits && window_json_readings(hits, "_source", &s->scratch, &summary->window, err);
    if (ok)
        drop_outside(&summary->window);
    json_free(root);
    buf_free(&query);
    return ok;
}

static bool add_summary(struct source *s, const struct json *document, struct err *err)
{
    struct collect_summary summary;
    struct collect_feedback *feedbacks;
    bool skip = false;
    arena_reset(&s->scratch);
    if (!collect_parse_summary(document, &s->scratch, &summary, &skip, err))
        return false;
    if (skip)
        return true;
    if (!load_readings(s, &summary, err))
        return err_context(err, "summary %s", summary.id);
    if (!summary.window.reading_count) {
        s->collecting->out->without_readings++;
        return true;
    }
    size_t count = feedbacks_of(s, summary.id, &feedbacks);
    collect_add(s->collecting, &summary, feedbacks, count);
    return true;
}

bool collect_from_search(struct collecting *collecting, struct err *err)
{
    struct source source = { .collecting = collecting,
                             .client = client_new(&(struct client_options){ .idle_timeout_ms = 30000 }) };
    arena_init(&source.arena, 256 << 20);
    arena_init(&source.scratch, 128 << 20);
    bool ok = visit_all(&source, "medical-feedback-*", keep_feedback, err) &&
              visit_all(&source, "medical-summaries-*", add_summary, err);
    mem_free(source.feedbacks);
    arena_free(&source.scratch);
    arena_free(&source.arena);
    client_free(source.client);
    return ok;
}
