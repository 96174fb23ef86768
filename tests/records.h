/*
 * records.h - the three records as tables of named fields, for tests that go through all of them.
 */
#ifndef BACKSTOP_TESTS_RECORDS_H
#define BACKSTOP_TESTS_RECORDS_H

#include "receipt.h"
#include "ticket.h"

struct field {
    const char *name;
    size_t offset; /* in the C struct */
    size_t width;
    uint32_t max; /* highest value that decodes */
};

union any_record {
    struct ledger ledger;
    struct ticket ticket;
    struct receipt receipt;
};

struct record_type {
    const char *name;
    uint32_t magic;
    size_t size;
    const struct field *fields;
    size_t field_count;
    void (*encode)(const union any_record *record, uint8_t *out);
    enum record_state (*decode)(union any_record *record, const uint8_t *bytes, size_t size,
                                int padded); /* a ticket is never padded */
    int may_be_padded;
};

#define FIELD(type, field, max)                                                                    \
    {                                                                                              \
#field, offsetof(struct type, field), sizeof(((struct type *)0)->field), max               \
    }

static const struct field ledger_fields[] = {
    FIELD(ledger, number, UINT32_MAX), FIELD(ledger, case_number, UINT32_MAX),
    FIELD(ledger, failures, 255),      FIELD(ledger, rung, 5),
    FIELD(ledger, rung_failures, 255), FIELD(ledger, stance, 2),
    FIELD(ledger, quiet, 255),         FIELD(ledger, unreached, 255),
    FIELD(ledger, case_open, 1),       FIELD(ledger, last_outcome, 6),
    FIELD(ledger, last_phase, 3),      FIELD(ledger, first_reason, 255),
    FIELD(ledger, last_reason, 255),   FIELD(ledger, mark, 1),
    FIELD(ledger, dumps, UINT16_MAX),  FIELD(ledger, dumps_seen, UINT32_MAX),
};
static const struct field ticket_fields[] = {
    FIELD(ticket, number, UINT32_MAX),
    FIELD(ticket, case_number, UINT32_MAX),
    FIELD(ticket, failures, 255),
    FIELD(ticket, rung, 5),
    FIELD(ticket, stance, 2),
    FIELD(ticket, case_open, 1),
    FIELD(ticket, first_reason, 255),
    FIELD(ticket, last_reason, 255),
    FIELD(ticket, last_outcome, 6),
    FIELD(ticket, last_phase, 3),
    FIELD(ticket, stored, 2),
    FIELD(ticket, ledger_found, 3),
    FIELD(ticket, conf_bad_lines, 255),
    FIELD(ticket, conf_found, 1),
    FIELD(ticket, dumps, UINT16_MAX),
    FIELD(ticket, dumps_cleared, UINT16_MAX),
    FIELD(ticket, unreached, UINT8_MAX),
    FIELD(ticket, store_error, UINT32_MAX),
};
static const struct field receipt_fields[] = {
    FIELD(receipt, number, UINT32_MAX), FIELD(receipt, generation, UINT32_MAX),
    FIELD(receipt, outcome, 6),         FIELD(receipt, phase, 3),
    FIELD(receipt, applied, 4),         FIELD(receipt, named, 1),
    FIELD(receipt, go_normal, 1),
};

static inline void any_ledger_encode(const union any_record *record, uint8_t *out)
{
    ledger_encode(&record->ledger, out);
}

static inline void any_ticket_encode(const union any_record *record, uint8_t *out)
{
    ticket_encode(&record->ticket, out);
}

static inline void any_receipt_encode(const union any_record *record, uint8_t *out)
{
    receipt_encode(&record->receipt, out);
}

static inline enum record_state any_ledger_decode(union any_record *record, const uint8_t *bytes,
                                                  size_t size, int padded)
{
    return ledger_decode(&record->ledger, bytes, size, padded);
}

static inline enum record_state any_ticket_decode(union any_record *record, const uint8_t *bytes,
                                                  size_t size, int padded)
{
    (void)padded;
    return ticket_decode(&record->ticket, bytes, size);
}

static inline enum record_state any_receipt_decode(union any_record *record, const uint8_t *bytes,
                                                   size_t size, int padded)
{
    return receipt_decode(&record->receipt, bytes, size, padded);
}

#define FIELDS(table) table, sizeof(table) / sizeof((table)[0])

static const struct record_type record_types[] = {
    {"ledger", LEDGER_MAGIC, LEDGER_SIZE, FIELDS(ledger_fields), any_ledger_encode,
     any_ledger_decode, 1},
    {"ticket", TICKET_MAGIC, TICKET_SIZE, FIELDS(ticket_fields), any_ticket_encode,
     any_ticket_decode, 0},
    {"receipt", RECEIPT_MAGIC, RECEIPT_SIZE, FIELDS(receipt_fields), any_receipt_encode,
     any_receipt_decode, 1},
};

static inline uint32_t field_get(const struct field *field, const union any_record *record)
{
    const uint8_t *at = (const uint8_t *)record + field->offset;

    switch (field->width) {
    case 1:
        return *at;
    case 2:
        return *(const uint16_t *)(const void *)at;
    }
    return *(const uint32_t *)(const void *)at;
}

static inline void field_put(const struct field *field, union any_record *record, uint32_t value)
{
    uint8_t *at = (uint8_t *)record + field->offset;

    switch (field->width) {
    case 1:
        *at = (uint8_t)value;
        return;
    case 2:
        *(uint16_t *)(void *)at = (uint16_t)value;
        return;
    }
    *(uint32_t *)(void *)at = value;
}

#endif
