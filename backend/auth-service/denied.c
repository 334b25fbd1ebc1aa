#include "auth-service/denied.h"

#include "base/mem.h"

#include <inttypes.h>
#include <pthread.h>
#include <string.h>

struct entry {
    char jti[TOKEN_JTI_SIZE];
    int64_t expires_us;
};

struct denied {
    pthread_rwlock_t lock;
    size_t count;
    struct entry entries[DENIED_COUNT_MAX];     /* 200 KB; looked through only when a token is new to a thread */
};

struct denied *denied_new(void)
{
    struct denied *denied = mem_new(1, sizeof *denied);
    CHECK(pthread_rwlock_init(&denied->lock, NULL) == 0);
    return denied;
}

void denied_free(struct denied *denied)
{
    if (!denied)
        return;
    (void)pthread_rwlock_destroy(&denied->lock);
    mem_free(denied);
}

static bool locked_has(const struct denied *denied, const char *jti)
{
    for (size_t i = 0; i < denied->count; i++)
        if (strcmp(denied->entries[i].jti, jti) == 0)
            return true;
    return false;
}

static void drop_expired(struct denied *denied, int64_t now_us)
{
    size_t kept = 0;
    for (size_t i = 0; i < denied->count; i++)
        if (denied->entries[i].expires_us > now_us)
            denied->entries[kept++] = denied->entries[i];
    denied->count = kept;
}

bool denied_add(struct denied *denied, const char *jti, int64_t expires_us, int64_t now_us)
{
    CHECK(pthread_rwlock_wrlock(&denied->lock) == 0);
    drop_expired(denied, now_us);
    bool known = locked_has(denied, jti), room = denied->count < DENIED_COUNT_MAX;
    if (!known && room) {
        struct entry *entry = &denied->entries[denied->count++];
        CHECK(str_copy(entry->jti, sizeof entry->jti, jti));
        entry->expires_us = expires_us;
    }
    CHECK(pthread_rwlock_unlock(&denied->lock) == 0);
    return known || room;
}

bool denied_has(struct denied *denied, const char *jti)
{
    CHECK(pthread_rwlock_rdlock(&denied->lock) == 0);
    bool has = locked_has(denied, jti);
    CHECK(pthread_rwlock_unlock(&denied->lock) == 0);
    return has;
}

void denied_write(struct denied *denied, struct buf *out)
{
    CHECK(pthread_rwlock_rdlock(&denied->lock) == 0);
    for (size_t i = 0; i < denied->count; i++)
        buf_printf(out, "%s %" PRId64 "\n", denied->entries[i].jti, denied->entries[i].expires_us);
    CHECK(pthread_rwlock_unlock(&denied->lock) == 0);
}

bool denied_read(struct denied *denied, const char *text, size_t length, struct err *err)
{
    for (const char *p = text, *end = text + length; p < end;) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        char line[80];
        int64_t expires_us;
        size_t n = stop ? (size_t)(stop - p) : sizeof line;
        if (n < TOKEN_JTI_SIZE + 1 || n >= sizeof line || p[TOKEN_JTI_SIZE - 1] != ' ')
            return err_set(err, ERR_INPUT, "%s: a line is damaged", DENIED_SETTING);
        memcpy(line, p, n);
        line[n] = line[TOKEN_JTI_SIZE - 1] = '\0';
        if (!str_to_int(line + TOKEN_JTI_SIZE, 0, INT64_MAX, &expires_us))
            return err_set(err, ERR_INPUT, "%s: a line is damaged", DENIED_SETTING);
        if (!denied_add(denied, line, expires_us, 0))
            return err_set(err, ERR_TOO_LARGE, "%s: more than %d lines", DENIED_SETTING, DENIED_COUNT_MAX);
        p = stop + 1;
    }
    return true;
}
