#include "good.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "good_files.h"
#include "io.h"
#include "manifest.h"

#define NAME_SIZE 32

static void manifest_name(uint32_t generation, char name[NAME_SIZE])
{
    snprintf(name, NAME_SIZE, "%06u.manifest", generation);
}

/* 0: not the name of a generation. */
static uint32_t generation_of_name(const char *name)
{
    char again[NAME_SIZE];
    unsigned long n = strtoul(name, NULL, 10);

    if (*name < '0' || *name > '9' || n == 0 || n > UINT32_MAX)
        return 0;
    manifest_name((uint32_t)n, again);
    return strcmp(name, again) == 0 ? (uint32_t)n : 0;
}

static int open_generations(const struct place *place)
{
    int fd =
        openat(place->state_fd, "generations", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

static int compare_newest_first(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x < y) - (x > y);
}

static int list_names(DIR *dir, uint32_t **generations, size_t *count)
{
    uint32_t *list = malloc(sizeof *list);
    struct dirent *found;
    size_t n = 0;

    while (list && (found = readdir(dir))) {
        uint32_t generation = generation_of_name(found->d_name), *larger;

        if (!generation)
            continue;
        larger = realloc(list, (n + 1) * sizeof *list);
        if (!larger)
            free(list);
        list = larger;
        if (list)
            list[n++] = generation;
    }
    if (!list)
        return -ENOMEM;
    qsort(list, n, sizeof *list, compare_newest_first);
    *generations = list;
    *count = n;
    return 0;
}

int good_list(const struct place *place, uint32_t **generations, size_t *count)
{
    int fd = open_generations(place), error;
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);

    if (fd < 0)
        return fd;
    if (!dir) {
        close(fd);
        return -ENOMEM;
    }
    error = list_names(dir, generations, count);
    closedir(dir);
    return error;
}

static int parse_generation(const char *file, const char *text, size_t size, uint32_t generation,
                            struct inventory *good, struct diag *diag)
{
    struct inventory loaded;
    int error = manifest_parse(file, text, size, &loaded, diag);

    if (error)
        return error;
    if (loaded.generation != generation) {
        diag_report(diag, DIAG_ERROR,
                    "%s: it says that it is generation %u: renamed or copied; it is not used", file,
                    loaded.generation);
        inventory_free(&loaded);
        return -EBADMSG;
    }
    *good = loaded;
    return 0;
}

int good_load(const struct place *place, uint32_t generation, struct inventory *good,
              struct diag *diag)
{
    char file[sizeof STATE_DIR "/generations/" + NAME_SIZE], name[NAME_SIZE], *text;
    int fd = open_generations(place), error;
    size_t size;

    if (fd < 0)
        return fd;
    manifest_name(generation, name);
    snprintf(file, sizeof file, STATE_DIR "/generations/%s", name);
    error = io_read_all(fd, name, MANIFEST_MAX_SIZE, &text, &size);
    close(fd);
    if (error)
        return error;
    error = parse_generation(file, text, size, generation, good, diag);
    free(text);
    return error;
}

int good_load_newest(const struct place *place, struct inventory *good, struct diag *diag)
{
    uint32_t *generations;
    size_t count;
    int error = good_list(place, &generations, &count);

    if (error)
        return error;
    error = -ENOENT;
    for (size_t i = 0; i < count && error && error != -ENOMEM; i++)
        error = good_load(place, generations[i], good, diag);
    free(generations);
    return error == 0 || error == -ENOMEM ? error : -ENOENT;
}

int good_write(const struct place *place, const struct inventory *good, struct diag *diag)
{
    int fd = open_generations(place), error;
    char name[NAME_SIZE];

    if (fd < 0)
        return fd;
    manifest_name(good->generation, name);
    error = manifest_replace(fd, name, good, diag);
    close(fd);
    return error;
}

int good_next_number(const struct place *place, uint32_t *number)
{
    uint32_t *generations;
    size_t count;
    int error = good_list(place, &generations, &count);

    if (error)
        return error;
    if (count && generations[0] == UINT32_MAX)
        error = -EOVERFLOW;
    else
        *number = count ? generations[0] + 1 : 1;
    free(generations);
    return error;
}

static int drop(int fd, uint32_t generation)
{
    char name[NAME_SIZE];

    manifest_name(generation, name);
    return unlinkat(fd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int good_prune(const struct place *place, unsigned keep)
{
    uint32_t *generations;
    unsigned intact = 0;
    size_t count;
    int fd, error = good_list(place, &generations, &count);

    if (error)
        return error;
    fd = open_generations(place);
    if (fd < 0)
        error = fd;
    for (size_t i = 0; i < count && !error; i++) {
        struct inventory good;

        if (intact >= keep) {
            error = drop(fd, generations[i]);
        } else if (good_load(place, generations[i], &good, NULL) == 0) {
            intact++;
            inventory_free(&good);
        }
    }
    if (!error && fsync(fd) < 0)
        error = -errno;
    if (fd >= 0)
        close(fd);
    free(generations);
    return error;
}
