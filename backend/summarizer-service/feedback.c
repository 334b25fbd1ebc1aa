#include "summarizer-service/feedback.h"

#include "base/json.h"
#include "clinical/guard.h"
#include "learn/window_json.h"
#include "summarizer-service/window.h"

#include <stdio.h>
#include <string.h>

enum { ARENA_SIZE = 32 << 20, REASON_MAX = 500, DOCUMENT_MAX = 256 << 10 };

struct feedback {
    const char *summary_id, *edited_text, *reason;
    int64_t rating;                      /* 0: none */
    bool confirm;
    struct summary_row *summary;
    struct guard_result *result;         /* of the edit; NULL: none */
    char id[96];
    int64_t now_us;
};

static bool parse(const struct json *body, struct feedback *out, struct err *err)
{
    static const char *const known[] = { "rating", "edited_text", "reason", "confirm", NULL };
    if (!json_only(body, known, err) || !json_get_int(body, "rating", JSON_NULLABLE, 1, 5, &out->rating, err) ||
        !json_get_text(body, "edited_text", JSON_NULLABLE | JSON_MULTILINE, 1, GUARD_TEXT_MAX, &out->edited_text,
                       err) ||
        !json_get_text(body, "reason", JSON_NULLABLE | JSON_MULTILINE, 0, REASON_MAX, &out->reason, err) ||
        !json_get_bool(body, "confirm", JSON_NULLABLE, &out->confirm, err))
        return false;
    return out->rating || out->edited_text || err_set(err, ERR_INPUT,
                                                      "rating: required, from 1 to 5, unless edited_text is given");
}

/* ---- the edit against its window ---- */

static bool load_window(struct summarizer *s, struct arena *arena, const struct summary_row *summary,
                        const struct json *document,
                        struct window *out, struct err *err)
{
    struct reading *readings;
    *out = (struct window){ .patient = registry_find(s->registry, summary->patient_id),
                            .from_us = summary->window_start_us, .to_us = summary->window_end_us };
    if (!window_json_alerts(document, arena, out, err) ||
        !store_readings(s->store, arena, out->patient, out->from_us, out->to_us, WINDOW_READINGS_MAX, &readings,
                        &out->reading_count, err))
        return false;
    out->readings = readings;
    return true;
}

static bool check_edit(struct summarizer *s, struct arena *arena, struct feedback *feedback, struct err *err)
{
    struct alarm_limits *limits = arena_alloc(arena, sizeof *limits);
    struct facts *facts = arena_alloc(arena, sizeof *facts);
    struct window *window = arena_alloc(arena, sizeof *window);
    struct json *document = NULL;
    const char *text = feedback->summary->document;
    bool ok = json_parse_object(text, strlen(text), DOCUMENT_MAX, &document, err) &&
              load_window(s, arena, feedback->summary, document, window, err) &&
              window_limits(s, arena, window->patient, limits, err);
    json_free(document);
    if (!ok)
        return false;
    feedback->result = arena_alloc(arena, sizeof *feedback->result);
    facts_make(window, limits, facts);
    guard_check(facts, feedback->edited_text, &(struct guard_options){ .patient_id = feedback->summary->patient_id },
                arena, feedback->result);
    return true;
}

static bool is_proven(const struct feedback *feedback)
{
    return !feedback->result || (feedback->result->cut_count == 0 && feedback->result->added == 0);
}

/* What the data do not show, and what the text leaves out. */
static void put_unproven(struct json_writer *w, const struct feedback *feedback)
{
    const struct guard_result *result = feedback->result;
    json_put_array(w, "unproven");
    for (int i = 0; result && i < result->cut_count; i++) {
        json_put_object(w, NULL);
        json_put_text(w, "text", result->cuts[i].text);
        json_put_text(w, "reason", result->cuts[i].reason);
        json_put_end(w);
    }
    json_put_end(w);
    json_put_array(w, "omitted");
    for (int i = 0; result && i < result->added; i++)
        json_put_text(w, NULL, result->kept.sentences[i].text);
    json_put_end(w);
}

/* ---- keeping ---- */

static void write_document(const struct feedback *feedback, const struct http_request *request, struct buf *out)
{
    struct json_writer w = json_write(out);
    json_put_object(&w, NULL);
    json_put_text(&w, "id", feedback->id);
    json_put_text(&w, "summary_id", feedback->summary->id);
    json_put_text(&w, "patient_id", feedback->summary->patient_id);
    json_put_text(&w, "user", request->identity.username);
    json_put_text(&w, "role", request->identity.role);
    json_put_time(&w, "timestamp", feedback->now_us);
    if (feedback->rating)
        json_put_int(&w, "rating", feedback->rating);
    else
        json_put_null(&w, "rating");
    json_put_text(&w, "edited_text", feedback->edited_text);
    json_put_text(&w, "reason", feedback->reason);
    json_put_bool(&w, "confirmed", feedback->confirm);
    json_put_bool(&w, "learnable", is_proven(feedback));
    put_unproven(&w, feedback);
    json_put_end(&w);
}

static void write_audit_detail(const struct feedback *feedback, struct buf *out)
{
    struct json_writer w = json_write(out);
    json_put_object(&w, NULL);
    json_put_text(&w, "feedback", feedback->id);
    json_put_int(&w, "rating", feedback->rating);
    json_put_bool(&w, "edited", feedback->edited_text != NULL);
    json_put_int(&w, "unproven", feedback->result ? feedback->result->cut_count : 0);
    json_put_bool(&w, "learnable", is_proven(feedback));
    json_put_end(&w);
}

static bool keep(struct summarizer *s, struct feedback *feedback, const struct http_request *request,
                 struct buf *document, struct err *err)
{
    struct buf detail;
    struct feedback_row row = { .time_us = feedback->now_us };
    struct audit_row audit = { .time_us = feedback->now_us, .action = "summary.feedback" };
    (void)snprintf(feedback->id, sizeof feedback->id, "%.60s.f%lld.%lld", feedback->summary->id,
                   (long long)request->identity.user_id,
                   (long long)(feedback->now_us / US_PER_MS));
    buf_init(&detail, 4096);
    write_document(feedback, request, document);
    write_audit_detail(feedback, &detail);
    (void)str_copy(row.id, sizeof row.id, feedback->id);
    (void)str_copy(row.summary_id, sizeof row.summary_id, feedback->summary->id);
    (void)str_copy(row.patient_id, sizeof row.patient_id, feedback->summary->patient_id);
    row.document = document->data;
    (void)str_copy(audit.actor, sizeof audit.actor, request->identity.username);
    (void)str_copy(audit.object, sizeof audit.object, feedback->summary->id);
    audit.detail = detail.data;
    struct store_write write = { .feedbacks = &row, .feedback_count = 1, .audits = &audit, .audit_count = 1 };
    bool ok = store_write_sync(s->store, &write, err);
    buf_free(&detail);
    return ok;
}

/* The problem document of RFC 9457, with the lists beside it. */
static void ask_back(const struct feedback *feedback, struct http_reply *reply)
{
    reply->status = 409;
    reply->content_type = "application/problem+json";
    struct json_writer w = json_write(reply->body);
    json_put_object(&w, NULL);
    json_put_text(&w, "detail",
                  "The text claims what the data do not show, or leaves out an open critical alarm. Change it, or send "
                  "it again with \"confirm\": true: it is then kept for the record, and not learned from.");
    json_put_text(&w, "type", "about:blank");
    json_put_text(&w, "title", "Conflict");
    json_put_int(&w, "status", reply->status);
    put_unproven(&w, feedback);
    json_put_end(&w);
}

static bool handle(struct summarizer *s, struct arena *arena, struct http_request *request, struct http_reply *reply,
                   struct err *err)
{
    struct json *body = NULL;
    struct buf document;
    struct feedback feedback = { .summary_id = http_parameter(request, "id"), .now_us = clock_now_us(s->clock) };
    bool ok = json_parse_object(request->body, request->body_size, HTTP_JSON_BODY_MAX, &body, err) &&
        parse(body, &feedback, err) &&
              store_summary(s->store, arena, feedback.summary_id, &feedback.summary, err);
    if (ok && !feedback.summary)
        ok = err_set(err, ERR_NOT_FOUND, "Summary %.80s not found", feedback.summary_id);
    ok = ok && (!feedback.edited_text || check_edit(s, arena, &feedback, err));
    if (ok && !is_proven(&feedback) && !feedback.confirm) {
        ask_back(&feedback, reply);
        json_free(body);
        return true;
    }
    buf_init(&document, DOCUMENT_MAX);
    ok = ok && keep(s, &feedback, request, &document, err);
    if (ok)
        buf_add(reply->body, document.data, document.length);
    buf_free(&document);
    json_free(body);
    return ok;
}

void feedback_post(struct summarizer *s, struct http_request *request, struct http_reply *reply)
{
    struct arena arena;
    struct err err = { 0 };
    arena_init(&arena, ARENA_SIZE);
    if (!handle(s, &arena, request, reply, &err))
        http_reply_error(reply, &err);
    arena_free(&arena);
}
