/* due.c - see due.h */
#include "due.h"

#define THRESHOLD 3u /* failures in a row, by default */
#define MARK_AHEAD 64u
#define OUTCOME_GOOD 1u
#define OUTCOME_CLEAN 2u

static bool is_after(uint32_t a, uint32_t b)
{
    return a != b && a - b < 0x80000000u;
}

static uint32_t later(uint32_t a, uint32_t b)
{
    return is_after(b, a) ? b : a;
}

/* The boot that `ledger` names has ended; its receipt says how, or nothing does: it failed. */
static void due_after(const struct record *ledger, const struct record *receipt, struct due *due)
{
    uint32_t number = record_number(ledger, "number"), failures = record_number(ledger, "failures"),
             outcome = record_number(receipt, "outcome");
    bool answers = receipt->whole && record_number(receipt, "number") == number;

    due->number = number + 1;
    due->failures = answers && outcome == OUTCOME_GOOD    ? 0
                    : answers && outcome == OUTCOME_CLEAN ? failures
                                                          : failures + 1;
}

/* No number that was used comes again. */
static uint32_t number_beyond(const struct due_facts *facts)
{
    uint32_t slot = facts->slot.whole ? record_number(&facts->slot, "number") : 0,
             receipt = facts->receipt.whole ? record_number(&facts->receipt, "number") : 0;

    return later(slot, receipt) + 1;
}

/* The variable is not there. The mark on the ESP says up to which number there were boots, and how
 * the count stood; with failures in it, it is exact, and the boot that wrote it has failed too. */
static void due_from_mark(const struct due_facts *facts, struct due *due)
{
    const struct record *slot = &facts->slot, *receipt = &facts->receipt;
    uint32_t failures = slot->whole ? record_number(slot, "failures") : 0,
             outcome = record_number(receipt, "outcome");
    bool answers =
        receipt->whole && slot->whole &&
        !is_after(record_number(slot, "number") - MARK_AHEAD, record_number(receipt, "number"));

    due->number = number_beyond(facts);
    if (answers && outcome == OUTCOME_GOOD)
        failures = 0;
    else if (failures > 0 && !(answers && outcome == OUTCOME_CLEAN))
        failures++;
    due->failures = failures;
}

/* Never fresh attempts: one short of the threshold, and no boot is made up. */
static void due_of_damaged(const struct due_facts *facts, struct due *due)
{
    due->number = number_beyond(facts);
    due->failures = THRESHOLD - 1;
}

/* The slot holds the last attempt itself, which NVRAM did not take. */
static bool slot_holds(const struct due_facts *facts)
{
    const struct record *slot = &facts->slot, *ledger = &facts->ledger;
    uint32_t number = record_number(slot, "number");

    if (!slot->whole || record_number(slot, "mark") != 0 ||
        (facts->receipt.whole && is_after(record_number(&facts->receipt, "number"), number)))
        return false;
    return !ledger->whole || is_after(number, record_number(ledger, "number"));
}

void due_find(const struct due_facts *facts, struct due *due)
{
    const struct record *ledger = &facts->ledger;

    due->found = ledger->whole ? DUE_VALID : ledger->there ? DUE_DAMAGED : DUE_ABSENT;
    if (slot_holds(facts))
        due_after(&facts->slot, &facts->receipt, due);
    else if (ledger->whole)
        due_after(ledger, &facts->receipt, due);
    else if (ledger->there)
        due_of_damaged(facts, due);
    else
        due_from_mark(facts, due);
}
