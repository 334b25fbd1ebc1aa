#include "ingest/ndjson.h"

#include "ingest/json_scan.h"

#include <string.h>

/* Every line of the largest batch refused: a detail quotes at most 56 bytes of the sender's text, the
 * longest message of json_reading.c has 110 of its own; escaping makes at most a third more of it. */
enum { REJECTS_SIZE_MAX = LINE_COUNT_MAX * 256 };

void ingest_answer_init(struct ingest_answer *answer)
{
    *answer = (struct ingest_answer){ 0 };
    buf_init(&answer->rejects, REJECTS_SIZE_MAX);
}

void ingest_answer_free(struct ingest_answer *answer)
{
    buf_free(&answer->rejects);
}

void ingest_answer_reject(struct ingest_answer *answer, size_t line, const char *field, const char *detail)
{
    struct buf *out = &answer->rejects;
    buf_add_text(out, answer->rejected++ ? ",{\"line\":" : "{\"line\":");
    buf_add_int(out, (int64_t)line);
    buf_add_text(out, ",\"field\":");
    buf_add_json_string(out, field, strlen(field));
    buf_add_text(out, ",\"detail\":");
    buf_add_json_string(out, detail, strlen(detail));
    buf_add_char(out, '}');
}

int ingest_answer_status(const struct ingest_answer *answer)
{
    if (answer->rejected == 0)
        return 200;
    return answer->accepted > 0 ? 207 : 400;
}

void ingest_answer_write(const struct ingest_answer *answer, struct buf *out)
{
    buf_add_text(out, "{\"accepted\":");
    buf_add_int(out, answer->accepted);
    buf_add_text(out, ",\"rejected\":[");
    buf_add(out, answer->rejects.data, answer->rejects.length);
    buf_add_text(out, "]}");
}

struct walk {
    const char *p, *end;
    int64_t now_us;
    ndjson_visitor *visit;
    void *context;
    struct ingest_answer *answer;
    size_t line, count;
    struct json_reading reading;
    struct json_reading_error error;
};

static bool is_blank(const char *p, const char *end)
{
    struct json_scan scan = { p, end };
    json_scan_space(&scan);
    return scan.p == scan.end;
}

static void count_in(struct walk *w, bool taken)
{
    if (taken && w->visit(w->context, w->line, &w->reading, &w->error))
        w->answer->accepted++;
    else
        ingest_answer_reject(w->answer, w->line, w->error.field, w->error.detail);
}

static bool over_limit(struct walk *w, struct err *err)
{
    if (++w->count <= LINE_COUNT_MAX)
        return false;
    err_set(err, ERR_TOO_LARGE, "more than %d readings in one body", LINE_COUNT_MAX);
    return true;
}

static bool walk_lines(struct walk *w, struct err *err)
{
    while (w->p < w->end) {
        const char *newline = memchr(w->p, '\n', (size_t)(w->end - w->p));
        const char *line = w->p, *line_end = newline ? newline : w->end;
        w->line++;
        w->p = newline ? newline + 1 : w->end;
        if (is_blank(line, line_end))
            continue;
        if (over_limit(w, err))
            return false;
        count_in(w, json_reading_parse(line, (size_t)(line_end - line), w->now_us, &w->reading, &w->error));
    }
    return true;
}

static bool walk_document(struct walk *w)
{
    w->line = 1;
    count_in(w, json_reading_parse(w->p, (size_t)(w->end - w->p), w->now_us, &w->reading, &w->error));
    return true;
}

/* Moves behind the item at w->p whether it was taken or not; false: not JSON, nothing follows. */
static bool next_item(struct walk *w)
{
    size_t size = (size_t)(w->end - w->p), used;
    bool taken = json_reading_parse_one(w->p, size, w->now_us, &w->reading, &used, &w->error);
    bool readable = taken || json_reading_skip(w->p, size, &used);
    count_in(w, taken);
    w->p += used;
    return readable;
}

static bool walk_array(struct walk *w, struct err *err)
{
    struct json_scan scan = { w->p + 1, w->end };
    if (json_scan_char(&scan, ']') && is_blank(scan.p, scan.end))
        return err_set(err, ERR_INPUT, "the array of readings is empty");
    do {
        w->line++;
        if (over_limit(w, err))
            return false;
        w->p = scan.p;
        if (!next_item(w))
            return true;
        scan.p = w->p;
    } while (json_scan_char(&scan, ','));
    if (!json_scan_char(&scan, ']') || !is_blank(scan.p, scan.end))
        ingest_answer_reject(w->answer, w->line + 1, "", "the array must end here: , or ] expected");
    return true;
}

/* One object that goes on behind the end of its first line. */
static bool is_one_document(const struct walk *w)
{
    size_t used;
    return json_reading_skip(w->p, (size_t)(w->end - w->p), &used) && memchr(w->p, '\n', used) &&
           is_blank(w->p + used, w->end);
}

bool ndjson_parse(const char *body, size_t size, int64_t now_us, ndjson_visitor *visit, void *context,
                  struct ingest_answer *answer, struct err *err)
{
    struct walk w = { .p = body, .end = body + size, .now_us = now_us, .visit = visit,
                      .context = context, .answer = answer };
    if (size >= 3 && memcmp(body, "\xef\xbb\xbf", 3) == 0)
        w.p += 3;
    struct json_scan start = { w.p, w.end };
    char first = json_scan_peek(&start);
    if (!first)
        return err_set(err, ERR_INPUT, "the body holds no reading");
    bool document = false;
    if (first == '{' || first == '[') {
        struct walk at = w;
        at.p = start.p;
        document = first == '{' && is_one_document(&at);
        if (first == '[' || document)
            w.p = start.p;
    }
    return first == '[' ? walk_array(&w, err) : document ? walk_document(&w) : walk_lines(&w, err);
}
