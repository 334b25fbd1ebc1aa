#include "auth-service/throttle.h"

#include "auth-service/secrets.h"
#include "base/clock.h"
#include "base/mem.h"

#include <ctype.h>
#include <pthread.h>
#include <string.h>

#define FORGET_US (15 * US_PER_MIN)

enum { WAYS = 8, SETS = THROTTLE_SLOTS / WAYS };

struct entry {
    struct secret_hash key;         /* 0, 0: free */
    int64_t last_us, open_us;       /* last try; the next is allowed from open_us on */
    int tries;
    bool refused;                   /* since the last try that was allowed */
};

struct throttle {
    struct secret_key key;
    pthread_mutex_t mutex;
    struct entry entries[SETS][WAYS];
};

struct throttle *throttle_new(void)
{
    secret_start();
    struct throttle *throttle = mem_new(1, sizeof *throttle);
    secret_key_new(&throttle->key);
    CHECK(pthread_mutex_init(&throttle->mutex, NULL) == 0);
    return throttle;
}

void throttle_free(struct throttle *throttle)
{
    if (!throttle)
        return;
    (void)pthread_mutex_destroy(&throttle->mutex);
    mem_free(throttle);
}

/* "Admin" and "admin" are one account. */
static struct secret_hash hash_of(const struct throttle *throttle, const char *username, const char *remote)
{
    char text[256];
    size_t n = 0;
    for (; *username && n < 128; username++)
        text[n++] = (char)tolower((unsigned char)*username);
    text[n++] = '\0';
    for (; *remote && n < sizeof text; remote++)
        text[n++] = *remote;
    return secret_hash(&throttle->key, text, n);
}

static struct entry *find(struct throttle *throttle, struct secret_hash key, bool make, int64_t now_us)
{
    struct entry *set = throttle->entries[key.high % SETS], *mildest = &set[0];
    for (int i = 0; i < WAYS; i++) {
        struct entry *entry = &set[i];
        if (entry->tries && now_us - entry->last_us > FORGET_US && now_us >= entry->open_us)
            *entry = (struct entry){ 0 };
        if (entry->tries && entry->key.low == key.low && entry->key.high == key.high)
            return entry;
        if (entry->tries < mildest->tries || (entry->tries == mildest->tries && entry->last_us < mildest->last_us))
            mildest = entry;
    }
    if (make)
        *mildest = (struct entry){ .key = key };
    return make ? mildest : NULL;
}

static int64_t delay_us(int tries)
{
    int doublings = tries - THROTTLE_FREE_TRIES;
    if (doublings < 0)
        return 0;
    return doublings >= 9 ? THROTTLE_DELAY_MAX_S * US_PER_S : (INT64_C(1) << doublings) * US_PER_S;
}

bool throttle_try(struct throttle *throttle, const char *username, const char *remote, int64_t now_us,
                  int *out_wait_s, bool *out_first)
{
    struct secret_hash key = hash_of(throttle, username, remote);
    CHECK(pthread_mutex_lock(&throttle->mutex) == 0);
    struct entry *entry = find(throttle, key, true, now_us);
    bool open = now_us >= entry->open_us;
    *out_first = !open && !entry->refused;
    *out_wait_s = open ? 0 : (int)((entry->open_us - now_us + US_PER_S - 1) / US_PER_S);
    entry->refused = !open;
    if (open) {
        entry->tries++;
        entry->last_us = now_us;
        entry->open_us = now_us + delay_us(entry->tries);
    }
    CHECK(pthread_mutex_unlock(&throttle->mutex) == 0);
    return open;
}

void throttle_forget(struct throttle *throttle, const char *username, const char *remote)
{
    struct secret_hash key = hash_of(throttle, username, remote);
    CHECK(pthread_mutex_lock(&throttle->mutex) == 0);
    struct entry *entry = find(throttle, key, false, 0);
    if (entry)
        *entry = (struct entry){ 0 };
    CHECK(pthread_mutex_unlock(&throttle->mutex) == 0);
}
