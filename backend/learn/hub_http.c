/* hub_http.c - requests to a Hub: who may be asked, with what, and what its refusals mean. */
#include "base/file.h"
#include "learn/hub_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

enum { RETRY_COUNT_MAX = 4, RETRY_WAIT_MAX_S = 60 };

static bool is_https(const char *url)
{
    return strncasecmp(url, "https://", 8) == 0;
}

bool hub_endpoint_check(const char *endpoint, struct err *err)
{
    if (is_https(endpoint) || (strncasecmp(endpoint, "http://", 7) == 0 && client_is_local(endpoint)))
        return true;
    return err_set(err, ERR_CONFIG, "HF_ENDPOINT: must begin with https:// (http:// only for this machine), not %.100s",
                   endpoint);
}

/* ---- the environment ---- */

static const char *env(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static bool env_true(const char *name)
{
    const char *value = env(name);
    return value && (strcmp(value, "1") == 0 || strcasecmp(value, "true") == 0 || strcasecmp(value, "yes") == 0 ||
                     strcasecmp(value, "on") == 0);
}

/* Where Hugging Face's tools keep things. */
static bool home_folder(char out[HUB_PATH_SIZE], struct err *err)
{
    const char *home = env("HF_HOME"), *cache = env("XDG_CACHE_HOME"), *user = env("HOME");
    int length = home ? snprintf(out, HUB_PATH_SIZE, "%s", home)
                 : cache ? snprintf(out, HUB_PATH_SIZE, "%s/huggingface", cache)
                 : user  ? snprintf(out, HUB_PATH_SIZE, "%s/.cache/huggingface", user)
                         : -1;
    if (length < 0)
        return err_set(err, ERR_CONFIG, "no home folder: set HF_HOME or HF_HUB_CACHE");
    return length < HUB_PATH_SIZE || err_set(err, ERR_CONFIG, "HF_HOME: more than %d bytes", HUB_PATH_SIZE - 1);
}

static bool take_token(struct hub_options *out, const char *text, const char *where, struct err *err)
{
    size_t length = strcspn(text, " \t\r\n");
    if (text[length + strspn(text + length, " \t\r\n")] != '\0' || length >= sizeof out->token)
        return err_set(err, ERR_CONFIG, "%.200s: must be one word of at most %zu bytes", where, sizeof out->token - 1);
    memcpy(out->token, text, length);
    out->token[length] = '\0';
    return true;
}

static bool read_token(struct hub_options *out, const char *home, struct err *err)
{
    char path[HUB_PATH_SIZE + 8];
    struct buf text;
    if (env("HF_TOKEN"))
        return take_token(out, env("HF_TOKEN"), "HF_TOKEN", err);
    (void)snprintf(path, sizeof path, env("HF_TOKEN_PATH") ? "%s" : "%s/token",
                   env("HF_TOKEN_PATH") ? env("HF_TOKEN_PATH") : home);
    if (access(path, F_OK) != 0 && !env("HF_TOKEN_PATH"))
        return true;
    if (!file_read(path, 4096, &text, err))
        return err_context(err, "the Hub's token");
    bool ok = take_token(out, text.data, path, err);
    buf_free(&text);
    return ok;
}

static bool read_text(const char *name, const char *value, char *out, size_t size, struct err *err)
{
    return str_copy(out, size, value) || err_set(err, ERR_CONFIG, "%s: more than %zu bytes", name, size - 1);
}

bool hub_options_env(struct hub_options *out, struct err *err)
{
    char home[HUB_PATH_SIZE];
    const char *endpoint = env("HF_ENDPOINT") ? env("HF_ENDPOINT") : "https://huggingface.co";
    const char *cache = env("HF_HUB_CACHE") ? env("HF_HUB_CACHE") : env("HUGGINGFACE_HUB_CACHE");
    const char *ca = env("SSL_CERT_FILE") ? env("SSL_CERT_FILE") : env("REQUESTS_CA_BUNDLE");
    *out = (struct hub_options){ .offline = env_true("HF_HUB_OFFLINE") };
    if (!read_text("HF_ENDPOINT", endpoint, out->endpoint, sizeof out->endpoint, err) ||
        !hub_endpoint_check(out->endpoint, err) ||
        (ca && !read_text("SSL_CERT_FILE", ca, out->ca_file, sizeof out->ca_file, err)) || !home_folder(home, err))
        return false;
    for (size_t length = strlen(out->endpoint); length && out->endpoint[length - 1] == '/';)
        out->endpoint[--length] = '\0';
    if (cache ? !read_text("HF_HUB_CACHE", cache, out->cache, sizeof out->cache, err)
              : snprintf(out->cache, sizeof out->cache, "%s/hub", home) >= (int)sizeof out->cache)
        return cache ? false : err_set(err, ERR_CONFIG, "HF_HOME: more than %d bytes", HUB_PATH_SIZE - 5);
    return read_token(out, home, err);
}

/* ---- the session ---- */

bool hub_session_start(const struct hub_options *options, struct hub_session *out, struct err *err)
{
    if (!hub_endpoint_check(options->endpoint, err))
        return false;
    *out = (struct hub_session){ .options = options };
    out->client = client_new(&(struct client_options){
        .connect_timeout_ms = 10000, .idle_timeout_ms = 30000, .cancel = options->cancel,
        .ca_file = options->ca_file[0] ? options->ca_file : NULL });
    return true;
}

void hub_session_end(struct hub_session *session)
{
    client_free(session->client);
    session->client = NULL;
}

static bool allow(void *context, const char *url, int hop, struct err *err)
{
    const struct hub_session *session = context;
    (void)hop;
    if (is_https(url) || (client_is_local(url) && client_is_local(session->options->endpoint)))
        return true;
    return err_set(err, ERR_REFUSED, "the Hub leads to %.200s, which is not https", url);
}

/* Source: huggingface_hub's hf_raise_for_status: X-Error-Code says more than the status. */
static const struct { const char *code; enum err_kind kind; const char *text; } error_codes[] = {
    { "RepoNotFound", ERR_NOT_FOUND,
      "no such model, or a private one: check the name, or set HF_TOKEN to a token that may read it" },
    { "GatedRepo", ERR_FORBIDDEN,
      "its owner wants to be asked first: open the model's page, ask for access, then set HF_TOKEN" },
    { "DisabledRepo", ERR_FORBIDDEN, "the model was disabled on the Hub" },
    { "RevisionNotFound", ERR_NOT_FOUND, "no such revision: check what stands behind the @" },
    { "EntryNotFound", ERR_NOT_FOUND, "no such file at this revision" },
};

static bool refuse(const struct hub_session *session, const struct client_answer *answer, const char *what,
                   struct err *err)
{
    char code[64];
    if (client_answer_check(answer, err))
        return true;
    if (client_answer_header(answer, "x-error-code", code, sizeof code))
        for (size_t i = 0; i < sizeof error_codes / sizeof *error_codes; i++)
            if (strcmp(code, error_codes[i].code) == 0)
                return err_set(err, error_codes[i].kind, "%s: %s", what, error_codes[i].text);
    if (answer->status == 401)
        return err_set(err, ERR_AUTH,
                       session->options->token[0] ? "%s: the Hub does not take the token (HF_TOKEN or the token file)"
                                                  : "%s: the Hub wants a token: set HF_TOKEN",
                       what);
    if (answer->status == 403)
        return err_set(err, ERR_FORBIDDEN, "%s: the token may not do this (a write token is needed to push)", what);
    if (answer->status == 404)
        return err_set(err, ERR_NOT_FOUND, "%s: not found at %.200s", what, session->options->endpoint);
    return false;
}

bool hub_call(struct hub_session *session, struct client_call *call, const char *what, struct client_answer *out,
              struct err *err)
{
    const struct hub_options *options = session->options;
    call->allow = allow;
    call->allow_context = session;
    call->private_origin = options->endpoint;
    call->bearer = options->token[0] && client_same_origin(call->url, options->endpoint) ? options->token : NULL;
    if (!client_call(session->client, call, out, err))
        return false;
    return (out->status >= 300 && out->status < 400) || refuse(session, out, what, err);
}

bool hub_retry(struct hub_session *session, const struct client_answer *answer, const struct err *err, int attempt)
{
    const atomic_bool *cancel = session->options->cancel;
    bool passing = err->kind == ERR_IO || err->kind == ERR_TIMEOUT || err->kind == ERR_UNAVAILABLE ||
                   err->kind == ERR_BUSY;
    if (!passing || attempt >= RETRY_COUNT_MAX)
        return false;
    int64_t wait_ms = INT64_C(250) << attempt;
    if (err->kind == ERR_BUSY)
        wait_ms = 1000 * (int64_t)client_answer_retry_after_s(answer, 1 << attempt, RETRY_WAIT_MAX_S);
    for (; wait_ms > 0 && !(cancel && atomic_load(cancel)); wait_ms -= 50)
        (void)nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
    return !(cancel && atomic_load(cancel));
}
