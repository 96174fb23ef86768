/*
 * leftout.h - what the kernel command line keeps from starting, and so this boot does not prove.
 */
#ifndef BACKSTOP_AGENT_LEFTOUT_H
#define BACKSTOP_AGENT_LEFTOUT_H

#include "diag.h"
#include "place.h"

/*
 * True if a word of the command line keeps units from starting, or drivers that a set names or
 * holds; drivers that are nothing to the sets (nouveau, beside another driver of the card) do not
 * count. True as well where the sets' drivers cannot be listed. cmdline: of /proc/cmdline.
 */
bool cmdline_leaves_out(const struct place *place, const char *cmdline, struct diag *diag);

#endif
