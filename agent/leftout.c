/* leftout.c - see leftout.h */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "drivers.h"
#include "io.h"
#include "leftout.h"
#include "masks.h"

#define BLANKS " \t\n"
#define SETTINGS_MAX (1024u * 1024)

/* What is behind the first of `keys` that the word begins with, or NULL. */
static const char *value_of(const char *word, const char *const *keys)
{
    for (; *keys; keys++)
        if (strncmp(word, *keys, strlen(*keys)) == 0)
            return word + strlen(*keys);
    return NULL;
}

/* Names of modules, comma-separated up to the word's end. 0 or -ENOMEM. */
static int add_list(struct strings *names, const char *list)
{
    size_t length = strcspn(list, BLANKS);
    char *copy = strndup(list, length), *rest = NULL;
    int err = copy ? 0 : -ENOMEM;
    for (char *name = copy ? strtok_r(copy, ",\"", &rest) : NULL; err == 0 && name;
         name = strtok_r(NULL, ",\"", &rest))
        err = masks_add(names, name) == -ENOMEM ? -ENOMEM : 0;
    free(copy);
    return err;
}

/* Drivers that the command line names; *units: units, or parts of the kernel. 0 or -ENOMEM. */
static int read_words(const char *cmdline, struct strings *drivers, bool *units)
{
    static const char *const driver_keys[] = {
        "module_blacklist=", "modprobe.blacklist=", "rd.driver.blacklist=", NULL};
    static const char *const unit_keys[] = {
        "systemd.mask=", "rd.systemd.mask=", "initcall_blacklist=", NULL};
    int err = 0;
    for (const char *word = cmdline; err == 0 && *word; word += strcspn(word, BLANKS)) {
        word += strspn(word, BLANKS "\""); /* a whole word may be quoted */
        const char *list = value_of(word, driver_keys);
        if (list)
            err = add_list(drivers, list);
        *units = *units || value_of(word, unit_keys);
    }
    return err;
}

/* ---- at every start ---- */

/* What a line of a shell's assignments adds to the command line of every start, or NULL. */
static const char *grub_words(const char *line)
{
    static const char *const keys[] = {"GRUB_CMDLINE_LINUX_DEFAULT", "GRUB_CMDLINE_LINUX", NULL};
    const char *rest = value_of(line, keys);
    if (rest && *rest == '+')
        rest++;
    return rest && *rest == '=' ? rest + 1 : NULL;
}

static const char *kernel_words(const char *line)
{
    return *line == '#' ? NULL : line;
}

/* The words of one file, which may be absent. 0 or -ENOMEM: what else cannot be read gives none. */
static int read_settings(int dir_fd, const char *name, const char *(*words_of)(const char *line),
                         struct strings *drivers)
{
    char *text = NULL, *rest = NULL;
    size_t size;
    bool units;
    int err = io_read_all(dir_fd, name, SETTINGS_MAX, &text, &size);
    if (err < 0)
        return err == -ENOMEM ? err : 0;
    for (char *line = strtok_r(text, "\n", &rest); err == 0 && line;
         line = strtok_r(NULL, "\n", &rest)) {
        for (char *c = line; *c; c++)
            if (strchr("\"'\\", *c))
                *c = ' ';
        const char *words = words_of(line + strspn(line, BLANKS));
        if (words)
            err = read_words(words, drivers, &units);
    }
    free(text);
    return err;
}

static bool is_grub_part(const char *name)
{
    size_t size = strlen(name);
    return *name != '.' && size > 4 && strcmp(name + size - 4, ".cfg") == 0;
}

static int read_grub_parts(const struct place *place, struct strings *drivers)
{
    int fd = place_openat(place, "/etc/default/grub.d", O_RDONLY | O_DIRECTORY, 0, true), err = 0;
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *found;
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return 0;
    }
    while (err == 0 && (found = readdir(dir)))
        if (is_grub_part(found->d_name))
            err = read_settings(fd, found->d_name, grub_words, drivers);
    closedir(dir);
    return err;
}

static int read_one(const struct place *place, const char *directory, const char *name,
                    const char *(*words_of)(const char *line), struct strings *drivers)
{
    int fd = place_openat(place, directory, O_RDONLY | O_DIRECTORY, 0, true);
    int err = fd < 0 ? 0 : read_settings(fd, name, words_of, drivers);
    if (fd >= 0)
        close(fd);
    return err;
}

/* Drivers that the machine's own settings keep away at every start. 0 or -ENOMEM. */
static int read_always(const struct place *place, struct strings *drivers)
{
    int err = read_one(place, "/etc/default", "grub", grub_words, drivers);
    if (err == 0)
        err = read_grub_parts(place, drivers);
    if (err == 0)
        err = read_one(place, "/etc/kernel", "cmdline", kernel_words, drivers);
    return err;
}

/* ---- what counts ---- */

static bool all_held(const struct strings *names, const struct strings *drivers)
{
    for (size_t i = 0; i < drivers->count; i++)
        if (!masks_hold(names, drivers->items[i]))
            return false;
    return true;
}

static bool always_kept_away(const struct place *place, const struct strings *drivers)
{
    struct strings always = {0};
    bool all = read_always(place, &always) == 0 && all_held(&always, drivers);
    masks_free(&always);
    return all;
}

static bool sets_use_one_of(const struct place *place, const struct strings *drivers,
                            struct diag *diag)
{
    struct sets sets;
    struct strings used = {0};
    if (sets_load(place, &sets, diag) < 0)
        return true;
    bool uses = drivers_of_all(place, &sets, &used, diag) < 0;
    for (size_t i = 0; i < drivers->count && !uses; i++)
        uses = masks_hold(&used, drivers->items[i]);
    masks_free(&used);
    sets_free(&sets);
    return uses;
}

bool cmdline_leaves_out(const struct place *place, const char *cmdline, struct diag *diag)
{
    struct strings drivers = {0};
    bool units = false;
    bool out = read_words(cmdline, &drivers, &units) < 0 || units ||
               (drivers.count > 0 &&
                (!always_kept_away(place, &drivers) || sets_use_one_of(place, &drivers, diag)));
    masks_free(&drivers);
    return out;
}
