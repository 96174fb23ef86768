#include "dropins.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io.h"

/* NAME.conf, and not hidden. */
static bool is_named(const char *name)
{
    size_t size = strlen(name);

    return size > 5 && *name != '.' && strcmp(name + size - 5, ".conf") == 0;
}

static bool has_name(const struct dropins *dropins, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(dropins->items[i].name, name) == 0)
            return true;
    return false;
}

static int add(struct dropins *dropins, const char *directory, const char *name)
{
    struct dropin *larger = realloc(dropins->items, (dropins->count + 1) * sizeof *dropins->items);
    struct dropin item = {0};

    if (!larger)
        return -ENOMEM;
    dropins->items = larger;
    item.name = strdup(name);
    if (!item.name || asprintf(&item.path, "%s/%s", directory, name) < 0) {
        free(item.name);
        return -ENOMEM;
    }
    larger[dropins->count++] = item;
    return 0;
}

/* Names of *.conf in one directory that are not among those found before. */
static int list(const struct place *place, const char *directory, struct dropins *dropins)
{
    int fd = place_openat(place, directory, O_RDONLY | O_DIRECTORY, 0, true);
    size_t before = dropins->count;
    struct dirent *found;
    int error = 0;
    DIR *dir;

    if (fd == -ENOENT || fd == -ENOTDIR)
        return 0;
    if (fd < 0)
        return fd;
    dir = fdopendir(fd);
    if (!dir) {
        close(fd);
        return -ENOMEM;
    }
    while (!error && (found = readdir(dir)))
        if (is_named(found->d_name) && !has_name(dropins, before, found->d_name))
            error = add(dropins, directory, found->d_name);
    closedir(dir);
    return error;
}

static int read_text(const struct place *place, struct dropin *item)
{
    char self[64];
    struct stat st;
    int fd = place_openat(place, item->path, O_PATH, 0, true), error;

    if (fd < 0) /* no /dev beneath this root: a link to /dev/null leads nowhere */
        return fd == -ENOENT ? 0 : fd;
    if (fstat(fd, &st) < 0)
        error = -errno;
    else if (S_ISCHR(st.st_mode))
        error = 0;
    else if (!S_ISREG(st.st_mode))
        error = -EINVAL;
    else {
        snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
        error = io_read_all(AT_FDCWD, self, DROPIN_MAX_SIZE, &item->text, &item->size);
    }
    close(fd);
    return error;
}

static void free_item(struct dropin *item)
{
    free(item->name);
    free(item->path);
    free(item->text);
}

/* Reads each, and drops those that are switched off. */
static void read_all(const struct place *place, struct dropins *dropins)
{
    size_t kept = 0;

    for (size_t i = 0; i < dropins->count; i++) {
        struct dropin *item = &dropins->items[i];

        item->error = read_text(place, item);
        if (item->error || item->size)
            dropins->items[kept++] = *item;
        else
            free_item(item);
    }
    dropins->count = kept;
}

/* By name without .conf, so that "a" comes before "a-b". */
static int compare_names(const void *a, const void *b)
{
    const struct dropin *x = a, *y = b;
    size_t x_size = strlen(x->name) - 5, y_size = strlen(y->name) - 5;
    int order = memcmp(x->name, y->name, x_size < y_size ? x_size : y_size);

    return order ? order : (x_size > y_size) - (x_size < y_size);
}

int dropins_read(const struct place *place, const char *vendor, const char *local,
                 struct dropins *dropins)
{
    struct dropins found = {0};
    int error = list(place, local, &found);

    if (!error)
        error = list(place, vendor, &found);
    if (error) {
        dropins_free(&found);
        return error;
    }
    if (found.count)
        qsort(found.items, found.count, sizeof *found.items, compare_names);
    read_all(place, &found);
    *dropins = found;
    return 0;
}

void dropins_free(struct dropins *dropins)
{
    for (size_t i = 0; i < dropins->count; i++)
        free_item(&dropins->items[i]);
    free(dropins->items);
    *dropins = (struct dropins){0};
}
