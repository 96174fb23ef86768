/*
 * reason.h - why the stage and the agent did what they did.
 *
 * Codes are stored in NVRAM and in journals: append only, never renumber.
 * The first reason of a case is kept and never overwritten.
 */
#ifndef BACKSTOP_CORE_REASON_H
#define BACKSTOP_CORE_REASON_H

enum reason {
    REASON_NONE = 0,
    REASON_FIRST_BOOT = 1,      /* no ledger, and no sign that there ever was one */
    REASON_LEDGER_LOST = 2,     /* no ledger, though the ESP says that there was one */
    REASON_LEDGER_DAMAGED = 3,  /* the ledger is not a record: one failure short of the threshold */
    REASON_LEDGER_NEWER = 4,    /* the ledger was written by a newer Backstop: left alone */
    REASON_FAILED_UNKNOWN = 5,  /* no receipt and no trace: power cut, hang, reset */
    REASON_FAILED_CRASH = 6,    /* no receipt, and a kernel panic is on record */
    REASON_FAILED_HANG = 7,     /* a watchdog ended the boot */
    REASON_FAILED_DEADLINE = 8, /* the agent ended a boot that was not good by its deadline */
    REASON_THRESHOLD = 9,       /* failures reached the threshold */
    REASON_RUNG_FAILED = 10,    /* failures at a rung reached the step */
    REASON_PROBATION_FAILED = 11, /* the first normal boot after a recovery failed */
    REASON_NO_INITRAMFS = 12,     /* the failed boots never reached the initramfs */
    REASON_RECOVERED = 13,        /* a boot in safe mode was good */
    REASON_RETURNED = 14,         /* the normal boot after a recovery was good */
    REASON_NOTHING_CHANGED = 15,  /* recovery found nothing to put back */
    REASON_CLEAN_END = 16,        /* the boot was ended in order before it could prove good */
    REASON_QUIET = 17,            /* a quiet time took the rung down by one */
    REASON_HELD = 18,             /* the ladder is at its end */
};
#define REASON_COUNT 19

/* One English sentence fragment, without a full stop; never NULL. */
const char *reason_string(enum reason reason);

#endif
