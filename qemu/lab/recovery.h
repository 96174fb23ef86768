/*
 * recovery.h - a boot's recovery, as the firmware's ticket asks for it, and what it leaves.
 */
#ifndef BACKSTOP_LAB_RECOVERY_H
#define BACKSTOP_LAB_RECOVERY_H

#include "text.h"

#define STATE "/var/lib/backstop"
#define VARIABLES "/run/vars" /* a directory in the place of efivarfs */

/* The ticket of a boot of that number, after so many failures; from three on it asks for recovery.
 * NULL or a complaint, as below. */
char *recovery_ticket(unsigned boot, unsigned failures);
/* Runs `backstop-early bottom root` for a boot of that number. */
char *recovery_run(const char *root, unsigned boot);
/* early.json's "applied". */
char *recovery_applied(char **applied);
/* What `backstop quarantine list --json` says. */
char *recovery_quarantine(const char *root, char **list);
/* Each record of the journal names the one before, as agent/JOURNAL.md says, and every intent is
 * named by a "done". */
char *recovery_journal(const char *root);

#endif
