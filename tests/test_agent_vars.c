/* vars.c against a fake firmware: absent, empty and damaged; writing only what is new; the slot. */
#include "check.h"
#include "fake_vars.h"

#include "vars.h"

static efi_guid_t ours;

static const struct receipt good_7 = {
    .number = 7, .generation = 3, .outcome = OUTCOME_GOOD, .phase = PHASE_BOOTED};
static const struct receipt early_7 = {.number = 7, .phase = PHASE_EARLY};

static struct {
    unsigned calls;
    int answer;
    struct receipt receipt;
} slot;

static int take_slot(const struct receipt *receipt, void *user)
{
    (void)user;
    slot.calls++;
    slot.receipt = *receipt;
    return slot.answer;
}

static int begin(void **state)
{
    (void)state;
    memset(&fake_vars, 0, sizeof fake_vars);
    memset(&slot, 0, sizeof slot);
    return efi_str_to_guid(BACKSTOP_GUID_TEXT, &ours);
}

static void put_receipt(const struct receipt *receipt, uint32_t attributes)
{
    uint8_t bytes[RECEIPT_SIZE];

    receipt_encode(receipt, bytes);
    fake_put(ours, RECEIPT_VARIABLE, bytes, sizeof bytes, attributes);
}

static void put_nothing(void) {}

static void put_empty(void)
{
    fake_put(ours, RECEIPT_VARIABLE, "", 0, VAR_NV_BS_RT);
}

static void put_good(void)
{
    put_receipt(&good_7, VAR_NV_BS_RT);
}

static void put_early(void)
{
    put_receipt(&early_7, VAR_NV_BS_RT);
}

static void put_other_attributes(void)
{
    put_receipt(&good_7, VAR_BS | VAR_RT);
}

static void put_damaged(void)
{
    put_receipt(&good_7, VAR_NV_BS_RT);
    fake_find(ours, RECEIPT_VARIABLE)->bytes[20] ^= 1;
}

static void put_torn(void)
{
    put_receipt(&good_7, VAR_NV_BS_RT);
    fake_find(ours, RECEIPT_VARIABLE)->size = RECEIPT_SIZE - 1;
}

static void reading_tells_states_apart(void **state)
{
    static const struct {
        const char *name;
        void (*before)(void);
        enum fake_vars_lie lie;
        int result;
        enum record_state found;
    } rows[] = {
        {"no variable", put_nothing, HONEST, 0, RECORD_ABSENT},
        {"created and not written", put_empty, HONEST, 0, RECORD_ABSENT},
        {"whole", put_good, HONEST, 0, RECORD_VALID},
        {"a bit flipped", put_damaged, HONEST, 0, RECORD_DAMAGED},
        {"a byte short", put_torn, HONEST, 0, RECORD_DAMAGED},
        {"no run-time services", put_good, NO_RUNTIME_SERVICES, -ENOTSUP, RECORD_NEWER},
        {"read error", put_good, READ_ERROR, -EIO, RECORD_NEWER},
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        enum record_state found = RECORD_NEWER; /* stands where nothing was read */
        struct receipt receipt = {0};

        begin(state);
        rows[i].before();
        fake_vars.lie = rows[i].lie;
        print_message("  %s\n", rows[i].name);
        assert_int_equal(vars_read_receipt(&receipt, &found), rows[i].result);
        assert_int_equal(found, rows[i].found);
        assert_int_equal(receipt.number, rows[i].found == RECORD_VALID ? 7 : 0);
    }
}

static void a_receipt_goes_where_it_can(void **state)
{
    static const struct {
        const char *name;
        void (*before)(void);
        enum fake_vars_lie lie;
        int slot_answer;
        int result;
        enum stored where;
        unsigned writes, slot_calls;
    } rows[] = {
        {"first one", put_nothing, HONEST, 0, 0, STORED_NVRAM, 1, 0},
        {"over an empty one", put_empty, HONEST, 0, 0, STORED_NVRAM, 1, 0},
        {"over an older one", put_early, HONEST, 0, 0, STORED_NVRAM, 1, 0},
        {"over a damaged one", put_damaged, HONEST, 0, 0, STORED_NVRAM, 1, 0},
        {"the same bytes", put_good, HONEST, 0, 0, STORED_NVRAM, 0, 0},
        {"the same bytes, NVRAM full", put_good, NVRAM_FULL, 0, 0, STORED_NVRAM, 0, 0},
        {"NVRAM full", put_early, NVRAM_FULL, 0, 0, STORED_ESP, 0, 1},
        {"NVRAM read-only", put_early, NVRAM_READ_ONLY, 0, 0, STORED_ESP, 0, 1},
        {"NVRAM lies", put_early, SAYS_YES_KEEPS_NOTHING, 0, 0, STORED_ESP, 0, 1},
        {"no run-time services", put_nothing, NO_RUNTIME_SERVICES, 0, 0, STORED_ESP, 0, 1},
        {"foreign attributes", put_other_attributes, HONEST, 0, 0, STORED_ESP, 0, 1},
        {"neither", put_early, NVRAM_FULL, -EIO, -EIO, STORED_NOWHERE, 0, 1},
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        enum stored where = STORED_NOWHERE;

        begin(state);
        rows[i].before();
        fake_vars.lie = rows[i].lie;
        slot.answer = rows[i].slot_answer;
        print_message("  %s\n", rows[i].name);
        assert_int_equal(vars_write_receipt_or(&good_7, take_slot, NULL, &where), rows[i].result);
        assert_int_equal(where, rows[i].where);
        assert_int_equal(fake_vars.writes, rows[i].writes);
        assert_int_equal(slot.calls, rows[i].slot_calls);
        if (rows[i].slot_calls)
            assert_memory_equal(&slot.receipt, &good_7, sizeof good_7);
        if (rows[i].where == STORED_NVRAM) {
            uint8_t bytes[RECEIPT_SIZE];

            receipt_encode(&good_7, bytes);
            assert_int_equal(fake_find(ours, RECEIPT_VARIABLE)->attributes, VAR_NV_BS_RT);
            assert_memory_equal(fake_find(ours, RECEIPT_VARIABLE)->bytes, bytes, RECEIPT_SIZE);
        }
    }
}

static void a_variable_keeps_its_attributes(void **state)
{
    efi_guid_t global = EFI_GLOBAL_GUID;

    (void)state;
    fake_put(global, "BootOrder", "\1\0", 2, VAR_NV_BS_RT | 8);
    assert_int_equal(vars_set(GLOBAL_GUID_TEXT, "BootOrder", "\2\0\1\0", 4, VAR_NV_BS_RT), 0);
    assert_int_equal(fake_find(global, "BootOrder")->attributes, VAR_NV_BS_RT | 8);
    assert_int_equal(fake_find(global, "BootOrder")->size, 4);
    assert_int_equal(fake_vars.writes, 1);
    assert_int_equal(vars_set(GLOBAL_GUID_TEXT, "BootOrder", "\2\0\1\0", 4, VAR_NV_BS_RT), 0);
    assert_int_equal(fake_vars.writes, 1);
}

static void deleting_twice_is_deleting(void **state)
{
    (void)state;
    put_good();
    assert_int_equal(vars_delete_all(), 0);
    assert_null(fake_find(ours, RECEIPT_VARIABLE));
    assert_int_equal(vars_delete_all(), 0);
    put_empty();
    assert_int_equal(vars_delete_all(), 0);
    assert_null(fake_find(ours, RECEIPT_VARIABLE));
    put_good();
    fake_vars.lie = NVRAM_READ_ONLY;
    assert_int_equal(vars_delete_all(), -EROFS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(reading_tells_states_apart, begin),
        cmocka_unit_test_setup(a_receipt_goes_where_it_can, begin),
        cmocka_unit_test_setup(a_variable_keeps_its_attributes, begin),
        cmocka_unit_test_setup(deleting_twice_is_deleting, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
