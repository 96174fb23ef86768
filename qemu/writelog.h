/*
 * writelog.h - what a machine wrote to one of its drives, in the order in which it did: QEMU's
 * `blklogwrites`, in the format of Linux's dm-log-writes (Documentation/admin-guide/device-mapper/
 * log-writes.rst, drivers/md/dm-log-writes.c, QEMU's block/blklogwrites.c).
 *
 * A superblock, then entries, each a header of one sector and behind it the data. The superblock's
 * count of entries is as old as the last flush, so the log is read to the end of the file.
 */
#ifndef BACKSTOP_RIG_WRITELOG_H
#define BACKSTOP_RIG_WRITELOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct writelog_entry {
    uint64_t offset; /* bytes, on the drive */
    uint64_t size;   /* bytes; 0 for a flush alone */
    bool flush;      /* what was written before this entry is on the medium */
    bool fua;        /* and so is this entry */
    bool discard;    /* size bytes from offset are no longer defined; no data */
    bool mark;       /* data is a name for this place in the log */
    const uint8_t
        *data; /* size bytes (a mark's: as many as it has), until the next call; or NULL */
};

struct writelog;

/* NULL with errno; EBADMSG where the file is no such log. Close with writelog_close(). */
struct writelog *writelog_open(const char *path);
/*
 * 1 and the next entry; 0 at the end, which is also where QEMU was killed in the middle of an
 * entry; -EBADMSG for what no log holds; another -errno for the file.
 */
int writelog_next(struct writelog *log, struct writelog_entry *entry);
void writelog_close(struct writelog *log);

#endif
