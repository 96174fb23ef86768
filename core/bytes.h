/*
 * bytes.h - little-endian loads and stores, one byte at a time.
 *
 * Records are read and written through these alone, never through a cast
 * struct, so that layout does not depend on compiler, alignment or byte order.
 * Callers have checked the bounds.
 */
#ifndef BACKSTOP_CORE_BYTES_H
#define BACKSTOP_CORE_BYTES_H

#include <stdint.h>

static inline uint16_t get_le16(const uint8_t *p)
{
    return (uint16_t)(p[0] | (p[1] << 8));
}

static inline uint32_t get_le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline void put_le16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v & 0xff);
    p[1] = (uint8_t)(v >> 8);
}

static inline void put_le32(uint8_t *p, uint32_t v)
{
    put_le16(p, (uint16_t)(v & 0xffff));
    put_le16(p + 2, (uint16_t)(v >> 16));
}

#endif
