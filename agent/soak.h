/*
 * soak.h - since when files that arrived within this boot have been in use: RUN_DIR/soak, so of
 * this boot alone. Counted by time awake (awake.h).
 *
 * One line a file: seconds of that, type, size, inode, mtime, ctime (ns), path escaped as in
 * MANIFEST.md; separated by TAB, sorted by path. A file that is not exactly so is passed over:
 * what it held begins to soak anew.
 */
#ifndef BACKSTOP_AGENT_SOAK_H
#define BACKSTOP_AGENT_SOAK_H

#include "inventory.h"

#define SOAK_NAME "soak"

/*
 * For each entry i of `now` whose wanted[i] (s) is not 0: proven[i] is set if it has had the same
 * identity for that long, as seen by calls up to this one at `seconds` of time awake. What is
 * not wanted any more is forgotten. 0 or -errno.
 */
int soak_update(int run_fd, const struct inventory *now, const uint64_t *wanted, uint64_t seconds,
                bool *proven);

#endif
