/* Fuzz target: what a Hub answers (learn/hub_parse.c).  The first byte says which kind of answer.
 * Holds: whatever came, a commit, a file, a revision and an ETag are safe as parts of a path. */
#include "base/str.h"
#include "learn/hub_internal.h"

#include <stdlib.h>
#include <string.h>

static bool is_safe(const char *name, size_t size)
{
    size_t length = strnlen(name, size);
    return length > 0 && length < size && name[0] != '.' && !strchr(name, '/');
}

static void try_listing(const char *text, size_t length)
{
    struct hub_listing listing;
    struct err err = { 0 };
    if (!hub_listing_parse(text, length, &listing, &err)) {
        CHECK(err.kind != ERR_NONE && listing.files == NULL);
        return;
    }
    CHECK(strlen(listing.commit) == 40 && listing.file_count <= HUB_FILE_COUNT_MAX);
    for (int i = 0; i < listing.file_count; i++)
        CHECK(is_safe(listing.files[i], HUB_FILE_SIZE));
    hub_listing_free(&listing);
}

static void try_index(const char *text, size_t length)
{
    static char shards[HUB_SHARD_COUNT_MAX][HUB_FILE_SIZE];
    struct err err = { 0 };
    int count = 0;
    if (!hub_index_parse(text, length, shards, &count, &err))
        return;
    CHECK(count > 0 && count <= HUB_SHARD_COUNT_MAX);
    for (int i = 0; i < count; i++)
        CHECK(is_safe(shards[i], HUB_FILE_SIZE) && (i == 0 || strcmp(shards[i - 1], shards[i]) < 0));
}

static void try_headers(const char *text)
{
    char etag[DIGEST_TEXT_SIZE];
    int64_t from = 0, total = 0;
    if (hub_etag_parse(text, etag))
        CHECK((strlen(etag) == 40 || strlen(etag) == 64) && strspn(etag, "0123456789abcdef") == strlen(etag));
    if (hub_range_parse(text, &from, &total))
        CHECK(from >= 0 && from < total);
}

static void try_name(const char *text)
{
    struct hub_name name;
    if (!hub_name_parse(text, &name, NULL))
        return;
    CHECK(!strstr(name.repo, "..") && name.repo[0] != '/' && strlen(name.repo) > 0);
    CHECK(!strstr(name.revision, "..") && name.revision[0] != '/' && !strstr(name.revision, "//"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char *text = malloc(size);   /* its end is where the sanitizer watches */
    if (!text)
        return 0;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    switch (data[0]) {
    case 'l': try_listing(text, size - 1); break;
    case 'i': try_index(text, size - 1); break;
    case 'h': try_headers(text); break;
    case 'n': try_name(text); break;
    default: break;
    }
    free(text);
    return 0;
}
