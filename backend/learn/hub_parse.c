/* hub_parse.c - what a Hub says, checked before it is believed. */
#include "base/json.h"
#include "base/mem.h"
#include "learn/hub_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool all_of(const char *text, size_t length, const char *allowed)
{
    return strspn(text, allowed) >= length;
}

#define HEX "0123456789abcdef"
#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

bool hub_commit_valid(const char *text)
{
    return strlen(text) == 40 && all_of(text, 40, HEX);
}

bool hub_file_valid(const char *name)
{
    size_t length = strlen(name);
    return length > 0 && length < HUB_FILE_SIZE && name[0] != '.' && all_of(name, length, NAME_CHARACTERS);
}

bool hub_revision_valid(const char *text)
{
    size_t length = strlen(text);
    return length > 0 && length < HUB_REVISION_SIZE && all_of(text, length, NAME_CHARACTERS "/") && text[0] != '/' &&
           text[0] != '-' && text[length - 1] != '/' && !strstr(text, "..") && !strstr(text, "//") &&
           !strstr(text, "/.") && text[0] != '.';
}

/* Source: huggingface_hub's validate_repo_id. */
static bool repo_valid(const char *repo)
{
    const char *slash = strchr(repo, '/');
    const char *parts[] = { slash ? repo : NULL, slash ? slash + 1 : repo };
    if (strstr(repo, "..") || strstr(repo, "--") || (slash && strchr(slash + 1, '/')))
        return false;
    for (int i = 0; i < 2; i++) {
        size_t length = parts[i] ? strcspn(parts[i], "/") : 1;
        if (length == 0 || length > 96)
            return false;
        if (parts[i] && (!all_of(parts[i], length, NAME_CHARACTERS) || strchr("-.", parts[i][0]) ||
                         strchr("-.", parts[i][length - 1])))
            return false;
    }
    return true;
}

bool hub_name_parse(const char *text, struct hub_name *out, struct err *err)
{
    const char *at = strchr(text, '@');
    size_t length = at ? (size_t)(at - text) : strlen(text);
    if (length >= sizeof out->repo)
        return err_set(err, ERR_INPUT, "%.60s…: a model's name has at most two parts of 96 characters", text);
    memcpy(out->repo, text, length);
    out->repo[length] = '\0';
    if (!repo_valid(out->repo))
        return err_set(err, ERR_INPUT,
                       "%.100s: not a model's name; it looks like google/flan-t5-small: letters, digits, '.', '_', "
                       "'-', at most one '/', no \"..\" or \"--\"",
                       out->repo);
    const char *revision = at ? at + 1 : "main";
    if (!hub_revision_valid(revision))
        return err_set(err, ERR_INPUT, "%.100s: not a revision; it is a branch, a tag or a commit", revision);
    (void)str_copy(out->revision, sizeof out->revision, revision);
    return true;
}

bool hub_listing_parse(const char *text, size_t length, struct hub_listing *out, struct err *err)
{
    struct json *root;
    const struct json *files = NULL;
    const char *commit = NULL, *name = NULL;
    *out = (struct hub_listing){ 0 };
    if (!json_parse_object(text, length, HUB_JSON_SIZE_MAX, &root, err))
        return false;
    bool ok = json_get_text(root, "sha", JSON_REQUIRED, 40, 40, &commit, err) &&
              json_get_array(root, "siblings", JSON_REQUIRED, HUB_FILE_COUNT_MAX, &files, err);
    if (ok && !hub_commit_valid(commit))
        ok = err_set(err, ERR_INPUT, "sha: must be 40 hexadecimal digits");
    if (ok) {
        (void)str_copy(out->commit, sizeof out->commit, commit);
        out->files = mem_new(json_count(files) + 1, sizeof *out->files);
    }
    for (size_t i = 0; ok && i < json_count(files); i++) {
        const struct json *file = json_item(files, i);
        ok = json_kind_of(file) == JSON_IS_OBJECT ? json_get_text(file, "rfilename", JSON_REQUIRED, 1, 4096, &name, err)
                                                  : err_set(err, ERR_INPUT, "siblings: must hold objects");
        if (ok && hub_file_valid(name))   /* folders and the rest are not T5's */
            (void)str_copy(out->files[out->file_count++], HUB_FILE_SIZE, name);
    }
    json_free(root);
    if (!ok)
        hub_listing_free(out);
    return ok;
}

void hub_listing_free(struct hub_listing *listing)
{
    mem_free(listing->files);
    *listing = (struct hub_listing){ 0 };
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static bool add_shard(const char *name, char (*out)[HUB_FILE_SIZE], int *count, struct err *err)
{
    size_t length = name ? strlen(name) : 0;
    if (!name || !hub_file_valid(name) || length < 13 || strcmp(name + length - 12, ".safetensors") != 0)
        return err_set(err, ERR_INPUT, "weight_map: must name .safetensors files beside it");
    for (int i = 0; i < *count; i++)
        if (strcmp(out[i], name) == 0)
            return true;
    if (*count == HUB_SHARD_COUNT_MAX)
        return err_set(err, ERR_TOO_LARGE, "weight_map: more than %d files", HUB_SHARD_COUNT_MAX);
    (void)str_copy(out[(*count)++], HUB_FILE_SIZE, name);
    return true;
}

bool hub_index_parse(const char *text, size_t length, char (*out)[HUB_FILE_SIZE], int *out_count, struct err *err)
{
    struct json *root;
    const struct json *map = NULL, *value;
    const char *key;
    *out_count = 0;
    if (!json_parse_object(text, length, HUB_JSON_SIZE_MAX, &root, err))
        return false;
    bool ok = json_get_object(root, "weight_map", JSON_REQUIRED, &map, err);
    for (void *at = NULL; ok && json_each(map, &at, &key, &value);)
        ok = add_shard(json_text_of(value), out, out_count, err);
    if (ok && *out_count == 0)
        ok = err_set(err, ERR_INPUT, "weight_map: names no file");
    json_free(root);
    if (ok)
        qsort(out, (size_t)*out_count, sizeof *out, by_name);
    return ok;
}

bool hub_etag_parse(const char *header, char out[DIGEST_TEXT_SIZE])
{
    if (str_starts(header, "W/"))
        header += 2;
    bool quoted = header[0] == '"';
    size_t length = strcspn(header + quoted, "\"");
    if ((length != 40 && length != 64) || !all_of(header + quoted, length, HEX) ||
        strcmp(header + quoted + length, quoted ? "\"" : "") != 0)
        return false;
    memcpy(out, header + quoted, length);
    out[length] = '\0';
    return true;
}

bool hub_range_parse(const char *header, int64_t *out_from, int64_t *out_total)
{
    char from[20], to[20], total[20];
    int end = -1;
    int64_t last;
    if (sscanf(header, "bytes %19[0-9]-%19[0-9]/%19[0-9]%n", from, to, total, &end) != 3 || end < 0 || header[end])
        return false;
    return str_to_int(from, 0, INT64_MAX, out_from) && str_to_int(to, *out_from, INT64_MAX - 1, &last) &&
           str_to_int(total, last + 1, INT64_MAX, out_total);
}
