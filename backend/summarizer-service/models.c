#include "summarizer-service/models.h"

#include "base/log.h"
#include "base/mem.h"
#include "clinical/guard.h"
#include "learn/model_home.h"
#include "learn/registry.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_EVERY_S = 1, HEALTH_DEADLINE_S = 30, KEY_SIZE = 1200, ARENA_SIZE = 16 << 20 };
static const char history_setting[] = "model_history";

struct models {
    const struct config *config;
    const struct clock *clock;
    struct store *store;
    struct model_registry *registry;     /* the thread's own; NULL: cannot be opened */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping;
    struct served *current;              /* under the lock, as are the three below */
    char version[VERSION_SIZE];          /* of the registry; "": not from there */
    char problem[256], key[KEY_SIZE];    /* what serves: folder, version and the files' stamps */
    char tried[KEY_SIZE];                /* what failed */
};

/* What is looked for: where it lies, and a key that changes when its files do. */
struct wanted {
    char dir[REGISTRY_PATH_SIZE], version[VERSION_SIZE], key[KEY_SIZE];
};

/* ---- where ---- */

static void make_key(struct wanted *wanted)
{
    static const char *const files[] = { "config.json", "model.safetensors", "README.md", "spiece.model",
                                         "model.safetensors.index.json" };
    size_t used = (size_t)snprintf(wanted->key, sizeof wanted->key, "%.800s", wanted->dir);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[REGISTRY_PATH_SIZE + 40];
        struct stat stat_of;
        (void)snprintf(path, sizeof path, "%s/%s", wanted->dir, files[i]);
        if (stat(path, &stat_of) == 0)
            used += (size_t)snprintf(wanted->key + used, sizeof wanted->key - used, " %lld.%09ld:%llu",
                                     (long long)stat_of.st_mtim.tv_sec,
                                     stat_of.st_mtim.tv_nsec, (unsigned long long)stat_of.st_ino);
    }
}

/* ---- the registry, and its older copies ---- */

static bool history_is_ours(struct models *m, struct err *err)
{
    struct arena arena;
    void *value = NULL;
    size_t size = 0;
    long long seq = 0;
    char hash[DIGEST_TEXT_SIZE] = "";
    arena_init(&arena, 1 << 16);
    bool ok = store_setting(m->store, &arena, history_setting, &value, &size, err);
    if (ok && value && size < 128) {
        char text[128];
        memcpy(text, value, size);
        text[size] = '\0';
        if (sscanf(text, "%lld %64s", &seq, hash) == 2 && !model_registry_knows(m->registry, seq, hash))
            ok = err_set(err, ERR_REFUSED, "the registry is an older copy: it does not contain step %lld", seq);
    }
    arena_free(&arena);
    return ok;
}

static void remember_history(struct models *m)
{
    size_t count = model_registry_step_count(m->registry);
    char text[128];
    if (!count)
        return;
    const struct registry_step *last = model_registry_step(m->registry, count - 1);
    int length = snprintf(text, sizeof text, "%lld %s", (long long)last->seq, last->hash);
    struct setting_row setting = { history_setting, text, (size_t)length };
    struct store_write write = { .settings = &setting, .setting_count = 1 };
    struct err err = { 0 };
    if (!store_write_sync(m->store, &write, &err))
        log_warn("the model history's head was not stored", LOG_ERR(&err));
}

/* false: nothing is registered, or what is cannot be used (then err says so). */
static bool from_registry(struct models *m, struct wanted *out, bool *out_changed, struct err *err)
{
    char dir[CONFIG_PATH_SIZE + 16];
    *out_changed = !m->registry;
    (void)snprintf(dir, sizeof dir, "%s/models", m->config->store.data_dir);
    if (!m->registry && access(dir, F_OK) != 0)
        return false;
    if (!m->registry && !model_registry_open(dir, m->clock, &m->registry, err))
        return false;
    if (!*out_changed && !model_registry_refresh(m->registry, out_changed, err))
        return false;
    const char *version = model_registry_current(m->registry);
    if (!version[0] || !history_is_ours(m, err) || !model_registry_path(m->registry, version, out->dir, err))
        return false;
    (void)snprintf(out->version, sizeof out->version, "%s", version);
    return true;
}

static bool find_wanted(struct models *m, struct wanted *out, struct err *err)
{
    const char *setting = m->config->summaries.model;
    bool changed = false;
    *out = (struct wanted){ 0 };
    if (strcmp(setting, "none") == 0)
        return err_set(err, ERR_CONFIG, "summaries.model is none");
    if (strcmp(setting, "auto") != 0)
        (void)snprintf(out->dir, sizeof out->dir, "%s", setting);
    else if (!from_registry(m, out, &changed, err)) {
        if (err->kind != ERR_NONE)
            return false;
        if (!model_home_default(out->dir, sizeof out->dir))
            return err_set(err, ERR_NOT_FOUND, "no model is installed");
    }
    if (!model_home_has_model(out->dir))
        return err_set(err, ERR_NOT_FOUND, "summaries.model: %s holds no config.json", out->dir);
    make_key(out);
    return true;
}

/* ---- the health prompt ---- */

/* A patient whose heart rate rises while SpO2 falls: any model has something to say. */
static void health_window(struct reading readings[5], struct window *out)
{
    for (int i = 0; i < 5; i++) {
        readings[i] = (struct reading){ .time_us = INT64_C(1767225600000000) + i * US_PER_MIN, .patient = 1,
                                        .source = 1,
                                        .value_milli = { (88 + 8 * i) * 1000, (97 - 2 * i) * 1000, 128000, 82000,
                                                         37500, 18000 } };
    }
    *out = (struct window){ .patient = 1, .from_us = readings[0].time_us, .to_us = readings[4].time_us + 1,
                            .readings = readings, .reading_count = 5 };
}

static bool answers_health_prompt(struct served *served, const struct clock *clock, struct err *err)
{
    struct reading readings[5];
    struct window window;
    struct arena arena;
    struct served_ticket *ticket;
    const char *text = "";
    arena_init(&arena, ARENA_SIZE);
    struct facts *facts = arena_alloc(&arena, sizeof *facts);
    struct guard_result *result = arena_alloc(&arena, sizeof *result);
    health_window(readings, &window);
    facts_make(&window, &alarm_limits_default, facts);
    bool ok = served_submit(served, facts, clock_monotonic_us(clock) + HEALTH_DEADLINE_S * US_PER_S, &ticket, err) &&
              served_wait(ticket, &arena, &text, err);
    if (ok) {
        guard_check(facts, text, &(struct guard_options){ .alias = true }, &arena, result);
        if (!result->sentence_count)
            ok = err_set(err, ERR_REFUSED, "the health prompt got no sentence");
        else if (!result->kept.count)
            log_warn("nothing the model wrote of the health prompt is proven", LOG_STR("text", text),
                     LOG_STR("reason", result->cuts[0].reason));
    }
    arena_free(&arena);
    return ok || err_context(err, "health prompt");
}

/* ---- the change ---- */

static void set_problem(struct models *m, const char *key, const struct err *err)
{
    (void)pthread_mutex_lock(&m->lock);
    bool known = strcmp(m->tried, key) == 0 && strncmp(m->problem, err->text, sizeof m->problem - 1) == 0;
    (void)snprintf(m->tried, sizeof m->tried, "%s", key);
    (void)snprintf(m->problem, sizeof m->problem, "%.255s", err->text);
    (void)pthread_mutex_unlock(&m->lock);
    if (!known && err->kind != ERR_CONFIG)
        log_warn("no model is loaded", LOG_STR("model", key), LOG_ERR(err));
}

static void hash_of(struct models *m, const struct wanted *wanted, struct served_info *info)
{
    struct arena arena;
    struct model_version version;
    struct err err = { 0 };
    char path[REGISTRY_PATH_SIZE + 32];
    arena_init(&arena, ARENA_SIZE);
    if (wanted->version[0] && model_registry_find(m->registry, wanted->version, &arena, &version, &err)) {
        (void)snprintf(info->hash, sizeof info->hash, "%s", version.hash);
        (void)snprintf(info->version, sizeof info->version, "%s", version.version);
        if (version.description[0])
            (void)snprintf(info->description, sizeof info->description, "%s", version.description);
    } else {
        (void)snprintf(path, sizeof path, "%s/model.safetensors", wanted->dir);
        char digest[DIGEST_TEXT_SIZE] = "";
        if (digest_file(path, DIGEST_SHA256, digest, NULL, &err))
            (void)snprintf(info->hash, sizeof info->hash, "%s", digest);
        (void)snprintf(info->version, sizeof info->version, "%.16s", info->hash[0] ? info->hash : "unknown");
    }
    arena_free(&arena);
}

static void take_over(struct models *m, struct served *next, const struct wanted *wanted)
{
    (void)pthread_mutex_lock(&m->lock);
    struct served *old = m->current;
    m->current = next;
    (void)snprintf(m->key, sizeof m->key, "%s", wanted->key);
    (void)snprintf(m->version, sizeof m->version, "%s", wanted->version);
    m->problem[0] = m->tried[0] = '\0';
    (void)pthread_mutex_unlock(&m->lock);
    log_info("a model serves", LOG_STR("name", served_info(next)->name), LOG_STR("version", served_info(next)->version),
             LOG_STR("input", model_format_name(served_info(next)->format)),
                 LOG_STR("precision", served_info(next)->precision));
    served_release(old); /* ends with its last request */
}

static void look(struct models *m)
{
    struct wanted wanted;
    struct served *next;
    struct err err = { 0 };
    enum t5_precision precision = T5_AUTO;
    if (!find_wanted(m, &wanted, &err)) {
        set_problem(m, wanted.dir, &err);
        return;
    }
    if (strcmp(wanted.key, m->key) == 0 || strcmp(wanted.key, m->tried) == 0)
        return;
    (void)t5_precision_parse(m->config->summaries.precision, &precision);
    struct served_options options = { .threads = m->config->summaries.threads, .precision = precision };
    if (!served_open(wanted.dir, &options, &next, &err)) {
        set_problem(m, wanted.key, &err);
        return;
    }
    if (!answers_health_prompt(next, m->clock, &err)) {
        set_problem(m, wanted.key, &err);
        served_release(next);
        return;
    }
    hash_of(m, &wanted, served_info(next));
    served_info(next)->loaded_us = clock_now_us(m->clock);
    take_over(m, next, &wanted);
    if (wanted.version[0])
        remember_history(m);
}

/* ---- the thread ---- */

static void *watch(void *context)
{
    struct models *m = context;
    struct timespec until;
    (void)setpriority(PRIO_PROCESS, 0, 10); /* of this thread: loading is work that alarms must not wait for */
    (void)pthread_mutex_lock(&m->lock);
    while (!m->stopping) {
        (void)pthread_mutex_unlock(&m->lock);
        look(m);
        (void)pthread_mutex_lock(&m->lock);
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += LOOK_EVERY_S;
        while (!m->stopping && pthread_cond_timedwait(&m->wake, &m->lock, &until) == 0)
            ;
    }
    (void)pthread_mutex_unlock(&m->lock);
    return NULL;
}

bool models_start(const struct config *config, const struct clock *clock, struct store *store, struct models **out,
                  struct err *err)
{
    enum t5_precision precision;
    pthread_condattr_t monotonic;
    if (!t5_precision_parse(config->summaries.precision, &precision))
        return err_set(err, ERR_CONFIG, "summaries.precision: '%s' is none of auto, fp32, bf16, int8",
                       config->summaries.precision);
    struct models *m = mem_new(1, sizeof *m);
    m->config = config;
    m->clock = clock;
    m->store = store;
    (void)snprintf(m->problem, sizeof m->problem, "the model is being loaded");
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    CHECK(pthread_mutex_init(&m->lock, NULL) == 0 && pthread_cond_init(&m->wake, &monotonic) == 0);
    (void)pthread_condattr_destroy(&monotonic);
    CHECK(pthread_create(&m->thread, NULL, watch, m) == 0);
    *out = m;
    return true;
}

void models_stop_waiting(struct models *m)
{
    (void)pthread_mutex_lock(&m->lock);
    if (m->current)
        served_stop_waiting(m->current);
    (void)pthread_mutex_unlock(&m->lock);
}

void models_stop(struct models *m)
{
    if (!m)
        return;
    (void)pthread_mutex_lock(&m->lock);
    m->stopping = true;
    (void)pthread_cond_signal(&m->wake);
    (void)pthread_mutex_unlock(&m->lock);
    (void)pthread_join(m->thread, NULL);
    served_release(m->current);
    model_registry_close(m->registry);
    (void)pthread_cond_destroy(&m->wake);
    (void)pthread_mutex_destroy(&m->lock);
    mem_free(m);
}

struct served *models_take(struct models *m, char *reason, size_t reason_size)
{
    (void)pthread_mutex_lock(&m->lock);
    struct served *served = m->current ? served_keep(m->current) : NULL;
    if (!served)
        (void)snprintf(reason, reason_size, "%s", m->problem);
    (void)pthread_mutex_unlock(&m->lock);
    return served;
}

/* Opens the registry again: the thread's handle is its own. */
void models_lineage(struct models *m, struct arena *arena, struct models_lineage *out)
{
    char dir[CONFIG_PATH_SIZE + 16], version[VERSION_SIZE];
    struct model_registry *registry;
    struct model_version about;
    struct err err = { 0 };
    *out = (struct models_lineage){ 0 };
    (void)pthread_mutex_lock(&m->lock);
    (void)snprintf(version, sizeof version, "%s", m->version);
    (void)snprintf(out->problem, sizeof out->problem, "%s", m->problem);
    (void)pthread_mutex_unlock(&m->lock);
    (void)snprintf(dir, sizeof dir, "%s/models", m->config->store.data_dir);
    if (!version[0] || !model_registry_open(dir, m->clock, &registry, &err))
        return;
    if (model_registry_find(registry, version, arena, &about, &err)) {
        out->exam = about.exam;
        out->parent = about.parent[0] ? arena_copy(arena, about.parent, strlen(about.parent)) : NULL;
        out->description = about.description[0] ? arena_copy(arena, about.description,
                                                             strlen(about.description)) : NULL;
        out->created_us = about.created_us;
    }
    model_registry_close(registry);
}
