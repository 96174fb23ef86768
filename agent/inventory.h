/*
 * inventory.h - files of sets as they stand: path, identity, metadata, hash.
 *
 * An inventory is what is found on disk; a manifest (manifest.h) is one written
 * down. Both are sorted by path_compare(). Paths are absolute beneath the
 * place's root and free of symbolic links in every directory part.
 */
#ifndef BACKSTOP_AGENT_INVENTORY_H
#define BACKSTOP_AGENT_INVENTORY_H

#include "sets.h"

#define SHA256_SIZE 32
#define SHA256_TEXT_SIZE (2 * SHA256_SIZE + 1) /* as hexadecimal digits, with a NUL */

/* Names that begin so are Backstop's own, wherever they are: never listed, never descended into. */
#define OWN_NAME_PREFIX ".backstop-"

/* Of a path, and of a link's target, with its NUL: what openat2(2) takes at once. */
#define PATH_SIZE_MAX 4096

enum entry_type { ENTRY_FILE = 'f', ENTRY_DIR = 'd', ENTRY_LINK = 'l', ENTRY_OTHER = 'o' };

/* chattr(1)'s i and a: such a file, or one in such a directory, can be neither moved nor deleted.
 */
#define ENTRY_IMMUTABLE 1u
#define ENTRY_APPEND 2u

struct entry {
    char *path;
    uint32_t set;  /* index in the inventory's set_names */
    char type;     /* enum entry_type; others (devices, sockets) are listed, never touched */
    bool never;    /* on a never-touch list: listed, never touched, never read */
    bool hashed;   /* sha256 (files) and xattrs (files, directories) are filled */
    uint8_t flags; /* ENTRY_IMMUTABLE, ENTRY_APPEND, as found; a manifest has none */
    uint32_t mode, uid, gid, nlink; /* mode: permission bits (07777) alone */
    uint64_t size, inode, dev;      /* size 0 for all but files; hard links share inode and dev */
    int64_t mtime_ns, ctime_ns;     /* ns since the epoch, compared for equality alone */
    char *target;                   /* of a symbolic link, else NULL */
    uint8_t *xattrs; /* packed pairs sorted by name (ACLs, labels, capabilities), or NULL */
    size_t xattrs_size;
    uint8_t sha256[SHA256_SIZE];
};

/* One glob of a set, and where it led: what stood there when the inventory was taken is in it. */
struct scope {
    uint32_t set;
    bool apart;   /* the prefix lay on another file system than the root */
    char *glob;   /* as the set's file has it */
    char *prefix; /* its literal prefix, without links; "" for the root */
};

struct inventory {
    struct entry *entries;
    size_t count;
    char **set_names; /* index -> name; of one just taken: every set loaded, in the sets' order */
    uint8_t *set_classes;
    size_t set_count;
    uint32_t generation;  /* of a manifest; 0 for one just taken */
    uint32_t boot;        /* boot number in which it was taken; 0: not known */
    struct scope *scopes; /* of all sets present, and of others of which nothing stands */
    size_t scope_count;
    bool scoped;   /* scopes and unread are known: not so of a manifest of version 1 */
    char **unread; /* what could not be read, mostly directories: nothing is known of these */
    size_t unread_count;
    void *arena; /* owner of every string above */
};

/*
 * Walks all present sets. Identities and metadata only (one statx an entry, no
 * content read). A file in two sets belongs to the first by name. Directories
 * are entries where a glob ends in a double star. What cannot be read is
 * reported and left out. An identity taken is older than the file system's
 * clock tick, so that any later change of the file shows in it. 0 or -errno.
 */
int inventory_take(const struct place *place, const struct sets *sets, struct inventory *inventory,
                   struct diag *diag);
/*
 * *made: the sets, those of which `good` has something present whatever they detect: that may lie
 * on a file system that is not mounted. Borrows from `sets`; caller frees made->items alone. 0 or
 * -ENOMEM.
 */
int sets_with_good(const struct sets *sets, const struct inventory *good, struct sets *made);
void inventory_free(struct inventory *inventory);
/* An empty inventory with its arena: 0 or -ENOMEM. */
int inventory_init(struct inventory *inventory);
const struct entry *inventory_find(const struct inventory *inventory, const char *path);
/* Index of the set by name, or set_count. */
uint32_t inventory_set(const struct inventory *inventory, const char *name);
/* Nothing is known of path: it is one that could not be read, or beneath it. */
bool inventory_is_blind(const struct inventory *inventory, const char *path);

/* Bytewise, but '/' before every other byte, so that what is in a directory follows it at once. */
int path_compare(const char *a, const char *b);

/*
 * Same bytes for sure, without reading: type, size, inode, mtime and ctime equal. Not dev, which is
 * numbered anew at each boot.
 */
bool entry_same_identity(const struct entry *a, const struct entry *b);
/*
 * Same content and metadata (type, mode, owner, target, sha256, xattrs; not times or inode). Both
 * hashed, else it is false; others (type 'o') have neither.
 */
bool entry_same_content(const struct entry *a, const struct entry *b);
/*
 * Reads content and xattrs, without touching the access time where that is allowed. Links and
 * others are marked hashed alone. 0 or -errno; -ESTALE if it is not, or not any more, what entry
 * says.
 */
int entry_hash(const struct place *place, struct inventory *owner, struct entry *entry);
/*
 * The same with the file's content going through `keep` (which copies in_fd and gives its hash;
 * NULL: hash alone). Safe to call from several threads for different entries of one inventory.
 */
typedef int entry_keeper(const struct place *place, int in_fd, uint8_t sha256[SHA256_SIZE]);
int entry_keep(const struct place *place, struct inventory *owner, struct entry *entry,
               entry_keeper *keep);

#endif
