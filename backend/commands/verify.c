/* verify.c - `wardscribe verify`: is the audit log whole? */
#include "commands/commands.h"
#include "commands/data_dir.h"

#include <argp.h>
#include <stdio.h>

static const char doc[] =
    "Walks the whole audit log and checks every link of its chain of hashes.\v"
    "Every row's hash covers the row and the hash before it, so a row that was changed, removed or "
    "added by hand is found, also at the end.  Prints the number of rows; says where the chain breaks.\n\n"
    "Examples:\n"
    "  wardscribe verify\n"
    "  wardscribe verify --data-dir /var/lib/wardscribe && echo untouched\n\n"
    "While a server runs on the folder, ask it instead: GET /api/audit/verify.\n"
    "Exit status: 0 whole, 1 broken, others as in sysexits.h.";

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = state->input; return 0;
    case ARGP_KEY_ARG: argp_error(state, "'%s' is one argument too many", value); return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int verify(struct store *store)
{
    struct err err = { 0 };
    int64_t count = 0;
    if (store_audit_verify(store, &count, &err)) {
        (void)printf("audit log: %lld rows, the chain is whole\n", (long long)count);
        return 0;
    }
    if (err.kind != ERR_CONFLICT)
        return data_dir_fail("verify", &err);
    (void)printf("audit log: BROKEN: %s\n", err.text);
    return 1;
}

int command_verify(int argc, char **argv)
{
    static const struct argp_child children[] = { { .argp = &data_dir_argp }, { 0 } };
    static const struct argp argp = { .parser = parse_option, .doc = doc, .children = children };
    struct data_dir_place place = { 0 };
    struct data_dir data;
    struct err err = { 0 };
    if (argp_parse(&argp, argc, argv, 0, NULL, &place) != 0)
        return 64;
    if (!data_dir_open(&place, &data, &err))
        return data_dir_fail("verify", &err);
    int status = verify(data.store);
    data_dir_close(&data);
    return status;
}
