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
#define REBUILD_NOTE_NAME "rebuild"        /* in the run directory */

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
/*
 * update-initramfs may do nothing and call it a success. So before it, the images that are due are
 * noted as they are: a line "RELEASE INODE MTIME CTIME" each (the release as text.h escapes it,
 * times in ns), in the run directory. 0 or -errno.
 */
int rebuild_note(const struct place *place, int run_fd, const struct due_images *due);
/*
 * After it: every image that is due is another file than was noted, else -ESTALE; -ENOENT where one
 * was not noted, -EBADMSG where the note is not ours; each reported.
 */
int rebuild_check(const struct place *place, int run_fd, const struct due_images *due,
                  struct diag *diag);
/* "kernels" and "left" of the record "rebuild" (JOURNAL.md). False: no memory. */
bool rebuild_describe(struct json_object *record, const struct due_images *due);
/* What the newest record "rebuild" says that it left and that is still so. 0 or -ENOMEM. */
int rebuild_left(const struct place *place, const struct journal *journal, struct due_images *left);

#endif
