/* leftout.c - see leftout.h */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "drivers.h"
#include "io.h"
#include "leftout.h"
#include "masks.h"

#define BLANKS " \t\r\n"
#define SCRIPT_ENDS ";|&<>{}" /* of a GRUB command, where none is quoted */
#define CONFIGURATION_MAX (1024u * 1024)
#define CMDLINE_MAX (64u * 1024) /* 2048 on x86, and what a bootconfig adds */

/* ---- words ---- */

/*
 * The next word with its quotes taken off, in place; NULL: there is none. As the kernel reads it
 * (double quotes alone), or as GRUB's scripts do, where a command ends before its line may.
 */
static char *next_word(char **rest, bool script)
{
    const char *ends = script ? BLANKS SCRIPT_ENDS : BLANKS;
    char *from = *rest + strspn(*rest, BLANKS), *word = from, *to = from, quote = '\0';
    if (!*from || (script && strchr("#" SCRIPT_ENDS, *from)))
        return NULL;
    for (; *from && (quote || !strchr(ends, *from)); from++) {
        if (*from == quote)
            quote = '\0';
        else if (!quote && (*from == '"' || (script && *from == '\'')))
            quote = *from;
        else {
            from += script && *from == '\\' && quote != '\'' && from[1];
            *to++ = *from;
        }
    }
    /* What ends the command ends it for the next call as well. */
    *rest = *from && strchr(BLANKS, *from) ? from + 1 : from;
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

/* kernel-parameters.txt, modprobe(8), dracut.cmdline(7), initramfs-tools(7), systemd(1),
 * systemd-debug-generator(8). Behind '=' is a list of names, or whatever it is. */
static const struct {
    const char *word;
    enum keeps keeps;
} keepers[] = {
    {"module_blacklist=", KEEPS_DRIVERS},
    {"modprobe.blacklist=", KEEPS_DRIVERS},
    {"rd.driver.blacklist=", KEEPS_DRIVERS},
    {"rdblacklist=", KEEPS_DRIVERS},
    {"blacklist=", KEEPS_DRIVERS},
    {"initcall_blacklist=", KEEPS_INITCALLS},
    {"systemd.mask=", KEEPS_UNITS},
    {"rd.systemd.mask=", KEEPS_UNITS},
    /* all graphics drivers; new microcode; other firmware */
    {"nomodeset", KEEPS_A_KIND},
    {"dis_ucode_ldr", KEEPS_A_KIND},
    {"microcode=", KEEPS_A_KIND},
    {"firmware_class.path=", KEEPS_A_KIND},
    /* the policies of a security module */
    {"apparmor=", KEEPS_A_KIND},
    {"selinux=", KEEPS_A_KIND},
    {"enforcing=", KEEPS_A_KIND},
    {"security=", KEEPS_A_KIND},
    {"lsm=", KEEPS_A_KIND},
    {"audit=", KEEPS_A_KIND},
    /* units that another target would have started */
    {"systemd.unit=", KEEPS_A_KIND},
    {"init=", KEEPS_A_KIND},
    {"2", KEEPS_A_KIND},
    {"3", KEEPS_A_KIND},
    {"4", KEEPS_A_KIND},
};
/* One driver's nomodeset: NAME.modeset=0. */
#define NO_MODESET ".modeset=0"

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

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), size = strlen(end);
    return length > size && strcmp(text + length - size, end) == 0;
}

static int look_at_word(struct kept_away *kept, char *word)
{
    if (ends_with(word, NO_MODESET))
        return strings_add(&kept->words, word);
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
    bool script;                                      /* as next_word() */
    bool each; /* each such line starts a machine; else they are one line in parts */
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

static const struct grammar grub = {grub_words, .script = true, .each = true};
static const struct grammar entry = {entry_words, .script = false, .each = false};
static const struct grammar plain = {plain_words, .script = false, .each = false};

/* How a menu's entries for repair are told, which keep away more than others do. */
static bool is_for_repair(const struct strings *words)
{
    static const char *const repairs[] = {"single", "recovery", "rescue", "emergency"};
    for (size_t i = 0; i < words->count; i++)
        for (size_t k = 0; k < sizeof repairs / sizeof *repairs; k++)
            if (strcmp(words->items[i], repairs[k]) == 0)
                return true;
    return false;
}

/* What a file says of `wanted`: */
struct answer {
    bool has;   /* lines with words, for repair aside */
    bool lacks; /* one that starts a machine has not all of them */
};

static void take_line(struct answer *answer, const struct strings *words,
                      const struct strings *wanted)
{
    answer->has = true;
    answer->lacks = answer->lacks || !all_among(wanted, words);
}

/* 0 or -ENOMEM. */
static int lines_have(char *text, const struct grammar *grammar, const char *image,
                      const struct strings *wanted, struct answer *answer)
{
    struct strings words = {0};
    char *rest = NULL;
    bool any = false;
    int err = 0;
    for (char *line = strtok_r(text, "\n", &rest); err == 0 && line;
         line = strtok_r(NULL, "\n", &rest)) {
        char *behind = grammar->words_of(line, image);
        if (!behind)
            continue;
        err = add_words(&words, behind, grammar->script);
        any = true;
        if (err == 0 && grammar->each) {
            if (!is_for_repair(&words))
                take_line(answer, &words, wanted);
            strings_free(&words);
        }
    }
    if (err == 0 && any && !grammar->each)
        take_line(answer, &words, wanted);
    strings_free(&words);
    return err;
}

/* 0, also where it is not there; or -errno. */
static int file_has(int dir_fd, const char *name, const struct grammar *grammar, const char *image,
                    const struct strings *wanted, struct answer *answer)
{
    char *text = NULL;
    size_t size;
    int err = io_read_all(dir_fd, name, CONFIGURATION_MAX, &text, &size);
    if (err < 0)
        return err == -ENOENT ? 0 : err;
    err = lines_have(text, grammar, image, wanted, answer);
    free(text);
    return err;
}

static bool is_absent(int err)
{
    return err == -ENOENT || err == -ENOTDIR;
}

/* *seen: there is something, if only what cannot be read. */
static bool one_has(const struct place *place, const char *directory, const char *name,
                    const struct grammar *grammar, const char *image, const struct strings *wanted,
                    bool *seen)
{
    struct answer answer = {0};
    int fd = place_openat(place, directory, O_RDONLY | O_DIRECTORY, 0, true);
    int err = fd < 0 ? fd : file_has(fd, name, grammar, image, wanted, &answer);
    if (fd >= 0)
        close(fd);
    *seen = *seen || answer.has || (err < 0 && !is_absent(err));
    return err == 0 && answer.has && !answer.lacks;
}

/* systemd-boot's, on a file system that knows no case. */
static bool is_entry(const char *name)
{
    size_t size = strlen(name);
    return size > 5 && *name != '.' && strcasecmp(name + size - 5, ".conf") == 0;
}

/* True unless an entry with options lacks one of `wanted`, or one cannot be read. */
static bool all_entries_have(const struct place *place, const char *directory,
                             const struct strings *wanted, bool *seen)
{
    int fd = place_openat(place, directory, O_RDONLY | O_DIRECTORY, 0, true);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    bool have = true;
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return is_absent(fd);
    }
    for (struct dirent *found; have && (found = readdir(dir));) {
        struct answer answer = {0};
        if (is_entry(found->d_name))
            have = file_has(fd, found->d_name, &entry, "", wanted, &answer) == 0 && !answer.lacks;
        *seen = *seen || answer.has;
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
    if (!have)
        return false;
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

/* The file of a driver may be called after its variant: nvidia-current.ko is the module nvidia. */
static bool is_variant(const char *held, const char *name)
{
    size_t length = strlen(name);
    return strncmp(held, name, length) == 0 && (held[length] == '_' || !held[length]);
}

static bool has_variant(const struct strings *drivers, const char *name)
{
    for (size_t i = 0; i < drivers->count; i++)
        if (is_variant(drivers->items[i], name))
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
        uses = has_variant(&used, kept->drivers.items[i]);
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

/* 0 or -errno; caller frees. */
static int cmdline_read(const struct place *place, char **text)
{
    size_t size;
    int fd = place_openat(place, "/proc", O_RDONLY | O_DIRECTORY, 0, true);
    int err = fd < 0 ? fd : io_read_all(fd, "cmdline", CMDLINE_MAX, text, &size);
    if (fd >= 0)
        close(fd);
    return err;
}

bool cmdline_leaves_out(const struct place *place, struct diag *diag)
{
    struct kept_away kept = {0};
    const char *image = NULL;
    char *cmdline = NULL;
    int err = cmdline_read(place, &cmdline);
    if (err < 0)
        return err == -EFBIG || err == -ENOMEM;
    bool out = look_at(cmdline, &kept, &image) < 0 || kept.other;
    if (!out && kept.words.count > 0)
        out = !is_configured(place, image, &kept.words) || sets_use(place, &kept, diag);
    kept_away_free(&kept);
    free(cmdline);
    return out;
}
