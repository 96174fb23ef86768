/*
 * flashlog.h - what one boot did to its flash, program by program.
 *
 * A program is what a power cut leaves whole: a byte that was programmed or a block that was
 * erased. The machine's log (writelog.h) has a sector for each; here are the bytes that it changed.
 */
#ifndef BACKSTOP_RIG_FLASHLOG_H
#define BACKSTOP_RIG_FLASHLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct program {
    uint32_t at;   /* first byte that it changed; of one that changed none, of its sector */
    uint32_t size; /* bytes from there; 0: the flash is as before */
    size_t data;   /* of these, in flashlog.data */
    bool erased;   /* more than a sector at once: an erasure */
};

struct flashlog {
    uint8_t *start; /* the flash as the boot found it */
    size_t size;
    struct program *programs;
    size_t count;
    uint8_t *data;
    size_t data_size;
};

/*
 * Reads the flash before the boot and the log of the boot. 0, or -errno with a reason (caller
 * frees). flashlog_free() in either case.
 */
int flashlog_load(struct flashlog *log, const char *before, const char *path, char **reason);
/* The same, kept in little room. 0 or -errno. */
int flashlog_save(const struct flashlog *log, const char *path);
int flashlog_read(struct flashlog *log, const char *path);
void flashlog_free(struct flashlog *log);

/* Brings flash[log->size] from the state after `from` programs to that after `to`, from <= to. */
void flashlog_apply(const struct flashlog *log, uint8_t *flash, size_t from, size_t to);

/*
 * The programs from the first to the last that changed one of the bytes from..to-1; false where
 * none did. *first and *last are indices.
 */
bool flashlog_window(const struct flashlog *log, size_t from, size_t to, size_t *first,
                     size_t *last);

#endif
