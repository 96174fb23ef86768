/*
 * items.h - listings of disk_listing() and manifests of good generations, taken apart.
 */
#ifndef BACKSTOP_RIG_ITEMS_H
#define BACKSTOP_RIG_ITEMS_H

#include <stdbool.h>
#include <stddef.h>

/* One thing of a listing. */
struct item {
    char *path;
    char *what; /* kind and attributes; without ctime, which a rename moves */
    bool is_directory;
};

struct items {
    struct item *items;
    size_t count;
    char *buffer;
};

struct items items_of(const char *listing);
void items_free(struct items *items);
const struct item *items_at(const struct items *items, const char *path); /* or NULL */
/* The same inode with the same attributes and content, wherever it lies. */
bool items_hold(const struct items *items, const struct item *item);
/* Of a file's content, or NULL. */
const char *item_hash(const struct item *item);

/*
 * Manifests: a line is one of an entry, in the manifest's text. Paths are escaped there; those of
 * the rig's product need none of it.
 */
/* The entry behind `line`, the first if that is NULL; NULL: there is none. */
const char *manifest_next(const char *manifest, const char *line);
const char *manifest_line(const char *manifest, const char *path); /* or NULL */
char *line_path(const char *line);                                 /* caller frees */
char *line_hash(const char *line); /* of a content that is in the store, or NULL; caller frees */
bool line_is_never(const char *line);
bool line_is_directory(const char *line);
/* Kind, owner, mode, and of a file size, time and content, of a link its target. */
bool line_matches(const char *line, const struct item *item);

#endif
