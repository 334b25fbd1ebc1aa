/* hub.c - pulling a model: the commit, the list, the files, the ref. */
#include "learn/hub.h"

#include "base/file.h"
#include "base/mem.h"
#include "learn/hub_internal.h"

#include <stdio.h>
#include <string.h>

struct pull {
    const struct hub_options *options;
    const struct hub_name *name;
    struct hub_session session;
    struct hub_cache cache;
    struct hub_listing listing;
    struct hub_fetch fetch;
    struct hub_pulled *out;
};

static bool snapshot_dir(const struct hub_cache *cache, const char *commit, struct hub_pulled *out, struct err *err)
{
    char path[HUB_PATH_SIZE];
    FILE *file;
    (void)str_copy(out->commit, sizeof out->commit, commit);
    if (!hub_cache_path(cache, out->dir, err, "snapshots/%s", commit) ||
        !hub_cache_path(cache, path, err, "snapshots/%s/spiece.model", commit))
        return false;
    file = fopen(path, "re");
    out->has_tokenizer = file != NULL;
    if (file)
        (void)fclose(file);
    return true;
}

/* What the cache has under this name, when that is a whole model. */
static bool from_cache(const struct hub_options *options, const struct hub_name *name, struct hub_pulled *out)
{
    struct hub_cache cache;
    char commit[HUB_COMMIT_SIZE];
    return hub_cache_look(options->cache, name->repo, &cache, NULL) &&
           hub_cache_ref_read(&cache, name->revision, commit) && hub_cache_complete(&cache, commit) &&
           snapshot_dir(&cache, commit, out, NULL);
}

static bool list_once(struct pull *pull, struct client_answer *answer, struct err *err)
{
    struct buf url;
    buf_init(&url, CLIENT_URL_SIZE);
    buf_printf(&url, "%s/api/models/%s/revision/", pull->options->endpoint, pull->name->repo);
    client_escape(&url, pull->name->revision, false);
    buf_add_text(&url, "?expand=sha&expand=siblings"); /* nothing else of its page */
    struct client_call call = { .url = url.data, .answer_max = HUB_JSON_SIZE_MAX, .redirects_max = 2 };
    bool ok = !url.overflow ? hub_call(&pull->session, &call, pull->name->repo, answer, err)
                            : err_set(err, ERR_INPUT, "HF_ENDPOINT: too long");
    if (ok)
        ok = hub_listing_parse(answer->body.data ? answer->body.data : "", answer->body.length, &pull->listing, err) ||
             err_context(err, "%s: what the Hub says about it", pull->name->repo);
    buf_free(&url);
    return ok;
}

static bool list(struct pull *pull, struct err *err)
{
    for (int attempt = 0;; attempt++) {
        struct client_answer answer = { 0 };
        bool ok = list_once(pull, &answer, err);
        bool again = !ok && hub_retry(&pull->session, &answer, err, attempt);
        client_answer_free(&answer);
        if (!again)
            return ok;
    }
}

static bool is_listed(const struct pull *pull, const char *file)
{
    for (int i = 0; i < pull->listing.file_count; i++)
        if (strcmp(pull->listing.files[i], file) == 0)
            return true;
    return false;
}

/* ---- the weights ---- */

static bool fetch_shards(struct pull *pull, struct err *err)
{
    static const char index[] = "model.safetensors.index.json";
    char path[HUB_PATH_SIZE], (*shards)[HUB_FILE_SIZE];
    struct buf text;
    int count = 0;
    if (!hub_fetch_file(&pull->fetch, index, pull->out, err) ||
        !hub_cache_path(&pull->cache, path, err, "snapshots/%s/%s", pull->listing.commit, index) ||
        !file_read(path, HUB_JSON_SIZE_MAX, &text, err))
        return false;
    shards = mem_new(HUB_SHARD_COUNT_MAX, sizeof *shards);
    bool ok = hub_index_parse(text.data, text.length, shards, &count, err) || err_context(err, "%s", index);
    buf_free(&text);
    for (int i = 0; ok && i < count; i++)
        ok = is_listed(pull, shards[i])
                 ? hub_fetch_file(&pull->fetch, shards[i], pull->out, err)
                 : err_set(err, ERR_INPUT, "%s: names %s, which the model does not have", index, shards[i]);
    mem_free(shards);
    return ok;
}

static bool fetch_weights(struct pull *pull, struct err *err)
{
    if (is_listed(pull, "model.safetensors"))
        return hub_fetch_file(&pull->fetch, "model.safetensors", pull->out, err);
    if (is_listed(pull, "model.safetensors.index.json"))
        return fetch_shards(pull, err);
    return err_set(err, ERR_INPUT, "%s: has no model.safetensors%s", pull->name->repo,
                   is_listed(pull, "pytorch_model.bin")
                       ? "; it has pytorch_model.bin only: a pickle, which is code and is not loaded. Ask its owner "
                         "for safetensors, or convert a copy with transformers"
                       : "");
}

static bool fetch_all(struct pull *pull, struct err *err)
{
    static const char *const optional[] = { "generation_config.json", "spiece.model", "README.md" };
    if (!is_listed(pull, "config.json"))
        return err_set(err, ERR_INPUT, "%s: has no config.json, so it is no model folder", pull->name->repo);
    if (!hub_fetch_file(&pull->fetch, "config.json", pull->out, err))
        return false;
    for (size_t i = 0; i < sizeof optional / sizeof *optional; i++)
        if (is_listed(pull, optional[i]) && !hub_fetch_file(&pull->fetch, optional[i], pull->out, err))
            return false;
    return fetch_weights(pull, err);
}

static bool pull_online(struct pull *pull, struct err *err)
{
    if (!list(pull, err))
        return false;
    if (!hub_cache_open(pull->options->cache, pull->name->repo, &pull->cache, err))
        return err_context(err, "the cache");
    pull->fetch = (struct hub_fetch){ &pull->session, &pull->cache, pull->name->repo, pull->listing.commit };
    return fetch_all(pull, err) && hub_cache_ref_write(&pull->cache, pull->name->revision, pull->listing.commit, err) &&
           snapshot_dir(&pull->cache, pull->listing.commit, pull->out, err);
}

bool hub_pull(const struct hub_options *options, const struct hub_name *name, struct hub_pulled *out, struct err *err)
{
    struct pull pull = { .options = options, .name = name, .out = out };
    *out = (struct hub_pulled){ 0 };
    if ((options->offline || hub_commit_valid(name->revision)) && from_cache(options, name, out))
        return true;
    if (options->offline)
        return err_set(err, ERR_UNAVAILABLE, "%s@%s is not in %.200s, and HF_HUB_OFFLINE is set", name->repo,
                       name->revision, options->cache);
    if (!hub_session_start(options, &pull.session, err))
        return false;
    bool ok = pull_online(&pull, err);
    bool no_answer = !ok && !pull.listing.files && (err->kind == ERR_UNAVAILABLE || err->kind == ERR_TIMEOUT);
    if (no_answer && from_cache(options, name, out))
        ok = out->unreachable = true;
    hub_listing_free(&pull.listing);
    hub_session_end(&pull.session);
    return ok;
}
