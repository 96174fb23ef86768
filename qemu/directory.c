/* directory.c - see directory.h */
#include "directory.h"
#include "command.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int directory_make(const char *dir)
{
    TEXT_AUTO path = text_copy(dir);
    struct stat st;

    for (char *end = path + (path[0] == '/'); *end != '\0';) {
        char behind;

        end += strcspn(end, "/");
        behind = *end;
        *end = '\0';
        if (mkdir(path, 0777) < 0 && errno != EEXIST)
            return -errno;
        *end = behind;
        end += strspn(end, "/");
    }
    if (stat(dir, &st) < 0)
        return -errno;
    return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

void directory_remove(const char *dir)
{
    const char *argv[] = {"rm", "-rf", dir, NULL};

    (void)command_must(argv, NULL);
}

/* Opened and locked; -EBUSY where it is locked, or was taken away meanwhile. */
static int hold(const char *dir)
{
    struct stat held, found;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = 0;

    if (fd < 0)
        return -errno;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        error = errno == EWOULDBLOCK ? -EBUSY : -errno;
    else if (fstat(fd, &held) < 0 || stat(dir, &found) < 0 || held.st_ino != found.st_ino ||
             held.st_dev != found.st_dev)
        error = -EBUSY;
    if (error == 0)
        return fd;
    close(fd);
    return error;
}

static int make_anew(const char *dir)
{
    int old = hold(dir);
    int error;

    if (old < 0 && old != -ENOENT)
        return old;
    if (old >= 0)
        directory_remove(dir);
    error = directory_make(dir);
    if (old >= 0)
        close(old);
    return error == 0 ? hold(dir) : error;
}

int directory_claim(const char *dir, char **reason)
{
    int fd = make_anew(dir);

    if (fd < 0)
        text_replace(reason,
                     text_format("%s: %s", dir,
                                 fd == -EBUSY ? "another run is at work in it" : strerror(-fd)));
    return fd;
}
