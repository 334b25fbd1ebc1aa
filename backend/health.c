/* health.c - what orchestrators and Prometheus ask of every service. */
#include "base/json.h"
#include "base/metric.h"
#include "net/access.h"
#include "services.h"

static bool write_health(const struct health *health, struct buf *out)
{
    struct app *app = health->app;
    char store[256];
    bool store_ok = store_health(app->store, store, sizeof store);
    bool alarms_ok = !app->alert.engine || engine_alive(app->alert.engine);
    struct json_writer w = json_write(out);
    json_put_object(&w, NULL);
    json_put_text(&w, "status", store_ok && alarms_ok ? "healthy" : "degraded");
    json_put_text(&w, "service", health->service);
    json_put_text(&w, "version", WARDSCRIBE_VERSION);
    json_put_time(&w, "timestamp", clock_now_us(app->clock));
    json_put_text(&w, "store", store);
    json_put_text(&w, "alarms", app->alert.engine ? (alarms_ok ? "ok" : "down") : "elsewhere");
    json_put_end(&w);
    return store_ok && alarms_ok;
}

static void get_health(void *context, struct http_request *request, struct http_reply *reply)
{
    (void)request;
    (void)write_health(context, reply->body);
}

static void get_ready(void *context, struct http_request *request, struct http_reply *reply)
{
    (void)request;
    if (!write_health(context, reply->body))
        reply->status = 503;
}

static void get_metrics(void *context, struct http_request *request, struct http_reply *reply)
{
    (void)context;
    (void)request;
    reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
    metric_print_all(reply->body);
}

/* Not in the pool: a probe that waits behind slow requests would have a busy server restarted. */
static const struct http_route routes[] = {
    { HTTP_GET, "/health",  RIGHT_PUBLIC, 0, get_health,  NULL },
    { HTTP_GET, "/ready",   RIGHT_PUBLIC, 0, get_ready,   NULL },
    { HTTP_GET, "/metrics", RIGHT_PUBLIC, 0, get_metrics, NULL },
};

struct http_routes health_routes(struct health *health)
{
    return (struct http_routes){ routes, sizeof routes / sizeof *routes, health };
}
