/* hub_push.c - pushing a model folder: which files, how each travels, one commit. */
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "learn/hub_push.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What belongs to a model; a folder may hold other things, and those stay at home. */
static const char *const patterns[] = {
    "config.json", "generation_config.json", "*.safetensors", "model.safetensors.index.json", "spiece.model",
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "README.md", "LICENSE*", "exam.json",
    "exam.html", "version.json",
};

static bool is_wanted(const char *name)
{
    if (!hub_file_valid(name))
        return false;
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
        if (fnmatch(patterns[i], name, 0) == 0)
            return true;
    return false;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static bool check_names(const char *dir, char (*names)[HUB_FILE_SIZE], int count, struct err *err)
{
    bool config = false, weights = false;
    for (int i = 0; i < count; i++) {
        config |= strcmp(names[i], "config.json") == 0;
        weights |= fnmatch("*.safetensors", names[i], 0) == 0;
    }
    if (!config || !weights)
        return err_set(err, ERR_INPUT, "%s: is no model folder: it has no %s", dir,
                       config ? "*.safetensors" : "config.json");
    return true;
}

bool hub_push_files(const char *dir, char (*names)[HUB_FILE_SIZE], int *out_count, struct err *err)
{
    char path[HUB_PATH_SIZE];
    struct stat st;
    DIR *folder = opendir(dir);
    if (!folder)
        return err_set_errno(err, ERR_NOT_FOUND, errno, "%s", dir);
    *out_count = 0;
    bool ok = true;
    for (struct dirent *entry; ok && (entry = readdir(folder)) != NULL;) {
        if (!is_wanted(entry->d_name) || snprintf(path, sizeof path, "%s/%s", dir, entry->d_name) >= (int)sizeof path ||
            stat(path, &st) != 0 || !S_ISREG(st.st_mode))
            continue;
        if (*out_count == HUB_PUSH_COUNT_MAX)
            ok = err_set(err, ERR_TOO_LARGE, "%s: more than %d files", dir, HUB_PUSH_COUNT_MAX);
        else
            (void)str_copy(names[(*out_count)++], HUB_FILE_SIZE, entry->d_name);
    }
    (void)closedir(folder);
    if (!ok)
        return false;
    qsort(names, (size_t)*out_count, sizeof *names, by_name);
    return check_names(dir, names, *out_count, err);
}

/* ---- the files ---- */

static bool read_sample(struct push_file *file, struct err *err)
{
    int fd = open(file->path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, file->sample, sizeof file->sample);
    int error = errno;
    if (fd >= 0)
        (void)close(fd);
    if (n < 0)
        return err_set_errno(err, ERR_IO, error, "%.300s", file->path);
    file->sample_length = (size_t)n;
    return true;
}

static bool measure(struct push *push, struct err *err)
{
    char (*names)[HUB_FILE_SIZE] = mem_new(HUB_PUSH_COUNT_MAX, sizeof *names);
    bool ok = hub_push_files(push->what->dir, names, &push->file_count, err);
    for (int i = 0; ok && i < push->file_count; i++) {
        struct push_file *file = &push->files[i];
        uint64_t size = 0;
        (void)str_copy(file->name, sizeof file->name, names[i]);
        (void)snprintf(file->path, sizeof file->path, "%s/%s", push->what->dir, file->name);
        ok = digest_file(file->path, DIGEST_SHA256, file->sha256, &size, err) &&
             digest_file(file->path, DIGEST_GIT_BLOB, file->git, NULL, err) && read_sample(file, err);
        file->size = (int64_t)size;
    }
    mem_free(names);
    return ok;
}

/* ---- JSON out ---- */

bool push_url(struct push *push, struct buf *out, const char *format, struct err *err)
{
    buf_init(out, CLIENT_URL_SIZE);
    buf_add_text(out, push->session.options->endpoint);
    for (const char *p = format; *p; p++)
        if (*p == '*')
            buf_add_text(out, push->what->name.repo);
        else if (*p == '@')
            client_escape(out, push->what->name.revision, false);
        else
            buf_add_char(out, *p);
    if (!out->overflow)
        return true;
    buf_free(out);
    return err_set(err, ERR_INPUT, "HF_ENDPOINT: too long");
}

/* RFC 4648, 4. */
static void add_base64(struct buf *out, const unsigned char *data, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        unsigned group = (unsigned)data[i] << 16 | (left > 1 ? (unsigned)data[i + 1] << 8 : 0) |
                         (left > 2 ? data[i + 2] : 0);
        char text[4] = { digits[group >> 18], digits[group >> 12 & 63], left > 1 ? digits[group >> 6 & 63] : '=',
                         left > 2 ? digits[group & 63] : '=' };
        buf_add(out, text, sizeof text);
    }
}

static void put_base64(struct json_writer *w, const char *key, const void *data, size_t size)
{
    struct buf text;
    buf_init(&text, size / 3 * 4 + 8);
    add_base64(&text, data, size);
    json_put_text(w, key, text.data ? text.data : "");
    buf_free(&text);
}

bool push_post(struct push *push, const char *path, const char *type, const struct buf *body,
               struct client_answer *answer, struct err *err)
{
    char content[96];
    struct buf url;
    (void)snprintf(content, sizeof content, "Content-Type: %s", type);
    const char *headers[] = { content, "Accept: application/json", NULL };
    if (!push_url(push, &url, path, err))
        return false;
    struct client_call call = { .method = "POST", .url = url.data, .headers = headers, .body = body->data,
                                .body_size = body->length, .answer_max = HUB_JSON_SIZE_MAX };
    bool ok = !body->overflow || err_set(err, ERR_TOO_LARGE, "a request of more than %zu bytes", body->limit);
    ok = ok && hub_call(&push->session, &call, push->what->name.repo, answer, err);
    if (ok && answer->status >= 300)
        ok = err_set(err, ERR_REFUSED, "%s: the Hub redirects the push; was the model renamed?", push->what->name.repo);
    buf_free(&url);
    return ok;
}

static bool parse(const struct client_answer *answer, struct json **out, struct err *err)
{
    return json_parse_object(answer->body.data ? answer->body.data : "", answer->body.length, HUB_JSON_SIZE_MAX, out,
                             err);
}

/* ---- the steps ---- */

static bool make_repo(struct push *push, struct err *err)
{
    const char *repo = push->what->name.repo, *slash = strchr(repo, '/');
    char owner[HUB_REPO_SIZE];
    struct client_answer answer = { 0 };
    struct buf body;
    buf_init(&body, 4096);
    struct json_writer w = json_write(&body);
    json_put_object(&w, NULL);
    json_put_text(&w, "type", "model");
    json_put_text(&w, "name", slash ? slash + 1 : repo);
    (void)snprintf(owner, sizeof owner, "%.*s", slash ? (int)(slash - repo) : 0, repo);
    if (slash)
        json_put_text(&w, "organization", owner);
    json_put_bool(&w, "private", push->what->is_private);
    json_put_end(&w);
    bool ok = push_post(push, "/api/repos/create", "application/json", &body, &answer, err);
    if (!ok && answer.status == 409)   /* it is there already */
        ok = true;
    client_answer_free(&answer);
    buf_free(&body);
    return ok;
}

static void write_preupload(const struct push *push, struct buf *body)
{
    struct json_writer w = json_write(body);
    json_put_object(&w, NULL);
    json_put_array(&w, "files");
    for (int i = 0; i < push->file_count; i++) {
        json_put_object(&w, NULL);
        json_put_text(&w, "path", push->files[i].name);
        json_put_int(&w, "size", push->files[i].size);
        put_base64(&w, "sample", push->files[i].sample, push->files[i].sample_length);
        json_put_end(&w);
    }
    json_put_end(&w);
    json_put_end(&w);
}

static struct push_file *file_named(struct push *push, const char *name)
{
    for (int i = 0; i < push->file_count; i++)
        if (strcmp(push->files[i].name, name) == 0)
            return &push->files[i];
    return NULL;
}

/* How one file goes, and whether the branch has it already. */
static bool read_mode(struct push *push, const struct json *entry, struct err *err)
{
    static const char *const modes[] = { "regular", "lfs", NULL };
    const char *name = NULL, *oid = NULL;
    int mode = 0;
    bool ignored = false;
    if (json_kind_of(entry) != JSON_IS_OBJECT)
        return err_set(err, ERR_INPUT, "files: must hold objects");
    if (!json_get_text(entry, "path", JSON_REQUIRED, 1, HUB_FILE_SIZE - 1, &name, err) ||
        !json_get_choice(entry, "uploadMode", JSON_REQUIRED, modes, &mode, err) ||
        !json_get_bool(entry, "shouldIgnore", JSON_NULLABLE, &ignored, err) ||
        !json_get_text(entry, "oid", JSON_NULLABLE, 40, 64, &oid, err))
        return false;
    struct push_file *file = file_named(push, name);
    if (!file)
        return err_set(err, ERR_INPUT, "path: was not asked about");
    file->known = true;
    file->lfs = mode == 1 && file->size > 0;   /* stores refuse empty objects */
    file->skipped = ignored || (oid && strcmp(oid, file->lfs ? file->sha256 : file->git) == 0);
    return true;
}

static bool ask_modes(struct push *push, struct err *err)
{
    struct client_answer answer = { 0 };
    struct json *root = NULL;
    const struct json *files = NULL;
    struct buf body;
    buf_init(&body, 1 << 20);
    write_preupload(push, &body);
    bool ok = push_post(push, "/api/models/*/preupload/@", "application/json", &body, &answer, err) &&
              parse(&answer, &root, err) &&
              json_get_array(root, "files", JSON_REQUIRED, HUB_PUSH_COUNT_MAX, &files, err);
    for (size_t i = 0; ok && i < json_count(files); i++)
        ok = read_mode(push, json_item(files, i), err);
    for (int i = 0; ok && i < push->file_count; i++)
        if (!push->files[i].known)
            ok = err_set(err, ERR_INPUT, "the Hub does not say how %s goes", push->files[i].name);
    json_free(root);
    client_answer_free(&answer);
    buf_free(&body);
    return ok;
}

static bool add_regular(struct json_writer *w, const struct push_file *file, struct err *err)
{
    struct buf content;
    if (!file_read(file->path, HUB_REGULAR_SIZE_MAX, &content, err))
        return err_context(err, "%s: the Hub wants it as a small file", file->name);
    json_put_text(w, "path", file->name);
    json_put_text(w, "encoding", "base64");
    put_base64(w, "content", content.data, content.length);
    buf_free(&content);
    return true;
}

static void add_pointer(struct json_writer *w, const struct push_file *file)
{
    json_put_text(w, "path", file->name);
    json_put_text(w, "algo", "sha256");
    json_put_text(w, "oid", file->sha256);
    json_put_int(w, "size", file->size);
}

static void add_header(const struct push *push, struct buf *body)
{
    struct json_writer w = json_write(body);
    json_put_object(&w, NULL);
    json_put_text(&w, "key", "header");
    json_put_object(&w, "value");
    json_put_text(&w, "summary",
                  push->what->message ? push->what->message : "Upload with wardscribe " WARDSCRIBE_VERSION);
    json_put_text(&w, "description", "");
    json_put_end(&w);
    json_put_end(&w);
    buf_add_char(body, '\n');
}

static bool add_file(const struct push_file *file, struct buf *body, struct err *err)
{
    struct json_writer w = json_write(body);
    bool ok = true;
    json_put_object(&w, NULL);
    json_put_text(&w, "key", file->lfs ? "lfsFile" : "file");
    json_put_object(&w, "value");
    if (file->lfs)
        add_pointer(&w, file);
    else
        ok = add_regular(&w, file, err);
    json_put_end(&w);
    json_put_end(&w);
    buf_add_char(body, '\n');
    return ok;
}

static bool read_commit(const struct client_answer *answer, struct hub_pushed *out, struct err *err)
{
    struct json *root;
    const char *oid = NULL;
    if (!parse(answer, &root, err))
        return false;
    bool ok = json_get_text(root, "commitOid", JSON_REQUIRED, 40, 40, &oid, err) &&
              (hub_commit_valid(oid) || err_set(err, ERR_INPUT, "commitOid: must be 40 hexadecimal digits"));
    if (ok)
        (void)str_copy(out->commit, sizeof out->commit, oid);
    json_free(root);
    return ok;
}

static bool commit(struct push *push, struct err *err)
{
    struct client_answer answer = { 0 };
    struct buf body;
    buf_init(&body, HUB_COMMIT_SIZE_MAX);
    add_header(push, &body);
    bool ok = true;
    for (int i = 0; ok && i < push->file_count; i++)
        if (!push->files[i].skipped)
            ok = add_file(&push->files[i], &body, err);
    ok = ok && push_post(push, "/api/models/*/commit/@", "application/x-ndjson", &body, &answer, err) &&
         read_commit(&answer, push->out, err);
    client_answer_free(&answer);
    buf_free(&body);
    return ok;
}

/* Nothing is new: the commit is the branch's. */
static bool read_head(struct push *push, struct err *err)
{
    struct client_answer answer = { 0 };
    struct hub_listing listing;
    struct buf url;
    if (!push_url(push, &url, "/api/models/*/revision/@?expand=sha&expand=siblings", err))
        return false;
    struct client_call call = { .url = url.data, .answer_max = HUB_JSON_SIZE_MAX };
    bool ok = hub_call(&push->session, &call, push->what->name.repo, &answer, err) &&
              hub_listing_parse(answer.body.data ? answer.body.data : "", answer.body.length, &listing, err);
    if (ok) {
        (void)str_copy(push->out->commit, sizeof push->out->commit, listing.commit);
        hub_listing_free(&listing);
    }
    push->out->unchanged = true;
    client_answer_free(&answer);
    buf_free(&url);
    return ok;
}

static bool run(struct push *push, struct err *err)
{
    bool all_there = true;
    if (!make_repo(push, err) || !ask_modes(push, err))
        return false;
    for (int i = 0; i < push->file_count; i++)
        all_there = all_there && push->files[i].skipped;
    push->out->file_count = push->file_count;
    return all_there ? read_head(push, err) : push_lfs(push, err) && commit(push, err);
}

bool hub_push(const struct hub_options *options, const struct hub_push *what, struct hub_pushed *out, struct err *err)
{
    *out = (struct hub_pushed){ 0 };
    if (options->offline)
        return err_set(err, ERR_CONFIG, "HF_HUB_OFFLINE is set");
    if (!options->token[0])
        return err_set(err, ERR_AUTH, "a push needs a token that may write: set HF_TOKEN");
    if (hub_commit_valid(what->name.revision))
        return err_set(err, ERR_INPUT, "a push goes to a branch, not to a commit");
    struct push *push = mem_new(1, sizeof *push);
    push->what = what;
    push->out = out;
    bool ok = measure(push, err) && hub_session_start(options, &push->session, err);
    ok = ok && run(push, err);
    hub_session_end(&push->session);
    mem_free(push);
    return ok;
}
