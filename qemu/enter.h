/*
 * enter.h - how the rig's agent gets into a machine that does not know of it, without a network.
 *
 * Where the root is ext4 the agent and its units are laid into the (copied) disk from outside.
 * Where it is not, cloud-init is asked to start it, by a NoCloud seed: a small FAT disk labelled
 * CIDATA. Source: cloud-init's documentation, "NoCloud".
 */
#ifndef BACKSTOP_RIG_ENTER_H
#define BACKSTOP_RIG_ENTER_H

#include "image.h"

/* Lays `agent` (a directory: what `make try-ready` made) into the root. 0, or -EIO with a reason.
 */
int enter_root(const struct image *image, const char *agent, char **reason);
/* Makes the seed. 0, or -EIO with a reason. */
int enter_seed(const char *path, char **reason);

#endif
