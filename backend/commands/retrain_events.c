/* retrain_events.c - each step of a retraining as a document of system-deployment-*. */
#include "base/json.h"
#include "commands/retrain.h"
#include "net/client.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

void retrain_event_write(const struct retrain_event *event, struct buf *out)
{
    struct json_writer w = json_write(out);
    json_put_object(&w, NULL);
    json_put_time(&w, "@timestamp", event->time_us);
    json_put_text(&w, "service", "retrain");
    json_put_text(&w, "event", "model_retrain");
    json_put_text(&w, "step", retrain_step_name(event->step));
    json_put_text(&w, "status", retrain_status_name(event->status));
    json_put_text(&w, "model_version", event->model_version);
    json_put_text(&w, "detail", event->detail);
    json_put_int(&w, "took_ms", event->took_ms);
    json_put_end(&w);
}

void retrain_event_keep(const struct retrain_arguments *a, const struct retrain_event *event)
{
    char path[PATH_MAX];
    struct buf line;
    (void)snprintf(path, sizeof path, "%.4000s/events.jsonl", a->run.work);
    FILE *file = fopen(path, "ab");
    if (!file)
        return;
    buf_init(&line, 8192);
    retrain_event_write(event, &line);
    (void)fprintf(file, "%s\n", line.data);
    (void)fclose(file);
    buf_free(&line);
}

/* The daily index of the event's own day, UTC. */
static void index_url(const char *server, int64_t time_us, char *out, size_t size)
{
    char stamp[TIME_TEXT_SIZE];
    size_t length = strlen(server);
    (void)time_format(time_us, stamp);
    (void)snprintf(out, size, "%.*s/system-deployment-%.4s.%.2s.%.2s/_doc",
                   (int)(length && server[length - 1] == '/' ? length - 1 : length), server, stamp, stamp + 5,
                   stamp + 8);
}

void retrain_event_send(struct retrain_arguments *a, const struct retrain_event *event)
{
    struct client *client = client_new(&(struct client_options){ .connect_timeout_ms = 3000, .idle_timeout_ms = 5000 });
    struct client_answer answer;
    struct buf line;
    struct err err = { 0 };
    char url[CLIENT_URL_SIZE], authorization[600];
    const char *headers[] = { "Content-Type: application/json", NULL, NULL };
    if (a->run.authorization) {
        (void)snprintf(authorization, sizeof authorization, "Authorization: %s", a->run.authorization);
        headers[1] = authorization;
    }
    buf_init(&line, 8192);
    retrain_event_write(event, &line);
    index_url(a->events_url, event->time_us, url, sizeof url);
    struct client_call call = { .method = "POST", .url = url, .headers = headers, .body = line.data,
                                .body_size = line.length, .timeout_ms = 10000 };
    if (!(client_call(client, &call, &answer, &err) && client_answer_check(&answer, &err)))
        (void)fprintf(stderr, "wardscribe retrain: the event was not logged: %s\n", err.text);
    client_answer_free(&answer);
    buf_free(&line);
    client_free(client);
}
