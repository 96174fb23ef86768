/* resolve.c - see resolve.h */
#include "resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LINKS_MAX 40 /* as the kernel has it, path_resolution(7) */

struct way {
    int root_fd;
    const struct open_how *how;
    dev_t device;        /* of root_fd */
    char done[PATH_MAX]; /* from the root, free of links and dots; "" is the root itself */
    char left[PATH_MAX]; /* still to walk, from `at` on */
    size_t at;
    int links;
};

/* Takes the next part off way->left; 0: none is left. */
static size_t next_part(struct way *way, char part[NAME_MAX + 1], int *error)
{
    const char *from = way->left + way->at + strspn(way->left + way->at, "/");
    size_t length = strcspn(from, "/");

    if (length > NAME_MAX) {
        *error = -ENAMETOOLONG;
        return 0;
    }
    memcpy(part, from, length);
    part[length] = '\0';
    way->at = (size_t)(from - way->left) + length;
    return length;
}

static bool is_last(const struct way *way)
{
    const char *left = way->left + way->at;

    return left[strspn(left, "/")] == '\0';
}

static int step_into(const struct way *way, int fd, const char *part)
{
    struct stat st;
    int next = openat(fd, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int error = next < 0 ? -errno : 0;

    close(fd);
    if (next >= 0 && (way->how->resolve & RESOLVE_NO_XDEV) &&
        (fstat(next, &st) < 0 || st.st_dev != way->device)) {
        close(next);
        return -EXDEV;
    }
    return next < 0 ? error : next;
}

/* Directory way->done, part by part. */
static int open_done(const struct way *way)
{
    char parts[PATH_MAX], *rest = NULL;
    int fd = fcntl(way->root_fd, F_DUPFD_CLOEXEC, 0);

    memcpy(parts, way->done, strlen(way->done) + 1);
    for (char *part = strtok_r(parts, "/", &rest); part && fd >= 0;
         part = strtok_r(NULL, "/", &rest))
        fd = step_into(way, fd, part);
    return fd;
}

static int go_down(struct way *way, const char *part)
{
    size_t length = strlen(way->done), more = strlen(part);

    if (length + more + 2 > sizeof way->done)
        return -ENAMETOOLONG;
    way->done[length] = '/';
    memcpy(way->done + length + 1, part, more + 1);
    return 0;
}

static int go_up(struct way *way)
{
    char *slash = strrchr(way->done, '/');

    if (!slash && (way->how->resolve & RESOLVE_BENEATH))
        return -EXDEV;
    if (slash)
        *slash = '\0';
    return 0;
}

/* What the link says comes before what is left to walk. */
static int follow(struct way *way, int fd, const char *part)
{
    char all[2 * PATH_MAX + 1];
    ssize_t length = readlinkat(fd, part, all, PATH_MAX);
    size_t left = strlen(way->left + way->at);

    if (length < 0)
        return -errno;
    if (++way->links > LINKS_MAX)
        return -ELOOP;
    if ((size_t)length + left + 1 > sizeof way->left)
        return -ENAMETOOLONG;
    if (all[0] == '/')
        way->done[0] = '\0';
    memcpy(all + length, way->left + way->at, left + 1);
    memcpy(way->left, all, (size_t)length + left + 1);
    way->at = 0;
    return 0;
}

static bool is_link(int fd, const char *part)
{
    struct stat st;

    return fstatat(fd, part, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
}

/* Whether a link as last part is what the caller wants to open, or be refused, itself. */
static bool keeps_last_link(const struct way *way)
{
    return (way->how->flags & O_NOFOLLOW) != 0;
}

static int open_last(const struct way *way, int fd, const char *part)
{
    struct stat st;
    int opened =
        openat(fd, part, (int)way->how->flags | O_NOFOLLOW | O_CLOEXEC, (mode_t)way->how->mode);

    if (opened < 0)
        return -errno;
    if ((way->how->resolve & RESOLVE_NO_XDEV) &&
        (fstat(opened, &st) < 0 || st.st_dev != way->device)) {
        close(opened);
        return -EXDEV;
    }
    return opened;
}

/* 1: go on with the next part; else an fd or -errno in *opened. */
static int walk_part(struct way *way, const char *part, int *opened)
{
    bool last = is_last(way);
    int fd = open_done(way);

    *opened = fd;
    if (fd < 0)
        return 0;
    if (is_link(fd, part) && !(last && keeps_last_link(way)))
        *opened = way->how->resolve & RESOLVE_NO_SYMLINKS ? -ELOOP : follow(way, fd, part);
    else if (last)
        *opened = open_last(way, fd, part);
    else
        *opened = go_down(way, part);
    close(fd);
    return *opened == 0;
}

/* The root, or where ".." led to. */
static int open_directory_done(const struct way *way)
{
    int fd = open_done(way), opened;

    if (fd < 0)
        return fd;
    opened = openat(fd, ".", (int)way->how->flags | O_CLOEXEC, (mode_t)way->how->mode);
    opened = opened < 0 ? -errno : opened;
    close(fd);
    return opened;
}

int resolve_by_hand(int root_fd, const char *path, const struct open_how *how)
{
    struct way way = {.root_fd = root_fd, .how = how};
    char part[NAME_MAX + 1];
    struct stat st;
    int result = 0;

    if (*path == '\0')
        return -ENOENT;
    if (strlen(path) >= sizeof way.left)
        return -ENAMETOOLONG;
    if (*path == '/' && (how->resolve & RESOLVE_BENEATH))
        return -EXDEV;
    if (fstat(root_fd, &st) < 0)
        return -errno;
    way.device = st.st_dev;
    memcpy(way.left, path, strlen(path) + 1);
    while (next_part(&way, part, &result) > 0) {
        if (strcmp(part, ".") == 0)
            continue;
        if (strcmp(part, "..") == 0)
            result = go_up(&way);
        else if (!walk_part(&way, part, &result))
            return result;
        if (result < 0)
            return result;
    }
    return result < 0 ? result : open_directory_done(&way);
}

int resolve_open(int root_fd, const char *path, const struct open_how *how)
{
    long fd = -1;

    /* EAGAIN: a rename elsewhere made ".." unsafe to resolve just then; openat2(2) says to retry.
     */
    for (int tries = 0; tries < 64; tries++) {
        fd = syscall(SYS_openat2, root_fd, path, how, sizeof *how);
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
            break;
    }
    if (fd < 0 && errno == ENOSYS)
        return resolve_by_hand(root_fd, path, how);
    return fd < 0 ? -errno : (int)fd;
}
