/* drivers.c - see drivers.h */
#include <errno.h>
#include <stdlib.h>
#include "drivers.h"
#include "inventory.h"
#include "masks.h"

/* A file that a set of another class has too is a driver all the same: the others are left out.
 * Borrows; the caller frees items. */
static int driver_sets(const struct sets *sets, struct sets *drivers)
{
    *drivers = (struct sets){.items = calloc(sets->count + 1, sizeof *drivers->items)};
    for (size_t i = 0; drivers->items && i < sets->count; i++)
        if (sets->items[i].set_class == CLASS_DRIVER)
            drivers->items[drivers->count++] = sets->items[i];
    return drivers->items ? 0 : -ENOMEM;
}

static int add_held(const struct place *place, const struct sets *sets, struct strings *names,
                    struct diag *diag)
{
    struct inventory found = {0};
    int err = inventory_take(place, sets, &found, diag);
    if (err < 0)
        return err;
    for (size_t i = 0; err == 0 && i < found.count; i++)
        if (found.entries[i].type == ENTRY_FILE || found.entries[i].type == ENTRY_LINK)
            err = masks_add_file(names, found.entries[i].path) == -ENOMEM ? -ENOMEM : 0;
    inventory_free(&found);
    return err;
}

int drivers_held(const struct place *place, const struct sets *sets, struct strings *names,
                 struct diag *diag)
{
    struct sets drivers;
    int err = driver_sets(sets, &drivers);
    if (err == 0)
        err = add_held(place, &drivers, names, diag);
    free(drivers.items);
    return err;
}

static int add_named(const struct sets *sets, struct strings *names)
{
    int err = 0;
    for (size_t i = 0; i < sets->count; i++)
        for (size_t k = 0; k < sets->items[i].drivers.count; k++)
            if (masks_add(names, sets->items[i].drivers.items[k]) == -ENOMEM)
                err = -ENOMEM;
    return err;
}

int drivers_of(const struct place *place, const struct sets *sets, struct strings *names,
               struct diag *diag)
{
    int err = add_named(sets, names);
    int held = drivers_held(place, sets, names, diag);
    return err < 0 ? err : held;
}

int drivers_of_all(const struct place *place, const struct sets *sets, struct strings *names,
                   struct diag *diag)
{
    int err = add_named(sets, names);
    int held = add_held(place, sets, names, diag);
    return err < 0 ? err : held;
}
