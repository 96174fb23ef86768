/*
 * scratch.h - a disk in memory that is given one crash state after the other.
 */
#ifndef BACKSTOP_LAB_SCRATCH_H
#define BACKSTOP_LAB_SCRATCH_H

#include "crash.h"

#define SCRATCH_DEVICE "/dev/loop0"

struct scratch {
    uint64_t size;
    struct writes log;
    struct run_of_bytes {
        uint64_t offset;
        uint8_t *bytes; /* SCRATCH_RUN of them */
    } * runs;           /* what the base holds that is not zero */
    size_t run_count;
    int file, loop;
};

/* Reads base and log from their devices. NULL or a complaint (caller frees), here and below. */
char *scratch_open(struct scratch *scratch, const char *base, const char *log);
/* SCRATCH_DEVICE is now a disk in that state. */
char *scratch_set(struct scratch *scratch, const struct crash *crash);
/* Lets go of the device; nothing may be mounted from it. */
char *scratch_release(struct scratch *scratch);

/* The bytes of a block device (caller frees), NULL with errno. */
uint8_t *device_read(const char *device, size_t *size);

#endif
