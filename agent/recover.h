/*
 * recover.h - a recovery: probe, plan, journal intent, apply, journal done.
 *
 * Runs in the initramfs on the mounted root before anything on it is used, and
 * may be cut anywhere: run again it finishes the job, with the case and ids of
 * the intent that was cut.
 *
 * Without a good generation nothing is touched: what was added since is not
 * known either. What lies on a file system of fstab that is not mounted now is
 * left alone. A suspect whose good version cannot be made is taken out, unless it is a module that
 * the root stands on.
 */
#ifndef BACKSTOP_AGENT_RECOVER_H
#define BACKSTOP_AGENT_RECOVER_H

#include "good.h"
#include "needs.h"
#include "ticket.h"
#include "receipt.h"

struct recover_result {
    uint32_t case_number; /* incident_of() the ticket; 0: not known */
    enum applied
        applied; /* PUT_BACK also where an earlier boot of this case put back and that stands */
    struct plan_summary summary; /* of this run, in files */
    size_t suspects;             /* files put back or taken out in this run */
    bool rebuild_initramfs;      /* a driver or loading change was put back: the image may hold the
                                    suspect */
};

/* `needed` NULL: no module is known to be needed. 0 or -errno; on failure as much as
 * could be done was done, and result says APPLIED_FAILED or what stands. */
int recover(const struct place *place, const struct ticket *ticket, const struct strings *needed,
            struct recover_result *result, struct diag *diag);

#endif
