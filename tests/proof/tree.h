/*
 * tree.h - trees of files: what is in one, byte and attribute; copies of one; the end of one.
 */
#ifndef BACKSTOP_PROOF_TREE_H
#define BACKSTOP_PROOF_TREE_H

#include <linux/fs.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "jail.h"

#define TREE_FLAGS (FS_IMMUTABLE_FL | FS_APPEND_FL)
#define TREE_STATE "/var/lib/backstop"     /* where the program under proof keeps its own */
#define TREE_RESERVE TREE_STATE "/reserve" /* 16 MiB of nothing: its bytes are not looked at */

struct tree_item {
    char *path; /* from the root, "/opt/acme/a" */
    struct stat st;
    char sha256[65]; /* of a regular file, else empty */
    char *target;    /* of a link, else NULL */
    unsigned flags;  /* TREE_FLAGS of it */
    char *xattrs;    /* "name=hex " of each, sorted; POSIX ACLs are among them */
};

struct tree {
    struct tree_item *items; /* sorted by path */
    size_t count;
};

/* 0 or -errno. */
int tree_read(const char *root, struct tree *tree);
void tree_free(struct tree *tree);
const struct tree_item *tree_find(const struct tree *tree, const char *path);

/* Another file system than the tree's, in memory, at `elsewhere` in the tree: that of all trees
 * that lie beside it, so that numbers of inodes do not come again. NULL: nothing is done. 0 or
 * -errno. */
int tree_mount(const char *root, const char *elsewhere);
/*
 * A copy with all attributes but ctimes and inode numbers, in which `elsewhere` is a file system of
 * its own unless it is NULL. Records of the quarantine name inodes: the copy's name those of the
 * copy. 0 or -errno.
 */
int tree_copy(const char *from, const char *to, const char *elsewhere);
int tree_remove(const char *path); /* what is mounted there as well */

/* Runs a program without a tracer, in a jail unless that is NULL or none; its output goes to
 * `output`. Exit status, or -errno. */
int run_plain(char *const *argv, char *const *env, const char *output, const struct jail *jail);

/* Records of the quarantine, .../quarantine/CASE/records.jsonl: one a line. */
bool path_are_records(const char *path);
/* Text of such with the inodes that they name replaced; caller frees. NULL: no memory. */
char *records_rename_inodes(const char *text, uint64_t (*of)(uint64_t inode, void *user),
                            void *user);

/* A whole small file with a NUL behind it; caller frees. NULL: errno says why. */
char *file_text(const char *path, size_t *size);
int file_put(const char *path, const void *bytes, size_t size); /* keeps the inode; 0 or -errno */

#endif
