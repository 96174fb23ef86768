/* reserve.c - see reserve.h */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "reserve.h"

#define RESERVE_NEW ".reserve.new"

static bool reserve_stands(const struct place *place)
{
    struct stat st;
    return fstatat(place->state_fd, RESERVE_NAME, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           st.st_blocks * 512 >= (off_t)RESERVE_SIZE;
}

static bool room_is_plenty(const struct place *place)
{
    struct statvfs fs;
    return fstatvfs(place->state_fd, &fs) == 0 &&
           (unsigned long long)fs.f_bavail * fs.f_frsize >= 4ull * RESERVE_SIZE;
}

int reserve_keep(const struct place *place)
{
    if (place->state_fd < 0)
        return -ENOENT;
    if (reserve_stands(place))
        return 0;
    if (!room_is_plenty(place))
        return -ENOSPC;
    int fd = openat(place->state_fd, RESERVE_NEW,
                    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int err = fallocate(fd, 0, 0, RESERVE_SIZE) < 0 ? -errno : 0;
    close(fd);
    if (err == 0 && renameat(place->state_fd, RESERVE_NEW, place->state_fd, RESERVE_NAME) < 0)
        err = -errno;
    if (err < 0)
        unlinkat(place->state_fd, RESERVE_NEW, 0);
    return err;
}

/* Blocks just freed are for use again once the file system has written its own journal. */
bool reserve_give_up(const struct place *place)
{
    if (place->state_fd < 0 || unlinkat(place->state_fd, RESERVE_NAME, 0) < 0)
        return false;
    return syncfs(place->state_fd) == 0;
}
