#include "arena.h"

#include <pthread.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE (256u * 1024)

struct block {
    struct block *next;
    size_t size, used;
    alignas(max_align_t) uint8_t bytes[];
};

struct arena {
    pthread_mutex_t lock;
    struct block *blocks; /* the first is the one being filled */
};

struct arena *arena_new(void)
{
    struct arena *arena = calloc(1, sizeof *arena);

    if (arena)
        pthread_mutex_init(&arena->lock, NULL);
    return arena;
}

static struct block *add_block(struct arena *arena, size_t size)
{
    size_t room = size > BLOCK_SIZE / 4 ? size : BLOCK_SIZE;
    struct block *block = malloc(sizeof *block + room);

    if (!block)
        return NULL;
    *block = (struct block){.size = room};
    if (arena->blocks && room != BLOCK_SIZE) { /* a large one goes behind the one being filled */
        block->next = arena->blocks->next;
        arena->blocks->next = block;
    } else {
        block->next = arena->blocks;
        arena->blocks = block;
    }
    return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    const size_t align = alignof(max_align_t);
    size_t padded = (size + align - 1) / align * align;
    struct block *block;
    void *p = NULL;

    if (padded < size || padded > SIZE_MAX / 2)
        return NULL;
    pthread_mutex_lock(&arena->lock);
    block = arena->blocks;
    if (!block || block->size - block->used < padded)
        block = add_block(arena, padded);
    if (block) {
        p = block->bytes + block->used;
        block->used += padded;
    }
    pthread_mutex_unlock(&arena->lock);
    return p;
}

char *arena_strndup(struct arena *arena, const char *text, size_t size)
{
    char *copy = arena_alloc(arena, size + 1);

    if (!copy)
        return NULL;
    memcpy(copy, text, size);
    copy[size] = '\0';
    return copy;
}

void *arena_memdup(struct arena *arena, const void *bytes, size_t size)
{
    void *copy = arena_alloc(arena, size);

    if (copy && size)
        memcpy(copy, bytes, size);
    return copy;
}

void arena_free(struct arena *arena)
{
    if (!arena)
        return;
    for (struct block *block = arena->blocks; block;) {
        struct block *next = block->next;

        free(block);
        block = next;
    }
    pthread_mutex_destroy(&arena->lock);
    free(arena);
}
