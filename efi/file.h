/*
 * file.h - files on the ESP that the stage came from (UEFI 2.10, 13.4 and 13.5).
 *
 * Files are read whole and bounded; the only writing is in place, over a slot of a file that was
 * laid out at installation. Nothing is created, renamed or grown, since FAT has no journal.
 */
#ifndef BACKSTOP_EFI_FILE_H
#define BACKSTOP_EFI_FILE_H

#include "stage.h"

/* Root directory of the volume on `device`, or NULL. The caller closes it. */
EFI_FILE_HANDLE volume_open(EFI_BOOT_SERVICES *bs, EFI_HANDLE device);
void volume_close(EFI_FILE_HANDLE root);

/*
 * Reads the whole of a file of at most `capacity` bytes; its size, or 0 where it is missing, longer
 * than that, a directory, or not readable to its end. root may be NULL.
 */
UINTN file_read(EFI_FILE_HANDLE root, CHAR16 *path, void *buffer, UINTN capacity);

/* Deletes a file or an empty directory. */
void file_delete(EFI_FILE_HANDLE root, CHAR16 *path);

/* All of a two-slot file; *slots tells whether it may be written. bytes[SLOTS_SIZE]; 0 or
 * SLOTS_SIZE. */
UINTN slots_read(EFI_FILE_HANDLE root, CHAR16 *path, uint8_t *bytes, struct slots *slots);

/*
 * Writes a record of at most RECORD_MAX_SIZE bytes to the next slot and reads it back from a newly
 * opened file. Only then is the other slot the next one, so that a failed write is tried over
 * itself and never over the newest valid record.
 */
EFI_STATUS slots_write(EFI_FILE_HANDLE root, CHAR16 *path, struct slots *slots,
                       const uint8_t *record, UINTN size);

#endif
