/* pool.h - threads that share one loop at a time.
 *
 * Repeats:  which thread does which item is left to chance, so items must be independent of each
 *           other; what they sum must be summed by the caller in the order of the items.  Then the
 *           result is the same, bit for bit, for any number of threads.
 * Waiting:  a thread spins for about 20 us before it sleeps: a training step has some 500 loops.
 * Threads:  pool_run() from one thread at a time, not from inside an item. */
#ifndef T5_TRAIN_POOL_H
#define T5_TRAIN_POOL_H

struct pool;

/* `item` counts from 0; `thread` is below pool_threads(), for scratch memory. */
typedef void pool_item(void *context, int item, int thread);

struct pool *pool_new(int threads);      /* 0: as many as this process may use */
void pool_free(struct pool *pool);       /* NULL is fine */
int pool_threads(const struct pool *pool);
void pool_run(struct pool *pool, pool_item *run, void *context, int count);

#endif
