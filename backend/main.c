/* main.c - `wardscribe COMMAND …`. */
#include "commands/commands.h"
#include "commands/dispatch.h"

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

static const struct command commands[] = {
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
    { 0 },
};

static const struct command_table table = {
    .program = "wardscribe", .what = "command", .rows = commands,
    .head = "Usage: wardscribe COMMAND [OPTION...]\n"
            "Watches a ward and writes what happened.\n",
    .foot = "Start here:  wardscribe serve\n"
            "Help:        wardscribe COMMAND --help\n"
            "Not a medical device.\n",
};

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--version") == 0)
        return command_version(0, NULL);
    return command_dispatch(&table, argc, argv);
}
