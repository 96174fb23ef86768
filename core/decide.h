/*
 * decide.h - the boot decision: from what is known of the boots before to what
 * this boot does. Pure; called by the EFI stage and the tests.
 *
 *   ledger + receipt -> history -> outcome -> account -> climb -> ledger' and ticket
 */
#ifndef BACKSTOP_CORE_DECIDE_H
#define BACKSTOP_CORE_DECIDE_H

#include "policy.h"
#include "receipt.h"
#include "ticket.h"

/* Means at hand; a rung whose means are absent is passed over. */
#define MEANS_BOOT_FILES 1u /* a kernel and initramfs kept from the last good boot */

/* ESP slots carry a mark this far ahead, so that a healthy boot seldom writes there. */
#define MARK_AHEAD 64u

struct known {
    enum record_state nv_state; /* the ledger variable */
    struct ledger nv;
    enum record_state
        esp_state; /* newest slot of ledger.esp; absent also where the file is missing */
    struct ledger esp;
    enum record_state receipt_state; /* newest of variable and slot, see receipt_newest() */
    struct receipt receipt;
    uint32_t means;      /* MEANS_* */
    uint16_t dumps;      /* pstore dump variables there now */
    uint32_t dumps_seen; /* the seen_bit() of each */
    uint8_t hang;        /* 1: a watchdog is known to have reset the last boot */
};

/* Where to write the ledger, in the order to try. */
enum store {
    STORE_NVRAM = 0,      /* variable; slot if it refuses */
    STORE_NVRAM_AND_ESP,  /* the variable was damaged: slot as well, since flash that lied may lie
                             again */
    STORE_ESP_THEN_NVRAM, /* the variable was lost and may come back: slot; variable if that refuses
                           */
    STORE_ESP_ONLY,       /* the variable is a newer Backstop's: slot, never the variable */
};

struct decision {
    struct ledger ledger;
    struct ticket ticket; /* stored, store_error, conf_*, dumps_cleared are the caller's to fill */
    enum store store;
    uint8_t mark_due; /* 1: after NVRAM took it, write ledger_mark() to the slot */
};

void decide(const struct known *known, const struct policy *policy, struct decision *decision);

/* The mark for the slot: a copy with number + MARK_AHEAD and mark set. */
void ledger_mark(const struct ledger *ledger, struct ledger *mark);

/*
 * Which of two receipts (variable, slot) to go by: the valid one; of two valid
 * ones that with the higher number, then with an outcome, then the variable's.
 * With none valid: damaged before newer before absent.
 */
enum record_state receipt_newest(enum record_state a_state, const struct receipt *a,
                                 enum record_state b_state, const struct receipt *b,
                                 struct receipt *newest);

#endif
