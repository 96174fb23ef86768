/*
 * ending.h - how one boot of a trial ended, from what was seen of it.
 */
#ifndef BACKSTOP_RIG_ENDING_H
#define BACKSTOP_RIG_ENDING_H

#include "session.h"
#include "verdict.h"

/* Of a boot that is over and was not ended by the rig in order; was_good: it had been good. */
enum ending boot_ending(const struct boot *boot, bool was_good);
/* It rebooted, or switched itself off, in order. A crash resets as well: where the kernel has a
 * console, it must have said so. */
bool boot_in_order(const struct boot *boot);
/* Its receipt says that Backstop put something back, or kept drivers from loading. A decision to
 * recover alone changes nothing. */
bool boot_recovers(const struct boot *boot);

#endif
