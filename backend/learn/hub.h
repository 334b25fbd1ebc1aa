/* hub.h - models from and to a Hugging Face Hub, or anything that speaks its protocol.
 *
 * Pull.  A name is ORG/NAME@REVISION; the revision (main by default) becomes a commit first, and every
 * file is asked for at that commit.  Only what T5 needs is fetched: config.json, generation_config.json,
 * spiece.model, README.md, model.safetensors or the shards that its index names.
 *
 *   GET  /api/models/NAME/revision/REVISION       the commit, the list of files
 *   HEAD /NAME/resolve/COMMIT/FILE                X-Repo-Commit, X-Linked-Etag or ETag, X-Linked-Size
 *   GET  the same, Range: bytes=N-                the bytes, often behind a redirect to a store
 *
 * A file's ETag is its name in the cache and its proof: SHA-256 for large files (git LFS), git's SHA-1
 * of the blob for small ones.  What does not match is thrown away; a file without such an ETag is refused.
 *
 * Cache.  The one that Hugging Face's tools use, so that they find our files and we theirs:
 *
 *   models--ORG--NAME/refs/main                     the commit
 *   models--ORG--NAME/blobs/ETAG                    the content (ETAG.incomplete until it is whole)
 *   models--ORG--NAME/snapshots/COMMIT/FILE         a link to ../../blobs/ETAG
 *   .locks/models--ORG--NAME/ETAG.lock              flock while a blob is written
 *
 * Push.  POST /api/repos/create; POST /api/models/NAME/preupload/BRANCH says which files go as git LFS;
 * POST /NAME.git/info/lfs/objects/batch says where to, each is PUT there (in parts when asked) and
 * verified; POST /api/models/NAME/commit/BRANCH with a JSON line per file makes the commit.
 *
 * Trust.  Names from the server are compared with patterns before they are names here: no '/', no "..".
 * https, unless the endpoint is this machine; the token goes to the endpoint alone; nobody but the
 * endpoint leads us to a private address (net/address.h); sizes are bounded (base/bounds.h).
 * Source: huggingface_hub 0.36 (file_download.py, lfs.py, _commit_api.py). */
#ifndef LEARN_HUB_H
#define LEARN_HUB_H

#include "base/bounds.h"
#include "base/err.h"

#include <stdatomic.h>
#include <stdint.h>

enum {
    HUB_REPO_SIZE = 200,      /* two names of at most 96 characters */
    HUB_REVISION_SIZE = 128,
    HUB_COMMIT_SIZE = 41,
    HUB_FILE_SIZE = 200,      /* a file's name */
    HUB_PATH_SIZE = 2048,
    HUB_URL_SIZE = 1024,
};

/* `done` of `total` bytes of one file; done == total exactly once, also when the cache had it. */
typedef void hub_progress(void *context, const char *file, int64_t done, int64_t total);

struct hub_options {
    char endpoint[HUB_URL_SIZE];      /* no slash at its end */
    char token[512];                  /* "": none */
    char cache[HUB_PATH_SIZE];
    char ca_file[HUB_PATH_SIZE];      /* "": the system's */
    bool offline;
    const atomic_bool *cancel;        /* NULL: never */
    hub_progress *progress;           /* NULL: none */
    void *progress_context;
};
/* HF_ENDPOINT; HF_TOKEN or the file HF_TOKEN_PATH, else HF_HOME/token; HF_HUB_CACHE, else HF_HOME/hub,
 * else XDG_CACHE_HOME or ~/.cache, huggingface/hub; HF_HUB_OFFLINE; SSL_CERT_FILE. */
bool hub_options_env(struct hub_options *out, struct err *err) MUST_CHECK;

struct hub_name {
    char repo[HUB_REPO_SIZE], revision[HUB_REVISION_SIZE];
};
/* "ORG/NAME", "NAME", either with "@REVISION". */
bool hub_name_parse(const char *text, struct hub_name *out, struct err *err) MUST_CHECK;

struct hub_pulled {
    char dir[HUB_PATH_SIZE];          /* the snapshot: a folder that t5_model_open takes */
    char commit[HUB_COMMIT_SIZE];
    int file_count, fetched_count;
    int64_t fetched_bytes;
    bool has_tokenizer;               /* spiece.model */
    bool unreachable;                 /* the Hub did not answer; this is what the cache had */
};
/* Resumes what was cut, now and from an earlier run.  A commit that is whole in the cache needs no network. */
bool hub_pull(const struct hub_options *options, const struct hub_name *name, struct hub_pulled *out,
              struct err *err) MUST_CHECK;

struct hub_push {
    const char *dir;
    struct hub_name name;             /* the revision is a branch */
    const char *message;              /* of the commit; NULL: "Upload with wardscribe VERSION" */
    bool is_private;                  /* when the repository has to be made */
};
struct hub_pushed {
    char commit[HUB_COMMIT_SIZE];
    int file_count, uploaded_count;   /* uploaded: as LFS objects that the Hub did not have */
    int64_t uploaded_bytes;
    bool unchanged;                   /* the branch held exactly this already */
};
bool hub_push(const struct hub_options *options, const struct hub_push *push, struct hub_pushed *out,
              struct err *err) MUST_CHECK;
/* The files that a push of `dir` takes, sorted; ERR_INPUT when it is no model folder. */
bool hub_push_files(const char *dir, char (*names)[HUB_FILE_SIZE], int *out_count, struct err *err) MUST_CHECK;

#endif
