#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "scope.h"

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

static bool is_of(const char *release, const char *running)
{
    size_t size = strlen(running);

    return strncmp(release, running, size) == 0 && release[size] == '/';
}

/* ---- links ---- */

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Where it leads, the name itself not followed. NULL and 0: nobody can say. */
static int target_of(const struct place *place, const struct entry *link, char **target)
{
    size_t directory =
        *link->target == '/' ? 0 : (size_t)(strrchr(link->path, '/') - link->path) + 1;
    char *path = NULL;
    bool apart;
    int error;

    *target = NULL;
    if (asprintf(&path, "%.*s%s", (int)directory, link->path, link->target) < 0)
        return -ENOMEM;
    error = scope_follow(place, path, target, &apart);
    free(path);
    return error == -ENOMEM ? error : 0;
}

static int add_link(const struct place *place, struct kernel *kernel, const struct entry *link)
{
    char *target, **larger;
    int error = target_of(place, link, &target);

    if (error || !target)
        return error;
    if (!kernel_is_other(kernel, target)) {
        free(target);
        return 0;
    }
    larger = realloc(kernel->linked, (kernel->linked_count + 1) * sizeof *larger);
    if (!larger) {
        free(target);
        return -ENOMEM;
    }
    kernel->linked = larger;
    larger[kernel->linked_count++] = target;
    qsort(larger, kernel->linked_count, sizeof *larger, compare_texts);
    return 0;
}

int kernel_add_links(const struct place *place, struct kernel *kernel,
                     const struct inventory *inventory)
{
    int error = 0;

    for (size_t i = 0; *kernel->release && i < inventory->count && !error; i++) {
        const struct entry *entry = &inventory->entries[i];
        const char *release = entry->type == ENTRY_LINK ? release_in(entry->path) : NULL;

        if (release && entry->target && is_of(release, kernel->release))
            error = add_link(place, kernel, entry);
    }
    return error;
}

void kernel_free(struct kernel *kernel)
{
    for (size_t i = 0; i < kernel->linked_count; i++)
        free(kernel->linked[i]);
    free(kernel->linked);
    *kernel = (struct kernel){0};
}

/* ---- whose it is ---- */

bool kernel_is_other(const struct kernel *kernel, const char *path)
{
    const char *release = release_in(path);

    return release && *kernel->release && !is_of(release, kernel->release) &&
           !(kernel->linked_count && bsearch(&path, kernel->linked, kernel->linked_count,
                                             sizeof *kernel->linked, compare_texts));
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

bool kernel_is_known(const struct inventory *inventory, const char *path)
{
    const char *release = release_in(path);
    size_t size = release ? strcspn(release, "/") + 1 : 0;

    for (size_t i = 0; release && i < inventory->count; i++) {
        const char *other = release_in(inventory->entries[i].path);

        if (other && strncmp(other, release, size) == 0)
            return true;
    }
    return false;
}

bool kernel_same_module(const char *a, const char *b)
{
    const char *x = strrchr(a, '/'), *y = strrchr(b, '/');

    return release_in(a) && release_in(b) && strstr(x, ".ko") && strcmp(x, y) == 0;
}
