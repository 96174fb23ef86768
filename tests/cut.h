/*
 * cut.h - power cuts and refusing disks for the process under test.
 *
 * A test program that includes this defines the calls below itself, so that the linker takes these
 * for libagent as well; the library is the one that ships. Every call that changes a file system is
 * counted. With `cut_at` the process ends at that call: a write has then written half. What was
 * written and not synced may be lost too (LOSE_UNSYNCED). With `fail_at` that one call is refused.
 */
#ifndef BACKSTOP_TESTS_CUT_H
#define BACKSTOP_TESTS_CUT_H

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define CUT_STATUS 99 /* exit status of a process that was cut */
#define CUT_FILES 512

enum lies {
    LOSE_UNSYNCED = 1, /* at a cut, what was not synced is gone from the files that were written */
    NO_EXCHANGE = 2,   /* a file system without RENAME_EXCHANGE */
};

static struct {
    bool on;
    unsigned lies;
    unsigned long calls, cut_at, fail_at;
    int fail_with;
    int unsynced[CUT_FILES]; /* duplicates of descriptors of files that were created or truncated */
    size_t unsynced_count;
} cut;

static int as_int(long result)
{
    return (int)result;
}

static void lose_unsynced(void)
{
    for (size_t i = 0; i < cut.unsynced_count; i++)
        syscall(SYS_ftruncate, cut.unsynced[i], 0L);
}

static void power_off(void)
{
    if (cut.lies & LOSE_UNSYNCED)
        lose_unsynced();
    syscall(SYS_exit_group, CUT_STATUS);
}

/* True where the call is to be refused; errno is set. */
static bool refused(void)
{
    if (!cut.on)
        return false;
    cut.calls++;
    if (cut.calls == cut.cut_at)
        power_off();
    if (cut.calls != cut.fail_at)
        return false;
    errno = cut.fail_with;
    return true;
}

static void track(int fd)
{
    if (cut.on && fd >= 0 && cut.unsynced_count < CUT_FILES)
        cut.unsynced[cut.unsynced_count++] = as_int(syscall(SYS_dup, fd));
}

static bool same_file(int a, int b)
{
    struct stat x, y;
    return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_ino == y.st_ino && x.st_dev == y.st_dev;
}

static void untrack(int fd, bool all)
{
    size_t kept = 0;
    for (size_t i = 0; i < cut.unsynced_count; i++) {
        if (all || same_file(fd, cut.unsynced[i]))
            syscall(SYS_close, cut.unsynced[i]);
        else
            cut.unsynced[kept++] = cut.unsynced[i];
    }
    cut.unsynced_count = kept;
}

int openat(int dir_fd, const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    unsigned mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, unsigned) : 0;
    va_end(more);
    bool changes = (flags & (O_CREAT | O_TRUNC)) != 0;
    if (changes && refused())
        return -1;
    int fd = as_int(syscall(SYS_openat, dir_fd, path, flags, mode));
    if (changes && !(flags & O_APPEND))
        track(fd);
    return fd;
}

ssize_t write(int fd, const void *bytes, size_t size)
{
    if (cut.on && fd > 2) {
        if (cut.calls + 1 == cut.cut_at)
            syscall(SYS_write, fd, bytes, size / 2);
        if (refused())
            return -1;
    }
    return syscall(SYS_write, fd, bytes, size);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    return refused() ? -1 : syscall(SYS_pwrite64, fd, bytes, size, at);
}

int fsync(int fd)
{
    if (refused())
        return -1;
    untrack(fd, false);
    return 0; /* what tests need of it is the order, which is counted */
}

int syncfs(int fd)
{
    (void)fd;
    if (refused())
        return -1;
    untrack(-1, true);
    return 0;
}

int renameat2(int a_fd, const char *a, int b_fd, const char *b, unsigned flags)
{
    if (refused())
        return -1;
    if ((cut.lies & NO_EXCHANGE) && (flags & RENAME_EXCHANGE)) {
        errno = EINVAL;
        return -1;
    }
    return as_int(syscall(SYS_renameat2, a_fd, a, b_fd, b, flags));
}

int renameat(int a_fd, const char *a, int b_fd, const char *b)
{
    return refused() ? -1 : as_int(syscall(SYS_renameat2, a_fd, a, b_fd, b, 0));
}

int linkat(int a_fd, const char *a, int b_fd, const char *b, int flags)
{
    return refused() ? -1 : as_int(syscall(SYS_linkat, a_fd, a, b_fd, b, flags));
}

int symlinkat(const char *target, int fd, const char *name)
{
    return refused() ? -1 : as_int(syscall(SYS_symlinkat, target, fd, name));
}

int mkdirat(int fd, const char *name, mode_t mode)
{
    return refused() ? -1 : as_int(syscall(SYS_mkdirat, fd, name, mode));
}

int unlinkat(int fd, const char *name, int flags)
{
    return refused() ? -1 : as_int(syscall(SYS_unlinkat, fd, name, flags));
}

int ftruncate(int fd, off_t size)
{
    return refused() ? -1 : as_int(syscall(SYS_ftruncate, fd, size));
}

int fchmod(int fd, mode_t mode)
{
    return refused() ? -1 : as_int(syscall(SYS_fchmod, fd, mode));
}

int fchown(int fd, uid_t uid, gid_t gid)
{
    return refused() ? -1 : as_int(syscall(SYS_fchown, fd, uid, gid));
}

int fchownat(int fd, const char *name, uid_t uid, gid_t gid, int flags)
{
    return refused() ? -1 : as_int(syscall(SYS_fchownat, fd, name, uid, gid, flags));
}

int fsetxattr(int fd, const char *name, const void *value, size_t size, int flags)
{
    return refused() ? -1 : as_int(syscall(SYS_fsetxattr, fd, name, value, size, flags));
}

int fremovexattr(int fd, const char *name)
{
    return refused() ? -1 : as_int(syscall(SYS_fremovexattr, fd, name));
}

int utimensat(int fd, const char *name, const struct timespec times[2], int flags)
{
    return refused() ? -1 : as_int(syscall(SYS_utimensat, fd, name, times, flags));
}

int futimens(int fd, const struct timespec times[2])
{
    return refused() ? -1 : as_int(syscall(SYS_utimensat, fd, NULL, times, 0));
}

int fallocate(int fd, int mode, off_t at, off_t size)
{
    return refused() ? -1 : as_int(syscall(SYS_fallocate, fd, mode, at, size));
}

#endif
