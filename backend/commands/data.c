/* data.c - `wardscribe data`: the recordings, from their publishers, each file proven by its hash. */
#include "base/progress.h"
#include "commands/commands.h"
#include "commands/data_dir.h"
#include "commands/data_sets.h"
#include "commands/interrupt.h"
#include "net/download.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char doc[] =
    "Fetches recordings of real patients from their publishers, for `wardscribe replay`.\v"
    "What:\n"
    "  list               the sets, their terms, and what to cite\n"
    "  get NAME           into ./NAME, or --dir DIR\n"
    "  verify NAME        are the files in DIR the ones that are meant?\n\n"
    "Every file is checked against a SHA-256 that is part of this program.  A connection that breaks, or Ctrl-C, "
    "loses nothing: the same command goes on where it stopped, and a file that is there and right is not fetched "
    "again.\n\n"
    "--from names a mirror: a server with the publisher's paths, with a folder per set, or with the files themselves, "
    "such as `python3 -m http.server` in a folder of recordings.\n\n"
    "Examples:\n"
    "  wardscribe data get bidmc\n"
    "  wardscribe data get challenge2019 --dir recordings/sepsis\n"
    "  wardscribe data get mimic --from http://mirror.hospital.example/vitals\n"
    "  wardscribe replay --format bidmc --offline --alerts-out alerts.jsonl bidmc";

struct arguments {
    const char *what, *name, *dir, *from, *ca_file;
    bool quiet;
};

struct getting {
    const struct arguments *arguments;
    const struct data_set *set;
    struct client *client;
    struct progress progress;
    char dir[2048], note[96];
    int layout;                    /* of the mirror; -1: not known yet */
    int64_t bytes_done;            /* of whole files */
    size_t files_done, files, fetched;
};

enum { OPTION_CA_FILE = 256 };

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 'd': arguments->dir = value; return 0;
    case 'f': arguments->from = value; return 0;
    case 'q': arguments->quiet = true; return 0;
    case OPTION_CA_FILE: arguments->ca_file = value; return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 1)
            argp_error(state, "'%s' is one argument too many", value);
        if (state->arg_num == 0)
            arguments->what = value;
        else
            arguments->name = value;
        return 0;
    case ARGP_KEY_NO_ARGS: argp_error(state, "one of list, get NAME, verify NAME is needed"); return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- list ---- */

static void totals(const struct data_set *set, size_t *files, int64_t *bytes)
{
    *files = 0;
    *bytes = 0;
    for (int g = 0; g < DATA_GROUPS_MAX; g++)
        for (size_t i = 0; i < set->groups[g].count; i++) {
            ++*files;
            *bytes += set->groups[g].files[i].size;
        }
}

static int list(void)
{
    for (size_t i = 0; i < data_set_count; i++) {
        const struct data_set *set = &data_sets[i];
        size_t files;
        int64_t bytes;
        totals(set, &files, &bytes);
        (void)printf("%s\n  %s; %zu file%s, %lld KB\n  terms  %s\n  cite   %s\n", set->name, set->what, files,
                     files == 1 ? "" : "s", (long long)(bytes + 1023) / 1024, set->terms, set->cite);
        if (set->why_mirror)
            (void)printf("  needs  --from URL: %s\n", set->why_mirror);
    }
    return 0;
}

static const struct data_set *find_set(const char *name, struct err *err)
{
    for (size_t i = 0; name && i < data_set_count; i++)
        if (strcmp(data_sets[i].name, name) == 0 || strcmp(data_sets[i].folder, name) == 0)
            return &data_sets[i];
    err_set(err, ERR_USAGE, "%s%s; known are bidmc, challenge2019, challenge2012, mimic",
            name ? "no set " : "which set?", name ? name : "");
    return NULL;
}

/* ---- get ---- */

static void show(void *context, int64_t have)
{
    struct getting *g = context;
    (void)snprintf(g->note, sizeof g->note, "%zu of %zu files", g->files_done, g->files);
    progress_update(&g->progress, g->bytes_done + have, g->note);
}

/* The publisher's own path behind the mirror's, a folder per set, the files themselves. */
enum { LAYOUT_PUBLISHER, LAYOUT_FOLDER, LAYOUT_FLAT, LAYOUT_COUNT };

static bool make_url(const struct getting *g, const struct data_group *group, const char *name, int layout,
                     char out[CLIENT_URL_SIZE])
{
    const char *from = g->arguments->from;
    size_t length = from ? strlen(from) : 0;
    while (length && from[length - 1] == '/')
        length--;
    int n = 0;
    if (!from)
        n = snprintf(out, CLIENT_URL_SIZE, "%s%s", group->publisher, name);
    else if (layout == LAYOUT_PUBLISHER && group->publisher)
        n = snprintf(out, CLIENT_URL_SIZE, "%.*s%s%s", (int)length, from,
                     strchr(group->publisher + strlen("https://"), '/'), name);
    else if (layout == LAYOUT_FOLDER)
        n = snprintf(out, CLIENT_URL_SIZE, "%.*s/%s/%s", (int)length, from, g->set->folder, name);
    else if (layout == LAYOUT_FLAT)
        n = snprintf(out, CLIENT_URL_SIZE, "%.*s/%s", (int)length, from, name);
    return n > 0 && n < CLIENT_URL_SIZE;
}

static bool get_file(struct getting *g, const struct data_group *group, const struct data_file *file, struct err *err)
{
    char url[CLIENT_URL_SIZE], path[4096];
    enum download_result result;
    (void)snprintf(path, sizeof path, "%s/%s", g->dir, file->name);
    struct download what = { .url = url, .path = path, .size = file->size, .sha256 = file->sha256, .progress = show,
                             .context = g };
    int first = g->layout >= 0 ? g->layout : 0, last = g->layout >= 0 || !g->arguments->from ? first : LAYOUT_COUNT - 1;
    bool ok = false;
    for (int layout = first; layout <= last && !ok; layout++) {
        if (!make_url(g, group, file->name, layout, url))
            continue;
        err_clear(err);
        ok = download_file(g->client, &what, &result, err);
        if (!ok && err->kind != ERR_NOT_FOUND)
            return false;
        if (ok && result == DOWNLOAD_FETCHED)
            g->layout = layout;
    }
    if (!ok)
        return err->kind != ERR_NONE ? false : err_set(err, ERR_INPUT, "--from: the URL is too long");
    g->fetched += result == DOWNLOAD_FETCHED;
    g->files_done++;
    g->bytes_done += file->size;
    show(g, 0);
    return !interrupt_seen() || err_set(err, ERR_REFUSED, "stopped; the same command goes on from here");
}

static bool get_group(struct getting *g, const struct data_group *group, struct err *err)
{
    if (group->count && !group->publisher && !g->arguments->from)
        return err_set(err, ERR_USAGE, "%s: %s.  Name a server that has it: --from URL", g->set->name,
                       g->set->why_mirror);
    for (size_t i = 0; i < group->count; i++)
        if (!get_file(g, group, &group->files[i], err))
            return false;
    return true;
}

static bool make_folder(const char *path, struct err *err)
{
    char part[2048];
    (void)snprintf(part, sizeof part, "%s", path);
    for (char *slash = part + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            return err_set_errno(err, ERR_IO, errno, "%s", part);
        *slash = '/';
    }
    return mkdir(path, 0777) == 0 || errno == EEXIST || err_set_errno(err, ERR_IO, errno, "%s", path);
}

static bool get(struct getting *g, struct err *err)
{
    int64_t bytes;
    totals(g->set, &g->files, &bytes);
    progress_start(&g->progress, "data get", "bytes", bytes);
    if (g->arguments->quiet)
        progress_quiet(&g->progress);
    g->client = client_new(&(struct client_options){ .ca_file = g->arguments->ca_file, .idle_timeout_ms = 30000,
                                                     .cancel = interrupt_catch() });
    bool ok = true;
    for (int i = 0; ok && i < DATA_GROUPS_MAX; i++)
        ok = get_group(g, &g->set->groups[i], err);
    client_free(g->client);
    if (ok)
        progress_end(&g->progress, g->bytes_done, g->note);
    else
        progress_hide(&g->progress);
    return ok;
}

/* ---- verify ---- */

static bool verify(struct getting *g, struct err *err)
{
    char path[4096];
    size_t wrong = 0;
    for (int i = 0; i < DATA_GROUPS_MAX; i++)
        for (size_t j = 0; j < g->set->groups[i].count; j++) {
            const struct data_file *file = &g->set->groups[i].files[j];
            struct err why = { 0 };
            bool there;
            (void)snprintf(path, sizeof path, "%s/%s", g->dir, file->name);
            g->files++;
            if (download_check(&(struct download){ .path = path, .size = file->size,
                                                   .sha256 = file->sha256 }, &there, &why))
                continue;
            wrong++;
            (void)printf("%s\n", why.text);
        }
    return !wrong || err_set(err, ERR_CONFLICT, "%zu of %zu files are missing or wrong", wrong, g->files);
}

static bool run(struct getting *g, struct err *err)
{
    const struct arguments *arguments = g->arguments;
    bool getting = str_equal(arguments->what, "get");
    if (!getting && !str_equal(arguments->what, "verify"))
        return err_set(err, ERR_USAGE, "'%s': list, get NAME or verify NAME", arguments->what);
    g->set = find_set(arguments->name, err);
    if (!g->set)
        return false;
    if (snprintf(g->dir, sizeof g->dir, "%s", arguments->dir ? arguments->dir : g->set->name) >= (int)sizeof g->dir)
        return err_set(err, ERR_USAGE, "--dir: the name is too long");
    if (!getting)
        return verify(g, err);
    return make_folder(g->dir, err) && get(g, err);
}

int command_data(int argc, char **argv)
{
    static const struct argp_option options[] = {
        { "dir", 'd', "DIR", 0, "Where the files are (default: ./NAME)", 1 },
        { "from", 'f', "URL", 0, "A mirror instead of the publisher", 1 },
        { "ca-file", OPTION_CA_FILE, "FILE", 0, "Certificates to trust (PEM; default: the system's)", 1 },
        { "quiet", 'q', NULL, 0, "No progress", 2 },
        { 0 },
    };
    static const struct argp argp = { .options = options, .parser = parse_option, .args_doc = "list|get|verify [NAME]",
                                      .doc = doc };
    static struct arguments arguments;
    static struct getting g = { .arguments = &arguments, .layout = -1 };
    struct err err = { 0 };
    if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) != 0)
        return 64;
    if (strcmp(arguments.what, "list") == 0)
        return list();
    (void)interrupt_catch();
    if (!run(&g, &err))
        return data_dir_fail("data", &err);
    if (strcmp(arguments.what, "get") == 0)
        (void)printf("%s: %zu files in %s, %zu fetched now, all as pinned\nTerms: %s\nCite:  %s\n", g.set->name,
                     g.files, g.dir, g.fetched, g.set->terms, g.set->cite);
    else
        (void)printf("%s: %zu files in %s, all as pinned\n", g.set->name, g.files, g.dir);
    return 0;
}
