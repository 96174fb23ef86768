/*
 * store.h - write before risk: the attempt is stored, and what became of that is in the ticket.
 */
#ifndef BACKSTOP_EFI_STORE_H
#define BACKSTOP_EFI_STORE_H

#include "stage.h"

/*
 * Writes the decision's ledger where the decision wants it, and the mark where one is due. NVRAM
 * that is full is made room in by clearing the oldest dumps, one at a time. The ticket learns
 * where the ledger is (`stored`), what NVRAM refused with, and how many dumps were cleared.
 */
void store_attempt(struct stage *stage);

/* Publishes the ticket to this boot, as a volatile variable. */
void store_ticket(struct stage *stage);

#endif
