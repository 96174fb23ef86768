/*
 * ticket.h - what the stage hands to this boot, as a volatile EFI variable (BS+RT).
 */
#ifndef BACKSTOP_CORE_TICKET_H
#define BACKSTOP_CORE_TICKET_H

#include "ledger.h"

#define TICKET_SIZE 48u

/* Where the attempt was written down. */
enum stored {
    STORED_NOWHERE = 0, /* this boot is uncounted */
    STORED_NVRAM,
    STORED_ESP,
};
#define STORED_COUNT 3

/* How the running system should come up; follows from rung and stance. */
enum mode { MODE_NORMAL = 0, MODE_SAFE, MODE_MINIMAL, MODE_HOLD };
#define MODE_COUNT 4

struct ticket {
    uint32_t number;
    uint32_t case_number;
    uint8_t failures;
    uint8_t rung;   /* enum rung */
    uint8_t stance; /* enum stance */
    uint8_t case_open;
    uint8_t first_reason;   /* enum reason of the case */
    uint8_t last_reason;    /* enum reason of this decision */
    uint8_t last_outcome;   /* enum outcome of the boot before */
    uint8_t last_phase;     /* enum phase of the boot before */
    uint8_t stored;         /* enum stored */
    uint8_t ledger_found;   /* enum record_state of the ledger variable */
    uint8_t conf_bad_lines; /* of stage.conf, stays at 255 */
    uint8_t conf_found;     /* 1: stage.conf was there and named a next loader */
    uint16_t dumps;         /* pstore dump variables seen */
    uint16_t dumps_cleared; /* of those, deleted to make room for the ledger */
    uint8_t unreached; /* failed boots in a row of which the initramfs would have reported and did
                          not */
    uint32_t store_error; /* low 32 bits of the EFI_STATUS that NVRAM refused with; 0: none */
};

void ticket_encode(const struct ticket *ticket, uint8_t out[TICKET_SIZE]);
enum record_state ticket_decode(struct ticket *ticket, const uint8_t *bytes, size_t size);

enum mode ticket_mode(const struct ticket *ticket);
int ticket_wants_recovery(const struct ticket *ticket); /* stance is recovery */
int ticket_masks_drivers(const struct ticket *ticket);  /* recovery at drivers-off or above */
/* The initramfs of this boot reports itself, so that its silence means that it was not reached. */
int ticket_asks_for_report(const struct ticket *ticket);
/* The rule alone, for who has but a ledger: from the second failed boot on, and out of the ordinary
 * stance. */
int boot_asks_for_report(unsigned failures, enum stance stance);
/*
 * Of the failed boots in a row, none that would have reported reached the initramfs, and none left
 * a trace: another system was chosen in the boot menu, the machine was switched off there, or the
 * boot files are broken. That it is reached now clears what the sets hold: a recovery here puts
 * nothing back and the boot is a normal one. If that boot fails, it has reported, and the next one
 * recovers.
 */
int ticket_clears_sets(const struct ticket *ticket);
const char *mode_string(enum mode mode);
const char *stored_string(enum stored stored);

#define SHORT_CODE_SIZE 20u /* "BS-4294967295-H-255" */
/* What a person reads out over the telephone, "BS-7-H-06": case, rung letter (N T A D B H),
 * first reason in two decimal digits. NUL-terminated. */
void ticket_short_code(const struct ticket *ticket, char out[SHORT_CODE_SIZE]);

#endif
