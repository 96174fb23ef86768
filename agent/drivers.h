/*
 * drivers.h - the kernel modules of the sets, by name. Probe only.
 */
#ifndef BACKSTOP_AGENT_DRIVERS_H
#define BACKSTOP_AGENT_DRIVERS_H

#include "sets.h"

/* Adds the modules that the sets of class driver hold, whether a set names them or not. 0 or
 * -errno; what was found until then is added. */
int drivers_held(const struct place *place, const struct sets *sets, struct strings *names,
                 struct diag *diag);
/* Adds these, and those that any set names (driver=), also of sets whose files are not there. 0 or
 * -errno, likewise. */
int drivers_of(const struct place *place, const struct sets *sets, struct strings *names,
               struct diag *diag);
/* Adds all of these, and the modules that sets of any class hold. 0 or -errno, likewise. */
int drivers_of_all(const struct place *place, const struct sets *sets, struct strings *names,
                   struct diag *diag);

#endif
