/*
 * tree.h - the machine whose files are put back: as it stood in a good boot, and what a faulty
 * update makes of it.
 */
#ifndef BACKSTOP_LAB_TREE_H
#define BACKSTOP_LAB_TREE_H

#include <stdbool.h>

/* Each gives NULL, or why it could not be done (caller frees). */
char *tree_make(const char *root);
char *tree_update(const char *root);
/* ... one that deletes nothing. */
char *tree_update_kept(const char *root);

/* The path belongs to one of the sets. */
bool tree_is_in_set(const char *path);
/* ... and is never to be touched. */
bool tree_is_never(const char *path);

#endif
