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

/* What a command line keeps from starting. */
struct kept_away {
    struct strings drivers, initcalls;
    bool other; /* units, or what cannot be looked for elsewhere */
};

static void kept_away_free(struct kept_away *kept)
{
    masks_free(&kept->drivers);
    masks_free(&kept->initcalls);
}

static char underscore(char c)
{
    return c == '-' ? '_' : c;
}

/* What is behind the first of `keys` that the word begins with, or NULL; '-' and '_' are one. */
static const char *value_of(const char *word, const char *const *keys)
{
    for (; *keys; keys++) {
        size_t i = 0;
        while ((*keys)[i] && underscore(word[i]) == underscore((*keys)[i]))
            i++;
        if (!(*keys)[i])
            return word + i;
    }
    return NULL;
}

/* Comma-separated names up to the word's end; *other: there was what is no name. 0 or -ENOMEM. */
static int add_list(struct strings *names, const char *list, bool *other)
{
    size_t length = strcspn(list, BLANKS);
    char *copy = strndup(list, length), *rest = NULL;
    int err = copy ? 0 : -ENOMEM;
    for (char *name = copy ? strtok_r(copy, ",\"", &rest) : NULL; err == 0 && name;
         name = strtok_r(NULL, ",\"", &rest)) {
        err = masks_add(names, name);
        *other = *other || err == -EINVAL;
        err = err == -EINVAL ? 0 : err;
    }
    free(copy);
    return err;
}

/* Adds what the words say. 0 or -ENOMEM. */
static int read_words(const char *words, struct kept_away *kept)
{
    static const char *const driver_keys[] = {
        "module_blacklist=", "modprobe.blacklist=", "rd.driver.blacklist=", NULL};
    static const char *const initcall_keys[] = {"initcall_blacklist=", NULL};
    static const char *const unit_keys[] = {"systemd.mask=", "rd.systemd.mask=", NULL};
    int err = 0;
    for (const char *word = words; err == 0 && *word; word += strcspn(word, BLANKS)) {
        word += strspn(word, BLANKS "\""); /* a whole word may be quoted */
        const char *drivers = value_of(word, driver_keys);
        const char *initcalls = value_of(word, initcall_keys);
        if (drivers)
            err = add_list(&kept->drivers, drivers, &kept->other);
        else if (initcalls)
            err = add_list(&kept->initcalls, initcalls, &kept->other);
        kept->other = kept->other || value_of(word, unit_keys);
    }
    return err;
}

/* ---- at every start ---- */

/* Without the comment, the quotes and what they are escaped with, as a shell would have it. */
static void unquote(char *line)
{
    char quote = '\0', before = ' ', *to = line;
    for (char *c = line; *c && !(*c == '#' && !quote && strchr(BLANKS, before)); c++) {
        before = *c;
        if (*c == quote)
            quote = '\0';
        else if (!quote && (*c == '"' || *c == '\''))
            quote = *c;
        else if (*c != '"' && *c != '\'' && *c != '\\')
            *to++ = *c;
    }
    *to = '\0';
}

/* What a line of a shell's assignments adds to the command line of every start, or NULL. */
static const char *grub_words(char *line)
{
    static const char *const keys[] = {"GRUB_CMDLINE_LINUX_DEFAULT", "GRUB_CMDLINE_LINUX", NULL};
    unquote(line);
    const char *rest = value_of(line + strspn(line, BLANKS), keys);
    if (rest && *rest == '+')
        rest++;
    return rest && *rest == '=' ? rest + 1 : NULL;
}

static const char *kernel_words(char *line)
{
    return *line == '#' ? NULL : line;
}

/* The words of one file, which may be absent. 0 or -ENOMEM: what else cannot be read gives none. */
static int read_settings(int dir_fd, const char *name, const char *(*words_of)(char *line),
                         struct kept_away *kept)
{
    char *text = NULL, *rest = NULL;
    size_t size;
    int err = io_read_all(dir_fd, name, SETTINGS_MAX, &text, &size);
    if (err < 0)
        return err == -ENOMEM ? err : 0;
    for (char *line = strtok_r(text, "\n", &rest); err == 0 && line;
         line = strtok_r(NULL, "\n", &rest)) {
        const char *words = words_of(line);
        if (words)
            err = read_words(words, kept);
    }
    free(text);
    return err;
}

static bool is_grub_part(const char *name)
{
    size_t size = strlen(name);
    return *name != '.' && size > 4 && strcmp(name + size - 4, ".cfg") == 0;
}

static int read_grub_parts(const struct place *place, struct kept_away *kept)
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
            err = read_settings(fd, found->d_name, grub_words, kept);
    closedir(dir);
    return err;
}

static int read_one(const struct place *place, const char *directory, const char *name,
                    const char *(*words_of)(char *line), struct kept_away *kept)
{
    int fd = place_openat(place, directory, O_RDONLY | O_DIRECTORY, 0, true);
    int err = fd < 0 ? 0 : read_settings(fd, name, words_of, kept);
    if (fd >= 0)
        close(fd);
    return err;
}

/* What the machine's own settings keep away at every start. 0 or -ENOMEM. */
static int read_always(const struct place *place, struct kept_away *kept)
{
    int err = read_one(place, "/etc/default", "grub", grub_words, kept);
    if (err == 0)
        err = read_grub_parts(place, kept);
    if (err == 0)
        err = read_one(place, "/etc/kernel", "cmdline", kernel_words, kept);
    return err;
}

/* ---- what counts ---- */

static bool all_held(const struct strings *names, const struct strings *wanted)
{
    for (size_t i = 0; i < wanted->count; i++)
        if (!masks_hold(names, wanted->items[i]))
            return false;
    return true;
}

static bool is_always_so(const struct place *place, const struct kept_away *kept)
{
    struct kept_away always = {0};
    bool so = read_always(place, &always) == 0 && all_held(&always.drivers, &kept->drivers) &&
              all_held(&always.initcalls, &kept->initcalls);
    kept_away_free(&always);
    return so;
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
    struct kept_away kept = {0};
    bool out = read_words(cmdline, &kept) < 0 || kept.other;
    if (!out && kept.drivers.count + kept.initcalls.count > 0)
        out = !is_always_so(place, &kept) || sets_use_one_of(place, &kept.drivers, diag);
    kept_away_free(&kept);
    return out;
}
