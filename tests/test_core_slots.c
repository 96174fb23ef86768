/* Two-slot files: which slot counts, which is written next, and what a cut leaves. */
#include "check.h"

#include <string.h>

#include "decide.h"
#include "slots.h"

enum content { ZERO, RUBBISH, NEWER, GIVEN };

struct slot {
    enum content content;
    uint32_t number;
    uint8_t mark; /* of a ledger */
    uint8_t outcome;
    uint8_t phase; /* of a receipt */
};

struct slots_row {
    const char *name;
    struct slot slots[2];
    enum record_state state;
    int newest; /* slot whose record is given back; -1: none */
    unsigned slot_to_write;
};

static uint8_t file[SLOTS_SIZE];

static void seal_newer(uint8_t *at, uint32_t magic)
{
    uint32_t crc;

    record_seal(at, 16, magic);
    at[4] = 2;
    memset(at + 8, 0, 4);
    crc = crc32_of(at, 16);
    for (unsigned i = 0; i < 4; i++)
        at[8 + i] = (uint8_t)(crc >> 8 * i);
}

static void put_slot(unsigned index, const struct slot *slot, int is_ledger)
{
    uint8_t *at = file + index * SLOT_STRIDE;
    struct ledger ledger = {.number = slot->number, .mark = slot->mark};
    struct receipt receipt = {
        .number = slot->number, .outcome = slot->outcome, .phase = slot->phase};

    memset(at, 0, SLOT_STRIDE);
    switch (slot->content) {
    case ZERO:
        return;
    case RUBBISH:
        memset(at, 0x5a, 700);
        return;
    case NEWER:
        seal_newer(at, is_ledger ? LEDGER_MAGIC : RECEIPT_MAGIC);
        return;
    case GIVEN:
        if (is_ledger)
            ledger_encode(&ledger, at);
        else
            receipt_encode(&receipt, at);
        return;
    }
}

#define NUMBER(n)                                                                                  \
    {                                                                                              \
        GIVEN, n, 0, 0, 0                                                                          \
    }
#define MARK(n)                                                                                    \
    {                                                                                              \
        GIVEN, n, 1, 0, 0                                                                          \
    }
#define NOTHING                                                                                    \
    {                                                                                              \
        ZERO, 0, 0, 0, 0                                                                           \
    }
#define BROKEN                                                                                     \
    {                                                                                              \
        RUBBISH, 0, 0, 0, 0                                                                        \
    }
#define FOREIGN                                                                                    \
    {                                                                                              \
        NEWER, 0, 0, 0, 0                                                                          \
    }

static const struct slots_row both_rows[] = {
    {"laid out and never written", {NOTHING, NOTHING}, RECORD_ABSENT, -1, 0},
    {"written once", {NUMBER(1), NOTHING}, RECORD_VALID, 0, 1},
    {"second is later", {NUMBER(1), NUMBER(2)}, RECORD_VALID, 1, 0},
    {"first is later", {NUMBER(3), NUMBER(2)}, RECORD_VALID, 0, 1},
    {"same number", {NUMBER(3), NUMBER(3)}, RECORD_VALID, 0, 1},
    {"first torn", {BROKEN, NUMBER(2)}, RECORD_VALID, 1, 0},
    {"second torn", {NUMBER(2), BROKEN}, RECORD_VALID, 0, 1},
    {"first ever torn", {BROKEN, NOTHING}, RECORD_DAMAGED, -1, 1},
    {"second alone torn", {NOTHING, BROKEN}, RECORD_DAMAGED, -1, 0},
    {"both torn", {BROKEN, BROKEN}, RECORD_DAMAGED, -1, 0},
    {"newer and nothing", {FOREIGN, NOTHING}, RECORD_NEWER, -1, 1},
    {"newer and torn", {BROKEN, FOREIGN}, RECORD_NEWER, -1, 0},
    {"valid beside newer", {FOREIGN, NUMBER(2)}, RECORD_VALID, 1, 0},
    {"both newer", {FOREIGN, FOREIGN}, RECORD_NEWER, -1, 0},
    {"numbers have wrapped", {NUMBER(0xfffffffe), NUMBER(1)}, RECORD_VALID, 1, 0},
    {"numbers have not wrapped", {NUMBER(0x7ffffffe), NUMBER(1)}, RECORD_VALID, 0, 1},
};

static const struct slots_row ledger_rows[] = {
    {"later mark", {NUMBER(10), MARK(11 + MARK_AHEAD)}, RECORD_VALID, 1, 0},
    {"refused after a mark", {MARK(10 + MARK_AHEAD), NUMBER(11)}, RECORD_VALID, 1, 0},
    {"refused long after a mark", {MARK(10 + MARK_AHEAD), NUMBER(90)}, RECORD_VALID, 1, 0},
    {"refused at number 1 after a mark", {MARK(MARK_AHEAD), NUMBER(1)}, RECORD_VALID, 1, 0},
    {"went on from a mark", {MARK(10 + MARK_AHEAD), NUMBER(11 + MARK_AHEAD)}, RECORD_VALID, 1, 0},
    {"mark of the same boot", {MARK(10 + MARK_AHEAD), NUMBER(10)}, RECORD_VALID, 1, 0},
    {"and the other way round", {NUMBER(10), MARK(10 + MARK_AHEAD)}, RECORD_VALID, 0, 1},
    {"mark after an old refusal", {NUMBER(9), MARK(10 + MARK_AHEAD)}, RECORD_VALID, 1, 0},
    {"two marks", {MARK(80), MARK(90)}, RECORD_VALID, 1, 0},
};

static const struct slots_row receipt_rows[] = {
    {"outcome wins", {{GIVEN, 5, 0, 0, 3}, {GIVEN, 5, 0, OUTCOME_GOOD, 0}}, RECORD_VALID, 1, 0},
    {"outcome wins first", {{GIVEN, 5, 0, 2, 0}, {GIVEN, 5, 0, 0, 3}}, RECORD_VALID, 0, 1},
    {"number before outcome", {{GIVEN, 5, 0, 1, 3}, {GIVEN, 6, 0, 0, 0}}, RECORD_VALID, 1, 0},
    {"further phase wins", {{GIVEN, 5, 0, 0, 1}, {GIVEN, 5, 0, 0, 2}}, RECORD_VALID, 1, 0},
    {"further phase wins first", {{GIVEN, 5, 0, 1, 3}, {GIVEN, 5, 0, 2, 2}}, RECORD_VALID, 0, 1},
    {"alike", {{GIVEN, 5, 0, 1, 3}, {GIVEN, 5, 0, 1, 3}}, RECORD_VALID, 0, 1},
};

static void check_ledger(const struct slots_row *row)
{
    struct ledger newest = {.number = 0xdddddddd};
    unsigned slot = 77;

    put_slot(0, &row->slots[0], 1);
    put_slot(1, &row->slots[1], 1);
    if (slots_newest_ledger(&newest, file, sizeof file, &slot) != row->state)
        fail_msg("ledger: %s: state", row->name);
    if (slot != row->slot_to_write)
        fail_msg("ledger: %s: writes slot %u", row->name, slot);
    if (newest.number != (row->newest < 0 ? 0xdddddddd : row->slots[row->newest].number))
        fail_msg("ledger: %s: number %u", row->name, newest.number);
    if (row->newest >= 0 && newest.mark != row->slots[row->newest].mark)
        fail_msg("ledger: %s: mark %u", row->name, newest.mark);
}

static void check_receipt(const struct slots_row *row)
{
    struct receipt newest = {.number = 0xdddddddd};
    unsigned slot = 77;

    put_slot(0, &row->slots[0], 0);
    put_slot(1, &row->slots[1], 0);
    if (slots_newest_receipt(&newest, file, sizeof file, &slot) != row->state)
        fail_msg("receipt: %s: state", row->name);
    if (slot != row->slot_to_write)
        fail_msg("receipt: %s: writes slot %u", row->name, slot);
    if (newest.number != (row->newest < 0 ? 0xdddddddd : row->slots[row->newest].number))
        fail_msg("receipt: %s: number %u", row->name, newest.number);
    if (row->newest >= 0 && newest.phase != row->slots[row->newest].phase)
        fail_msg("receipt: %s: phase %u", row->name, newest.phase);
}

static void newest_ledger(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(both_rows); i++)
        check_ledger(&both_rows[i]);
    for (size_t i = 0; i < ROWS(ledger_rows); i++)
        check_ledger(&ledger_rows[i]);
}

static void newest_receipt(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(both_rows); i++)
        check_receipt(&both_rows[i]);
    for (size_t i = 0; i < ROWS(receipt_rows); i++)
        check_receipt(&receipt_rows[i]);
}

static void size_of_the_file(void **state)
{
    static const struct {
        size_t size;
        enum record_state state;
    } rows[] = {
        {0, RECORD_ABSENT},
        {1, RECORD_DAMAGED},
        {SLOT_STRIDE, RECORD_DAMAGED},
        {SLOTS_SIZE - 1, RECORD_DAMAGED},
        {SLOTS_SIZE, RECORD_VALID},
    };
    static uint8_t longer[SLOTS_SIZE + 1];
    struct ledger ledger = {.number = 4};
    struct receipt receipt;
    unsigned slot;

    (void)state;
    memset(file, 0, sizeof file);
    ledger_encode(&ledger, file);
    for (size_t i = 0; i < ROWS(rows); i++) {
        slot = 77;
        assert_int_equal(slots_newest_ledger(&ledger, file, rows[i].size, &slot), rows[i].state);
        assert_in_range(slot, 0, 1);
    }
    assert_int_equal(slots_newest_ledger(&ledger, longer, sizeof longer, &slot), RECORD_DAMAGED);
    assert_int_equal(slots_newest_ledger(&ledger, NULL, 0, &slot), RECORD_ABSENT);
    assert_int_equal(slots_newest_receipt(&receipt, NULL, 0, &slot), RECORD_ABSENT);
    assert_int_equal(slots_newest_receipt(&receipt, file, 100, &slot), RECORD_DAMAGED);
}

/* A write is cut after each byte: what counted before still does, or the new one does. */
static void cut_write_leaves_old_or_new(void **state)
{
    uint8_t bytes[LEDGER_SIZE];

    (void)state;
    memset(file, 0, sizeof file);
    for (uint32_t number = 1; number <= 6; number++) {
        struct ledger ledger = {.number = number, .failures = (uint8_t)(number * 3)};
        struct ledger newest;
        unsigned slot;

        slots_newest_ledger(&newest, file, sizeof file, &slot);
        ledger_encode(&ledger, bytes);
        for (size_t cut = 0; cut <= LEDGER_SIZE; cut++) {
            unsigned next;
            enum record_state found;

            memcpy(file + slot * SLOT_STRIDE, bytes, cut);
            newest.number = 0;
            found = slots_newest_ledger(&newest, file, sizeof file, &next);
            if (number > 1)
                assert_int_equal(found, RECORD_VALID);
            assert_true(newest.number == number - 1 || newest.number == number);
            if (number > 1 && newest.number == number - 1)
                assert_int_equal(next, slot);
        }
        assert_int_equal(slots_newest_ledger(&newest, file, sizeof file, &slot), RECORD_VALID);
        assert_int_equal(newest.number, number);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(newest_ledger),
        cmocka_unit_test(newest_receipt),
        cmocka_unit_test(size_of_the_file),
        cmocka_unit_test(cut_write_leaves_old_or_new),
    };
    return cmocka_run_group_tests_name("slots", tests, NULL, NULL);
}
