#include "base/arena.h"

#include "base/err.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* 64 KiB holds nearly every request in one block; larger needs get a block of their own size. */
enum { BLOCK_SIZE_MIN = 64 * 1024, ALIGNMENT = 16 };

struct arena_block {
    struct arena_block *next;
    size_t size, used;
    _Alignas(ALIGNMENT) unsigned char data[];
};

void arena_init(struct arena *arena, size_t limit)
{
    *arena = (struct arena){ .limit = limit };
}

static void free_blocks(struct arena_block *block)
{
    while (block) {
        struct arena_block *next = block->next;
        mem_free(block);
        block = next;
    }
}

void arena_free(struct arena *arena)
{
    free_blocks(arena->first);
    arena->first = arena->current = NULL;
    arena->used_total = 0;
}

void arena_reset(struct arena *arena)
{
    if (!arena->first)
        return;
    free_blocks(arena->first->next);
    arena->first->next = NULL;
    arena->first->used = 0;
    arena->current = arena->first;
    arena->used_total = 0;
}

static struct arena_block *add_block(struct arena *arena, size_t size)
{
    size_t block_size = size > BLOCK_SIZE_MIN ? size : BLOCK_SIZE_MIN;
    struct arena_block *block = mem_try_new(1, sizeof *block + block_size);
    if (!block)
        return NULL;
    block->size = block_size;
    if (arena->current)
        arena->current->next = block;
    else
        arena->first = block;
    arena->current = block;
    return block;
}

void *arena_try_alloc(struct arena *arena, size_t size)
{
    if (size > arena->limit)
        return NULL;
    size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (size > arena->limit - arena->used_total || arena->used_total > arena->limit)
        return NULL;
    struct arena_block *block = arena->current;
    if ((!block || block->size - block->used < size) && !(block = add_block(arena, size)))
        return NULL;
    void *memory = block->data + block->used;
    block->used += size;
    arena->used_total += size;
    return memset(memory, 0, size);
}

void *arena_alloc(struct arena *arena, size_t size)
{
    void *memory = arena_try_alloc(arena, size);
    CHECK(memory != NULL);
    return memory;
}

char *arena_copy(struct arena *arena, const char *text, size_t length)
{
    char *copy = arena_alloc(arena, length + 1);
    memcpy(copy, text, length);
    return copy;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    CHECK(n >= 0);
    char *text = arena_alloc(arena, (size_t)n + 1);
    (void)vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    return text;
}
