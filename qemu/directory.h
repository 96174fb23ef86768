/*
 * directory.h - directories that a run makes, fills and removes.
 */
#ifndef BACKSTOP_RIG_DIRECTORY_H
#define BACKSTOP_RIG_DIRECTORY_H

/* Removes dir and what is in it, if it is there. */
void directory_remove(const char *dir);
/* Makes dir and what is above it. 0 or -errno. */
int directory_make(const char *dir);
/*
 * Makes dir anew, and holds it until the descriptor is closed or the process ends: a second run
 * with the same directory would otherwise take away a machine's disk. The descriptor, or -errno
 * with a reason (caller frees); -EBUSY where another process holds dir, which is left as it is.
 */
int directory_claim(const char *dir, char **reason);

#endif
