/*
 * blocksrecord.h - what is done to a file system, recorded: its disk before, and each write since.
 *
 * A recording lies in OUT/NAME-KEY/, KEY being over the lab and the way in which the file system is
 * made: base.raw is the disk before, log are the writes, sum is a hash of both. It is one only if
 * the log leads from the disk before to the disk after, in every byte, and has the mark that the
 * act had ended; that is seen to when it is made, and sum when it is read.
 */
#ifndef BACKSTOP_RIG_BLOCKSRECORD_H
#define BACKSTOP_RIG_BLOCKSRECORD_H

#include "text.h"
#include "writes.h"

struct block_fs {
    const char *name;   /* as lab/lab.c has it */
    unsigned mib;       /* of the file system */
    unsigned table_mib; /* before it, for a partition table; 0: there is none */
    size_t least;       /* states that must have been tried */
    const char *const make[12];
};

/* NULL behind the last one, and for a name that none has. */
const struct block_fs *block_fs_at(size_t index);
const struct block_fs *block_fs_find(const char *name);

struct recording {
    const char *lab;
    const struct block_fs *fs;
    char key[17];
    char *dir, *base, *log, *sum, *console;
    /* as read */
    char digest[HASH_TEXT_SIZE];
    struct writes writes;
};

/* Where it lies, read or not. 0, or -errno where the lab is not made, which is said. Close it in
 * either case. */
int recording_open(struct recording *recording, const char *lab, const char *out,
                   const struct block_fs *fs);
void recording_close(struct recording *recording);
/* 0 with the bytes of the disk before (caller frees); -ENOENT where there is none; -EBADMSG with a
 * reason (caller frees) for one that is not whole. */
int recording_read(struct recording *recording, uint8_t **base, size_t *size, char **reason);
/* Makes it anew, in two machines. 0, or -errno, which is said. */
int recording_make(const struct recording *recording);
void recording_forget(const struct recording *recording);

/* The log leads from the disk before to the disk after, and has the mark. NULL, or why not (caller
 * frees). */
char *recording_complaint(const char *before, const char *log, const char *after);

#endif
