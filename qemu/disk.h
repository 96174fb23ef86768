/*
 * disk.h - a machine's disk, read and edited from outside while the machine is off.
 *
 * The root (ext4) is read with libext2fs and edited with debugfs, the ESP with mtools.
 */
#ifndef BACKSTOP_RIG_DISK_H
#define BACKSTOP_RIG_DISK_H

#include "text.h"

struct disk {
    const char *path;    /* raw image with a GPT */
    uint64_t esp_offset; /* bytes */
    uint64_t root_offset;
};

/* Finds the partitions. 0, -errno, or -EBADMSG where there is no GPT with an ESP and a Linux root.
 */
int disk_open(struct disk *disk, const char *path);

/* As the next mount would: replays ext4's journal after a crash. 0 or -EIO, which is reported. */
int disk_settle(const struct disk *disk, char **reason);

/* Reads a file; symlinks are followed. NULL if there is none (or it is no file); caller frees. */
char *disk_read(const struct disk *disk, const char *path, size_t *size);
/* "file", "directory", "link", "other", or NULL where nothing is. Symlinks are not followed. */
const char *disk_kind(const struct disk *disk, const char *path);
/*
 * One line for each thing at and under `path`, sorted: path, kind, inode, mode, uid:gid, size,
 * mtime, ctime, and SHA-256 or link target. Empty where nothing is; caller frees.
 */
char *disk_listing(const struct disk *disk, const char *path);
/* The paths alone, one a line, sorted; caller frees. */
char *disk_names(const struct disk *disk, const char *path);

/* Edits; 0, or -EIO with a reason (caller frees). */
int disk_write(const struct disk *disk, const char *path, const void *bytes, size_t size,
               char **reason);
int disk_delete(const struct disk *disk, const char *path, char **reason); /* directories too */
/* As disk_write(), with this mode; root is the owner. */
int disk_put(const struct disk *disk, const char *path, const void *bytes, size_t size,
             unsigned mode, char **reason);
/* Makes a directory and those above it, where they are not there. */
int disk_mkdir(const struct disk *disk, const char *path, char **reason);

/* Flips one bit in the middle of a file, which keeps its size and times. */
int disk_damage(const struct disk *disk, const char *path, char **reason);
/* Where a file's first block lies: its byte on the disk. -EIO where it has none, and *byte stays.
 */
int disk_where(const struct disk *disk, const char *path, uint64_t *byte, char **reason);
/* Gives a new file at path, in a directory that is there, all blocks that root could have. */
int disk_fill(const struct disk *disk, const char *path, char **reason);

/* The same on the ESP; paths with slashes. */
char *esp_read(const struct disk *disk, const char *path, size_t *size);
bool esp_has(const struct disk *disk, const char *path);
int esp_write(const struct disk *disk, const char *path, const void *bytes, size_t size,
              char **reason);
int esp_delete(const struct disk *disk, const char *path, char **reason);

#endif
