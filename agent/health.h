/*
 * health.h - checks of administrators and vendors that a boot must pass before it is good.
 *
 * Executables in the directories below, in the order of their names across all of them; required.d
 * must exit 0, wanted.d are told of and no more. A name in /etc/backstop/check hides the same name
 * in /usr/lib/backstop/check. greenboot's directories are read as they are.
 *
 *   /etc/backstop/check/{required.d,wanted.d}   /usr/lib/backstop/check/{required.d,wanted.d}
 *   /etc/greenboot/check/...                    /usr/lib/greenboot/check/...
 */
#ifndef BACKSTOP_AGENT_HEALTH_H
#define BACKSTOP_AGENT_HEALTH_H

#include "diag.h"
#include "place.h"

#define HEALTH_TIME_LIMIT 60 /* s for one check; then its whole process group is killed */

enum health_outcome { HEALTH_PASSED = 0, HEALTH_FAILED, HEALTH_TIMED_OUT, HEALTH_NOT_RUN };

struct health_check {
    char *path;
    bool required;
    enum health_outcome outcome;
    int status; /* exit status, or 128 + signal */
};

struct health {
    struct health_check *checks; /* in the order in which they ran */
    size_t count;
    size_t failed_required, failed_wanted;
};

/* Lists and runs them beneath place's root; results are reported. Output of the checks goes where
 * ours goes. 0, or -errno where they could not be listed. */
int health_run(const struct place *place, unsigned time_limit, struct health *health,
               struct diag *diag);
void health_free(struct health *health);
const char *health_outcome_string(enum health_outcome outcome);

#endif
