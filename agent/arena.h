/*
 * arena.h - memory that is given back all at once. Safe to share between threads.
 */
#ifndef BACKSTOP_AGENT_ARENA_H
#define BACKSTOP_AGENT_ARENA_H

#include <stddef.h>

struct arena;

struct arena *arena_new(void); /* NULL: no memory */
/* Aligned for anything; NULL: no memory. Not cleared. */
void *arena_alloc(struct arena *arena, size_t size);
char *arena_strndup(struct arena *arena, const char *text, size_t size);
void *arena_memdup(struct arena *arena, const void *bytes, size_t size);
void arena_free(struct arena *arena); /* NULL is fine */

#endif
