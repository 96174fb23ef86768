/* leftout.c - see leftout.h */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "drivers.h"
#include "leftout.h"
#include "masks.h"

#define BLANKS " \t\n"

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

static bool sets_use_one_of(const struct place *place, const struct strings *drivers,
                            struct diag *diag)
{
    struct sets sets;
    struct strings used = {0};
    if (drivers->count == 0)
        return false;
    if (sets_load(place, &sets, diag) < 0)
        return true;
    bool uses = drivers_of(place, &sets, &used, diag) < 0;
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
               sets_use_one_of(place, &drivers, diag);
    masks_free(&drivers);
    return out;
}
