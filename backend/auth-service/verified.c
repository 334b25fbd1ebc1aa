#include "auth-service/verified.h"

#include "auth-service/secrets.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdatomic.h>

struct entry {
    struct verified_ticket ticket;
    struct token_claims claims;
};

struct table {
    struct table *next;
    struct entry entries[VERIFIED_SLOTS];
};

struct verified {
    _Atomic uint64_t generation;    /* from 1: a zeroed entry is stale */
    struct secret_key key;
    pthread_key_t mine;
    pthread_mutex_t mutex;          /* of `tables` */
    struct table *tables;
};

struct verified *verified_new(void)
{
    secret_start();
    struct verified *verified = mem_new(1, sizeof *verified);
    atomic_init(&verified->generation, 1);
    secret_key_new(&verified->key);
    CHECK(pthread_key_create(&verified->mine, NULL) == 0);
    CHECK(pthread_mutex_init(&verified->mutex, NULL) == 0);
    return verified;
}

void verified_free(struct verified *verified)
{
    if (!verified)
        return;
    for (struct table *table = verified->tables, *next; table; table = next) {
        next = table->next;
        mem_free(table);
    }
    (void)pthread_key_delete(verified->mine);
    (void)pthread_mutex_destroy(&verified->mutex);
    mem_free(verified);
}

static struct table *my_table(struct verified *verified)
{
    struct table *table = pthread_getspecific(verified->mine);
    if (table)
        return table;
    table = mem_new(1, sizeof *table);
    CHECK(pthread_mutex_lock(&verified->mutex) == 0);
    table->next = verified->tables;
    verified->tables = table;
    CHECK(pthread_mutex_unlock(&verified->mutex) == 0);
    CHECK(pthread_setspecific(verified->mine, table) == 0);
    return table;
}

void verified_forget_all(struct verified *verified)
{
    atomic_fetch_add_explicit(&verified->generation, 1, memory_order_release);
}

const struct token_claims *verified_get(struct verified *verified, const char *token, size_t length, int64_t now_us,
                                        struct verified_ticket *out_ticket)
{
    out_ticket->generation = atomic_load_explicit(&verified->generation, memory_order_acquire);
    struct secret_hash hash = secret_hash(&verified->key, token, length);
    out_ticket->low = hash.low;
    out_ticket->high = hash.high;
    const struct entry *entry = &my_table(verified)->entries[hash.low % VERIFIED_SLOTS];
    bool hit = entry->ticket.generation == out_ticket->generation && entry->ticket.low == hash.low &&
               entry->ticket.high == hash.high && now_us < entry->claims.expires_us;
    return hit ? &entry->claims : NULL;
}

void verified_put(struct verified *verified, const struct verified_ticket *ticket, const struct token_claims *claims)
{
    my_table(verified)->entries[ticket->low % VERIFIED_SLOTS] = (struct entry){ *ticket, *claims };
}
