#include "learn/collect_internal.h"

#include "learn/window_json.h"

#include <string.h>

static const char *copy_text(struct arena *arena, const char *text)
{
    return text ? arena_copy(arena, text, strlen(text)) : NULL;
}

static int count_of(const struct json *document, const char *key)
{
    const struct json *list = NULL;
    return json_get_array(document, key, JSON_NULLABLE, 10000, &list, NULL) && list ? (int)json_count(list) : 0;
}

/* The API's document says ml_summary, the search index summary_text (docs/api.md); both may stand. */
static bool take_text(const struct json *document, const char **out, struct err *err)
{
    unsigned how = JSON_NULLABLE | JSON_MULTILINE;
    return json_get_text(document, "summary_text", how, 0, SAMPLE_TEXT_MAX, out, err) &&
           json_get_text(document, "ml_summary", how, 0, SAMPLE_TEXT_MAX, out, err);
}

bool collect_parse_summary(const struct json *document, struct arena *arena, struct collect_summary *out,
                           bool *out_skip, struct err *err)
{
    const char *id = NULL, *patient = NULL, *text = NULL, *source = "writer";
    *out = (struct collect_summary){ .limits = alarm_limits_default };
    if (!json_get_text(document, json_has(document, "summary_id") ? "summary_id" : "id", JSON_NULLABLE, 0, 128, &id,
                       err) ||
        !json_get_text(document, "patient_id", JSON_REQUIRED, 1, 64, &patient, err) ||
        !take_text(document, &text, err) || !json_get_text(document, "source", JSON_NULLABLE, 0, 32, &source, err) ||
        !json_get_time(document, json_has(document, "@timestamp") ? "@timestamp" : "timestamp", JSON_REQUIRED,
                       &out->time_us, err) ||
        !json_get_time(document, "window_start", JSON_NULLABLE, &out->window.from_us, err) ||
        !json_get_time(document, "window_end", JSON_NULLABLE, &out->window.to_us, err) ||
        !window_json_alerts(document, arena, &out->window, err))
        return err_context(err, "summary %s", id ? id : "?");
    out->id = copy_text(arena, id);
    out->patient_id = copy_text(arena, patient);
    out->text = copy_text(arena, text);
    out->from_model = strcmp(source, "model") == 0;
    out->cut_count = count_of(document, "removed");
    *out_skip = !id || !text || !*text || !out->window.to_us;
    return true;
}

bool collect_parse_feedback(const struct json *document, struct arena *arena, struct collect_feedback *out,
                            struct err *err)
{
    const char *summary = "", *user = "", *text = NULL;
    int64_t rating = 0;
    *out = (struct collect_feedback){ 0 };
    bool ok = json_get_text(document, "summary_id", JSON_REQUIRED, 1, 128, &summary, err) &&
              json_get_text(document, "user", JSON_NULLABLE, 0, 64, &user, err) &&
              json_get_text(document, "edited_text", JSON_NULLABLE | JSON_MULTILINE, 0, SAMPLE_TEXT_MAX, &text, err) &&
              json_get_int(document, "rating", JSON_NULLABLE, 0, 5, &rating, err) &&
              json_get_bool(document, "learnable", JSON_NULLABLE, &out->learnable, err) &&
              json_get_time(document, json_has(document, "@timestamp") ? "@timestamp" : "timestamp", JSON_REQUIRED,
                            &out->time_us, err);
    out->summary_id = copy_text(arena, summary);
    out->user = copy_text(arena, user);
    out->edited_text = copy_text(arena, text && *text ? text : NULL);
    out->rating = (int)rating;
    return ok || err_context(err, "feedback on %s", summary);
}

static void add_sample(struct collecting *collecting, const struct sample *sample)
{
    struct buf line;
    buf_init(&line, SAMPLE_LINE_MAX);
    sample_write(sample, &line);
    (void)fwrite(line.data, 1, line.length, collecting->file);
    buf_free(&line);
}

/* The last rating of the text as it was counts; an edit says by itself that it was not good enough. */
void collect_add(struct collecting *collecting, const struct collect_summary *summary,
                 const struct collect_feedback *feedbacks, size_t count)
{
    char patient[17];
    sample_patient(summary->patient_id, patient);
    struct sample sample = {
        .summary_id = summary->id, .patient = patient, .user = "", .text = summary->text,
        .cut_count = summary->cut_count, .kind = summary->from_model ? SAMPLE_MODEL : SAMPLE_WRITER,
        .time_us = summary->time_us, .window = summary->window, .limits = summary->limits,
    };
    for (size_t i = 0; i < count; i++)
        if (feedbacks[i].rating) {
            sample.rating = feedbacks[i].rating;
            sample.kind = SAMPLE_RATED;
            collecting->out->ratings++;
        }
    add_sample(collecting, &sample);
    for (size_t i = 0; i < count; i++) {
        const struct collect_feedback *feedback = &feedbacks[i];
        if (!feedback->edited_text || !feedback->learnable)
            continue;
        struct sample edit = sample;
        edit.kind = SAMPLE_EDIT;
        edit.user = feedback->user;
        edit.rating = feedback->rating;
        edit.cut_count = 0;
        edit.text = feedback->edited_text;
        edit.time_us = feedback->time_us;
        add_sample(collecting, &edit);
        collecting->out->edits++;
    }
    if (++collecting->out->summaries % 100 == 0 && collecting->options->progress)
        collecting->options->progress(collecting->options->progress_context, collecting->out->summaries);
}

bool collect(const struct collect_options *options, const char *out_path, struct collected *out, struct err *err)
{
    *out = (struct collected){ 0 };
    struct collecting collecting = { options, out, fopen(out_path, "wb") };
    if (!collecting.file)
        return err_set(err, ERR_IO, "%s: cannot be written", out_path);
    bool search = str_starts(options->from, "http://") || str_starts(options->from, "https://");
    bool ok = (search ? collect_from_search : collect_from_sqlite)(&collecting, err);
    bool written = !ferror(collecting.file);
    return ((fclose(collecting.file) == 0 && written) ||
            err_set(ok ? err : NULL, ERR_IO, "%s: cannot be written; is the disk full?", out_path)) &&
           ok;
}
