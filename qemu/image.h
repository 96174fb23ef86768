/*
 * image.h - a disk image that somebody brings: looked at from outside, before it is booted.
 */
#ifndef BACKSTOP_RIG_IMAGE_H
#define BACKSTOP_RIG_IMAGE_H

#include "disk.h"

struct image {
    struct disk disk; /* ESP and root; root_offset 0 where no root was found */
    bool readable;    /* the root is ext4: what is below is known, and files can be laid in it */
    char *root_type;  /* "ext4", "xfs", ... of the root, or of the largest partition */
    char *system;     /* "Debian GNU/Linux 12 (bookworm)", or NULL */
    char *kernels;    /* releases that have modules, each followed by a blank */
    char *foreign;    /* architectures that dpkg takes beside the native one, likewise */
    bool dpkg, systemd, cloud_init;
};

/* The image itself is opened for reading alone. For what is wrong with it the answer is -EINVAL,
 * for what is wrong here (a tool is not installed, the disk is full) another -errno, with a reason
 * that the caller frees. */

/* Looks at what can be seen before it is copied: all of a raw one. */
int image_look(const char *path, char **reason);
/* Copies one of any format that qemu-img knows to a raw file. */
int image_copy(const char *path, const char *raw, char **reason);
/* Looks into the raw copy; `name` is what the reason calls it. image_free() in either case. */
int image_inspect(struct image *image, const char *raw, const char *name, char **reason);
void image_free(struct image *image);
/* `word` is one of the words, each followed by a blank. */
bool words_have(const char *words, const char *word);

#endif
