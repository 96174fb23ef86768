/* scratch.c - see scratch.h */
#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SCRATCH_RUN 4096u
#define FILE_NAME "/tmp/disk"

static bool is_zero(const uint8_t *bytes)
{
    static const uint8_t zeros[SCRATCH_RUN];

    return memcmp(bytes, zeros, SCRATCH_RUN) == 0;
}

static int read_whole(int fd, uint8_t *bytes, size_t size, uint64_t offset)
{
    size_t done = 0;

    while (done < size) {
        ssize_t got = pread(fd, bytes + done, size - done, (off_t)(offset + done));

        if (got <= 0)
            return got < 0 ? -errno : -EIO;
        done += (size_t)got;
    }
    return 0;
}

static int write_whole(int fd, const uint8_t *bytes, size_t size, uint64_t offset)
{
    size_t done = 0;

    while (done < size) {
        ssize_t put = pwrite(fd, bytes + done, size - done, (off_t)(offset + done));

        if (put < 0)
            return -errno;
        done += (size_t)put;
    }
    return 0;
}

uint8_t *device_read(const char *device, size_t *size)
{
    int fd = open(device, O_RDONLY | O_CLOEXEC), error;
    off_t end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    uint8_t *bytes = end < 0 ? NULL : malloc((size_t)end + 1);

    error = bytes == NULL ? -errno : read_whole(fd, bytes, (size_t)end, 0);
    if (error == 0) {
        *size = (size_t)end;
        bytes[end] = 0;
    } else {
        free(bytes);
        bytes = NULL;
    }
    if (fd >= 0)
        close(fd);
    errno = -error;
    return bytes;
}

static void keep_run(struct scratch *scratch, uint64_t offset, const uint8_t *bytes)
{
    struct run_of_bytes *run;

    scratch->runs = realloc(scratch->runs, (scratch->run_count + 1) * sizeof *scratch->runs);
    if (scratch->runs == NULL)
        abort();
    run = &scratch->runs[scratch->run_count++];
    *run = (struct run_of_bytes){offset, malloc(SCRATCH_RUN)};
    if (run->bytes == NULL)
        abort();
    memcpy(run->bytes, bytes, SCRATCH_RUN);
}

static int read_base(struct scratch *scratch, int fd)
{
    static uint8_t buffer[256 * SCRATCH_RUN];
    int error = 0;

    for (uint64_t at = 0; at < scratch->size && error == 0; at += sizeof buffer) {
        uint64_t left = scratch->size - at;
        size_t size = left < sizeof buffer ? (size_t)left : sizeof buffer;

        memset(buffer, 0, sizeof buffer);
        error = read_whole(fd, buffer, size, at);
        posix_fadvise(fd, (off_t)at, (off_t)size, POSIX_FADV_DONTNEED);
        for (size_t i = 0; i < size && error == 0; i += SCRATCH_RUN)
            if (!is_zero(buffer + i))
                keep_run(scratch, at + i, buffer + i);
    }
    return error;
}

static char *open_base(struct scratch *scratch, const char *base)
{
    int fd = open(base, O_RDONLY | O_CLOEXEC), error;
    off_t end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);

    if (end < 0)
        return text_format("%s: %s", base, strerror(errno));
    scratch->size = (uint64_t)end;
    error = read_base(scratch, fd);
    close(fd);
    return error < 0 ? text_format("%s: %s", base, strerror(-error)) : NULL;
}

char *scratch_open(struct scratch *scratch, const char *base, const char *log)
{
    char *complaint;

    *scratch = (struct scratch){.loop = -1};
    scratch->file = open(FILE_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (scratch->file < 0)
        return text_format(FILE_NAME ": %s", strerror(errno));
    complaint = open_base(scratch, base);
    if (complaint == NULL)
        writes_load(&scratch->log, log, scratch->size, &complaint);
    return complaint;
}

static int put_write(void *context, const struct disk_write *write, size_t size)
{
    const struct scratch *scratch = context;

    return write_whole(scratch->file, write->bytes, size, write->offset);
}

static int fill(struct scratch *scratch, const struct crash *crash)
{
    int error = 0;

    if (ftruncate(scratch->file, 0) < 0 || ftruncate(scratch->file, (off_t)scratch->size) < 0)
        return -errno;
    for (size_t i = 0; i < scratch->run_count && error == 0; i++)
        error = write_whole(scratch->file, scratch->runs[i].bytes, SCRATCH_RUN,
                            scratch->runs[i].offset);
    return error < 0 ? error : crash_replay(crash, &scratch->log, put_write, scratch);
}

static int attach(struct scratch *scratch)
{
    struct loop_config config = {.fd = (unsigned)scratch->file,
                                 .block_size = DISK_SECTOR,
                                 .info.lo_flags = LO_FLAGS_PARTSCAN};

    scratch->loop = open(SCRATCH_DEVICE, O_RDWR | O_CLOEXEC);
    if (scratch->loop < 0)
        return -errno;
    return ioctl(scratch->loop, LOOP_CONFIGURE, &config) < 0 ? -errno : 0;
}

char *scratch_set(struct scratch *scratch, const struct crash *crash)
{
    int error = fill(scratch, crash);

    if (error == 0)
        error = attach(scratch);
    return error < 0 ? text_format(SCRATCH_DEVICE ": %s", strerror(-error)) : NULL;
}

char *scratch_release(struct scratch *scratch)
{
    char *complaint = NULL;

    if (ioctl(scratch->loop, LOOP_CLR_FD) < 0)
        complaint = text_format(SCRATCH_DEVICE ": cannot be let go: %s", strerror(errno));
    close(scratch->loop);
    scratch->loop = -1;
    return complaint;
}
