#include "slots.h"

#include "decide.h"

_Static_assert(RECORD_MAX_SIZE <= SLOT_STRIDE, "a record fits its slot");

/* A slot that may be overwritten sooner ranks lower. */
static int rank(enum record_state state)
{
    switch (state) {
    case RECORD_ABSENT:
        return 0;
    case RECORD_DAMAGED:
        return 1;
    case RECORD_NEWER:
        return 2;
    case RECORD_VALID:
        return 3;
    }
    return 1;
}

/* The slot to keep; of two of no use the second, so that writing begins with the first. */
static unsigned slot_to_keep(const enum record_state states[SLOT_COUNT], int second_is_newer)
{
    if (rank(states[0]) != rank(states[1]))
        return rank(states[0]) > rank(states[1]) ? 0 : 1;
    if (states[0] == RECORD_VALID)
        return second_is_newer ? 1 : 0;
    return 1;
}

/* RECORD_VALID where the slots may be looked at. */
static enum record_state file_state(const uint8_t *file, size_t size)
{
    if (file == NULL || size == 0)
        return RECORD_ABSENT;
    return size == SLOTS_SIZE ? RECORD_VALID : RECORD_DAMAGED;
}

/* Serial number arithmetic: numbers wrap after four billion boots. */
static int number_is_after(uint32_t a, uint32_t b)
{
    return a != b && a - b < 0x80000000u;
}

/* A mark's own number lies ahead: what is written when NVRAM refuses after it is the newer. */
static uint32_t ledger_written_at(const struct ledger *ledger)
{
    return ledger->mark ? ledger->number - MARK_AHEAD : ledger->number;
}

static int ledger_is_newer(const struct ledger *a, const struct ledger *b)
{
    uint32_t a_at = ledger_written_at(a);
    uint32_t b_at = ledger_written_at(b);

    return a_at == b_at ? !a->mark && b->mark : number_is_after(a_at, b_at);
}

enum record_state slots_newest_ledger(struct ledger *ledger, const uint8_t *file, size_t size,
                                      unsigned *slot_to_write)
{
    struct ledger found[SLOT_COUNT];
    enum record_state states[SLOT_COUNT];
    unsigned keep;

    *slot_to_write = 0;
    if (file_state(file, size) != RECORD_VALID)
        return file_state(file, size);
    for (unsigned i = 0; i < SLOT_COUNT; i++)
        states[i] = ledger_decode(&found[i], file + i * SLOT_STRIDE, SLOT_STRIDE, 1);
    keep = slot_to_keep(states, states[0] == RECORD_VALID && states[1] == RECORD_VALID &&
                                    ledger_is_newer(&found[1], &found[0]));
    *slot_to_write = 1 - keep;
    if (states[keep] == RECORD_VALID)
        *ledger = found[keep];
    return states[keep];
}

static int receipt_is_newer(const struct receipt *a, const struct receipt *b)
{
    int a_ended = a->outcome != OUTCOME_NONE;
    int b_ended = b->outcome != OUTCOME_NONE;

    if (a->number != b->number)
        return number_is_after(a->number, b->number);
    if (a_ended != b_ended)
        return a_ended;
    return a->phase > b->phase;
}

enum record_state slots_newest_receipt(struct receipt *receipt, const uint8_t *file, size_t size,
                                       unsigned *slot_to_write)
{
    struct receipt found[SLOT_COUNT];
    enum record_state states[SLOT_COUNT];
    unsigned keep;

    *slot_to_write = 0;
    if (file_state(file, size) != RECORD_VALID)
        return file_state(file, size);
    for (unsigned i = 0; i < SLOT_COUNT; i++)
        states[i] = receipt_decode(&found[i], file + i * SLOT_STRIDE, SLOT_STRIDE, 1);
    keep = slot_to_keep(states, states[0] == RECORD_VALID && states[1] == RECORD_VALID &&
                                    receipt_is_newer(&found[1], &found[0]));
    *slot_to_write = 1 - keep;
    if (states[keep] == RECORD_VALID)
        *receipt = found[keep];
    return states[keep];
}
