/*
 * inventory.h - files of sets as they stand: path, identity, metadata, hash.
 *
 * An inventory is what is found on disk; a manifest (manifest.h) is one written
 * down. Both are sorted by path, bytewise. Paths are absolute beneath the
 * place's root and free of symbolic links in every directory part.
 */
#ifndef BACKSTOP_AGENT_INVENTORY_H
#define BACKSTOP_AGENT_INVENTORY_H

#include "sets.h"

#define SHA256_SIZE 32

enum entry_type { ENTRY_FILE = 'f', ENTRY_DIR = 'd', ENTRY_LINK = 'l', ENTRY_OTHER = 'o' };

struct entry {
    char *path;
    uint32_t set; /* index in the inventory's set_names */
    char type;    /* enum entry_type; others (devices, sockets) are listed, never touched */
    bool never;   /* on its set's never-touch list: listed, never touched */
    bool hashed;  /* sha256 and xattrs are filled (files; xattrs for directories too) */
    uint32_t mode, uid, gid, nlink;
    uint64_t size, inode, dev;
    int64_t mtime_ns, ctime_ns; /* ns since the epoch, compared for equality alone */
    char *target;               /* of a symbolic link, else NULL */
    uint8_t *xattrs;            /* packed name/value pairs sorted by name (ACLs, labels, capabilities), or NULL */
    size_t xattrs_size;
    uint8_t sha256[SHA256_SIZE];
};

struct inventory {
    struct entry *entries;
    size_t count;
    char **set_names; /* index -> name */
    uint8_t *set_classes;
    size_t set_count;
    uint32_t generation; /* of a manifest; 0 for one just taken */
    uint32_t boot;       /* boot number in which it was taken; 0: not known */
    void *arena;         /* owner of every string above */
};

/*
 * Walks all present sets. Identities and metadata only (one statx an entry, no
 * content read). A file in two sets belongs to the first by name. What cannot
 * be read is reported and left out. 0 or -errno.
 */
int inventory_take(const struct place *place, const struct sets *sets, struct inventory *inventory,
                   struct diag *diag);
void inventory_free(struct inventory *inventory);
const struct entry *inventory_find(const struct inventory *inventory, const char *path);

/* Same bytes for sure, without reading: type, size, inode, dev, mtime and ctime equal. */
bool entry_same_identity(const struct entry *a, const struct entry *b);
/* Same content and metadata (type, mode, owner, target, sha256, xattrs; not times or inode). Both hashed. */
bool entry_same_content(const struct entry *a, const struct entry *b);
/* Reads content and xattrs. 0 or -errno; -ESTALE if it changed meanwhile. */
int entry_hash(const struct place *place, struct inventory *owner, struct entry *entry);

#endif
