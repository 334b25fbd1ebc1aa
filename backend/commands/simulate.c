/* simulate.c - `wardscribe simulate`: the seeded ward as NDJSON, or into a running server. */
#include "base/json.h"
#include "base/mem.h"
#include "commands/commands.h"
#include "commands/data_dir.h"
#include "commands/interrupt.h"
#include "commands/option.h"
#include "commands/pace.h"
#include "ingest/json_reading.h"
#include "ingest/recording.h"
#include "ingest/simulator_chart.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char doc[] =
    "Makes the vital signs of a seeded ward: as NDJSON that can be sent, or into a running server.\v"
    "Patients P001, P002 … whose conditions evolve (stable, moderate, sepsis, hypoxia, bleeding, arrhythmia), with "
    "the artefacts of real monitors: motion, sensors that are off, cuffs that fail, lines that are flushed.  The same "
    "--seed, --patients, --start, --interval and --duration give the same bytes on any machine.\n\n"
    "--truth writes what really happened beside it, a JSON object per reading: the condition, its severity from 0 to "
    "1, the patient's own values, and what is wrong with the sensors.\n\n"
    "Into a file the stamps begin at 2020-01-01T00:00:00Z and it goes as fast as it can; into a server they begin now, "
    "in real time.\n\n"
    "Examples:\n"
    "  wardscribe simulate --patients 3 --seed 7 --duration 10m --truth truth.jsonl > readings.jsonl\n"
    "  wardscribe simulate --patients 100 --duration 1h --to http://127.0.0.1:8001 --token-file token\n"
    "  wardscribe simulate --patients 30000 --rate 30000 --duration 5m --to http://ward:8001 --token-file token\n\n"
    "--charting writes patients down as those of a recorded set are: bidmc, challenge2019, challenge2012 or mimic, "
    "with the spread, the gaps and the schedule of that set (tools/fit-simulator.py compares the two).\n\n"
    "Durations: 90 or 90s, 10m, 2h, 1d.  A ward of its own: wardscribe serve --source simulator.";

enum { OPTION_PATIENTS = 256, OPTION_SEED, OPTION_DURATION, OPTION_TRUTH, OPTION_OUT, OPTION_RATE, OPTION_SPEED,
       OPTION_START, OPTION_INTERVAL, OPTION_CHARTING, OPTION_TO, OPTION_TOKEN_FILE };

struct arguments {
    const char *truth, *out, *to, *token_file, *speed, *start;
    int64_t patients, seed, duration_s, rate, interval_s;
    bool quiet, charted;
    enum charting_style charting;
};

struct simulation {
    struct arguments arguments;
    struct simulator *simulator;
    struct patient_row *people;
    struct feed feed;
    struct pace pace;
    struct progress progress;
    struct buf line;
    FILE *out, *truth;
    int64_t start_us, done;
};

static bool read_duration(const char *text, int64_t *out_s)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
    char digits[16];
    int64_t factor = 1, number;
    size_t length = strlen(text);
    if (!length || length >= sizeof digits)
        return false;
    memcpy(digits, text, length + 1);
    for (size_t i = 0; i < 4; i++)
        if (digits[length - 1] == units[i].unit) {
            factor = units[i].seconds;
            digits[length - 1] = '\0';
            break;
        }
    if (!str_to_int(digits, 1, INT64_C(366) * 86400 / factor, &number)) /* a year */
        return false;
    *out_s = number * factor;
    return true;
}

static void check_arguments(const struct arguments *arguments, struct argp_state *state)
{
    if (arguments->to && arguments->out)
        argp_error(state, "either --out or --to");
    if (arguments->token_file && !arguments->to)
        argp_error(state, "--token-file goes with --to");
    if (arguments->charted && (arguments->truth || arguments->to || arguments->interval_s != 1))
        argp_error(state, "--charting has an interval of its own, no --truth, and goes to --out");
    if (arguments->rate && arguments->speed)
        argp_error(state, "either --rate or --speed");
}

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 'q': arguments->quiet = true; return 0;
    case OPTION_PATIENTS: arguments->patients = option_integer(state, key, value, 1, PATIENT_COUNT_MAX); return 0;
    case OPTION_SEED: arguments->seed = option_integer(state, key, value, 0, INT32_MAX); return 0;
    case OPTION_RATE: arguments->rate = option_integer(state, key, value, 1, 10000000); return 0;
    case OPTION_INTERVAL: arguments->interval_s = option_integer(state, key, value, 1, 3600); return 0;
    case OPTION_DURATION:
        if (!read_duration(value, &arguments->duration_s))
            argp_error(state, "--duration: 90s, 10m, 2h or 1d, at most 366d");
        return 0;
    case OPTION_CHARTING:
        if (!charting_style_find(value, &arguments->charting))
            argp_error(state, "--charting: bidmc, challenge2019, challenge2012 or mimic");
        arguments->charted = true;
        return 0;
    case OPTION_TRUTH: arguments->truth = value; return 0;
    case OPTION_OUT: arguments->out = value; return 0;
    case OPTION_SPEED: arguments->speed = value; return 0;
    case OPTION_START: arguments->start = value; return 0;
    case OPTION_TO: arguments->to = value; return 0;
    case OPTION_TOKEN_FILE: arguments->token_file = value; return 0;
    case ARGP_KEY_ARG: argp_error(state, "'%s' is one argument too many", value); return 0;
    case ARGP_KEY_END: check_arguments(arguments, state); return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- rows ---- */

static void write_truth(struct buf *out, const char *id, const struct truth *truth)
{
    struct json_writer w = json_write(out);
    json_put_object(&w, NULL);
    json_put_text(&w, "patient_id", id);
    json_put_time(&w, "timestamp", truth->time_us);
    json_put_text(&w, "condition", condition_name(truth->condition));
    json_put_decimal(&w, "severity", truth->severity_permille, 3);
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        json_put_decimal(&w, vital_infos[vital].json_name, truth->value_milli[vital], 3);
    json_put_array(&w, "marks");
    for (unsigned bit = 0; bit < TRUTH_MARK_COUNT; bit++)
        if (truth->marks >> bit & 1)
            json_put_text(&w, NULL, truth_mark_name(bit));
    json_put_end(&w);
    json_put_end(&w);
    buf_add_char(out, '\n');
}

static bool put(struct simulation *s, FILE *file, const char *path, struct err *err)
{
    bool ok = fwrite(s->line.data, 1, s->line.length, file) == s->line.length;
    buf_reset(&s->line);
    return ok || err_set_errno(err, ERR_IO, errno, "%s", path);
}

static bool put_reading(struct simulation *s, uint32_t index, const struct reading *reading, struct err *err)
{
    if (s->arguments.to)
        return feed_reading(&s->feed, reading, s->people[index].id, err);
    json_reading_write(&s->line, reading, s->people[index].id, "simulator");
    return put(s, s->out, s->arguments.out ? s->arguments.out : "standard output", err);
}

static bool step_one(struct simulation *s, uint32_t index, int64_t second, struct err *err)
{
    struct reading reading;
    struct truth truth;
    simulator_step(s->simulator, index, s->start_us + second * US_PER_S, &reading, &truth);
    if (second % s->arguments.interval_s)
        return true; /* the patient lives on between two readings */
    s->done++;
    if (!put_reading(s, index, &reading, err))
        return false;
    if (!s->truth)
        return true;
    write_truth(&s->line, s->people[index].id, &truth);
    return put(s, s->truth, s->arguments.truth, err);
}

/* Patient after patient: each lives in a time of its own. */
static bool chart_all(struct simulation *s, struct err *err)
{
    for (uint32_t i = 0; i < simulator_count(s->simulator); i++) {
        struct simulator_chart chart;
        struct reading reading;
        int64_t end_us = s->start_us + s->arguments.duration_s * US_PER_S;
        simulator_chart_begin(&chart, s->arguments.charting, 0, s->simulator, i, s->start_us,
                              (uint64_t)s->arguments.seed);
        for (; chart.time_us < end_us; progress_update(&s->progress, i, NULL)) {
            simulator_chart_next(&chart, &reading);
            if (!reading_is_empty(&reading) && !put_reading(s, i, &reading, err))
                return false;
        }
    }
    s->done = simulator_count(s->simulator);
    return true;
}

static void show(void *context)
{
    struct simulation *s = context;
    progress_update(&s->progress, s->done, NULL);
}

static bool step_all(struct simulation *s, struct err *err)
{
    if (s->arguments.charted)
        return chart_all(s, err);
    pace_begin(&s->pace, s->start_us);
    for (int64_t second = 0; second < s->arguments.duration_s; second++) {
        if (!pace_wait(&s->pace, &s->feed, s->start_us + second * US_PER_S, show, s, err))
            return false;
        for (uint32_t i = 0; i < simulator_count(s->simulator); i++)
            if (!step_one(s, i, second, err))
                return false;
        show(s);
    }
    return !s->arguments.to || feed_flush(&s->feed, err);
}

/* ---- before and after ---- */

static bool choose_pace(struct simulation *s, struct err *err)
{
    const struct arguments *arguments = &s->arguments;
    const char *usual = arguments->to && !arguments->rate ? "1" : "max";
    if (!pace_parse(arguments->speed ? arguments->speed : usual, &s->pace, err))
        return false;
    if (arguments->rate)
        s->pace.speed = (double)arguments->rate * (double)arguments->interval_s / (double)arguments->patients;
    return true;
}

static bool choose_start(struct simulation *s, struct err *err)
{
    const char *text = s->arguments.start ? s->arguments.start : s->arguments.to ? "now" : NULL;
    s->start_us = RECORDING_EPOCH_US;
    if (!text)
        return true;
    if (strcmp(text, "now") != 0) {
        if (time_parse(text, strlen(text), &s->start_us, err))
            return true;
        err->kind = ERR_USAGE;
        return err_context(err, "--start: now, or a time such as 2026-11-23T13:20:00Z");
    }
    s->start_us = clock_now_us(clock_system()) / US_PER_MS * US_PER_MS;
    if (!(s->pace.speed > 0) || s->pace.speed > 1) /* faster than life: it ends now */
        s->start_us -= s->arguments.duration_s * US_PER_S;
    return true;
}

static bool open_files(struct simulation *s, struct err *err)
{
    const char *out = s->arguments.out;
    s->out = s->arguments.to ? NULL : !out || strcmp(out, "-") == 0 ? stdout : fopen(out, "we");
    if (!s->arguments.to && !s->out)
        return err_set_errno(err, ERR_IO, errno, "%s", out);
    s->truth = s->arguments.truth ? fopen(s->arguments.truth, "we") : NULL;
    return !s->arguments.truth || s->truth || err_set_errno(err, ERR_IO, errno, "%s", s->arguments.truth);
}

static bool close_file(FILE *file, const char *path, struct err *err)
{
    if (!file)
        return true;
    bool ok = file == stdout ? fflush(file) == 0 : fclose(file) == 0;
    return ok || err_set_errno(err, ERR_IO, errno, "%s", path ? path : "standard output");
}

static bool open_server(struct simulation *s, struct err *err)
{
    if (!s->arguments.to)
        return true;
    struct feed_options options = { .url = s->arguments.to, .token_file = s->arguments.token_file,
                                    .source = "simulator", .cancel = interrupt_catch(), .progress = &s->progress };
    bool ok = feed_open(&s->feed, &options, err);
    for (uint32_t i = 0; ok && i < simulator_count(s->simulator); i++)
        ok = feed_admit(&s->feed, s->people[i].id, s->people[i].name, s->people[i].age, s->people[i].gender,
                        s->people[i].bed, err);
    return ok;
}

static bool run(struct simulation *s, struct err *err)
{
    struct arguments *arguments = &s->arguments;
    if (!choose_pace(s, err) || !choose_start(s, err))
        return false;
    s->simulator = simulator_new_mix((uint32_t)arguments->patients, (uint64_t)arguments->seed,
                                     arguments->charted ? MIX_RECORDED : MIX_WARD);
    simulator_add_faults(s->simulator);
    s->people = mem_new((size_t)arguments->patients, sizeof *s->people);
    for (uint32_t i = 0; i < arguments->patients; i++)
        simulator_person(s->simulator, i, &s->people[i]);
    buf_init(&s->line, 64 << 10);
    int64_t readings = (arguments->duration_s + arguments->interval_s - 1) / arguments->interval_s *
                       arguments->patients;
    progress_start(&s->progress, "simulate", arguments->charted ? "patients" : "readings",
                   arguments->charted ? arguments->patients : readings);
    if (arguments->quiet)
        progress_quiet(&s->progress);
    bool ok = open_files(s, err) && open_server(s, err) && step_all(s, err);
    struct err closing = { 0 };
    bool closed = close_file(s->out, arguments->out, &closing) && close_file(s->truth, arguments->truth, &closing);
    if (ok && !closed) {
        *err = closing;
        ok = false;
    }
    if (ok)
        progress_end(&s->progress, s->done, NULL);
    else
        progress_hide(&s->progress);
    return ok;
}

static void report(const struct simulation *s)
{
    if (s->arguments.to)
        (void)printf("{\"patients\":%lld,\"readings\":%lld,\"accepted\":%lld,\"rejected\":%lld,\"retries\":%lld}\n",
                     (long long)s->arguments.patients, (long long)s->done, (long long)s->feed.accepted,
                     (long long)s->feed.rejected, (long long)s->feed.retries);
}

int command_simulate(int argc, char **argv)
{
    static const struct argp_option options[] = {
        { "patients", OPTION_PATIENTS, "N", 0, "How many (default: 10)", 1 },
        { "seed", OPTION_SEED, "S", 0, "The same seed gives the same ward (default: 1)", 1 },
        { "duration", OPTION_DURATION, "TIME", 0, "Simulated time (default: 10m)", 1 },
        { "interval", OPTION_INTERVAL, "S", 0, "Seconds between two readings of a patient (default: 1)", 1 },
        { "charting", OPTION_CHARTING, "SET", 0, "Rows as the charts of this recorded set have them", 1 },
        { "start", OPTION_START, "WHEN", 0, "now, or a time (default: 2020-01-01T00:00:00Z; with --to: now)", 1 },
        { "truth", OPTION_TRUTH, "FILE", 0, "What really happened, as JSON lines", 2 },
        { "out", OPTION_OUT, "FILE", 0, "Readings as NDJSON (default: -, standard output)", 2 },
        { "to", OPTION_TO, "URL", 0, "Into this server instead", 3 },
        { "token-file", OPTION_TOKEN_FILE, "FILE", 0, "Holds a token of the server; - is standard input", 3 },
        { "speed", OPTION_SPEED, "max|N", 0, "1: real time (default with --to); max (default without)", 3 },
        { "rate", OPTION_RATE, "N", 0, "Readings a second, of all patients together", 3 },
        { "quiet", 'q', NULL, 0, "No progress", 4 },
        { 0 },
    };
    static const struct argp argp = { .options = options, .parser = parse_option, .doc = doc };
    static struct simulation s = { .arguments = { .patients = 10, .seed = 1, .duration_s = 600, .interval_s = 1 } };
    struct err err = { 0 };
    if (argp_parse(&argp, argc, argv, 0, NULL, &s.arguments) != 0)
        return 64;
    (void)interrupt_catch();
    bool ok = run(&s, &err);
    feed_close(&s.feed);
    simulator_free(s.simulator);
    mem_free(s.people);
    buf_free(&s.line);
    if (!ok)
        return data_dir_fail("simulate", &err);
    report(&s);
    return 0;
}
