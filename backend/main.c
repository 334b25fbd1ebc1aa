/* main.c - `wardscribe COMMAND …`. */
#include "commands/commands.h"

#include <argp.h>
#include <stdio.h>
#include <string.h>

static int command_version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    (void)printf("wardscribe %s\n", WARDSCRIBE_VERSION);
    return 0;
}

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
    { "serve",    command_serve,    "Run a ward: readings in, alarms out, dashboard" },
    { "replay",   command_replay,   "Play recordings of real patients into a ward, or into a file of alerts" },
    { "data",     command_data,     "Fetch recordings from their publishers, proven by their hashes" },
    { "simulate", command_simulate, "Make the vital signs of a seeded ward, with the truth beside them" },
    { "export",   command_export,   "Write readings, alerts, summaries or the audit log to a file" },
    { "user",     command_user,     "List, add and change users" },
    { "verify",   command_verify,   "Check that the audit log is whole" },
    { "model",    command_model,    "Run, measure, pull and push T5 models" },
    { "retrain",  command_retrain,  "Learn from what readers corrected, examined before it serves" },
    { "guard",    command_guard,    "Prove a text against readings and alerts" },
    { "config",   command_config,   "Check, print and explain the configuration" },
    { "version",  command_version,  "Print the version" },
};
enum { COMMAND_COUNT = sizeof commands / sizeof *commands };

static void print_help(FILE *to)
{
    (void)fprintf(to, "Usage: wardscribe COMMAND [OPTION...]\n"
                      "Watches a ward and writes what happened.\n\n");
    for (int i = 0; i < COMMAND_COUNT; i++)
        (void)fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].help);
    (void)fprintf(to, "\nStart here:  wardscribe serve\n"
                      "Help:        wardscribe COMMAND --help\n"
                      "Not a medical device.\n");
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return 64;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0)
        return command_version(0, NULL);
    for (int i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        char name[64];
        (void)snprintf(name, sizeof name, "wardscribe %s", commands[i].name);
        argv[1] = name; /* what argp puts in front of its messages */
        return commands[i].run(argc - 1, argv + 1);
    }
    (void)fprintf(stderr, "wardscribe: no command '%s'; see wardscribe --help\n", argv[1]);
    return 64;
}
