/* leftout.c - see leftout.h */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "drivers.h"
#include "dropins.h"
#include "io.h"
#include "leftout.h"
#include "masks.h"

#define BLANKS " \t\r\n"
#define CONFIGURATION_MAX (1024u * 1024)

/* ---- words ---- */

/*
 * The next word with its quotes taken off, in place; NULL: there is none. As the kernel reads it
 * (double quotes alone), or as GRUB's scripts do.
 */
static char *next_word(char **rest, bool script)
{
    char *from = *rest + strspn(*rest, BLANKS), *word = from, *to = from, quote = '\0';
    if (!*from)
        return NULL;
    for (; *from && (quote || !strchr(BLANKS, *from)); from++) {
        if (*from == quote)
            quote = '\0';
        else if (!quote && (*from == '"' || (script && *from == '\'')))
            quote = *from;
        else {
            from += script && *from == '\\' && quote != '\'' && from[1];
            *to++ = *from;
        }
    }
    *rest = *from ? from + 1 : from;
    *to = '\0';
    return word;
}

/* 0 or -ENOMEM. */
static int add_words(struct strings *words, char *line, bool script)
{
    int err = 0;
    for (char *word; err == 0 && (word = next_word(&line, script));)
        err = strings_add(words, word);
    return err;
}

static bool all_among(const struct strings *wanted, const struct strings *words)
{
    for (size_t i = 0; i < wanted->count; i++) {
        bool found = false;
        for (size_t k = 0; k < words->count && !found; k++)
            found = strcmp(wanted->items[i], words->items[k]) == 0;
        if (!found)
            return false;
    }
    return true;
}

/* ---- what they keep away ---- */

struct kept_away {
    struct strings words;              /* that keep something away, whatever it is */
    struct strings drivers, initcalls; /* their names */
    bool other;                        /* units, or what is no name of either */
};

enum keeps { KEEPS_DRIVERS, KEEPS_INITCALLS, KEEPS_UNITS, KEEPS_A_KIND };

/* kernel-parameters.txt, modprobe(8), dracut.cmdline(7), initramfs-tools(7),
 * systemd-debug-generator(8). Behind '=' is a list of names. */
static const struct {
    const char *word;
    enum keeps keeps;
} keepers[] = {
    {"module_blacklist=", KEEPS_DRIVERS},     {"modprobe.blacklist=", KEEPS_DRIVERS},
    {"rd.driver.blacklist=", KEEPS_DRIVERS},  {"blacklist=", KEEPS_DRIVERS},
    {"initcall_blacklist=", KEEPS_INITCALLS}, {"systemd.mask=", KEEPS_UNITS},
    {"rd.systemd.mask=", KEEPS_UNITS},        {"nomodeset", KEEPS_A_KIND},
    {"dis_ucode_ldr", KEEPS_A_KIND},
};

static char underscore(char c)
{
    return c == '-' ? '_' : c;
}

/* What is behind `key` where the word begins with it (and is no longer, where that has no '='), or
 * NULL; '-' and '_' are one. */
static char *value_of(char *word, const char *key)
{
    size_t i = 0;
    for (; key[i]; i++)
        if (underscore(word[i]) != underscore(key[i]))
            return NULL;
    return key[i - 1] == '=' || !word[i] ? word + i : NULL;
}

/* Comma-separated names; *other: there was what is no name. 0 or -ENOMEM. */
static int add_names(struct strings *names, char *list, bool *other)
{
    char *rest = NULL;
    int err = 0;
    for (char *name = strtok_r(list, ",", &rest); err == 0 && name;
         name = strtok_r(NULL, ",", &rest)) {
        err = masks_add(names, name);
        *other = *other || err == -EINVAL;
        err = err == -EINVAL ? 0 : err;
    }
    return err;
}

static int add_what(struct kept_away *kept, enum keeps keeps, char *list)
{
    switch (keeps) {
    case KEEPS_DRIVERS:
        return add_names(&kept->drivers, list, &kept->other);
    case KEEPS_INITCALLS:
        return add_names(&kept->initcalls, list, &kept->other);
    case KEEPS_UNITS:
        kept->other = true;
        return 0;
    case KEEPS_A_KIND:
        return 0;
    }
    return 0;
}

static int look_at_word(struct kept_away *kept, char *word)
{
    for (size_t i = 0; i < sizeof keepers / sizeof *keepers; i++) {
        char *list = value_of(word, keepers[i].word);
        if (list) {
            int err = strings_add(&kept->words, word);
            return err < 0 ? err : add_what(kept, keepers[i].keeps, list);
        }
    }
    return 0;
}

static void kept_away_free(struct kept_away *kept)
{
    strings_free(&kept->words);
    strings_free(&kept->drivers);
    strings_free(&kept->initcalls);
}

/* ---- the boot loader's configuration ---- */

/* Where its words lie in one file. */
struct grammar {
    char *(*words_of)(char *line, const char *image); /* NULL: none in this line */
    bool script, first; /* as next_word(); only the first line that has any */
};

static char *grub_words(char *line, const char *image)
{
    const char *command = next_word(&line, true);
    bool starts = command && (strcmp(command, "linux") == 0 || strcmp(command, "linuxefi") == 0);
    const char *kernel = starts ? next_word(&line, true) : NULL;
    return kernel && strcmp(kernel, image) == 0 ? line : NULL;
}

/* The Boot Loader Specification's, type 1. */
static char *entry_words(char *line, const char *image)
{
    const char *key = next_word(&line, false);
    (void)image;
    return key && strcmp(key, "options") == 0 ? line : NULL;
}

static char *plain_words(char *line, const char *image)
{
    (void)image;
    return *line == '#' ? NULL : line;
}

static const struct grammar grub = {grub_words, .script = true, .first = true};
static const struct grammar entry = {entry_words, .script = false, .first = false};
static const struct grammar plain = {plain_words, .script = false, .first = false};

/* 1: the words of a file; 0: it has none, or cannot be read; -ENOMEM. */
static int read_words(int dir_fd, const char *name, const struct grammar *grammar,
                      const char *image, struct strings *words)
{
    char *text = NULL, *rest = NULL;
    size_t size;
    int err = io_read_all(dir_fd, name, CONFIGURATION_MAX, &text, &size), found = 0;
    if (err < 0)
        return err == -ENOMEM ? err : 0;
    for (char *line = strtok_r(text, "\n", &rest); err == 0 && line && !(found && grammar->first);
         line = strtok_r(NULL, "\n", &rest)) {
        char *behind = grammar->words_of(line, image);
        err = behind ? add_words(words, behind, grammar->script) : 0;
        found = found || behind;
    }
    free(text);
    return err < 0 ? err : found;
}

/* As read_words(): 1 where the file has words and all of `wanted` among them. *seen: it has any. */
static int file_has(int dir_fd, const char *name, const struct grammar *grammar, const char *image,
                    const struct strings *wanted, bool *seen)
{
    struct strings words = {0};
    int found = read_words(dir_fd, name, grammar, image, &words);
    *seen = *seen || found != 0;
    if (found > 0)
        found = all_among(wanted, &words);
    strings_free(&words);
    return found;
}

static bool one_has(const struct place *place, const char *directory, const char *name,
                    const struct grammar *grammar, const char *image, const struct strings *wanted,
                    bool *seen)
{
    int fd = place_openat(place, directory, O_RDONLY | O_DIRECTORY, 0, true);
    bool has = fd >= 0 && file_has(fd, name, grammar, image, wanted, seen) > 0;
    if (fd >= 0)
        close(fd);
    return has;
}

/* True unless an entry with options lacks one of `wanted`. */
static bool all_entries_have(const struct place *place, const char *directory,
                             const struct strings *wanted, bool *seen)
{
    int fd = place_openat(place, directory, O_RDONLY | O_DIRECTORY, 0, true);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    bool have = true;
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return true;
    }
    for (struct dirent *found; have && (found = readdir(dir));) {
        bool options = false;
        if (dropin_is_named(found->d_name))
            have = file_has(fd, found->d_name, &entry, "", wanted, &options) > 0 || !options;
        *seen = *seen || options;
    }
    closedir(dir);
    return have;
}

/* Without GRUB. */
static bool entries_have(const struct place *place, const struct strings *wanted)
{
    static const char *const directories[] = {"/boot/loader/entries", "/boot/efi/loader/entries",
                                              "/efi/loader/entries"};
    static const char *const whole[] = {"/etc/kernel", "/usr/lib/kernel"};
    bool seen = false, have = true;
    for (size_t i = 0; i < sizeof directories / sizeof *directories && have; i++)
        have = all_entries_have(place, directories[i], wanted, &seen);
    for (size_t i = 0; i < sizeof whole / sizeof *whole && !seen; i++)
        have = one_has(place, whole[i], "cmdline", &plain, "", wanted, &seen);
    return have;
}

/* ---- what counts ---- */

static bool is_configured(const struct place *place, const char *image,
                          const struct strings *wanted)
{
    bool seen = false;
    return image ? one_has(place, "/boot/grub", "grub.cfg", &grub, image, wanted, &seen)
                 : entries_have(place, wanted);
}

static bool is_called_like(const char *initcall, const struct strings *drivers)
{
    for (size_t i = 0; i < drivers->count; i++)
        if (strncmp(initcall, drivers->items[i], strlen(drivers->items[i])) == 0)
            return true;
    return false;
}

static bool sets_use(const struct place *place, const struct kept_away *kept, struct diag *diag)
{
    struct sets sets;
    struct strings used = {0};
    if (sets_load(place, &sets, diag) < 0)
        return true;
    bool uses = drivers_of_all(place, &sets, &used, diag) < 0;
    for (size_t i = 0; i < kept->drivers.count && !uses; i++)
        uses = masks_hold(&used, kept->drivers.items[i]);
    for (size_t i = 0; i < kept->initcalls.count && !uses; i++)
        uses = is_called_like(kept->initcalls.items[i], &used);
    strings_free(&used);
    sets_free(&sets);
    return uses;
}

/* 0 or -ENOMEM. *image: what GRUB has started by its own account, within the text, or NULL. */
static int look_at(char *cmdline, struct kept_away *kept, const char **image)
{
    int err = 0;
    for (char *word; err == 0 && (word = next_word(&cmdline, false));) {
        if (strncmp(word, "BOOT_IMAGE=", 11) == 0)
            *image = word + 11;
        err = look_at_word(kept, word);
    }
    return err;
}

bool cmdline_leaves_out(const struct place *place, struct diag *diag)
{
    struct kept_away kept = {0};
    const char *image = NULL;
    char cmdline[4096]; /* COMMAND_LINE_SIZE is 2048 on x86 */
    int fd = place_openat(place, "/proc/cmdline", O_RDONLY, 0, true);
    ssize_t size = fd < 0 ? -1 : read(fd, cmdline, sizeof cmdline - 1);
    if (fd >= 0)
        close(fd);
    cmdline[size > 0 ? size : 0] = '\0';
    bool out = look_at(cmdline, &kept, &image) < 0 || kept.other;
    if (!out && kept.words.count > 0)
        out = !is_configured(place, image, &kept.words) || sets_use(place, &kept, diag);
    kept_away_free(&kept);
    return out;
}
