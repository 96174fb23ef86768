#include "trial_out.h"
#include "directory.h"
#include "rig.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char mark_text[] =
    "`rig try` writes to this directory, and removes from it what it has written before.\n";

static const char *const disks[] = {"disk.raw", "vars.fd", "payload.img", "payload.img.sum",
                                    "seed.img"};
static const char *const logs[] = {"try.json",         "result.json",      "timeline.txt",
                                   "qemu.log",         "boot-[0-9]*.log",  "screen-[0-9]*.png",
                                   "report.html",      "report.json",      "junit.xml",
                                   ".report.html.new", ".report.json.new", ".junit.xml.new"};

static int refuse(const struct out *out, char **reason, const char *why)
{
    text_replace(reason, text_format("--out %s: %s", out->path, why));
    return -EINVAL;
}

static bool is_disk(const char *name)
{
    for (size_t i = 0; i < sizeof disks / sizeof *disks; i++)
        if (strcmp(name, disks[i]) == 0)
            return true;
    return false;
}

static bool is_ours(const char *name)
{
    for (size_t i = 0; i < sizeof logs / sizeof *logs; i++)
        if (fnmatch(logs[i], name, 0) == 0)
            return true;
    return is_disk(name);
}

/* As realpath(3), of what need not be there yet; NULL with errno. */
static char *absolute(const char *path)
{
    char *real = realpath(path, NULL);
    TEXT_AUTO above = text_copy(path);
    size_t length = strlen(above);
    TEXT_AUTO parent = NULL;
    char *slash;

    if (real != NULL || errno != ENOENT || length == 0)
        return real;
    while (length > 1 && above[length - 1] == '/')
        above[--length] = '\0';
    slash = strrchr(above, '/');
    if (slash == NULL) {
        parent = absolute(".");
        slash = above - 1;
    } else {
        *slash = '\0';
        parent = absolute(slash == above ? "/" : above);
    }
    return parent == NULL ? NULL
                          : text_format("%s/%s", strcmp(parent, "/") == 0 ? "" : parent, slash + 1);
}

/* The mark, open and locked. 0; -ENOENT: there is none; -EINVAL with a reason. */
static int mark_take(struct out *out, int flags, char **reason)
{
    TEXT_AUTO path = text_format("%s/" OUT_MARK, out->path);
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | flags, 0644);
    struct stat st;

    if (fd < 0)
        return errno == ENOENT ? -ENOENT : refuse(out, reason, strerror(errno));
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return refuse(out, reason, OUT_MARK " in it is no file");
    }
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        close(fd);
        return refuse(out, reason, "another `rig try` is at work in it: give --out another one");
    }
    out->lock = fd;
    return 0;
}

/* 0, or -EINVAL with a reason: there is something in it that nobody marked. */
static int must_be_empty(const struct out *out, char **reason)
{
    DIR *dir = opendir(out->path);
    struct dirent *entry;
    int error = 0;

    if (dir == NULL)
        return errno == ENOENT ? 0 : refuse(out, reason, strerror(errno));
    while (error == 0 && (entry = readdir(dir)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            error = refuse(out, reason,
                           "is not empty, and not what an earlier `rig try` left (" OUT_MARK
                           " is not in it): give a new directory, or empty this one yourself");
    closedir(dir);
    return error;
}

int out_look(struct out *out, const char *dir, char **reason)
{
    struct stat st;
    int error;

    *out = (struct out){.path = absolute(dir), .lock = -1};
    if (out->path == NULL) {
        error = errno;
        out->path = text_copy(dir);
        return refuse(out, reason, strerror(error));
    }
    /* Tools for file systems take what is behind these for an offset. */
    if (strpbrk(out->path, "?\n") != NULL || strstr(out->path, "@@") != NULL)
        return refuse(out, reason, "a path with '?', '@@' or a line break in it does not serve");
    if (stat(out->path, &st) == 0 && !S_ISDIR(st.st_mode))
        return refuse(out, reason, "is not a directory");
    error = mark_take(out, 0, reason);
    return error == -ENOENT ? must_be_empty(out, reason) : error;
}

static bool lies_in(const char *path, const char *dir)
{
    size_t length = strlen(dir);

    return strcmp(dir, "/") == 0 ||
           (text_starts(path, dir) && (path[length] == '/' || path[length] == '\0'));
}

int out_apart(const struct out *out, const char *option, const char *path, char **reason)
{
    TEXT_AUTO real = realpath(path, NULL);

    if (real != NULL && lies_in(real, out->path)) {
        text_replace(reason, text_format("--%s %s: lies in --out %s, whose files are replaced: "
                                         "give --out another directory",
                                         option, path, out->path));
        return -EINVAL;
    }
    if (real != NULL && lies_in(out->path, real)) {
        text_replace(reason, text_format("--out %s: lies in --%s %s and would become part of it: "
                                         "give --out another directory",
                                         out->path, option, path));
        return -EINVAL;
    }
    return 0;
}

/* Removes what is ours and `which` wants. 0 or -errno with a reason. */
static int clear(const struct out *out, bool (*which)(const char *name), char **reason)
{
    DIR *dir = opendir(out->path);
    TEXT_AUTO stage = text_format("%s/" OUT_STAGE, out->path);
    struct dirent *entry;
    int error = dir != NULL ? 0 : -errno;

    while (error == 0 && (entry = readdir(dir)) != NULL)
        if (which(entry->d_name) && unlinkat(dirfd(dir), entry->d_name, 0) < 0) {
            /* What the rig makes is no directory: it was put there. */
            error = errno == EISDIR ? -EINVAL : -errno;
            text_replace(reason,
                         text_format("%s/%s: %s", out->path, entry->d_name, strerror(errno)));
        }
    if (dir != NULL)
        closedir(dir);
    directory_remove(stage);
    return error;
}

int out_take(struct out *out, char **reason)
{
    int error = directory_make(out->path);

    if (error < 0) {
        text_replace(reason, text_format("--out %s: %s", out->path, strerror(-error)));
        return error == -ENOSPC || error == -EIO ? error : -EINVAL;
    }
    if (out->lock < 0)
        error = mark_take(out, O_CREAT, reason);
    if (error < 0)
        return error;
    if (ftruncate(out->lock, 0) < 0 ||
        pwrite(out->lock, mark_text, sizeof mark_text - 1, 0) != (ssize_t)(sizeof mark_text - 1)) {
        text_replace(reason, text_format("%s/" OUT_MARK ": %s", out->path, strerror(errno)));
        return -EIO;
    }
    error = clear(out, is_ours, reason);
    out->taken = error == 0;
    return error;
}

void out_thin(const struct out *out)
{
    TEXT_AUTO reason = NULL;

    (void)clear(out, is_disk, &reason);
}

void out_close(struct out *out)
{
    if (out->lock >= 0)
        close(out->lock);
    free(out->path);
    *out = (struct out){.lock = -1};
}
