/*
 * dumps.h - the kernel's records of its panics in NVRAM: variables dump-type* of efi-pstore.
 *
 * Counted as evidence of a crash, and cleared only where they stand in the ledger's way.
 */
#ifndef BACKSTOP_EFI_DUMPS_H
#define BACKSTOP_EFI_DUMPS_H

#include "stage.h"

#define VARIABLES_MAX 4096u /* names asked for, whatever the firmware goes on to say */
#define DUMPS_CLEAR_MAX 32u /* dumps cleared in one boot: more than two panics leave */

/*
 * Counts them (at most UINT16_MAX) and gathers their seen_bit(). EFI_SUCCESS: *count and *seen are
 * of what is there, or, past a name longer than any in use, of what comes before it. Else (names in
 * a circle, an error) both are as before.
 */
EFI_STATUS dumps_probe(EFI_RUNTIME_SERVICES *rt, uint16_t *count, uint32_t *seen);

/*
 * Deletes the oldest: of the earliest panic (by the time that Linux put into the name, then its
 * count of panics) the part with the highest number, which is the earliest text. A name that is not
 * of Linux's making is left alone. EFI_NOT_FOUND: there is none.
 */
EFI_STATUS dumps_clear_oldest(EFI_RUNTIME_SERVICES *rt);

#endif
