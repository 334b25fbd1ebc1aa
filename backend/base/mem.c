#include "base/mem.h"

#include "base/err.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static atomic_long fail_countdown;

void mem_fail_after(long nth)
{
    atomic_store(&fail_countdown, nth);
}

static int injected_failure(void)
{
    if (atomic_load_explicit(&fail_countdown, memory_order_relaxed) <= 0)
        return 0;
    return atomic_fetch_sub(&fail_countdown, 1) == 1;
}

void *mem_try_new(size_t count, size_t size)
{
    return injected_failure() ? NULL : calloc(count ? count : 1, size ? size : 1);
}

void *mem_new(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size ? size : 1);
    CHECK(memory != NULL);
    return memory;
}

void *mem_try_new_large(size_t count, size_t size)
{
    enum { HUGE = 2 << 20 };
    char *memory = mem_try_new(count, size);
    if (!memory || count * size < 4 * (size_t)HUGE)
        return memory;
    size_t skip = HUGE - (uintptr_t)memory % HUGE;
    (void)madvise(memory + skip, (count * size - skip) / HUGE * HUGE, MADV_HUGEPAGE);   /* a wish */
    return memory;
}

void *mem_try_resize(void *old, size_t count, size_t size)
{
    return injected_failure() ? NULL : reallocarray(old, count ? count : 1, size ? size : 1);
}

char *mem_copy_string(const char *text)
{
    size_t n = strlen(text) + 1;
    return memcpy(mem_new(n, 1), text, n);
}

void mem_free(void *memory)
{
    free(memory);
}

void *mem_pages_new(size_t size)
{
    if (injected_failure())
        return NULL;
    void *pages = mmap(NULL, size ? size : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return pages == MAP_FAILED ? NULL : pages;
}

void mem_pages_free(void *pages, size_t size)
{
    if (pages)
        (void)munmap(pages, size ? size : 1);
}
