/* hub_push.h - what hub_push.c and hub_lfs.c share. */
#ifndef LEARN_HUB_PUSH_H
#define LEARN_HUB_PUSH_H

#include "learn/hub_internal.h"

enum { HUB_PUSH_COUNT_MAX = 256, HUB_SAMPLE_SIZE = 512 };

struct push_file {
    char name[HUB_FILE_SIZE], path[HUB_PATH_SIZE];
    char sha256[DIGEST_TEXT_SIZE], git[DIGEST_TEXT_SIZE];
    unsigned char sample[HUB_SAMPLE_SIZE];   /* its first bytes: the Hub looks whether they are text */
    size_t sample_length;
    int64_t size;
    bool known, lfs, skipped;                /* skipped: the branch has it, or its .gitignore names it */
};

struct push {
    const struct hub_push *what;
    struct hub_session session;
    struct push_file files[HUB_PUSH_COUNT_MAX];
    int file_count;
    struct hub_pushed *out;
};

/* `format` behind the endpoint; '*' is the repository, '@' the branch. */
bool push_url(struct push *push, struct buf *out, const char *format, struct err *err) MUST_CHECK;
bool push_post(struct push *push, const char *path, const char *type, const struct buf *body,
               struct client_answer *answer, struct err *err) MUST_CHECK;
/* hub_lfs.c: the large files to where the Hub says. */
bool push_lfs(struct push *push, struct err *err) MUST_CHECK;

#endif
