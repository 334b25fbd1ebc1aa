/* serve.c - `wardscribe serve`: starts the services and waits for a signal. */
#include "base/log.h"
#include "commands/commands.h"
#include "services.h"

#include <argp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

/* Options that set a key of the configuration by a short name. */
enum { OPTION_SET = 256, OPTION_KEYS };
static const struct { const char *option, *argument, *key, *help; } shortcuts[] = {
    { "target", "NAMES", "target", "Services to run, separated by commas (default: all)" },
    { "data-dir", "DIR", "store.data_dir", "Folder for the database (default: wardscribe-data)" },
    { "store", "NAME", "store.engine", "sqlite (default)" },
    { "admin-password-file", "FILE", "auth.admin_password_file",
      "Password of the first admin; without it a random one is printed once" },
    { "source", "NAME", "ingest.source", "simulator (default) or none" },
    { "patients", "N", "ingest.patients", "Simulated patients (default: 10)" },
    { "seed", "S", "ingest.seed", "Seed of the simulator: the same seed gives the same ward" },
    { "port-offset", "N", "http.port_offset", "Added to every port" },
    { "bind", "ADDR", "http.bind", "Address to listen on (default: 127.0.0.1)" },
    { "dashboard-dir", "DIR", "http.dashboard_dir", "Folder with the built dashboard" },
    { "log-level", "LEVEL", "log.level", "debug, info, warn or error" },
};
enum { SHORTCUT_COUNT = sizeof shortcuts / sizeof *shortcuts };

struct arguments {
    const char *config_file;
    struct { const char *key, *value; } sets[64];
    size_t set_count;
    struct err err;
};

static void add_set(struct arguments *arguments, const char *key, const char *value, struct argp_state *state)
{
    if (arguments->set_count == 64)
        argp_error(state, "too many options");
    arguments->sets[arguments->set_count].key = key;
    arguments->sets[arguments->set_count++].value = value;
}

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    if (key >= OPTION_KEYS && key < OPTION_KEYS + SHORTCUT_COUNT) {
        add_set(arguments, shortcuts[key - OPTION_KEYS].key, value, state);
        return 0;
    }
    char *equals = value ? strchr(value, '=') : NULL;
    switch (key) {
    case 'c': arguments->config_file = value; return 0;
    case OPTION_SET:
        if (!equals)
            argp_error(state, "--set wants KEY=VALUE, such as --set http.bind=0.0.0.0");
        *equals = '\0';
        add_set(arguments, value, equals + 1, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const char doc[] =
    "Runs a ward: takes readings, raises alarms, keeps everything, shows it.\v"
    "Without options: ten simulated patients, everything in ./wardscribe-data, the dashboard at "
    "http://127.0.0.1:3000.  The first start prints the admin's password once.\n\n"
    "Examples:\n"
    "  wardscribe serve\n"
    "  wardscribe serve --source none --data-dir /var/lib/wardscribe --bind 0.0.0.0\n"
    "  wardscribe serve --config ward.yaml --set log.level=debug\n"
    "  wardscribe serve --target=vitals-generator,alert-engine --port-offset 100\n\n"
    "Ports: dashboard and everything 3000, vitals-generator 8001, auth-service 8002, summarizer-service 8003, "
    "alert-engine 8004.  SIGTERM or Ctrl-C stops gracefully.\n"
    "Every setting: wardscribe config schema.";

static bool read_config(const struct arguments *arguments, struct config *config, struct err *err)
{
    config_defaults(config);
    if (arguments->config_file && !config_read_file(config, arguments->config_file, err))
        return false;
    if (!config_read_env(config, environ, err))
        return false;
    for (size_t i = 0; i < arguments->set_count; i++)
        if (!config_set(config, arguments->sets[i].key, arguments->sets[i].value, CONFIG_FROM_FLAG, err))
            return false;
    return config_validate(config, err);
}

/* Also when the start fails afterwards: the account exists, and nothing would show its password again. */
static void show_first_login(const struct app *app)
{
    if (app->first_start.username[0])
        (void)printf(
            "  login     %s\n  password  %s\n  (shown this once; change it with `wardscribe user passwd %s`)\n",
            app->first_start.username, app->first_start.password[0] ? app->first_start.password : "(from your file)",
            app->first_start.username);
    (void)fflush(stdout);
}

static void greet(const struct app *app)
{
    const struct config *config = app->config;
    bool everywhere = strcmp(config->http.bind, "0.0.0.0") == 0 || strcmp(config->http.bind, "::") == 0;
    const char *host = everywhere ? "127.0.0.1" : config->http.bind;
    bool dashboard = app->wanted == (1u << SERVICE_COUNT) - 1;
    (void)printf("\nWardscribe %s is running", WARDSCRIBE_VERSION);
    if (dashboard)
        (void)printf(": http://%s:%d", host, 3000 + config->http.port_offset);
    (void)printf("\n");
    for (int id = 0; id < SERVICE_COUNT && !dashboard; id++)
        if (app->wanted >> id & 1)
            (void)printf("  %-19s http://%s:%d\n", service_name((enum service_id)id), host,
                         service_port((enum service_id)id) + config->http.port_offset);
    show_first_login(app);
    (void)printf("  stop      Ctrl-C\n\n");
    (void)fflush(stdout);
}

static int wait_for_signal(const sigset_t *signals)
{
    int number = 0;
    while (sigwait(signals, &number) != 0 || number == SIGHUP)
        ;
    return number;
}

static int run(struct config *config)
{
    static struct app app;
    struct err err = { 0 };
    sigset_t signals;
    enum log_level level;
    app.config = config;
    app.clock = clock_system();
    if (log_level_parse(config->log.level, &level))
        log_set_level(level);
    if (!services_parse(config->target, &app.wanted, &err)) {
        (void)fprintf(stderr, "wardscribe serve: %s\n", err.text);
        return err_exit_status(err.kind);
    }
    (void)signal(SIGPIPE, SIG_IGN);
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &signals, NULL); /* before any thread: all inherit it */
    bool ok = app_start(&app, &err);
    if (ok) {
        greet(&app);
        log_info("started", LOG_STR("target", config->target), LOG_STR("version", WARDSCRIBE_VERSION));
        int number = wait_for_signal(&signals);
        log_info("stopping", LOG_STR("signal", strsignal(number)));
    } else {
        show_first_login(&app);
        (void)fprintf(stderr, "wardscribe serve: %s\n", err.text);
    }
    explicit_bzero(&app.first_start, sizeof app.first_start);
    app_stop(&app);
    log_info("stopped");
    return ok ? 0 : err_exit_status(err.kind);
}

int command_serve(int argc, char **argv)
{
    static struct argp_option options[SHORTCUT_COUNT + 3] = {
        { "config", 'c', "FILE", 0, "YAML configuration (see `wardscribe config`)", 0 },
        { "set", OPTION_SET, "KEY=VALUE", 0, "Any setting, over file and environment", 0 },
    };
    static struct config config;
    struct arguments arguments = { 0 };
    for (int i = 0; i < SHORTCUT_COUNT; i++)
        options[i + 2] = (struct argp_option){ shortcuts[i].option, OPTION_KEYS + i, shortcuts[i].argument, 0,
                                               shortcuts[i].help, 0 };
    const struct argp argp = { .options = options, .parser = parse_option, .doc = doc };
    struct err err = { 0 };
    if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) != 0)
        return 64;
    if (!read_config(&arguments, &config, &err)) {
        (void)fprintf(stderr, "wardscribe serve: %s\n", err.text);
        return err_exit_status(err.kind);
    }
    return run(&config);
}
