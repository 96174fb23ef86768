/*
 * scope.h - where an inventory looked, so that of a file that is not in it somebody can say whether
 * it stood there: each glob of each set, and where its literal prefix led. Probe only.
 */
#ifndef BACKSTOP_AGENT_SCOPE_H
#define BACKSTOP_AGENT_SCOPE_H

#include "inventory.h"

/* Fills scopes and scoped of *inventory, whose set names are there. 0 or -errno. */
int scopes_take(const struct place *place, const struct sets *sets, struct inventory *inventory);

/*
 * Where `path` leads today: *prefix without links, as far as it is there, and *apart if that is on
 * another file system than the root. Caller frees *prefix. 0 or -errno.
 */
int scope_follow(const struct place *place, const char *path, char **prefix, bool *apart);
/* Same set by name, same glob, and it led to the same place of the same file system. */
bool scope_same(const struct inventory *a, const struct scope *x, const struct inventory *b,
                const struct scope *y);
/* An entry is one that it lists; true where memory is short. */
bool scope_lists_any(const struct scope *scope, const struct inventory *inventory);
/* `path` is `prefix` or lies beneath it. */
bool scope_is_beneath(const char *path, const char *prefix);

/* What some scopes list. Zero is one that lists nothing. */
struct reach {
    struct reach_item {
        struct glob glob;
        const char *prefix;
    } * items;
    size_t count;
};

/* `prefix` stays the caller's; a glob that is none lists nothing. 0 or -ENOMEM. */
int reach_add(struct reach *reach, const char *glob, const char *prefix);
/* Something of that path, directory or not, would be an entry. */
bool reach_lists(const struct reach *reach, const char *path, bool directory);
void reach_free(struct reach *reach);

#endif
