#include "summarizer-service/job.h"

#include "base/log.h"
#include "base/metric.h"

#include <stdio.h>

enum { ARENA_SIZE = 32 << 20 };

static struct metric written_total = METRIC_COUNTER("wardscribe_summaries_total", "Summaries written.");
static struct metric by_model = METRIC_COUNTER("wardscribe_summaries_by_model_total",
                                               "Summaries that the model wrote.");
static struct metric by_writer = METRIC_COUNTER("wardscribe_summaries_by_writer_total",
                                                "Summaries that the deterministic writer wrote.");
static struct metric cut_total = METRIC_COUNTER("wardscribe_guard_cut_total",
                                                "Sentences of the model that the guard cut.");
static struct metric added_total = METRIC_COUNTER("wardscribe_guard_added_total",
                                                  "Sentences about critical alerts that the model omitted.");
static struct metric write_time = METRIC_HISTOGRAM("wardscribe_summary_seconds", "From window to stored summary.");

bool job_open(struct summarizer *s, uint32_t patient, struct job *job, struct err *err)
{
    *job = (struct job){ .started_us = clock_monotonic_us(s->clock), .now_us = clock_now_us(s->clock) };
    arena_init(&job->arena, ARENA_SIZE);
    if (!registry_row(s->registry, patient, &job->row))
        return err_set(err, ERR_NOT_FOUND, "Patient not found");
    if (!window_load(s, &job->arena, patient, &job->window, err) ||
        !window_limits(s, &job->arena, patient, &job->limits, err))
        return false;
    if (!job->window.reading_count && !job->window.alert_count)
        return err_set(err, ERR_CONFLICT, "Patient %s has no readings to summarize", job->row.id);
    (void)snprintf(job->id, sizeof job->id, "%s.summary.%lld", job->row.id, (long long)(job->now_us / US_PER_MS));
    job->facts = arena_alloc(&job->arena, sizeof *job->facts);
    job->result = arena_alloc(&job->arena, sizeof *job->result);
    facts_make(&job->window, &job->limits, job->facts);
    return true;
}

void job_submit(struct summarizer *s, struct job *job, int deadline_ms)
{
    struct err err = { 0 };
    int64_t deadline_us = clock_monotonic_us(s->clock) + deadline_ms * US_PER_MS;
    job->model = s->models ? models_take(s->models, job->fallback, sizeof job->fallback) : NULL;
    if (job->model && !served_submit(job->model, job->facts, deadline_us, &job->ticket, &err))
        (void)snprintf(job->fallback, sizeof job->fallback, "%.255s", err.text);
}

/* true: something of it is proven. */
static bool model_writes(struct job *job)
{
    struct guard_options options = { .patient_id = job->row.id, .alias = true };
    const char *text;
    struct err err = { 0 };
    struct served_ticket *ticket = job->ticket;
    job->ticket = NULL;
    if (!ticket)
        return false;
    if (!served_wait(ticket, &job->arena, &text, &err)) {
        (void)snprintf(job->fallback, sizeof job->fallback, "%.255s", err.text);
        return false;
    }
    guard_check(job->facts, text, &options, &job->arena, job->result);
    metric_add(&cut_total, job->result->cut_count);
    metric_add(&added_total, job->result->added);
    if (job->result->kept.count > job->result->added)
        return true;
    (void)snprintf(job->fallback, sizeof job->fallback, "nothing that the model wrote is proven");
    return false;
}

/* The writer's text goes through the guard too: a cut there is a mistake of ours, and is not shown. */
static void writer_writes(struct job *job)
{
    struct summary_text *text = arena_alloc(&job->arena, sizeof *text);
    struct guard_result *result = arena_alloc(&job->arena, sizeof *result);
    writer_write(job->facts, WRITER_HOUSE, &job->arena, text);
    guard_check(job->facts, summary_join(text, &job->arena), &(struct guard_options){ .patient_id = job->row.id },
                &job->arena, result);
    if (result->cut_count)
        log_error("the writer wrote what the guard does not take", LOG_STR("patient_id", job->row.id),
                  LOG_STR("text", result->cuts[0].text),
                  LOG_STR("reason", result->cuts[0].reason));
    for (int i = 0; i < job->result->cut_count &&
         result->cut_count < GUARD_CUTS_MAX; i++) /* what the model wrote stays on record */
        result->cuts[result->cut_count++] = job->result->cuts[i];
    job->result = result;
}

void job_write(struct summarizer *s, struct job *job, struct buf *out, struct summary_row *out_row)
{
    *out_row = (struct summary_row){ .time_us = job->now_us, .window_start_us = job->window.from_us,
                                     .window_end_us = job->window.to_us };
    job->from_model = model_writes(job);
    if (!job->from_model)
        writer_writes(job);
    job_document(s, job, out);
    (void)str_copy(out_row->id, sizeof out_row->id, job->id);
    (void)str_copy(out_row->patient_id, sizeof out_row->patient_id, job->row.id);
    out_row->document = out->data;
}

void job_stored(const struct summarizer *s, const struct job *job, bool ok)
{
    metric_add(&written_total, ok);
    metric_add(job->from_model ? &by_model : &by_writer, ok);
    metric_observe_us(&write_time, clock_monotonic_us(s->clock) - job->started_us);
}

bool job_finish(struct summarizer *s, struct job *job, struct buf *out, struct err *err)
{
    struct summary_row row;
    job_write(s, job, out, &row);
    struct store_write write = { .summaries = &row, .summary_count = 1 };
    bool ok = store_write_sync(s->store, &write, err);
    job_stored(s, job, ok);
    return ok;
}

void job_close(struct job *job)
{
    served_give_up(job->ticket);
    served_release(job->model);
    arena_free(&job->arena);
}
