/* unmounted.c - see unmounted.h */
#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "unmounted.h"

#define FSTAB "/etc/fstab"

static bool is_mounted(const struct place *place, const char *point)
{
    struct statx stx;
    int fd = place_openat(place, point, O_PATH | O_DIRECTORY, 0, true);
    if (fd < 0)
        return false;
    int err = statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &stx);
    close(fd);
    /* a kernel that cannot tell: taken as mounted, as on a machine with one file system */
    return err < 0 || !(stx.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) ||
           (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

static int points_add(struct strings *points, const char *point)
{
    int err = strings_add(points, point);
    if (err < 0)
        return err;
    char *added = points->items[points->count - 1], *end = added + strlen(added);
    while (end > added + 1 && end[-1] == '/')
        *--end = '\0';
    return 0;
}

int unmounted_list(const struct place *place, struct strings *points)
{
    struct strings found = {0};
    int fd = place_openat(place, FSTAB, O_RDONLY | O_NONBLOCK, 0, true), err = 0;
    FILE *fstab = fd < 0 ? NULL : fdopen(fd, "re");
    struct mntent line;
    char buffer[4096];
    if (fd >= 0 && !fstab) {
        close(fd);
        return -ENOMEM;
    }
    while (err == 0 && fstab && getmntent_r(fstab, &line, buffer, sizeof buffer))
        if (line.mnt_dir[0] == '/' && strcmp(line.mnt_dir, "/") != 0 &&
            !is_mounted(place, line.mnt_dir))
            err = points_add(&found, line.mnt_dir);
    if (fstab)
        endmntent(fstab);
    if (err < 0)
        unmounted_free(&found);
    else
        *points = found;
    return err;
}

bool unmounted_holds(const struct strings *points, const char *path)
{
    for (size_t i = 0; i < points->count; i++) {
        size_t length = strlen(points->items[i]);
        if (strncmp(path, points->items[i], length) == 0 &&
            (path[length] == '/' || path[length] == '\0'))
            return true;
    }
    return false;
}

void unmounted_free(struct strings *points)
{
    strings_free(points);
}
