#include "commands/feed.h"

#include "base/clock.h"
#include "base/gzip.h"
#include "base/json.h"
#include "base/mem.h"
#include "ingest/json_reading.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { RETRY_MS_MIN = 200, RETRY_MS_MAX = 5000, RETRY_AFTER_S_MAX = 60, BATCH_SIZE_MAX = 2 << 20, URL_MAX = 1024 };

/* ---- the token ---- */

bool feed_read_token(const char *path, char **out, struct err *err)
{
    char text[CLIENT_URL_SIZE];
    bool input = strcmp(path, "-") == 0;
    int fd = input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    int why = errno;
    if (fd >= 0 && !input)
        (void)close(fd);
    if (n < 0)
        return err_set_errno(err, ERR_INPUT, why, "%s", path);
    text[n] = '\0';
    text[strcspn(text, " \r\n")] = '\0';
    if (!text[0])
        return err_set(err, ERR_INPUT, "%s: no token in it", path);
    *out = mem_copy_string(text);
    explicit_bzero(text, sizeof text);
    return true;
}

bool feed_open(struct feed *feed, const struct feed_options *options, struct err *err)
{
    *feed = (struct feed){ .options = *options };
    buf_init(&feed->batch, BATCH_SIZE_MAX);
    buf_init(&feed->packed, BATCH_SIZE_MAX);
    if (!options->token_file)
        return err_set(err, ERR_USAGE, "a server wants a token: --token-file FILE (see --help for how to get one)");
    if (strlen(options->url) > URL_MAX)
        return err_set(err, ERR_USAGE, "--to: the URL is too long");
    if (!options->patience_s)
        feed->options.patience_s = FEED_PATIENCE_S;
    feed->client = client_new(&(struct client_options){ .connect_timeout_ms = 5000, .idle_timeout_ms = 30000,
                                                        .cancel = options->cancel });
    return feed_read_token(options->token_file, &feed->token, err);
}

void feed_close(struct feed *feed)
{
    client_free(feed->client);
    if (feed->token)
        explicit_bzero(feed->token, strlen(feed->token));
    mem_free(feed->token);
    buf_free(&feed->batch);
    buf_free(&feed->packed);
}

/* ---- trying again ---- */

static bool is_cancelled(const struct feed *feed)
{
    return feed->options.cancel && atomic_load(feed->options.cancel);
}

/* What a later attempt may mend. */
static bool is_passing(enum err_kind kind)
{
    return kind == ERR_BUSY || kind == ERR_UNAVAILABLE || kind == ERR_TIMEOUT || kind == ERR_IO;
}

static bool wait_ms(const struct feed *feed, int64_t ms)
{
    for (; ms > 0 && !is_cancelled(feed); ms -= 50)
        (void)nanosleep(&(struct timespec){ .tv_nsec = (ms < 50 ? ms : 50) * 1000000L }, NULL);
    return !is_cancelled(feed);
}

static void say_waiting(struct feed *feed, const struct err *err)
{
    if (feed->options.progress)
        progress_hide(feed->options.progress);
    (void)fprintf(stderr, "waiting: %s\n", err->text);
}

/* One request, until it is answered with something that waiting does not change. */
static bool insist(struct feed *feed, const struct client_call *call, struct client_answer *answer, struct err *err)
{
    int64_t started_us = clock_monotonic_us(clock_system()), pause_ms = RETRY_MS_MIN;
    for (int attempt = 0;; attempt++) {
        struct err now = { 0 };
        bool answered = client_call(feed->client, call, answer, &now);
        if (answered && !is_passing(client_status_kind(answer->status)))
            return true;
        if (answered)
            (void)!client_answer_check(answer, &now);
        int64_t asked_ms = answered ? client_answer_retry_after_s(answer, 0, RETRY_AFTER_S_MAX) * INT64_C(1000) : 0;
        int64_t waited_us = clock_monotonic_us(clock_system()) - started_us;
        if (!is_passing(now.kind) || is_cancelled(feed) || waited_us > feed->options.patience_s * US_PER_S) {
            *err = now;
            return false;
        }
        client_answer_free(answer);
        if (attempt == 0)
            say_waiting(feed, &now);
        feed->retries++;
        if (!wait_ms(feed, asked_ms > pause_ms ? asked_ms : pause_ms))
            return err_set(err, ERR_REFUSED, "cancelled");
        pause_ms = pause_ms * 2 < RETRY_MS_MAX ? pause_ms * 2 : RETRY_MS_MAX;
    }
}

static const char *path_url(const struct feed *feed, const char *path, char out[URL_MAX + 64])
{
    size_t length = strlen(feed->options.url);
    while (length && feed->options.url[length - 1] == '/')
        length--;
    (void)snprintf(out, URL_MAX + 64, "%.*s%s", (int)length, feed->options.url, path);
    return out;
}

static bool post(struct feed *feed, const char *path, const char *type, const struct buf *body, bool gzip,
                 struct client_answer *answer, struct err *err)
{
    char url[URL_MAX + 64];
    const char *const headers[] = { type, gzip ? "Content-Encoding: gzip" : NULL, NULL };
    struct client_call call = { .method = "POST", .url = path_url(feed, path, url), .headers = headers,
                                .bearer = feed->token, .body = body->data, .body_size = body->length };
    return insist(feed, &call, answer, err);
}

/* ---- people ---- */

static void write_person(struct buf *out, const char *id, const char *name, int age, const char *gender,
                         const char *bed)
{
    struct json_writer w = json_write(out);
    json_put_object(&w, NULL);
    json_put_text(&w, "id", id);
    if (name[0])
        json_put_text(&w, "name", name);
    if (age >= 0)
        json_put_int(&w, "age", age);
    if (gender[0])
        json_put_text(&w, "gender", gender);
    if (bed[0])
        json_put_text(&w, "bedNumber", bed);
    json_put_end(&w);
}

bool feed_admit(struct feed *feed, const char *id, const char *name, int age, const char *gender, const char *bed,
                struct err *err)
{
    struct client_answer answer = { 0 };
    struct buf body;
    if (feed->may_not_admit)
        return true;
    buf_init(&body, 4096);
    write_person(&body, id, name, age, gender, bed);
    bool ok = post(feed, "/api/patients", "Content-Type: application/json", &body, false, &answer, err);
    if (ok && answer.status == 403) {
        feed->may_not_admit = true; /* a device's token: patients are admitted by their readings then */
    } else if (ok && answer.status != 409) {
        ok = client_answer_check(&answer, err);
        feed->admitted += ok;
    }
    client_answer_free(&answer);
    buf_free(&body);
    return ok;
}

/* ---- readings ---- */

static void note_rejection(struct feed *feed, const struct json *rejected)
{
    const char *detail = "";
    int64_t line = 0;
    const struct json *first = json_item(rejected, 0);
    if (feed->first_rejection[0] || !first || json_kind_of(first) != JSON_IS_OBJECT)
        return;
    if (json_get_text(first, "detail", 0, 0, 400, &detail, NULL) &&
        json_get_int(first, "line", 0, 0, INT32_MAX, &line, NULL))
        (void)snprintf(feed->first_rejection, sizeof feed->first_rejection, "%.250s", detail);
}

static bool take_answer(struct feed *feed, const struct client_answer *answer, struct err *err)
{
    struct json *root = NULL;
    const struct json *rejected = NULL;
    int64_t accepted = 0;
    if (!json_parse_object(answer->body.data ? answer->body.data : "", answer->body.length, CLIENT_ANSWER_MAX, &root,
                           err))
        return err_context(err, "the server's answer");
    bool ours = json_has(root, "accepted");
    bool ok = !ours || (json_get_int(root, "accepted", JSON_REQUIRED, 0, INT32_MAX, &accepted, err) &&
                        json_get_array(root, "rejected", JSON_REQUIRED, FEED_BATCH_MAX, &rejected, err));
    if (ok && ours) {
        feed->accepted += accepted;
        feed->rejected += (int64_t)json_count(rejected);
        note_rejection(feed, rejected);
    }
    json_free(root);
    return ok && (ours || client_answer_check(answer, err));
}

bool feed_flush(struct feed *feed, struct err *err)
{
    struct client_answer answer = { 0 };
    if (!feed->in_batch)
        return true;
    buf_reset(&feed->packed);
    gzip_pack(feed->batch.data, feed->batch.length, &feed->packed);
    CHECK(!feed->batch.overflow && !feed->packed.overflow);
    bool ok = post(feed, "/api/ingest/vitals", "Content-Type: application/x-ndjson", &feed->packed, true, &answer, err);
    if (ok && answer.status == 401)
        ok = client_answer_check(&answer, err) || err_context(err, "the token is not (or no longer) valid");
    ok = ok && take_answer(feed, &answer, err);
    client_answer_free(&answer);
    if (!ok)
        return false;
    feed->sent += feed->in_batch;
    feed->in_batch = 0;
    buf_reset(&feed->batch);
    return true;
}

bool feed_reading(struct feed *feed, const struct reading *reading, const char *patient_id, struct err *err)
{
    json_reading_write(&feed->batch, reading, patient_id, feed->options.source);
    return ++feed->in_batch < FEED_BATCH_MAX || feed_flush(feed, err);
}
