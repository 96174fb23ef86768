/*
 * receipt.h - what the system hands back: how far boot `number` got.
 *
 * Written by the agent alone: to an EFI variable (NV+BS+RT), or, where NVRAM
 * refuses, to a slot of \EFI\backstop\receipt.esp. The stage honours the one
 * with the number of the boot that its ledger names, and no other.
 */
#ifndef BACKSTOP_CORE_RECEIPT_H
#define BACKSTOP_CORE_RECEIPT_H

#include "ledger.h"

#define RECEIPT_SIZE 32u

/* What recovery did in that boot. */
enum applied {
    APPLIED_NONE = 0, /* not a recovery boot */
    APPLIED_NOTHING,  /* recovery ran and found nothing to do: the boot was a normal one */
    APPLIED_PUT_BACK, /* at least one change was put back or taken out */
    APPLIED_MASKED,   /* no change, but drivers were masked */
    APPLIED_FAILED,   /* recovery was due and could not run */
};
#define APPLIED_COUNT 5

struct receipt {
    uint32_t number;     /* boot that this is about */
    uint32_t generation; /* good generation that this boot made or confirmed; 0: none */
    uint8_t outcome;     /* OUTCOME_NONE (phase report only), _GOOD, _CLEAN, _HANG or _FAILED */
    uint8_t phase;       /* enum phase, the furthest */
    uint8_t applied;     /* enum applied */
    uint8_t named;       /* 1: evidence names a driver or its content */
    uint8_t go_normal;   /* 1: leave safe mode: a person asked, or the agent's policy */
};

void receipt_encode(const struct receipt *receipt, uint8_t out[RECEIPT_SIZE]);
enum record_state receipt_decode(struct receipt *receipt, const uint8_t *bytes, size_t size,
                                 int padded);
const char *applied_string(enum applied applied);

#endif
