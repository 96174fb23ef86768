/*
 * record.h - what ledger, ticket and receipt have in common.
 *
 * A record is a fixed little-endian layout behind a 16-byte header: magic,
 * version, length, CRC-32. FORMAT.md gives every byte, with test vectors.
 * Validity is checked in one order: size, magic, CRC, version, ranges.
 */
#ifndef BACKSTOP_CORE_RECORD_H
#define BACKSTOP_CORE_RECORD_H

#include <stddef.h>
#include <stdint.h>

/* EFI variables of ours, all under one vendor GUID. */
#define BACKSTOP_GUID_TEXT "79bf4a28-fd19-47e3-bb3c-67b65c2f4dd4"
#define BACKSTOP_GUID_INIT                                                                         \
    {                                                                                              \
        0x79bf4a28, 0xfd19, 0x47e3,                                                                \
        {                                                                                          \
            0xbb, 0x3c, 0x67, 0xb6, 0x5c, 0x2f, 0x4d, 0xd4                                         \
        }                                                                                          \
    }
#define LEDGER_VARIABLE "BackstopLedger"   /* NV+BS; written by the stage alone */
#define TICKET_VARIABLE "BackstopTicket"   /* BS+RT, volatile; written by the stage alone */
#define RECEIPT_VARIABLE "BackstopReceipt" /* NV+BS+RT; written by the agent alone */

#define LEDGER_MAGIC 0x444c5342u  /* "BSLD" */
#define TICKET_MAGIC 0x4b545342u  /* "BSTK" */
#define RECEIPT_MAGIC 0x43525342u /* "BSRC" */

#define RECORD_VERSION 1u
#define RECORD_HEADER_SIZE 16u
#define RECORD_MAX_SIZE 512u /* no record of any version is longer: one sector */

/* What was found where a record should be. Absent is not damaged. */
enum record_state {
    RECORD_ABSENT =
        0, /* nothing there, or a variable of no bytes (a cut between create and write) */
    RECORD_VALID,
    RECORD_DAMAGED, /* bytes are there and are not a record of ours */
    RECORD_NEWER,   /* intact, of a version that this build does not know: left alone */
};

const char *record_state_string(enum record_state state);

/*
 * Checks size, magic, CRC and version of a record of `size` bytes, which this
 * build knows as `known_length` bytes long. A NULL or empty buffer is
 * RECORD_ABSENT, and so is an all-zero one where `padded` is true. Bytes after the record's own
 * length are ignored only where `padded` is true (a slot of a file); else they make it
 * RECORD_DAMAGED.
 */
enum record_state record_check(const uint8_t *bytes, size_t size, uint32_t magic,
                               size_t known_length, int padded);

/* A field of a record and the member of its struct that holds it, an unsigned number as wide. */
struct record_field {
    uint8_t at;     /* in the record */
    uint8_t width;  /* 1, 2 or 4 */
    uint8_t member; /* in the struct */
    uint32_t max;   /* above it the record is damaged */
};
#define RECORD_ANY UINT32_MAX
#define RECORD_FIELD(type, member, at, max)                                                        \
    {                                                                                              \
        (at), sizeof(((struct type *)0)->member), offsetof(struct type, member), (max)             \
    }

struct record_layout {
    uint32_t magic;
    uint16_t length;
    uint16_t count;
    const struct record_field *fields;
};

/* out[layout->length]; what no field covers is zero. `from` is the struct. */
void record_encode(const struct record_layout *layout, const void *from, uint8_t *out);

/* As record_check, then the fields' ranges; the struct at `to` changes only with RECORD_VALID. */
enum record_state record_decode(const struct record_layout *layout, void *to, const uint8_t *bytes,
                                size_t size, int padded);

/* Writes the header over bytes[0..16) of a record whose body is in place. */
void record_seal(uint8_t *bytes, uint16_t length, uint32_t magic);

/* CRC-32 of what `crc` is the CRC-32 of (0: nothing) and these bytes behind it. */
uint32_t crc32_add(uint32_t crc, const uint8_t *bytes, size_t size);

/* CRC-32 (IEEE 802.3, reflected, as in UEFI's CalculateCrc32). */
uint32_t crc32_of(const uint8_t *bytes, size_t size);

#endif
