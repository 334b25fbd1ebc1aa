#include "learn/registry.h"

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "learn/model_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* A line has fixed fields and a reason of at most REASON_SIZE; a version.json holds two exam documents. */
enum { REASON_SIZE = 2048, LINE_SIZE_MAX = 16 << 10, HISTORY_SIZE_MAX = 64 << 20, ABOUT_SIZE_MAX = 4 << 20 };
#define HASH_FIELD ",\"hash\":\""

struct model_registry {
    char dir[REGISTRY_PATH_SIZE - 64];
    const struct clock *clock;
    struct registry_step *steps;
    size_t count, capacity;
    off_t read_to;                 /* bytes of the history in `steps`; what follows is torn or newer */
    struct arena texts;
};

static const char *const event_names[REGISTRY_EVENT_COUNT + 1] = { "register", "promote", "rollback", "refuse", NULL };

const char *registry_event_name(enum registry_event event)
{
    return event_names[event];
}

static const char *path_of(const struct model_registry *registry, char out[REGISTRY_PATH_SIZE], const char *name)
{
    (void)snprintf(out, REGISTRY_PATH_SIZE, "%s/%s", registry->dir, name);
    return out;
}

static const char *version_path(const struct model_registry *registry, char out[REGISTRY_PATH_SIZE],
                                const char *version)
{
    (void)snprintf(out, REGISTRY_PATH_SIZE, "%s/versions/%s", registry->dir, version);
    return out;
}

/* ---- the history ---- */

static const char *last_hash(const struct model_registry *registry)
{
    return registry->count ? registry->steps[registry->count - 1].hash : "";
}

static void hash_line(const char *before, const char *text, size_t length, char out[DIGEST_TEXT_SIZE])
{
    struct digest *digest = digest_start(DIGEST_SHA256, 0);
    digest_add(digest, before, strlen(before));
    digest_add(digest, text, length);
    digest_end(digest, out);
}

static bool read_fields(struct model_registry *registry, const struct json *root, struct registry_step *step,
                        struct err *err)
{
    const char *version, *before = "", *by, *reason = "", *about = "", *hash;
    int event = 0;
    if (!json_get_int(root, "seq", JSON_REQUIRED, 1, INT64_MAX, &step->seq, err) ||
        !json_get_time(root, "time", JSON_REQUIRED, &step->time_us, err) ||
        !json_get_choice(root, "event", JSON_REQUIRED, event_names, &event, err) ||
        !json_get_text(root, "version", JSON_REQUIRED, 1, VERSION_SIZE - 1, &version, err) ||
        !json_get_text(root, "before", 0, 0, VERSION_SIZE - 1, &before, err) ||
        !json_get_text(root, "by", JSON_REQUIRED, 0, sizeof step->by - 1, &by, err) ||
        !json_get_text(root, "reason", 0, 0, REASON_SIZE, &reason, err) ||
        !json_get_text(root, "about", 0, 0, DIGEST_TEXT_SIZE - 1, &about, err) ||
        !json_get_text(root, "hash", JSON_REQUIRED, 64, 64, &hash, err))
        return false;
    step->event = (enum registry_event)event;
    (void)str_copy(step->version, sizeof step->version, version);
    (void)str_copy(step->before, sizeof step->before, before);
    (void)str_copy(step->by, sizeof step->by, by);
    (void)str_copy(step->about_hash, sizeof step->about_hash, about);
    (void)str_copy(step->hash, sizeof step->hash, hash);
    step->reason = arena_copy(&registry->texts, reason, strlen(reason));
    return true;
}

static bool check_chain(const struct model_registry *registry, const struct registry_step *step, const char *line,
                        size_t length)
{
    static const size_t tail = sizeof HASH_FIELD - 1 + 64 + 2; /* ,"hash":"…"} */
    char hash[DIGEST_TEXT_SIZE];
    if (length < tail || memcmp(line + length - tail, HASH_FIELD, sizeof HASH_FIELD - 1) != 0)
        return false;
    hash_line(last_hash(registry), line, length - tail, hash);
    return strcmp(hash, step->hash) == 0 && step->seq == (int64_t)registry->count + 1;
}

static bool grow(struct model_registry *registry, struct err *err)
{
    if (registry->count < registry->capacity)
        return true;
    size_t capacity = registry->capacity ? 2 * registry->capacity : 64;
    struct registry_step *steps = mem_try_resize(registry->steps, capacity, sizeof *steps);
    if (!steps)
        return err_set(err, ERR_TOO_LARGE, "%s: no memory for %zu steps", registry->dir, capacity);
    registry->steps = steps;
    registry->capacity = capacity;
    return true;
}

static bool add_line(struct model_registry *registry, const char *line, size_t length, struct err *err)
{
    struct json *root = NULL;
    struct registry_step step = { 0 };
    bool ok = grow(registry, err) && json_parse_object(line, length, LINE_SIZE_MAX, &root, err) &&
              read_fields(registry, root, &step, err);
    json_free(root);
    if (ok && !check_chain(registry, &step, line, length))
        ok = err_set(err, ERR_REFUSED, "the chain is broken: the line was changed, or one before it was removed");
    if (!ok) {
        err_context(err, "%s/history.jsonl: line %zu", registry->dir, registry->count + 1);
        if (err)
            err->kind = ERR_REFUSED;
        return false;
    }
    registry->steps[registry->count++] = step;
    return true;
}

static bool read_from(struct model_registry *registry, int fd, off_t size, struct err *err)
{
    size_t length = (size_t)(size - registry->read_to);
    if (size > HISTORY_SIZE_MAX)
        return err_set(err, ERR_TOO_LARGE, "%s/history.jsonl: more than %d bytes", registry->dir, HISTORY_SIZE_MAX);
    char *text = mem_try_new(length + 1, 1);
    if (!text)
        return err_set(err, ERR_TOO_LARGE, "%s/history.jsonl: no memory for %zu bytes", registry->dir, length);
    ssize_t n = pread(fd, text, length, registry->read_to);
    bool ok = n >= 0 || err_set_errno(err, ERR_IO, errno, "%s/history.jsonl", registry->dir);
    const char *at = text, *end = text + (ok ? n : 0);
    for (const char *stop; ok && (stop = memchr(at, '\n', (size_t)(end - at))); at = stop + 1)
        ok = add_line(registry, at, (size_t)(stop - at), err);
    registry->read_to += at - text;
    mem_free(text);
    return ok;
}

bool model_registry_refresh(struct model_registry *registry, bool *out_changed, struct err *err)
{
    char path[REGISTRY_PATH_SIZE];
    struct stat status;
    size_t before = registry->count;
    bool ok = true;
    int fd = open(path_of(registry, path, "history.jsonl"), O_RDONLY | O_CLOEXEC);
    *out_changed = false;
    if (fd < 0 && errno == ENOENT)
        return registry->read_to == 0 || err_set(err, ERR_REFUSED, "%s is gone", path);
    if (fd < 0 || fstat(fd, &status) != 0)
        ok = err_set_errno(err, ERR_IO, errno, "%s", path);
    else if (status.st_size < registry->read_to)
        ok = err_set(err, ERR_REFUSED, "%s became shorter: an older copy was put back?", path);
    else if (status.st_size > registry->read_to)
        ok = read_from(registry, fd, status.st_size, err);
    if (fd >= 0)
        (void)close(fd);
    *out_changed = registry->count != before;
    return ok;
}

static void write_step(const struct registry_step *step, struct buf *out)
{
    struct json_writer w = json_write(out);
    json_put_object(&w, NULL);
    json_put_int(&w, "seq", step->seq);
    json_put_time(&w, "time", step->time_us);
    json_put_text(&w, "event", event_names[step->event]);
    json_put_text(&w, "version", step->version);
    json_put_text(&w, "before", step->before);
    json_put_text(&w, "by", step->by);
    json_put_text(&w, "reason", step->reason);
    json_put_text(&w, "about", step->about_hash);
    json_put_end(&w);
}

static bool append_line(struct model_registry *registry, const struct buf *line, struct err *err)
{
    char path[REGISTRY_PATH_SIZE];
    int fd = open(path_of(registry, path, "history.jsonl"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    /* A writer that was killed left half a line: the next one writes over it. */
    bool ok = fd >= 0 && ftruncate(fd, registry->read_to) == 0 &&
              pwrite(fd, line->data, line->length, registry->read_to) == (ssize_t)line->length && fsync(fd) == 0;
    if (!ok)
        err_set_errno(err, ERR_IO, errno, "%s", path);
    if (fd >= 0)
        (void)close(fd);
    return ok && model_files_sync_folder(registry->dir, err);
}

/* With the lock held. */
static bool append(struct model_registry *registry, struct registry_step *step, struct err *err)
{
    struct buf line;
    char hash[DIGEST_TEXT_SIZE];
    bool changed;
    if (strlen(step->reason) > REASON_SIZE || strlen(step->by) >= sizeof step->by)
        return err_set(err, ERR_INPUT, "reason: at most %d bytes", REASON_SIZE);
    buf_init(&line, LINE_SIZE_MAX);
    step->seq = (int64_t)registry->count + 1;
    step->time_us = clock_now_us(registry->clock);
    (void)str_copy(step->before, sizeof step->before, model_registry_current(registry));
    write_step(step, &line);
    line.length--; /* the last brace comes behind the hash */
    hash_line(last_hash(registry), line.data, line.length, hash);
    buf_printf(&line, HASH_FIELD "%s\"}\n", hash);
    bool ok = append_line(registry, &line, err) && model_registry_refresh(registry, &changed, err);
    buf_free(&line);
    return ok;
}

/* ---- the lock ---- */

static bool take_lock(struct model_registry *registry, int *out_fd, struct err *err)
{
    char path[REGISTRY_PATH_SIZE];
    bool changed;
    int fd = open(path_of(registry, path, "lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0644), result;
    if (fd < 0)
        return err_set_errno(err, ERR_IO, errno, "%s", path);
    do
        result = flock(fd, LOCK_EX);
    while (result != 0 && errno == EINTR);
    *out_fd = fd;
    if (result == 0 && model_registry_refresh(registry, &changed, err))
        return true;
    if (result != 0)
        err_set_errno(err, ERR_IO, errno, "%s", path);
    (void)close(fd);
    return false;
}

/* ---- a version's own file ---- */

static bool read_about(const struct model_registry *registry, const char *version, struct buf *out, struct err *err)
{
    char dir[REGISTRY_PATH_SIZE], path[REGISTRY_PATH_SIZE + 16];
    (void)snprintf(path, sizeof path, "%s/" VERSION_FILE, version_path(registry, dir, version));
    return file_read(path, ABOUT_SIZE_MAX, out, err);
}

static void write_about(const struct model_version *about, struct buf *out)
{
    struct json_writer w = json_write(out);
    json_put_object(&w, NULL);
    json_put_text(&w, "version", about->version);
    json_put_text(&w, "hash", about->hash);
    json_put_text(&w, "parent", about->parent);
    json_put_text(&w, "data_hash", about->data_hash);
    json_put_text(&w, "by", about->by);
    json_put_text(&w, "description", about->description);
    json_put_time(&w, "created", about->created_us);
    json_put_bool(&w, "gate_passed", about->gate_passed);
    json_put_text(&w, "exam", about->exam); /* texts: a document within would be read again with other limits */
    json_put_text(&w, "gate", about->gate);
    json_put_end(&w);
    buf_add_char(out, '\n');
}

static bool copy_text(const struct json *root, const char *key, char *out, size_t size, struct err *err)
{
    const char *text = "";
    if (!json_get_text(root, key, JSON_REQUIRED, 0, size - 1, &text, err))
        return false;
    return str_copy(out, size, text) || err_set(err, ERR_INPUT, "%s: too long", key);
}

static bool keep_text(const struct json *root, const char *key, struct arena *arena, const char **out, struct err *err)
{
    const char *text = NULL;
    *out = NULL;
    if (!json_get_text(root, key, JSON_NULLABLE | JSON_MULTILINE, 0, ABOUT_SIZE_MAX, &text, err))
        return false;
    if (text)
        *out = arena_copy(arena, text, strlen(text));
    return true;
}

static bool parse_about(const char *text, size_t size, struct arena *arena, struct model_version *out, struct err *err)
{
    struct json *root = NULL;
    bool ok = json_parse_object(text, size, ABOUT_SIZE_MAX, &root, err) &&
              copy_text(root, "version", out->version, sizeof out->version, err) &&
              copy_text(root, "hash", out->hash, sizeof out->hash, err) &&
              copy_text(root, "parent", out->parent, sizeof out->parent, err) &&
              copy_text(root, "data_hash", out->data_hash, sizeof out->data_hash, err) &&
              copy_text(root, "by", out->by, sizeof out->by, err) &&
              copy_text(root, "description", out->description, sizeof out->description, err) &&
              json_get_time(root, "created", JSON_REQUIRED, &out->created_us, err) &&
              json_get_bool(root, "gate_passed", JSON_REQUIRED, &out->gate_passed, err) &&
              keep_text(root, "exam", arena, &out->exam, err) && keep_text(root, "gate", arena, &out->gate, err);
    json_free(root);
    return ok || err_context(err, VERSION_FILE);
}

/* ---- looking things up ---- */

static const struct registry_step *registered(const struct model_registry *registry, const char *version)
{
    for (size_t i = registry->count; i-- > 0;)
        if (registry->steps[i].event == REGISTRY_REGISTER && strcmp(registry->steps[i].version, version) == 0)
            return &registry->steps[i];
    return NULL;
}

/* The whole name of the one version that begins with `text`. */
static bool resolve(const struct model_registry *registry, const char *text, char out[VERSION_SIZE], struct err *err)
{
    const struct registry_step *found = NULL;
    if (strlen(text) < 4)
        return err_set(err, ERR_INPUT, "version '%s': give 4 digits or more", text);
    for (size_t i = 0; i < registry->count; i++) {
        const struct registry_step *step = &registry->steps[i];
        if (step->event != REGISTRY_REGISTER || !str_starts(step->version, text))
            continue;
        if (found && strcmp(found->version, step->version) != 0)
            return err_set(err, ERR_INPUT, "version '%s': %s and %s begin with it; give more digits", text,
                           found->version, step->version);
        found = step;
    }
    if (!found)
        return err_set(err, ERR_NOT_FOUND, "version '%s' is not in %s", text, registry->dir);
    (void)str_copy(out, VERSION_SIZE, found->version);
    return true;
}

const char *model_registry_current(const struct model_registry *registry)
{
    for (size_t i = registry->count; i-- > 0;)
        if (registry->steps[i].event == REGISTRY_PROMOTE || registry->steps[i].event == REGISTRY_ROLLBACK)
            return registry->steps[i].version;
    return "";
}

static bool check_about(const struct model_registry *registry, const char *version, const struct buf *text,
                        struct err *err)
{
    const struct registry_step *step = registered(registry, version);
    char hash[DIGEST_TEXT_SIZE];
    struct digest *digest = digest_start(DIGEST_SHA256, 0);
    digest_add(digest, text->data, text->length);
    digest_end(digest, hash);
    return (step && strcmp(step->about_hash, hash) == 0) ||
           err_set(err, ERR_REFUSED, "version %s: " VERSION_FILE " is not the one that was registered", version);
}

bool model_registry_find(const struct model_registry *registry, const char *version, struct arena *arena,
                         struct model_version *out, struct err *err)
{
    char name[VERSION_SIZE];
    struct buf text;
    *out = (struct model_version){ 0 };
    if (!resolve(registry, version, name, err) || !read_about(registry, name, &text, err))
        return false;
    bool ok = check_about(registry, name, &text, err) && parse_about(text.data, text.length, arena, out, err);
    buf_free(&text);
    return ok;
}

bool model_registry_path(const struct model_registry *registry, const char *version, char out[REGISTRY_PATH_SIZE],
                         struct err *err)
{
    char name[VERSION_SIZE], hash[DIGEST_TEXT_SIZE];
    struct buf text;
    if (!resolve(registry, version, name, err) || !model_files_hash(version_path(registry, out, name), hash, err))
        return false;
    if (strncmp(hash, name, VERSION_SIZE - 1) != 0)
        return err_set(err, ERR_REFUSED, "version %s: its files were changed: their hash is %.16s now", name, hash);
    if (!read_about(registry, name, &text, err))
        return false;
    bool ok = check_about(registry, name, &text, err);
    buf_free(&text);
    return ok;
}

size_t model_registry_step_count(const struct model_registry *registry)
{
    return registry->count;
}

const struct registry_step *model_registry_step(const struct model_registry *registry, size_t i)
{
    return &registry->steps[i];
}

bool model_registry_knows(const struct model_registry *registry, int64_t seq, const char *hash)
{
    return seq == 0 || (seq > 0 && (size_t)seq <= registry->count && strcmp(registry->steps[seq - 1].hash, hash) == 0);
}

/* ---- steps ---- */

static void sweep(const struct model_registry *registry)
{
    DIR *dir = opendir(registry->dir);
    if (!dir)
        return;
    for (struct dirent *entry; (entry = readdir(dir));) {
        char path[REGISTRY_PATH_SIZE + NAME_MAX];
        if (!str_starts(entry->d_name, "tmp."))
            continue;
        (void)snprintf(path, sizeof path, "%s/%s", registry->dir, entry->d_name);
        model_files_remove(path);
    }
    (void)closedir(dir);
}

static bool move_in(const struct model_registry *registry, const char *made, const char *version, struct err *err)
{
    char target[REGISTRY_PATH_SIZE], parent[REGISTRY_PATH_SIZE];
    model_files_remove(version_path(registry, target, version)); /* of one that was killed before it was written down */
    if (rename(made, target) != 0)
        return err_set_errno(err, ERR_IO, errno, "%s", target);
    return model_files_sync_folder(path_of(registry, parent, "versions"), err);
}

static bool copy_in(const struct model_registry *registry, const char *folder, const struct model_version *about,
                    char about_hash[DIGEST_TEXT_SIZE], struct err *err)
{
    char made[REGISTRY_PATH_SIZE], name[32], file[REGISTRY_PATH_SIZE + 16], hash[DIGEST_TEXT_SIZE];
    struct buf text;
    (void)snprintf(name, sizeof name, "tmp.%d", (int)getpid());
    if (mkdir(path_of(registry, made, name), 0755) != 0)
        return err_set_errno(err, ERR_IO, errno, "%s", made);
    (void)snprintf(file, sizeof file, "%s/" VERSION_FILE, made);
    buf_init(&text, ABOUT_SIZE_MAX);
    write_about(about, &text);
    bool ok = (!text.overflow || err_set(err, ERR_TOO_LARGE, VERSION_FILE ": over %d bytes", ABOUT_SIZE_MAX)) &&
              model_files_copy(folder, made, err) && model_files_hash(made, hash, err) &&
              (strcmp(hash, about->hash) == 0 ||
               err_set(err, ERR_CONFLICT, "%s changed while it was copied", folder)) &&
              file_write(file, text.data, text.length, err) &&
              digest_file(file, DIGEST_SHA256, about_hash, NULL, err) && model_files_sync_folder(made, err) &&
              move_in(registry, made, about->version, err);
    if (!ok)
        model_files_remove(made);
    buf_free(&text);
    return ok;
}

static bool add_locked(struct model_registry *registry, const char *folder, struct model_version *about,
                       bool *out_known, struct err *err)
{
    struct registry_step step = { .event = REGISTRY_REGISTER, .reason = about->description };
    sweep(registry);
    *out_known = registered(registry, about->version) != NULL;
    if (*out_known)
        return true;
    (void)str_copy(step.version, sizeof step.version, about->version);
    (void)str_copy(step.by, sizeof step.by, about->by);
    return copy_in(registry, folder, about, step.about_hash, err) && append(registry, &step, err);
}

bool model_registry_add(struct model_registry *registry, const char *folder, struct model_version *about,
                        bool *out_known, struct err *err)
{
    int lock;
    if (!model_files_hash(folder, about->hash, err) || !take_lock(registry, &lock, err))
        return false;
    (void)snprintf(about->version, sizeof about->version, "%.16s", about->hash);
    if (!about->created_us)
        about->created_us = clock_now_us(registry->clock);
    bool ok = add_locked(registry, folder, about, out_known, err);
    (void)close(lock);
    return ok;
}

static bool step_locked(struct model_registry *registry, enum registry_event event, const char *version, const char *by,
                        const char *reason, struct err *err)
{
    struct registry_step step = { .event = event, .reason = reason };
    int lock;
    if (!take_lock(registry, &lock, err))
        return false;
    (void)str_copy(step.version, sizeof step.version, version);
    (void)str_copy(step.by, sizeof step.by, by);
    bool serves = event == REGISTRY_PROMOTE || event == REGISTRY_ROLLBACK;
    bool ok = (!serves || strcmp(model_registry_current(registry), version) != 0 ||
               err_set(err, ERR_CONFLICT, "version %s serves already", version)) &&
              append(registry, &step, err);
    (void)close(lock);
    return ok;
}

bool model_registry_promote(struct model_registry *registry, const char *version, const char *by, const char *reason,
                            struct err *err)
{
    struct arena arena;
    struct model_version about;
    char path[REGISTRY_PATH_SIZE];
    arena_init(&arena, 2 * ABOUT_SIZE_MAX + (1 << 16));
    bool ok = model_registry_path(registry, version, path, err) &&
              model_registry_find(registry, version, &arena, &about, err) &&
              (about.gate_passed || err_set(err, ERR_REFUSED,
                                            "version %s: its gate did not let it through; only what passed the exam "
                                            "can serve (wardscribe retrain exam, then gate)",
                                            about.version)) &&
              step_locked(registry, REGISTRY_PROMOTE, about.version, by, reason, err);
    arena_free(&arena);
    return ok;
}

bool model_registry_refuse(struct model_registry *registry, const char *version, const char *by, const char *reason,
                           struct err *err)
{
    char name[VERSION_SIZE];
    return resolve(registry, version, name, err) && step_locked(registry, REGISTRY_REFUSE, name, by, reason, err);
}

static bool was_promoted(const struct model_registry *registry, const char *version)
{
    for (size_t i = 0; i < registry->count; i++)
        if (registry->steps[i].event == REGISTRY_PROMOTE && strcmp(registry->steps[i].version, version) == 0)
            return true;
    return false;
}

/* What served when the version that serves was promoted: twice back is two versions back. */
static const char *previous(const struct model_registry *registry)
{
    const char *current = model_registry_current(registry);
    for (size_t i = registry->count; i-- > 0;)
        if (registry->steps[i].event == REGISTRY_PROMOTE && strcmp(registry->steps[i].version, current) == 0)
            return registry->steps[i].before;
    return "";
}

bool model_registry_rollback(struct model_registry *registry, const char *version, const char *by, const char *reason,
                             char out[VERSION_SIZE], struct err *err)
{
    char path[REGISTRY_PATH_SIZE];
    bool changed;
    if (!model_registry_refresh(registry, &changed, err))
        return false;
    if (!version && !*(version = previous(registry)))
        return err_set(err, ERR_NOT_FOUND, "nothing served before; see wardscribe retrain log");
    if (!resolve(registry, version, out, err) || !model_registry_path(registry, out, path, err))
        return false;
    if (!was_promoted(registry, out))
        return err_set(err, ERR_REFUSED, "version %s has never served: promote it, a rollback goes back", out);
    return step_locked(registry, REGISTRY_ROLLBACK, out, by, reason, err);
}

/* ---- open ---- */

static bool make_folders(const struct model_registry *registry, struct err *err)
{
    char path[REGISTRY_PATH_SIZE];
    const char *const dirs[] = { registry->dir, path_of(registry, path, "versions") };
    for (int i = 0; i < 2; i++)
        if (mkdir(dirs[i], 0755) != 0 && errno != EEXIST)
            return err_set_errno(err, ERR_IO, errno, "%s", dirs[i]);
    return true;
}

bool model_registry_open(const char *dir, const struct clock *clock, struct model_registry **out, struct err *err)
{
    struct model_registry *registry = mem_new(1, sizeof *registry);
    bool changed;
    registry->clock = clock;
    arena_init(&registry->texts, HISTORY_SIZE_MAX);
    if ((str_copy(registry->dir, sizeof registry->dir, dir) ||
         err_set(err, ERR_INPUT, "%s: the path is too long", dir)) &&
        make_folders(registry, err) && model_registry_refresh(registry, &changed, err)) {
        *out = registry;
        return true;
    }
    model_registry_close(registry);
    return false;
}

void model_registry_close(struct model_registry *registry)
{
    if (!registry)
        return;
    arena_free(&registry->texts);
    mem_free(registry->steps);
    mem_free(registry);
}
