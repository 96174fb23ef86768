/*
 * runstate.h - what the early parts of a boot leave in RUN_DIR for the later ones.
 *
 *   early.json    written by backstop-early: recovery's result, mode of this boot
 *   identities    manifest of all sets, taken at boot start, before any vendor service runs
 *   rebuild       images that are to be made anew, as they were before (rebuild.h)
 *   masked        names of masked drivers, one a line (also /run/modprobe.d/backstop.conf)
 */
#ifndef BACKSTOP_AGENT_RUNSTATE_H
#define BACKSTOP_AGENT_RUNSTATE_H

#include "recover.h"

#define EARLY_REPORT_NAME "early.json"
#define MASKED_NAME "masked"

struct early_report {
    bool present;   /* early.json was there and whole */
    enum mode mode; /* of this boot: the ticket's, but normal where there was nothing to put back */
    uint32_t number; /* ticket's boot */
    uint32_t case_number;
    enum applied applied;
    struct plan_summary summary;
    bool rebuild_initramfs;
    int error; /* -errno of the recovery; 0: none */
};

/* Makes run_dir if missing. 0 or -errno. */
int early_report_write(const char *run_dir, const struct early_report *report);
/* Absent: 0, with present false. -EBADMSG: not a report of ours; *report is unchanged. */
int early_report_read(const char *run_dir, struct early_report *report);
/* The report as a parser sees it, for tests. 0 or -EBADMSG. */
int early_report_parse(const char *text, struct early_report *report);

#endif
