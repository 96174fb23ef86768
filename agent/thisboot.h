/*
 * thisboot.h - what is known of the boot that is running: the ticket, what early userspace did with
 * it, and what has been receipted so far.
 */
#ifndef BACKSTOP_AGENT_THISBOOT_H
#define BACKSTOP_AGENT_THISBOOT_H

#include "runstate.h"

/* Names in the run directory. */
#define IDENTITIES_NAME "identities" /* manifest.h */
#define STARTED_NAME "started"       /* identities were begun in this boot */
#define RECEIPTED_NAME "receipt"     /* bytes of the last receipt of this boot */
#define GOOD_NAME "good"             /* this boot has proved good: backstop-soak.service */
#define RETIRED_NAME "retired"       /* uninstalled in this boot */

struct this_boot {
    enum record_state ticket_state; /* RECORD_VALID: the stage started this boot */
    struct ticket ticket;
    int ticket_error; /* -errno where EFI variables cannot be read at all; else 0 */
    struct early_report early;
    enum mode mode;
    bool has_receipt; /* one of this boot's number was written in this boot */
    struct receipt receipt;
    bool retired;
};

void this_boot_probe(const char *run_dir, struct this_boot *boot);
/* The rule alone: early userspace's word where it is about this boot, else the ticket's. Pure. */
enum mode this_boot_mode(enum record_state ticket_state, const struct ticket *ticket,
                         const struct early_report *early);
/* The number that journal and quarantine have for this boot's case (intents.h). */
uint32_t this_boot_case(const struct this_boot *boot);
/* Notes in the run directory what was receipted. 0 or -errno. */
int this_boot_note_receipt(const char *run_dir, const struct receipt *receipt);

#endif
