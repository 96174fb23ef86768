/*
 * writes.h - all that a disk was told to write, in memory, for making the states that a power cut
 * could have left: the whole of a log of writes (writelog.h).
 *
 * A discard changes nothing that a file system may rely on and is passed over; a mark is none of
 * the disk's business.
 */
#ifndef BACKSTOP_RIG_WRITES_H
#define BACKSTOP_RIG_WRITES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK_SECTOR 512u
#define DISK_MARGIN 1048576u /* of the lab's disks, behind the file system */

struct disk_write {
    uint64_t offset; /* bytes, of whole sectors */
    size_t size;
    uint8_t *bytes;
    bool forced; /* FUA: on the medium when it was answered */
};

struct writes {
    struct disk_write *items;
    size_t count;
    size_t *flushes; /* ascending: after so many writes all of them were made durable */
    size_t flush_count;
};

/* Of a disk of disk_size bytes. 0, or -errno with a reason (caller frees); -EBADMSG for a damaged
 * log. writes_free() in either case. */
int writes_load(struct writes *writes, const char *log, uint64_t disk_size, char **reason);
void writes_free(struct writes *writes);

/* How many of the first `count` writes had been made durable before the last of them was answered:
 * while no more than `count` were issued, none of these can be missing. */
size_t writes_durable(const struct writes *writes, size_t count);

/* The number, from 1, of the write that says that the act has ended: the first to the first sector
 * of the margin. 0: there is none. */
size_t writes_mark(const struct writes *writes, uint64_t disk_size);
/* Makes them all on a disk of that size, in memory. */
void writes_apply(const struct writes *writes, uint8_t *disk);

#endif
