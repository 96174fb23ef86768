#include "kernel.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static const char *const module_places[] = {"/lib/modules/", "/usr/lib/modules/"};

#define PLACES (sizeof module_places / sizeof *module_places)

/* The name of a release and what is beneath it, or NULL. */
static const char *release_in(const char *path)
{
    for (size_t i = 0; i < PLACES; i++) {
        size_t size = strlen(module_places[i]);

        if (strncmp(path, module_places[i], size) == 0 && strchr(path + size, '/'))
            return path + size;
    }
    return NULL;
}

static bool is_directory(const struct place *place, const char *path)
{
    int fd = place_openat(place, path, O_PATH | O_DIRECTORY, 0, true);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

void kernel_probe(const struct place *place, struct kernel *kernel)
{
    char path[32 + KERNEL_RELEASE_SIZE];
    struct utsname running;

    *kernel = (struct kernel){0};
    if (uname(&running) < 0)
        return;
    for (size_t i = 0; i < PLACES && !*kernel->release; i++) {
        snprintf(path, sizeof path, "%s%s", module_places[i], running.release);
        if (is_directory(place, path))
            snprintf(kernel->release, sizeof kernel->release, "%s", running.release);
    }
}

bool kernel_is_other(const struct kernel *kernel, const char *path)
{
    const char *release = release_in(path);
    size_t size = strlen(kernel->release);

    return release && size &&
           (strncmp(release, kernel->release, size) != 0 || release[size] != '/');
}

bool kernel_is_installed(const struct place *place, const char *path)
{
    const char *release = release_in(path);
    char directory[4096];
    int size = release ? (int)(strchr(release, '/') - path) : 0;

    if (!size || size >= (int)sizeof directory)
        return false;
    snprintf(directory, sizeof directory, "%.*s", size, path);
    return is_directory(place, directory);
}
