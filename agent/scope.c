#include "scope.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena.h"

/* By the mount, so that a subvolume, which has a device number of its own, is none. */
static bool is_apart(const struct place *place, int fd)
{
    const unsigned mask = STATX_BASIC_STATS | STATX_MNT_ID;
    struct statx here, root;

    if (statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, mask, &here) < 0 ||
        statx(place->root_fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, mask, &root) < 0)
        return false;
    if (here.stx_mask & root.stx_mask & STATX_MNT_ID) /* Linux 5.8 */
        return here.stx_mnt_id != root.stx_mnt_id;
    return here.stx_dev_major != root.stx_dev_major || here.stx_dev_minor != root.stx_dev_minor;
}

/* The name behind fd, and after it what is not there. */
static int follow_to(const struct place *place, int fd, const char *rest, char **prefix)
{
    char *name, *whole;
    int error = place_name(place, fd, &name);

    if (error)
        return error;
    whole = realloc(name, strlen(name) + strlen(rest) + 1);
    if (!whole) {
        free(name);
        return -ENOMEM;
    }
    *prefix = strcat(whole, rest);
    return 0;
}

int scope_follow(const struct place *place, const char *path, char **prefix, bool *apart)
{
    size_t size = strlen(path) > 1 ? strlen(path) : 0;
    int fd = -ENOENT, error;

    for (;;) {
        char *part = strndup(size ? path : "/", size ? size : 1);

        if (!part)
            return -ENOMEM;
        fd = place_openat(place, part, O_PATH | O_DIRECTORY, 0, true);
        free(part);
        if ((fd != -ENOENT && fd != -ENOTDIR) || !size)
            break;
        do
            size--;
        while (path[size] != '/');
    }
    if (fd < 0)
        return fd;
    error = follow_to(place, fd, size || path[1] ? path + size : "", prefix);
    if (!error)
        *apart = is_apart(place, fd);
    close(fd);
    return error;
}

/* 1: it is one, 0: nobody can say where it leads (the walk reports it), -ENOMEM. */
static int take_one(const struct place *place, struct arena *arena, const char *text,
                    struct scope *scope)
{
    char *literal, *prefix = NULL;
    struct glob glob;
    const char *why;
    int error = glob_compile(text, &glob, &why);

    if (error)
        return error == -ENOMEM ? error : 0;
    literal = glob_prefix(&glob);
    glob_free(&glob);
    error = literal ? scope_follow(place, literal, &prefix, &scope->apart) : -ENOMEM;
    free(literal);
    if (error)
        return error == -ENOMEM ? error : 0;
    scope->glob = arena_strndup(arena, text, strlen(text));
    scope->prefix = arena_strndup(arena, prefix, strlen(prefix));
    free(prefix);
    return scope->glob && scope->prefix ? 1 : -ENOMEM;
}

int scopes_take(const struct place *place, const struct sets *sets, struct inventory *inventory)
{
    size_t most = 1;

    for (size_t i = 0; i < sets->count; i++)
        most += sets->items[i].paths.count;
    inventory->scopes = arena_alloc(inventory->arena, most * sizeof *inventory->scopes);
    if (!inventory->scopes)
        return -ENOMEM;
    for (size_t i = 0; i < sets->count; i++) {
        const struct strings *paths = &sets->items[i].paths;

        for (size_t k = 0; k < paths->count; k++) {
            struct scope *scope = &inventory->scopes[inventory->scope_count];
            int one;

            *scope = (struct scope){.set = (uint32_t)i};
            one = take_one(place, inventory->arena, paths->items[k], scope);
            if (one < 0)
                return one;
            inventory->scope_count += (size_t)one;
        }
    }
    inventory->scoped = true;
    return 0;
}

bool scope_same(const struct inventory *a, const struct scope *x, const struct inventory *b,
                const struct scope *y)
{
    return x->apart == y->apart && strcmp(x->glob, y->glob) == 0 &&
           strcmp(x->prefix, y->prefix) == 0 &&
           strcmp(a->set_names[x->set], b->set_names[y->set]) == 0;
}

bool scope_is_beneath(const char *path, const char *prefix)
{
    size_t size = strlen(prefix);

    return strncmp(path, prefix, size) == 0 && (path[size] == '/' || !path[size]);
}

/* ---- reach ---- */

int reach_add(struct reach *reach, const char *glob, const char *prefix)
{
    struct reach_item *larger = realloc(reach->items, (reach->count + 1) * sizeof *larger);
    const char *why;
    int error;

    if (!larger)
        return -ENOMEM;
    reach->items = larger;
    error = glob_compile(glob, &larger[reach->count].glob, &why);
    if (error)
        return error == -ENOMEM ? error : 0;
    larger[reach->count++].prefix = prefix;
    return 0;
}

static bool item_lists(const struct reach_item *item, const char *path, bool directory)
{
    uint64_t state = glob_state(&item->glob, item->glob.prefix);
    bool matched = false, deep = false;

    if (!scope_is_beneath(path, item->prefix))
        return false;
    path += strlen(item->prefix);
    while (*path) {
        size_t size = strcspn(++path, "/");

        if (!state)
            return false;
        state = glob_step(&item->glob, state, path, size, &matched, &deep);
        path += size;
    }
    return matched && (deep || !directory);
}

bool reach_lists(const struct reach *reach, const char *path, bool directory)
{
    for (size_t i = 0; i < reach->count; i++)
        if (item_lists(&reach->items[i], path, directory))
            return true;
    return false;
}

bool scope_lists_any(const struct scope *scope, const struct inventory *inventory)
{
    struct reach one = {0};
    bool found = false;

    if (reach_add(&one, scope->glob, scope->prefix) < 0)
        return true;
    for (size_t i = 0; i < inventory->count && !found; i++)
        found =
            reach_lists(&one, inventory->entries[i].path, inventory->entries[i].type == ENTRY_DIR);
    reach_free(&one);
    return found;
}

void reach_free(struct reach *reach)
{
    for (size_t i = 0; i < reach->count; i++)
        glob_free(&reach->items[i].glob);
    free(reach->items);
    *reach = (struct reach){0};
}
