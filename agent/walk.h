/*
 * walk.h - the walk over all globs of all sets, for inventory.c. Probe only.
 *
 * Directories wait on one stack that all processors take from. A directory is opened beneath its
 * glob's literal prefix by openat2(2) without following a link or crossing a mount; its names are
 * stat'ed relative to it.
 */
#ifndef BACKSTOP_AGENT_WALK_H
#define BACKSTOP_AGENT_WALK_H

#include "arena.h"
#include "inventory.h"

/* Fills entries, count, unread of *inventory, whose arena and set names are there. 0 or -errno. */
int walk_sets(const struct place *place, const struct sets *sets, struct inventory *inventory,
              struct diag *diag);

#endif
