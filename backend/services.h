/* services.h - the table of services, and one process that runs some of its rows. */
#ifndef SERVICES_H
#define SERVICES_H

#include "alert-engine/engine.h"
#include "auth-service/service.h"
#include "base/config.h"
#include "summarizer-service/summarizer.h"
#include "vitals-generator/vitals.h"

enum service_id { SERVICE_VITALS, SERVICE_AUTH, SERVICE_SUMMARIZER, SERVICE_ALERT, SERVICE_COUNT };

struct app {
    const struct config *config;
    const struct clock *clock;
    unsigned wanted;                     /* bit per service_id */
    int lock_fd;
    struct store *store;
    struct stream *stream;
    struct registry *registry;
    struct auth *auth;
    struct auth_first_start first_start;
    struct http_server *server;
    struct vitals vitals;
    struct alert_service alert;
    struct summarizer summarizer;
};

/* "all" or names separated by commas; ERR_CONFIG names what is unknown or what a set lacks. */
bool services_parse(const char *target, unsigned *out_wanted, struct err *err) MUST_CHECK;
bool app_start(struct app *app, struct err *err) MUST_CHECK;
void app_stop(struct app *app);
const char *service_name(enum service_id id);
int service_port(enum service_id id);

/* health.c: /health, /ready, /metrics of one service. */
struct health {
    struct app *app;
    const char *service;
};
struct http_routes health_routes(struct health *health);

#endif
