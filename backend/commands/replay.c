/* replay.c - `wardscribe replay`: recordings of real patients into a running ward, or into a file of alerts. */
#include "base/config.h"
#include "base/json.h"
#include "base/mem.h"
#include "clinical/alert_json.h"
#include "commands/commands.h"
#include "commands/data_dir.h"
#include "commands/interrupt.h"
#include "commands/option.h"
#include "commands/pace.h"
#include "commands/replay_report.h"
#include "ingest/alarm_run.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char doc[] =
    "Plays recordings of real patients: into a running ward, or without one into a file of alerts.\v"
    "PATH is a file or a folder of such files.  Formats:\n"
    "  bidmc          bidmc_NN_Numerics.csv, with bidmc_NN_Fix.txt beside it for age, sex and unit\n"
    "  challenge2019  pNNNNNN.psv, an hour a line\n"
    "  challenge2012  a table of 48-hour stays, .csv or .csv.gz\n"
    "  mimic          vital signs of MIMIC-III's demo with units in the header, .csv\n"
    "Get them with `wardscribe data get NAME`.\n\n"
    "Speed: 1 is real time, 60 a minute a second, max as fast as the server takes them.  The alerts are the "
    "same at any speed: they depend on the readings' stamps only.\n\n"
    "Stamps: the formats count from the beginning of a stay, or have dates of the 22nd century.  So every "
    "patient begins at --start: 2020-01-01T00:00:00Z unless told otherwise, so that the same recording gives "
    "the same alerts with the same ids whenever it is played; sending it again changes nothing.  --start now "
    "makes it look live: at speed 1 it begins now, at other speeds it ends now (stamps in the future are "
    "refused).  --start recorded keeps mimic's own dates, for --offline.  A server drops single readings older "
    "than store.raw_retention_h and keeps their minute and hour values.\n\n"
    "A token: log in as an admin, or as a user with the role device (then ages and units are not sent):\n"
    "  curl -s http://127.0.0.1:8002/api/auth/login -d '{\"username\":\"admin\",\"password\":\"…\"}' | jq -r "
    ".access_token > token\n\n"
    "Examples:\n"
    "  wardscribe replay --format bidmc --speed 60 --to http://127.0.0.1:8001 --token-file token recordings/bidmc\n"
    "  wardscribe replay --format bidmc --start now --token-file token recordings/bidmc\n"
    "  wardscribe replay --format challenge2012 --offline --alerts-out alerts.jsonl set-a-vitals.csv.gz\n\n"
    "A server that is busy or restarts is waited for (--patience); Ctrl-C stops after the batch at hand, and the "
    "same command goes on from there in effect, for what is there already is kept once.  The report goes to standard "
    "output: text on a terminal, else one line of JSON.";

enum { OPTION_SPEED = 256, OPTION_TO, OPTION_TOKEN_FILE, OPTION_OFFLINE, OPTION_ALERTS_OUT, OPTION_START,
       OPTION_PATIENCE };

struct arguments {
    const char *format, *speed, *to, *token_file, *alerts_out, *start, *config_file;
    const char *const *paths;
    size_t path_count;
    int64_t patience_s;
    bool offline, quiet;
};

struct replay {
    struct arguments arguments;
    struct recording *recording;
    struct feed feed;
    struct alarm_run *alarms;
    struct pace pace;
    struct progress progress;
    char note[64];
    int64_t done;
    int64_t alert_counts[ALERT_TYPE_COUNT];
    double seconds;
};

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 'f': arguments->format = value; return 0;
    case 'c': arguments->config_file = value; return 0;
    case 'q': arguments->quiet = true; return 0;
    case OPTION_SPEED: arguments->speed = value; return 0;
    case OPTION_TO: arguments->to = value; return 0;
    case OPTION_TOKEN_FILE: arguments->token_file = value; return 0;
    case OPTION_OFFLINE: arguments->offline = true; return 0;
    case OPTION_ALERTS_OUT: arguments->alerts_out = value; return 0;
    case OPTION_START: arguments->start = value; return 0;
    case OPTION_PATIENCE: arguments->patience_s = option_integer(state, key, value, 1, 86400); return 0;
    case ARGP_KEY_ARGS:
        arguments->paths = (const char *const *)(state->argv + state->next);
        arguments->path_count = (size_t)(state->argc - state->next);
        return 0;
    case ARGP_KEY_NO_ARGS: argp_error(state, "which files? PATH…, a file or a folder"); return 0;
    case ARGP_KEY_END:
        if (!arguments->format)
            argp_error(state, "--format is needed: %s", recording_format_names());
        if (arguments->offline && (arguments->to || arguments->token_file))
            argp_error(state, "--offline needs no server: leave out --to and --token-file");
        if (!arguments->offline && arguments->alerts_out)
            argp_error(state, "--alerts-out goes with --offline; of a server ask `wardscribe export --what alerts`");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- when ---- */

static bool read_start(const struct replay *replay, enum recording_start *out, int64_t *out_us, struct err *err)
{
    const char *text = replay->arguments.start;
    *out = START_AT;
    *out_us = RECORDING_EPOCH_US;
    if (!text)
        return true;
    if (strcmp(text, "recorded") == 0) {
        *out = START_RECORDED;
    } else if (strcmp(text, "now") == 0) {
        bool real_time = replay->pace.speed > 0 && replay->pace.speed <= 1 && !replay->arguments.offline;
        *out = real_time ? START_AT : START_ENDS_AT;
        *out_us = clock_now_us(clock_system()) / US_PER_S * US_PER_S;
    } else if (!time_parse(text, strlen(text), out_us, err)) {
        err->kind = ERR_USAGE;
        return err_context(err, "--start: now, recorded or a time such as 2026-11-23T13:20:00Z");
    }
    return true;
}

static bool open_recording(struct replay *replay, struct err *err)
{
    struct recording_options options = { .format = replay->arguments.format, .paths = replay->arguments.paths,
                                         .path_count = replay->arguments.path_count };
    return read_start(replay, &options.start, &options.start_us, err) &&
           recording_open(&options, &replay->recording, err);
}

/* ---- into a server ---- */

static void show_progress(void *context)
{
    struct replay *replay = context;
    progress_update(&replay->progress, replay->done, replay->note);
}

static bool admit_all(struct replay *replay, struct err *err)
{
    for (uint32_t number = 1; number <= recording_patient_count(replay->recording); number++) {
        const struct recording_patient *patient = recording_patient(replay->recording, number);
        if (!feed_admit(&replay->feed, patient->id, "", patient->age, patient->gender, patient->unit, err))
            return false;
    }
    return true;
}

static bool send_all(struct replay *replay, struct err *err)
{
    struct reading reading;
    pace_begin(&replay->pace, recording_first_us(replay->recording));
    while (recording_next(replay->recording, &reading)) {
        if (!pace_wait(&replay->pace, &replay->feed, reading.time_us, show_progress, replay, err) ||
            !feed_reading(&replay->feed, &reading, recording_patient(replay->recording, reading.patient)->id, err))
            return false;
        replay->done++;
        if (!replay->feed.in_batch)
            show_progress(replay);
    }
    return feed_flush(&replay->feed, err);
}

/* --to, or the ward that this machine's configuration describes. */
static const char *server_url(const struct arguments *arguments, char out[128], struct err *err)
{
    static struct config config;
    if (arguments->to)
        return arguments->to;
    if (!data_dir_config(&(struct data_dir_place){ .config_file = arguments->config_file }, &config, err))
        return NULL;
    (void)snprintf(out, 128, "http://127.0.0.1:%d", 8001 + config.http.port_offset);
    return out;
}

static bool run_online(struct replay *replay, struct err *err)
{
    char own[128], source[SOURCE_SIZE];
    const struct arguments *arguments = &replay->arguments;
    const char *url = server_url(arguments, own, err);
    if (!url)
        return false;
    (void)snprintf(source, sizeof source, "replay-%s", arguments->format);
    struct feed_options options = { .url = url, .token_file = arguments->token_file, .source = source,
                                    .patience_s = (int)arguments->patience_s, .cancel = interrupt_catch(),
                                    .progress = &replay->progress };
    bool ok = feed_open(&replay->feed, &options, err) && admit_all(replay, err) && send_all(replay, err);
    if (!ok && interrupt_seen())
        err_set(err, ERR_REFUSED, "stopped after %lld of %lld readings; the same command again sends the rest",
                (long long)replay->feed.sent, (long long)recording_counts(replay->recording)->readings);
    return ok;
}

/* ---- into a file ---- */

static bool run_alarms(struct replay *replay, struct err *err)
{
    struct reading reading;
    replay->alarms = alarm_run_new(recording_patient_count(replay->recording));
    while (recording_next(replay->recording, &reading)) {
        if (interrupt_seen())
            return err_set(err, ERR_REFUSED, "cancelled");
        if (!alarm_run_reading(replay->alarms, &reading, err))
            return false;
        if (++replay->done % 1024 == 0)
            show_progress(replay);
    }
    return true;
}

static bool write_alerts(struct replay *replay, FILE *file, struct err *err)
{
    const struct alert *alerts;
    struct buf line;
    size_t count = alarm_run_alerts(replay->alarms, replay->recording, &alerts);
    bool ok = true;
    buf_init(&line, 16 << 10);
    for (size_t i = 0; ok && i < count; i++) {
        const struct recording_patient *patient = recording_patient(replay->recording, alerts[i].patient);
        struct alert_context context = { patient->id, patient->id, patient->unit, NULL };
        struct json_writer w = json_write(&line);
        buf_reset(&line);
        alert_write_json(&w, NULL, &alerts[i], &context);
        buf_add_char(&line, '\n');
        replay->alert_counts[alerts[i].type]++;
        ok = !file || fwrite(line.data, 1, line.length, file) == line.length;
    }
    buf_free(&line);
    return ok || err_set_errno(err, ERR_IO, errno, "%s", replay->arguments.alerts_out);
}

static bool run_offline(struct replay *replay, struct err *err)
{
    const char *path = replay->arguments.alerts_out;
    bool output = path && strcmp(path, "-") == 0;
    if (!run_alarms(replay, err))
        return false;
    FILE *file = output ? stdout : path ? fopen(path, "w") : NULL;
    if (path && !file)
        return err_set_errno(err, ERR_IO, errno, "%s", path);
    bool ok = write_alerts(replay, file, err);
    if (file && !output && fclose(file) != 0 && ok)
        ok = err_set_errno(err, ERR_IO, errno, "%s", path);
    return ok;
}

/* ---- the command ---- */

/* Where the alerts go to standard output, the report steps aside. */
static void print_report(const struct replay *replay)
{
    bool taken = str_equal(replay->arguments.alerts_out, "-");
    struct replay_report report = { .recording = replay->recording,
                                    .feed = replay->arguments.offline ? NULL : &replay->feed,
                                    .alert_counts = replay->alert_counts, .seconds = replay->seconds };
    if (!taken && isatty(STDOUT_FILENO))
        replay_report_text(&report);
    else
        replay_report_json(&report, taken ? stderr : stdout);
}

static bool run(struct replay *replay, struct err *err)
{
    if (!pace_parse(replay->arguments.speed, &replay->pace, err) || !open_recording(replay, err))
        return false;
    int64_t started_us = clock_monotonic_us(clock_system()), total = recording_counts(replay->recording)->readings;
    (void)snprintf(replay->note, sizeof replay->note, "%u patients", recording_patient_count(replay->recording));
    progress_start(&replay->progress, "replay", "readings", total);
    if (replay->arguments.quiet)
        progress_quiet(&replay->progress);
    bool ok = replay->arguments.offline ? run_offline(replay, err) : run_online(replay, err);
    if (ok)
        progress_end(&replay->progress, replay->done, replay->note);
    else
        progress_hide(&replay->progress);
    replay->seconds = (double)(clock_monotonic_us(clock_system()) - started_us) / (double)US_PER_S;
    if (!ok)
        return false;
    print_report(replay);
    /* What the server refuses line by line is in the report; all of it refused is a failure. */
    return replay->arguments.offline || replay->feed.accepted || !replay->feed.rejected ||
           err_set(err, ERR_INPUT, "the server refused every reading; the first: %s", replay->feed.first_rejection);
}

int command_replay(int argc, char **argv)
{
    static const struct argp_option options[] = {
        { "format", 'f', "NAME", 0, "bidmc, challenge2019, challenge2012 or mimic", 1 },
        { "speed", OPTION_SPEED, "max|N", 0, "1: real time (default); 60: a minute a second; max", 1 },
        { "start", OPTION_START, "WHEN", 0,
          "now, recorded or a time: when every patient begins (default: 2020-01-01T00:00:00Z)", 1 },
        { "to", OPTION_TO, "URL", 0, "The server (default: http://127.0.0.1:8001, or as the configuration says)", 2 },
        { "token-file", OPTION_TOKEN_FILE, "FILE", 0, "Holds a token of the server; - is standard input", 2 },
        { "patience", OPTION_PATIENCE, "S", 0, "How long a server that does not answer is waited for (default: 300)",
          2 },
        { "offline", OPTION_OFFLINE, NULL, 0, "No server: run the alarms here", 3 },
        { "alerts-out", OPTION_ALERTS_OUT, "FILE", 0, "Write the alerts as JSON lines; - is standard output", 3 },
        { "config", 'c', "FILE", 0, "YAML configuration", 4 },
        { "quiet", 'q', NULL, 0, "No progress", 4 },
        { 0 },
    };
    static const struct argp argp = { .options = options, .parser = parse_option, .args_doc = "PATH…", .doc = doc };
    static struct replay replay = { .arguments = { .speed = "1" } };
    struct err err = { 0 };
    if (argp_parse(&argp, argc, argv, 0, NULL, &replay.arguments) != 0)
        return 64;
    (void)interrupt_catch();
    bool ok = run(&replay, &err);
    feed_close(&replay.feed);
    alarm_run_free(replay.alarms);
    recording_close(replay.recording);
    return ok ? 0 : data_dir_fail("replay", &err);
}
