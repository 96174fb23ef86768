/*
 * slots.h - the two-slot files on the ESP: ledger.esp (written by the stage)
 * and receipt.esp (written by the agent).
 *
 * For what NVRAM will not take. Laid out once at installation and then only
 * written in place, since FAT has no journal: SLOT_COUNT slots of SLOT_STRIDE
 * bytes, each holding one record at its start and zeros after it. Writing goes
 * to the slot that does not hold the newest valid record, so that a cut leaves
 * the older one. The stride is a sector of every disk in use (512 and 4096).
 */
#ifndef BACKSTOP_CORE_SLOTS_H
#define BACKSTOP_CORE_SLOTS_H

#include "receipt.h"

#define SLOT_COUNT 2u
#define SLOT_STRIDE 4096u
#define SLOTS_SIZE (SLOT_COUNT * SLOT_STRIDE)
#define LEDGER_SLOTS_NAME "ledger.esp"   /* in \EFI\backstop */
#define RECEIPT_SLOTS_NAME "receipt.esp" /* in \EFI\backstop */

/*
 * Newest valid record among the slots of a file of `size` bytes (SLOTS_SIZE,
 * else RECORD_DAMAGED). *slot_to_write gets the slot for the next write (0 or
 * 1) whatever the answer. All slots zero or empty: RECORD_ABSENT; no slot
 * valid and one not zero: RECORD_DAMAGED (or RECORD_NEWER where one is newer).
 * Of two valid ledgers the one written in the later boot is newest (a mark's
 * number is MARK_AHEAD of that boot's); in the same boot the one that is not a
 * mark, then slot 0. Numbers are compared as decide() does, across their wrap.
 */
enum record_state slots_newest_ledger(struct ledger *ledger, const uint8_t *file, size_t size,
                                      unsigned *slot_to_write);
/* Equal numbers: the one with an outcome, then the further phase, then slot 0. */
enum record_state slots_newest_receipt(struct receipt *receipt, const uint8_t *file, size_t size,
                                       unsigned *slot_to_write);

#endif
