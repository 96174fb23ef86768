#include "good.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena.h"
#include "store.h"

struct good_history {
    const struct place *place;
    struct inventory *items; /* newest first */
    size_t count;
};

static int load_all(const struct place *place, const uint32_t *generations, size_t count,
                    struct good_history *history, struct diag *diag)
{
    history->items = calloc(count + 1, sizeof *history->items);
    if (!history->items)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        int error = good_load(place, generations[i], &history->items[history->count], diag);

        if (error == -ENOMEM)
            return error;
        if (error == 0)
            history->count++;
        else if (error != -EBADMSG)
            diag_report(diag, DIAG_WARNING,
                        "good generation %u cannot be read: %s; it is passed over", generations[i],
                        strerror(-error));
    }
    return 0;
}

int good_history_load(const struct place *place, struct good_history **history, struct diag *diag)
{
    struct good_history *made = calloc(1, sizeof *made);
    uint32_t *generations = NULL;
    size_t count = 0;
    int error = made ? good_list(place, &generations, &count) : -ENOMEM;

    if (error == -ENOENT)
        error = 0;
    if (!error) {
        made->place = place;
        error = load_all(place, generations, count, made, diag);
    }
    free(generations);
    if (error) {
        good_history_free(made);
        return error;
    }
    *history = made;
    return 0;
}

const struct inventory *good_history_newest(const struct good_history *history)
{
    return history->count ? &history->items[0] : NULL;
}

static bool can_be_put_back(const struct entry *entry)
{
    return !entry->never && entry->hashed && entry->type != ENTRY_OTHER;
}

static int open_version(const struct good_history *history, size_t i, const struct entry *entry,
                        struct diag *diag)
{
    int fd = store_open_verified(history->place, entry->sha256);

    if (fd < 0)
        diag_report(diag, DIAG_WARNING,
                    "%s: the content kept of generation %u is %s; an older version is looked for",
                    entry->path, history->items[i].generation,
                    fd == -EBADMSG ? "damaged" : strerror(-fd));
    return fd;
}

int good_history_version(struct good_history *history, const char *path, const struct entry **entry,
                         int *fd, struct diag *diag)
{
    const struct entry *tried = NULL;

    for (size_t i = 0; i < history->count; i++) {
        const struct entry *found = inventory_find(&history->items[i], path);
        int opened;

        if (i == 0 && (!found || !can_be_put_back(found)))
            return -ENOENT;
        if (!found || !can_be_put_back(found))
            continue;
        if (found->type != ENTRY_FILE) {
            *entry = found;
            *fd = -1;
            return 0;
        }
        if (tried && memcmp(tried->sha256, found->sha256, SHA256_SIZE) == 0)
            continue;
        opened = open_version(history, i, found, diag);
        if (opened >= 0) {
            *entry = found;
            *fd = opened;
            return 0;
        }
        tried = found;
    }
    return -ENOENT;
}

/* ---- a whole set from an older generation ---- */

static bool entry_is_intact(const struct good_history *history, const struct entry *entry)
{
    int fd;

    if (entry->never || entry->type != ENTRY_FILE)
        return true;
    fd = entry->hashed ? store_open_verified(history->place, entry->sha256) : -ENOENT;
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool set_is_intact(const struct good_history *history, const struct inventory *good,
                          uint32_t set)
{
    size_t found = 0;

    for (size_t i = 0; i < good->count; i++) {
        if (good->entries[i].set != set)
            continue;
        if (!entry_is_intact(history, &good->entries[i]))
            return false;
        found++;
    }
    return found > 0;
}

static int compare_entries(const void *a, const void *b)
{
    return path_compare(((const struct entry *)a)->path, ((const struct entry *)b)->path);
}

/* What the older generation did not look at is not added since it. Of one that does not say where
 * it looked the newer one's word has to do. */
static int scopes_replace(struct inventory *newest, uint32_t set, const struct inventory *older,
                          uint32_t older_set)
{
    struct scope *scopes;
    char **unread;
    size_t count = 0;

    if (!newest->scoped || !older->scoped)
        return 0;
    scopes =
        arena_alloc(newest->arena, (newest->scope_count + older->scope_count + 1) * sizeof *scopes);
    unread = arena_alloc(newest->arena,
                         (newest->unread_count + older->unread_count + 1) * sizeof *unread);
    if (!scopes || !unread)
        return -ENOMEM;
    for (size_t i = 0; i < newest->scope_count; i++)
        if (newest->scopes[i].set != set)
            scopes[count++] = newest->scopes[i];
    for (size_t i = 0; i < older->scope_count; i++) {
        if (older->scopes[i].set != older_set)
            continue;
        scopes[count] = older->scopes[i];
        scopes[count++].set = set;
    }
    for (size_t i = 0; i < newest->unread_count; i++)
        unread[i] = newest->unread[i];
    for (size_t i = 0; i < older->unread_count; i++)
        unread[newest->unread_count + i] = older->unread[i];
    newest->scopes = scopes;
    newest->scope_count = count;
    newest->unread = unread;
    newest->unread_count += older->unread_count;
    return 0;
}

/* Strings stay where they are: all generations live as long as the history. */
static int set_replace(struct inventory *newest, uint32_t set, const struct inventory *older,
                       uint32_t older_set)
{
    struct entry *entries =
        arena_alloc(newest->arena, (newest->count + older->count + 1) * sizeof *entries);
    size_t kept = 0, count;

    if (!entries)
        return -ENOMEM;
    for (size_t i = 0; i < newest->count; i++)
        if (newest->entries[i].set != set)
            entries[kept++] = newest->entries[i];
    count = kept;
    for (size_t i = 0; i < older->count; i++) {
        if (older->entries[i].set != older_set ||
            bsearch(&older->entries[i], entries, kept, sizeof *entries, compare_entries))
            continue;
        entries[count] = older->entries[i];
        entries[count++].set = set;
    }
    qsort(entries, count, sizeof *entries, compare_entries);
    newest->entries = entries;
    newest->count = count;
    return 0;
}

/* What proved good and was not kept is replaced by nothing older. */
static bool has_unkept(const struct inventory *good, uint32_t set)
{
    for (size_t i = 0; i < good->count; i++) {
        const struct entry *entry = &good->entries[i];

        if (entry->set == set && entry->type == ENTRY_FILE && !entry->never && !entry->hashed)
            return true;
    }
    return false;
}

bool good_history_fall_back(struct good_history *history, const char *set, struct diag *diag)
{
    struct inventory *newest = history->items;
    uint32_t index = history->count ? inventory_set(newest, set) : 0;

    if (history->count == 0 || index == newest->set_count || has_unkept(newest, index))
        return false;
    for (size_t i = 1; i < history->count; i++) {
        const struct inventory *older = &history->items[i];
        uint32_t older_index = inventory_set(older, set);

        if (older_index == older->set_count || !set_is_intact(history, older, older_index))
            continue;
        if (scopes_replace(newest, index, older, older_index) < 0 ||
            set_replace(newest, index, older, older_index) < 0)
            return false;
        diag_report(diag, DIAG_WARNING,
                    "set %s: a content of the newest good generation is lost; all of the set goes "
                    "back to generation %u",
                    set, older->generation);
        return true;
    }
    return false;
}

/* By whose string the path is: an entry that fell back is a copy, its strings are not. */
uint32_t good_history_generation(const struct good_history *history, const struct entry *entry)
{
    for (size_t i = history->count; i-- > 0;) {
        const struct entry *found = inventory_find(&history->items[i], entry->path);

        if (found && found->path == entry->path)
            return history->items[i].generation;
    }
    return 0;
}

void good_history_free(struct good_history *history)
{
    if (!history)
        return;
    for (size_t i = 0; i < history->count; i++)
        inventory_free(&history->items[i]);
    free(history->items);
    free(history);
}
