#include "base/config.h"

#include "base/bounds.h"

#include <stddef.h>
#include <stdint.h>

static const char *const engines[] = { "sqlite", "memory", NULL };
static const char *const sources[] = { "simulator", "none", NULL };
static const char *const precisions[] = { "auto", "fp32", "bf16", "int8", NULL };
static const char *const levels[] = { "debug", "info", "warn", "error", NULL };

#define AT(member) offsetof(struct config, member), sizeof(((struct config *)0)->member)
#define TEXT(name, member, fallback, min, help) \
    { name, CONFIG_TEXT, AT(member), fallback, min, sizeof(((struct config *)0)->member) - 1, NULL, help }
#define INT(name, member, fallback, min, max, help) { name, CONFIG_INT, AT(member), fallback, min, max, NULL, help }
#define BOOL(name, member, fallback, help) { name, CONFIG_BOOL, AT(member), fallback, 0, 1, NULL, help }
#define CHOICE(name, member, fallback, choices, help) { name, CONFIG_CHOICE, AT(member), fallback, 0, 0, choices, help }
#define SECRET(name, member, min, help) \
    { name, CONFIG_SECRET, AT(member), "", min, sizeof(((struct config *)0)->member) - 1, NULL, help }

/* clang-format off */
/* Keys of one section stand together; the section's order here is that of `config print`. */
const struct config_key config_keys[] = {
    TEXT("target", target, "all", 3, "Services this process runs, separated by commas; all runs every one."),

    TEXT("http.bind", http.bind, "127.0.0.1", 1, "Address to listen on: 127.0.0.1, 0.0.0.0 or ::"),
    /* 8004 is the highest port: 8004 + 57531 = 65535. */
    INT("http.port_offset", http.port_offset, "0", 0, 57531, "Added to every port: 3000, 8001 to 8004."),
    TEXT("http.allowed_origins", http.allowed_origins, "", 0,
         "Origins, separated by commas, that may open WebSockets beside our own host: https://ward.example"),
    INT("http.threads", http.threads, "2", 1, 64, "Network threads per port."),
    INT("http.pool_threads", http.pool_threads, "4", 1, 64,
        "Threads for slow requests, and as many for those that wait for the disk."),
    TEXT("http.dashboard_dir", http.dashboard_dir, "", 0, "Folder with the built dashboard; empty: none is served."),

    CHOICE("store.engine", store.engine, "sqlite", engines,
           "sqlite keeps everything on disk; memory forgets at the end."),
    TEXT("store.data_dir", store.data_dir, "wardscribe-data", 1,
         "Folder for the database and the models; made with mode 0700."),
    /* 90 days: the exam of a retraining looks at 7 days, an enquiry at a few weeks. */
    INT("store.raw_retention_h", store.raw_retention_h, "168", 1, 2160,
        "Hours that single readings are kept; minute and hour values stay."),

    BOOL("ingest.admit", ingest.admit, "true", "Admit an unknown patient under its id at its first reading."),
    CHOICE("ingest.source", ingest.source, "simulator", sources,
           "Built-in source of readings; none waits for devices."),
    INT("ingest.patients", ingest.patients, "10", 0, PATIENT_COUNT_MAX, "Simulated patients."),
    INT("ingest.seed", ingest.seed, "1", 0, INT32_MAX, "Seed of the simulator; the same seed gives the same ward."),

    INT("summaries.first_s", summaries.first_s, "30", 1, 3600,
        "A patient's first summary is written when its readings reach back so far."),
    INT("summaries.interval_s", summaries.interval_s, "300", 10, 86400, "Every patient gets a new summary this often."),
    INT("summaries.window", summaries.window, "5", 1, 60,
        "Newest readings a summary is written from; the published model was trained on 5."),
    TEXT("summaries.model", summaries.model, "auto", 1,
         "auto: the registry's current version, else the model that comes with the program; none; or a T5 folder."),
    CHOICE("summaries.precision", summaries.precision, "auto", precisions,
           "What the model computes in; auto takes the fastest that keeps the text."),
    INT("summaries.threads", summaries.threads, "0", 0, 64, "Threads of the model, at idle priority; 0: one per core."),
    /* A person waits for one on demand; nobody for the periodic ones, which share the model. */
    INT("summaries.deadline_ms", summaries.deadline_ms, "2000", 10, 60000,
        "A summary on demand that the model has not written by then is the deterministic writer's."),
    INT("summaries.batch_deadline_ms", summaries.batch_deadline_ms, "30000", 10, 600000,
        "The same for a periodic one."),

    INT("auth.token_minutes", auth.token_minutes, "480", 1, 1440, "How long a login lasts; 480 is one shift."),
    SECRET("auth.admin_password", auth.admin_password, PASSWORD_SIZE_MIN,
           "Password of the first admin; without it a random one is printed once at first start."),
    SECRET("auth.signing_key", auth.signing_key, 100,
           "ES256 private key (PEM or JWK); without it one is made at first start and kept in the store."),

    CHOICE("log.level", log.level, "info", levels, "Least severe line that is logged."),
};
/* clang-format on */

const size_t config_key_count = sizeof config_keys / sizeof *config_keys;
_Static_assert(sizeof config_keys / sizeof *config_keys <= CONFIG_KEY_COUNT_MAX, "raise CONFIG_KEY_COUNT_MAX");
