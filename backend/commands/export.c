/* export.c - `wardscribe export`: everything that is kept, as NDJSON or CSV. */
#include "base/clock.h"
#include "base/progress.h"
#include "commands/commands.h"
#include "commands/data_dir.h"
#include "commands/export_source.h"
#include "commands/interrupt.h"

#include <argp.h>
#include <string.h>

static const char doc[] =
    "Writes what is kept, whole, as NDJSON or CSV.\v"
    "What:\n"
    "  readings   every single reading that is still kept, in the format that can be sent again\n"
    "  alerts     every alert as it is now: onset, peak, end, who acknowledged\n"
    "  summaries  every summary with its evidence\n"
    "  audit      who did what, with the chain of hashes (needs an admin's token)\n\n"
    "From a data directory that no server has open (default: ./wardscribe-data), or from a running server by "
    "--from URL and a token:\n"
    "  curl -s http://127.0.0.1:8002/api/auth/login -d '{\"username\":\"admin\",\"password\":\"…\"}' | jq -r "
    ".access_token > token\n\n"
    "CSV is safe in a spreadsheet: a text that would be a formula gets an apostrophe in front.  Files appear "
    "when they are whole.  Order: patients by id, then time; summaries and audit newest first.\n\n"
    "Examples:\n"
    "  wardscribe export --what alerts --out alerts.jsonl\n"
    "  wardscribe export --what readings --format csv --patient P001 --since 2026-11-23T00:00:00Z --out p001.csv\n"
    "  wardscribe export --from http://127.0.0.1:3000 --token-file token --what audit --format csv --out audit.csv\n"
    "  wardscribe export --what readings | curl -s http://ward:8001/api/ingest/vitals -H 'Content-Type: "
    "application/x-ndjson' "
    "-H \"Authorization: Bearer $(cat token)\" --data-binary @-";

enum { OPTION_FROM = 256, OPTION_TO, OPTION_SINCE, OPTION_UNTIL, OPTION_WHAT, OPTION_FORMAT, OPTION_PATIENT, OPTION_OUT,
       OPTION_TOKEN_FILE };
enum { PATIENTS_MAX = 256 };

struct arguments {
    struct data_dir_place place;
    const char *url, *token_file, *out;
    const char *patients[PATIENTS_MAX];
    struct export_query query;
    bool csv, quiet, has_what;
};

static void take_time(const char *value, int64_t *out, struct argp_state *state, const char *name)
{
    struct err err = { 0 };
    if (!time_parse(value, strlen(value), out, &err))
        argp_error(state, "--%s: a time such as 2026-11-23T13:20:00Z: %s", name, err.text);
}

static bool is_url(const char *text)
{
    return str_starts(text, "http://") || str_starts(text, "https://");
}

static void take_what(struct arguments *arguments, const char *value, struct argp_state *state)
{
    for (int i = 0; i < EXPORT_WHAT_COUNT; i++)
        if (strcmp(value, export_whats[i]) == 0) {
            arguments->query.what = (enum export_what)i;
            arguments->has_what = true;
            return;
        }
    argp_error(state, "--what: readings, alerts, summaries or audit");
}

static void take_patient(struct arguments *arguments, const char *value, struct argp_state *state)
{
    if (arguments->query.patient_count == PATIENTS_MAX)
        argp_error(state, "--patient: at most %d", PATIENTS_MAX);
    if (!value[0] || strlen(value) >= PATIENT_ID_SIZE ||
        strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") != strlen(value))
        argp_error(state, "--patient: \"%s\" is not a patient id", value);
    arguments->patients[arguments->query.patient_count++] = value;
}

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &arguments->place; return 0;
    case 'q': arguments->quiet = true; return 0;
    case OPTION_FROM:
        if (is_url(value))
            arguments->url = value;
        else
            take_time(value, &arguments->query.from_us, state, "from");
        return 0;
    case OPTION_SINCE: take_time(value, &arguments->query.from_us, state, "since"); return 0;
    case OPTION_TO:
    case OPTION_UNTIL: take_time(value, &arguments->query.to_us, state, "until"); return 0;
    case OPTION_WHAT: take_what(arguments, value, state); return 0;
    case OPTION_FORMAT:
        if (strcmp(value, "csv") != 0 && strcmp(value, "ndjson") != 0)
            argp_error(state, "--format: ndjson or csv");
        arguments->csv = strcmp(value, "csv") == 0;
        return 0;
    case OPTION_PATIENT: take_patient(arguments, value, state); return 0;
    case OPTION_OUT: arguments->out = value; return 0;
    case OPTION_TOKEN_FILE: arguments->token_file = value; return 0;
    case ARGP_KEY_ARG: argp_error(state, "'%s' is one argument too many", value); return 0;
    case ARGP_KEY_END:
        if (!arguments->has_what)
            argp_error(state, "--what is needed: readings, alerts, summaries or audit");
        if (arguments->url && arguments->place.dir)
            argp_error(state, "either --data-dir or --from URL");
        if (arguments->query.from_us >= arguments->query.to_us)
            argp_error(state, "--since must be before --until");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

struct shown {
    struct progress progress;
    const struct export_out *out;
};

static void tick(void *context)
{
    struct shown *shown = context;
    progress_update(&shown->progress, shown->out->rows, NULL);
}

static bool run(struct arguments *arguments, struct err *err)
{
    struct export_out out;
    struct shown shown = { .out = &out };
    arguments->query.patients = arguments->patients;
    arguments->query.tick = tick;
    arguments->query.tick_context = &shown;
    progress_start(&shown.progress, "export", "rows", 0);
    if (arguments->quiet)
        progress_quiet(&shown.progress);
    bool ok = export_open(&out, arguments->query.what, arguments->csv, arguments->out, err);
    if (ok && arguments->url)
        ok = export_from_server(&arguments->query, arguments->url, arguments->token_file, &out, err);
    else if (ok)
        ok = export_from_directory(&arguments->query, &arguments->place, &out, err);
    ok = export_close(&out, ok, err);
    if (ok)
        progress_end(&shown.progress, out.rows, NULL);
    else
        progress_hide(&shown.progress);
    return ok;
}

int command_export(int argc, char **argv)
{
    static const struct argp_option options[] = {
        { "what", OPTION_WHAT, "WHAT", 0, "readings, alerts, summaries or audit", 1 },
        { "format", OPTION_FORMAT, "FORMAT", 0, "ndjson (default) or csv", 1 },
        { "out", OPTION_OUT, "FILE", 0, "Where to (default: -, standard output)", 1 },
        { "patient", OPTION_PATIENT, "ID", 0, "Only this patient; may be given again", 2 },
        { "since", OPTION_SINCE, "TIME", 0, "From this time on (also: --from TIME)", 2 },
        { "until", OPTION_UNTIL, "TIME", 0, "Before this time (also: --to TIME)", 2 },
        { "to", OPTION_TO, "TIME", OPTION_HIDDEN, "", 2 },
        { "from", OPTION_FROM, "URL", 0, "A running server instead, such as http://127.0.0.1:3000", 3 },
        { "token-file", OPTION_TOKEN_FILE, "FILE", 0, "Holds a token of the server; - is standard input", 3 },
        { "quiet", 'q', NULL, 0, "No progress", 4 },
        { 0 },
    };
    static const struct argp_child children[] = { { .argp = &data_dir_argp }, { 0 } };
    static const struct argp argp = { .options = options, .parser = parse_option, .doc = doc, .children = children };
    static struct arguments arguments = { .out = "-",
                                          .query = { .to_us = INT64_C(253402300799) * US_PER_S } }; /* the year 9999 */
    struct err err = { 0 };
    if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) != 0)
        return 64;
    (void)interrupt_catch();
    return run(&arguments, &err) ? 0 : data_dir_fail("export", &err);
}
