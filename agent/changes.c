#include "changes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One comparison of what stands with what is good, side by side. */
struct comparing {
    const struct place *place;
    const struct sets *sets;
    const struct inventory *good;
    struct changes *changes;
    struct diag *diag;
    bool *known; /* by set of `good`: the set is defined today */
    size_t room;
};

static int add_change(struct comparing *comparing, enum change_kind kind, const struct entry *now,
                      const struct entry *good)
{
    struct changes *changes = comparing->changes;
    const struct inventory *inventory = now ? &changes->now : comparing->good;
    const struct entry *entry = now ? now : good;

    if (changes->count == comparing->room) {
        size_t room = comparing->room ? 2 * comparing->room : 64;
        struct change *larger = realloc(changes->items, room * sizeof *larger);

        if (!larger)
            return -ENOMEM;
        changes->items = larger;
        comparing->room = room;
    }
    changes->items[changes->count++] = (struct change){
        .kind = kind,
        .now = now,
        .good = good,
        .set_name = inventory->set_names[entry->set],
        .set_class = inventory->set_classes[entry->set],
        .never = entry->never || (good && good->never),
    };
    return 0;
}

/* What the stat says already decides, where nothing need be read. */
static bool differs_at_sight(const struct entry *now, const struct entry *good)
{
    if (now->type != good->type || now->mode != good->mode || now->uid != good->uid ||
        now->gid != good->gid || now->size != good->size)
        return true;
    return now->type == ENTRY_LINK && strcmp(now->target, good->target) != 0;
}

/* 1: altered, 0: not, -errno. */
static int is_altered(struct comparing *comparing, struct entry *now, const struct entry *good)
{
    int error;

    if (entry_same_identity(now, good))
        return 0;
    if (differs_at_sight(now, good))
        return 1;
    if (now->type == ENTRY_LINK || now->type == ENTRY_OTHER)
        return 0;
    if (!good->hashed) /* listed without content: its identity is all that is known */
        return now->type == ENTRY_FILE;
    error = entry_hash(comparing->place, &comparing->changes->now, now);
    comparing->changes->hashed++;
    diag_progress(comparing->diag, "reading changed files", comparing->changes->hashed, 0);
    if (error == -ENOMEM)
        return error;
    if (error) {
        diag_report(comparing->diag, DIAG_WARNING,
                    "%s: cannot be read: %s; it is taken for altered", now->path, strerror(-error));
        return 1;
    }
    return !entry_same_content(now, good);
}

static int compare_pair(struct comparing *comparing, struct entry *now, const struct entry *good)
{
    int altered = is_altered(comparing, now, good);

    return altered > 0 ? add_change(comparing, CHANGE_ALTERED, now, good) : altered;
}

/* It is there, and the paths of its set do not lead to it any more. A directory where there was
 * none is another matter: '*' lists no directory. */
static bool stands(const struct place *place, const struct entry *good)
{
    int fd = place_openat(place, good->path, O_PATH | O_NOFOLLOW, 0, false);
    struct stat st;
    bool there = fd >= 0 && fstat(fd, &st) == 0;

    if (fd >= 0)
        close(fd);
    return there && (!S_ISDIR(st.st_mode) || good->type == ENTRY_DIR);
}

static int compare_gone(struct comparing *comparing, const struct entry *good)
{
    if (!comparing->known[good->set] || inventory_is_blind(&comparing->changes->now, good->path) ||
        stands(comparing->place, good))
        return 0;
    return add_change(comparing, CHANGE_GONE, NULL, good);
}

/* Nearly all are the same, and that is told fastest. */
static int order_of(const char *a, const char *b)
{
    return strcmp(a, b) == 0 ? 0 : path_compare(a, b);
}

static int compare_all(struct comparing *comparing)
{
    struct inventory *now = &comparing->changes->now;
    const struct inventory *good = comparing->good;
    size_t n = 0, g = 0;
    int error = 0;

    while (!error && (n < now->count || g < good->count)) {
        int order = n == now->count    ? 1
                    : g == good->count ? -1
                                       : order_of(now->entries[n].path, good->entries[g].path);

        if (order == 0)
            error = compare_pair(comparing, &now->entries[n++], &good->entries[g++]);
        else if (order < 0)
            error = add_change(comparing, CHANGE_ADDED, &now->entries[n++], NULL);
        else
            error = compare_gone(comparing, &good->entries[g++]);
    }
    return error;
}

static bool *known_sets(const struct sets *sets, const struct inventory *good)
{
    bool *known = calloc(good->set_count + 1, sizeof *known);

    for (size_t i = 0; known && i < good->set_count; i++)
        known[i] = sets_find(sets, good->set_names[i]) >= 0;
    return known;
}

int changes_probe(const struct place *place, const struct sets *sets, const struct inventory *good,
                  struct changes *changes, struct diag *diag)
{
    struct changes found = {0};
    struct comparing comparing = {
        .place = place, .sets = sets, .good = good, .changes = &found, .diag = diag};
    int error = inventory_take(place, sets, &found.now, diag);

    if (error)
        return error;
    comparing.known = known_sets(sets, good);
    error = comparing.known ? compare_all(&comparing) : -ENOMEM;
    diag_progress(diag, "reading changed files", 1, 1);
    free(comparing.known);
    if (error) {
        changes_free(&found);
        return error;
    }
    *changes = found;
    return 0;
}

const char *change_path(const struct change *change)
{
    return change->now ? change->now->path : change->good->path;
}

void changes_free(struct changes *changes)
{
    free(changes->items);
    inventory_free(&changes->now);
    *changes = (struct changes){0};
}
