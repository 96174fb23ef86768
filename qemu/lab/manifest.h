/*
 * manifest.h - what lies in a tree, for comparing it with what should.
 */
#ifndef BACKSTOP_LAB_MANIFEST_H
#define BACKSTOP_LAB_MANIFEST_H

#include "text.h"

struct item {
    char *path; /* from the tree's root, "/etc/hostname" */
    char *what; /* type, mode, owner, size, content, target, xattrs */
    bool is_dir;
    int64_t mtime_ns;
    uint64_t inode;
    unsigned links;
};

struct manifest {
    struct item *items; /* by path */
    size_t count;
};

/* Of all below root, with the content of files of which is_read() says so. NULL, or why it could
 * not be read (caller frees). manifest_free() in either case. */
char *manifest_take(struct manifest *manifest, const char *root, bool (*is_read)(const char *path));
void manifest_free(struct manifest *manifest);

const struct item *manifest_find(const struct manifest *manifest, const char *path);
/* Another thing of the same inode and content, with all its attributes, under the directory. */
bool manifest_holds(const struct manifest *manifest, const char *directory,
                    const struct item *item);

/* To a file and back. NULL or a complaint. */
char *manifest_save(const struct manifest *manifest, const char *file);
char *manifest_load(struct manifest *manifest, const char *file);

/* Same content and attributes; the time of a directory is looked at by item_is_exactly() alone. */
bool item_is(const struct item *a, const struct item *b);
/* Also links and the time of a directory. */
bool item_is_exactly(const struct item *a, const struct item *b);
/* "/x is file 644 0:0 ..."; NULL: "/x is not there". Caller frees. */
char *item_tell(const struct item *item);

#endif
