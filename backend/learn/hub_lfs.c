/* hub_lfs.c - git LFS's batch API: where does each large file go, and there it goes.
 *
 * basic:      PUT href, the whole file.
 * multipart:  header.chunk_size and header.00001, 00002, …: PUT each part, keep its ETag; then POST href
 *             with {"oid", "parts": [{"partNumber", "etag"}]}.
 * Then "verify", where the answer has it, is told that the file is there.
 * Source: github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md; huggingface_hub 0.36, lfs.py. */
#include "base/json.h"
#include "base/mem.h"
#include "learn/hub_push.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LFS_JSON "application/vnd.git-lfs+json"
enum { PART_COUNT_MAX = 10000, STORE_ETAG_SIZE = 256 };   /* S3 takes no more parts */

static void write_batch(const struct push *push, struct buf *body)
{
    struct json_writer w = json_write(body);
    json_put_object(&w, NULL);
    json_put_text(&w, "operation", "upload");
    json_put_array(&w, "transfers");
    json_put_text(&w, NULL, "basic");
    json_put_text(&w, NULL, "multipart");
    json_put_end(&w);
    json_put_array(&w, "objects");
    for (int i = 0; i < push->file_count; i++) {
        if (!push->files[i].lfs || push->files[i].skipped)
            continue;
        json_put_object(&w, NULL);
        json_put_text(&w, "oid", push->files[i].sha256);
        json_put_int(&w, "size", push->files[i].size);
        json_put_end(&w);
    }
    json_put_end(&w);
    json_put_text(&w, "hash_algo", "sha256");
    json_put_object(&w, "ref");
    json_put_text(&w, "name", push->what->name.revision);
    json_put_end(&w);
    json_put_end(&w);
}

static void report(const struct push *push, const struct push_file *file, int64_t done)
{
    const struct hub_options *options = push->session.options;
    if (options->progress)
        options->progress(options->progress_context, file->name, done, file->size);
}

/* One PUT of a piece of the file, again when the store is busy. */
static bool put_piece(struct push *push, const struct push_file *file, const char *url, int64_t from, int64_t size,
                      char *out_etag, struct err *err)
{
    for (int attempt = 0;; attempt++) {
        struct client_answer answer = { 0 };
        struct client_call call = { .method = "PUT", .url = url, .body_file = file->path, .file_offset = from,
                                    .file_size = size, .answer_max = 1 << 20 };
        bool ok = hub_call(&push->session, &call, push->what->name.repo, &answer, err);
        if (ok && answer.status >= 300)
            ok = err_set(err, ERR_REFUSED, "the store redirects");
        if (ok && out_etag && !client_answer_header(&answer, "etag", out_etag, STORE_ETAG_SIZE))
            ok = err_set(err, ERR_INPUT, "the store sends no ETag for a part");
        bool again = !ok && hub_retry(&push->session, &answer, err, attempt);
        client_answer_free(&answer);
        if (!again)
            return ok || err_context(err, "%s", file->name);
    }
}

static bool post_to(struct push *push, const char *url, const struct buf *body, const struct push_file *file,
                    struct err *err)
{
    static const char *const headers[] = { "Content-Type: " LFS_JSON, "Accept: " LFS_JSON, NULL };
    struct client_answer answer = { 0 };
    struct client_call call = { .method = "POST", .url = url, .headers = headers, .body = body->data,
                                .body_size = body->length, .answer_max = 1 << 20 };
    bool ok = hub_call(&push->session, &call, push->what->name.repo, &answer, err);
    if (ok && answer.status >= 300)
        ok = err_set(err, ERR_REFUSED, "the Hub redirects");
    client_answer_free(&answer);
    return ok || err_context(err, "%s", file->name);
}

static bool put_parts(struct push *push, const struct push_file *file, const char *href, const struct json *header,
                      int64_t chunk, struct err *err)
{
    int64_t count = (file->size + chunk - 1) / chunk;
    if (count > PART_COUNT_MAX)
        return err_set(err, ERR_INPUT, "%s: chunk_size: %" PRId64 " would make %" PRId64 " parts", file->name, chunk,
                       count);
    struct buf body;
    buf_init(&body, HUB_JSON_SIZE_MAX);
    struct json_writer w = json_write(&body);
    json_put_object(&w, NULL);
    json_put_text(&w, "oid", file->sha256);
    json_put_array(&w, "parts");
    bool ok = true;
    for (int64_t i = 0; ok && i < count; i++) {
        char number[8], etag[STORE_ETAG_SIZE];
        const char *url = NULL;
        int64_t left = file->size - i * chunk;
        (void)snprintf(number, sizeof number, "%05d", (int)(i + 1));
        ok = json_get_text(header, number, JSON_REQUIRED, 1, CLIENT_URL_SIZE - 1, &url, err) &&
             put_piece(push, file, url, i * chunk, left < chunk ? left : chunk, etag, err);
        if (!ok)
            break;
        json_put_object(&w, NULL);
        json_put_int(&w, "partNumber", i + 1);
        json_put_text(&w, "etag", etag);
        json_put_end(&w);
        report(push, file, left < chunk ? file->size - 1 : (i + 1) * chunk);
    }
    json_put_end(&w);
    json_put_end(&w);
    ok = ok && !body.overflow && post_to(push, href, &body, file, err);
    buf_free(&body);
    return ok;
}

/* chunk_size is a number or a text of digits. */
static bool read_chunk_size(const struct json *header, int64_t *out, struct err *err)
{
    const char *text = NULL;
    *out = 0;
    if (!header || !json_has(header, "chunk_size"))
        return true;
    if (json_get_int(header, "chunk_size", 0, 1, INT64_MAX, out, err))
        return true;
    return json_get_text(header, "chunk_size", JSON_REQUIRED, 1, 20, &text, err) &&
           (str_to_int(text, 1, INT64_MAX, out) || err_set(err, ERR_INPUT, "chunk_size: must be a positive integer"));
}

static bool verify(struct push *push, const struct push_file *file, const struct json *actions, struct err *err)
{
    const struct json *action = NULL;
    const char *href = NULL;
    if (!json_get_object(actions, "verify", JSON_NULLABLE, &action, err))
        return false;
    if (!action)
        return true;
    struct buf body;
    buf_init(&body, 4096);
    struct json_writer w = json_write(&body);
    json_put_object(&w, NULL);
    json_put_text(&w, "oid", file->sha256);
    json_put_int(&w, "size", file->size);
    json_put_end(&w);
    bool ok = json_get_text(action, "href", JSON_REQUIRED, 1, CLIENT_URL_SIZE - 1, &href, err) &&
              post_to(push, href, &body, file, err);
    buf_free(&body);
    return ok;
}

static bool upload(struct push *push, const struct push_file *file, const struct json *actions, struct err *err)
{
    const struct json *action = NULL, *header = NULL;
    const char *href = NULL;
    int64_t chunk = 0;
    if (!json_get_object(actions, "upload", JSON_NULLABLE, &action, err))
        return false;
    if (!action)
        return true;   /* the Hub has this content already */
    if (!json_get_text(action, "href", JSON_REQUIRED, 1, CLIENT_URL_SIZE - 1, &href, err) ||
        !json_get_object(action, "header", JSON_NULLABLE, &header, err) || !read_chunk_size(header, &chunk, err))
        return false;
    bool ok = chunk ? put_parts(push, file, href, header, chunk, err)
                    : put_piece(push, file, href, 0, file->size, NULL, err);
    if (!ok || !verify(push, file, actions, err))
        return false;
    report(push, file, file->size);
    push->out->uploaded_count++;
    push->out->uploaded_bytes += file->size;
    return true;
}

static const struct push_file *file_of(const struct push *push, const char *sha256)
{
    for (int i = 0; i < push->file_count; i++)
        if (strcmp(push->files[i].sha256, sha256) == 0 && push->files[i].lfs)
            return &push->files[i];
    return NULL;
}

static bool take_object(struct push *push, const struct json *object, struct err *err)
{
    const struct json *actions = NULL, *error = NULL;
    const char *oid = NULL, *message = "no reason given";
    if (json_kind_of(object) != JSON_IS_OBJECT)
        return err_set(err, ERR_INPUT, "objects: must hold objects");
    if (!json_get_text(object, "oid", JSON_REQUIRED, 64, 64, &oid, err))
        return false;
    const struct push_file *file = file_of(push, oid);
    if (!file)
        return err_set(err, ERR_INPUT, "oid: was not asked about");
    if (!json_get_object(object, "error", JSON_NULLABLE, &error, err) ||
        !json_get_object(object, "actions", JSON_NULLABLE, &actions, err))
        return false;
    if (error) {
        (void)!json_get_text(error, "message", JSON_MULTILINE, 0, 4096, &message, NULL);
        return err_set(err, ERR_REFUSED, "%s: the Hub does not take it: %.300s", file->name, message);
    }
    return !actions || upload(push, file, actions, err) || err_context(err, "what the Hub says about uploads");
}

static bool read_batch(struct push *push, const struct client_answer *answer, struct err *err)
{
    struct json *root;
    const struct json *objects = NULL;
    if (!json_parse_object(answer->body.data ? answer->body.data : "", answer->body.length, HUB_JSON_SIZE_MAX, &root,
                           err))
        return false;
    bool ok = json_get_array(root, "objects", JSON_REQUIRED, HUB_PUSH_COUNT_MAX, &objects, err);
    for (size_t i = 0; ok && i < json_count(objects); i++)
        ok = take_object(push, json_item(objects, i), err);
    json_free(root);
    return ok;
}

bool push_lfs(struct push *push, struct err *err)
{
    int count = 0;
    for (int i = 0; i < push->file_count; i++)
        count += push->files[i].lfs && !push->files[i].skipped;
    if (!count)
        return true;
    struct client_answer answer = { 0 };
    struct buf body;
    buf_init(&body, 1 << 20);
    write_batch(push, &body);
    bool ok = push_post(push, "/*.git/info/lfs/objects/batch", LFS_JSON, &body, &answer, err) &&
              read_batch(push, &answer, err);
    client_answer_free(&answer);
    buf_free(&body);
    return ok;
}
