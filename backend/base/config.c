#include "base/config.h"

#include "base/bounds.h"
#include "base/json.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ENV_PREFIX "WARDSCRIBE_"

static char *slot(struct config *config, const struct config_key *key)
{
    return (char *)config + key->offset;
}

static const char *slot_of(const struct config *config, const struct config_key *key)
{
    return (const char *)config + key->offset;
}

/* ---- one value ---- */

static bool parse_bool(const char *value, bool *out)
{
    static const char *const yes[] = { "true", "yes", "on", "1" }, *const no[] = { "false", "no", "off", "0" };
    for (size_t i = 0; i < 4; i++) {
        *out = strcasecmp(value, yes[i]) == 0;
        if (*out || strcasecmp(value, no[i]) == 0)
            return true;
    }
    return false;
}

static bool set_choice(struct config *config, const struct config_key *key, const char *value, struct err *err)
{
    char names[200] = "";
    for (size_t i = 0, used = 0; key->choices[i]; i++) {
        if (strcmp(key->choices[i], value) == 0)
            return str_copy(slot(config, key), key->size, value);
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", key->choices[i]);
    }
    return err_set(err, ERR_CONFIG, "%s: must be one of %s", key->name, names);
}

static bool set_text(struct config *config, const struct config_key *key, const char *value, struct err *err)
{
    size_t length = strlen(value);
    bool may_be_empty = key->kind == CONFIG_SECRET || key->min == 0;
    if (!(length == 0 && may_be_empty) && (length < (size_t)key->min || length > (size_t)key->max))
        return err_set(err, ERR_CONFIG, "%s: must have %" PRId64 " to %" PRId64 " bytes", key->name, key->min,
                       key->max);
    memcpy(slot(config, key), value, length + 1);
    return true;
}

static bool set_value(struct config *config, const struct config_key *key, const char *value, struct err *err)
{
    int64_t number;
    bool flag;
    switch (key->kind) {
    case CONFIG_INT:
        if (!str_to_int(value, key->min, key->max, &number))
            return err_set(err, ERR_CONFIG, "%s: must be an integer between %" PRId64 " and %" PRId64, key->name,
                           key->min, key->max);
        CHECK(key->size == sizeof(int));
        memcpy(slot(config, key), &(int){ (int)number }, sizeof(int));
        return true;
    case CONFIG_BOOL:
        if (!parse_bool(value, &flag))
            return err_set(err, ERR_CONFIG, "%s: must be true or false", key->name);
        memcpy(slot(config, key), &flag, sizeof flag);
        return true;
    case CONFIG_CHOICE:
        return set_choice(config, key, value, err);
    case CONFIG_TEXT:
    case CONFIG_SECRET:
        break;
    }
    return set_text(config, key, value, err);
}

/* Reads at most size-1 bytes; more is an error.  One line end at the end is taken off. */
static bool read_small_file(const char *path, char *out, size_t size, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, ERR_CONFIG, errno, "%s", path);
    size_t used = 0;
    ssize_t n;
    while ((n = read(fd, out + used, size - used)) > 0)
        used += (size_t)n;
    int read_errno = errno;
    (void)close(fd);
    if (n < 0)
        return err_set_errno(err, ERR_CONFIG, read_errno, "%s", path);
    if (used == size || memchr(out, '\0', used))
        return err_set(err, ERR_CONFIG, "%s: must be text of at most %zu bytes", path, size - 1);
    if (used && out[used - 1] == '\n')
        used--;
    if (used && out[used - 1] == '\r')
        used--;
    out[used] = '\0';
    return true;
}

static const struct config_key *find_key(const char *name, bool *out_is_file)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < config_key_count; i++) {
        const char *key = config_keys[i].name;
        size_t n = strlen(key);
        *out_is_file = config_keys[i].kind == CONFIG_SECRET && length == n + 5 && strcmp(name + n, "_file") == 0;
        if (strncmp(name, key, n) == 0 && (length == n || *out_is_file))
            return &config_keys[i];
    }
    return NULL;
}

static bool set_from_file(struct config *config, const struct config_key *key, const char *path, struct err *err)
{
    char text[CONFIG_SECRET_SIZE + 2];
    bool ok = read_small_file(path, text, sizeof text, err);
    if (ok && !text[0])
        ok = err_set(err, ERR_CONFIG, "%s is empty", path);
    ok = ok ? set_value(config, key, text, err) : err_context(err, "%s_file", key->name);
    explicit_bzero(text, sizeof text);
    return ok;
}

bool config_set(struct config *config, const char *name, const char *value, enum config_source source, struct err *err)
{
    bool is_file;
    const struct config_key *key = find_key(name, &is_file);
    if (!key)
        return err_set(err, ERR_CONFIG, "%.80s: unknown key (see: wardscribe config example)", name);
    if (key->kind == CONFIG_SECRET && (source == CONFIG_FROM_FILE || source == CONFIG_FROM_FLAG) && !is_file)
        return err_set(err, ERR_CONFIG, "%s: a secret does not belong here; name a file with %s_file", key->name,
                       key->name);
    if (!(is_file ? set_from_file(config, key, value, err) : set_value(config, key, value, err)))
        return false;
    config->origins[key - config_keys].source = source;
    config->origins[key - config_keys].line = 0;
    return true;
}

/* ---- origins ---- */

void config_defaults(struct config *config)
{
    memset(config, 0, sizeof *config);
    for (size_t i = 0; i < config_key_count; i++) {
        struct err err;
        CHECK(set_value(config, &config_keys[i], config_keys[i].fallback, &err));
    }
}

bool config_read_file(struct config *config, const char *path, struct err *err)
{
    static const size_t size = CONFIG_FILE_SIZE_MAX + 1;
    struct buf text;
    buf_init(&text, size);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, ERR_CONFIG, errno, "%s", path);
    char piece[4096];
    ssize_t n;
    while ((n = read(fd, piece, sizeof piece)) > 0)
        buf_add(&text, piece, (size_t)n);
    int read_errno = errno;
    (void)close(fd);
    bool ok = n < 0 ? err_set_errno(err, ERR_CONFIG, read_errno, "%s", path)
            : text.overflow ? err_set(err, ERR_CONFIG, "%s: larger than %d bytes", path, CONFIG_FILE_SIZE_MAX)
            : config_read_text(config, text.data ? text.data : "", text.length, path, err);
    if (ok)
        (void)str_copy(config->file, sizeof config->file, path);
    buf_free(&text);
    return ok;
}

void config_env_name(const struct config_key *key, char out[96])
{
    size_t n = (size_t)snprintf(out, 96, ENV_PREFIX "%s", key->name);
    for (size_t i = 0; i < n && i < 96; i++)
        out[i] = out[i] == '.' ? '_' : (char)toupper((unsigned char)out[i]);
}

/* The value when `entry` is NAME=VALUE, else NULL. */
static const char *env_value(const char *entry, const char *name, const char *suffix)
{
    size_t n = strlen(name), s = strlen(suffix);
    bool same = strncmp(entry, name, n) == 0 && strncmp(entry + n, suffix, s) == 0 && entry[n + s] == '=';
    return same ? entry + n + s + 1 : NULL;
}

/* Sets the key that this entry names, if it is one. */
static bool read_env_entry(struct config *config, const char *entry, bool *out_known, struct err *err)
{
    *out_known = false;
    for (size_t i = 0; i < config_key_count; i++) {
        char name[96], key[96];
        config_env_name(&config_keys[i], name);
        const char *value = env_value(entry, name, "");
        const char *file = config_keys[i].kind == CONFIG_SECRET ? env_value(entry, name, "_FILE") : NULL;
        if (!value && !file)
            continue;
        *out_known = true;
        if (!config)
            return true;
        (void)snprintf(key, sizeof key, "%s%s", config_keys[i].name, file ? "_file" : "");
        if (!config_set(config, key, file ? file : value, CONFIG_FROM_ENV, err))
            return err_context(err, "environment %s%s", name, file ? "_FILE" : "");
        return true;
    }
    return true;
}

bool config_read_env(struct config *config, char *const *environment, struct err *err)
{
    for (; *environment; environment++) {
        bool known;
        if (str_starts(*environment, ENV_PREFIX) && !read_env_entry(config, *environment, &known, err))
            return false;
    }
    return true;
}

void config_unknown_env(char *const *environment, struct buf *out)
{
    for (; *environment; environment++) {
        bool known = false;
        if (!str_starts(*environment, ENV_PREFIX) || !read_env_entry(NULL, *environment, &known, NULL) || known)
            continue;
        buf_add(out, *environment, strcspn(*environment, "="));
        buf_add_char(out, '\n');
    }
}

static bool target_known(const char *target, struct err *err)
{
    static const char *const names[] = { "vitals-generator", "alert-engine", "summarizer-service", "auth-service" };
    if (strcmp(target, "all") == 0)
        return true;
    for (const char *p = target;; p++) {
        size_t n = strcspn(p, ","), i = 0;
        while (i < 4 && (strlen(names[i]) != n || memcmp(names[i], p, n) != 0))
            i++;
        if (i == 4)
            return err_set(err, ERR_CONFIG, "target: '%.*s' is not one of all, vitals-generator, alert-engine, "
                           "summarizer-service, auth-service", (int)n, p);
        p += n;
        if (!*p)
            return true;
    }
}

bool config_validate(const struct config *config, struct err *err)
{
    if (!target_known(config->target, err))
        return false;
    if (strcmp(config->store.engine, "memory") == 0 && strcmp(config->target, "all") != 0)
        return err_set(err, ERR_CONFIG,
                       "store.engine: memory is not shared between processes; it goes with target all only");
    for (const char *p = config->http.allowed_origins; *p; p += strcspn(p, ","), p += *p == ',') {
        p += strspn(p, " ");
        if (*p && !str_starts(p, "http://") && !str_starts(p, "https://"))
            return err_set(err, ERR_CONFIG, "http.allowed_origins: %.*s must begin with http:// or https://",
                           (int)strcspn(p, ","), p);
    }
    return true;
}

/* ---- showing ---- */

void config_value_text(const struct config *config, const struct config_key *key, char *out, size_t size)
{
    const char *at = slot_of(config, key);
    int number;
    bool flag;
    switch (key->kind) {
    case CONFIG_INT:
        memcpy(&number, at, sizeof number);
        (void)snprintf(out, size, "%d", number);
        return;
    case CONFIG_BOOL:
        memcpy(&flag, at, sizeof flag);
        (void)snprintf(out, size, "%s", flag ? "true" : "false");
        return;
    case CONFIG_SECRET:
        (void)snprintf(out, size, "%s", *at ? "********" : "");
        return;
    case CONFIG_TEXT:
    case CONFIG_CHOICE:
        break;
    }
    (void)str_copy(out, size, at);
}

/* "http:" when the key opens a new section; returns the key's name within it. */
static const char *open_section(struct buf *out, const struct config_key *key)
{
    const char *dot = strchr(key->name, '.');
    if (!dot)
        return key->name;
    size_t n = (size_t)(dot - key->name) + 1;
    if (key == config_keys || strncmp(key[-1].name, key->name, n) != 0)
        buf_printf(out, "\n%.*s:\n", (int)n - 1, key->name);
    return dot + 1;
}

static void add_yaml_value(struct buf *out, const struct config_key *key, const char *value)
{
    if (key->kind == CONFIG_INT || key->kind == CONFIG_BOOL)
        buf_add_text(out, value);
    else
        buf_add_json_string(out, value, strlen(value)); /* a JSON string is a YAML string */
}

void config_print(const struct config *config, struct buf *out)
{
    static const char *const names[] = { "default", "file", "environment", "flag" };
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        char value[CONFIG_SECRET_SIZE], env[96];
        config_value_text(config, key, value, sizeof value);
        config_env_name(key, env);
        const char *name = open_section(out, key);
        buf_printf(out, "%s%s: ", name == key->name ? "" : "  ", name);
        add_yaml_value(out, key, value);
        buf_printf(out, "  # %s", names[config->origins[i].source]);
        if (config->origins[i].source == CONFIG_FROM_FILE)
            buf_printf(out, " %s:%d", config->file, config->origins[i].line);
        if (config->origins[i].source == CONFIG_FROM_ENV)
            buf_printf(out, " %s", env);
        buf_add_char(out, '\n');
    }
}

/* What is allowed, in words. */
static void add_range(struct buf *out, const struct config_key *key)
{
    if (key->kind == CONFIG_INT)
        buf_printf(out, " (%" PRId64 " to %" PRId64 ")", key->min, key->max);
    for (size_t i = 0; key->kind == CONFIG_CHOICE && key->choices[i]; i++)
        buf_printf(out, "%s%s%s", i ? ", " : " (", key->choices[i], key->choices[i + 1] ? "" : ")");
}

void config_example(struct buf *out)
{
    buf_add_text(out, "# Wardscribe configuration.  Every key with its default; what you leave out keeps it.\n"
                      "# The environment (WARDSCRIBE_SECTION_KEY) wins over this file, flags win over both.\n");
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        const char *name = open_section(out, key), *indent = name == key->name ? "" : "  ";
        buf_printf(out, "%s# %s", indent, key->help);
        add_range(out, key);
        if (key->kind == CONFIG_SECRET) {
            buf_printf(out, "\n%s# %s_file: /run/secrets/%s\n", indent, name, name);
            continue;
        }
        buf_printf(out, "\n%s%s: ", indent, name);
        add_yaml_value(out, key, key->fallback);
        buf_add_char(out, '\n');
    }
}

static void put_default(struct json_writer *w, const struct config_key *key)
{
    if (key->kind == CONFIG_INT || key->kind == CONFIG_BOOL)
        json_put_raw(w, "default", key->fallback);
    else
        json_put_text(w, "default", key->fallback);
}

static void put_key_schema(struct json_writer *w, const struct config_key *key, const char *name)
{
    static const char *const types[] = { "string", "integer", "boolean", "string", "string" };
    char env[96], file_name[96];
    config_env_name(key, env);
    (void)snprintf(file_name, sizeof file_name, "%s_file", name);
    json_put_object(w, key->kind == CONFIG_SECRET ? file_name : name);
    json_put_text(w, "type", types[key->kind]);
    json_put_text(w, "description", key->help);
    if (key->kind != CONFIG_SECRET)
        put_default(w, key);
    if (key->kind == CONFIG_INT) {
        json_put_int(w, "minimum", key->min);
        json_put_int(w, "maximum", key->max);
    }
    if (key->kind == CONFIG_TEXT) {
        json_put_int(w, "minLength", key->min);
        json_put_int(w, "maxLength", key->max);
    }
    if (key->kind == CONFIG_CHOICE) {
        json_put_array(w, "enum");
        for (size_t i = 0; key->choices[i]; i++)
            json_put_text(w, NULL, key->choices[i]);
        json_put_end(w);
    }
    json_put_text(w, "x-environment", env);
    json_put_end(w);
}

static void begin_schema_object(struct json_writer *w, const char *key)
{
    if (key)
        json_put_object(w, key);
    json_put_text(w, "type", "object");
    json_put_bool(w, "additionalProperties", false);
    json_put_object(w, "properties");
}

void config_schema(struct buf *out)
{
    struct json_writer w = json_write(out);
    json_put_object(&w, NULL);
    json_put_text(&w, "$schema", "https://json-schema.org/draft/2020-12/schema");
    json_put_text(&w, "title", "Wardscribe configuration");
    begin_schema_object(&w, NULL);
    char section[48] = "";
    for (size_t i = 0; i < config_key_count; i++) {
        const char *name = config_keys[i].name, *dot = strchr(name, '.');
        size_t n = dot ? (size_t)(dot - name) : 0;
        if (strncmp(section, name, n) != 0 || section[n]) {
            for (int level = 0; section[0] && level < 2; level++)
                json_put_end(&w);
            (void)snprintf(section, sizeof section, "%.*s", (int)n, name);
            begin_schema_object(&w, section);
        }
        put_key_schema(&w, &config_keys[i], dot ? dot + 1 : name);
    }
    while (w.depth)
        json_put_end(&w);
    buf_add_char(out, '\n');
}
