/*
 * masks.h - drivers that are kept from loading in this boot: RUN/modprobe.d/backstop.conf, for
 * modprobe and udev, and RUN/backstop/masked, one name a line, for people and the later agent.
 */
#ifndef BACKSTOP_AGENT_MASKS_H
#define BACKSTOP_AGENT_MASKS_H

#include "sets.h"

/* Names of a file, one a line, as the kernel spells them ('_' for '-'); '#' comments and what is no
 * module's name are passed over. Absent: none. 0 or -errno. */
int masks_read(const char *path, struct strings *names);
/* Adds a name as the kernel spells it, once. 0, -EINVAL (no module's name) or -ENOMEM. */
int masks_add(struct strings *names, const char *name);
/* Adds the module that a file holds, by its name: DIR/NAME.ko, also compressed. As masks_add(). */
int masks_add_file(struct strings *names, const char *path);
bool masks_hold(const struct strings *names, const char *name);
/* Masks `names` but for those of `except`. run is "/run". 0 or -errno. */
int masks_write(const char *run, const struct strings *names, const struct strings *except);
/* Takes all masks back. */
void masks_remove(const char *run);
void masks_free(struct strings *names);

#endif
