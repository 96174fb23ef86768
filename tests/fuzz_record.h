/*
 * fuzz_record.h - the fuzz target that ledger, ticket and receipt have in common.
 *
 * A CRC keeps a fuzzer from the fields behind it. So the bytes are read twice: as they are, and
 * sealed again as a record of this build's length.
 */
#ifndef BACKSTOP_TESTS_FUZZ_RECORD_H
#define BACKSTOP_TESTS_FUZZ_RECORD_H

#include "fuzz.h"
#include "records.h"

static void fuzz_decode(const struct record_type *type, const uint8_t *data, size_t size,
                        int padded)
{
    union any_record record;
    union any_record before;
    uint8_t out[RECORD_MAX_SIZE];
    enum record_state state;

    memset(&record, 0x5a, sizeof record);
    before = record;
    state = type->decode(&record, data, size, padded);
    if (state != RECORD_VALID) {
        MUST(memcmp(&record, &before, sizeof record) == 0);
        return;
    }
    for (size_t i = 0; i < type->field_count; i++)
        MUST(field_get(&type->fields[i], &record) <= type->fields[i].max);
    type->encode(&record, out);
    MUST(type->decode(&before, out, type->size, 0) == RECORD_VALID);
    for (size_t i = 0; i < type->field_count; i++)
        MUST(field_get(&type->fields[i], &record) == field_get(&type->fields[i], &before));
}

static void fuzz_record(const struct record_type *type, const uint8_t *data, size_t size)
{
    uint8_t sealed[RECORD_MAX_SIZE] = {0};

    for (int padded = 0; padded <= type->may_be_padded; padded++)
        fuzz_decode(type, data, size, padded);
    if (size > type->size)
        size = type->size;
    if (size > 0)
        memcpy(sealed, data, size);
    record_seal(sealed, (uint16_t)type->size, type->magic);
    fuzz_decode(type, sealed, type->size, 0);
}

#endif
