/*
 * record.h - what a run did to a tree, call by call, in terms of inodes and names: the material of
 * which reorder.h makes the states that a power cut may leave.
 */
#ifndef BACKSTOP_PROOF_RECORD_H
#define BACKSTOP_PROOF_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "trace.h"

/* A file, directory or link as it stood after a call. */
struct version {
    unsigned call; /* 0: before the run */
    struct stat st;
    char *bytes; /* of a file: its content; of a link: its target */
    size_t size;
    size_t xattr_count;
    struct xattr {
        char *name;
        void *value;
        size_t size;
    } * xattr_list;
    uint64_t bytes_sign, attributes_sign; /* sign.h's */
};

/* File systems: of the root, the ESP, efivarfs, whose writes are durable when they have been made,
 * and whatever else is mounted in the tree. What is on one is not covered by syncs of another. */
enum file_system { FS_ROOT, FS_ESP, FS_VARIABLES, FS_ELSEWHERE, FS_ALL };

struct node {
    uint64_t inode; /* inode_id() */
    struct version *versions;
    size_t count;
    enum file_system fs;
};

/* A name in a directory is set; inode 0: taken away. */
struct change {
    uint64_t directory;
    char *name;
    uint64_t inode;
};

enum op_kind { OP_NAMES, OP_FILE, OP_SYNC, OP_SYNC_ALL };

struct op {
    unsigned call;
    enum op_kind kind;
    struct change changes[4]; /* OP_NAMES: persisted together or not at all */
    size_t change_count;
    uint64_t inode;      /* OP_FILE: a new version of it; OP_SYNC: of what */
    enum file_system fs; /* OP_SYNC_ALL: of what */
};

struct recording {
    const char *root;
    uint64_t root_inode;
    struct node *nodes;
    size_t node_count;
    struct change *names; /* before the run */
    size_t name_count;
    struct op *ops;
    size_t op_count;
    unsigned lost; /* the first call that did something which is not in it; 0: none */
    /* of the call under way */
    struct op open;
    bool is_open;
};

/* The tree as it stands before the run. 0 or -errno. */
int record_begin(struct recording *recording, const char *root);
/* For trace_plan; `user` is the recording. */
void record_before(const struct call *call, void *user);
void record_after(const struct call *call, void *user);
void record_free(struct recording *recording);

struct node *record_node(const struct recording *recording, uint64_t inode);
/* Numbers of inodes are of one file system each: this one is of all. */
uint64_t inode_id(const struct stat *st);
uint64_t inode_number(uint64_t id);

#endif
