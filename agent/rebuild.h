/*
 * rebuild.h - which initramfs images are to be made anew after a recovery, and which must not be.
 * Probe only. Uses image.h, and so libarchive: not for the initramfs.
 *
 * An image is due where modules of its kernel were put back or taken out since the last rebuild;
 * all are where firmware, or what decides on loading, was. An image stays as it is where it holds a
 * module that the root needs, or that is loaded now, and its kernel's tree has no such module any
 * more: a new image would not hold it either, and might not find the root again. But a suspect that
 * a recovery took out since the last rebuild, and that the root does not need, keeps no image.
 */
#ifndef BACKSTOP_AGENT_REBUILD_H
#define BACKSTOP_AGENT_REBUILD_H

#include "journal.h"
#include "needs.h"

#define REBUILD_IMAGE_PREFIX "initrd.img-" /* in /boot */

struct due_image {
    char *release;
    char *missing; /* the module for which the image stays; NULL: to be made anew */
};

struct due_images {
    struct due_image *items; /* by release */
    size_t count;
};

/* What needs_probe() tells of the running system goes by `kernel`. 0 or -errno. */
int rebuild_probe(const struct place *place, const struct needs_source *kernel,
                  struct due_images *due, struct diag *diag);
void due_images_free(struct due_images *due);
/* "kernels" and "left" of the record "rebuild" (JOURNAL.md). False: no memory. */
bool rebuild_describe(struct json_object *record, const struct due_images *due);
/* What the newest record "rebuild" says that it left and that is still so. 0 or -ENOMEM. */
int rebuild_left(const struct place *place, const struct journal *journal, struct due_images *left);

#endif
