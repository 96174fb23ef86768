/*
 * crash.h - the states that a power cut can leave a disk in, given the log of its writes.
 *
 * Assumed of the disk: a flush makes durable what was answered before it, and a write marked FUA
 * itself; of the writes since then any may have arrived, in any order; a sector of 512 bytes is
 * written whole or not at all, a longer write from its beginning up to some sector.
 *
 * A state is named by what became of the writes, counted from 1:
 *   120        the first 120 were issued and have arrived
 *   120t8      of the 120th, the first 8 sectors alone
 *   120-117    but for the 117th
 *   120-113-117
 *   120t8-117
 *   120-117t8  but for the 117th, of which the first 8 sectors arrived
 *   110+117    of the first 110 all, of those after them, which no flush has followed, only this
 * one 110+113+117 110+117t8
 */
#ifndef BACKSTOP_RIG_CRASH_H
#define BACKSTOP_RIG_CRASH_H

#include "text.h"
#include "writes.h"

#define CRASH_DEPTH 2u

struct crash {
    size_t count;            /* writes that arrived but for what follows */
    size_t torn;             /* sectors of the last one; 0: all */
    size_t odd[CRASH_DEPTH]; /* numbers of the writes that are missing, or came alone */
    unsigned odd_count;
    bool alone;
    size_t part; /* sectors of a single odd one that arrived; 0: none of a missing one, else all */
};

#define CRASH_ID_SIZE 80u
void crash_format(const struct crash *crash, char id[CRASH_ID_SIZE]);
/* 0; -EINVAL for what is no name; -ERANGE for one that this log does not allow. */
int crash_parse(const char *id, const struct writes *log, struct crash *crash);
/* Writes that had been issued when the power went. */
size_t crash_issued(const struct crash *crash);
/* Of one of them a part arrived. */
bool crash_is_torn(const struct crash *crash);

/* Calls `put` for each write that arrived, in order, with how much of it did; stops at its first
 * error. */
int crash_replay(const struct crash *crash, const struct writes *log,
                 int (*put)(void *context, const struct disk_write *write, size_t size),
                 void *context);

enum crash_kind {
    CRASH_PREFIX,
    CRASH_TORN,
    CRASH_WITHOUT_ONE,
    CRASH_ALONE,
    CRASH_PAIR,
    CRASH_TORN_WITHOUT,
    CRASH_TORN_WITHIN,
    CRASH_KINDS
};
const char *crash_kind_string(enum crash_kind kind);

struct crashes {
    struct crash *items; /* distinct by what the disk holds */
    size_t count;
    size_t distinct[CRASH_KINDS]; /* of each kind, chosen */
    size_t possible[CRASH_KINDS]; /* of each kind, before those alike were dropped */
};

/*
 * All prefixes, single writes missing from any prefix, single writes that arrived alone, and the
 * last write torn behind its first sector, in its middle and before its last; while there are fewer
 * than `wanted` states in all (0: every one), in turns and each sort evenly spread over the log:
 * pairs missing or alone; the last write torn and another missing; one torn anywhere that later
 * ones have overtaken, or that came alone; the last one torn anywhere. `base`: what a disk of
 * base_size bytes held before.
 */
void crashes_find(struct crashes *crashes, const struct writes *log, const uint8_t *base,
                  size_t base_size, size_t wanted);
void crashes_free(struct crashes *crashes);

#endif
