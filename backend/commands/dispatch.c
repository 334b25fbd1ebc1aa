#include "commands/dispatch.h"

#include <stdio.h>
#include <string.h>

static void print_help(const struct command_table *table, FILE *to)
{
    (void)fprintf(to, "%s\n", table->head);
    for (const struct command *row = table->rows; row->name; row++)
        (void)fprintf(to, "  %-10s %s\n", row->name, row->help);
    (void)fprintf(to, "\n%s", table->foot);
}

int command_dispatch(const struct command_table *table, int argc, char **argv)
{
    if (argc < 2) {
        print_help(table, stderr);
        return 64;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        print_help(table, stdout);
        return 0;
    }
    for (const struct command *row = table->rows; row->name; row++) {
        if (strcmp(argv[1], row->name) != 0)
            continue;
        char name[64];
        (void)snprintf(name, sizeof name, "%s %s", table->program, row->name);
        argv[1] = name;
        return row->run(argc - 1, argv + 1);
    }
    (void)fprintf(stderr, "%s: no %s '%s'; see %s --help\n", table->program, table->what, argv[1], table->program);
    return 64;
}
