/* config.h - what can be set, from where, and the struct that holds it.
 *
 * Order:    defaults, then the YAML file, then the environment, then flags; the later wins.
 *               struct config config;
 *               config_defaults(&config);
 *               config_read_file(&config, path, err) && config_read_env(&config, environ, err)
 *               && config_set(&config, "http.bind", "::", CONFIG_FROM_FLAG, err) && config_validate(&config, err)
 * Names:    one table (config_table.c) has every key's name, default, range and help.  `http.bind` is
 *           `http: {bind: …}` in YAML, WARDSCRIBE_HTTP_BIND in the environment, `--set http.bind=…`.
 * Secrets:  never stand in the YAML file nor on the command line (ps shows it).  KEY may be given by
 *           the environment; everywhere KEY_file (WARDSCRIBE_…_FILE) names a file that holds it.  config_print() masks
 *           them.
 * Errors:   ERR_CONFIG; "FILE:LINE: KEY: must be an integer between 1 and 64".
 * Owner:    plain data, no pointers: copy it, keep it.  Threads: read-only after start.
 * Units:    in the names. */
#ifndef BASE_CONFIG_H
#define BASE_CONFIG_H

#include "base/err.h"
#include "base/str.h"

enum { CONFIG_PATH_SIZE = 512, CONFIG_SECRET_SIZE = 2048, CONFIG_KEY_COUNT_MAX = 96 };

enum config_source { CONFIG_FROM_DEFAULT, CONFIG_FROM_FILE, CONFIG_FROM_ENV, CONFIG_FROM_FLAG };

struct config {
    char target[96];                            /* all, or names separated by commas */
    struct {
        char bind[64];
        int port_offset;
        char allowed_origins[1024];             /* separated by commas */
        int threads;                            /* per port */
        int pool_threads;
        char dashboard_dir[CONFIG_PATH_SIZE];   /* empty: none */
    } http;
    struct {
        char engine[16], data_dir[CONFIG_PATH_SIZE];
        int raw_retention_h;
    } store;
    struct {
        bool admit;
        char source[16];                        /* simulator, none */
        int patients, seed;
    } ingest;
    struct {
        int first_s, interval_s, window;
        char model[CONFIG_PATH_SIZE], precision[8]; /* auto, none or a folder; auto, fp32, bf16, int8 */
        int threads, deadline_ms, batch_deadline_ms;
    } summaries;
    struct {
        int token_minutes;
        char admin_password[CONFIG_SECRET_SIZE], signing_key[CONFIG_SECRET_SIZE]; /* empty: made at first start */
    } auth;
    struct {
        char level[8];
    } log;

    struct {
        enum config_source source;
        int line;                               /* of the file; 0: unknown */
    } origins[CONFIG_KEY_COUNT_MAX];            /* by row of the table */
    char file[CONFIG_PATH_SIZE];                /* that was read; empty: none */
};

void config_defaults(struct config *config);
/* Adds a YAML file (at most CONFIG_FILE_SIZE_MAX).  `name` stands in errors. */
bool config_read_file(struct config *config, const char *path, struct err *err) MUST_CHECK;
bool config_read_text(struct config *config, const char *text, size_t length, const char *name,
                      struct err *err) MUST_CHECK;
/* Unknown WARDSCRIBE_* names are no error here (Kubernetes makes some of its own): config_unknown_env. */
bool config_read_env(struct config *config, char *const *environment, struct err *err) MUST_CHECK;
/* `key` as in the table, or a secret's name with _file behind it. */
bool config_set(struct config *config, const char *key, const char *value, enum config_source source,
                struct err *err) MUST_CHECK;
/* What one key cannot see: keys that must fit together. */
bool config_validate(const struct config *config, struct err *err) MUST_CHECK;

/* ---- the table, for help, docs and completions ---- */
enum config_kind { CONFIG_TEXT, CONFIG_INT, CONFIG_BOOL, CONFIG_CHOICE, CONFIG_SECRET };

struct config_key {
    const char *name;               /* "http.bind" */
    enum config_kind kind;
    size_t offset, size;            /* in struct config */
    const char *fallback;           /* the default, as text */
    int64_t min, max;               /* INT: value; TEXT, SECRET: bytes */
    const char *const *choices;     /* CHOICE: NULL-terminated */
    const char *help;
};
extern const struct config_key config_keys[];
extern const size_t config_key_count;

void config_env_name(const struct config_key *key, char out[96]);           /* WARDSCRIBE_HTTP_BIND */
void config_value_text(const struct config *config, const struct config_key *key, char *out, size_t size);
/* YAML with each value's origin; secrets masked */
void config_print(const struct config *config, struct buf *out);
/* YAML with every key, its default and help */
void config_example(struct buf *out);
void config_schema(struct buf *out);                                        /* JSON Schema, draft 2020-12 */
void config_unknown_env(char *const *environment, struct buf *out);         /* one name a line */

#endif
