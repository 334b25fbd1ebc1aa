/* config.c - `wardscribe config`: what can be set, what is set, is it right. */
#include "base/config.h"
#include "commands/commands.h"
#include "commands/data_dir.h"

#include <argp.h>
#include <stdio.h>
#include <string.h>

extern char **environ;

static const char doc[] =
    "Shows and checks the configuration.\v"
    "What:\n"
    "  check    whether the file and the environment are right; says line, key and what is allowed\n"
    "  print    every value in effect and where it comes from; secrets are masked\n"
    "  example  a YAML file with every key, its default and what it does\n"
    "  schema   the same as JSON Schema, for editors\n\n"
    "Order: defaults, file, environment (WARDSCRIBE_HTTP_BIND for http.bind), flags; the later wins.  "
    "Secrets come from files: auth.admin_password_file or WARDSCRIBE_AUTH_ADMIN_PASSWORD_FILE.\n\n"
    "Examples:\n"
    "  wardscribe config example > ward.yaml\n"
    "  wardscribe config check ward.yaml\n"
    "  WARDSCRIBE_LOG_LEVEL=debug wardscribe config print ward.yaml";

struct arguments {
    const char *what, *file;
};

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        if (state->arg_num == 0)
            arguments->what = value;
        else if (state->arg_num == 1)
            arguments->file = value;
        else
            argp_error(state, "'%s' is one argument too many", value);
        return 0;
    case ARGP_KEY_NO_ARGS: argp_error(state, "one of check, print, example, schema is needed"); return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int show(void (*write)(struct buf *out))
{
    struct buf out;
    buf_init(&out, 1 << 20);
    write(&out);
    (void)fwrite(out.data, 1, out.length, stdout);
    buf_free(&out);
    return 0;
}

static int print(const struct config *config)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    config_print(config, &out);
    (void)fwrite(out.data, 1, out.length, stdout);
    buf_free(&out);
    return 0;
}

static int check(const struct arguments *arguments)
{
    struct buf unknown;
    buf_init(&unknown, 64 << 10);
    config_unknown_env(environ, &unknown);
    for (char *save = NULL, *name = unknown.data ? strtok_r(unknown.data, "\n", &save) : NULL; name;
         name = strtok_r(NULL, "\n", &save))
        (void)fprintf(stderr, "warning: environment %s is no setting and is not used\n", name);
    buf_free(&unknown);
    (void)printf("%s: ok\n", arguments->file ? arguments->file : "environment");
    return 0;
}

int command_config(int argc, char **argv)
{
    static const struct argp argp = { .parser = parse_option, .args_doc = "check|print|example|schema [FILE]",
                                      .doc = doc };
    static struct config config;
    struct arguments arguments = { 0 };
    struct err err = { 0 };
    if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) != 0)
        return 64;
    if (strcmp(arguments.what, "example") == 0)
        return show(config_example);
    if (strcmp(arguments.what, "schema") == 0)
        return show(config_schema);
    bool wants_check = strcmp(arguments.what, "check") == 0;
    if (!wants_check && strcmp(arguments.what, "print") != 0) {
        (void)fprintf(stderr, "wardscribe config: '%s' is not one of check, print, example, schema\n", arguments.what);
        return 64;
    }
    if (!data_dir_config(&(struct data_dir_place){ .config_file = arguments.file }, &config, &err))
        return data_dir_fail("config", &err);
    return wants_check ? check(&arguments) : print(&config);
}
