/*
 * record.h - Backstop's ledger and receipt, decoded by the rig itself from the bytes that
 * FORMAT.md gives, so that a fault in Backstop's own reader cannot hide one in its writer.
 */
#ifndef BACKSTOP_RIG_RECORD_H
#define BACKSTOP_RIG_RECORD_H

#include "nvram.h"

enum record_kind { RECORD_LEDGER = 0, RECORD_RECEIPT };
#define RECORD_BYTES_MAX 48u

struct record {
    enum record_kind kind;
    bool there; /* bytes were found */
    bool whole; /* magic, version, length and CRC hold; else the fields mean nothing */
    uint8_t bytes[RECORD_BYTES_MAX];
};

const char *record_kind_string(enum record_kind kind);

/* Takes size bytes (NULL: none there). Bytes past the record are ignored if `padded`. */
void record_take(struct record *record, enum record_kind kind, const uint8_t *bytes, size_t size,
                 bool padded);
/* The live variable in the store. */
void record_from_nvram(struct record *record, enum record_kind kind, const struct nvram *nvram);
/* The newest whole slot of ledger.esp or receipt.esp; of equal ones a finished one, then the first.
 */
void record_from_slots(struct record *record, enum record_kind kind, const uint8_t *file,
                       size_t size);

/* `a`, which is whole, is of a later boot than `b`, or says more of the same one; also if b is not
 * whole. */
bool record_is_newer(const struct record *a, const struct record *b);
bool record_is_same(const struct record *a, const struct record *b);

/* Value of a field ("number", "failures" ...). False where the record has no such field. */
bool record_field(const struct record *record, const char *name, uint32_t *value);
/* The same; 0 where it has none. */
uint32_t record_number(const struct record *record, const char *name);
/* Value of a field given as a number or as its word ("recovery"). False if it is neither. */
bool record_value(enum record_kind kind, const char *name, const char *text, uint32_t *value);
/* "number=4 failures=3 stance=recovery ..."; caller frees. */
char *record_text(const struct record *record);
/* Name of field `index`, NULL past the end. */
const char *record_field_name(enum record_kind kind, size_t index);
/* The word for a field's value, or NULL where it has none. */
const char *record_word(const struct record *record, const char *name);

#endif
