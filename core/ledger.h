/*
 * ledger.h - the firmware's own record of boots.
 *
 * Written by the EFI stage alone: to an EFI variable (NV+BS), or, where NVRAM
 * refuses, to a slot of \EFI\backstop\ledger.esp. What it holds is the state
 * after the decision for boot `number`, stored before that boot is started.
 */
#ifndef BACKSTOP_CORE_LEDGER_H
#define BACKSTOP_CORE_LEDGER_H

#include "record.h"
#include "reason.h"

#define LEDGER_SIZE 48u

/* The ladder, the mildest first. Each includes what the ones before it do. */
enum rung {
    RUNG_NORMAL = 0,
    RUNG_TARGETED,    /* put back what the evidence names */
    RUNG_ALL,         /* put back every change since the good generation */
    RUNG_DRIVERS_OFF, /* and mask the drivers of every set */
    RUNG_BOOT_FILES,  /* and start the kept kernel and initramfs */
    RUNG_HOLD,        /* stay up on the safest thing that works */
};
#define RUNG_COUNT 6

/* How the machine stands on that rung. */
enum stance {
    STANCE_NORMAL = 0, /* boots normally; rung is what it remembers of its last case */
    STANCE_RECOVERY,   /* boots with the rung's measures */
    STANCE_PROBATION,  /* boots normally for the first time after a recovery */
};
#define STANCE_COUNT 3

enum outcome {
    OUTCOME_NONE = 0, /* there was no boot before, or nothing is known of it */
    OUTCOME_GOOD,
    OUTCOME_CLEAN,   /* ended in order before it could prove good: not a failure */
    OUTCOME_CRASH,   /* a panic is on record */
    OUTCOME_HANG,    /* a watchdog reset it */
    OUTCOME_UNKNOWN, /* no trace */
    OUTCOME_FAILED,  /* the agent ended it at its deadline */
};
#define OUTCOME_COUNT 7

enum phase { PHASE_FIRMWARE = 0, PHASE_INITRAMFS, PHASE_EARLY, PHASE_BOOTED };
#define PHASE_COUNT 4

struct ledger {
    uint32_t number;       /* boot last attempted; 0: none yet */
    uint32_t case_number;  /* the open case, or the last one; 0: never any */
    uint8_t failures;      /* failed boots in a row before boot `number`; stays at 255 */
    uint8_t rung;          /* enum rung */
    uint8_t rung_failures; /* failed boots since this rung and stance were entered */
    uint8_t stance;        /* enum stance */
    uint8_t quiet;         /* good boots in a row since the last return to normal */
    uint8_t
        unreached; /* failed boots in a row of which no initramfs reported, though it would have */
    uint8_t case_open;    /* 0 or 1 */
    uint8_t last_outcome; /* enum outcome of the boot before `number` */
    uint8_t last_phase;   /* enum phase that it reached, as far as reported */
    uint8_t first_reason; /* enum reason of the open or last case */
    uint8_t last_reason;  /* enum reason of this decision */
    uint8_t mark;   /* 1: only in a slot: `number` is an upper limit, the rest a copy of then */
    uint16_t dumps; /* pstore dump variables seen when this was decided */
    uint32_t dumps_seen; /* the seen_bit() of each; 0 with dumps: an older Backstop only counted */
};

/* out[LEDGER_SIZE]. */
void ledger_encode(const struct ledger *ledger, uint8_t out[LEDGER_SIZE]);

/* Ranges are checked; *ledger changes only with RECORD_VALID. `padded` as in record_check. */
enum record_state ledger_decode(struct ledger *ledger, const uint8_t *bytes, size_t size,
                                int padded);

const char *rung_string(enum rung rung);       /* "normal", "targeted", "all changes" ... */
const char *stance_string(enum stance stance); /* "normal", "recovery", "probation" */
const char *outcome_string(enum outcome outcome);
const char *phase_string(enum phase phase);

/* A boot that ended so counts. */
int outcome_is_failure(enum outcome outcome);

#endif
