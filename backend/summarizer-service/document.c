/* document.c - a summary as it is stored and served (openapi.yaml, schema Summary). */
#include "base/json.h"
#include "clinical/alert_json.h"
#include "summarizer-service/job.h"

#include <stdio.h>

static void put_evidence(struct json_writer *w, const struct summarizer *s, const struct job *job,
                         const struct evidence *evidence)
{
    struct alert alert = { .type = evidence->alert_type, .onset_us = evidence->time_us };
    char id[ALERT_ID_SIZE], stamp[TIME_TEXT_SIZE];
    if (evidence->is_alert)
        (void)alert_id_format(&alert, job->row.id, id);
    else
        (void)snprintf(id, sizeof id, "%s@%s", registry_source_name(s->registry, evidence->source),
                       time_format(evidence->time_us, stamp));
    json_put_text(w, NULL, id);
}

static void put_sentences(struct json_writer *w, const struct summarizer *s, const struct job *job)
{
    json_put_array(w, "sentences");
    for (int i = 0; i < job->result->kept.count; i++) {
        const struct sentence *sentence = &job->result->kept.sentences[i];
        json_put_object(w, NULL);
        json_put_text(w, "text", sentence->text);
        json_put_bool(w, "added", i < job->result->added);
        json_put_array(w, "evidence");
        for (int e = 0; e < sentence->evidence_count; e++)
            put_evidence(w, s, job, &sentence->evidence[e]);
        json_put_end(w);
        json_put_end(w);
    }
    json_put_end(w);
}

static void put_removed(struct json_writer *w, const struct guard_result *result)
{
    json_put_array(w, "removed");
    for (int i = 0; i < result->cut_count; i++) {
        json_put_object(w, NULL);
        json_put_text(w, "text", result->cuts[i].text);
        json_put_text(w, "reason", result->cuts[i].reason);
        json_put_end(w);
    }
    json_put_end(w);
}

/* As they were when this was written: what a later check of an edit holds it against. */
static void put_alerts(struct json_writer *w, const struct job *job)
{
    struct alert_context context = { .patient_id = job->row.id };
    json_put_array(w, "alerts");
    for (size_t i = 0; i < job->window.alert_count; i++)
        alert_write_json(w, NULL, &job->window.alerts[i], &context);
    json_put_end(w);
}

static void add_active_alerts(struct buf *out, const struct window *window)
{
    bool any = false;
    for (int severity = SEVERITY_CRITICAL; severity >= SEVERITY_INFO; severity--)
        for (size_t i = 0; i < window->alert_count; i++) {
            if (window->alerts[i].severity != severity || window->alerts[i].state == ALERT_CLOSED)
                continue;
            buf_printf(out, "%s\n- [%s] ", any ? "" : "\n\nActive alerts:",
                       severity_name((enum alert_severity)severity));
            alert_message(&window->alerts[i], out);
            any = true;
        }
}

static size_t open_count(const struct window *window)
{
    size_t count = 0;
    for (size_t i = 0; i < window->alert_count; i++)
        count += window->alerts[i].state != ALERT_CLOSED;
    return count;
}

static void put_texts(struct json_writer *w, const struct job *job)
{
    struct buf full;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    const char *proven = summary_join(&job->result->kept, &arena);
    buf_init(&full, 64 << 10);
    buf_printf(&full, "**Clinical Summary for %s**\n\n%s", job->row.name, proven);
    add_active_alerts(&full, &job->window);
    json_put_text(w, "text", full.data);
    json_put_text(w, "ml_summary", proven);
    buf_free(&full);
    arena_free(&arena);
}

static void put_origin(struct json_writer *w, const struct job *job)
{
    struct served_info *info = job->from_model ? served_info(job->model) : NULL;
    json_put_text(w, "model_name", info ? info->name : "deterministic-writer");
    json_put_text(w, "model_version", info ? info->version : WARDSCRIBE_VERSION);
    json_put_text(w, "writer", info ? "t5" : "deterministic");
    json_put_text(w, "source", info ? "model" : "writer");
    json_put_text(w, "fallback_reason", info ? NULL : job->fallback[0] ? job->fallback : "no model serves");
}

void job_document(const struct summarizer *s, const struct job *job, struct buf *out)
{
    struct json_writer w = json_write(out);
    json_put_object(&w, NULL);
    json_put_text(&w, "id", job->id);
    json_put_text(&w, "patient_id", job->row.id);
    json_put_text(&w, "patient_name", job->row.name);
    put_texts(&w, job);
    json_put_int(&w, "vitals_count", (int64_t)job->window.reading_count);
    json_put_int(&w, "alerts_count", (int64_t)open_count(&job->window));
    json_put_decimal(&w, "processing_time_ms", clock_monotonic_us(s->clock) - job->started_us, 3);
    json_put_time(&w, "timestamp", job->now_us);
    put_origin(&w, job);
    put_sentences(&w, s, job);
    put_removed(&w, job->result);
    put_alerts(&w, job);
    json_put_time(&w, "window_start", job->window.from_us);
    json_put_time(&w, "window_end", job->window.to_us);
    json_put_end(&w);
}
