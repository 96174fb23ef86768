/*
 * leftout.h - what the kernel command line keeps from starting, and so this boot does not prove.
 */
#ifndef BACKSTOP_AGENT_LEFTOUT_H
#define BACKSTOP_AGENT_LEFTOUT_H

#include "diag.h"
#include "place.h"

/*
 * True if a word of /proc/cmdline keeps from starting what would otherwise have been proven: units,
 * drivers, initcalls, graphics drivers (nomodeset, NAME.modeset=0), microcode, firmware, policies
 * of a security module, what another target or init would start. keepers[] in leftout.c has them.
 *
 * A word does not count that stands, the same, in the boot loader's configuration, and so is there
 * at every start; unless it keeps units away, or by name a driver that a set names or holds, or an
 * initcall called like one. The configuration is every line of /boot/grub/grub.cfg that starts this
 * kernel, those for repair aside, where the command line says that GRUB did (BOOT_IMAGE=); else all
 * entries of loader/entries on the ESP or /boot; without any, /etc/kernel/cmdline, or else
 * /usr/lib/kernel/cmdline. What cannot be read has no word. What was typed for this start alone
 * counts whatever it is: it may be the driver that a faulty file crashes. What a person has made
 * the machine's own setting is how it is used from now on; so nomodeset there is no question of
 * what graphics drivers a set holds.
 *
 * True as well where memory runs out, the command line has more than 64 KiB, or the sets' drivers
 * cannot be listed. False where the command line cannot be read.
 */
bool cmdline_leaves_out(const struct place *place, struct diag *diag);

#endif
