/* model.c - `wardscribe model`: what can be done with a T5 folder. */
#include "commands/model.h"
#include "base/str.h"
#include "commands/commands.h"
#include "learn/hub.h"

#include <stdio.h>
#include <string.h>

static const struct subcommand {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} subcommands[] = {
    { "info", model_info, "Say what a model folder holds" },
    { "train", model_train, "Teach a folder from pairs of texts" },
    { "pull", model_pull, "Fetch a model from a Hugging Face Hub" },
    { "push", model_push, "Put a model folder on a Hugging Face Hub" },
};
enum { SUBCOMMAND_COUNT = sizeof subcommands / sizeof *subcommands };

static void print_help(FILE *to)
{
    (void)fprintf(to, "Usage: wardscribe model SUBCOMMAND [OPTION...]\n"
                      "T5 on a CPU: loads a Hugging Face folder as it is (config.json, *.safetensors,\n"
                      "spiece.model) and writes the tokens that transformers writes.\n\n");
    for (int i = 0; i < SUBCOMMAND_COUNT; i++)
        (void)fprintf(to, "  %-10s %s\n", subcommands[i].name, subcommands[i].help);
    (void)fprintf(to, "\nHelp:  wardscribe model SUBCOMMAND --help\n");
}

int model_fail(const char *name, const struct err *err)
{
    (void)fprintf(stderr, "wardscribe model %s: %s\n", name, err->text);
    return err_exit_status(err->kind);
}

void model_show_progress(void *context, const char *file, int64_t done, int64_t total)
{
    enum { KB = 1000 };
    struct model_progress *progress = context;
    if (strcmp(progress->file, file) != 0) {
        (void)str_copy(progress->file, sizeof progress->file, file);
        progress_start(&progress->bar, progress->file, "kB", (total + KB - 1) / KB);
        progress_resume(&progress->bar, done == total ? 0 : done / KB);
        if (progress->quiet)
            progress_quiet(&progress->bar);
    }
    if (done < total)
        progress_update(&progress->bar, done / KB, NULL);
    else
        progress_end(&progress->bar, (total + KB - 1) / KB, NULL);
}

bool model_hub_options(const char *endpoint, const char *cache, struct hub_options *out, struct err *err)
{
    if (!hub_options_env(out, err))
        return false;
    if (endpoint && !str_copy(out->endpoint, sizeof out->endpoint, endpoint))
        return err_set(err, ERR_USAGE, "--endpoint: more than %zu bytes", sizeof out->endpoint - 1);
    if (cache && !str_copy(out->cache, sizeof out->cache, cache))
        return err_set(err, ERR_USAGE, "--cache: more than %zu bytes", sizeof out->cache - 1);
    return true;
}

int command_model(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return 64;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return 0;
    }
    for (int i = 0; i < SUBCOMMAND_COUNT; i++) {
        if (strcmp(argv[1], subcommands[i].name) != 0)
            continue;
        char name[64];
        (void)snprintf(name, sizeof name, "wardscribe model %s", subcommands[i].name);
        argv[1] = name;
        return subcommands[i].run(argc - 1, argv + 1);
    }
    (void)fprintf(stderr, "wardscribe model: no subcommand '%s'; see wardscribe model --help\n", argv[1]);
    return 64;
}
