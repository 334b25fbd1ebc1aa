/* dispatch.h - a table of commands, its help, and the way to one of them. */
#ifndef COMMANDS_DISPATCH_H
#define COMMANDS_DISPATCH_H

struct command {
    const char *name;
    int (*run)(int argc, char **argv);   /* argv[0] is "PROGRAM NAME": argp puts it in front of its messages */
    const char *help;
};

struct command_table {
    const char *program, *what;          /* "wardscribe model", "subcommand" */
    const char *head, *foot;             /* above and below the list in --help */
    const struct command *rows;          /* the last has no name */
};

/* Runs what argv[1] names, or prints the help; the exit status. */
int command_dispatch(const struct command_table *table, int argc, char **argv);

#endif
