/* A log of writes, as a table. */
#ifndef BACKSTOP_TESTS_LOGROWS_H
#define BACKSTOP_TESTS_LOGROWS_H

#include <stdio.h>

#include "../qemu/writes.h"
#include "scratch.h"

enum { WRITE, FUA, FLUSH, DISCARD };

struct row {
    int what;
    uint64_t sector;
    unsigned sectors;
    char byte;
};

static void put64(FILE *file, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++)
        fputc((int)(value >> 8 * i & 0xff), file);
}

static void fill(FILE *file, int byte, size_t size)
{
    while (size-- > 0)
        fputc(byte, file);
}

static void write_row(FILE *file, const struct row *row)
{
    static const uint64_t flags[] = {0, 2, 1, 4};

    put64(file, row->sector);
    put64(file, row->sectors);
    put64(file, flags[row->what]);
    put64(file, 0);
    fill(file, 0, DISK_SECTOR - 32);
    if (row->what == WRITE || row->what == FUA)
        fill(file, row->byte, row->sectors * DISK_SECTOR);
}

static const char *log_path(void)
{
    static char path[128];

    snprintf(path, sizeof path, "%s/log", scratch);
    return path;
}

static void write_log(const struct row *rows, size_t count)
{
    FILE *file = fopen(log_path(), "w");

    assert_non_null(file);
    put64(file, 0x6a736677736872u);
    put64(file, 1);
    put64(file, 0);
    put64(file, DISK_SECTOR);
    fill(file, 0, DISK_SECTOR - 32);
    for (size_t i = 0; i < count; i++)
        write_row(file, &rows[i]);
    fclose(file);
}

#endif
