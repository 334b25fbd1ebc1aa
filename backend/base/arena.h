/* arena.h - memory that lives exactly as long as one request or one batch.
 *
 * Owner:    the loop or worker that runs the request.  Not shared between threads.
 * Lifetime: everything from arena_alloc() dies at the next arena_reset().
 * Bounds:   grows in blocks up to `limit` bytes in all.  arena_alloc() beyond the limit is a bug
 *           (CHECK): requests are size-checked before they are parsed.  Where the need comes from
 *           outside use arena_try_alloc(), which returns NULL. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

struct arena_block;
struct arena {
    struct arena_block *first, *current;
    size_t limit, used_total;
};

void arena_init(struct arena *arena, size_t limit);
void arena_free(struct arena *arena);
void arena_reset(struct arena *arena);   /* keeps the first block for reuse, frees the others */

void *arena_alloc(struct arena *arena, size_t size);      /* zeroed, aligned to 16 bytes */
void *arena_try_alloc(struct arena *arena, size_t size);  /* NULL beyond the limit */
char *arena_copy(struct arena *arena, const char *text, size_t length); /* adds the NUL */
char *arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
