/*
 * needs.h - the kernel modules that the root stands on. Probe only.
 */
#ifndef BACKSTOP_AGENT_NEEDS_H
#define BACKSTOP_AGENT_NEEDS_H

#include "sets.h"

/* Where the kernel tells of itself. */
struct needs_source {
    const char *sys;    /* "/sys" */
    const char *mounts; /* "/proc/self/mountinfo" */
};

/*
 * Adds the modules that the file system mounted on `root` stands on: its own, the drivers of its
 * disks and of all that these hang on, and what those modules use. Where its disks cannot be told
 * (a pool, a disk of several paths) those of every disk are meant; where it comes over the network,
 * or may, those of every network device too. What is no mount point adds nothing. 0 or -ENOMEM.
 */
int needs_probe(const struct needs_source *source, const char *root, struct strings *modules);
/* The same of `root` and of its /usr, which the initramfs mounts for it. */
int needs_of_root(const struct needs_source *source, const char *root, struct strings *modules);
/*
 * Adds modules from outside the kernel's tree that a root is often on, and that needs_probe() does
 * not see beneath every root: those that the running kernel has; source NULL, where no root is
 * known yet: all. 0 or -ENOMEM.
 */
int needs_usual(const struct needs_source *source, struct strings *modules);

/* `path` is a file of a module of these (NULL: none), whichever kernel it is for, and that kernel
 * has none of its own by this name to load instead. */
bool needs_file(const struct place *place, const struct strings *needed, const char *path);
/* The release in a path "/lib/modules/RELEASE" and beneath, also beneath /usr, with its length;
 * NULL in every other. */
const char *needs_release_of(const char *path, size_t *length);

#endif
