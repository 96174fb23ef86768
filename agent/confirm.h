/*
 * confirm.h - the running system's side of a boot: identities at its start, the receipt at its end.
 *
 * Order: the good generation is durable first, then the receipt says good. But a generation that
 * cannot be taken (disk full) never keeps a good boot from being receipted.
 */
#ifndef BACKSTOP_AGENT_CONFIRM_H
#define BACKSTOP_AGENT_CONFIRM_H

#include "good.h"
#include "policy.h"
#include "rebuild.h"
#include "thisboot.h"

struct confirm {
    const struct place *place;
    const char *run_dir;
    struct policy policy;
    struct this_boot boot;
    struct diag *diag;
    struct good_result taken; /* by confirm_good(); generation 0: none */
    bool case_ended;          /* by confirm_good() */
    /* vars_write_receipt, or another in tests */
    int (*write_receipt)(const struct receipt *receipt, enum stored *where);
};

/* Reads policy and this boot. */
void confirm_open(struct confirm *confirm, const struct place *place, const char *run_dir,
                  struct diag *diag);

/* All: 0 or -errno, reported. */

/* Identities of all sets, once a boot; after failures also a receipt that early userspace was
 * reached. */
int confirm_start(struct confirm *confirm);
/* This boot is good. Once a boot: a good generation of what it proved, and in a normal boot the end
 * of the case that was open ("case-end" in our journal). */
int confirm_good(struct confirm *confirm);
/* An orderly end: receipt clean, unless the boot was good or failed by then. */
int confirm_end(struct confirm *confirm);
/* True if this boot was receipted as good, in the run directory or in firmware. */
bool confirm_is_good(const struct confirm *confirm);
/* True if the deadline may end this boot: it is not good, not held, and counted. */
bool confirm_may_end(const struct confirm *confirm);
/* The deadline. *restart: this boot is to be ended. False where it is good, held, or not counted.
 */
int confirm_deadline(struct confirm *confirm, bool *restart);
/* A person asks to leave safe mode. -EINVAL where this boot is not in safe mode. */
int confirm_return(struct confirm *confirm);
/* The images that are due after a recovery are about to be made anew: noted in the run directory.
 */
int confirm_to_rebuild(struct confirm *confirm, const struct due_images *due);
/* They were, or were left, as rebuild.h has them: noted in our journal. Where one is the same as
 * before, nothing is: it is due at the next recovery. */
int confirm_rebuilt(struct confirm *confirm, const struct due_images *due);

/* True if a required health check that fails keeps this boot from being good. In safe mode what it
 * asks for is off; the normal boot after it has to pass. */
bool confirm_needs_checks(const struct this_boot *boot);
/* True if a good boot goes back to normal mode by itself now: never one that is not counted. */
bool confirm_returns(const struct confirm *confirm);
/*
 * True if this boot may make a good generation; why not is reported. Safe mode proves less, and so
 * does a kernel command line that keeps something from starting (leftout.h). Whoever takes a
 * generation asks it, at whatever time in the boot: only a person who vouches for all that stands
 * need not.
 */
bool confirm_boot_proves(const struct place *place, const char *run_dir, struct diag *diag);

#endif
