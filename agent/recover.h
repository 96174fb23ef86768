/*
 * recover.h - a recovery: probe, plan, journal intent, apply, journal done.
 *
 * Runs in the initramfs on the mounted root before anything on it is used, and
 * may be cut anywhere: run again it finishes the job.
 */
#ifndef BACKSTOP_AGENT_RECOVER_H
#define BACKSTOP_AGENT_RECOVER_H

#include "good.h"
#include "ticket.h"
#include "receipt.h"

struct recover_result {
    enum applied applied;
    struct plan_summary summary;
    size_t suspects;
    bool rebuild_initramfs; /* a driver or loading change was put back: the image may hold the suspect */
};

/* 0 or -errno; on failure as much as could be done was done, and result says APPLIED_FAILED or what stands. */
int recover(const struct place *place, const struct ticket *ticket, struct recover_result *result,
            struct diag *diag);

#endif
