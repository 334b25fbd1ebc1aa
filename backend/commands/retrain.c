/* retrain.c - `wardscribe retrain`: the model learns from what readers corrected, or is kept as it is. */
#include "commands/retrain.h"

#include "base/json.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/str.h"
#include "commands/commands.h"
#include "commands/interrupt.h"
#include "commands/option.h"
#include "learn/retrain.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char doc[] =
    "Collects what was written and corrected, trains a challenger, examines it beside the model in service, and "
    "lets it serve only when it is better in total and worse in no safety row.\v"
    "Without STEP everything runs, from the first step that is not done: a run that was stopped or killed goes on. "
    "Steps, each also on its own:\n\n"
    "  collect   the last days from --from: a data directory (also of a running server), or the\n"
    "            URL of an Elasticsearch or OpenSearch\n"
    "  prepare   pairs to learn from; refuses data that are too few, copied or poisoned\n"
    "  train     from the model in service\n"
    "  exam      WORK/exam.html is the page to read\n"
    "  gate      may it serve?\n"
    "  register  into the registry, with exam and gate\n"
    "  promote [VERSION]      it serves; a running server takes it within 10 seconds\n"
    "  rollback [VERSION]     back to what served before, or to VERSION\n"
    "  history   every version and step of the registry\n"
    "  diff A B  two versions beside each other\n"
    "  push NAME onto a Hugging Face Hub (wardscribe model push has more options)\n"
    "  log       writes the run's events to a search server (--events), as system-deployment-*\n\n"
    "Examples:\n"
    "  wardscribe retrain --from wardscribe-data --work retrain\n"
    "  wardscribe retrain --from http://127.0.0.1:9200 --registry wardscribe-data/models --work retrain --json\n"
    "  wardscribe retrain rollback --registry wardscribe-data/models --reason \"too long at night\"\n\n"
    "Exit status: 0 a new model serves (or the step is done), 3 the data were refused, 4 the model in service stays: "
    "no gain, or worse in a safety row, others as in sysexits.h.";

enum { EXIT_KEPT = 4 };
enum { OPTION_DAYS = 256, OPTION_EPOCHS, OPTION_RATE, OPTION_REHEARSAL, OPTION_EXAM, OPTION_SEED, OPTION_THREADS,
       OPTION_NO_PROMOTE, OPTION_CHAMPION, OPTION_BY, OPTION_REASON, OPTION_AUTHORIZATION, OPTION_EVENTS };

static const struct argp_option options[] = {
    { "from", 'f', "DIR|URL", 0, "Where summaries, edits and readings are", 1 },
    { "work", 'w', "DIR", 0, "Folder of the run (retrain-work)", 1 },
    { "registry", 'r', "DIR", 0, "Folder of the versions (models in --from, else wardscribe-data/models)", 1 },
    { "days", OPTION_DAYS, "N", 0, "Days that count (7)", 2 },
    { "champion", OPTION_CHAMPION, "DIR", 0, "Start from this T5 folder instead of the version in service", 2 },
    { "epochs", OPTION_EPOCHS, "N", 0, "Times that every pair is seen (1)", 2 },
    { "lr", OPTION_RATE, "X", 0, "Learning rate (2e-4)", 2 },
    { "rehearsal", OPTION_REHEARSAL, "N", 0, "Simulated windows among the pairs, against forgetting (16000)", 2 },
    { "exam-windows", OPTION_EXAM, "N", 0, "Simulated windows of the exam (1000)", 2 },
    { "seed", OPTION_SEED, "N", 0, "The same seed and data give the same model (1)", 2 },
    { "threads", OPTION_THREADS, "N", 0, "As many as CPUs when not given", 2 },
    { "no-promote", OPTION_NO_PROMOTE, NULL, 0, "Register only; a person promotes", 2 },
    { "authorization-file", OPTION_AUTHORIZATION, "FILE", 0,
      "For a search server: a file with \"ApiKey …\" or \"Basic …\"", 3 },
    { "events", OPTION_EVENTS, "URL", 0, "Search server that gets each step as a system-deployment-* document", 3 },
    { "by", OPTION_BY, "NAME", 0, "Who decides (your login name)", 4 },
    { "reason", OPTION_REASON, "TEXT", 0, "Why, for the history", 4 },
    { "json", 'j', NULL, 0, "A JSON line per step on standard output", 5 },
    { "quiet", 'q', NULL, 0, "No progress on standard error", 5 },
    { 0 },
};

static error_t parse_numbers(int key, char *value, struct argp_state *state, struct retrain_options *o)
{
    char *end;
    switch (key) {
    case OPTION_DAYS: o->days = (int)option_integer(state, key, value, 1, COLLECT_DAYS_MAX); return 0;
    case OPTION_EPOCHS: o->epochs = option_integer(state, key, value, 1, 100); return 0;
    case OPTION_REHEARSAL: o->rehearsal = (size_t)option_integer(state, key, value, 0, 100000); return 0;
    case OPTION_EXAM: o->exam_windows = (size_t)option_integer(state, key, value, 10, 10000); return 0;
    case OPTION_SEED: o->seed = (uint64_t)option_integer(state, key, value, 0, INT64_MAX); return 0;
    case OPTION_THREADS: o->threads = (int)option_integer(state, key, value, 1, 256); return 0;
    case OPTION_RATE:
        o->learning_rate = strtod(value, &end);
        if (end == value || *end || !(o->learning_rate > 0 && o->learning_rate < 1))
            argp_error(state, "--lr: '%s' is not a number between 0 and 1", value);
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    struct retrain_arguments *a = state->input;
    switch (key) {
    case 'f': a->run.from = value; return 0;
    case 'w': a->run.work = value; return 0;
    case 'r': a->run.registry_dir = value; return 0;
    case 'j': a->json = true; return 0;
    case 'q': a->quiet = true; return 0;
    case OPTION_CHAMPION: a->run.champion_dir = value; return 0;
    case OPTION_NO_PROMOTE: a->run.promote = false; return 0;
    case OPTION_AUTHORIZATION: a->authorization_file = value; return 0;
    case OPTION_EVENTS: a->events_url = value; return 0;
    case OPTION_BY: a->run.by = value; return 0;
    case OPTION_REASON: a->reason = value; return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 2)
            argp_error(state, "'%s' is one argument too many", value);
        a->words[state->arg_num] = value;
        return 0;
    default: return parse_numbers(key, value, state, &a->run);
    }
}

/* ---- what is told ---- */

static void print_event(const struct retrain_arguments *a, const struct retrain_event *event)
{
    struct buf line;
    buf_init(&line, 8192);
    retrain_event_write(event, &line);
    if (a->json)
        (void)printf("%s\n", line.data);
    else if (event->status != RETRAIN_STARTED)
        (void)printf("%-9s %-8s %6.1f s  %s\n", retrain_step_name(event->step), retrain_status_name(event->status),
                     (double)event->took_ms / 1000, event->detail);
    (void)fflush(stdout);
    buf_free(&line);
}

static void on_event(void *context, const struct retrain_event *event)
{
    struct retrain_arguments *a = context;
    if (a->progress_step >= 0)
        progress_hide(&a->progress);
    a->progress_step = -1;
    print_event(a, event);
    retrain_event_keep(a, event);
    if (a->events_url && event->status != RETRAIN_STARTED)
        retrain_event_send(a, event);
}

static void on_progress(void *context, enum retrain_step step, int64_t done, int64_t total, const char *note)
{
    static const char *const units[RETRAIN_STEP_COUNT] = { [RETRAIN_COLLECT] = "summaries", [RETRAIN_TRAIN] = "steps",
                                                           [RETRAIN_EXAM] = "windows" };
    struct retrain_arguments *a = context;
    if (a->quiet)
        return;
    if (a->progress_step != (int)step || done < a->progress_done) {
        progress_start(&a->progress, retrain_step_name(step), units[step] ? units[step] : "", total);
        a->progress_step = (int)step;
    }
    a->progress_done = done;
    progress_update(&a->progress, done, note);
}

/* ---- running ---- */

static int finish(const struct retrain_arguments *a, bool whole, const struct retrain_outcome *outcome, bool ok,
                  const struct err *err)
{
    if (!ok) {
        (void)fprintf(stderr, "wardscribe retrain: %s\n", err->text);
        return err_exit_status(err->kind);
    }
    if (!whole || outcome->promoted || !a->run.promote)
        return 0;
    (void)fprintf(stderr, "wardscribe retrain: the model in service stays: %s\n", outcome->reason);
    return EXIT_KEPT;
}

static int run(struct retrain_arguments *a, int step)
{
    struct retrain_outcome outcome = { .promoted = false };
    struct err err = { 0 };
    a->run.cancel = interrupt_catch();
    a->run.on_event = on_event;
    a->run.on_progress = on_progress;
    a->run.context = a;
    a->progress_step = -1;
    bool whole = step < 0;
    bool ok = whole ? retrain_run(&a->run, &outcome, &err)
                    : retrain_run_step(&a->run, (enum retrain_step)step, &outcome, &err);
    return finish(a, whole || step == RETRAIN_PROMOTE, &outcome, ok, &err);
}

static int find_step(const char *word)
{
    for (int step = 0; step < RETRAIN_STEP_COUNT; step++)
        if (strcmp(word, retrain_step_name((enum retrain_step)step)) == 0)
            return step;
    return -1;
}

/* A data directory has its registry within. */
static void default_places(struct retrain_arguments *a)
{
    bool search = a->run.from && strstr(a->run.from, "://");
    if (!a->run.work)
        a->run.work = "retrain-work";
    if (a->run.registry_dir)
        return;
    (void)snprintf(a->registry_dir, sizeof a->registry_dir, "%s/models",
                   a->run.from && !search ? a->run.from : "wardscribe-data");
    a->run.registry_dir = a->registry_dir;
}

static bool read_authorization(struct retrain_arguments *a)
{
    FILE *file = a->authorization_file ? fopen(a->authorization_file, "rb") : NULL;
    if (!a->authorization_file)
        return true;
    bool ok = file && fgets(a->authorization, sizeof a->authorization, file);
    if (file)
        (void)fclose(file);
    if (!ok) {
        (void)fprintf(stderr, "wardscribe retrain: %s: cannot be read\n", a->authorization_file);
        return false;
    }
    a->authorization[strcspn(a->authorization, "\r\n")] = '\0';
    a->run.authorization = a->authorization;
    return true;
}

int command_retrain(int argc, char **argv)
{
    static const struct argp argp = { .options = options, .parser = parse_option, .doc = doc,
                                      .args_doc = "[STEP [VERSION...]]" };
    static struct retrain_arguments a;
    const char *login = getlogin();
    a.run = retrain_defaults();
    a.run.by = login ? login : "retrain";
    if (argp_parse(&argp, argc, argv, 0, NULL, &a) != 0)
        return 64;
    default_places(&a);
    if (!read_authorization(&a))
        return 74;
    if (!a.words[0])
        return run(&a, -1);
    int step = find_step(a.words[0]), status;
    if (step >= 0 && !(step == RETRAIN_PROMOTE && a.words[1]))
        return run(&a, step);
    if (retrain_registry_command(&a, &status))
        return status;
    (void)fprintf(stderr, "wardscribe retrain: no step '%s'; see wardscribe retrain --help\n", a.words[0]);
    return 64;
}
