/* user.c - `wardscribe user`: users of a data directory that no server has open. */
#include "auth-service/accounts.h"
#include "auth-service/secrets.h"
#include "commands/commands.h"
#include "commands/data_dir.h"

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char doc[] =
    "Lists and changes users, working on the data directory itself.\v"
    "What:\n"
    "  list                 all users\n"
    "  add NAME --role R    a new user; without --password-file a random password is printed once\n"
    "  passwd NAME          a new password, likewise; ends all sessions\n"
    "  role NAME ROLE       admin, doctor, nurse, viewer or device; ends all sessions\n"
    "  disable NAME         no login, all sessions end\n"
    "  enable NAME\n\n"
    "Every change is written to the audit log.  A running server has the folder to itself: stop it, or "
    "use the dashboard or POST /api/auth/users.\n\n"
    "Examples:\n"
    "  wardscribe user list\n"
    "  wardscribe user add anna --role nurse --full-name 'Anna Berg'\n"
    "  wardscribe user passwd admin --data-dir /var/lib/wardscribe\n"
    "  wardscribe user add monitor-7 --role device --password-file monitor-7.secret\n"
    "  printf %s \"$SECRET\" | wardscribe user passwd anna --password-file -";

enum { OPTION_ROLE = 256, OPTION_PASSWORD_FILE, OPTION_FULL_NAME, OPTION_EMAIL };

struct arguments {
    struct data_dir_place place;
    const char *role, *password_file, *full_name, *email;
    const char *words[3];       /* what, NAME, ROLE */
    unsigned count;
};

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &arguments->place; return 0;
    case OPTION_ROLE: arguments->role = value; return 0;
    case OPTION_PASSWORD_FILE: arguments->password_file = value; return 0;
    case OPTION_FULL_NAME: arguments->full_name = value; return 0;
    case OPTION_EMAIL: arguments->email = value; return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num >= 3)
            argp_error(state, "'%s' is one argument too many", value);
        arguments->words[state->arg_num] = value;
        arguments->count = state->arg_num + 1;
        return 0;
    case ARGP_KEY_NO_ARGS: argp_error(state, "one of list, add, passwd, role, disable, enable is needed"); return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- passwords ---- */

/* The first line of FILE, or of standard input for "-". */
static bool read_password(const char *path, char *out, size_t size, struct err *err)
{
    bool input = strcmp(path, "-") == 0;
    int fd = input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    size_t used = 0;
    ssize_t n = -1;
    while (fd >= 0 && used < size && (n = read(fd, out + used, size - used)) > 0)
        used += (size_t)n;
    int why = errno;
    if (fd >= 0 && !input)
        (void)close(fd);
    if (fd < 0 || n < 0)
        return err_set_errno(err, ERR_INPUT, why, "%s", path);
    if (used == size)
        return err_set(err, ERR_INPUT, "%s: a password has at most %d bytes", path, PASSWORD_SIZE_MAX);
    out[used] = '\0';
    out[strcspn(out, "\r\n")] = '\0';
    return true;
}

/* From the file, or a new one; *out_made says which. */
static bool choose_password(const struct arguments *arguments, char *out, size_t size, bool *out_made, struct err *err)
{
    *out_made = !arguments->password_file;
    if (!*out_made)
        return read_password(arguments->password_file, out, size, err);
    CHECK(size >= GENERATED_PASSWORD_SIZE);
    secret_generate_password(out);
    return true;
}

/* ---- what can be done ---- */

static struct actor me(void)
{
    static char name[64];
    const struct passwd *user = getpwuid(getuid());
    (void)snprintf(name, sizeof name, "os:%.50s", user ? user->pw_name : "?");
    return (struct actor){ name, "command line" };
}

static bool list(struct accounts *accounts, const struct arguments *arguments, struct err *err)
{
    (void)arguments, (void)err;
    struct arena arena;
    size_t count;
    arena_init(&arena, 64 << 20);
    const struct user_row *users = accounts_list(accounts, &arena, &count);
    (void)printf("%-24s %-8s %-9s %-25s %s\n", "USERNAME", "ROLE", "STATE", "LAST LOGIN", "NAME");
    for (size_t i = 0; i < count; i++) {
        char text[TIME_TEXT_SIZE];
        (void)printf("%-24s %-8s %-9s %-25s %s\n", users[i].username, users[i].role,
                     users[i].active ? "active" : "disabled",
                     users[i].last_login_us ? time_format(users[i].last_login_us, text) : "never", users[i].full_name);
    }
    arena_free(&arena);
    return true;
}

static bool with_password(struct accounts *accounts, const struct arguments *arguments, bool add, struct err *err)
{
    char password[PASSWORD_SIZE_MAX + 3];
    bool made;
    struct actor actor = me();
    if (!choose_password(arguments, password, sizeof password, &made, err))
        return false;
    struct account_change change = { .role = arguments->role, .password = password, .full_name = arguments->full_name,
                                     .email = arguments->email };
    bool ok = add ? accounts_add(accounts, &actor, arguments->words[1], &change, NULL, err)
                  : accounts_change(accounts, &actor, arguments->words[1], &change, NULL, err);
    if (ok)
        (void)printf("%s: %s\n", arguments->words[1], add ? "added" : "has a new password");
    if (ok && made)
        (void)printf("password  %s\n(shown this once)\n", password);
    secret_wipe(password, sizeof password);
    return ok;
}

static bool add(struct accounts *accounts, const struct arguments *arguments, struct err *err)
{
    if (!arguments->role)
        return err_set(err, ERR_USAGE, "add needs --role admin, doctor, nurse, viewer or device");
    return with_password(accounts, arguments, true, err);
}

static bool passwd(struct accounts *accounts, const struct arguments *arguments, struct err *err)
{
    return with_password(accounts, arguments, false, err);
}

static bool change(struct accounts *accounts, const struct arguments *arguments, const struct account_change *to,
                   const char *done, struct err *err)
{
    struct actor actor = me();
    if (!accounts_change(accounts, &actor, arguments->words[1], to, NULL, err))
        return false;
    (void)printf("%s: %s\n", arguments->words[1], done);
    return true;
}

static bool role(struct accounts *accounts, const struct arguments *arguments, struct err *err)
{
    return change(accounts, arguments, &(struct account_change){ .role = arguments->words[2] }, arguments->words[2],
                  err);
}

static bool disable(struct accounts *accounts, const struct arguments *arguments, struct err *err)
{
    return change(accounts, arguments, &(struct account_change){ .active = &(bool){ false } }, "disabled", err);
}

static bool enable(struct accounts *accounts, const struct arguments *arguments, struct err *err)
{
    return change(accounts, arguments, &(struct account_change){ .active = &(bool){ true } }, "enabled", err);
}

static const struct action {
    const char *name;
    unsigned words;             /* with its own name */
    bool (*run)(struct accounts *accounts, const struct arguments *arguments, struct err *err);
} actions[] = {
    { "list", 1, list }, { "add", 2, add }, { "passwd", 2, passwd },
    { "role", 3, role }, { "disable", 2, disable }, { "enable", 2, enable },
};

static const struct action *find_action(const struct arguments *arguments, struct err *err)
{
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        if (strcmp(actions[i].name, arguments->words[0]) != 0)
            continue;
        if (actions[i].words == arguments->count)
            return &actions[i];
        static const char *const usage[] = { "", "list", "NAME", "NAME ROLE" };
        err_set(err, ERR_USAGE, "usage: wardscribe user %s %s", actions[i].name,
                actions[i].words == 1 ? "" : usage[actions[i].words]);
        return NULL;
    }
    err_set(err, ERR_USAGE, "'%s' is not one of list, add, passwd, role, disable, enable", arguments->words[0]);
    return NULL;
}

static bool run(const struct action *action, const struct arguments *arguments, struct err *err)
{
    struct data_dir data;
    struct accounts *accounts = NULL;
    if (!data_dir_open(&arguments->place, &data, err))
        return false;
    bool ok = accounts_open(data.store, clock_system(), &accounts, err) && action->run(accounts, arguments, err);
    accounts_close(accounts);
    data_dir_close(&data);
    return ok;
}

int command_user(int argc, char **argv)
{
    static const struct argp_option options[] = {
        { "role", OPTION_ROLE, "ROLE", 0, "admin, doctor, nurse, viewer or device", 0 },
        { "password-file", OPTION_PASSWORD_FILE, "FILE", 0, "First line is the password; - reads standard input", 0 },
        { "full-name", OPTION_FULL_NAME, "TEXT", 0, "For add and passwd", 0 },
        { "email", OPTION_EMAIL, "TEXT", 0, "For add and passwd", 0 },
        { 0 },
    };
    static const struct argp_child children[] = { { .argp = &data_dir_argp }, { 0 } };
    static const struct argp argp = { .options = options, .parser = parse_option, .doc = doc, .children = children,
                                      .args_doc = "list|add|passwd|role|disable|enable [NAME [ROLE]]" };
    struct arguments arguments = { 0 };
    struct err err = { 0 };
    if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) != 0)
        return 64;
    const struct action *action = find_action(&arguments, &err);
    return action && run(action, &arguments, &err) ? 0 : data_dir_fail("user", &err);
}
