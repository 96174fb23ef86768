#include "writelog.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC 0x6a736677736872u
#define VERSION 1u
#define SUPER_SIZE 28u /* magic, version, count of entries (8 each), size of a sector (4) */
#define ENTRY_SIZE 32u /* sector, sectors, flags, bytes of a mark's name (8 each) */

#define FLAG_FLUSH 1u
#define FLAG_FUA 2u
#define FLAG_DISCARD 4u
#define FLAG_MARK 8u
#define FLAG_METADATA 16u
#define FLAGS_KNOWN 31u

#define SECTOR_MIN 512u
#define SECTOR_MAX 65536u
#define DATA_MAX (256u << 20) /* no drive takes more in one request */

struct writelog {
    FILE *file;
    uint64_t sector; /* bytes */
    uint8_t *data;
    size_t room;
};

static uint64_t load(const uint8_t *bytes, unsigned width)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < width; i++)
        value |= (uint64_t)bytes[i] << 8 * i;
    return value;
}

static int super_check(const uint8_t *super, uint64_t *sector)
{
    *sector = load(super + 24, 4);
    if (load(super, 8) != MAGIC || load(super + 8, 8) != VERSION)
        return -EBADMSG;
    if (*sector < SECTOR_MIN || *sector > SECTOR_MAX || (*sector & (*sector - 1)) != 0)
        return -EBADMSG;
    return 0;
}

struct writelog *writelog_open(const char *path)
{
    struct writelog *log = calloc(1, sizeof *log);
    uint8_t super[SUPER_SIZE];

    if (log == NULL || (log->file = fopen(path, "rbe")) == NULL) {
        free(log);
        return NULL;
    }
    errno = EBADMSG;
    if (fread(super, sizeof super, 1, log->file) == 1 && super_check(super, &log->sector) == 0 &&
        fseeko(log->file, (off_t)log->sector, SEEK_SET) == 0)
        return log;
    writelog_close(log);
    return NULL;
}

/* 1; 0 where the file ends before that; -errno. */
static int take(struct writelog *log, uint8_t *bytes, size_t size)
{
    if (fread(bytes, 1, size, log->file) == size)
        return 1;
    return ferror(log->file) ? -EIO : 0;
}

static int data_take(struct writelog *log, uint64_t size)
{
    if (size > DATA_MAX)
        return -EBADMSG;
    if (size > log->room) {
        uint8_t *data = realloc(log->data, (size_t)size);

        if (data == NULL)
            return -ENOMEM;
        log->data = data;
        log->room = (size_t)size;
    }
    return take(log, log->data, (size_t)size);
}

/* UINT64_MAX for what no entry has. */
static uint64_t rounded(uint64_t size, uint64_t sector)
{
    return size > DATA_MAX ? UINT64_MAX : (size + sector - 1) / sector * sector;
}

/* A header of nothing but zeros: its place was taken, and QEMU died before it was written. */
static int header_take(struct writelog *log, uint8_t header[SECTOR_MAX])
{
    static const uint8_t nothing[ENTRY_SIZE];
    int got = take(log, header, (size_t)log->sector);

    return got == 1 && memcmp(header, nothing, sizeof nothing) == 0 ? 0 : got;
}

int writelog_next(struct writelog *log, struct writelog_entry *entry)
{
    uint8_t header[SECTOR_MAX];
    uint64_t flags, sectors;
    int got = header_take(log, header);

    if (got != 1)
        return got;
    sectors = load(header + 8, 8);
    flags = load(header + 16, 8);
    if ((flags & ~(uint64_t)FLAGS_KNOWN) != 0 || sectors > UINT64_MAX / log->sector ||
        load(header, 8) > UINT64_MAX / log->sector)
        return -EBADMSG;
    *entry = (struct writelog_entry){.offset = load(header, 8) * log->sector,
                                     .size = sectors * log->sector,
                                     .flush = (flags & FLAG_FLUSH) != 0,
                                     .fua = (flags & FLAG_FUA) != 0,
                                     .discard = (flags & FLAG_DISCARD) != 0,
                                     .mark = (flags & FLAG_MARK) != 0};
    if (entry->mark)
        entry->size = load(header + 24, 8);
    got = data_take(log, entry->discard ? 0 : rounded(entry->size, log->sector));
    entry->data = entry->size > 0 && !entry->discard ? log->data : NULL;
    return got;
}

void writelog_close(struct writelog *log)
{
    int error = errno;

    if (log->file != NULL)
        fclose(log->file);
    free(log->data);
    free(log);
    errno = error;
}
