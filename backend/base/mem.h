/* mem.h - the only door to malloc.
 *
 * Three lifetimes: process (mem_new at start), request or batch (arena.h), long-lived many (pools
 * made with mem_new from a configured limit).  Running out of memory for a *fixed* need is a bug in
 * the configuration: mem_new aborts with the size.  A need that comes from outside must be bounded
 * by bounds.h first and may use mem_try_*, which returns NULL.
 * Fault injection: mem_fail_after(n) lets the n-th mem_try_* from now fail (tests). */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

void *mem_new(size_t count, size_t size);            /* zeroed; aborts on failure */
void *mem_try_new(size_t count, size_t size);        /* zeroed; NULL on failure or overflow */
/* As mem_try_new, in pages of 2 MB where the kernel has them: for blocks of many megabytes that are walked
 * from end to end; their first writes cost 500 times fewer faults. */
void *mem_try_new_large(size_t count, size_t size);
void *mem_try_resize(void *old, size_t count, size_t size); /* NULL: old is still valid */
char *mem_copy_string(const char *text);             /* aborts on failure */
void mem_free(void *memory);                         /* NULL is fine */

/* Whole pages, zeroed, which become real when they are touched: for blocks of megabytes. */
void *mem_pages_new(size_t size);                    /* NULL on failure */
void mem_pages_free(void *pages, size_t size);       /* NULL is fine */

void mem_fail_after(long nth);                       /* 0: never (default) */

#endif
