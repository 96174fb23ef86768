/*
 * plant.h - trees of files for tests, made as an installer would make them: `root` is a directory,
 * `path` where it lies beneath that, with a slash before it. What cannot be made ends the program.
 */
#ifndef BACKSTOP_TESTS_PLANT_H
#define BACKSTOP_TESTS_PLANT_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define PLANT_TIME 1500000000 /* of every file and link that is made here */

/* Good until the fourth call after. */
static inline char *plant_path(const char *root, const char *path)
{
    static char full[4][1024];
    static unsigned turn;
    char *out = full[turn++ % 4];
    snprintf(out, sizeof full[0], "%s%s", root, path);
    return out;
}

_Noreturn static inline void plant_failed(const char *path)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, path, strerror(errno));
    exit(2);
}

static inline void plant_time(const char *root, const char *path, long second)
{
    struct timespec times[2] = {{.tv_sec = second}, {.tv_sec = second, .tv_nsec = 123456789}};
    if (utimensat(AT_FDCWD, plant_path(root, path), times, AT_SYMLINK_NOFOLLOW) < 0)
        plant_failed(path);
}

/* With those above it. */
static inline void plant_dirs(const char *root, const char *path)
{
    char *full = plant_path(root, path);
    for (char *p = full + strlen(root) + 1;; p++) {
        char was = *p;
        if (was && was != '/')
            continue;
        *p = '\0';
        if (mkdir(full, 0755) < 0 && errno != EEXIST)
            plant_failed(full);
        *p = was;
        if (!was)
            return;
    }
}

/* Replaced whole, as updaters do: a new inode. */
static inline void plant_file(const char *root, const char *path, const char *text, mode_t bits)
{
    char *full = plant_path(root, path);
    unlink(full);
    int fd = open(full, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, text, strlen(text)) < 0 || fchmod(fd, bits) < 0 || close(fd) < 0)
        plant_failed(full);
    plant_time(root, path, PLANT_TIME);
}

static inline void plant_link(const char *root, const char *path, const char *target)
{
    unlink(plant_path(root, path));
    if (symlink(target, plant_path(root, path)) < 0)
        plant_failed(path);
    plant_time(root, path, PLANT_TIME);
}

static inline void plant_hard_link(const char *root, const char *from, const char *to)
{
    if (link(plant_path(root, from), plant_path(root, to)) < 0)
        plant_failed(to);
}

static inline void plant_mode(const char *root, const char *path, mode_t bits)
{
    if (chmod(plant_path(root, path), bits) < 0)
        plant_failed(path);
}

/* Where it is root that asks. */
static inline void plant_owner(const char *root, const char *path, uid_t uid, gid_t gid)
{
    if (geteuid() == 0 && lchown(plant_path(root, path), uid, gid) < 0)
        plant_failed(path);
}

/* An extended attribute; another than root may find that none is taken there. */
static inline void plant_note(const char *root, const char *path, const char *value)
{
    const char *name = geteuid() == 0 ? "trusted.note" : "user.note";
    if (lsetxattr(plant_path(root, path), name, value, strlen(value), 0) < 0 &&
        (geteuid() == 0 || errno != EOPNOTSUPP))
        plant_failed(path);
}

/* u::rw- u:UID:r-- g::r-- m::r-- o::--- as the kernel has it: version 2, then tag, permission, id
 */
static inline void plant_acl(const char *root, const char *path, unsigned char uid)
{
    const unsigned char bytes[] = {
        2, 0,   0,    0,    1,    0,    6,    0, 0xff, 0xff, 0xff, 0xff, 2,    0,    4,
        0, uid, 0,    0,    0,    4,    0,    4, 0,    0xff, 0xff, 0xff, 0xff, 0x10, 0,
        4, 0,   0xff, 0xff, 0xff, 0xff, 0x20, 0, 0,    0,    0xff, 0xff, 0xff, 0xff};
    if (lsetxattr(plant_path(root, path), "system.posix_acl_access", bytes, sizeof bytes, 0) < 0)
        plant_failed(path);
}

/* FS_IMMUTABLE_FL, FS_APPEND_FL, as chattr(1) sets them; 0 takes them away. Root's alone. */
static inline void plant_flags(const char *root, const char *path, unsigned flags)
{
    int fd = open(plant_path(root, path), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0 || close(fd) < 0)
        plant_failed(path);
}

/* 256 KiB with one byte in it. */
static inline void plant_sparse(const char *root, const char *path, char fill)
{
    plant_file(root, path, "", 0600);
    int fd = open(plant_path(root, path), O_WRONLY | O_CLOEXEC);
    if (fd < 0 || ftruncate(fd, 1 << 18) < 0 || pwrite(fd, &fill, 1, 200000) != 1 || close(fd) < 0)
        plant_failed(path);
    plant_time(root, path, PLANT_TIME);
}

static inline int plant_remove_one(const char *path, const struct stat *st, int type,
                                   struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

/* A file, or a directory with all that is in it. */
static inline void plant_remove(const char *root, const char *path)
{
    if (nftw(plant_path(root, path), plant_remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
        plant_failed(path);
}

#endif
