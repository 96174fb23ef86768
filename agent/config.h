/*
 * config.h - /etc/backstop/backstop.conf (inih; section [policy], keys of core/policy.h).
 *
 * Drop-ins /usr/lib/backstop/backstop.conf.d and /etc/backstop/backstop.conf.d (*.conf, dropins.h)
 * are read after it, by name. A line that cannot be used is reported and passed over: defaults
 * stand.
 */
#ifndef BACKSTOP_AGENT_CONFIG_H
#define BACKSTOP_AGENT_CONFIG_H

#include "diag.h"
#include "place.h"
#include "policy.h"

#define CONF_DIR_VENDOR "/usr/lib/backstop/backstop.conf.d"
#define CONF_DIR_LOCAL "/etc/backstop/backstop.conf.d"

/* Always leaves a usable, clamped policy. 0, or -EINVAL if any line was passed over. */
int config_load(const struct place *place, struct policy *policy, struct diag *diag);

#endif
