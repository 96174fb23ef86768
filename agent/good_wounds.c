#include <errno.h>
#include <stdlib.h>

#include "good_wounds.h"

/* The set has a file that the newest generation has not: something was delivered to it. */
static bool is_renewed(const struct standing *standing, size_t set)
{
    for (size_t i = 0; i < standing->now->count; i++) {
        const struct entry *entry = &standing->now->entries[i];

        if (entry->set == set && entry->type == ENTRY_FILE && !entry->never &&
            standing->proven[i] && !standing->former[i])
            return true;
    }
    return false;
}

static bool stands_proven(const struct standing *standing, const char *path)
{
    const struct entry *now = inventory_find(standing->now, path);

    return now && standing->proven[now - standing->now->entries];
}

static bool is_still_lost(const struct standing *standing, const struct lost_item *item, size_t set)
{
    const struct entry *good = inventory_find(standing->newest, item->path);

    return !standing->by_hand && set < standing->now->set_count && good && !good->never &&
           !stands_proven(standing, item->path) && !is_renewed(standing, set);
}

/* Those that are lost still first; how many. */
static size_t sort_out(struct wounds *wounds, const struct standing *standing)
{
    struct lost *lost = &wounds->lost;
    size_t kept = 0;

    for (size_t i = 0; i < lost->count; i++) {
        size_t set = inventory_set(standing->now, lost->items[i].set);
        struct lost_item item = lost->items[i];

        if (!is_still_lost(standing, &item, set))
            continue;
        wounds->sets[set] = true;
        lost->items[i] = lost->items[kept];
        lost->items[kept++] = item;
    }
    return kept;
}

int wounds_find(struct wounds *wounds, const struct place *place, const struct standing *standing,
                struct diag *diag)
{
    struct lost *lost = &wounds->lost;
    size_t kept;

    wounds->sets = calloc(standing->now->set_count + 1, sizeof *wounds->sets);
    if (!wounds->sets || lost_load(place, lost, diag) == -ENOMEM)
        return -ENOMEM;
    kept = sort_out(wounds, standing);
    wounds->fewer = kept < lost->count;
    lost_cut(lost, kept);
    if (kept)
        diag_report(diag, DIAG_WARNING,
                    "%s: taken out by a recovery, and nothing stands in its place: set %s is "
                    "without protection there and makes no good generation. Install it again; or, "
                    "if it is to stay so: backstop good take --now",
                    lost->items[0].path, lost->items[0].set);
    return 0;
}

void wounds_free(struct wounds *wounds)
{
    lost_free(&wounds->lost);
    free(wounds->sets);
}
