/* summarizer.c - windows become summaries on demand; the routes.  periodic.c writes them unasked. */
#include "summarizer-service/summarizer.h"

#include "base/json.h"
#include "net/access.h"
#include "summarizer-service/feedback.h"
#include "summarizer-service/job.h"
#include "summarizer-service/periodic.h"

enum { LIST_DEFAULT = 50, LIST_MAX = 1000, ARENA_SIZE = 64 << 20 };

/* Half of the threads of the pool that writes may wait for a model that is slow or hangs; the others write what else
 * is asked. */
static bool may_wait(struct summarizer *s)
{
    int most = s->config->http.pool_threads / 2;
    return atomic_fetch_add(&s->waiting, 1) < (most ? most : 1);
}

/* Writes, stores, and leaves the document in `out`. */
static bool summarize(struct summarizer *s, uint32_t patient, struct buf *out, struct err *err)
{
    struct job job;
    bool ok = job_open(s, patient, &job, err);
    if (ok) {
        if (may_wait(s))
            job_submit(s, &job, s->config->summaries.deadline_ms);
        else
            (void)str_copy(job.fallback, sizeof job.fallback, "the model is busy with other summaries");
        ok = job_finish(s, &job, out, err);
        atomic_fetch_sub(&s->waiting, 1);
    }
    job_close(&job);
    return ok;
}

bool summarizer_start(struct summarizer *s, struct err *err)
{
    if (!models_start(s->config, s->clock, s->store, &s->models, err))
        return false;
    s->periodic = periodic_start(s);
    return true;
}

void summarizer_stop(struct summarizer *s)
{
    if (!s->periodic)
        return;
    periodic_stop(s->periodic);
    s->periodic = NULL;
    models_stop(s->models);
    s->models = NULL;
}

/* ---- routes ---- */

static void list_summaries(struct summarizer *s, const struct http_request *request, struct http_reply *reply,
                           const char *patient_id)
{
    struct arena arena;
    struct summary_row *rows;
    size_t count;
    int64_t limit;
    struct summary_query query = { .patient_id = patient_id };
    struct err err = { 0 };
    arena_init(&arena, ARENA_SIZE);
    bool ok = http_query_int(request, "limit", 1, LIST_MAX, LIST_DEFAULT, &limit, &err) &&
              http_query_time(request, "from", 0, &query.from_us, &err) &&
              http_query_time(request, "to", 0, &query.to_us, &err);
    query.limit = ok ? (size_t)limit : 0;
    if (ok && store_summaries(s->store, &arena, &query, &rows, &count, &err)) {
        struct json_writer w = json_write(reply->body);
        json_put_array(&w, NULL);
        for (size_t i = 0; i < count; i++)
            json_put_raw(&w, NULL, rows[i].document);
        json_put_end(&w);
    } else {
        http_reply_error(reply, &err);
    }
    arena_free(&arena);
}

static void get_all(void *context, struct http_request *request, struct http_reply *reply)
{
    list_summaries(context, request, reply, NULL);
}

static void get_patient(void *context, struct http_request *request, struct http_reply *reply)
{
    struct summarizer *s = context;
    struct err err = { 0 };
    const char *id = http_parameter(request, "patient_id");
    if (registry_find(s->registry, id)) {
        list_summaries(s, request, reply, id);
        return;
    }
    err_set(&err, ERR_NOT_FOUND, "Patient %s not found", id);
    http_reply_error(reply, &err);
}

static void trigger(void *context, struct http_request *request, struct http_reply *reply)
{
    struct summarizer *s = context;
    struct json *root = NULL;
    struct buf document;
    struct err err = { 0 };
    const char *id = NULL;
    uint32_t patient = 0;
    buf_init(&document, DOCUMENT_SIZE_MAX);
    bool ok = json_parse_object(request->body, request->body_size, HTTP_JSON_BODY_MAX, &root, &err) &&
              json_get_text(root, "patientId", JSON_REQUIRED, 1, PATIENT_ID_SIZE - 1, &id, &err);
    if (ok && !(patient = registry_find(s->registry, id)))
        ok = err_set(&err, ERR_NOT_FOUND, "Patient %s not found", id);
    ok = ok && summarize(s, patient, &document, &err);
    json_free(root);
    if (ok) {
        struct json_writer w = json_write(reply->body);
        json_put_object(&w, NULL);
        json_put_text(&w, "status", "ok");
        json_put_raw(&w, "summary", document.data);
        json_put_end(&w);
    } else {
        http_reply_error(reply, &err);
    }
    buf_free(&document);
}

/* Ours beside what docs/api.md asks for: the model's own facts, or null where none serves. */
static void put_model(struct json_writer *w, const struct served_info *info, const struct models_lineage *lineage)
{
    json_put_text(w, "hash", info->hash);
    json_put_int(w, "parameters", (int64_t)info->parameters);
    json_put_text(w, "precision", info->precision);
    json_put_text(w, "kernel", info->kernel);
    json_put_text(w, "input_format", model_format_name(info->format));
    json_put_text(w, "parent", lineage->parent);
    if (lineage->exam)
        json_put_raw(w, "exam", lineage->exam);
    else
        json_put_null(w, "exam");
}

static void put_no_model(struct json_writer *w)
{
    static const char *const keys[] = { "hash", "parameters", "precision", "kernel", "input_format", "parent", "exam" };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        json_put_null(w, keys[i]);
}

static void model_info(void *context, struct http_request *request, struct http_reply *reply)
{
    struct summarizer *s = context;
    struct models_lineage lineage;
    char reason[256] = "";
    struct served *served = models_take(s->models, reason, sizeof reason);
    const struct served_info *info = served ? served_info(served) : NULL;
    models_lineage(s->models, request->arena, &lineage);
    struct json_writer w = json_write(reply->body);
    json_put_object(&w, NULL);
    json_put_text(&w, "name", info ? info->name : "deterministic-writer");
    json_put_text(&w, "version", info ? info->version : WARDSCRIBE_VERSION);
    json_put_text(&w, "full_name", info ? info->dir : "Wardscribe deterministic writer");
    json_put_bool(&w, "loaded", true);
    json_put_text(&w, "type", info ? "t5" : "rules");
    json_put_text(&w, "description", info ? (info->description[0] ? info->description
                                             : "A T5 model; every sentence is proven by the guard.")
                                          : "Writes every sentence from proven facts; no language model is loaded.");
    json_put_time_if(&w, "lastUpdated", info ? info->loaded_us : 0);
    json_put_text(&w, "source", info ? "model" : "writer");
    if (info)
        put_model(&w, info, &lineage);
    else
        put_no_model(&w);
    json_put_text(&w, "problem", lineage.problem[0] ? lineage.problem : NULL);
    json_put_end(&w);
    served_release(served);
}

static void give_feedback(void *context, struct http_request *request, struct http_reply *reply)
{
    feedback_post(context, request, reply);
}

static const struct http_route routes[] = {
    { HTTP_GET,  "/api/summaries",              RIGHT_READ,    ROUTE_SLOW,   get_all,     NULL },
    { HTTP_GET,  "/api/summaries/{patient_id}", RIGHT_READ,    ROUTE_SLOW,   get_patient, NULL },
    { HTTP_POST, "/api/model/trigger-summary",  RIGHT_SUMMARY, ROUTE_WRITES, trigger,     NULL },
    { HTTP_GET,  "/api/model/info",             RIGHT_READ,    ROUTE_SLOW,   model_info,  NULL },
    { HTTP_POST, "/api/summaries/{id}/feedback", RIGHT_SUMMARY, ROUTE_WRITES, give_feedback, NULL },
};

struct http_routes summarizer_routes(struct summarizer *s)
{
    return (struct http_routes){ routes, sizeof routes / sizeof *routes, s };
}
