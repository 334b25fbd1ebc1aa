/* hub_internal.h - what the files of learn/hub_* share; for them and their tests only. */
#ifndef LEARN_HUB_INTERNAL_H
#define LEARN_HUB_INTERNAL_H

#include "base/digest.h"
#include "learn/hub.h"
#include "net/client.h"

/* ---- hub_parse.c: everything that comes from a server becomes values here ---- */

bool hub_commit_valid(const char *text);                       /* 40 hex digits */
bool hub_revision_valid(const char *text);
bool hub_file_valid(const char *name);                         /* one path component, [A-Za-z0-9._-] */

struct hub_listing {
    char commit[HUB_COMMIT_SIZE];
    char (*files)[HUB_FILE_SIZE];                              /* only those with a valid name */
    int file_count;
};
bool hub_listing_parse(const char *json, size_t length, struct hub_listing *out, struct err *err) MUST_CHECK;
void hub_listing_free(struct hub_listing *listing);
/* The shards that model.safetensors.index.json names, each once, sorted. */
bool hub_index_parse(const char *json, size_t length, char (*out)[HUB_FILE_SIZE], int *out_count,
                     struct err *err) MUST_CHECK;
/* A header's ETag: W/ and quotes off; false when it is neither 40 nor 64 hex digits. */
bool hub_etag_parse(const char *header, char out[DIGEST_TEXT_SIZE]);
/* "bytes FROM-TO/TOTAL" */
bool hub_range_parse(const char *header, int64_t *out_from, int64_t *out_total);

/* ---- hub_cache.c ---- */

struct hub_cache {
    char model[HUB_PATH_SIZE], locks[HUB_PATH_SIZE];
};
/* Makes the folders; refuses one that is a link to elsewhere. */
bool hub_cache_open(const char *root, const char *repo, struct hub_cache *out, struct err *err) MUST_CHECK;
/* No folder is made. */
bool hub_cache_look(const char *root, const char *repo, struct hub_cache *out, struct err *err) MUST_CHECK;
/* NAME below the model's folder, into out[HUB_PATH_SIZE]. */
bool hub_cache_path(const struct hub_cache *cache, char *out, struct err *err, const char *format, ...)
    __attribute__((format(printf, 4, 5))) MUST_CHECK;
bool hub_cache_lock(const struct hub_cache *cache, const char *etag, const atomic_bool *cancel, int *out_fd,
                    struct err *err) MUST_CHECK;
void hub_cache_unlock(int fd);
/* The blob is there and its content is what its name says. */
bool hub_cache_has(const struct hub_cache *cache, const char *etag, int64_t size);
bool hub_cache_link(const struct hub_cache *cache, const char *commit, const char *file, const char *etag,
                    struct err *err) MUST_CHECK;
bool hub_cache_ref_read(const struct hub_cache *cache, const char *revision, char commit[HUB_COMMIT_SIZE]);
bool hub_cache_ref_write(const struct hub_cache *cache, const char *revision, const char *commit,
                         struct err *err) MUST_CHECK;
/* Every file that T5 needs is in the snapshot. */
bool hub_cache_complete(const struct hub_cache *cache, const char *commit);

/* ---- hub_http.c ---- */

struct hub_session {
    const struct hub_options *options;
    struct client *client;
};
bool hub_session_start(const struct hub_options *options, struct hub_session *out, struct err *err) MUST_CHECK;
void hub_session_end(struct hub_session *session);
/* As client_call(), with the token, the endpoint's rules and the Hub's error texts; `what` is the
 * repository, for those.  A redirect that is not followed is no error. */
bool hub_call(struct hub_session *session, struct client_call *call, const char *what, struct client_answer *out,
              struct err *err) MUST_CHECK;
/* Again after a while?  Waits; false: no. */
bool hub_retry(struct hub_session *session, const struct client_answer *answer, const struct err *err, int attempt);
bool hub_endpoint_check(const char *endpoint, struct err *err) MUST_CHECK;

/* ---- hub_fetch.c ---- */

struct hub_fetch {
    struct hub_session *session;
    const struct hub_cache *cache;
    const char *repo, *commit;
};
/* The file into the cache, and its link into the snapshot. */
bool hub_fetch_file(const struct hub_fetch *fetch, const char *file, struct hub_pulled *count,
                    struct err *err) MUST_CHECK;

#endif
