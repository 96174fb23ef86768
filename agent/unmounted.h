/*
 * unmounted.h - file systems of the machine's fstab that are not mounted now.
 *
 * In the initramfs a separate /opt is not there yet. What lies on it looks gone and is not.
 */
#ifndef BACKSTOP_AGENT_UNMOUNTED_H
#define BACKSTOP_AGENT_UNMOUNTED_H

#include "sets.h"

/* Mount points, each without a trailing slash. No fstab: none. 0 or -errno. */
int unmounted_list(const struct place *place, struct strings *points);
/* True if path lies at or beneath one of them. */
bool unmounted_holds(const struct strings *points, const char *path);
void unmounted_free(struct strings *points);

#endif
