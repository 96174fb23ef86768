/*
 * vars.h - our EFI variables as Linux shows them (libefivar), and the slots on the ESP behind them.
 */
#ifndef BACKSTOP_AGENT_VARS_H
#define BACKSTOP_AGENT_VARS_H

#include "receipt.h"
#include "ticket.h"

/* 0 and a state; -errno only where variables cannot be read at all (-ENOTSUP: no EFI). */
int vars_read_ticket(struct ticket *ticket, enum record_state *state);
int vars_read_receipt(struct receipt *receipt, enum record_state *state);
/*
 * Writes the receipt unless the variable already holds the same bytes. NVRAM that refuses is
 * answered with receipt.esp on the ESP; *where (may be NULL) tells. 0 or -errno if neither took it.
 */
int vars_write_receipt(const struct receipt *receipt, enum stored *where);
int vars_delete_all(void); /* uninstall: every variable of ours */

#endif
