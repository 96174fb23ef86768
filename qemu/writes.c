/* writes.c - see writes.h */
#include "writes.h"
#include "text.h"
#include "writelog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void *alive(void *memory)
{
    if (memory == NULL)
        abort();
    return memory;
}

static void add_write(struct writes *writes, const struct writelog_entry *entry)
{
    struct disk_write write = {.offset = entry->offset,
                               .size = (size_t)entry->size,
                               .bytes = alive(malloc((size_t)entry->size)),
                               .forced = entry->fua};

    memcpy(write.bytes, entry->data, write.size);
    writes->items = alive(realloc(writes->items, (writes->count + 1) * sizeof *writes->items));
    writes->items[writes->count++] = write;
}

static void add_flush(struct writes *writes)
{
    if (writes->flush_count > 0 && writes->flushes[writes->flush_count - 1] == writes->count)
        return;
    writes->flushes =
        alive(realloc(writes->flushes, (writes->flush_count + 1) * sizeof *writes->flushes));
    writes->flushes[writes->flush_count++] = writes->count;
}

static int take(struct writes *writes, const struct writelog_entry *entry, uint64_t disk_size)
{
    if (entry->flush) /* one that comes with data goes before them */
        add_flush(writes);
    if (entry->mark || entry->discard || entry->size == 0)
        return 0;
    if (entry->offset > disk_size || entry->size > disk_size - entry->offset)
        return -EBADMSG;
    add_write(writes, entry);
    return 0;
}

int writes_load(struct writes *writes, const char *path, uint64_t disk_size, char **reason)
{
    struct writelog *log = writelog_open(path);
    struct writelog_entry entry;
    int got = log != NULL ? 1 : -errno;

    *writes = (struct writes){0};
    while (got == 1 && (got = writelog_next(log, &entry)) == 1)
        if (take(writes, &entry, disk_size) < 0)
            got = -EBADMSG;
    if (log != NULL)
        writelog_close(log);
    if (got < 0)
        *reason = text_format("%s: %s behind write %zu; record it again", path,
                              got == -EBADMSG ? "not a log of this disk's writes" : strerror(-got),
                              writes->count);
    return got;
}

void writes_free(struct writes *writes)
{
    for (size_t i = 0; i < writes->count; i++)
        free(writes->items[i].bytes);
    free(writes->items);
    free(writes->flushes);
    *writes = (struct writes){0};
}

size_t writes_durable(const struct writes *writes, size_t count)
{
    size_t durable = 0;

    for (size_t i = 0; i < writes->flush_count && writes->flushes[i] < count; i++)
        durable = writes->flushes[i];
    return durable;
}

size_t writes_mark(const struct writes *writes, uint64_t disk_size)
{
    uint64_t place = disk_size - DISK_MARGIN;

    for (size_t i = 0; i < writes->count; i++)
        if (writes->items[i].offset <= place &&
            place - writes->items[i].offset < writes->items[i].size)
            return i + 1;
    return 0;
}

void writes_apply(const struct writes *writes, uint8_t *disk)
{
    for (size_t i = 0; i < writes->count; i++)
        memcpy(disk + writes->items[i].offset, writes->items[i].bytes, writes->items[i].size);
}
