/*
 * variable.h - our EFI variables, read and written whole (UEFI 2.10, 8.2).
 *
 * All under BACKSTOP_GUID. Written means: read back, with the same attributes and the same bytes.
 */
#ifndef BACKSTOP_EFI_VARIABLE_H
#define BACKSTOP_EFI_VARIABLE_H

#include "stage.h"

#define LEDGER_ATTRIBUTES (EFI_VARIABLE_NON_VOLATILE | EFI_VARIABLE_BOOTSERVICE_ACCESS)
#define TICKET_ATTRIBUTES (EFI_VARIABLE_BOOTSERVICE_ACCESS | EFI_VARIABLE_RUNTIME_ACCESS)

struct variable {
    UINT32 attributes;
    UINTN size;
    uint8_t bytes[RECORD_MAX_SIZE];
};

/*
 * EFI_SUCCESS: *variable holds it. EFI_BUFFER_TOO_SMALL: it is there and longer than any record of
 * ours; of *variable only the attributes count. EFI_NOT_FOUND and all else as firmware says.
 */
EFI_STATUS variable_read(EFI_RUNTIME_SERVICES *rt, CHAR16 *name, struct variable *variable);

/*
 * Stores and verifies. The same bytes under the same attributes are not written again. A variable
 * of that name with other attributes was not made by us and is deleted first, since firmware
 * refuses to change them. Errors: what firmware says; EFI_COMPROMISED_DATA where it said yes and
 * what it gives back is something else.
 */
EFI_STATUS variable_write(EFI_RUNTIME_SERVICES *rt, CHAR16 *name, UINT32 attributes, uint8_t *bytes,
                          UINTN size);

/* Absent already is EFI_SUCCESS. */
EFI_STATUS variable_delete(EFI_RUNTIME_SERVICES *rt, CHAR16 *name);

#endif
