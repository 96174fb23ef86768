#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io.h"
#include "resolve.h"

int place_open(struct place *place, const char *root)
{
    *place = (struct place){.root_fd = -1, .state_fd = -1};
    place->root = realpath(root ? root : "/", NULL);
    if (!place->root)
        return -errno;
    place->root_fd = open(place->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (place->root_fd < 0) {
        int error = -errno;

        place_close(place);
        return error;
    }
    place->live = strcmp(place->root, "/") == 0;
    return 0;
}

static int make_state(const struct place *place)
{
    static const char *const parts[] = {"store", "generations", "quarantine"};
    int var_lib, fd, error = 0;

    error = io_mkdir_p(place->root_fd, "var/lib", 0755);
    if (error)
        return error;
    var_lib = place_openat(place, "/var/lib", O_RDONLY | O_DIRECTORY, 0, true);
    if (var_lib < 0)
        return var_lib;
    if (mkdirat(var_lib, "backstop", 0700) < 0 && errno != EEXIST)
        error = -errno;
    else if (fsync(var_lib) < 0)
        error = -errno;
    close(var_lib);
    if (error)
        return error;

    fd = place_openat(place, STATE_DIR, O_RDONLY | O_DIRECTORY, 0, true);
    if (fd < 0)
        return fd;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && !error; i++)
        error = io_mkdir_p(fd, parts[i], 0700);
    if (!error && fsync(fd) < 0)
        error = -errno;
    close(fd);
    return error;
}

int place_open_state(struct place *place, bool create)
{
    int fd, error;

    if (place->state_fd >= 0)
        return 0;
    error = create ? make_state(place) : 0;
    if (error)
        return error;
    fd = place_openat(place, STATE_DIR, O_RDONLY | O_DIRECTORY, 0, true);
    if (fd < 0)
        return fd;
    place->state_fd = fd;
    return 0;
}

void place_close(struct place *place)
{
    if (place->root_fd >= 0)
        close(place->root_fd);
    if (place->state_fd >= 0)
        close(place->state_fd);
    free(place->root);
    *place = (struct place){.root_fd = -1, .state_fd = -1};
}

int place_openat(const struct place *place, const char *path, int flags, unsigned mode, bool follow)
{
    struct open_how how = {
        .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
        .mode = mode,
        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
    };

    if (!follow)
        how.resolve |= RESOLVE_NO_SYMLINKS;
    return resolve_open(place->root_fd, path, &how);
}

int place_name(const struct place *place, int fd, char **name)
{
    size_t root_size = place->live ? 0 : strlen(place->root);
    char self[64], path[4096];
    ssize_t n;

    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    n = readlink(self, path, sizeof path - 1);
    if (n < 0)
        return -errno;
    if ((size_t)n == sizeof path - 1)
        return -ENAMETOOLONG;
    path[n] = '\0';
    if (strcmp(path, place->root) == 0)
        path[root_size = 0] = '\0';
    else if (strncmp(path, place->root, root_size) != 0 || path[root_size] != '/')
        return -EXDEV;
    *name = strdup(path + root_size);
    return *name ? 0 : -ENOMEM;
}
