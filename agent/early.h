/*
 * early.h - what backstop-early does in the initramfs. Only early_main.c prints and exits.
 *
 * A healthy boot costs one variable read, and nothing is written. Nothing here keeps a machine
 * from booting: whatever fails is reported and the boot goes on.
 */
#ifndef BACKSTOP_AGENT_EARLY_H
#define BACKSTOP_AGENT_EARLY_H

#include "needs.h"
#include "runstate.h"
#include "ticket.h"

#define HOLD_PANIC_SECONDS                                                                         \
    "300" /* between restarts of a machine that is held and panics all the same */

struct early {
    const char *run;    /* "/run" */
    const char *image;  /* where the initramfs keeps etc/backstop: "" */
    const char *sysctl; /* "/proc/sys" */
    struct needs_source kernel;
    struct diag *diag;
};

/*
 * Before udev. In a recovery boot the drivers of etc/backstop/drivers are masked, and from the rung
 * on that masks drivers those of etc/backstop/modules as well, but for those of
 * etc/backstop/never-mask; in hold a panic restarts the machine only after HOLD_PANIC_SECONDS.
 * After a failed boot the receipt says that this one reached the initramfs.
 */
void early_top(const struct early *early);

/*
 * `root` is mounted and not in use. Not a recovery boot: nothing. Else recover(), early.json, and
 * the masks are taken back but where the rung masks drivers, or the recovery failed: then the
 * drivers of the root's sets are masked as well. What the root stands on, by
 * etc/backstop/never-mask and as the kernel shows it, is neither masked nor taken out without a
 * replacement.
 */
void early_bottom(const struct early *early, const char *root);

/* The two with a ticket given. */
void early_top_with(const struct early *early, const struct ticket *ticket);
void early_bottom_with(const struct early *early, const char *root, const struct ticket *ticket);

/* Mode of a boot whose recovery ended so. */
enum mode early_mode(const struct ticket *ticket, enum applied applied);

#endif
