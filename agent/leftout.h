/*
 * leftout.h - what the kernel command line keeps from starting, and so this boot does not prove.
 */
#ifndef BACKSTOP_AGENT_LEFTOUT_H
#define BACKSTOP_AGENT_LEFTOUT_H

#include "diag.h"
#include "place.h"

/*
 * True if a word of the command line keeps units from starting, or a driver, or an initcall. A
 * driver does not count where it is nothing to the sets (none names or holds it) and is kept away
 * at every start, as nouveau is beside another driver of the card: /etc/default/grub,
 * /etc/default/grub.d/ *.cfg or /etc/kernel/cmdline have it, each assignment on a line of its own.
 * Likewise an initcall. What was typed for this start alone counts whatever it is: it may be the
 * driver that a faulty file crashes. What a person has made the machine's own setting is how it is
 * used from now on. True as well where the sets' drivers cannot be listed. cmdline: of
 * /proc/cmdline.
 */
bool cmdline_leaves_out(const struct place *place, const char *cmdline, struct diag *diag);

#endif
