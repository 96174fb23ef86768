/* The header and the three records that share it; each row of the tables in FORMAT.md. */
#include "check.h"

#include <string.h>

#include "bytes.h"
#include "records.h"

#define MAGIC 0x12345678u
#define KNOWN 24u

/* A sealed record of `length` bytes and this version. */
static void make(uint8_t bytes[RECORD_MAX_SIZE + 64], size_t length, uint16_t version)
{
    uint32_t crc;

    memset(bytes, 0, RECORD_MAX_SIZE + 64);
    put_le32(bytes, MAGIC);
    put_le16(bytes + 4, version);
    put_le16(bytes + 6, (uint16_t)length);
    for (size_t i = 16; i < length; i++)
        bytes[i] = (uint8_t)(i * 7);
    crc = crc32_of(bytes, length);
    put_le32(bytes + 8, crc);
}

static const struct header_row {
    const char *name;
    size_t length; /* in the header */
    size_t size;   /* of the bytes */
    uint16_t version;
    int padded;
    enum record_state state;
} header_rows[] = {
    {"as it should be", KNOWN, KNOWN, 1, 0, RECORD_VALID},
    {"in a slot", KNOWN, 512, 1, 1, RECORD_VALID},
    {"no bytes", KNOWN, 0, 1, 0, RECORD_ABSENT},
    {"no bytes in a slot", KNOWN, 0, 1, 1, RECORD_ABSENT},
    {"one byte of a header", KNOWN, 1, 1, 0, RECORD_DAMAGED},
    {"a header less one byte", KNOWN, 15, 1, 1, RECORD_DAMAGED},
    {"variable longer than its record", KNOWN, KNOWN + 1, 1, 0, RECORD_DAMAGED},
    {"variable shorter than its record", KNOWN, KNOWN - 1, 1, 0, RECORD_DAMAGED},
    {"slot shorter than its record", KNOWN, KNOWN - 1, 1, 1, RECORD_DAMAGED},
    {"version 0", KNOWN, KNOWN, 0, 0, RECORD_DAMAGED},
    {"version 1 but longer", KNOWN + 8, KNOWN + 8, 1, 0, RECORD_DAMAGED},
    {"version 1 but shorter", KNOWN - 8, KNOWN - 8, 1, 0, RECORD_DAMAGED},
    {"newer", KNOWN, KNOWN, 2, 0, RECORD_NEWER},
    {"newer and longest", RECORD_MAX_SIZE, RECORD_MAX_SIZE, 2, 0, RECORD_NEWER},
    {"newer and too long", RECORD_MAX_SIZE + 1, RECORD_MAX_SIZE + 1, 2, 0, RECORD_DAMAGED},
    {"newer and shortest", 16, 16, 0xffff, 0, RECORD_NEWER},
    {"newer, variable longer", 32, 33, 2, 0, RECORD_DAMAGED},
    {"newer, in a slot", 32, 512, 2, 1, RECORD_NEWER},
};

static void header_is_checked(void **state)
{
    uint8_t bytes[RECORD_MAX_SIZE + 64];

    (void)state;
    for (size_t i = 0; i < ROWS(header_rows); i++) {
        const struct header_row *row = &header_rows[i];

        make(bytes, row->length, row->version);
        if (record_check(bytes, row->size, MAGIC, KNOWN, row->padded) != row->state)
            fail_msg("%s", row->name);
    }
    assert_int_equal(record_check(NULL, 0, MAGIC, KNOWN, 0), RECORD_ABSENT);
    assert_int_equal(record_check(NULL, 8, MAGIC, KNOWN, 1), RECORD_ABSENT);
}

static void length_below_a_header_is_damage(void **state)
{
    uint8_t bytes[RECORD_MAX_SIZE + 64];

    (void)state;
    for (size_t length = 0; length < 16; length++) {
        make(bytes, 16, 2);
        put_le16(bytes + 6, (uint16_t)length);
        assert_int_equal(record_check(bytes, 16, MAGIC, KNOWN, 1), RECORD_DAMAGED);
    }
}

/* A flip must not turn a valid record into a newer one either: that would be left alone. */
static void flips_of_valid_and_newer_are_damage(void **state)
{
    uint8_t bytes[RECORD_MAX_SIZE + 64];

    (void)state;
    for (uint16_t version = 1; version <= 3; version++) {
        make(bytes, KNOWN, version);
        for (size_t bit = 0; bit < KNOWN * 8; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_int_equal(record_check(bytes, KNOWN, MAGIC, KNOWN, 0), RECORD_DAMAGED);
            assert_int_equal(record_check(bytes, 512, MAGIC, KNOWN, 1), RECORD_DAMAGED);
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
}

static void seal_is_what_check_wants(void **state)
{
    uint8_t bytes[KNOWN];

    (void)state;
    memset(bytes, 0xa5, sizeof bytes);
    record_seal(bytes, KNOWN, MAGIC);
    assert_int_equal(record_check(bytes, KNOWN, MAGIC, KNOWN, 0), RECORD_VALID);
    assert_int_equal(record_check(bytes, KNOWN, MAGIC + 1, KNOWN, 0), RECORD_DAMAGED);
    assert_int_equal(get_le16(bytes + 4), 1);
    assert_int_equal(get_le16(bytes + 6), KNOWN);
    assert_int_equal(get_le32(bytes + 12), 0);
}

/* One field at a time at 0, 1 and its highest value, all others at 0 or at their highest. */
static void check_field(const struct record_type *type, const struct field *field, uint32_t others,
                        uint32_t value)
{
    union any_record record;
    union any_record back;
    uint8_t bytes[RECORD_MAX_SIZE];

    memset(&record, 0, sizeof record);
    for (size_t i = 0; others && i < type->field_count; i++)
        field_put(&type->fields[i], &record, type->fields[i].max);
    field_put(field, &record, value);
    memset(bytes, 0xcc, sizeof bytes);
    type->encode(&record, bytes);
    assert_int_equal(bytes[type->size], 0xcc);
    if (type->decode(&back, bytes, type->size, 0) != RECORD_VALID)
        fail_msg("%s: %s=%u does not decode", type->name, field->name, value);
    for (size_t i = 0; i < type->field_count; i++)
        if (field_get(&type->fields[i], &back) != field_get(&type->fields[i], &record))
            fail_msg("%s: %s=%u comes back in %s", type->name, field->name, value,
                     type->fields[i].name);
}

static void fields_come_back(void **state)
{
    (void)state;
    for (size_t t = 0; t < ROWS(record_types); t++) {
        for (size_t f = 0; f < record_types[t].field_count; f++) {
            const struct field *field = &record_types[t].fields[f];

            for (uint32_t others = 0; others <= 1; others++) {
                check_field(&record_types[t], field, others, 0);
                check_field(&record_types[t], field, others, 1);
                check_field(&record_types[t], field, others, field->max);
            }
        }
    }
}

static void check_beyond(const struct record_type *type, const struct field *field)
{
    union any_record record;
    union any_record before;
    uint8_t bytes[RECORD_MAX_SIZE];

    for (uint32_t value = field->max + 1; value <= 255; value++) {
        memset(&record, 0, sizeof record);
        field_put(field, &record, value);
        type->encode(&record, bytes);
        memset(&record, 0x5a, sizeof record);
        before = record;
        if (type->decode(&record, bytes, type->size, 0) != RECORD_DAMAGED)
            fail_msg("%s: %s=%u is not damage", type->name, field->name, value);
        assert_memory_equal(&record, &before, sizeof record);
    }
}

static void fields_out_of_range_are_damage(void **state)
{
    (void)state;
    for (size_t t = 0; t < ROWS(record_types); t++)
        for (size_t f = 0; f < record_types[t].field_count; f++)
            if (record_types[t].fields[f].width == 1)
                check_beyond(&record_types[t], &record_types[t].fields[f]);
}

/* Not so for an end that leaves nobody to report it. */
static void receipts_report_what_a_system_can_know(void **state)
{
    static const uint8_t reported[OUTCOME_COUNT] = {
        [OUTCOME_NONE] = 1, [OUTCOME_GOOD] = 1,    [OUTCOME_CLEAN] = 1,  [OUTCOME_CRASH] = 0,
        [OUTCOME_HANG] = 1, [OUTCOME_UNKNOWN] = 0, [OUTCOME_FAILED] = 1,
    };
    struct receipt receipt = {.number = 1};
    uint8_t bytes[RECEIPT_SIZE];

    (void)state;
    for (uint8_t outcome = 0; outcome < OUTCOME_COUNT; outcome++) {
        receipt.outcome = outcome;
        receipt_encode(&receipt, bytes);
        assert_int_equal(receipt_decode(&receipt, bytes, RECEIPT_SIZE, 0),
                         reported[outcome] ? RECORD_VALID : RECORD_DAMAGED);
    }
}

static void types_are_not_mixed_up(void **state)
{
    union any_record record;
    uint8_t bytes[RECORD_MAX_SIZE];

    (void)state;
    for (size_t from = 0; from < ROWS(record_types); from++) {
        memset(&record, 0, sizeof record);
        record_types[from].encode(&record, bytes);
        for (size_t to = 0; to < ROWS(record_types); to++)
            assert_int_equal(record_types[to].decode(&record, bytes, record_types[from].size, 0),
                             from == to ? RECORD_VALID : RECORD_DAMAGED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_is_checked),
        cmocka_unit_test(length_below_a_header_is_damage),
        cmocka_unit_test(flips_of_valid_and_newer_are_damage),
        cmocka_unit_test(seal_is_what_check_wants),
        cmocka_unit_test(fields_come_back),
        cmocka_unit_test(fields_out_of_range_are_damage),
        cmocka_unit_test(receipts_report_what_a_system_can_know),
        cmocka_unit_test(types_are_not_mixed_up),
    };
    return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
