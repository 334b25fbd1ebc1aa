#include "learn/sample.h"

#include "base/digest.h"
#include "base/json.h"
#include "base/lines.h"
#include "learn/window_json.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const char *const kind_names[SAMPLE_KIND_COUNT + 1] = { "edit", "rated", "model", "writer", NULL };

const char *sample_kind_name(enum sample_kind kind)
{
    return kind_names[kind];
}

void sample_patient(const char *patient_id, char out[17])
{
    char hash[DIGEST_TEXT_SIZE];
    struct digest *digest = digest_start(DIGEST_SHA256, 0);
    digest_add(digest, patient_id, strlen(patient_id));
    digest_end(digest, hash);
    (void)snprintf(out, 17, "%.16s", hash);
}

/* ---- writing ---- */

static void put_limits(struct json_writer *w, const struct alarm_limits *limits)
{
    char hex[2 * sizeof *limits + 1] = "";
    const unsigned char *bytes = (const unsigned char *)limits;
    if (memcmp(limits, &alarm_limits_default, sizeof *limits) != 0)
        for (size_t i = 0; i < sizeof *limits; i++)
            (void)snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
    json_put_text(w, "limits", hex);
}

void sample_write(const struct sample *sample, struct buf *out)
{
    struct json_writer w = json_write(out);
    json_put_object(&w, NULL);
    json_put_text(&w, "summary_id", sample->summary_id);
    json_put_text(&w, "patient", sample->patient);
    json_put_text(&w, "kind", kind_names[sample->kind]);
    json_put_text(&w, "user", sample->user);
    json_put_int(&w, "rating", sample->rating);
    json_put_int(&w, "cuts", sample->cut_count);
    json_put_time(&w, "time", sample->time_us);
    json_put_text(&w, "text", sample->text);
    put_limits(&w, &sample->limits);
    window_json_write(&w, "window", &sample->window);
    json_put_end(&w);
    buf_add_char(out, '\n');
}

/* ---- reading ---- */

static bool take_limits(const struct json *root, struct alarm_limits *out, struct err *err)
{
    const char *hex = "";
    unsigned char *bytes = (unsigned char *)out;
    *out = alarm_limits_default;
    if (!json_get_text(root, "limits", 0, 0, 8192, &hex, err))
        return false;
    if (strlen(hex) != 2 * sizeof *out)
        return true;
    for (size_t i = 0; i < sizeof *out; i++) {
        unsigned byte;
        if (!isxdigit((unsigned char)hex[2 * i]) || sscanf(hex + 2 * i, "%2x", &byte) != 1)
            return err_set(err, ERR_INPUT, "limits: must be hexadecimal digits");
        bytes[i] = (unsigned char)byte;
    }
    return limits_validate(out, err) || err_context(err, "limits");
}

static bool take_window(const struct json *root, struct arena *arena, struct window *out, struct err *err)
{
    const struct json *object = NULL;
    struct window_document document;
    if (!json_get_object(root, "window", JSON_REQUIRED, &object, err) ||
        !window_json_take(object, arena, &document, err))
        return false;
    *out = document.window;
    return true;
}

static bool take_text(const struct json *root, const char *key, unsigned how, size_t max, struct arena *arena,
                      const char **out, struct err *err)
{
    const char *text = "";
    if (!json_get_text(root, key, how, how & JSON_REQUIRED ? 1 : 0, max, &text, err))
        return false;
    *out = arena_copy(arena, text, strlen(text));
    return true;
}

static bool take_sample(const struct json *root, struct arena *arena, struct sample *out, struct err *err)
{
    int kind = 0;
    int64_t rating = 0, cuts = 0;
    bool ok = take_text(root, "patient", JSON_REQUIRED, 64, arena, &out->patient, err) &&
              take_text(root, "summary_id", 0, 128, arena, &out->summary_id, err) &&
              take_text(root, "user", 0, 64, arena, &out->user, err) &&
              take_text(root, "text", JSON_REQUIRED | JSON_MULTILINE, SAMPLE_TEXT_MAX, arena, &out->text, err) &&
              json_get_choice(root, "kind", JSON_REQUIRED, kind_names, &kind, err) &&
              json_get_int(root, "rating", 0, 0, 5, &rating, err) &&
              json_get_int(root, "cuts", 0, 0, 1000, &cuts, err) &&
              json_get_time(root, "time", 0, &out->time_us, err) && take_limits(root, &out->limits, err) &&
              take_window(root, arena, &out->window, err);
    out->kind = (enum sample_kind)kind;
    out->rating = (int)rating;
    out->cut_count = (int)cuts;
    return ok;
}

struct reader {
    struct arena arena;
    sample_visitor *visit;
    void *context;
};

static bool read_line(void *context, const char *line, size_t length, struct err *err)
{
    struct reader *reader = context;
    struct json *root = NULL;
    struct sample sample = { 0 };
    arena_reset(&reader->arena);
    bool ok = json_parse_object(line, length, SAMPLE_LINE_MAX, &root, err) &&
              take_sample(root, &reader->arena, &sample, err);
    json_free(root);
    return ok && reader->visit(reader->context, &sample, err);
}

bool samples_read(const char *path, sample_visitor *visit, void *context, struct err *err)
{
    struct reader reader = { .visit = visit, .context = context };
    arena_init(&reader.arena, 8 * (size_t)SAMPLE_LINE_MAX);
    bool ok = lines_read(path, SAMPLE_LINE_MAX, read_line, &reader, err);
    arena_free(&reader.arena);
    return ok;
}
