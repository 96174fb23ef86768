/*
 * vars.h - EFI variables as Linux shows them (libefivar), and the slots on the ESP behind ours.
 *
 * Absent, empty (a cut between creating and writing one) and damaged are told apart: the first two
 * are RECORD_ABSENT, the last is RECORD_DAMAGED. Nothing is written that is already so.
 */
#ifndef BACKSTOP_AGENT_VARS_H
#define BACKSTOP_AGENT_VARS_H

#include <stdbool.h>
#include "receipt.h"
#include "ticket.h"

/* UEFI 2.10, 3.3: BootOrder and its kin; systemd's Boot Loader Interface. */
#define GLOBAL_GUID_TEXT "8be4df61-93ca-11d2-aa0d-00e098032b8c"
#define LOADER_GUID_TEXT "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"

#define VAR_NV 1u
#define VAR_BS 2u
#define VAR_RT 4u
#define VAR_NV_BS_RT (VAR_NV | VAR_BS | VAR_RT)

struct variable {
    uint8_t *bytes; /* caller frees by variable_free */
    size_t size;
    uint32_t attributes;
};

/* 0, or -ENOTSUP: no EFI, no run-time services (efi=noruntime), or efivarfs is not mounted. */
int vars_available(void);

/* Any variable. 0; -ENOENT where it is absent or has no bytes; -ENOTSUP; -errno. */
int vars_get(const char *guid, const char *name, struct variable *variable);
void variable_free(struct variable *variable);
/*
 * Writes unless the same bytes are there, and reads back. An existing variable keeps the attributes
 * that it has, a new one gets `attributes`. 0, -ENOSPC, -EROFS, -EINVAL ... as the firmware
 * refuses; -EIO where it said yes and did not keep it.
 */
int vars_set(const char *guid, const char *name, const void *bytes, size_t size,
             uint32_t attributes);
/* 0 also where it was absent. */
int vars_delete(const char *guid, const char *name);

/* UEFI 2.10, 3.3: firmware starts nothing that is not signed. False also where it cannot be read.
 */
bool vars_secure_boot(void);

/* 0 and a state; -errno only where variables cannot be read at all (-ENOTSUP: no EFI). */
int vars_read_ticket(struct ticket *ticket, enum record_state *state);
int vars_read_receipt(struct receipt *receipt, enum record_state *state);

/*
 * Writes the receipt unless the variable already holds the same bytes. NVRAM that refuses is
 * answered with receipt.esp on the ESP; *where (may be NULL) tells. 0 or -errno if neither took it.
 */
int vars_write_receipt(const struct receipt *receipt, enum stored *where);
/* The same with the second place given: `slot` is called where NVRAM refuses; 0 or -errno. */
int vars_write_receipt_or(const struct receipt *receipt,
                          int (*slot)(const struct receipt *receipt, void *user), void *user,
                          enum stored *where);

/*
 * Uninstall: every variable of ours that the running system can reach. The ledger (no run-time
 * access) and the volatile ticket are the stage's to delete. 0 or -errno.
 */
int vars_delete_all(void);

#endif
