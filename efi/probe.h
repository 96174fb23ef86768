/*
 * probe.h - what is known of the boots before. Reads, and changes nothing.
 */
#ifndef BACKSTOP_EFI_PROBE_H
#define BACKSTOP_EFI_PROBE_H

#include "stage.h"

/* stage.conf, or the defaults, into stage->conf. */
void probe_conf(struct stage *stage);

/*
 * The ledger's variable and slots, into stage->known and stage->slots. A variable that firmware
 * cannot give is absent; one that the running system could have made (other attributes than the
 * ledger's) is damaged, whatever it says.
 */
void probe_ledger(struct stage *stage);

/* The newest receipt. The slots are looked at only where the variable does not settle the matter.
 */
void probe_receipt(struct stage *stage);

/*
 * Dumps of the kernel. Where they cannot be counted, those that the ledger has, so that nothing is
 * made of it.
 */
void probe_dumps(struct stage *stage);

/* This boot was counted before, by a stage that has since returned to the firmware. */
int probe_is_counted(struct stage *stage);

#endif
