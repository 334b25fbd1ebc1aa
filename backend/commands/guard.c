/* guard.c - `wardscribe guard`: the guard alone, on any text. */
#include "base/file.h"
#include "base/json.h"
#include "clinical/guard.h"
#include "commands/commands.h"
#include "learn/window_json.h"

#include <argp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char doc[] =
    "Proves every sentence of a text against a window of readings and alerts, or cuts it.\v"
    "A sentence is kept only when each of its words is understood and each of its claims (a value with its vital and "
    "unit, a count, a time, a direction, a comparison, an alarm, a negation) is shown by the data.  An open critical "
    "alert that the text does not tell as critical is added.\n\n"
    "WINDOW is one JSON document, readings as POST /api/ingest/vitals takes them and alerts as GET /api/alerts gives "
    "them:\n\n"
    "  {\"patient_id\": \"P001\",\n"
    "   \"readings\": [{\"timestamp\": \"2026-11-23T13:20:00Z\", \"heartRate\": 112, \"spO2\": 91,\n"
    "                 \"bloodPressure\": {\"systolic\": 148, \"diastolic\": 92},\n"
    "                 \"temperature\": 38.4, \"respiratory\": 24, \"source\": \"monitor-7\"}],\n"
    "   \"alerts\": [{\"type\": \"Tachycardia Alert\", \"severity\": \"warning\", \"state\": \"active\",\n"
    "               \"onset\": \"2026-11-23T13:18:00Z\", \"end\": null, \"acknowledged\": false,\n"
    "               \"peak_value\": 115, \"peak_at\": \"2026-11-23T13:19:00Z\"}],\n"
    "   \"window_start\": \"2026-11-23T13:15:00Z\", \"window_end\": \"2026-11-23T13:20:00Z\"}\n\n"
    "Optional: patient_id, alerts, window_start, window_end, every vital.  Times in the text are hh:mm, UTC.\n\n"
    "Examples:\n"
    "  wardscribe guard --window window.json --text summary.txt\n"
    "  echo 'Heart rate was 112 bpm at 13:20.' | wardscribe guard --window window.json --text - --json\n\n"
    "Exit status: 0 whatever was cut (1 with --strict when something was), others as in sysexits.h.";

struct arguments {
    const char *window, *text;
    bool json, strict, alias;
};

enum { KEY_ALIAS = 256, KEY_STRICT };
enum { TEXT_SIZE_MAX = 1 << 20 };

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 'w': arguments->window = value; return 0;
    case 't': arguments->text = value; return 0;
    case 'j': arguments->json = true; return 0;
    case KEY_ALIAS: arguments->alias = true; return 0;
    case KEY_STRICT: arguments->strict = true; return 0;
    case ARGP_KEY_ARG: argp_error(state, "'%s' is one argument too many", value); return 0;
    case ARGP_KEY_END:
        if (!arguments->window || !arguments->text)
            argp_error(state, "--window and --text are needed");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static bool read_all(const char *path, size_t size_max, struct buf *out, struct err *err)
{
    return strcmp(path, "-") == 0 ? file_read_fd(STDIN_FILENO, path, size_max, out, err)
                                  : file_read(path, size_max, out, err);
}

static void put_kept(struct json_writer *w, const struct window_document *document, const struct guard_result *result)
{
    json_put_array(w, "sentences");
    for (int i = 0; i < result->kept.count; i++) {
        const struct sentence *sentence = &result->kept.sentences[i];
        json_put_object(w, NULL);
        json_put_text(w, "text", sentence->text);
        json_put_bool(w, "added", i < result->added);
        json_put_array(w, "evidence");
        for (int e = 0; e < sentence->evidence_count; e++) {
            char id[EVIDENCE_ID_SIZE];
            evidence_id(&sentence->evidence[e], document->patient_id, document->sources[sentence->evidence[e].source],
                        id);
            json_put_text(w, NULL, id);
        }
        json_put_end(w);
        json_put_end(w);
    }
    json_put_end(w);
}

static void print_json(const struct window_document *document, const struct guard_result *result, const char *text)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    struct json_writer w = json_write(&out);
    json_put_object(&w, NULL);
    json_put_text(&w, "text", text);
    put_kept(&w, document, result);
    json_put_array(&w, "removed");
    for (int i = 0; i < result->cut_count; i++) {
        json_put_object(&w, NULL);
        json_put_text(&w, "text", result->cuts[i].text);
        json_put_text(&w, "reason", result->cuts[i].reason);
        json_put_end(&w);
    }
    json_put_end(&w);
    json_put_int(&w, "sentence_count", result->sentence_count);
    json_put_int(&w, "removed_count", result->cut_count);
    json_put_int(&w, "added_count", result->added);
    json_put_end(&w);
    (void)puts(out.data);
    buf_free(&out);
}

static void print_text(const struct guard_result *result, const char *text)
{
    (void)printf("%s\n", text);
    for (int i = 0; i < result->cut_count; i++)
        (void)fprintf(stderr, "cut: %s: %s\n", result->cuts[i].reason, result->cuts[i].text);
    if (result->added)
        (void)fprintf(stderr, "added: %d about critical alerts that the text omits\n", result->added);
}

static bool run(const struct arguments *arguments, struct arena *arena, struct buf *window, struct buf *text,
                bool *out_cut, struct err *err)
{
    struct window_document document;
    struct facts *facts = arena_alloc(arena, sizeof *facts);
    struct guard_result *result = arena_alloc(arena, sizeof *result);
    if (!read_all(arguments->window, WINDOW_JSON_SIZE_MAX, window, err) ||
        !read_all(arguments->text, TEXT_SIZE_MAX, text, err))
        return false;
    if (!window_json_parse(window->data, window->length, arena, &document, err))
        return err_context(err, "%s", arguments->window);
    if (strlen(text->data) != text->length)
        return err_set(err, ERR_INPUT, "%s: has a NUL byte", arguments->text);
    facts_make(&document.window, &alarm_limits_default, facts);
    struct guard_options options = { .patient_id = document.patient_id[0] ? document.patient_id : NULL,
                                     .alias = arguments->alias };
    guard_check(facts, text->data, &options, arena, result);
    const char *kept = summary_join(&result->kept, arena);
    if (arguments->json)
        print_json(&document, result, kept);
    else
        print_text(result, kept);
    *out_cut = result->cut_count > 0 || result->added > 0;
    return true;
}

int command_guard(int argc, char **argv)
{
    static const struct argp_option options[] = {
        { "window", 'w', "FILE", 0, "The window as JSON (see below); - is standard input", 0 },
        { "text", 't', "FILE", 0, "The text to prove; - is standard input", 0 },
        { "json", 'j', NULL, 0, "Kept sentences with their evidence, removed ones with the reason", 0 },
        { "alias", KEY_ALIAS, NULL, 0, "\"Patient 1\" and \"Patient X\" are this patient: a model's words", 0 },
        { "strict", KEY_STRICT, NULL, 0, "Exit status 1 when something was cut or added", 0 },
        { 0 },
    };
    static const struct argp argp = { .options = options, .parser = parse_option, .doc = doc };
    struct arguments arguments = { 0 };
    struct arena arena;
    struct buf window = { 0 }, text = { 0 };
    struct err err = { 0 };
    bool cut = false;
    if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) != 0)
        return 64;
    arena_init(&arena, 64 << 20);
    bool ok = run(&arguments, &arena, &window, &text, &cut, &err);
    buf_free(&window);
    buf_free(&text);
    arena_free(&arena);
    if (!ok) {
        (void)fprintf(stderr, "wardscribe guard: %s\n", err.text);
        return err_exit_status(err.kind);
    }
    return arguments.strict && cut ? 1 : 0;
}
