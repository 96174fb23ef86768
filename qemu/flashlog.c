#include "flashlog.h"
#include "text.h"
#include "writelog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR 512u
#define SAVED_MAGIC 0x31474c46u /* "FLG1" */
#define PROGRAM_SIZE 9u         /* at, size (4 each), erased (1) */

/* Room for one more of an array that doubles. */
static void *grown(void *array, size_t count, size_t size)
{
    void *more = array;

    if (count == 0 || (count & (count - 1)) == 0)
        more = realloc(array, (count == 0 ? 1 : 2 * count) * size);
    if (more == NULL)
        abort();
    return more;
}

static void data_add(struct flashlog *log, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        log->data = grown(log->data, log->data_size, 1);
        log->data[log->data_size++] = bytes[i];
    }
}

static void program_add(struct flashlog *log, struct program program, const uint8_t *bytes)
{
    program.data = log->data_size;
    data_add(log, bytes, program.size);
    log->programs = grown(log->programs, log->count, sizeof *log->programs);
    log->programs[log->count++] = program;
}

/* What of a write is a change to the flash as it is now, which it then is made on. */
static void take(struct flashlog *log, uint8_t *now, const struct writelog_entry *entry)
{
    size_t at = (size_t)entry->offset, first = 0, end = (size_t)entry->size;

    while (first < end && now[at + first] == entry->data[first])
        first++;
    while (end > first && now[at + end - 1] == entry->data[end - 1])
        end--;
    program_add(log,
                (struct program){.at = (uint32_t)(first < end ? at + first : at),
                                 .size = (uint32_t)(end - first),
                                 .erased = entry->size > SECTOR},
                entry->data + first);
    memcpy(now + at, entry->data, (size_t)entry->size);
}

static int take_all(struct flashlog *log, struct writelog *writes, uint8_t *now)
{
    struct writelog_entry entry;
    int got;

    while ((got = writelog_next(writes, &entry)) == 1) {
        if (entry.data == NULL)
            continue;
        if (entry.mark || entry.offset > log->size || entry.size > log->size - entry.offset)
            return -EBADMSG;
        take(log, now, &entry);
    }
    return got;
}

int flashlog_load(struct flashlog *log, const char *before, const char *path, char **reason)
{
    struct writelog *writes = writelog_open(path);
    TEXT_AUTO now = NULL;
    int error = writes == NULL ? -errno : 0;

    memset(log, 0, sizeof *log);
    if (error == 0) {
        log->start = (uint8_t *)file_read(before, &log->size);
        now = file_read(before, NULL);
        error = log->start == NULL || now == NULL ? -errno : 0;
    }
    if (error == 0)
        error = take_all(log, writes, (uint8_t *)now);
    if (writes != NULL)
        writelog_close(writes);
    if (error < 0)
        text_replace(reason, text_format("%s, log of %s: %s", path, before, strerror(-error)));
    return error;
}

static void put32(uint8_t *bytes, size_t value)
{
    for (unsigned i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(value >> 8 * i & 0xff);
}

static uint32_t get32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

int flashlog_save(const struct flashlog *log, const char *path)
{
    size_t size = 16 + log->size + log->count * PROGRAM_SIZE + log->data_size;
    uint8_t *bytes = calloc(1, size), *to = bytes + 16;
    int error;

    if (bytes == NULL)
        abort();
    put32(bytes, SAVED_MAGIC);
    put32(bytes + 4, log->size);
    put32(bytes + 8, log->count);
    put32(bytes + 12, log->data_size);
    memcpy(to, log->start, log->size);
    to += log->size;
    for (size_t i = 0; i < log->count; i++, to += PROGRAM_SIZE) {
        put32(to, log->programs[i].at);
        put32(to + 4, log->programs[i].size);
        to[8] = log->programs[i].erased;
    }
    if (log->data_size > 0)
        memcpy(to, log->data, log->data_size);
    error = file_write(path, bytes, size);
    free(bytes);
    return error;
}

static int saved_take(struct flashlog *log, const uint8_t *bytes, size_t size)
{
    size_t flash, count, data, used = 0;

    if (size < 16 || get32(bytes) != SAVED_MAGIC)
        return -EBADMSG;
    flash = get32(bytes + 4);
    count = get32(bytes + 8);
    data = get32(bytes + 12);
    if (size != 16 + flash + count * PROGRAM_SIZE + data)
        return -EBADMSG;
    log->size = flash;
    log->start = malloc(flash + 1);
    if (log->start == NULL)
        abort();
    memcpy(log->start, bytes + 16, flash);
    bytes += 16 + flash;
    for (size_t i = 0; i < count; i++) {
        struct program one = {.at = get32(bytes + i * PROGRAM_SIZE),
                              .size = get32(bytes + i * PROGRAM_SIZE + 4),
                              .erased = bytes[i * PROGRAM_SIZE + 8] != 0};

        if (one.size > data - used || one.at > flash || one.size > flash - one.at)
            return -EBADMSG;
        program_add(log, one, bytes + count * PROGRAM_SIZE + used);
        used += one.size;
    }
    return 0;
}

int flashlog_read(struct flashlog *log, const char *path)
{
    size_t size = 0;
    TEXT_AUTO bytes = file_read(path, &size);

    memset(log, 0, sizeof *log);
    return bytes == NULL ? -errno : saved_take(log, (const uint8_t *)bytes, size);
}

void flashlog_free(struct flashlog *log)
{
    free(log->start);
    free(log->programs);
    free(log->data);
    memset(log, 0, sizeof *log);
}

void flashlog_apply(const struct flashlog *log, uint8_t *flash, size_t from, size_t to)
{
    for (size_t i = from; i < to && i < log->count; i++)
        if (log->programs[i].size > 0)
            memcpy(flash + log->programs[i].at, log->data + log->programs[i].data,
                   log->programs[i].size);
}

bool flashlog_window(const struct flashlog *log, size_t from, size_t to, size_t *first,
                     size_t *last)
{
    bool found = false;

    for (size_t i = 0; i < log->count; i++) {
        const struct program *one = &log->programs[i];

        if (one->size == 0 || one->at >= to || one->at + one->size <= from)
            continue;
        if (!found)
            *first = i;
        *last = i;
        found = true;
    }
    return found;
}
