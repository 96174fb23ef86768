/* Two-slot files. The first half of the input is slot 0, the second slot 1, zeros behind each. */
#include "fuzz.h"

#include "slots.h"

static void fuzz_file(const uint8_t *file, size_t size)
{
    struct ledger ledger;
    struct receipt receipt;
    unsigned slot = 99;

    slots_newest_ledger(&ledger, file, size, &slot);
    MUST(slot < SLOT_COUNT);
    slot = 99;
    slots_newest_receipt(&receipt, file, size, &slot);
    MUST(slot < SLOT_COUNT);
}

/* After a write to the slot that was named, what was newest is still there. */
static void fuzz_write(uint8_t *file)
{
    struct ledger before;
    struct ledger after;
    struct ledger next;
    unsigned slot;

    if (slots_newest_ledger(&before, file, SLOTS_SIZE, &slot) != RECORD_VALID)
        return;
    next = before;
    next.number = before.mark ? before.number + 1 : before.number + 2;
    next.mark = 0;
    memset(file + slot * SLOT_STRIDE, 0x77, LEDGER_SIZE);
    MUST(slots_newest_ledger(&after, file, SLOTS_SIZE, &slot) == RECORD_VALID);
    MUST(after.number == before.number);
    ledger_encode(&next, file + slot * SLOT_STRIDE);
    MUST(slots_newest_ledger(&after, file, SLOTS_SIZE, &slot) == RECORD_VALID);
    MUST(after.number == next.number);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t file[SLOTS_SIZE];
    size_t half = size / 2 < SLOT_STRIDE ? size / 2 : SLOT_STRIDE;

    fuzz_file(data, size);
    memset(file, 0, sizeof file);
    if (half > 0) {
        memcpy(file, data, half);
        memcpy(file + SLOT_STRIDE, data + half, half);
    }
    fuzz_file(file, sizeof file);
    fuzz_write(file);
    return 0;
}
