#include "services.h"

#include "base/dir_lock.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BIT(id) (1u << (id))

/* `needs`: rows whose stream or store this one works on.  Embedded, those are in the same process;
 * with Kafka and Elasticsearch (later) they may be elsewhere. */
static const struct service {
    const char *name;
    int port;
    unsigned needs;
} services[SERVICE_COUNT] = {
    [SERVICE_VITALS]     = { "vitals-generator",   8001, 0 },
    [SERVICE_AUTH]       = { "auth-service",       8002, 0 },
    [SERVICE_SUMMARIZER] = { "summarizer-service", 8003, BIT(SERVICE_VITALS) | BIT(SERVICE_ALERT) },
    [SERVICE_ALERT]      = { "alert-engine",       8004, BIT(SERVICE_VITALS) },
};
enum { DASHBOARD_PORT = 3000, GRACE_MS = 5000 };
/* A process that was killed holds its lock until its memory is given back: half a second for some gigabytes. */
enum { LOCK_WAIT_MS = 3000, LOCK_LOOK_MS = 50 };

/* Mantine sets style attributes; nothing else is inline, nothing comes from elsewhere. */
static const char content_security_policy[] =
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self' ws: wss:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";

const char *service_name(enum service_id id)
{
    return services[id].name;
}

int service_port(enum service_id id)
{
    return services[id].port;
}

static bool parse_one(const char *name, size_t length, unsigned *wanted, struct err *err)
{
    for (int id = 0; id < SERVICE_COUNT; id++)
        if (strlen(services[id].name) == length && memcmp(services[id].name, name, length) == 0) {
            *wanted |= BIT(id);
            return true;
        }
    return err_set(err, ERR_CONFIG, "target: no service '%.*s' (all, vitals-generator, auth-service, "
                   "summarizer-service, alert-engine)", (int)length, name);
}

static void add_names(struct buf *out, unsigned set)
{
    for (int id = 0; id < SERVICE_COUNT; id++)
        if (set & BIT(id))
            buf_printf(out, "%s%s", out->length ? "," : "", services[id].name);
}

static bool check_needs(unsigned wanted, struct err *err)
{
    unsigned needed = wanted;
    for (int id = 0; id < SERVICE_COUNT; id++)
        if (wanted & BIT(id))
            needed |= services[id].needs;
    if (needed == wanted)
        return true;
    struct buf asked, lacks, all;
    buf_init(&asked, 200);
    buf_init(&lacks, 200);
    buf_init(&all, 200);
    add_names(&asked, wanted);
    add_names(&lacks, needed & ~wanted);
    add_names(&all, needed);
    (void)err_set(err, ERR_CONFIG, "target: %s lacks %s: with the embedded store and stream these run in one process; "
                  "use --target=%s, or all", asked.data, lacks.data, all.data);
    buf_free(&asked);
    buf_free(&lacks);
    buf_free(&all);
    return false;
}

bool services_parse(const char *target, unsigned *out_wanted, struct err *err)
{
    *out_wanted = 0;
    if (strcmp(target, "all") == 0) {
        *out_wanted = BIT(SERVICE_COUNT) - 1;
        return true;
    }
    for (const char *p = target;;) {
        size_t length = strcspn(p, ",");
        if (!parse_one(p, length, out_wanted, err))
            return false;
        if (!p[length])
            break;
        p += length + 1;
    }
    return check_needs(*out_wanted, err);
}

/* One process per data directory: two writers would give the same numbers to different patients. */
static bool lock_data_dir(struct app *app, struct err *err)
{
    const char *dir = app->config->store.data_dir;
    struct dir_lock lock;
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return err_set_errno(err, ERR_CONFIG, errno, "store.data_dir: %s", dir);
    for (int waited_ms = 0; !dir_lock_take(dir, &lock, err); waited_ms += LOCK_LOOK_MS) {
        if (waited_ms >= LOCK_WAIT_MS)
            return false;
        if (!waited_ms)
            log_info("waiting for the data directory", LOG_ERR(err));
        (void)usleep(LOCK_LOOK_MS * 1000);
    }
    err_clear(err);
    app->lock_fd = lock.fd;
    return true;
}

static bool start_base(struct app *app, struct err *err)
{
    const struct config *config = app->config;
    struct store_options store = {
        .engine = config->store.engine, .data_dir = config->store.data_dir, .clock = app->clock,
        .threaded = true, .raw_retention_h = config->store.raw_retention_h,
    };
    struct auth_options auth = {
        .clock = app->clock, .owner = true, .token_minutes = config->auth.token_minutes,
        .admin_password = config->auth.admin_password, .signing_key = config->auth.signing_key,
    };
    if (!lock_data_dir(app, err) || !store_open(&store, &app->store, err) ||
        !registry_open(app->store, &app->registry, err) || !stream_open(app->store, app->clock, &app->stream, err))
        return false;
    auth.store = app->store;
    return auth_start(&auth, &app->auth, &app->first_start, err);
}

/* The dashboard beside the program: ../frontend/dist in a build tree, ../share/wardscribe installed. */
static const char *find_dashboard(const struct app *app, char *out, size_t size)
{
    static const char *const places[] = { "../frontend/dist", "../share/wardscribe/dashboard" };
    char program[CONFIG_PATH_SIZE], probe[2 * CONFIG_PATH_SIZE + 16];
    if (app->config->http.dashboard_dir[0])
        return app->config->http.dashboard_dir;
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    if (n <= 0)
        return NULL;
    program[n] = '\0';
    char *slash = strrchr(program, '/');
    *slash = '\0';
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        (void)snprintf(out, size, "%s/%s", program, places[i]);
        (void)snprintf(probe, sizeof probe, "%s/index.html", out);
        if (access(probe, R_OK) == 0)
            return out;
    }
    log_warn("no dashboard found; set http.dashboard_dir");
    return NULL;
}

static const char *const *split_origins(const struct config *config)
{
    static char text[sizeof config->http.allowed_origins];
    static const char *list[64];
    size_t count = 0;
    (void)str_copy(text, sizeof text, config->http.allowed_origins);
    for (char *save = NULL, *p = strtok_r(text, ", ", &save); p && count < 63; p = strtok_r(NULL, ", ", &save))
        list[count++] = p;
    list[count] = NULL;
    return list;
}

static bool start_server(struct app *app, struct err *err)
{
    static char dashboard[2 * CONFIG_PATH_SIZE];
    struct http_server_options options = {
        .clock = app->clock, .bind = app->config->http.bind, .threads = app->config->http.threads,
        .pool_threads = app->config->http.pool_threads, .authorize = auth_authorize, .authorize_context = app->auth,
        .allowed_origins = split_origins(app->config), .static_dir = find_dashboard(app, dashboard, sizeof dashboard),
        .content_security_policy = content_security_policy,
    };
    return http_server_new(&options, &app->server, err);
}

/* Who acknowledged, by name.  Users are few: a miss reads them all. */
static const char *username_of(void *context, uint32_t user, char out[64])
{
    struct app *app = context;
    struct arena arena;
    struct user_row *rows;
    size_t count;
    const char *found = NULL;
    arena_init(&arena, 16 << 20);
    if (store_users(app->store, &arena, &rows, &count, NULL))
        for (size_t i = 0; i < count && !found; i++)
            if (rows[i].id == user) {
                (void)str_copy(out, 64, rows[i].username);
                found = out;
            }
    arena_free(&arena);
    return found;
}

static bool start_services(struct app *app, struct err *err)
{
    app->alert = (struct alert_service){ .config = app->config, .clock = app->clock, .store = app->store,
                                         .stream = app->stream, .registry = app->registry, .username = username_of,
                                         .username_context = app };
    app->vitals = (struct vitals){ .config = app->config, .clock = app->clock, .store = app->store,
                                   .stream = app->stream, .registry = app->registry, .server = app->server };
    app->summarizer = (struct summarizer){ .config = app->config, .clock = app->clock, .store = app->store,
                                           .registry = app->registry };
    /* The ward subscribes before the engine repeats, after a crash, what it has to say. */
    return (!(app->wanted & BIT(SERVICE_VITALS)) || vitals_start(&app->vitals, err)) &&
           (!(app->wanted & BIT(SERVICE_ALERT)) || alert_start(&app->alert, err)) &&
           (!(app->wanted & BIT(SERVICE_SUMMARIZER)) || summarizer_start(&app->summarizer, err));
}

static struct http_routes routes_of(struct app *app, int id)
{
    switch ((enum service_id)id) {
    case SERVICE_VITALS:
        return vitals_routes(&app->vitals);
    case SERVICE_AUTH:
        return auth_routes(app->auth);
    case SERVICE_SUMMARIZER:
        return summarizer_routes(&app->summarizer);
    case SERVICE_ALERT:
        return alert_routes(&app->alert);
    case SERVICE_COUNT:
        break;
    }
    return (struct http_routes){ 0 };
}

static bool listen_all(struct app *app, struct err *err)
{
    static struct health health[SERVICE_COUNT + 1];
    struct http_routes everything[SERVICE_COUNT + 1];
    size_t count = 0;
    int offset = app->config->http.port_offset;
    for (int id = 0; id < SERVICE_COUNT; id++) {
        if (!(app->wanted & BIT(id)))
            continue;
        health[id] = (struct health){ app, services[id].name };
        struct http_routes tables[] = { routes_of(app, id), health_routes(&health[id]) };
        if (!http_server_listen(app->server, services[id].port + offset, tables, 2, false, err))
            return false;
        everything[count++] = tables[0];
    }
    if (app->wanted != BIT(SERVICE_COUNT) - 1)
        return true;
    health[SERVICE_COUNT] = (struct health){ app, "wardscribe" };
    everything[count++] = health_routes(&health[SERVICE_COUNT]);
    return http_server_listen(app->server, DASHBOARD_PORT + offset, everything, count, true, err);
}

bool app_start(struct app *app, struct err *err)
{
    app->lock_fd = -1;
    if (!start_base(app, err) || !start_server(app, err) || !start_services(app, err))
        return false;
    http_server_start_live(app->server);
    return listen_all(app, err) &&
           (!(app->wanted & BIT(SERVICE_VITALS)) || vitals_start_source(&app->vitals, err));
}

/* From the source to the sink, so that nothing is accepted that cannot be kept. */
void app_stop(struct app *app)
{
    if (app->vitals.source)
        vitals_stop_source(&app->vitals);
    if (app->server)
        http_server_stop(app->server, GRACE_MS);
    summarizer_stop(&app->summarizer);
    alert_stop(&app->alert);
    if (app->vitals.ward)
        vitals_stop(&app->vitals);
    stream_close(app->stream);
    if (app->auth)
        auth_stop(app->auth);
    http_server_free(app->server);
    store_close(app->store);
    registry_free(app->registry);
    if (app->lock_fd >= 0)
        (void)close(app->lock_fd);
}
