/*
 * seen.h - which of the kernel's records of panics were there, as 32 bits.
 *
 * A count alone cannot tell "the old records are still there" from "they were archived, and the
 * next panic left as many". So the ledger keeps one bit of each name that was seen (a Bloom filter
 * of one hash): a name whose bit is not among them is new for certain. One that is new may go
 * unseen where its bits are taken already, and is then told by the count or not at all.
 */
#ifndef BACKSTOP_CORE_SEEN_H
#define BACKSTOP_CORE_SEEN_H

#include <stddef.h>
#include <stdint.h>

/* The bit of one variable: its name as the firmware has it, UTF-16 without the NUL, `size` bytes.
 */
uint32_t seen_bit(const uint8_t *name, size_t size);

#endif
