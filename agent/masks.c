/* masks.c - see masks.h */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "io.h"
#include "masks.h"
#include "runstate.h"

#define MASKS_LIMIT ((size_t)1 << 20)
#define MODULE_NAME_MAX 64u /* MODULE_NAME_LEN of the kernel is shorter */
#define MODPROBE_NAME "backstop.conf"

static bool name_is_usable(const char *name, size_t length)
{
    if (length == 0 || length > MODULE_NAME_MAX)
        return false;
    for (size_t i = 0; i < length; i++) {
        char c = name[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && c != '_' && c != '-')
            return false;
    }
    return true;
}

static char *kernel_spelling(const char *name, size_t length)
{
    char *copy = strndup(name, length);
    for (char *c = copy; c && *c; c++)
        if (*c == '-')
            *c = '_';
    return copy;
}

bool masks_hold(const struct strings *names, const char *name)
{
    char *wanted = kernel_spelling(name, strlen(name));
    bool found = false;
    for (size_t i = 0; wanted && i < names->count && !found; i++)
        found = strcmp(names->items[i], wanted) == 0;
    free(wanted);
    return found;
}

static int add(struct strings *names, const char *name, size_t length)
{
    if (!name_is_usable(name, length))
        return -EINVAL;
    char *copy = kernel_spelling(name, length);
    if (!copy)
        return -ENOMEM;
    if (masks_hold(names, copy)) {
        free(copy);
        return 0;
    }
    char **items = realloc(names->items, (names->count + 1) * sizeof *items);
    if (!items) {
        free(copy);
        return -ENOMEM;
    }
    names->items = items;
    items[names->count++] = copy;
    return 0;
}

int masks_add(struct strings *names, const char *name)
{
    return add(names, name, strlen(name));
}

int masks_add_file(struct strings *names, const char *path)
{
    static const char *const suffixes[] = {".ko", ".ko.gz", ".ko.xz", ".ko.zst"};
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *dot = strstr(name, ".ko");
    for (size_t i = 0; dot && i < sizeof suffixes / sizeof *suffixes; i++)
        if (strcmp(dot, suffixes[i]) == 0)
            return add(names, name, (size_t)(dot - name));
    return -EINVAL;
}

int masks_read(const char *path, struct strings *names)
{
    char *text = NULL;
    size_t size = 0;
    int err = io_read_all(AT_FDCWD, path, MASKS_LIMIT, &text, &size);
    if (err < 0)
        return err == -ENOENT ? 0 : err;
    for (char *line = text; *line && err != -ENOMEM;) {
        size_t length = strcspn(line, "\n");
        err = add(names, line, strcspn(line, " \t\r\n#"));
        line += length + (line[length] == '\n');
    }
    free(text);
    return err == -ENOMEM ? err : 0;
}

static int write_in(const char *run, const char *directory, const char *name, const char *text)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", run, directory) < 0)
        return -ENOMEM;
    int err = io_mkdir_p(AT_FDCWD, path, 0755);
    int fd = err < 0 ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (err == 0)
        err = fd < 0 ? -errno : io_write_atomic(fd, name, text, strlen(text), 0644);
    if (fd >= 0)
        close(fd);
    free(path);
    return err;
}

/* "blacklist" keeps udev's aliases from it, "install" what names it. */
static void print_masks(FILE *conf, FILE *list, const struct strings *names,
                        const struct strings *except)
{
    fputs("# Written by Backstop for this boot alone: a recovery keeps these from loading.\n",
          conf);
    for (size_t i = 0; i < names->count; i++) {
        if (masks_hold(except, names->items[i]))
            continue;
        fprintf(conf, "blacklist %s\ninstall %s /bin/false\n", names->items[i], names->items[i]);
        fprintf(list, "%s\n", names->items[i]);
    }
}

int masks_write(const char *run, const struct strings *names, const struct strings *except)
{
    char *conf_text = NULL, *list_text = NULL;
    size_t conf_size, list_size;
    FILE *conf = open_memstream(&conf_text, &conf_size);
    FILE *list = open_memstream(&list_text, &list_size);
    if (conf && list)
        print_masks(conf, list, names, except);
    int err = !conf || !list ? -ENOMEM : 0;
    if (conf && fclose(conf) != 0)
        err = -ENOMEM;
    if (list && fclose(list) != 0)
        err = -ENOMEM;
    if (err == 0)
        err = write_in(run, "modprobe.d", MODPROBE_NAME, conf_text);
    if (err == 0)
        err = write_in(run, "backstop", MASKED_NAME, list_text);
    free(conf_text);
    free(list_text);
    return err;
}

static void remove_in(const char *run, const char *name)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", run, name) < 0)
        return;
    unlink(path);
    free(path);
}

void masks_remove(const char *run)
{
    remove_in(run, "modprobe.d/" MODPROBE_NAME);
    remove_in(run, "backstop/" MASKED_NAME);
}

void masks_free(struct strings *names)
{
    strings_free(names);
}
