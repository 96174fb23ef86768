/*
 * mem.h - the four functions that a freestanding compiler expects (C17 7.24.2 to 7.24.6), and uses
 * unasked. Semantics as in the standard.
 */
#ifndef BACKSTOP_EFI_MEM_H
#define BACKSTOP_EFI_MEM_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);

#endif
