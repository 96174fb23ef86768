#include "seen.h"

/* FNV-1a of 32 bits: its upper bits depend on every byte, and it needs no table. */
#define FNV_BASIS 0x811c9dc5u
#define FNV_PRIME 0x01000193u

uint32_t seen_bit(const uint8_t *name, size_t size)
{
    uint32_t hash = FNV_BASIS;

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ name[i]) * FNV_PRIME;
    return UINT32_C(1) << (hash >> 27);
}
